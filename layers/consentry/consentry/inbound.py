"""Mails to the unsubscribe address (`List-Unsubscribe: <mailto:…>`, RFC 2369, 3.2): which links they hold. Pure.

A link is looked for in the subject, where `mails.mailto` puts it, then in the addresses, then in the text. Who wrote
the mail doesn't matter, the token does; but what a machine answers by itself is nobody's wish.

The standard library's parser reads them (`email.policy`), fenced in: it goes through a bounded number of lines and
parts, its parsers of addresses and parameters are left alone, and where it fails over a mail all the same, the header
alone is read. Subject and addresses count then, the text doesn't.
"""

from __future__ import annotations

import itertools
import re
from contextlib import suppress
from email import message_from_bytes
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import EmailPolicy
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from consentry.tokens import SPELLING, Link, NotOursError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from email.message import MIMEPart
    from email.policy import Policy

    Fields = Mapping[str, list[str]]
    """Header fields as they came, folds and all: values by name in lower case, the topmost first."""

MOST: Final = 256 * 1024
"""Bytes of a mail that are ever looked at: its header, and the text that comes before attachments."""

_MOST_FIELD: Final = 4 * 1024
"""Characters of a field that are ever parsed: the parser's time grows with their square."""
_MOST_LINES: Final = 20_000
_MOST_CANDIDATES: Final = 50
_MOST_PARTS: Final = 100

# Overlapping: what only looks like a token may end within one. Nothing is asked of what follows: a signature has
# one length, so words that were run on to it don't count.
_CANDIDATE: Final = re.compile(rf"(?<![A-Za-z0-9_-])(?=({SPELLING}))")
_BROKEN: Final = re.compile(r"(?<=[A-Za-z0-9_.-]{20})[ \t]*\n[ \t>]*(?=[A-Za-z0-9_.-])")
"""A line break within what may be a token, also where it is quoted."""
_AROUND: Final = "<>()[]\"'"

_RESULT: Final = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc)=([a-z]{2,12})\b")
_OURS: Final = re.compile(r"(?<![\w.+-])unsubscribe(?:\+[^@\s]{0,300})?@", re.IGNORECASE)
_DAEMON: Final = re.compile(r"(?<![\w.+-])mailer-daemon(?![\w+-])", re.IGNORECASE)
_FEEDBACK: Final = re.compile(r"report-type\s*=\s*\"?feedback-report\b", re.IGNORECASE)

_LINE: Final = re.compile(rb"^(?:([!-9;-~]+)[ \t]*(:)|(?![ \t]).+\n?(?:[ \t].*\n?)*)", re.MULTILINE)
"""The beginning of a field, or a line of a header that is none, folds and all: the parser takes that for the text."""

_RECIPIENTS: Final = ("to", "cc", "resent-to", "delivered-to", "x-original-to", "envelope-to", "received")


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
    mail = _parsed(raw)
    fields = _fields(mail)
    origin = _origin(fields)
    found: tuple[Finding, tuple[Link, ...]]
    if _first(fields, "x-ses-virus-verdict").upper() == "FAIL":
        found = Finding.VIRUS, ()
    elif origin is Origin.REPLY:
        found = Finding.REPLY, ()
    elif origin is Origin.MACHINE:
        # As `?subject=` of our address says, and nothing more: "Automatic reply: …" is another matter.
        bare = ("".join(each.split()).strip(_AROUND) for each in _subjects(mail))
        found = _opting_out(_links(bare, read))
    else:
        found = _asked_by_person(fields, mail, read)
    finding, links = found
    return Understood(finding, links, origin, _verdicts(fields))


def _asked_by_person(
    fields: Fields, mail: EmailMessage, read: Callable[[str], Link]
) -> tuple[Finding, tuple[Link, ...]]:
    """The links of the first place that has any. Whoever puts one into the subject means it; text may be quoted."""
    recipients = [each for name in _RECIPIENTS for each in fields.get(name, ())]
    for texts in (_subjects(mail), recipients):
        squeezed = ["".join(each.split()) for each in texts]
        if links := _links(_candidates([*texts, *squeezed]), read):
            return _opting_out(links)
    if not any(_OURS.search(each) for each in recipients):
        return Finding.NOTHING, ()
    links = _links(_candidates(_texts(mail)), read)
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


# --- what the parser reads --------------------------------------------------------------------------------------------


def _field(name: str, value: str) -> str:
    """A field's value; a subject's with its encoded words read (RFC 2047, RFC 2231), but where that fails."""
    value = value[:_MOST_FIELD].strip()
    if name.lower() != "subject":
        return value
    try:
        return str(_SUBJECT(name, value))
    except Exception:  # noqa: BLE001 - over odd words the parser raises whatever comes
        return value


_SUBJECT: Final = HeaderRegistry()
_POLICY: Final = EmailPolicy(message_factory=EmailMessage, header_factory=_field)
"""The modern policy, to which all fields but subjects are plain text: content types are read well enough that way."""


def _parsed(raw: bytes) -> EmailMessage:
    """A mail, or its header alone where the parser fails over the whole or finds too many parts."""
    lines = raw[:MOST].splitlines()
    if len(raw) >= MOST:
        del lines[-1]  # part of a line of base64 would leave the whole text undecoded
    head, blank, text = b"\n".join(lines[:_MOST_LINES]).partition(b"\n\n")
    tidy = _LINE.sub(rb"\1\2", head) + blank + text
    count = itertools.count()

    def part(policy: Policy[EmailMessage]) -> EmailMessage:
        if next(count) == _MOST_PARTS:
            raise ValueError(_MOST_PARTS)
        return EmailMessage(policy)

    try:
        mail: EmailMessage = message_from_bytes(tidy, policy=_POLICY.clone(message_factory=part))
    except Exception:  # noqa: BLE001 - over odd mails the parser raises whatever comes, RecursionError for one
        mail = BytesHeaderParser(policy=_POLICY).parsebytes(tidy)
    return mail


def _fields(mail: EmailMessage) -> Fields:
    fields: dict[str, list[str]] = {}
    for name, value in mail.raw_items():
        fields.setdefault(name.lower(), []).append(value.strip())
    return fields


def _first(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "")


def _subjects(mail: EmailMessage) -> list[str]:
    return [str(each) for each in mail.get_all("subject", ())]


def _texts(part: MIMEPart) -> Iterator[str]:
    """The text of a mail: its plain and HTML parts, but no attachments, and not the mails attached."""
    if part.get_content_maintype() == "multipart":
        for each in part.iter_parts():
            yield from _texts(each)
    elif part.get_content_type() in {"text/plain", "text/html"} and part.get_content_disposition() != "attachment":
        content: object = None
        with suppress(Exception):  # as in `_parsed`; the other parts still count
            content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content.decode("latin-1")  # the charset doesn't matter: a token is ASCII
