"""RecipientActions: what people do, one after another, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions import recipients, spool
from consentry.actions.recipients import Circumstances, Form, RecipientActions, Saved, Undone
from consentry.actions.spool import Recorder, Spooled
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses, preferences
from consentry.rules import consent as rules
from consentry.rules.brands import Brand, Brands
from consentry.rules.consent import DAY_MS, Choice, Consent, Reason, Status
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, new_event_id
from consentry.rules.preferences import Wishes
from consentry.table.gateway import StoreUnavailableError
from consentry.table.schema import Contact
from consentry.table.store import Address, Outcome
from support import people
from support.memory import MemoryLimits, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_MS: Final = 60_000
ANN = addresses.Address("Ann@example.com", "ann@example.com")
EVIDENCE = Evidence("203.0.113.7", "Mozilla")


class Ann:
    """One subscriber, her clock, and everything that she can do."""

    def __init__(self, brand: Brand) -> None:
        self.brand = brand
        self.now = people.NOW
        self.store = MemoryStore()
        keys = Keyring(lambda: '{"root": "r"}')
        self.spool: list[str] | None = None
        """What is spooled; None while there is no spool."""
        self.limits = MemoryLimits()
        self.actions = RecipientActions(
            self.store,  # type: ignore[arg-type]
            Tokens(keys),
            Recorder(self.store, self._spool),  # type: ignore[arg-type]
            self.limits,  # type: ignore[arg-type]
        )

    def _spool(self, text: str) -> None:
        if self.spool is None:
            raise StoreUnavailableError("unavailable, too")
        self.spool.append(text)

    def drains(self) -> None:
        """What was spooled is recorded."""
        for waiting in map(spool.from_json, self.spool or ()):
            assert isinstance(waiting, Spooled)
            self.store.record(waiting.event)
        self.spool = []

    def how(self, channel: Channel = Channel.PAGE, **otherwise: Any) -> Circumstances:
        self.now += 1_000
        return Circumstances(self.now, channel, EVIDENCE, "de")._replace(**otherwise)

    def link(self, purpose: Purpose, *topics: str, at: int = 0, reference: str = "", ours: bool = False) -> Link:
        return Link(
            purpose, self.brand.id, people.SUBSCRIBER, topics, reference, at, ours or purpose is Purpose.CONFIRM
        )

    def asks(self, *topics: str, **otherwise: Any) -> Link:
        """Her request; the link of the email that follows from it."""
        how = self.how(**otherwise)
        self.outcome = self.actions.subscribe(self.brand, people.SUBSCRIBER, ANN, topics, how)
        return self.link(Purpose.CONFIRM, *topics, at=how.now)

    def confirms(self, link: Link) -> tuple[str, ...]:
        return self.actions.confirm(self.brand, link, self.how())

    def subscribes(self, *topics: str) -> None:
        assert self.confirms(self.asks(*topics)) == topics

    def leaves(
        self, *topics: str, everything: bool = False, channel: Channel = Channel.PAGE, **otherwise: Any
    ) -> Link | None:
        link = self.link(Purpose.UNSUBSCRIBE, *topics, reference="spring")
        return self.actions.unsubscribe(self.brand, link, self.how(channel, **otherwise), everything=everything)

    def clicks(self, *topics: str) -> None:
        """One click."""
        self.leaves(*topics, channel=Channel.ONE_CLICK)

    def pauses(self, days: int = 30) -> Link:
        return self.actions.pause(self.brand, self.link(Purpose.UNSUBSCRIBE, "news"), days, self.how())

    def undoes(self, link: Link | None, **otherwise: Any) -> Undone:
        assert link
        return self.actions.undo(self.brand, link, self.how(**otherwise))

    def opens(self) -> Wishes:
        """The preferences page: its form, as it is shown."""
        self.now += 1_000
        known = self.consent
        names = [rules.LOCALE, *map(rules.frequency, self.brand.topics)]
        on = [topic for topic in self.brand.topics if self.accepts(topic)]
        were = {name: known.chosen(name) or "" for name in names}
        return Wishes(on, tuple(self.brand.topics), {}, None, None, on, self.now, were)

    def saves(self, *on: str, page: Wishes | None = None, ours: bool = True, **otherwise: Any) -> Saved:
        """She opens the page (or has opened it before), ticks what is `on` and nothing else, and saves it.

        `ours`: by a link that we have just mailed; else by a platform's.
        """
        link = self.link(Purpose.PREFERENCES, ours=ours, at=self.now if ours else 0)
        how = {name: otherwise.pop(name) for name in ("form", "suspected_automation") if name in otherwise}
        wishes = (page or self.opens())._replace(on=on, **otherwise)
        return self.actions.save(self.brand, link, wishes, self.how(Channel.PREFERENCES, **how))

    def comes_back(self, *topics: str, typed_id: str = people.SUBSCRIBER) -> None:
        """She asks, by a platform's link, for the email that brings topics back, and types an address."""
        link = self.link(Purpose.PREFERENCES)
        self.actions.come_back(self.brand, link, topics, ANN, typed_id, self.how(Channel.PREFERENCES))

    def is_reported(self, register: str) -> None:
        """Her mailbox provider reports a complaint or a bounce."""
        self.now += 1_000
        kind = Kind.COMPLAINED if register == rules.COMPLAINT else Kind.BOUNCED
        self.store.record(self._said(kind, Actor.PROVIDER, Channel.FEEDBACK, register))

    def is_claimed(self, topic: str) -> Outcome:
        """A platform says that she subscribed."""
        self.now += 1_000
        claimed = self._said(Kind.CLAIMED, Actor.PLATFORM, Channel.IMPORT, rules.claim(topic))
        return self.store.record(claimed).outcome

    def is_erased(self) -> None:
        """The platform has her erased."""
        self.now += 1_000
        self.store.erase(self._said(Kind.ERASED, Actor.PLATFORM, Channel.API, rules.opt_out(rules.EVERY_TOPIC)))

    def _said(self, kind: Kind, actor: Actor, channel: Channel, register: str) -> Event:
        """Somebody else's word, of this moment."""
        effect = Consent({register: self.now})
        return Event(new_event_id(), kind, self.brand.id, people.SUBSCRIBER, self.now, self.now, actor, channel, effect)

    @property
    def consent(self) -> Consent:
        return self.store.read(self.brand.id, people.SUBSCRIBER)

    @property
    def events(self) -> list[Event]:
        return self.store.events[people.SUBSCRIBER]

    def accepts(self, topic: str) -> bool:
        return preferences.accepts(self.consent, topic, self.brand, self.now)

    def status(self, topic: str) -> Status:
        return rules.status(self.consent, topic)

    def decision(self, topic: str) -> Reason:
        return rules.decide(self.consent, topic, self.brand.mode(topic), self.now).reason

    def allowed(self, topic: str) -> bool:
        return rules.decide(self.consent, topic, self.brand.mode(topic), self.now).allowed

    def allows(self) -> list[bool]:
        """Of each topic, whether its email may flow."""
        return [self.allowed(topic) for topic in self.brand.topics]


