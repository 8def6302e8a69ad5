"""An undo takes back the act that it is of, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions.opting_out import Undone
from consentry.links.tokens import Link
from consentry.rules import consent as rules
from consentry.rules.consent import Reason, Status
from consentry.rules.ledger import Channel, Kind
from consentry.table.store import Outcome
from support import people

if TYPE_CHECKING:
    pass
from support.recipient import MINUTE_MS, Ann


def test_undo_brings_back_the_topic_that_was_left(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    ann.undoes(ann.leaves("news"))
    assert [ann.allowed(each) for each in ann.brand.topics] == [True, True, True]
    assert ann.events[-1].topics == ("news",)


def test_undo_of_everything_brings_back_what_there_was_and_no_more(ann: Ann) -> None:
    ann.subscribes("news")
    assert ann.undoes(ann.leaves(everything=True)) == Undone(done=True)
    assert ann.allows() == [True, False, True]
    assert ann.events[-1].topics == ("*",)
    assert (ann.status("offers"), ann.decision("product")) == (Status.NONE, Reason.OPT_OUT_TOPIC)


def test_undo_brings_back_a_topic_that_the_brand_no_longer_has(ann: Ann) -> None:
    ann.subscribes("gone")
    ann.undoes(ann.leaves(everything=True))
    assert ann.accepts("gone")


def test_undo_doesnt_undo_what_was_left_before(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    ann.leaves("news")
    assert ann.undoes(ann.leaves(everything=True)) == Undone(done=True, still_out=("news",))
    assert [ann.allowed(each) for each in ("news", "offers")] == [False, True]


def test_undo_of_a_topic_doesnt_undo_everything_that_was_left_before_also_for_topics_to_come(ann: Ann) -> None:
    """They left everything, asked for one topic again, and left that by the next page."""
    ann.subscribes("news")
    ann.leaves(everything=True)
    ann.asks("offers")
    assert ann.undoes(ann.leaves("offers")) == Undone(done=True)
    assert (ann.status("news"), ann.status("brand-new")) == (Status.UNSUBSCRIBED, Status.UNSUBSCRIBED)
    assert ann.status("offers") is Status.PENDING


def test_undo_of_everything_doesnt_undo_everything_that_was_left_before_also_for_topics_to_come(ann: Ann) -> None:
    ann.subscribes("news")
    ann.leaves(everything=True)
    ann.subscribes("offers")
    before = ann.store.read(ann.brand.id, people.SUBSCRIBER)
    ann.undoes(ann.leaves(everything=True))
    for topic in (*ann.brand.topics, "brand-new"):
        assert rules.decide(ann.consent, topic, ann.brand.mode(topic), ann.now) == rules.decide(
            before, topic, ann.brand.mode(topic), ann.now
        )
    assert [ann.status(each) for each in ("news", "offers", "brand-new")] == [
        Status.UNSUBSCRIBED,
        Status.SUBSCRIBED,
        Status.UNSUBSCRIBED,
    ]


@pytest.mark.parametrize("everything", [True, False])
def test_undo_brings_a_claim_back_as_a_claim(ann: Ann, everything: bool) -> None:
    """Not as her own opt-in: she never gave one."""
    ann.is_claimed("news")
    claimed = dict(ann.consent.registers)
    assert ann.undoes(ann.leaves("news", everything=everything)) == Undone(done=True)
    assert (ann.status("news"), ann.decision("news")) == (Status.SUBSCRIBED, Reason.SUBSCRIBED)
    assert ann.consent.registers[rules.claim("news")] == claimed[rules.claim("news")]
    assert rules.opt_in("news") not in ann.consent.registers
    ann.is_reported(rules.COMPLAINT)
    assert ann.decision("news") is Reason.COMPLAINT


def test_what_was_taken_back_can_be_left_again_and_taken_back_again(ann: Ann) -> None:
    ann.is_claimed("news")
    for _ in range(3):
        link = ann.leaves("news")
        assert ann.status("news") is Status.UNSUBSCRIBED
        ann.undoes(link)
        assert ann.status("news") is Status.SUBSCRIBED
    ann.leaves("news")
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_an_undo_of_an_earlier_time_leaves_the_next_opt_out_in_force(ann: Ann) -> None:
    ann.subscribes("news")
    first = ann.leaves("news")
    ann.undoes(first)
    ann.leaves("news")
    assert ann.undoes(first) == Undone(done=False, still_out=("news",))
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_undo_opts_nobody_in_who_never_was(ann: Ann) -> None:
    assert ann.undoes(ann.leaves("news")) == Undone(done=True)
    assert (ann.status("news"), ann.allowed("news")) == (Status.NONE, False)
    assert [event.kind for event in ann.events] == [Kind.UNSUBSCRIBED, Kind.UNDONE]
    assert not any(name.startswith(("in.", "claim.")) for name in ann.consent.registers)


def test_a_platform_that_leaves_for_somebody_and_undoes_it_gains_nothing(ann: Ann) -> None:
    """It minted the link, so it can press the page's buttons. What the person left stays left, before and since."""
    ann.is_claimed("news")
    ann.clicks("news")
    assert ann.leaves("news") is None, "there is nothing to undo"
    ann.undoes(ann.leaves("news", everything=True))
    ann.undoes(ann.leaves("news", "offers"))
    assert (ann.status("news"), ann.status("offers")) == (Status.UNSUBSCRIBED, Status.NONE)


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("suspected", [True, False])
def test_one_click_between_a_platforms_opt_out_and_its_undo_stands(ann: Ann, everything: bool, suspected: bool) -> None:
    """It changes nothing when it comes, since she is out already; and yet it was her own."""
    ann.is_claimed("news")
    ann.is_claimed("offers")
    link = ann.leaves("news", everything=everything, suspected_automation=suspected)
    ann.clicks("news")
    clicked_at = ann.now
    ann.undoes(link)
    assert ann.status("news") is Status.UNSUBSCRIBED
    assert rules.opted_out_at(ann.consent, "news") == clicked_at
    assert ann.status("offers") is Status.SUBSCRIBED
    assert ann.is_claimed("news") is Outcome.SUPERSEDED


