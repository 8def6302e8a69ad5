"""Rows in and out, one at a time: CSV with a header, NDJSON, or a JSON document with a list in it.

CSV is read as programs write it: with `,`, `;`, a tab or `|` between fields, found by the header or by Excel's `sep=`
line. What can't be read becomes a `Malformed` with its line, and reading goes on after it: a quote that isn't closed
costs its own line. Bytes that aren't UTF-8 pass through unchanged in columns that nobody looks at.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from consentry.actions.bulk.documents import DECODER, Document, Item, list_in
from consentry.actions.bulk.encodings import Text, text_of
from consentry.actions.bulk.records import (
    WHO,
    Malformed,
    Names,
    Row,
    UnusableInputError,
    UnusableRowError,
    folded,
    listed,
    unguarded,
)
from consentry.actions.bulk.writing import CSV, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = (
    "CSV",
    "DOCUMENT",
    "NDJSON",
    "Malformed",
    "Reader",
    "Row",
    "UnusableInputError",
    "UnusableRowError",
    "Writer",
    "form_of",
    "text_of",
    "unguarded",
)

NDJSON: Final = "ndjson"
DOCUMENT: Final = "json"
"""What an input that is called NDJSON may turn out to be."""
COMMA: Final = ","
_SEPARATORS: Final = (COMMA, ";", "\t", "|")
_MAX_LINE: Final = 1 << 20
"""Characters of one line; nothing longer is held in memory."""
csv.field_size_limit(2 * _MAX_LINE)  # for the process, and more than a record may have: its lines are limited here
_MAX_LINES: Final = 1_000
"""Lines of one record: a quote that is still open then was opened by mistake."""
_SUFFIXES: Final = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": NDJSON}
_BLANK: Final = re.compile(r"(?:[ \t\x00\ufeff;,|\"]*(?:\r\n|\r|\n))*")
"""Lines without anything, as spreadsheets leave them before a header."""
_SEP: Final = re.compile(r"\"?sep=([,;\t|:^~])\"?[ \t,;]*(?:\r\n|\r|\n|$)", re.IGNORECASE)
"""How Excel learns the separator (https://support.microsoft.com/office/c250e9b4: "sep=")."""
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_OPEN: Final = 'a quote (") is opened and not closed: close it, or write "" for a quote within a field'
_TOO_LONG: Final = "longer than a mebibyte"


class Reader:
    """The rows of one input."""

    def __init__(
        self,
        stream: IO[str] | Text,
        form: str,
        *,
        header: Sequence[str] | None = None,
        after: int = 0,
        separator: str = COMMA,
        who: Sequence[str] = WHO,
        mapped: Mapping[str, str] | None = None,
    ) -> None:
        """Read a whole input, or a part of one that begins where a row does.

        Args:
            stream: the text.
            form: `CSV` or `NDJSON`; of a part also `DOCUMENT`.
            header: the columns of a part, which has no header of its own.
            after: how many lines of the input come before the part; of a document, how many objects.
            separator: of a part.
            who: the columns, one of which says whom a row is about.
            mapped: names of columns, by what they are called here.

        Raises:
            UnusableInputError: there is no header, or the input is something else.
        """
        self._text = stream if isinstance(stream, Text) else Text(stream)
        self._who = {folded((mapped or {}).get(name, name)) for name in who}
        self._mapped = mapped
        self._after = after
        self.form = form
        """What it turned out to be: `CSV`, `NDJSON` or `DOCUMENT`."""
        self.separator = separator
        self.columns: list[str] = list(header or ())
        """The header, in its own spelling; empty for JSON."""
        self.first: tuple[str, ...] = ()
        """The columns of CSV; of JSON, those of the first row that can be read."""
        self._lines = _Lines(self._text)
        self._twice: set[str] = set()
        self._document: Document | None = None
        if form == CSV:
            if header is None:
                self._begin()
            self._rows: Any = csv.reader(self._lines, strict=True, delimiter=self.separator)
            if header is None:
                self.columns = self._header()
            self.first = tuple(self.columns)
        elif header is None or form == DOCUMENT:
            self._look(form)
        self.names = Names(self.columns or self.first, mapped)
        """Where columns are, by any name."""
        self.names.twice |= self._twice
        self._identified = next((self.columns.index(name) for name in self.columns if folded(name) in self._who), None)

    def __iter__(self) -> Iterator[Row | Malformed]:
        if self.form == CSV:
            return self._csv()
        return self._listed(self._document) if self._document else self._ndjson()

    @property
    def line(self) -> int:
        """The last line of the header, or of the row that was read last; what comes before a part."""
        return self._after

    @property
    def at(self) -> int:
        """Bytes of the input up to there, if its text counts them."""
        return self._document.at if self._document else self._lines.at

    def named(self, name: str) -> str:
        """The column of this name, whatever its case: as the header spells it, or else the name itself."""
        return self.names[name]

    def need(self, *names: str, remedy: str = "name it so in the first line") -> None:
        """See that rows can say whom they are about.

        Raises:
            UnusableInputError: there is none of these columns, or one of them twice; says which there are.
        """
        if doubled := sorted(self.names.twice & {folded(name) for name in names}):
            raise UnusableInputError(f"more than one column is called {', '.join(doubled)}: rename all but one")
        if self.columns and not any(name in self.names for name in names):
            raise UnusableInputError(
                f"the header has neither {' nor '.join(names)}: line {self._after} has {listed(self.columns)}; {remedy}"
            )

    # --- how it begins -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Go to the header, and find what separates its fields."""
        beginning = self._text.ahead()
        start = self._skip(beginning, 0)
        if said := _SEP.match(beginning, start):
            self.separator = said[1]
            self._skip(beginning, start, said.end())
            self._skip(beginning, said.end())
            return
        rest = beginning[start:]
        if rest.lstrip()[:1] in {"{", "["}:
            raise UnusableInputError(
                "the input is JSON, not CSV: say --format ndjson, or give the file the suffix .json"
            )
        if rest.lstrip()[:1] == "<":
            raise UnusableInputError("the input is a web page or XML, not CSV: download the file anew")
        self.separator = max(_SEPARATORS, key=lambda each: self._fits(rest, each))

    def _skip(self, beginning: str, start: int, end: int = 0) -> int:
        end = end or _BLANK.match(beginning, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        for _ in _LINE_END.findall(beginning, start, end):
            self._lines.drop()
            self._after += 1
        return end

    def _fits(self, rest: str, separator: str) -> tuple[bool, int]:
        """How well a separator parts the header: does it find whom rows are about, and how many columns."""
        try:
            header = next(csv.reader(io.StringIO(rest, newline=""), strict=True, delimiter=separator), [])
        except csv.Error:
            return False, 1
        return any(folded(name) in self._who for name in header), len(header)

    def _header(self) -> list[str]:
        self._lines.begin()
        try:
            header: list[str] = next(self._rows, [])
        except csv.Error as exc:
            raise UnusableInputError(f"the header can't be read: {exc}") from exc
        if not header:
            raise UnusableInputError("the input is empty: CSV starts with a header")
        self._after += len(self._lines.taken)
        self._lines.begin()
        self._twice = {folded(name) for name in header if header.count(name) > 1}
        # Mailchimp's exports repeat names: from the second on, a column is named by its place.
        return [name if header.index(name) == at else f"{name} (column {at + 1})" for at, name in enumerate(header)]

    def _look(self, form: str) -> None:
        """See whether JSON is rows or a document, and what its first row has."""
        if form == DOCUMENT:
            self._document = Document(self._text, self._who, self._after)
            return
        beginning = self._text.ahead()
        place = list_in(beginning, self._who)
        if place:
            self.form, self.first = DOCUMENT, place.columns
            self._text.read(place.start)
            self._document = Document(self._text, self._who, self._after)
            return
        for line in beginning.splitlines():
            if isinstance(values := _loaded(line), dict):
                self.first = tuple(values)
                return

    # --- rows --------------------------------------------------------------------------------------------------

    def _csv(self) -> Iterator[Row | Malformed]:
        lines = self._lines
        while True:
            lines.begin()
            why = ""
            fields: list[str] = []
            try:
                fields = next(self._rows)
            except StopIteration:
                return
            except csv.Error as exc:
                why = _OPEN if lines.wanted_more else f'not CSV: {exc}; write "" for a quote within a field'
            if not why and lines.too_long:
                why = _TOO_LONG
            if not why and len(lines.taken) > 1 and self._swallowed(fields):
                why = _OPEN
            if why:
                lines.keep(1)
            start = self._after + 1
            self._after += len(lines.taken)
            row = Malformed(start, self._after, why) if why else self._row(start, fields)
            if row:
                yield row

    def _row(self, start: int, fields: list[str]) -> Row | Malformed | None:
        width = len(self.columns)
        note, whole = "", True
        if len(fields) != width:
            widths = f"{len(fields)} fields where the header has {width}"
            if not any(field.strip() for field in fields):
                return None
            if len(fields) < width:
                note, whole = widths, False
                fields += [""] * (width - len(fields))
            elif not any(field.strip() for field in fields[width:]):
                note = f"{widths}: empty ones were taken off"
            else:
                sign = "a tab" if self.separator == "\t" else self.separator
                return Malformed(start, self._after, f"{widths}: put a field with {sign} in it in quotes")
        return Row(start, self._after, dict(zip(self.columns, fields, strict=False)), note, whole, self.names)

    def _swallowed(self, fields: list[str]) -> bool:
        """Whether a field of several lines is a quote that was left open, and what it holds are rows."""
        width, at = len(self.columns), self._identified
        if len(fields) != width:
            return True
        if at is None:
            return False
        own = fields[at].strip()
        if sum("@" in line.strip("@ ") for line in _LINE_END.split(own)) > 1:
            return True  # several lines with an address each
        alone = (line.split(self.separator) for line in self._lines.taken)
        return width > 1 and any(
            len(parts) == width and "@" in parts[at] and parts[at].strip().strip('"') != own for parts in alone
        )

    def _ndjson(self) -> Iterator[Row | Malformed]:
        names = self.names
        while line := self._lines.line():
            self._after += 1
            at = self._after
            if not line.strip():
                continue
            if len(line) >= _MAX_LINE:
                yield Malformed(at, at, _TOO_LONG)
                continue
            values = _loaded(line)
            if values is None:
                yield Malformed(at, at, "not JSON: write an object a line, or a document with a list of objects")
            elif isinstance(values, dict):
                names = self._names(values, names)
                yield Row(at, at, values, names=names)
            else:
                yield Malformed(at, at, "not a JSON object")

    def _listed(self, document: Document) -> Iterator[Row | Malformed]:
        names = self.names
        for item in document:
            if isinstance(item, Item):
                names = self._names(item.values, names)
                self._after = item.place
                yield Row(item.place, item.place, item.values, names=names)
            else:
                self._after = item.line
                yield item

    def _names(self, values: dict[str, Any], last: Names) -> Names:
        return last if last.of == tuple(values) else Names(values, self._mapped)


def _loaded(text: str) -> Any:
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


class _Lines:
    """Lines of text, each at most `_MAX_LINE` characters: what is beyond is dropped.

    It remembers the lines of a record, so that they can be read again by themselves.
    """

    def __init__(self, text: Text) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._ahead = 0
        """Bytes of those."""
        self.taken: list[str] = []
        self._size = 0
        self.wanted_more = False
        """The record goes on after its first line."""
        self.too_long = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.taken:
            self.wanted_more = True
            if len(self.taken) == _MAX_LINES or self._size >= _MAX_LINE:
                raise StopIteration
        line = self.line()
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._size += len(line)
        if len(line) >= _MAX_LINE:
            self.too_long = True
        return line

    @property
    def at(self) -> int:
        """Bytes of the input up to the end of the last record."""
        return self._text.at - self._ahead

    def begin(self) -> None:
        """Begin a record."""
        self.taken.clear()
        self._size = 0
        self.wanted_more = self.too_long = False

    def keep(self, count: int) -> None:
        """So many lines are the record; those after it are read again."""
        self._ahead += sum(map(self._text.size, self.taken[count:]))
        self._again.extendleft(reversed(self.taken[count:]))
        del self.taken[count:]

    def drop(self) -> None:
        """Pass a line over."""
        self.line()

    def line(self) -> str:
        """The next line; empty where there is none."""
        if self._again:
            line = self._again.popleft()
            self._ahead -= self._text.size(line)
            return line
        line = self._text.readline(_MAX_LINE)
        if len(line) == _MAX_LINE and line[-1] not in "\r\n":
            while (more := self._text.readline(_MAX_LINE)) and more[-1] not in "\r\n":
                pass
        return line


def form_of(path: str, wanted: str | None) -> str:
    """The form of a file, by its suffix unless one was asked for; CSV for what has no suffix."""
    return wanted or _SUFFIXES.get(Path(path).suffix.lower(), CSV)