@pytest.fixture
def ann() -> Ann:
    return Ann(people.brand())


# --- opting in -----------------------------------------------------------------------------------------------------


def test_nobody_is_subscribed_by_asking_alone(ann: Ann) -> None:
    ann.asks("news", "offers")
    assert ann.outcome is Outcome.APPLIED
    assert rules.status(ann.consent, "news") is rules.status(ann.consent, "offers") is Status.PENDING
    assert not ann.allowed("news")


def test_a_request_keeps_where_its_mail_goes(ann: Ann) -> None:
    link = ann.asks("news")
    contact = ann.store.contacts[people.SUBSCRIBER]
    assert contact[:4] == ("Ann@example.com", "de", ("news",), link.at)
    assert contact.event_id == ann.events[0].event_id
    assert ann.consent.chosen(rules.LOCALE) == "de"


def test_a_request_in_no_particular_language_gets_the_brands_first(ann: Ann) -> None:
    ann.asks("news", locale="")
    assert ann.store.contacts[people.SUBSCRIBER].locale == "en"
    assert ann.consent.chosen(rules.LOCALE) is None


def test_a_request_too_soon_after_another_leaves_everything_as_it_was(ann: Ann) -> None:
    ann.store.throttled = True
    ann.asks("news")
    assert ann.outcome is Outcome.THROTTLED
    assert ann.consent == Consent({}, {})


