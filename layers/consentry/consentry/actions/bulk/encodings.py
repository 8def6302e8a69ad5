"""Bytes in, as text: UTF-8, UTF-16 and UTF-32, with their marks or without.

An encoding is never guessed from what the text may mean: a guess that is wrong makes another address of an address,
and opts out nobody, or somebody else. Bytes that are in none of these pass through unchanged in columns that nobody
looks at; where an address has them, its row is malformed, until `--encoding` says what they are.
"""

from __future__ import annotations

import codecs
import io
from typing import IO, Any, Final, NamedTuple

from consentry.actions.bulk.records import UnusableInputError

UTF_8: Final = "utf-8"
AHEAD: Final = 1 << 16
"""How much of an input is looked at before it is read: bytes, or characters."""
_MARKS: Final = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHERS: Final = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"%PDF-", "a PDF: export it as CSV"),
    (b"PAR1", "a Parquet file: export it as CSV or NDJSON"),
)
_BEGINNING: Final = 256
"""Bytes that identify UTF-16 without a mark: a header is mostly ASCII, so that every second byte is NUL."""


class Encoding(NamedTuple):
    """How an input is encoded."""

    name: str
    """Of Python's codec; it takes no mark."""
    mark: int = 0
    """How many bytes its byte-order mark has."""


def encoding_of(beginning: bytes) -> Encoding:
    """The encoding of an input that begins so.

    Marks as in the Unicode Standard (23.8). Without one, NUL in every second byte is UTF-16.

    Raises:
        UnusableInputError: it is no text at all.
    """
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return Encoding(name, len(mark))
    for magic, what in _OTHERS:
        if beginning.startswith(magic):
            raise UnusableInputError(f"the input is {what}")
    some = beginning[:_BEGINNING]
    pairs = len(some) // 2
    low, high = some[1 : 2 * pairs : 2].count(0), some[: 2 * pairs : 2].count(0)
    if pairs >= 2 and low * 2 >= pairs and high * 8 <= low:  # noqa: PLR2004 - half of them, and hardly any
        return Encoding("utf-16-le")
    if pairs >= 2 and high * 2 >= pairs and low * 8 <= high:  # noqa: PLR2004 - as above
        return Encoding("utf-16-be")
    return Encoding(UTF_8)


def size_of(text: str, encoding: str) -> int:
    """How many bytes of an input a text was."""
    if encoding == UTF_8:
        return len(text) if text.isascii() else len(text.encode(UTF_8, "surrogateescape"))
    return len(text.encode(encoding, "surrogatepass"))


class _Joined(io.RawIOBase):
    """What was read of a stream already, and then the rest of it."""

    def __init__(self, beginning: bytes, rest: IO[bytes], *, close: bool) -> None:
        self._beginning = beginning
        self._rest = rest
        self._close = close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        held, self._beginning = self._beginning[: len(view)], self._beginning[len(view) :]
        if not held:
            held = self._rest.read(len(view))
        view[: len(held)] = held
        return len(held)

    def close(self) -> None:
        if self._close:
            self._rest.close()
        super().close()


def decoded(binary: IO[bytes], encoding: str) -> io.TextIOWrapper:
    """Text of a stream that is behind its mark. Nothing that it holds is an error."""
    # What isn't UTF-8 can be found byte by byte, and leaves as it came; half a character of UTF-16 can't.
    errors = "surrogateescape" if encoding == UTF_8 else "replace"
    return io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")


def found(binary: IO[bytes], *, close: bool = True) -> tuple[Encoding, IO[bytes]]:
    """How an input is encoded, and the input behind its mark.

    Raises:
        UnusableInputError: it is no text at all.
    """
    beginning = binary.read(AHEAD)
    encoding = encoding_of(beginning)
    return encoding, io.BufferedReader(_Joined(beginning[encoding.mark :], binary, close=close), AHEAD)


def text_of(binary: IO[bytes], *, whole: bool = True, encoding: str = "", close: bool = True) -> io.TextIOWrapper:
    """The text of an input, whatever its bytes.

    Args:
        binary: at the beginning of the input, or of a part.
        whole: it is the beginning: a byte-order mark is dropped, and names the encoding.
        encoding: said by whoever knows it; else as `encoding_of` finds it, and UTF-8 of a part.
        close: closing the text closes `binary`.

    Raises:
        UnusableInputError: it is no text at all.
    """
    if not whole:
        return decoded(binary, encoding or UTF_8)
    seen, rest = found(binary, close=close)
    # These two want a mark, which an input may lack; what it looks like says the order of its bytes.
    wanted = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    named = seen.mark or (wanted != encoding and seen.name != UTF_8)
    return decoded(rest, wanted if wanted and not named else seen.name)


class Text:
    """What an input says, by lines, with a look at what comes."""

    def __init__(self, stream: IO[str], encoding: str = "", at: int = 0) -> None:
        """Of a stream of text; with an `encoding`, bytes are counted, from `at` on."""
        self._stream = stream
        self._encoding = encoding
        self._beginning: io.StringIO | None = None
        self.at = at
        """Bytes of the input up to here."""

    def ahead(self) -> str:
        """What the input begins with, up to `AHEAD` characters. It is read again afterwards."""
        if self._beginning is not None and not self._beginning.tell():
            return self._beginning.getvalue()
        text = self._stream.read(AHEAD)
        while text.endswith("\r") and (more := self._stream.read(1)):
            text += more
        self._beginning = io.StringIO(text, newline="")
        return text

    def readline(self, limit: int) -> str:
        """A line with its end, or as much of it as `limit` characters; empty at the end of the input."""
        line = ""
        if self._beginning is not None:
            line = self._beginning.readline(limit)
            if line[-1:] in {"\r", "\n"} or len(line) == limit:
                return self._counted(line)
            self._beginning = None
        return self._counted(line + self._stream.readline(limit - len(line)))

    def read(self, limit: int) -> str:
        """So many characters, or fewer; empty at the end of the input."""
        if self._beginning is not None:
            if text := self._beginning.read(limit):
                return self._counted(text)
            self._beginning = None
        return self._counted(self._stream.read(limit))

    def size(self, text: str) -> int:
        """How many bytes of the input a text was; 0 where they aren't counted."""
        return size_of(text, self._encoding) if self._encoding else 0

    def _counted(self, text: str) -> str:
        if self._encoding:
            self.at += size_of(text, self._encoding)
        return text
