"""Files in and out, and what is reported of lines that can't be used."""

from __future__ import annotations

import io
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from consentry.actions.bulk.rows import Malformed, text_of
from consentry_cli.errors import FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from consentry.actions.bulk.rows import Row

STANDARD: Final = "-"
"""Standard input or output, in place of a file."""
_MANY: Final = 20
"""Malformed lines that are reported one by one; the rest is counted, by what is wrong with them."""


class Complaints:
    """The malformed lines of a run: the first of them are reported at once, all are counted."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell or (lambda text: click.echo(text, err=True))
        self._more: Counter[str] = Counter()
        self.count = 0

    def sift(self, reader: Iterable[Row | Malformed]) -> Iterator[Row]:
        """The rows that can be read."""
        for row in reader:
            if isinstance(row, Malformed):
                self.add(row)
            else:
                yield row

    def add(self, malformed: Malformed) -> None:
        """Report one line, as long as there are few."""
        self.count += 1
        if self.count <= _MANY:
            self._tell(f"{malformed.where}: {malformed.reason}")
        elif malformed.reason in self._more or len(self._more) < _MANY:
            self._more[malformed.reason] += 1

    def finish(self) -> None:
        """Exit with status 1 if there was any."""
        if self.count > _MANY:
            untold = self.count - _MANY - self._more.total()
            for reason, count in self._more.most_common():
                self._tell(f"and {count:,} more malformed lines: {reason}")
            if untold:
                self._tell(f"and {untold:,} more malformed lines")
        if self.count:
            raise SystemExit(FOUND)


@contextmanager
def reading(path: str, encoding: str = "") -> Iterator[IO[str]]:
    """The text of a file or of standard input, in an encoding that is given or found.

    Raises:
        UnusableInputError: it is no text at all.
    """
    if path != STANDARD:
        with text_of(Path(path).open("rb"), encoding=encoding) as stream:
            yield stream
        return
    with text_of(sys.stdin.buffer, encoding=encoding, close=False) as stream:
        yield stream


@contextmanager
def writing(path: str) -> Iterator[IO[str]]:
    """Where to write: standard output, or a file that appears when it is complete, in place of what was there."""
    if path == STANDARD:
        wrapped = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="surrogateescape", newline="")
        try:
            yield wrapped
            wrapped.flush()
        finally:
            with suppress(OSError):
                wrapped.detach()
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():  # a named pipe, /dev/null
        with target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            yield stream
        return
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            yield stream
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