def test_a_confirmation_opts_in_and_a_second_click_still_says_so(ann: Ann) -> None:
    link = ann.asks("news", "offers")
    assert ann.confirms(link) == ("news", "offers")
    assert ann.confirms(link) == ("news", "offers")
    assert ann.allowed("news")
    assert ann.allowed("offers")
    assert [event.kind for event in ann.events] == [Kind.ASKED, Kind.CONFIRMED]
    assert ann.consent.registers[rules.opt_in("news")] == link.at


def test_an_opt_out_after_the_request_beats_its_confirmation(ann: Ann) -> None:
    link = ann.asks("news", "offers")
    ann.leaves("news")
    assert ann.confirms(link) == ("offers",)
    ann.leaves(everything=True)
    assert ann.confirms(link) == ()
    assert not ann.allowed("offers")


@pytest.mark.parametrize(("keeps", "settled"), [(True, Address.KEEP), (False, Address.FORGET)])
def test_the_address_is_kept_after_a_confirmation_only_where_the_platform_wants_it(
    keeps: bool, settled: Address
) -> None:
    ann = Ann(people.brand(keeps_address=keeps))
    ann.subscribes("news")
    assert ann.store.settled[-1] is settled
    ann.leaves(everything=True)
    assert ann.store.settled[-1] is (None if keeps else Address.FORGET)
    ann.leaves("news")
    assert ann.store.settled[-1] is None


def test_an_expired_mail_can_be_asked_for_again_while_the_address_is_held(ann: Ann) -> None:
    old = ann.asks("news", "offers")
    how = ann.how()
    assert ann.actions.ask_again(ann.brand, old._replace(topics=("news",)), how)
    contact = ann.store.contacts[people.SUBSCRIBER]
    assert contact[:4] == ("Ann@example.com", "de", ("news",), how.now)
    assert contact.event_id == ann.events[-1].event_id
    ann.store.contacts.clear()
    assert not ann.actions.ask_again(ann.brand, old, ann.how())


