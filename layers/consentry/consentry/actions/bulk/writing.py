"""Rows out, as they came: CSV with commas, in UTF-8, or NDJSON."""

from __future__ import annotations

import csv
import json
from typing import IO, TYPE_CHECKING, Any, Final

from consentry.actions.bulk.records import FORMULA, MARK, folded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CSV: Final = "csv"


class Writer:
    """Rows out, in the same form as they came, with columns added.

    One subscriber id of 64 begins with `-`, and a spreadsheet takes that for a formula. So in CSV an apostrophe goes
    before what begins so in the columns that are ours (OWASP, "CSV Injection"). Other columns are whoever's file it
    is, and pass through as they are, unless all of it is to be opened in a spreadsheet; NDJSON has no such marks.
    """

    def __init__(
        self,
        stream: IO[str],
        form: str,
        columns: Sequence[str],
        added: Sequence[str],
        *,
        for_spreadsheets: bool = False,
    ) -> None:
        """`columns` came with the rows, `added` are ours; a column in both is ours, whatever the case of its name.

        `for_spreadsheets`: the apostrophe goes before every text that a spreadsheet would compute, whoever's it is.
        """
        self._stream = stream
        self._ours = {folded(name): name for name in added}
        names = (self._ours.get(folded(name), name) for name in (*columns, *added))
        self._columns = {name: for_spreadsheets or name in added for name in names}
        self._write = csv.writer(_Rows(stream)).writerow if form == CSV else None
        if self._write:
            self._write([_cell(name, ours=for_spreadsheets) for name in self._columns])

    def row(self, values: Mapping[str, Any]) -> None:
        """Write one row. In CSV None is empty, and yes and no are `true` and `false`."""
        if self._write:
            self._write([_cell(values.get(name), ours=ours) for name, ours in self._columns.items()])
        else:
            kept = {name: value for name, value in values.items() if self._ours.get(folded(name), name) == name}
            self._stream.write(_json(kept) + "\n")


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
    return f"{MARK}{value}" if ours and isinstance(value, str) and value.startswith(FORMULA) else value


def _json(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character: JSON can say it, UTF-8 can't
            return json.dumps(values, separators=(",", ":"))
    return text
