"""Days, weeks, months and years, without gaps, and what was counted in each."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry_cli.report.counting import Count, Counts

REST: Final = "all others"
MOST: Final = 1_500
"""Periods that one page can show."""
_SHORT: Final = 62
_MEDIUM: Final = 400
_LONG: Final = 20 * 366


class By(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class TooManyError(ValueError):
    """More periods than a page can show; says what would help."""


def fitting(first: date, last: date) -> By:
    """The length that gives a plot some dozens of periods."""
    days = (last - first).days + 1
    if days <= _SHORT:
        return By.DAY
    if days <= _MEDIUM:
        return By.WEEK
    return By.MONTH if days <= _LONG else By.YEAR


def begin(day: date, by: By) -> date:
    """The first day of the period that a day is in. Weeks begin on Monday, as does the calendar itself."""
    if by is By.WEEK:
        return day - timedelta(days=day.weekday())
    if by is By.MONTH:
        return day.replace(day=1)
    return day.replace(month=1, day=1) if by is By.YEAR else day


def between(first: date, last: date, by: By) -> list[date]:
    """The first day of every period from one day to another, both counted.

    Raises:
        TooManyError: there are more than `MOST`.
    """
    found = [begin(first, by)]
    while (following := _after(found[-1], by)) is not None and following <= last:
        found.append(following)
        if len(found) > MOST:
            raise TooManyError(f"more than {MOST:,} periods of a {by}: give longer ones with --by, or --from and --to")
    return found


def label(start: date, by: By) -> str:
    """What a table calls a period."""
    return {By.MONTH: f"{start:%Y-%m}", By.YEAR: f"{start.year:04d}"}.get(by, start.isoformat())


def _after(start: date, by: By) -> date | None:
    try:
        if by is By.YEAR:
            return start.replace(year=start.year + 1)
        if by is By.MONTH:
            return date(start.year + start.month // 12, start.month % 12 + 1, 1)
        return start + timedelta(days=7 if by is By.WEEK else 1)
    except (ValueError, OverflowError):
        return None  # the calendar ends in 9999


class Over:
    """Counts gathered into periods."""

    def __init__(self, counts: Counts, starts: Sequence[date], by: By) -> None:
        self.starts, self.by = starts, by
        self._cells: dict[date, Counter[tuple[Count, str]]] = {start: Counter() for start in starts}
        self._totals: Counter[tuple[Count, str]] = Counter()
        for day, found in counts.days.items():
            self._cells[begin(day, by)].update(found)
            self._totals.update(found)
        self.labels = [label(start, by) for start in starts]

    def total(self, what: Count, name: str | None = None) -> int:
        """All of a count, or of one of its names."""
        if name is not None:
            return self._totals[what, name]
        return sum(number for (of, _), number in self._totals.items() if of is what)

    def by_name(self, what: Count) -> list[tuple[str, int]]:
        """The names of a count with their totals, the greatest first."""
        found = [(name, number) for (of, name), number in self._totals.items() if of is what]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def series(self, what: Count, name: str | None = None) -> list[int]:
        """A count, or one of its names, by period."""
        if name is not None:
            return [cell[what, name] for cell in self._cells.values()]
        return [sum(number for (of, _), number in cell.items() if of is what) for cell in self._cells.values()]

    def grouped(self, what: Count, most: int) -> list[tuple[str, list[int]]]:
        """Names by period; of more than `most`, the smaller ones together."""
        names = [name for name, _ in self.by_name(what)]
        fits = len(names) <= most
        shown = names if fits else names[: most - 1]
        found = [(name, self.series(what, name)) for name in shown]
        if not fits:
            rest = [self.series(what, name) for name in names[most - 1 :]]
            found.append((REST, [sum(each) for each in zip(*rest, strict=True)]))
        return found
