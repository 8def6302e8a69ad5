"""A mail as the rules look at it: header fields as they stand in the file, and the texts of its body."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default as modern
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from email.message import EmailMessage

MOST: Final = 50 * 1024 * 1024
"""Bytes: larger than what any provider takes (Gmail: 25 MB, https://support.google.com/mail/answer/6584)."""
_FIELD_NAME: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_MBOX: Final = re.compile(rb"\A>?From [^\r\n]*\r?\n")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")


class NotAMailError(ValueError):
    """The file holds something else."""


class Anchor(NamedTuple):
    """A link in the HTML part."""

    href: str
    text: str
    """What the reader sees of it."""


class Mail(NamedTuple):
    """A mail."""

    raw: bytes
    """With CRLF, as it travels."""
    fields: tuple[tuple[str, str], ...]
    """Name in lower case and value, folded as it came, in their order."""
    text: str
    """The plain text part; empty if there is none."""
    html: str
    anchors: tuple[Anchor, ...]

    def all(self, name: str) -> list[str]:
        """The values of a field, unfolded, the topmost first."""
        return [_FOLD.sub("", value).strip() for each, value in self.fields if each == name]

    def first(self, name: str) -> str:
        """The topmost value, or nothing."""
        return next(iter(self.all(name)), "")

    def decoded(self, name: str) -> str:
        """The topmost value with its encoded words read (RFC 2047)."""
        value = self.first(name)
        try:
            return str(make_header(decode_header(value)))
        except (ValueError, LookupError):
            return value


def read(raw: bytes) -> Mail:
    """The mail in a file: RFC 5322, as `Show original` or `Save as` of a mail program gives it, or out of an mbox.

    Raises:
        NotAMailError: it doesn't begin with a header, or is larger than `MOST`.
    """
    if len(raw) > MOST:
        raise NotAMailError(f"larger than {MOST >> 20} MiB")
    raw = _MBOX.sub(b"", raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
    if not _FIELD_NAME.match(raw):
        raise NotAMailError("this is no mail: it doesn't begin with a header field such as `From: …`")
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    try:
        message = message_from_bytes(raw, policy=modern)
        text, html = _texts(message)
    except RecursionError:
        raise NotAMailError("its parts are nested too deeply") from None
    fields = tuple((name.lower(), value) for name, value in message.raw_items())
    return Mail(raw, fields, text, html, _anchors(html))


def _texts(message: EmailMessage) -> tuple[str, str]:
    """The first plain text and the first HTML that aren't attachments."""
    found = {"text/plain": "", "text/html": ""}
    for part in message.walk():
        kind = part.get_content_type()
        if kind in found and not found[kind] and not part.is_attachment():
            found[kind] = _content(part)
    return found["text/plain"], found["text/html"]


def _content(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset that nobody knows
        return payload.decode("utf-8", "replace")


class _Anchors(HTMLParser):
    """Collects links and what is seen of them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Anchor] = []
        self._href: str | None = None
        self._seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self._close()
            self._href = given.get("href", "").strip()
        elif tag == "img" and self._href is not None:
            self._seen.append(given.get("alt", ""))

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self._seen.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._close()

    def close(self) -> None:
        super().close()
        self._close()

    def _close(self) -> None:
        if self._href is not None:
            self.found.append(Anchor(self._href, " ".join(" ".join(self._seen).split())))
        self._href, self._seen = None, []


def _anchors(html: str) -> tuple[Anchor, ...]:
    parser = _Anchors()
    parser.feed(html)
    parser.close()
    return tuple(parser.found)
