"""The texts in the body of an email: what its reader is shown, and nothing that is only attached.

The standard library reads fields and encodings of a part, each as long as it may be to cost nothing; taking the body
apart is done here, by one walk over its lines: the library compares each line with each boundary that is open, and
its time for a field grows with the square of its length.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Fields = tuple[tuple[str, str], ...]
    """Name in lower case and value, folded as it came, in their order."""

MOST_FIELD: Final = 4 * 1024
"""Characters of a field that are parsed. Longer ones say nothing more that matters here."""
_DEEPEST: Final = 100
"""Multiparts within each other."""
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*")
_TEXTS: Final = ("text/plain", "text/html")


class TooDeepError(ValueError):
    """Parts within parts, more than anybody writes."""


class Part(NamedTuple):
    """A text that is shown."""

    kind: str
    """`text/plain` or `text/html`."""
    content: str
    alternative: bool
    """Whether it is one form of a text that has several (RFC 2046, 5.1.4): of those a reader is shown one."""


class _Open(NamedTuple):
    """A multipart that hasn't ended."""

    delimiter: bytes
    hides: int | None
    """At which depth one with the same delimiter is open."""
    alternative: bool
    holds: str
    """The kind of a part that doesn't say its own (RFC 2046, 5.1.5)."""


def header(lines: Sequence[bytes], at: int) -> tuple[Fields, int]:
    """The fields from line `at` on, and the line at which the body begins."""
    found: list[tuple[str, list[str]]] = []
    while at < len(lines):
        line = lines[at]
        field = _FIELD.match(line)
        if found and line[:1] in {b" ", b"\t"}:
            found[-1][1].append(line.decode("utf-8", "surrogateescape"))
        elif field:
            found.append((field[1].decode().lower(), [line[field.end() :].decode("utf-8", "surrogateescape")]))
        else:
            break
        at += 1
    if at < len(lines) and not lines[at]:
        at += 1
    return tuple((name, "\r\n".join(value)) for name, value in found), at


def texts(fields: Fields, lines: Sequence[bytes], at: int) -> list[Part]:
    """The texts in the body, in their order.

    Args:
        fields: the email's.
        lines: the email's, without their ends.
        at: the line at which its body begins.

    Raises:
        TooDeepError: parts are nested too deeply.
    """
    return _Walk(lines).walk(fields, at)


class _Walk:
    """One walk over the lines of a body."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._open: list[_Open] = []
        self._depths: dict[bytes, int] = {}
        """By delimiter, at which depth its multipart is open."""
        self._text: tuple[Message, int] | None = None
        """The text that was begun, and its first line."""
        self._found: list[Part] = []

    def walk(self, fields: Fields, at: int) -> list[Part]:
        """What is found from line `at` on, the body of what has these fields."""
        self._begin(fields, "text/plain", at)
        while at < len(self._lines):
            line = self._lines[at].rstrip(b" \t") if self._lines[at].startswith(b"--") else b""
            at += 1
            if line in self._depths:
                self._end(at - 1)
                self._close(self._depths[line] + 1)
                fields, at = header(self._lines, at)
                self._begin(fields, self._open[-1].holds, at)
            elif line.endswith(b"--") and line[:-2] in self._depths:
                self._end(at - 1)
                self._close(self._depths[line[:-2]])
        self._end(len(self._lines))
        return self._found

    def _begin(self, fields: Fields, kind: str, at: int) -> None:
        part = _described(fields, kind)
        boundary = part.get_boundary() if part.get_content_maintype() == "multipart" else None
        if boundary:
            if len(self._open) == _DEEPEST:
                raise TooDeepError
            delimiter = b"--" + boundary.encode("utf-8", "surrogateescape").rstrip(b" \t")
            within = bool(self._open) and self._open[-1].alternative
            alternative = within or part.get_content_subtype() == "alternative"
            holds = "message/rfc822" if part.get_content_subtype() == "digest" else "text/plain"
            self._open.append(_Open(delimiter, self._depths.get(delimiter), alternative, holds))
            self._depths[delimiter] = len(self._open) - 1
        elif part.get_content_type() in _TEXTS and part.get_content_disposition() != "attachment":
            self._text = part, at

    def _end(self, at: int) -> None:
        """The text that was begun ends before line `at`."""
        if self._text is not None:
            part, first = self._text
            part.set_payload(b"\r\n".join(self._lines[first:at]).decode("ascii", "surrogateescape"))
            alternative = bool(self._open) and self._open[-1].alternative
            self._found.append(Part(part.get_content_type(), _content(part), alternative))
            self._text = None

    def _close(self, depth: int) -> None:
        """Every multipart that is open at this depth or deeper has ended."""
        while len(self._open) > depth:
            closed = self._open.pop()
            if closed.hides is None:
                del self._depths[closed.delimiter]
            else:
                self._depths[closed.delimiter] = closed.hides


def _described(fields: Fields, kind: str) -> Message:
    """What the fields say of their part's content; a field that is there twice counts as it is there first."""
    part = Message()
    part.set_default_type(kind)
    for name in ("content-type", "content-transfer-encoding", "content-disposition"):
        value = next((value for each, value in fields if each == name), None)
        if value is not None:
            part[name] = value[:MOST_FIELD].encode("utf-8", "surrogateescape").decode("ascii", "replace")
    return part


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a charset that nobody knows, or that isn't one of text
        return payload.decode("utf-8", "replace")
