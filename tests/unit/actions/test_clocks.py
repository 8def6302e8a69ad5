"""Whatever the clocks say, a later opt-out counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.opting_out import Undone
from consentry.links.tokens import Purpose
from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, Status
from consentry.rules.ledger import Channel

if TYPE_CHECKING:
    from collections.abc import Callable
from support.recipient import MINUTE_MS, Ann

WAYS_OUT: dict[str, Callable[[Ann], object]] = {
    "one click": lambda ann: ann.clicks("news"),
    "the page": lambda ann: ann.leaves("news"),
    "everything, by the page": lambda ann: ann.leaves("news", everything=True),
    "the preferences": lambda ann: ann.saves(),
    "everything, by the preferences": lambda ann: ann.actions.opt_outs.unsubscribe_from_everything(
        ann.brand, ann.link(Purpose.PREFERENCES), ann.how(Channel.PREFERENCES)
    ),
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_an_opt_out_counts_though_the_clock_that_opted_in_was_ahead(ann: Ann, minutes: int, way: str) -> None:
    """Or the clock of the machine that takes the opt-out is behind: nobody can tell, and it makes no difference."""
    ann.now += minutes * MINUTE_MS
    ann.subscribes("news")
    ann.now -= minutes * MINUTE_MS
    WAYS_OUT[way](ann)
    assert ann.status("news") is Status.UNSUBSCRIBED
    ann.now += minutes * MINUTE_MS
    assert not ann.allowed("news"), "nor does it come back when the clocks agree"


@pytest.mark.parametrize("way", [way for way in WAYS_OUT if way != "the preferences"])
def test_an_opt_out_counts_though_the_clock_that_took_the_request_was_ahead(ann: Ann, way: str) -> None:
    """By the preferences nobody leaves what they only asked for: it wasn't ticked."""
    ann.now += 5 * MINUTE_MS
    link = ann.asks("news")
    ann.now -= 5 * MINUTE_MS
    WAYS_OUT[way](ann)
    ann.now += 10 * MINUTE_MS
    assert ann.confirms(link) == ()
    assert ann.status("news") is Status.UNSUBSCRIBED


@pytest.mark.parametrize("way", WAYS_OUT)
def test_an_opt_out_counts_after_an_undo_of_one_by_a_clock_that_was_ahead(ann: Ann, way: str) -> None:
    ann.subscribes("news")
    ann.now += 5 * MINUTE_MS
    link = ann.leaves("news")
    ann.now -= 5 * MINUTE_MS
    assert ann.undoes(link).done
    assert ann.status("news") is Status.SUBSCRIBED
    WAYS_OUT[way](ann)
    assert ann.status("news") is Status.UNSUBSCRIBED
    assert ann.undoes(link) == Undone(done=False, still_out=("news",))


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_click_stands_when_an_opt_out_by_another_clock_is_taken_back(ann: Ann, minutes: int) -> None:
    """The machine that took the page's opt-out was ahead, or behind; the click came after it all the same."""
    ann.is_claimed("news")
    ann.now += minutes * MINUTE_MS
    link = ann.leaves("news")
    ann.now -= minutes * MINUTE_MS
    ann.clicks("news")
    assert ann.undoes(link) == Undone(done=False, still_out=("news",))
    assert ann.status("news") is Status.UNSUBSCRIBED


@pytest.mark.parametrize("everything", [True, False])
def test_a_click_outlasts_what_a_machine_did_though_the_clock_that_took_the_request_was_ahead(
    ann: Ann, everything: bool
) -> None:
    """Both would come at the instant of the request, and be taken back as one."""
    ann.now += 5 * MINUTE_MS
    ann.asks("news")
    ann.now -= 5 * MINUTE_MS
    link = ann.leaves("news", everything=everything, suspected_automation=True)
    ann.leaves("news", everything=everything, channel=Channel.ONE_CLICK)
    ann.undoes(link)
    assert ann.status("news") is Status.UNSUBSCRIBED


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_pause_counts_whatever_the_clock_of_the_one_before_it_said(ann: Ann, minutes: int) -> None:
    ann.now += minutes * MINUTE_MS
    ann.pauses(30)
    ann.now -= minutes * MINUTE_MS
    link = ann.pauses(90)
    assert rules.pause_end(ann.consent, ann.now) == ann.now + 90 * DAY_MS
    assert ann.undoes(link).done
    assert rules.pause_end(ann.consent, ann.now + 31 * DAY_MS) is None
