"""The journal of an import: when it began, and how far it came.

One JSON document a line, the first says what is imported, each that follows how many lines are done. Every line is
on the disk before the import goes on; a last line that was cut short counts as not written.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry_cli.errors import CanNotRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGINNING: Final = 1 << 20
"""How much of the input is hashed, in bytes."""
SUFFIX: Final = ".consentry-journal"


class Progress(NamedTuple):
    """How far an import came."""

    started_at: int
    """Epoch ms. It is the instant of rows that have none, and of every event's arrival: so that an event is the same
    however often its row is read."""
    line: int = 0
    """The last line that is done."""
    counts: Mapping[str, int] = {}
    complete: bool = False


class Journal:
    """A file, beside the input unless it is elsewhere."""

    def __init__(self, source: str, path: Path | None, settings: Mapping[str, Any]) -> None:
        """`settings` is what must be the same for an import to go on: brand, table, preset and the like."""
        self.path = path or Path(f"{source}{SUFFIX}")
        self._subject = {**_fingerprint(Path(source)), **settings}

    def resume(self, now: int) -> Progress:
        """Go on where an import of the same input ended, or begin one.

        Raises:
            CanNotRunError: an unfinished import was of another input, or with other settings.
        """
        kept = self._read()
        if kept:
            head, last = kept[0], kept[-1]
            if head.get("subject") == self._subject:
                return Progress(
                    head["started_at"], last.get("line", 0), last.get("counts", {}), last.get("complete", False)
                )
            if not last.get("complete"):
                raise CanNotRunError(
                    f"{self.path} is of an unfinished import of another input, or with other options;"
                    " --restart forgets it"
                )
        return self.restart(now)

    def restart(self, now: int) -> Progress:
        """Forget what was, and begin."""
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps({"subject": self._subject, "started_at": now}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Progress(now)

    def note(self, line: int, counts: Mapping[str, int], *, complete: bool = False) -> None:
        """Say that everything up to `line` is done. It is on the disk when this returns."""
        with self.path.open("a", encoding="utf-8") as stream:
            # Begins with a line break: what a crash cut short stays a line of its own.
            stream.write("\n" + json.dumps({"line": line, "counts": counts, "complete": complete}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self) -> list[dict[str, Any]]:
        """The head and the last line that is whole; empty if there is no journal."""
        head: dict[str, Any] | None = None
        last: dict[str, Any] = {}
        try:
            with self.path.open(encoding="utf-8", errors="replace") as stream:
                for text in stream:
                    try:
                        entry = json.loads(text)
                    except ValueError:
                        continue
                    if head is None:
                        head = entry
                    else:
                        last = entry
        except FileNotFoundError:
            return []
        return [head, last] if head else []


def _fingerprint(source: Path) -> dict[str, Any]:
    with source.open("rb") as stream:
        beginning = hashlib.sha256(stream.read(_BEGINNING)).hexdigest()
    return {"size": source.stat().st_size, "beginning": beginning}
