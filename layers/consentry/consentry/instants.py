"""Instants as other systems write them, who leave out what they don't know: the time of day, the seconds, or less.

What is left out is settled so that nobody is mailed who left: something that ends mail happened at the last instant
that its text can mean, a claim at the first. Whoever opted in at nine and left the same day has left.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from consentry.consent import DAY_MS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DATE: Final = re.compile(r"[0-9W-]{8,10}")
_TO_THE_MINUTE: Final = re.compile(r"[^T ]+[T ][0-9]{2}(:?[0-9]{2})?(Z|[+-][0-9:]+)?")
_MINUTE_MS: Final = 60_000
_SECOND_MS: Final = 1_000


def from_iso(text: str, *, last: bool) -> int:
    """Epoch ms of the first or last instant that an ISO 8601 text can mean; without an offset it is UTC.

    Raises:
        ValueError, OverflowError: it isn't one, or none that can be counted.
    """
    moment = datetime.fromisoformat(text)
    at = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    if not last:
        return at
    if _DATE.fullmatch(text):
        return at + DAY_MS - 1
    return at + _MINUTE_MS - 1 if _TO_THE_MINUTE.fullmatch(text) else within_second(at, last=True)


def within_second(at: int, *, last: bool) -> int:
    """The same of an instant in epoch ms: one of a whole second is taken to be told in seconds."""
    return at + _SECOND_MS - 1 if last and at % _SECOND_MS == 0 else at
