"""Instants as other systems write them, who leave out what they don't know: the time of day, the seconds, or less.

What is left out is settled so that nobody is mailed who left: something that ends mail happened at the last instant
that is meant, a claim at the first. Whoever opted in at nine and left the same day has left.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from consentry.rules.consent import DAY_MS

SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DATE: Final = re.compile(r"[0-9W-]{8,10}")
_TO_THE_MINUTE: Final = re.compile(r"[^T ]+[T ][0-9]{2}(:?[0-9]{2})?(Z|[+-][0-9:]+)?")


class Instant(int):
    """Epoch ms: the first that is meant."""

    last: int
    """The last that is meant."""

    def __new__(cls, first: int, length: int = 1) -> Self:
        """`length`: how many milliseconds are meant."""
        made = super().__new__(cls, first)
        made.last = first + length - 1
        return made


def from_iso(text: str) -> Instant:
    """What an ISO 8601 text means; without an offset it is UTC.

    Raises:
        ValueError, OverflowError: it isn't one, or none that can be counted.
    """
    moment = datetime.fromisoformat(text)
    at = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    if _DATE.fullmatch(text):
        return Instant(at, DAY_MS)
    if _TO_THE_MINUTE.fullmatch(text):
        return Instant(at, _MINUTE_MS)
    return Instant(at) if "." in text or "," in text else Instant(at, SECOND_MS)


def from_seconds(number: float) -> Instant:
    """What seconds since 1970 mean; those with a fraction mean a millisecond.

    Raises:
        ValueError, OverflowError: none that can be counted.
    """
    return Instant(round(number * 1000), SECOND_MS if number == int(number) else 1)
