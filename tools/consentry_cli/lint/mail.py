"""An email as the rules look at it: header fields as they stand in the file, and the texts of its body."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from typing import Final, NamedTuple

from consentry_cli.lint import parts
from consentry_cli.lint.hypertext import Seen, seen
from consentry_cli.lint.parts import TooDeepError

MOST: Final = 50 * 1024 * 1024
"""Bytes: larger than what any provider takes (Gmail: 25 MB, https://support.google.com/mail/answer/6584)."""
_FIELD_NAME: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_MBOX: Final = re.compile(rb"\A>?From [^\r\n]*\r?\n")
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")
_ENCODED: Final = re.compile(r"=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=(?:\s+(?==\?))?")
"""An encoded-word, with the white space that parts it from the next one."""


class NotAMailError(ValueError):
    """The file holds something else."""


class Mail(NamedTuple):
    """An email."""

    raw: bytes
    """With CRLF, as it travels."""
    fields: tuple[tuple[str, str], ...]
    """Name in lower case and value, folded as it came, in their order."""
    text: str
    """The plain text parts; empty if there are none."""
    html: str
    seen: Seen
    """What a reader sees of the HTML parts."""
    beside: str
    """The plain text parts that are shown beside HTML, such as what a mailing list adds at the end."""

    def all(self, name: str) -> list[str]:
        """The values of a field, unfolded, the topmost first."""
        return [_FOLD.sub("", value).strip() for each, value in self.fields if each == name]

    def first(self, name: str) -> str:
        """The topmost value, or nothing."""
        return next(iter(self.all(name)), "")

    def decoded(self, name: str) -> str:
        """The topmost value with its encoded-words read (RFC 2047, 6.2)."""
        return _ENCODED.sub(_word, self.first(name))


def read(raw: bytes) -> Mail:
    """The email in a file: RFC 5322, as `Show original` or `Save as` of a mail program gives it, or out of an mbox.

    Raises:
        NotAMailError: it doesn't begin with a header, or is larger than `MOST`.
    """
    if len(raw) > MOST:
        raise NotAMailError(f"larger than {MOST >> 20} MiB")
    raw = _MBOX.sub(b"", raw.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n"))  # Gmail has shown blanks first
    if not _FIELD_NAME.match(raw):
        raise NotAMailError("this is no mail: it doesn't begin with a header field such as `From: …`")
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    lines = raw.split(b"\r\n")
    fields, at = parts.header(lines, 0)
    try:
        found = parts.texts(fields, lines, at)
    except TooDeepError:
        raise NotAMailError("its parts are nested too deeply") from None
    text = "\n".join(each.content for each in found if each.kind == "text/plain")
    html = "\n".join(each.content for each in found if each.kind == "text/html")
    beside = "\n".join(each.content for each in found if each.kind == "text/plain" and not each.alternative)
    return Mail(raw, fields, text.strip(), html.strip(), seen(html), beside)


def is_encoded(value: str) -> bool:
    """Whether a field holds encoded-words (RFC 2047, 2)."""
    return _ENCODED.search(value) is not None


def _word(found: re.Match[str]) -> str:
    """An encoded-word, read; or as it stands, if it can't be."""
    try:
        return str(make_header(decode_header(found[0].strip())))
    except (ValueError, LookupError):
        return found[0]
