"""The rows of an import that can't be used, as they stand in its input: to be mended, and brought back."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from consentry.actions.bulk.encodings import Text
from consentry.actions.bulk.rows import CSV, DOCUMENT, Row
from consentry_cli.records import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consentry.actions.bulk.rows import Malformed, Reader
    from consentry_cli.rows import Rows

_PIECE: Final = 1 << 20


class Rejected:
    """Writes them, in UTF-8 and in the input's own form with its header; from a JSON document, as NDJSON.

    It reads the input by itself, a little behind the import: rows may be of any size.
    """

    def __init__(self, path: Path | None, source: str, rows: Rows, header: Reader, *, begun: bool) -> None:
        """Into a file, or nowhere; if the import was `begun` before, after what stands there."""
        self._path, self._source, self._rows = path, source, rows
        self._form, self._header, self._begun = header.form, header.line if header.form == CSV else 0, begun
        self._stack = ExitStack()
        self._line = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            mode = "a" if self._begun else "w"
            self._out = self._stack.enter_context(
                self._path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
            )
            if self._form == DOCUMENT:
                reader, _ = self._stack.enter_context(self._rows.of(self._source))
                self._items: Iterator[Row | Malformed] = iter(reader)
            else:
                self._text = Text(self._stack.enter_context(reading(self._source, self._rows.encoding)))
                self._copy(self._header, wanted=not self._begun)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, malformed: Malformed) -> None:
        """Write one; rows come in the order of the input."""
        if self._path is None:
            return
        if self._form == DOCUMENT:
            item = next((each for each in self._items if each.line >= malformed.line), None)
            if isinstance(item, Row):
                self._out.write(json.dumps(item.values, ensure_ascii=False) + "\n")
            return
        self._copy(malformed.line - 1, wanted=False)
        self._copy(malformed.end, wanted=True)

    def flush(self) -> None:
        """Put what was written before the batch is noted as done."""
        if self._path is not None:
            self._out.flush()

    def _copy(self, until: int, *, wanted: bool) -> None:
        """Read on to the end of a line, and write what is read if it is wanted."""
        while self._line < until and (piece := self._text.readline(_PIECE)):
            if piece[-1] in "\r\n":
                self._line += 1
            if wanted:
                self._out.write(piece)
