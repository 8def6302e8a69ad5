"""Only what a form changes of what it showed counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.choosing import Saved
from consentry.actions.forms import Form
from consentry.links.tokens import Purpose
from consentry.rules import consent as rules
from consentry.rules import preferences
from consentry.rules.consent import DAY_MS, Choice, Consent, Status
from consentry.rules.ledger import Actor, Channel, Kind
from consentry.table.schema import Contact
from support import people

if TYPE_CHECKING:
    pass
from support.recipient import Ann


def test_saving_a_form_unchanged_writes_nothing(ann: Ann) -> None:
    ann.subscribes("news")
    before = len(ann.events)
    assert ann.saves("news", "product") == Saved(ann.consent)
    assert len(ann.events) == before


def test_ticks_opt_in_and_out(ann: Ann) -> None:
    ann.subscribes("news")
    page = ann.opens()
    assert ann.saves("offers", page=page) == Saved(ann.consent)
    assert ann.allows() == [False, True, False]
    assert ann.consent.registers[rules.opt_in("offers")] == page.shown_at
    event = ann.events[-1]
    assert set(event.topics) == {"news", "offers", "product"}
    assert (event.kind, event.channel, event.actor) == (Kind.PREFERENCES, Channel.PREFERENCES, Actor.RECIPIENT)
    assert event.link == "ours"


def test_a_topic_that_the_page_didnt_offer_isnt_turned_off_by_its_absence(ann: Ann) -> None:
    """The page was opened before the topic existed."""
    ann.subscribes("news", "offers")
    ann.saves("news", shown=("news", "product"))
    assert ann.allows() == [True, True, False]


def test_a_topic_that_the_brand_doesnt_have_cant_be_turned_on(ann: Ann) -> None:
    ann.saves("made-up", "product")
    assert ann.events == []


@pytest.mark.parametrize("ours", [True, False])
def test_nothing_opts_in_that_no_page_of_ours_was_shown_for(ann: Ann, ours: bool) -> None:
    ann.saves("news", "offers", ours=ours, shown_at=0)
    assert (ann.allows(), ann.status("news")) == ([False, False, False], Status.NONE), "and an opt-out needs no proof"


@pytest.mark.parametrize("was_on", [None, ("news", "product")])
def test_a_form_that_doesnt_tell_what_it_showed_turns_nothing_off(ann: Ann, was_on: tuple[str, ...] | None) -> None:
    ann.subscribes("news")
    ann.saves(shown=(), was_on=was_on)
    assert ann.allows() == [True, False, True]


def test_a_form_that_doesnt_tell_what_was_ticked_is_held_against_what_is_known(ann: Ann) -> None:
    """As those of an earlier version are."""
    ann.subscribes("news")
    ann.saves(was_on=None)
    assert ann.allows() == [False, False, False]
    assert set(ann.events[-1].topics) == {"news", "product"}


def test_ticking_what_was_left_brings_it_back_by_a_link_of_ours(ann: Ann) -> None:
    ann.leaves(everything=True)
    assert ann.saves("product").lifting == ()
    assert ann.allows() == [False, False, True]


@pytest.mark.parametrize("register", [rules.COMPLAINT, rules.BOUNCE])
def test_ticking_what_was_stopped_brings_just_that_back_by_a_link_of_ours(ann: Ann, register: str) -> None:
    ann.subscribes("news", "offers")
    ann.is_reported(register)
    ann.saves("news")
    assert ann.allows() == [True, False, False]


def test_frequency_pause_and_language_are_kept_as_chosen(ann: Ann) -> None:
    ann.subscribes("news")
    saved = ann.saves("news", "product", frequencies={"news": "weekly"}, pause_days=60, locale="en").consent
    assert saved == ann.consent
    assert saved.chosen(rules.frequency("news")) == "weekly"
    assert rules.pause_end(saved, ann.now) == ann.now + 60 * DAY_MS
    assert saved.chosen(rules.LOCALE) == "en"
    before = len(ann.events)
    ann.saves("news", "product", frequencies={"news": "weekly"}, locale="en")
    assert len(ann.events) == before


def test_a_pause_can_be_ended_early_and_ending_none_writes_nothing(ann: Ann) -> None:
    ann.saves("product", pause_days=0)
    assert ann.events == []
    ann.saves("product", pause_days=30)
    assert not ann.allowed("product")
    ann.saves("product", pause_days=0)
    assert ann.allowed("product")


def test_too_many_opt_ins_a_day_are_refused_and_the_rest_is_saved(ann: Ann) -> None:
    ann.subscribes("news")
    ann.limits.opting_in = False
    saved = ann.saves("offers", "product", pause_days=30)
    assert (saved.refused, saved.consent) == (("offers",), ann.consent)
    assert (ann.status("news"), ann.status("offers")) == (Status.UNSUBSCRIBED, Status.NONE)
    assert rules.pause_end(ann.consent, ann.now) is not None


@pytest.mark.parametrize("ours", [True, False])
def test_what_calls_itself_a_scanner_opts_nobody_in_and_may_opt_out(ann: Ann, ours: bool) -> None:
    """It ticks all there is, by whichever link, and gets no email sent; what it leaves is left, and marked."""
    ann.leaves("offers")
    assert ann.saves("news", "offers", "product", ours=ours, suspected_automation=True) == Saved(ann.consent)
    assert [ann.status(each) for each in ("news", "offers")] == [Status.NONE, Status.UNSUBSCRIBED]
    ann.saves(ours=ours, suspected_automation=True)
    assert ann.status("product") is Status.UNSUBSCRIBED
    assert ann.events[-1].suspected_automation


def test_a_tab_that_was_open_for_long_brings_nothing_back_that_was_left_meanwhile(ann: Ann) -> None:
    """`news` was ticked when it was shown and still is, and so says nothing; `offers` is ticked as of the showing."""
    ann.subscribes("news")
    page = ann.opens()
    ann.clicks("news", "offers")
    ann.saves("news", "offers", "product", page=page, pause_days=30)
    assert [ann.status(each) for each in ("news", "offers")] == [Status.UNSUBSCRIBED] * 2
    assert rules.pause_end(ann.consent, ann.now) == ann.now + 30 * DAY_MS, "what else it changes is saved"


def test_a_click_that_changed_nothing_beats_a_tab_that_was_open_before_it(ann: Ann) -> None:
    ann.leaves("news")
    page = ann.opens()
    ann.clicks("news")
    ann.saves("news", "product", page=page)
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_a_tab_that_was_open_for_long_leaves_nothing_that_came_meanwhile(ann: Ann) -> None:
    page = ann.opens()
    ann.subscribes("news")
    ann.saves("product", page=page)
    assert ann.status("news") is Status.SUBSCRIBED


def test_what_is_taken_off_in_an_old_tab_is_left_after_all_that_came_meanwhile(ann: Ann) -> None:
    ann.subscribes("news")
    page = ann.opens()
    ann.subscribes("news")
    ann.saves("product", page=page)
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_choices_of_an_old_tab_that_were_not_touched_change_nothing(ann: Ann) -> None:
    ann.subscribes("news")
    page = ann.opens()._replace(frequencies={"news": ""}, locale="de")
    ann.saves("news", "product", frequencies={"news": "weekly"}, locale="en")
    ann.saves("news", "product", page=page)
    assert ann.consent.chosen(rules.frequency("news")) == "weekly"
    assert ann.consent.chosen(rules.LOCALE) == "en"


def test_the_same_form_again_does_nothing_whatever_happened_since(ann: Ann) -> None:
    """A reload of the answer sends the same bytes."""
    page = ann.opens()
    ann.saves("news", page=page, pause_days=30, form="form")
    assert ann.allows() == [False, False, False]
    ann.clicks("news")
    ann.saves("product", pause_days=0)
    known, before = ann.consent, len(ann.events)
    again = ann.saves("news", page=page, pause_days=30, form="form")
    assert (again.repeated, again.consent) == (True, known)
    assert (ann.consent, len(ann.events)) == (known, before)


def test_a_form_that_comes_back_as_a_person_would_send_it_is_believed(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    stamp = ann.actions.forms.stamp(Form.CONFIRM, link, ann.now)
    assert not ann.actions.forms.stamped(Form.CONFIRM, link, stamp, ann.now + 999)
    assert ann.actions.forms.stamped(Form.CONFIRM, link, stamp, ann.now + 1_000)
    assert ann.actions.forms.stamped(Form.CONFIRM, link, stamp, ann.now + 30 * DAY_MS)


def test_a_stamp_of_another_form_person_or_brand_proves_nothing(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    later = ann.now + 60_000
    for form, shown_to in (
        (Form.CONFIRM_AGAIN, link),
        (Form.CONFIRM, link._replace(subscriber_id="somebody-else-entirely")),
        (Form.CONFIRM, link._replace(brand="other")),
    ):
        stamp = ann.actions.forms.stamp(form, shown_to, ann.now)
        assert not ann.actions.forms.stamped(Form.CONFIRM, link, stamp, later)


@pytest.mark.parametrize("stamp", ["", "garbage", "\ud800", "A" * 5_000])
def test_no_stamp_is_no_proof(ann: Ann, stamp: str) -> None:
    assert not ann.actions.forms.stamped(Form.CONFIRM, ann.link(Purpose.CONFIRM, at=ann.now), stamp, ann.now + 60_000)


def test_a_link_itself_is_no_stamp(ann: Ann) -> None:
    """Whoever has the email has the link; only who saw the page has the stamp."""
    link = ann.link(Purpose.CONFIRM, "confirm", at=ann.now)
    assert not ann.actions.forms.stamped(Form.CONFIRM, link, ann.tokens.sign(link), ann.now + 60_000)


def test_a_page_opens_while_the_table_is_unavailable(ann: Ann) -> None:
    ann.subscribes("news")
    link = ann.link(Purpose.UNSUBSCRIBE, "news")
    assert ann.actions.forms.glance(link) == ann.consent
    ann.store.unavailable = True
    assert ann.actions.forms.glance(link) == Consent({}, {})


def test_a_paused_person_still_wants_their_topics_and_one_who_complained_doesnt() -> None:
    brand, now = people.brand(), people.NOW
    paused = {rules.PAUSE: Choice(1, "a", str(now + 1))}
    assert preferences.accepts(Consent({rules.opt_in("news"): 1}, paused), "news", brand, now)
    assert preferences.accepts(Consent({}, paused), "product", brand, now)
    assert not preferences.accepts(Consent({rules.opt_in("news"): 1, rules.COMPLAINT: 2}), "news", brand, now)
    assert not preferences.accepts(Consent({rules.ask("news"): 1}), "news", brand, now)


def test_what_a_mail_needs_is_held_in_the_contact(ann: Ann) -> None:
    link = ann.asks("news")
    assert isinstance(ann.store.contacts[people.SUBSCRIBER], Contact)
    assert ann.store.contacts[people.SUBSCRIBER].asked_at == link.at
