"""What a platform's link may do, and what one of ours may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.choosing import Saved
from consentry.links.tokens import Purpose
from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, Status
from consentry.rules.ledger import Actor, Channel, Kind
from support import people

if TYPE_CHECKING:
    from collections.abc import Callable
from support.recipient import ANN, Ann


def test_by_a_platforms_link_one_asks_for_what_one_never_left_as_a_claim(ann: Ann) -> None:
    page = ann.opens()
    assert ann.saves("news", "product", page=page, ours=False) == Saved(ann.consent)
    assert ann.consent.registers == {rules.claim("news"): page.shown_at}
    assert ann.allows() == [True, False, True]
    assert (ann.events[-1].actor, ann.events[-1].link) == (Actor.RECIPIENT, "platform")


def test_by_a_platforms_link_one_leaves_pauses_slows_down_and_chooses_a_language(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    saved = ann.saves("news", ours=False, pause_days=30, locale="en", frequencies={"news": "weekly"})
    assert saved == Saved(ann.consent)
    assert [ann.status(each) for each in ann.brand.topics] == [
        Status.SUBSCRIBED,
        Status.UNSUBSCRIBED,
        Status.UNSUBSCRIBED,
    ]
    assert ann.consent.chosen(rules.frequency("news")) == "weekly"
    assert ann.consent.chosen(rules.LOCALE) == "en"
    assert rules.pause_end(ann.consent, ann.now) is not None


ENDS: dict[str, Callable[[Ann], object]] = {
    "left": lambda ann: ann.leaves("news"),
    "left with everything": lambda ann: ann.leaves(everything=True),
    "complained of": lambda ann: ann.is_reported(rules.COMPLAINT),
    "bounced": lambda ann: ann.is_reported(rules.BOUNCE),
    "erased": Ann.is_erased,
}


@pytest.mark.parametrize("ended", ENDS)
def test_what_has_ended_doesnt_come_back_by_a_platforms_link(ann: Ann, ended: str) -> None:
    ann.subscribes("news")
    ENDS[ended](ann)
    saved = ann.saves("news", "product", ours=False, pause_days=30)
    assert "news" in saved.lifting
    assert not ann.accepts("news")
    assert rules.pause_end(ann.consent, ann.now) == ann.now + 30 * DAY_MS, "what else the form changed is saved"


@pytest.mark.parametrize("ended", ENDS)
def test_what_has_ended_comes_back_by_an_email_to_the_persons_own_address(ann: Ann, ended: str) -> None:
    ann.subscribes("news", "offers")
    ENDS[ended](ann)
    ann.comes_back("news")
    assert not ann.accepts("news"), "the email has to be opened"
    contact = ann.store.returns[people.SUBSCRIBER]
    assert (contact.address, contact.topics, contact.asked_at) == (ANN.deliverable, ("news",), ann.now)
    offers = ann.decision("offers")
    assert ann.confirms(ann.link(Purpose.CONFIRM, "news", at=contact.asked_at)) == ("news",)
    assert (ann.allowed("news"), ann.decision("offers")) == (True, offers)
    assert (ann.events[-1].kind, ann.events[-1].link) == (Kind.CONFIRMED, "ours")


def test_an_opt_out_after_the_email_was_asked_for_beats_it(ann: Ann) -> None:
    ann.leaves("news")
    ann.comes_back("news")
    ann.clicks("news")
    contact = ann.store.returns[people.SUBSCRIBER]
    assert ann.confirms(ann.link(Purpose.CONFIRM, "news", at=contact.asked_at)) == ()
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_no_email_goes_to_an_address_that_isnt_the_persons(ann: Ann) -> None:
    ann.leaves("news")
    before = len(ann.events)
    ann.comes_back("news", typed_id="somebody-else-entirely")
    assert (ann.store.returns, len(ann.events)) == ({}, before)


def test_no_email_goes_to_whoever_asks_too_often(ann: Ann) -> None:
    ann.leaves("news")
    ann.limits.admitting = False
    ann.comes_back("news")
    assert ann.store.returns == {}


def test_a_link_of_ours_lifts_for_a_day_and_is_then_as_good_as_a_platforms(ann: Ann) -> None:
    """Emails are forwarded, and found again."""
    ann.leaves("news")
    link = ann.link(Purpose.PREFERENCES, at=ann.now, ours=True)
    ann.now += DAY_MS - 2_000
    page = ann.opens()._replace(on=("news", "product"))
    late = ann.how(Channel.PREFERENCES)
    assert ann.actions.choices.save(ann.brand, link, page, late).lifting == ("news",)
    assert ann.status("news") is Status.UNSUBSCRIBED
    assert ann.actions.choices.save(ann.brand, link, page, late._replace(now=late.now - 1)).lifting == ()
    assert ann.status("news") is Status.SUBSCRIBED


def test_while_the_table_is_away_a_platforms_link_lifts_nothing_and_what_is_left_is_left(ann: Ann) -> None:
    """Nobody can see whether `news` was left: its tick waits, as a claim, and yields to the opt-out that it finds."""
    ann.subscribes("offers")
    ann.leaves("news")
    page = ann.opens()
    ann.store.unavailable, ann.spool = True, []
    ann.saves("news", "product", page=page, ours=False)
    ann.store.unavailable = False
    ann.drains()
    assert [ann.status(each) for each in ("news", "offers")] == [Status.UNSUBSCRIBED] * 2


def test_while_the_table_is_away_a_link_of_ours_opts_in_as_of_the_showing(ann: Ann) -> None:
    page = ann.opens()
    ann.store.unavailable, ann.spool = True, []
    ann.saves("news", "offers", "product", page=page)
    ann.store.unavailable = False
    ann.clicks("offers")
    ann.drains()
    assert [ann.status(each) for each in ("news", "offers")] == [Status.SUBSCRIBED, Status.UNSUBSCRIBED]
