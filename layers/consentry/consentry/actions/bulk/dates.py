"""Instants as exports write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from consentry.rules import instants
from consentry.rules.consent import DAY_MS
from consentry.rules.instants import Instant

_EPOCH: Final = re.compile(r"[0-9]{9,13}(\.[0-9]{1,9})?")
_MILLISECONDS: Final = 100_000_000_000
"""Epochs from here on are milliseconds: as seconds they would be after the year 5000."""
_GO: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})(?: [+-]?\w+)?(?: m=\S+)?")
"""Go's time.Time.String()."""


_ZONE: Final = re.compile(r" ?(?:UTC|GMT|Z)$", re.IGNORECASE)
_BY_PLACE: Final = re.compile(
    r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:[ T,]+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?: ?([ap])\.?m\.?)?)?",
    re.IGNORECASE,
)
"""A day and a month, in either order, and a year; perhaps a time of day."""
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/.年] ?(\d{1,2})[-/.月] ?(\d{1,2})[.日]?(?:[ T]+(\d{1,2})(:.+))?")
"""As spreadsheets write it where they are Japanese, Chinese or Korean: `2024/2/1 9:05`."""
_OFFSET: Final = re.compile(r"\b(?:GMT|UTC)(?=[+-]\d{4}\b)")
"""Before an offset, as JavaScript's `Date.toString` writes it (ECMA-262, TimeZoneString), this says nothing."""
_NAMED: Final = ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y")
_TIMES: Final = (("", DAY_MS), (" %H:%M", 60_000), (" %H:%M:%S", 1_000), (" %I:%M %p", 60_000), (" %I:%M:%S %p", 1_000))
_NOON: Final = 12


def instant(text: str) -> Instant:
    """What a text means.

    RFC 3339, a date alone, seconds or milliseconds since 1970, RFC 5322, or as exports write it. Without an offset it
    is UTC. A date whose day may be its month means both: the first instant is of the earlier one, the last of the
    later one.

    Raises:
        ValueError, OverflowError: it is none of these, or not after 1970.
    """
    if _EPOCH.fullmatch(text):
        number = float(text)
        at = Instant(int(number)) if number >= _MILLISECONDS else instants.from_seconds(number)
    else:
        at = _written(text)
    if at <= 0:
        raise ValueError("before 1970")
    return at


def _written(text: str) -> Instant:
    if go := _GO.fullmatch(text):
        return instants.from_iso(f"{go[1]}{go[2]}")
    text = _OFFSET.sub("", text)
    bare = _ZONE.sub("", text)
    if year_first := _YEAR_FIRST.fullmatch(bare):
        year, month, day, hour, rest = year_first.groups()
        bare = f"{year}-{month:0>2}-{day:0>2}" + (f" {hour:0>2}{rest}" if hour else "")
    if by_place := _BY_PLACE.fullmatch(bare):
        return _by_place(by_place)
    try:
        return instants.from_iso(bare)
    except ValueError:
        return _named(bare.replace(",", " "), text)


def _by_place(found: re.Match[str]) -> Instant:
    first, _, second, year, hour, minute, seconds, half = found.groups()
    hours = int(hour or 0)
    if half:
        hours = hours % _NOON + (_NOON if half.lower() == "p" else 0)
    length = DAY_MS if hour is None else 60_000 if seconds is None else 1_000
    starts = []
    for day, month in ((first, second), (second, first)):
        try:
            moment = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(seconds or 0), tzinfo=UTC)
        except ValueError:
            continue
        starts.append(int(moment.timestamp() * 1000))
    if not starts:
        raise ValueError("no such day")
    return Instant(min(starts), max(starts) - min(starts) + length)


def _named(bare: str, text: str) -> Instant:
    """With the month's name, as in RFC 5322 (`Fri, 21 Oct 2011 11:02:55 GMT`) or `Apr 12, 2022 9:30 AM`."""
    words = " ".join(bare.split())
    for date in _NAMED:
        for time, length in _TIMES:
            try:
                moment = datetime.strptime(words, date + time).replace(tzinfo=UTC)
            except ValueError:
                continue
            return Instant(int(moment.timestamp() * 1000), length)
    moment = parsedate_to_datetime(text)
    return Instant(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000), 1_000)
