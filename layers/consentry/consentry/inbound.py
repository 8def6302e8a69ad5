"""Mails to the unsubscribe address (`List-Unsubscribe: <mailto:…>`, RFC 2369, 3.2): which links they hold. Pure.

A link is looked for in the subject, where `mails.mailto` puts it, then in the addresses, then in the text. Who wrote
the mail doesn't matter, the token does; but what a machine answers by itself is nobody's wish.

Not the standard library's MIME parser: over 160 KB of nested parts, or an address with many brackets, it raises
`RecursionError`, the former after a second. What is here is linear in the mail, whatever it holds, and raises nothing.
"""

from __future__ import annotations

import binascii
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from consentry.tokens import SPELLING, Link, NotOursError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Fields = Mapping[str, list[str]]
    """Header fields: values by name in lower case, the topmost first, folded as they came."""

MOST: Final = 256 * 1024
"""Bytes of a mail that are ever looked at: its header, and the text that comes before attachments."""

_MOST_HEADER: Final = 64 * 1024
_MOST_CANDIDATES: Final = 50
_MOST_PARTS: Final = 100

# Overlapping: what only looks like a token may end within one. Nothing is asked of what follows: a signature has
# one length, so words that were run on to it don't count.
_CANDIDATE: Final = re.compile(rf"(?<![A-Za-z0-9_-])(?=({SPELLING}))")
_BROKEN: Final = re.compile(r"(?<=[A-Za-z0-9_.-]{20})[ \t]*\n[ \t>]*(?=[A-Za-z0-9_.-])")
"""A line break within what may be a token, also where it is quoted."""
_AROUND: Final = "<>()[]\"'"