# --- opting out ----------------------------------------------------------------------------------------------------


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
    ann.actions.unsubscribe(
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
    assert ann.actions.ask_again(ann.brand, link, ann.how()) is True
    assert len(ann.events) == 1
    ann.store.contacts.clear()
    assert ann.actions.ask_again(ann.brand, link, ann.how()) is False


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
    assert ann.limits.bursts == [("203.0.113.7", recipients.LEAVING_TOGETHER)] * 2


def test_a_request_through_the_api_is_on_record_as_the_platforms(ann: Ann) -> None:
    how = ann.how(Channel.API)
    ann.actions.subscribe(ann.brand, people.SUBSCRIBER, ANN, ["news"], how, reference="r", source="shop")
    [event] = ann.events
    assert (event.actor, event.reference, event.source) == (Actor.PLATFORM, "r", "shop")


def test_an_opt_out_that_cant_be_written_is_not_said_to_be_done(ann: Ann) -> None:
    ann.store.unavailable = True
    with pytest.raises(StoreUnavailableError):
        ann.leaves("news")


@pytest.mark.parametrize("days", recipients.PAUSE_DAYS)
def test_a_pause_ends_by_itself(ann: Ann, days: int) -> None:
    ann.subscribes("news")
    ann.pauses(days)
    until = ann.now + days * DAY_MS
    assert not ann.allowed("news")
    assert ann.accepts("news")
    assert rules.pause_end(ann.consent, until - 1) == until
    assert rules.pause_end(ann.consent, until) is None


# --- undo ----------------------------------------------------------------------------------------------------------


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


# --- doing it again ------------------------------------------------------------------------------------------------


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
    first = ann.actions.pause(ann.brand, link, 30, ann.how(form="form"))
    until = rules.pause_end(ann.consent, ann.now)
    assert ann.actions.pause(ann.brand, link, 30, ann.how(form="form")) == first
    assert rules.pause_end(ann.consent, ann.now) == until
    ann.undoes(first)
    assert rules.pause_end(ann.consent, ann.now) is None


# --- clocks --------------------------------------------------------------------------------------------------------


WAYS_OUT: dict[str, Callable[[Ann], object]] = {
    "one click": lambda ann: ann.clicks("news"),
    "the page": lambda ann: ann.leaves("news"),
    "everything, by the page": lambda ann: ann.leaves("news", everything=True),
    "the preferences": lambda ann: ann.saves(),
    "everything, by the preferences": lambda ann: ann.actions.unsubscribe_from_everything(
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


# --- preferences ---------------------------------------------------------------------------------------------------


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


# --- stale tabs, and the same form again ---------------------------------------------------------------------------


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


# --- whose link it was ---------------------------------------------------------------------------------------------


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
    assert ann.actions.save(ann.brand, link, page, late).lifting == ("news",)
    assert ann.status("news") is Status.UNSUBSCRIBED
    assert ann.actions.save(ann.brand, link, page, late._replace(now=late.now - 1)).lifting == ()
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


# --- forms ---------------------------------------------------------------------------------------------------------


def test_a_form_that_comes_back_as_a_person_would_send_it_is_believed(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    stamp = ann.actions.stamp(Form.CONFIRM, link, ann.now)
    assert not ann.actions.stamped(Form.CONFIRM, link, stamp, ann.now + 999)
    assert ann.actions.stamped(Form.CONFIRM, link, stamp, ann.now + 1_000)
    assert ann.actions.stamped(Form.CONFIRM, link, stamp, ann.now + 30 * DAY_MS)


def test_a_stamp_of_another_form_person_or_brand_proves_nothing(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    later = ann.now + 60_000
    for form, shown_to in (
        (Form.CONFIRM_AGAIN, link),
        (Form.CONFIRM, link._replace(subscriber_id="somebody-else-entirely")),
        (Form.CONFIRM, link._replace(brand="other")),
    ):
        stamp = ann.actions.stamp(form, shown_to, ann.now)
        assert not ann.actions.stamped(Form.CONFIRM, link, stamp, later)


@pytest.mark.parametrize("stamp", ["", "garbage", "\ud800", "A" * 5_000])
def test_no_stamp_is_no_proof(ann: Ann, stamp: str) -> None:
    assert not ann.actions.stamped(Form.CONFIRM, ann.link(Purpose.CONFIRM, at=ann.now), stamp, ann.now + 60_000)


def test_a_link_itself_is_no_stamp(ann: Ann) -> None:
    """Whoever has the email has the link; only who saw the page has the stamp."""
    link = ann.link(Purpose.CONFIRM, "confirm", at=ann.now)
    assert not ann.actions.stamped(Form.CONFIRM, link, ann.actions.tokens.sign(link), ann.now + 60_000)


def test_a_page_opens_while_the_table_is_unavailable(ann: Ann) -> None:
    ann.subscribes("news")
    link = ann.link(Purpose.UNSUBSCRIBE, "news")
    assert ann.actions.glance(link) == ann.consent
    ann.store.unavailable = True
    assert ann.actions.glance(link) == Consent({}, {})


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
