"""Rows in and out: CSV with a header, or NDJSON, one at a time.

What can't be read becomes a `Malformed` with its line, and reading goes on after it. Bytes that aren't UTF-8 pass
through unchanged in columns that nobody looks at.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CSV: Final = "csv"
NDJSON: Final = "ndjson"
_MAX_LINE: Final = 1 << 20
"""Characters of one line; nothing longer is held in memory."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets compute."""
_MARK: Final = "'"
_SUFFIXES: Final = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": NDJSON}


class Row(NamedTuple):
    """One record."""

    line: int
    """Where it starts, counted from 1."""
    end: int
    """The last line of it: quoted fields may hold line breaks."""
    values: dict[str, Any]
    """Text from CSV; from NDJSON whatever it held."""

    def malformed(self, reason: str) -> Malformed:
        """Why this row can't be used."""
        return Malformed(self.line, self.end, reason)

    def text(self, name: str) -> str:
        """A column's text without white space around it; empty where there is none."""
        value = self.values.get(name)
        if isinstance(value, str):
            return value.strip()
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""

    def id(self, name: str) -> str:
        """The same of a column with an id, as `Writer` may have written it."""
        return unguarded(self.text(name))


class Malformed(NamedTuple):
    """A line that can't be used."""

    line: int
    end: int
    reason: str
    """Repeats nothing of what the line says."""

    @property
    def where(self) -> str:
        """For people to read."""
        return f"line {self.line}" if self.end <= self.line else f"lines {self.line} to {self.end}"


class UnusableInputError(ValueError):
    """An input that can't be used at all; says why, and repeats nothing of it but names of columns."""


class UnusableRowError(ValueError):
    """A row that can be read, but not used; says why, and repeats nothing of it."""


class Reader:
    """The rows of one input."""

    def __init__(self, stream: IO[str], form: str, *, header: Sequence[str] | None = None, after: int = 0) -> None:
        """Read a whole input, or a part of one that begins where a row does.

        Args:
            stream: the text.
            form: `CSV` or `NDJSON`.
            header: the columns of a part, which has no header of its own.
            after: how many lines of the input come before the part.

        Raises:
            UnusableInputError: there is no header.
        """
        self._lines = _Lines(stream)
        self._form = form
        self._after = after
        self.columns: list[str] = list(header or ())
        """The header, in its own spelling; empty for NDJSON."""
        self._rows: Any = None
        if form == CSV:
            self._rows = csv.reader(self._lines, strict=True)
            if header is None:
                self.columns = self._header()

    def __iter__(self) -> Iterator[Row | Malformed]:
        return self._csv() if self._form == CSV else self._ndjson()

    @property
    def line(self) -> int:
        """The last line of the header; what comes before a part."""
        return self._after + (self._rows.line_num if self._form == CSV else 0)

    def named(self, name: str) -> str:
        """The column of this name, whatever its case: as the header spells it, or else the name itself."""
        return next((each for each in self.columns if each.strip().lower() == name.lower()), name)

    def _header(self) -> list[str]:
        try:
            header: list[str] = next(self._rows, [])
        except csv.Error as exc:
            raise UnusableInputError(f"the header can't be read: {exc}") from exc
        if not header:
            raise UnusableInputError("the input is empty: CSV starts with a header")
        # Mailchimp's exports repeat names: from the second on, a column is told by its place.
        return [name if header.index(name) == at else f"{name} (column {at + 1})" for at, name in enumerate(header)]

    def _csv(self) -> Iterator[Row | Malformed]:
        columns, width = self.columns, len(self.columns)
        while True:
            start = self._after + self._rows.line_num + 1
            try:
                fields = next(self._rows)
            except StopIteration:
                return
            except csv.Error as exc:
                yield Malformed(start, self._after + self._rows.line_num, f"not CSV: {exc}")
                continue
            end = self._after + self._rows.line_num
            if len(fields) == width:
                yield Row(start, end, dict(zip(columns, fields, strict=True)))
            elif fields:
                yield Malformed(start, end, f"{len(fields)} fields where the header has {width}")

    def _ndjson(self) -> Iterator[Row | Malformed]:
        for line, text in enumerate(self._lines, self._after + 1):
            if not text.strip():
                continue
            if len(text) >= _MAX_LINE:
                yield Malformed(line, line, "longer than a mebibyte")
                continue
            try:
                values = json.loads(text)
            except (ValueError, RecursionError):
                yield Malformed(line, line, "not JSON")
                continue
            if isinstance(values, dict):
                yield Row(line, line, values)
            else:
                yield Malformed(line, line, "not a JSON object")


class _Lines:
    """Lines of text, each at most `_MAX_LINE` characters: what is beyond is dropped."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(_MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == _MAX_LINE and line[-1] not in "\r\n":
            while (more := self._stream.readline(_MAX_LINE)) and more[-1] not in "\r\n":
                pass
        return line


class Writer:
    """Rows out, in the same form as they came, with columns added.

    One subscriber id of 64 begins with `-`, and a spreadsheet takes that for a formula. So in CSV an apostrophe goes
    before what begins so in the columns that are ours (OWASP, "CSV Injection"). Other columns are whoever's file it
    is, and pass through as they are; NDJSON has no such marks.
    """

    def __init__(self, stream: IO[str], form: str, columns: Sequence[str], added: Sequence[str]) -> None:
        """`columns` came with the rows, `added` are ours; a column in both is ours."""
        self._stream = stream
        self._columns = {name: name in added for name in (*columns, *added)}
        self._write = csv.writer(_Rows(stream)).writerow if form == CSV else None
        if self._write:
            self._write(self._columns)

    def row(self, values: Mapping[str, Any]) -> None:
        """Write one row. In CSV None is empty, and yes and no are `true` and `false`."""
        if self._write:
            self._write([_cell(values.get(name), ours=ours) for name, ours in self._columns.items()])
        else:
            self._stream.write(_json(values) + "\n")


class _Rows:
    """Ends rows with LF. The writer has to end them with CR LF: it quotes what holds a character of its line end."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, row: str) -> None:
        self._stream.write(row.removesuffix("\r\n") + "\n")


def _cell(value: Any, *, ours: bool) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{_MARK}{value}" if ours and isinstance(value, str) and value.startswith(_FORMULA) else value


def unguarded(text: str) -> str:
    """A text of one of our columns, without the apostrophe that `Writer` puts before what looks like a formula."""
    plain = text.removeprefix(_MARK)
    return plain if plain.startswith(_FORMULA) else text


def _json(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character: JSON can say it, UTF-8 can't
            return json.dumps(values, separators=(",", ":"))
    return text


def text_of(binary: IO[bytes], *, whole: bool = True) -> io.TextIOWrapper:
    """The text of an input, whatever its bytes. A byte-order mark is dropped where the input begins."""
    encoding = "utf-8-sig" if whole else "utf-8"
    return io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="")


def form_of(path: str, wanted: str | None) -> str:
    """The form of a file, by its suffix unless one was asked for; CSV for what has no suffix."""
    return wanted or _SUFFIXES.get(Path(path).suffix.lower(), CSV)