class Platform:
    """All that whoever mints links can do to somebody's consent without their mailbox."""

    def __init__(self, ann: Ann) -> None:
        self.ann = ann
        self.undos: list[Link] = []

    def leaves(self, everything: bool, suspected: bool, form: str) -> None:
        undo = self.ann.leaves("news", everything=everything, suspected_automation=suspected, form=form)
        self.undos += [undo] if undo else []

    def undoes(self, which: int) -> None:
        if self.undos:
            self.ann.undoes(self.undos[which % len(self.undos)])

    def asks(self) -> None:
        self.ann.asks("news", channel=Channel.API)

    def claims(self) -> None:
        self.ann.is_claimed("news")

    def saves(self, ticked: bool) -> None:
        self.ann.saves(*(("news",) if ticked else ()), ours=False)


PLATFORM_ACTS = st.one_of(
    st.tuples(st.just(Platform.leaves), st.booleans(), st.booleans(), st.sampled_from(["", "one", "other"])),
    st.tuples(st.just(Platform.undoes), st.integers(0, 3)),
    st.tuples(st.just(Platform.asks)),
    st.tuples(st.just(Platform.claims)),
    st.tuples(st.just(Platform.saves), st.booleans()),
)
SKEWS = st.integers(-5, 5).map(lambda minutes: minutes * MINUTE_MS)


@given(
    st.lists(st.tuples(PLATFORM_ACTS, SKEWS), max_size=6),
    st.booleans(),
    st.lists(st.tuples(PLATFORM_ACTS, SKEWS), max_size=6),
    st.none() | st.integers(0, 6),
)
def test_nothing_that_a_platform_does_before_or_after_lifts_what_a_person_left_by_one_click(
    before: list[Any], everything: bool, after: list[Any], waits: int | None
) -> None:
    """In whatever order, by machines whose clocks are minutes apart, and though the click waits in the spool."""
    ann = Ann(people.brand())
    platform = Platform(ann)

    def happens(act: Any, skew: int) -> None:
        ann.now += skew
        act[0](platform, *act[1:])
        ann.now -= skew

    def has_left() -> bool:
        topics = ann.brand.topics if everything else ("news",)
        return ann.status("news") in {Status.UNSUBSCRIBED, Status.PENDING} and not any(map(ann.allowed, topics))

    for act, skew in before:
        happens(act, skew)
    ann.store.unavailable, ann.spool = waits is not None, []
    ann.clicks(*(() if everything else ("news",)))
    ann.store.unavailable = False
    for at, (act, skew) in enumerate(after):
        if at == waits:
            ann.drains()
        happens(act, skew)
        assert has_left() or ann.spool
    ann.drains()
    assert has_left()


