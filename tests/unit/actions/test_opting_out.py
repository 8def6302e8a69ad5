"""Leaving, pausing, and doing so again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions import opting_out
from consentry.actions.opting_out import Undone
from consentry.links.tokens import Link, Purpose
from consentry.rules import consent as rules
from consentry.rules.brands import Brands
from consentry.rules.consent import DAY_MS, Status
from consentry.rules.ledger import Actor, Channel, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Outcome
from support import people

if TYPE_CHECKING:
    pass
from support.recipient import ANN, EVIDENCE, Ann


def test_who_leaves_a_topic_keeps_the_others(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    ann.leaves("news")
    assert [ann.allowed(each) for each in ann.brand.topics] == [False, True, True]


@pytest.mark.parametrize("everything", [True, False])
def test_who_leaves_everything_leaves_also_what_comes_later(ann: Ann, everything: bool) -> None:
    """A link that names no topic is a way out of all of them."""
    ann.subscribes("news", "offers")
    undo = ann.leaves(*(("news",) if everything else ()), everything=everything)
    assert not any(ann.allowed(each) for each in (*ann.brand.topics, "brand-new"))
    assert undo == Link(Purpose.UNDO, "demo", people.SUBSCRIBER, ("*",), at=ann.now)


def test_somebody_we_never_heard_of_can_leave(ann: Ann) -> None:
    ann.leaves("gone")
    assert rules.status(ann.consent, "gone") is Status.UNSUBSCRIBED


def test_somebody_can_leave_a_brand_that_is_gone() -> None:
    ann = Ann(Brands([]).even_if_gone("gone"))
    ann.leaves("news")
    assert rules.status(ann.consent, "news") is Status.UNSUBSCRIBED
    assert set(ann.store.evidence.values()) == {(EVIDENCE, 0)}


def test_an_opt_out_is_on_record_with_all_that_is_known(ann: Ann) -> None:
    ann.actions.opt_outs.unsubscribe(
        ann.brand,
        ann.link(Purpose.UNSUBSCRIBE, "news", reference="spring"),
        ann.how(Channel.ONE_CLICK, suspected_automation=True),
    )
    [event] = ann.events
    assert (event.kind, event.topics, event.reference) == (Kind.UNSUBSCRIBED, ("news",), "spring")
    assert (event.actor, event.channel) == (Actor.RECIPIENT, Channel.ONE_CLICK)
    assert (event.notice, event.locale) == ("1234567890ab", "de")
    assert event.occurred_at == event.arrived_at == ann.now
    assert event.suspected_automation
    assert ann.store.evidence[event.event_id] == (EVIDENCE, 365)


def test_a_request_that_is_not_admitted_leaves_no_trace(ann: Ann) -> None:
    ann.limits.admitting = False
    ann.asks("news")
    assert ann.outcome is Outcome.THROTTLED
    assert ann.events == []
    assert ann.store.contacts == {}


def test_a_fresh_mail_that_is_not_admitted_looks_as_if_it_were_sent(ann: Ann) -> None:
    link = ann.asks("news")
    ann.limits.admitting = False
    assert ann.actions.opt_ins.ask_again(ann.brand, link, ann.how()) is True
    assert len(ann.events) == 1
    ann.store.contacts.clear()
    assert ann.actions.opt_ins.ask_again(ann.brand, link, ann.how()) is False


def test_a_platform_is_admitted_by_its_key(ann: Ann) -> None:
    ann.limits.admitting = False
    ann.asks("news", channel=Channel.API)
    assert ann.outcome is Outcome.APPLIED


def test_only_who_leaves_by_the_page_joins_a_burst(ann: Ann) -> None:
    ann.leaves("news", channel=Channel.ONE_CLICK)
    ann.leaves("news", everything=True, channel=Channel.PREFERENCES)
    ann.pauses()
    assert ann.limits.bursts == []
    ann.leaves("offers")
    ann.leaves("news", everything=True)
    assert ann.limits.bursts == [("203.0.113.7", opting_out.LEAVING_TOGETHER)] * 2


def test_a_request_through_the_api_is_on_record_as_the_platforms(ann: Ann) -> None:
    how = ann.how(Channel.API)
    ann.actions.opt_ins.subscribe(ann.brand, people.SUBSCRIBER, ANN, ["news"], how, reference="r", source="shop")
    [event] = ann.events
    assert (event.actor, event.reference, event.source) == (Actor.PLATFORM, "r", "shop")


def test_an_opt_out_that_cant_be_written_is_not_said_to_be_done(ann: Ann) -> None:
    ann.store.unavailable = True
    with pytest.raises(StoreUnavailableError):
        ann.leaves("news")


@pytest.mark.parametrize("days", opting_out.PAUSE_DAYS)
def test_a_pause_ends_by_itself(ann: Ann, days: int) -> None:
    ann.subscribes("news")
    ann.pauses(days)
    until = ann.now + days * DAY_MS
    assert not ann.allowed("news")
    assert ann.accepts("news")
    assert rules.pause_end(ann.consent, until - 1) == until
    assert rules.pause_end(ann.consent, until) is None


def test_leaving_what_was_left_writes_nothing_and_is_for_nobody_to_undo(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    ann.leaves("news")
    left_at, before = ann.now, len(ann.events)
    for _ in range(3):
        assert ann.leaves("news") is None
        ann.clicks("news")
    assert len(ann.events) == before
    assert rules.opted_out_at(ann.consent, "news") == left_at, "since then, and no later"
    undo = ann.leaves("news", "offers")
    assert undo
    assert undo.topics == ("offers",), "only what was left by it can be taken back by it"


def test_who_waits_for_their_confirmation_is_not_out_yet_and_the_stop_link_counts(ann: Ann) -> None:
    ann.leaves("news")
    link = ann.asks("news")
    ann.clicks("news")
    assert [event.kind for event in ann.events] == [Kind.UNSUBSCRIBED, Kind.ASKED, Kind.UNSUBSCRIBED]
    assert ann.confirms(link) == ()
    assert ann.status("news") is Status.UNSUBSCRIBED


@pytest.mark.parametrize("everything", [True, False])
def test_the_same_form_sent_again_gets_the_same_answer_and_does_nothing(ann: Ann, everything: bool) -> None:
    ann.subscribes("news")
    first = ann.leaves("news", everything=everything, form="form")
    before = len(ann.events)
    assert ann.leaves("news", everything=everything, form="form") == first
    assert len(ann.events) == before
    ann.undoes(first)
    assert ann.status("news") is Status.SUBSCRIBED


def test_another_form_that_leaves_what_was_left_has_no_undo_and_stands_when_the_first_is_undone(ann: Ann) -> None:
    """Nobody can tell whether both came from one person."""
    ann.subscribes("news")
    first = ann.leaves("news", form="form")
    assert ann.leaves("news", form="another") is None
    assert ann.undoes(first) == Undone(done=False, still_out=("news",))


def test_the_same_form_sent_after_its_undo_leaves_again(ann: Ann) -> None:
    """Back in the browser, and the button once more: the answer says that she left, and so she has."""
    ann.subscribes("news")
    ann.undoes(ann.leaves("news", form="form"))
    again = ann.leaves("news", form="form")
    assert again
    assert again.at == ann.now
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_a_pause_sent_again_ends_when_the_first_does(ann: Ann) -> None:
    link = ann.link(Purpose.UNSUBSCRIBE, "news")
    first = ann.actions.opt_outs.pause(ann.brand, link, 30, ann.how(form="form"))
    until = rules.pause_end(ann.consent, ann.now)
    assert ann.actions.opt_outs.pause(ann.brand, link, 30, ann.how(form="form")) == first
    assert rules.pause_end(ann.consent, ann.now) == until
    ann.undoes(first)
    assert rules.pause_end(ann.consent, ann.now) is None
