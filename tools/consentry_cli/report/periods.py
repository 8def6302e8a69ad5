"""Days, weeks, months and years, without gaps."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

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
