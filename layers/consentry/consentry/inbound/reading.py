"""Reading emails that came in: a header and texts, whatever the email is made of. Pure.

The standard library's parser reads them (`email.policy`), fenced in: it goes through a bounded number of lines and
parts, its parsers of addresses and parameters are left alone, and where it fails over an email all the same, the header
alone is read. Subject and addresses count then, the text doesn't.
"""

from __future__ import annotations

import html
import itertools
import re
from contextlib import suppress
from email import message_from_bytes
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import EmailPolicy
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import MIMEPart
    from email.policy import Policy

    Fields = Mapping[str, list[str]]
    """Header fields as they came, folds and all: values by name in lower case, the topmost first."""

MOST: Final = 256 * 1024
"""Bytes of an email that are ever looked at: its header, and the text that comes before attachments."""

MOST_FIELD: Final = 4 * 1024
"""Characters of a field that are ever parsed: the parser's time grows with their square."""
_MOST_LINES: Final = 20_000
_MOST_PARTS: Final = 100
_MOST_SUBJECTS: Final = 20

_TAG: Final = re.compile(r"<(?!a\b)[a-z/!][^<>]{0,2000}>", re.IGNORECASE)
"""All but those of links: the address in one counts, whatever it is spelt with."""
_LINE: Final = re.compile(rb"^(?:([!-9;-~]+)[ \t]*(:)|(?![ \t]).+\n?(?:[ \t].*\n?)*)", re.MULTILINE)
"""The beginning of a field, or a line of a header that is none, folds and all: the parser takes that for the text."""


def read(raw: bytes) -> EmailMessage:
    """An email, or its header alone where the parser fails over the whole or finds too many parts.

    `raw` is the email, or its first `MOST` bytes.
    """
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
    except Exception:  # noqa: BLE001 - over odd emails the parser raises whatever comes, RecursionError for one
        mail = BytesHeaderParser(policy=_POLICY).parsebytes(tidy)
    return mail


def fields(mail: MIMEPart, until: str = "") -> Fields:
    """The header fields of an email or part; those above the first that is called `until`, in lower case, if any is."""
    found: dict[str, list[str]] = {}
    for name, value in mail.raw_items():
        if name.lower() == until:
            break
        found.setdefault(name.lower(), []).append(value.strip())
    return found


def first(header: Fields, name: str) -> str:
    """The topmost field of a name; empty where there is none."""
    return next(iter(header.get(name, ())), "")


def subjects(mail: MIMEPart) -> list[str]:
    """The subjects, with their encoded words read: the first of them, if there are many."""
    found = ((name, value) for name, value in mail.raw_items() if name.lower() == "subject")
    return [str(_POLICY.header_fetch_parse(name, value)) for name, value in itertools.islice(found, _MOST_SUBJECTS)]


def texts(part: MIMEPart) -> Iterator[str]:
    """The text of an email: its plain and HTML parts, but no attachments, and not the emails attached.

    The charset doesn't matter: a token is ASCII, also in UTF-16 without its zeros. HTML is there as it stands, and as
    it is shown: without tags, which may break a word (`<wbr>`), and with what it spells by name or number.
    """
    if part.get_content_maintype() == "multipart":
        for each in part.iter_parts():
            yield from texts(each)
    elif (
        part.get_content_type() in {"text/plain", "text/html"}
        and part.get_content_disposition() != "attachment"
        and (text := payload(part).decode("utf-8", "replace").replace("\0", ""))
    ):
        yield text
        if part.get_content_type() == "text/html" and (shown := html.unescape(_TAG.sub("", text))) != text:
            yield shown


def types(part: MIMEPart) -> Iterator[str]:
    """The content types of an email and its parts, a calendar's with its method; not of the emails attached."""
    yield part.get_content_type()
    if part.get_content_type() == "text/calendar":
        yield f"text/calendar {part.get_param('method', '')}".lower()
    if part.get_content_maintype() == "multipart":
        for each in part.iter_parts():
            yield from types(each)


def payload(part: MIMEPart) -> bytes:
    """What a part holds, its transfer encoding undone; empty where that fails, or it holds parts itself."""
    found: object = None
    with suppress(Exception):  # as in `read`; the other parts still count
        found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _field(name: str, value: str) -> str:
    """A field's value; a subject's with its encoded words read (RFC 2047, RFC 2231), but where that fails."""
    value = value[:MOST_FIELD].strip()
    if name.lower() != "subject":
        return value
    try:
        return str(_SUBJECT(name, value))
    except Exception:  # noqa: BLE001 - over odd words the parser raises whatever comes
        return value


_SUBJECT: Final = HeaderRegistry()
_POLICY: Final = EmailPolicy(message_factory=EmailMessage, header_factory=_field)
"""The modern policy, to which all fields but subjects are plain text: content types are read well enough that way."""
