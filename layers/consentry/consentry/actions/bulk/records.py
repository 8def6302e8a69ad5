"""One row of an input, and what is wrong with those that can't be used."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WHO: Final = ("email", "subscriber_id")
"""The columns that say whom a row is about, unless a preset knows others."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that spreadsheets compute (OWASP, "CSV Injection", and its ASVS 1.2.10 for NUL); the last four are
the first in full width, which East Asian ones take for them."""
MARK: Final = "'"
_AROUND: Final = "\x00\ufeff\u200b'\""
"""What programs leave around a word: padding, byte-order marks, a spreadsheet's apostrophe, quotes."""
_BYTES: Final = re.compile("[\udc80-\udcff\ufffd]")
"""Bytes that aren't UTF-8, as they are read, and what stands for them elsewhere."""
_NAME: Final = re.compile(r"[^\W\d_][\w .:/()$&'-]{0,39}")
_NUMBER: Final = re.compile(r"\d{3}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_MANY_NAMES: Final = 12


class UnusableInputError(ValueError):
    """An input that can't be used at all; says why, and repeats nothing of it but names of columns."""


class UnusableRowError(ValueError):
    """A row that can be read, but not used; says why, and repeats nothing of it."""


def folded(name: str) -> str:
    """A column's name as names are compared: whatever its case, accents' spelling, and blanks and marks around."""
    return unicodedata.normalize("NFC", name.strip().strip(_AROUND).strip().casefold())


def garbled(text: str) -> bool:
    """Whether a text has bytes that aren't in the file's encoding."""
    return not text.isascii() and _BYTES.search(text) is not None


def listed(names: Iterable[str]) -> str:
    """Names of columns for a message. Where one has an address or a number, these are no names, but somebody's row."""
    stripped = [unicodedata.normalize("NFC", name.strip()) for name in names]
    shown = [name for name in stripped if _NAME.fullmatch(name)]
    if not shown or any("@" in name or _NUMBER.search(name) or _ID.fullmatch(name) for name in stripped):
        return "nothing that looks like names of columns"
    return ", ".join(shown[:_MANY_NAMES]) + (" and more" if len(shown) > _MANY_NAMES else "")


class Names(dict[str, str]):
    """Which column of an input a name means: `names["email"]` is ` Email` where the header says that."""

    def __init__(self, columns: Iterable[str] = (), mapped: Mapping[str, str] | None = None) -> None:
        """Of `columns`; `mapped` has what the operator says, by our name."""
        super().__init__()
        columns = tuple(columns)
        self.of = columns
        """The columns, in their own spelling."""
        self._folded: dict[str, str] = {}
        self.twice: set[str] = set()
        """Folded names that more than one column has."""
        for column in columns:
            if self._folded.setdefault(folded(column), column) != column:
                self.twice.add(folded(column))
        self._mapped = {folded(name): folded(column) for name, column in (mapped or {}).items()}

    def mapped_to(self) -> frozenset[str]:
        """Folded names of the columns that the operator says the meaning of."""
        return frozenset(self._mapped.values())

    def __missing__(self, name: str) -> str:
        wanted = folded(name)
        found = self._folded.get(self._mapped.get(wanted, wanted), name)
        self[name] = found
        return found

    def __contains__(self, name: object) -> bool:
        """Whether there is such a column."""
        wanted = folded(str(name))
        return self._mapped.get(wanted, wanted) in self._folded


_ITSELF: Final = Names()


class Row(NamedTuple):
    """One record."""

    line: int
    """Where it starts, counted from 1: a line, or in a JSON document the place in its list."""
    end: int
    """The last line of it: quoted fields may hold line breaks."""
    values: dict[str, Any]
    """Text from CSV; from JSON whatever it held."""
    note: str = ""
    """What was made up for it or taken off, if anything."""
    whole: bool = True
    """No field was missing."""
    names: Names = _ITSELF
    """Its columns."""

    def malformed(self, reason: str) -> Malformed:
        """Why this row can't be used."""
        return Malformed(self.line, self.end, reason)

    def value(self, name: str) -> Any:
        """What a column holds, whatever the case of its name; None where there is none."""
        return self.values.get(self.names[name])

    def text(self, name: str) -> str:
        """A column's text without white space around it; empty where there is none."""
        value = self.value(name)
        if isinstance(value, str):
            return value.strip()
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""

    def word(self, name: str) -> str:
        """A column's text to compare: in lower case, without what programs leave around it; `true` and `false`."""
        value = self.value(name)
        if isinstance(value, bool):
            return str(value).lower()
        return self.text(name).strip(_AROUND).strip().casefold()

    def id(self, name: str) -> str:
        """The same of a column with an id, as `Writer` may have written it."""
        return unguarded(self.text(name))

    def says_something(self) -> bool:
        """Whether any column holds something."""
        return any(value not in (None, "") and str(value).strip(_AROUND + " ;,\t") for value in self.values.values())


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


def unguarded(text: str) -> str:
    """A text of one of our columns, without the apostrophe that `Writer` puts before what looks like a formula."""
    plain = text.removeprefix(MARK)
    return plain if plain.startswith(FORMULA) else text
