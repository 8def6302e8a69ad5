"""The archive: which events a month's run has, and what is lost when the table no longer has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions import archive
from consentry.actions.archive import Loss
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind, Record, hash_event
from consentry.table.schema import Head

KEY = b"the archive's key"
LEDGER_KEY = b"the brand's ledger key"
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as Hypothesis wants them
DAY = timedelta(days=1)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@pytest.mark.parametrize("month", ["", "2026", "2026-1", "2026-13", "2026-00", "26-01", "2026-01-01", "٢٠٢٦-٠١"])
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(ValueError, match="yyyy-mm"):
        archive.window(month)


@given(INSTANTS)
def test_every_event_is_in_its_months_run(arrived: datetime) -> None:
    since, until = archive.window(archive.month_of(ms(arrived)))
    assert since <= ms(arrived) < until


@given(INSTANTS, st.timedeltas(timedelta(), timedelta(days=28)))
def test_an_event_that_waited_for_up_to_four_weeks_is_in_a_run_that_came_after(
    arrived: datetime, waited: timedelta
) -> None:
    """A run begins after its month, and has whatever was recorded by then."""
    recorded = arrived + waited
    run = archive.month_of(ms(recorded))
    since, until = archive.window(run)
    assert since <= ms(arrived) < until


@given(INSTANTS)
def test_the_month_before_is_over_and_the_next_follows_it(now: datetime) -> None:
    before = archive.month_before(ms(now))
    assert archive.window(before).until <= ms(now)
    assert archive.following(before) == archive.month_of(ms(now))


@pytest.mark.parametrize(("began", "whole"), [("20261130T235959Z", False), ("20261201T000000Z", True)])
def test_a_run_that_began_within_its_month_is_not_the_whole_of_it(began: str, whole: bool) -> None:
    assert archive.is_whole("2026-11", f"{began}-0a1b2c3d") is whole
    assert archive.is_whole("2026-12", f"{began}-0a1b2c3d") is False


# --- what is lost -----------------------------------------------------------------------------------------------------


def event(number: int) -> Event:
    at = 1_800_000_000_000 + number
    return Event(
        f"event-{number}", Kind.UNSUBSCRIBED, "demo", "K9Xdq1X4AVefMXC3P9olGg", at, at, Actor.RECIPIENT, Channel.PAGE,
        Consent({"out.news": at}), ("news",),
    )  # fmt: skip


def record(*numbers: int) -> Record:
    events = tuple(event(number) for number in numbers)
    digest = sum(hash_event(LEDGER_KEY, each) for each in events)
    return Record(events[0].subscriber_id, Consent(), len(events), digest, events, {})


def lines(held: Record) -> list[dict[str, object]]:
    """All that the archive has on a subscriber who stands so."""
    head = Head("demo", held.subscriber_id, held.ledger_count, held.ledger_digest)
    return [*(archive.event_line(KEY, each) for each in held.events), archive.head_line(KEY, head)]


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9)))
def test_whatever_comes_later_nothing_is_lost(then: set[int], since: set[int]) -> None:
    assert archive.losses(KEY, record(*then | since), lines(record(*then))) == []


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9), min_size=1))
def test_whoever_lacks_an_archived_event_has_lost_it_whatever_else_there_is(then: set[int], now: set[int]) -> None:
    lost = archive.losses(KEY, record(*now), lines(record(*then)))
    assert (Loss.MISSING in lost) == bool(then - now)
    assert (Loss.BACK in lost) == (len(now) < len(then))
    assert (Loss.OTHER in lost) == (len(now) == len(then) and now != then)


def test_an_event_with_another_content_is_changed_and_not_missing() -> None:
    held = record(1, 2)
    changed = held._replace(events=(held.events[0]._replace(kind=Kind.CONFIRMED), held.events[1]))
    assert archive.losses(KEY, changed, lines(held)) == [Loss.CHANGED]


def test_of_somebody_who_is_gone_everything_is_lost() -> None:
    nothing = Record("K9Xdq1X4AVefMXC3P9olGg", None, 0, 0, (), {})
    assert archive.losses(KEY, nothing, lines(record(1))) == [Loss.MISSING, Loss.GONE]


@given(st.sets(st.integers(0, 9), min_size=1), st.integers(10, 19))
def test_whoever_reads_the_archive_learns_no_share_of_a_ledgers_digest(then: set[int], another: int) -> None:
    """Nor from two heads, of which the second has one event more: the share is what they would differ by."""
    told = json.dumps([*lines(record(*then)), *lines(record(*then, another))])
    secrets = [hash_event(LEDGER_KEY, event(number)) for number in (*then, another)]
    secrets += [record(*then).ledger_digest, record(*then, another).ledger_digest]
    assert [secret for secret in secrets if str(secret) in told or f"{secret:x}" in told] == []


def test_an_event_and_its_whole_ledger_have_hashes_that_only_the_archives_key_makes() -> None:
    told = [(archive.event_line(key, event(1))["hash"], archive.head_line(key, Head("demo", "id", 1, 2))["hash"])
            for key in (KEY, LEDGER_KEY)]  # fmt: skip
    assert len({each for pair in told for each in pair}) == 4