_FIELD: Final = re.compile(r"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_ENCODED_WORD: Final = re.compile(r"=\?[^?\s]{1,60}\?([bBqQ])\?([^?\s]*)\?=(?:\s+(?==\?))?")
"""RFC 2047, 2, with the blanks up to the next one, which don't count. The charset doesn't matter: a token is ASCII."""
_BOUNDARY: Final = re.compile(r'[;\s]boundary\s*=\s*(?:"([^"\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DASHES: Final = re.compile(rb"^--([^\n]*)$", re.MULTILINE)
_RESULT: Final = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc)=([a-z]{2,12})\b")
_OURS: Final = re.compile(r"(?<![\w.+-])unsubscribe(?:\+[^@\s]{0,300})?@", re.IGNORECASE)
_DAEMON: Final = re.compile(r"(?<![\w.+-])mailer-daemon(?![\w+-])", re.IGNORECASE)
_FEEDBACK: Final = re.compile(r"report-type\s*=\s*\"?feedback-report\b", re.IGNORECASE)

_RECIPIENTS: Final = ("to", "cc", "resent-to", "delivered-to", "x-original-to", "envelope-to", "received")
_NOT_TEXT: Final[Fields] = {"content-type": ["application/octet-stream"]}


class Origin(StrEnum):
    """Who seems to have written a mail."""

    PERSON = "person"
    MACHINE = "machine"
    """Perhaps a mail provider's, on behalf of somebody who pressed its button."""
    REPLY = "reply"
    """A machine, to a mail that it got: a vacation notice, a bounce, a receipt."""


class Finding(StrEnum):
    """What came of a mail."""

    OPT_OUT = "opt-out"
    NOTHING = "nothing"
    """No token of ours that opts anybody out."""
    REPLY = "reply"
    """A machine's reply: not looked into."""
    VIRUS = "virus"
    """Not looked into."""
    SEVERAL_PEOPLE = "several-people"
    """Its text holds the links of more than one, as a forwarded digest does."""


class Understood(NamedTuple):
    """What a mail asks for; nothing of who wrote it."""

    finding: Finding
    links: tuple[Link, ...] = ()
    """What to opt out of."""
    origin: Origin = Origin.PERSON
    verdicts: str = ""
    """What SES found out about the sender, such as `spf=pass dkim=fail dmarc=pass spam=pass`."""


def understand(raw: bytes, read: Callable[[str], Link]) -> Understood:
    """What a mail asks for.

    Args:
        raw: the mail as SES stored it, or its first `MOST` bytes.
        read: the link that an unsubscribe token stands for; raises `NotOursError`.

    Raises:
        what `read` raises, but for `NotOursError`.
    """
    head, body = _split(raw[:MOST].replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    fields = _fields(head)
    origin = _origin(fields)
    found: tuple[Finding, tuple[Link, ...]]
    if _first(fields, "x-ses-virus-verdict").upper() == "FAIL":
        found = Finding.VIRUS, ()
    elif origin is Origin.REPLY:
        found = Finding.REPLY, ()
    elif origin is Origin.MACHINE:
        # As `?subject=` of our address says, and nothing more: "Automatic reply: …" is another matter.
        bare = ("".join(each.split()).strip(_AROUND) for each in _subjects(fields))
        found = _opting_out(_links(bare, read))
    else:
        found = _asked_by_person(fields, body, read)
    finding, links = found
    return Understood(finding, links, origin, _verdicts(fields))


def _asked_by_person(fields: Fields, body: bytes, read: Callable[[str], Link]) -> tuple[Finding, tuple[Link, ...]]:
    """The links of the first place that has any. Whoever puts one into the subject means it; text may be quoted."""
    recipients = [each for name in _RECIPIENTS for each in fields.get(name, ())]
    for texts in (_subjects(fields), recipients):
        squeezed = ["".join(each.split()) for each in texts]
        if links := _links(_candidates([*texts, *squeezed]), read):
            return _opting_out(links)
    if not any(_OURS.search(each) for each in recipients):
        return Finding.NOTHING, ()
    links = _links(_candidates(_texts(fields, body)), read)
    if len({(link.brand, link.subscriber_id) for link in links}) > 1:
        return Finding.SEVERAL_PEOPLE, ()
    return _opting_out(links)


def _opting_out(links: tuple[Link, ...]) -> tuple[Finding, tuple[Link, ...]]:
    return (Finding.OPT_OUT if links else Finding.NOTHING), links


def _links(candidates: Iterable[str], read: Callable[[str], Link]) -> tuple[Link, ...]:
    """The links among what may be tokens, each thing that they do once."""
    links: dict[tuple[object, ...], Link] = {}
    for candidate in candidates:
        try:
            link = read(candidate)
        except NotOursError:
            continue
        links.setdefault((link.brand, link.subscriber_id, link.topics), link)
    return tuple(links.values())


def _candidates(texts: Iterable[str]) -> list[str]:
    """What may be a token in some texts, as it stands or across line breaks and `%` escapes."""
    found: dict[str, None] = {}
    for text in texts:
        for spelt in (text, _BROKEN.sub("", text), unquote(text) if "%" in text else ""):
            for match in _CANDIDATE.finditer(spelt):
                found.setdefault(match[1])
                if len(found) == _MOST_CANDIDATES:
                    return list(found)
    return list(found)


# --- who wrote it ----------------------------------------------------------------------------------------------------


def _origin(fields: Fields) -> Origin:
    """RFC 3834 for those who follow it, and the usual signs for the others."""

    def said(name: str) -> list[str]:
        return [value.strip().lower() for value in fields.get(name, ())]

    submitted = [value for value in said("auto-submitted") if not re.match(r"no\b", value)]
    precedence = {value for value in said("precedence") if value}
    reports = [value for value in said("content-type") if value.startswith("multipart/report")]
    if (
        any(value.startswith("auto-replied") for value in submitted)
        or any(not _FEEDBACK.search(value) for value in reports)
        or "auto_reply" in precedence
        or any(value != "no" for name in ("x-autoreply", "x-autorespond") for value in said(name))
        or "x-failed-recipients" in fields
        or any(_DAEMON.search(value) for value in said("from"))
    ):
        return Origin.REPLY
    if (
        submitted
        or reports
        or precedence & {"bulk", "junk", "list"}
        or any(name in fields for name in ("x-auto-response-suppress", "list-id", "list-unsubscribe"))
        or _first(fields, "return-path") == "<>"
    ):
        return Origin.MACHINE
    return Origin.PERSON


def _verdicts(fields: Fields) -> str:
    """SES's own findings. It puts its fields above those that came with the mail, so the topmost is to be believed."""
    said = _first(fields, "authentication-results")
    results = dict(reversed(_RESULT.findall(said))) if said.startswith("amazonses.com") else {}
    spam = _first(fields, "x-ses-spam-verdict")
    if re.fullmatch(r"[A-Z_]{2,20}", spam):
        results["spam"] = spam
    order = ("spf", "dkim", "dmarc", "spam")
    return " ".join(f"{name}={results[name].lower()}" for name in order if name in results)


# --- the header ------------------------------------------------------------------------------------------------------


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Header and body of a mail or a part; lines end in LF."""
    if raw.startswith(b"\n"):
        return b"", raw[1:]
    head, _, body = raw.partition(b"\n\n")
    return head[:_MOST_HEADER], body


def _fields(head: bytes) -> Fields:
    fields: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(head.decode("latin-1")):
        fields.setdefault(name.lower(), []).append(value.strip())
    return fields


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "")


def _subjects(fields: Fields) -> list[str]:
    return [_decoded(each) for each in fields.get("subject", ())]


def _decoded(value: str) -> str:
    """A field's value with its encoded words read."""

    def read(word: re.Match[str]) -> str:
        data = word[2].encode("latin-1")
        return (_base64(data) if word[1] in "bB" else binascii.a2b_qp(data, header=True)).decode("latin-1")

    return _ENCODED_WORD.sub(read, value)


# --- the text --------------------------------------------------------------------------------------------------------


def _texts(fields: Fields, body: bytes) -> Iterator[str]:
    """The text of a mail: its plain and HTML parts, but no attachments.

    Parts are not nested here: a line that delimits any of the multiparts met so far ends the part before it.
    """
    part: Fields | None = fields
    begins = parts = 0
    boundaries = _boundaries(fields)
    for line in _DASHES.finditer(body):
        if part is None:
            part, begins = _part(body, begins, line.start())
            boundaries |= _boundaries(part)
        name = line[1].rstrip()
        opens = name in boundaries
        if not opens and not (name.endswith(b"--") and name[:-2] in boundaries):
            continue
        yield from _text(part, body[begins : line.start()])
        part, begins = None if opens else _NOT_TEXT, line.end() + 1
        parts += 1
        if parts == _MOST_PARTS:
            return
    if part is None:
        part, begins = _part(body, begins, len(body))
    yield from _text(part, body[begins:])


def _part(body: bytes, begins: int, ends: int) -> tuple[Fields, int]:
    """The header of the part that begins there, and where its content begins."""
    head, content = _split(body[begins:ends])
    return _fields(head), ends - len(content)


def _boundaries(fields: Fields) -> set[bytes]:
    said = f" {_first(fields, 'content-type')}"
    found = _BOUNDARY.search(said) if said[1:11].lower() == "multipart/" else None
    return {(found[1] or found[2]).rstrip().encode("latin-1")} if found else set()


def _text(fields: Fields, content: bytes) -> Iterator[str]:
    kind = _first(fields, "content-type").partition(";")[0].strip().lower() or "text/plain"
    if kind not in {"text/plain", "text/html"}:
        return
    if _first(fields, "content-disposition").lower().startswith("attachment"):
        return
    encoding = _first(fields, "content-transfer-encoding").lower()
    if encoding == "base64":
        content = _base64(content)
    elif encoding == "quoted-printable":
        content = binascii.a2b_qp(content)
    yield content.decode("latin-1")


def _base64(data: bytes) -> bytes:
    """As much as can be read: foreign characters are passed over, what was cut off is not missed."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
