"""Where an input can be cut: between two rows, as the reader of rows finds them.

A quoted field may hold line breaks, so no byte shows by itself whether a row begins there. The input is read once from
its beginning, by the very reader that reads the parts later, and what is kept of it is where rows end.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, NamedTuple

from consentry.actions.bulk.encodings import Text, decoded, found
from consentry.actions.bulk.records import WHO
from consentry.actions.bulk.rows import Malformed, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from consentry.actions.bulk.rows import Row

ROWS: Final = 5_000
"""A part is closed at so many rows: some seconds of writing, and so little to do again when a function dies."""
BYTES: Final = 4 << 20
"""A part is also closed at the first row that takes it there: it is held in memory."""


class Part(NamedTuple):
    """Some rows of an input, by where they are in it. It holds nothing of what they say."""

    part: int
    """Counted from 0."""
    start: int
    """The first byte."""
    end: int
    """The byte after the last."""
    after: int
    """How many lines come before; of a JSON document, how many objects."""


class Cutter:
    """Reads an input once, and says where its parts are."""

    def __init__(
        self, binary: IO[bytes], form: str, *, who: Sequence[str] = WHO, mapped: Mapping[str, str] | None = None
    ) -> None:
        """`binary` is at the beginning of the input; the rest is as for `Reader`.

        Raises:
            UnusableInputError: there is no header, or the input is something else.
        """
        encoding, rest = found(binary)
        self.encoding = encoding.name
        """Of the input, and so of its parts."""
        text = Text(decoded(rest, encoding.name), encoding.name, encoding.mark)
        self.reader = Reader(text, form, who=who, mapped=mapped)

    def parts(self, see: Callable[[Row], None]) -> Iterator[Part]:
        """The parts, one at least; `see` is shown each row that can be read."""
        reader = self.reader
        number = rows = 0
        start = at = reader.at
        after = line = reader.line
        for row in reader:
            if not isinstance(row, Malformed):
                see(row)
            rows += 1
            line, at = row.end, reader.at
            if rows == ROWS or at - start >= BYTES:
                yield Part(number, start, at, after)
                number, rows, start, after = number + 1, 0, at, line
        if rows or not number:
            yield Part(number, start, at, after)
