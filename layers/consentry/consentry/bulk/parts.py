"""Where an input can be cut: between two rows, as the reader of rows finds them.

A quoted field may hold line breaks, so no byte tells by itself whether a row begins there. The input is read once from
its beginning, by the very reader that reads the parts later, and what is kept of it is where rows end.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from consentry.bulk.rows import Malformed, Reader, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.bulk.rows import Row

ROWS: Final = 5_000
"""A part is closed at so many rows: some seconds of writing, and so little to do again when a function dies."""
BYTES: Final = 4 << 20
"""A part is also closed at the first row that takes it there: it is held in memory."""
_MARK: Final = b"\xef\xbb\xbf"


class Part(NamedTuple):
    """Some rows of an input, by where they are in it. It holds nothing of what they say."""

    part: int
    """Counted from 0."""
    start: int
    """The first byte."""
    end: int
    """The byte after the last."""
    after: int
    """How many lines come before."""


class Cutter:
    """Reads an input once, and says where its parts are."""

    def __init__(self, binary: IO[bytes], form: str) -> None:
        """`binary` is at the beginning of the input, and can be peeked into.

        Raises:
            UnusableInputError: there is no header.
        """
        peekable: Any = binary
        self._text = _Measured(text_of(binary), len(_MARK) if peekable.peek(3)[:3] == _MARK else 0)
        measured: Any = self._text
        self.reader = Reader(measured, form)

    def parts(self, see: Callable[[Row], None]) -> Iterator[Part]:
        """The parts, one at least; `see` is shown each row that can be read."""
        number = rows = line = after = 0
        start = self._text.at
        after = line = self.reader.line
        for row in self.reader:
            if not isinstance(row, Malformed):
                see(row)
            rows += 1
            line = row.end
            if rows == ROWS or self._text.at - start >= BYTES:
                yield Part(number, start, self._text.at, after)
                number, rows, start, after = number + 1, 0, self._text.at, line
        if rows or not number:
            yield Part(number, start, self._text.at, after)


class _Measured:
    """Lines of text, and how many bytes of the input they were."""

    def __init__(self, text: IO[str], at: int) -> None:
        self._text = text
        self.at = at

    def readline(self, limit: int) -> str:
        line = self._text.readline(limit)
        self.at += len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))
        return line
