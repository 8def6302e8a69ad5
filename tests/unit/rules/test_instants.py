"""Instants that others tell without a time of day, seconds or less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions.bulk import presets
from consentry.rules import instants

TENTH = 1_799_539_200_000
"""2027-01-10, 00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2027-01-10", 0, 86_399_999),
        ("20270110", 0, 86_399_999),
        ("2027-W01-7", 0, 86_399_999),
        ("2027-01-10T09", 32_400_000, 32_459_999),
        ("2027-01-10 09:30", 34_200_000, 34_259_999),
        ("2027-01-10T09:30Z", 34_200_000, 34_259_999),
        ("2027-01-10T09:30+02:00", 27_000_000, 27_059_999),
        ("2027-01-10 09:30:15", 34_215_000, 34_215_999),
        ("2027-01-10T09:30:15Z", 34_215_000, 34_215_999),
        ("2027-01-10T09:30:15-0500", 52_215_000, 52_215_999),
        ("2027-01-10T09:30:15.250Z", 34_215_250, 34_215_250),
        ("2027-01-10T09:30:15.2509Z", 34_215_250, 34_215_250),
        ("2027-01-10T09:30:15.000Z", 34_215_000, 34_215_000),
    ],
)
def test_an_instant_is_the_first_or_the_last_that_its_text_can_mean(text: str, first: int, last: int) -> None:
    found = instants.from_iso(text)
    assert (found, found.last) == (TENTH + first, TENTH + last)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("1799539200", 999),
        ("1799539200.25", 250),
        ("1799539200000", 0),
        ("1799539200123", 123),
        ("2027-01-10", 86_399_999),
        ("2027-01-10 00:00:00.5 +0000 UTC", 500),
    ],
)
def test_exports_write_instants_in_many_ways(text: str, last: int) -> None:
    assert presets.instant(text).last == TENTH + last


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.timedeltas(timedelta(), timedelta(days=1)))  # noqa: DTZ001 - as Hypothesis wants them
def test_whoever_left_is_never_taken_to_have_left_before_what_happened_in_the_same_second_or_day(
    began: datetime, passed: timedelta
) -> None:
    """However finely the one is told, and however coarsely the other."""
    left = min(began + passed, began.replace(hour=23, minute=59, second=59, microsecond=999_000))
    left = max(began, left)
    exact = (began.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    for told in (f"{left:%Y-%m-%d}", f"{left:%Y-%m-%d %H:%M}", f"{left:%Y-%m-%d %H:%M:%S}"):
        assert instants.from_iso(told).last >= exact