def test_an_opt_out_that_waited_since_before_an_undo_stands(ann: Ann) -> None:
    """A click of hers was spooled; meanwhile a platform's opt-out came and was taken back."""
    ann.is_claimed("news")
    ann.store.unavailable, ann.spool = True, []
    ann.clicks("news")
    ann.store.unavailable = False
    ann.undoes(ann.leaves("news"))
    ann.drains()
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_a_click_that_waited_stands_though_what_came_after_it_is_taken_back(ann: Ann) -> None:
    """The same in another order: it is drained before the undo."""
    ann.is_claimed("news")
    ann.store.unavailable, ann.spool = True, []
    ann.clicks("news")
    ann.store.unavailable = False
    link = ann.leaves("news")
    ann.drains()
    ann.undoes(link)
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_what_calls_itself_a_scanner_undoes_nothing(ann: Ann) -> None:
    ann.subscribes("news")
    for link in (ann.leaves("news"), ann.pauses()):
        assert ann.undoes(link, suspected_automation=True) == Undone(done=False)
    assert ann.status("news") is Status.UNSUBSCRIBED
    assert rules.pause_end(ann.consent, ann.now) is not None


def test_undo_has_a_budget_and_leaving_has_none(ann: Ann) -> None:
    ann.subscribes("news")
    ann.limits.opting_in = False
    assert ann.undoes(ann.leaves("news")) == Undone(done=False)
    assert ann.status("news") is Status.UNSUBSCRIBED


def test_undo_twice_is_undo(ann: Ann) -> None:
    ann.subscribes("news")
    link = ann.leaves("news")
    ann.undoes(link)
    before = len(ann.events)
    ann.undoes(link)
    assert len(ann.events) == before
    assert ann.allowed("news")


def test_undo_counts_of_an_opt_out_that_still_waits_to_be_recorded(ann: Ann) -> None:
    ann.subscribes("news")
    ann.store.unavailable, ann.spool = True, []
    link = ann.leaves("news")
    ann.store.unavailable = False
    ann.undoes(link)
    ann.drains()
    assert rules.status(ann.consent, "news") is Status.SUBSCRIBED


def test_undo_counts_of_a_pause_that_still_waits_to_be_recorded(ann: Ann) -> None:
    ann.subscribes("news")
    ann.store.unavailable, ann.spool = True, []
    link = ann.pauses()
    ann.store.unavailable = False
    ann.undoes(link)
    ann.drains()
    assert ann.allowed("news")


def test_undo_counts_even_if_another_machines_clock_runs_behind(ann: Ann) -> None:
    ann.subscribes("news")
    link = ann.leaves("news")
    ann.now -= 5_000
    ann.undoes(link)
    assert ann.accepts("news")


@pytest.mark.parametrize("register", [rules.COMPLAINT, rules.BOUNCE])
def test_undo_doesnt_lift_a_complaint_that_came_since(ann: Ann, register: str) -> None:
    ann.subscribes("news")
    link = ann.leaves("news")
    ann.is_reported(register)
    ann.undoes(link)
    assert rules.status(ann.consent, "news") is Status.SUBSCRIBED
    assert not ann.allowed("news")
    assert not ann.allowed("product")


def test_undo_of_a_pause_ends_it(ann: Ann) -> None:
    ann.subscribes("news")
    ann.undoes(ann.pauses())
    assert ann.allowed("news")


def test_undo_of_a_longer_pause_brings_back_the_shorter_one(ann: Ann) -> None:
    ann.pauses(30)
    first = rules.pause_end(ann.consent, ann.now)
    ann.undoes(ann.pauses(90))
    assert rules.pause_end(ann.consent, ann.now) == first


def test_undo_of_a_pause_twice_is_undo(ann: Ann) -> None:
    link = ann.pauses()
    ann.undoes(link)
    before = len(ann.events)
    ann.undoes(link)
    assert len(ann.events) == before


def test_undo_leaves_a_later_opt_out_of_another_topic_alone(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    link = ann.leaves("news")
    ann.leaves("offers")
    ann.undoes(link)
    assert [ann.allowed(each) for each in ("news", "offers")] == [True, False]
