"""Journeys: what people do, one after another, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from consentry import addresses, journeys, spool
from consentry import consent as rules
from consentry.brands import Brand, Brands
from consentry.consent import DAY_MS, Choice, Consent, Status
from consentry.journeys import Circumstances, Form, Journeys, Wishes
from consentry.keyring import Keyring
from consentry.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.spool import Recorder, Spooled
from consentry.table.gateway import StoreUnavailableError
from consentry.table.schema import Contact
from consentry.table.store import Address, Outcome
from consentry.tokens import Link, Purpose, Tokens
from support import people
from support.memory import MemoryLimits, MemoryStore

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
        self.journeys = Journeys(
            self.store,  # type: ignore[arg-type]
            Tokens(keys),
            Recorder(self.store, self._spool),  # type: ignore[arg-type]
            self.limits,  # type: ignore[arg-type]
        )

    def _spool(self, text: str) -> None:
        if self.spool is None:
            raise StoreUnavailableError("away, too")
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

    def link(self, purpose: Purpose, *topics: str, at: int = 0, reference: str = "") -> Link:
        return Link(purpose, self.brand.id, people.SUBSCRIBER, topics, reference, at)

    def asks(self, *topics: str, **otherwise: Any) -> Link:
        """Her request; the link of the mail that follows from it."""
        how = self.how(**otherwise)
        self.outcome = self.journeys.subscribe(self.brand, people.SUBSCRIBER, ANN, topics, how)
        return self.link(Purpose.CONFIRM, *topics, at=how.now)

    def confirms(self, link: Link) -> tuple[str, ...]:
        return self.journeys.confirm(self.brand, link, self.how())

    def subscribes(self, *topics: str) -> None:
        assert self.confirms(self.asks(*topics)) == topics

    def leaves(self, *topics: str, everything: bool = False, channel: Channel = Channel.PAGE) -> Link:
        link = self.link(Purpose.UNSUBSCRIBE, *topics, reference="spring")
        return self.journeys.unsubscribe(self.brand, link, self.how(channel), everything=everything)

    def pauses(self, days: int = 30) -> Link:
        return self.journeys.pause(self.brand, self.link(Purpose.UNSUBSCRIBE, "news"), days, self.how())

    def undoes(self, link: Link) -> None:
        self.journeys.undo(self.brand, link, self.how())

    def saves(self, *on: str, **otherwise: Any) -> Consent:
        wishes = Wishes(on, tuple(self.brand.topics), {}, None, None)._replace(**otherwise)
        return self.journeys.save(self.brand, self.link(Purpose.PREFERENCES), wishes, self.how(Channel.PREFERENCES))

    @property
    def consent(self) -> Consent:
        return self.store.read(self.brand.id, people.SUBSCRIBER)

    @property
    def events(self) -> list[Event]:
        return self.store.events[people.SUBSCRIBER]

    def accepts(self, topic: str) -> bool:
        return journeys.accepts(self.consent, topic, self.brand, self.now)

    def allowed(self, topic: str) -> bool:
        return rules.decide(self.consent, topic, self.brand.mode(topic), self.now).allowed


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
    assert ann.journeys.ask_again(ann.brand, old._replace(topics=("news",)), how)
    contact = ann.store.contacts[people.SUBSCRIBER]
    assert contact[:4] == ("Ann@example.com", "de", ("news",), how.now)
    assert contact.event_id == ann.events[-1].event_id
    ann.store.contacts.clear()
    assert not ann.journeys.ask_again(ann.brand, old, ann.how())


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
    ann.journeys.unsubscribe(
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
    assert ann.journeys.ask_again(ann.brand, link, ann.how()) is True
    assert len(ann.events) == 1
    ann.store.contacts.clear()
    assert ann.journeys.ask_again(ann.brand, link, ann.how()) is False


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
    assert ann.limits.bursts == [("203.0.113.7", journeys.LEAVING_TOGETHER)] * 2


def test_a_request_through_the_api_is_on_record_as_the_platforms(ann: Ann) -> None:
    how = ann.how(Channel.API)
    ann.journeys.subscribe(ann.brand, people.SUBSCRIBER, ANN, ["news"], how, reference="r", source="shop")
    [event] = ann.events
    assert (event.actor, event.reference, event.source) == (Actor.PLATFORM, "r", "shop")


def test_an_opt_out_that_cant_be_written_is_not_said_to_be_done(ann: Ann) -> None:
    ann.store.away = True
    with pytest.raises(StoreUnavailableError):
        ann.leaves("news")


@pytest.mark.parametrize("days", journeys.PAUSE_DAYS)
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
    ann.undoes(ann.leaves(everything=True))
    assert [ann.allowed(each) for each in ann.brand.topics] == [True, False, True]
    assert set(ann.events[-1].topics) == {"news", "product"}


def test_undo_brings_back_a_topic_that_the_brand_no_longer_has(ann: Ann) -> None:
    ann.subscribes("gone")
    ann.undoes(ann.leaves(everything=True))
    assert ann.accepts("gone")


def test_undo_doesnt_undo_what_was_left_before(ann: Ann) -> None:
    ann.subscribes("news", "offers")
    ann.leaves("news")
    ann.undoes(ann.leaves(everything=True))
    assert [ann.allowed(each) for each in ("news", "offers")] == [False, True]


def test_undo_opts_nobody_in_who_never_was(ann: Ann) -> None:
    ann.undoes(ann.leaves("news"))
    assert rules.status(ann.consent, "news") is Status.UNSUBSCRIBED
    assert [event.kind for event in ann.events] == [Kind.UNSUBSCRIBED]


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
    ann.store.away, ann.spool = True, []
    link = ann.leaves("news")
    ann.store.away = False
    ann.undoes(link)
    ann.drains()
    assert rules.status(ann.consent, "news") is Status.SUBSCRIBED


def test_undo_counts_of_a_pause_that_still_waits_to_be_recorded(ann: Ann) -> None:
    ann.subscribes("news")
    ann.store.away, ann.spool = True, []
    link = ann.pauses()
    ann.store.away = False
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
    ann.now += 1
    reported = ann.events[-1]._replace(event_id="feedback", occurred_at=ann.now, effect=Consent({register: ann.now}))
    ann.store.record(reported)
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


# --- preferences ---------------------------------------------------------------------------------------------------


def test_saving_a_form_unchanged_writes_nothing(ann: Ann) -> None:
    ann.subscribes("news")
    before = len(ann.events)
    assert ann.saves("news", "product") == ann.consent
    assert len(ann.events) == before


def test_ticks_opt_in_and_out(ann: Ann) -> None:
    ann.subscribes("news")
    saved = ann.saves("offers")
    assert saved == ann.consent
    assert [ann.allowed(each) for each in ann.brand.topics] == [False, True, False]
    assert set(ann.events[-1].topics) == {"news", "offers", "product"}
    assert (ann.events[-1].kind, ann.events[-1].channel) == (Kind.PREFERENCES, Channel.PREFERENCES)


def test_a_topic_that_the_page_didnt_offer_isnt_turned_off_by_its_absence(ann: Ann) -> None:
    """The page was opened before the topic existed."""
    ann.subscribes("news", "offers")
    ann.saves("news", shown=("news", "product"))
    assert [ann.allowed(each) for each in ann.brand.topics] == [True, True, False]


def test_a_topic_that_the_brand_doesnt_have_cant_be_turned_on(ann: Ann) -> None:
    ann.saves("made-up", "product")
    assert "in.made-up" not in ann.consent.registers


def test_ticking_what_was_left_brings_it_back(ann: Ann) -> None:
    ann.leaves(everything=True)
    ann.saves("product")
    assert [ann.allowed(each) for each in ann.brand.topics] == [False, False, True]


def test_frequency_pause_and_language_are_kept_as_chosen(ann: Ann) -> None:
    ann.subscribes("news")
    saved = ann.saves("news", "product", frequencies={"news": "weekly"}, pause_days=60, locale="en")
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


# --- forms ---------------------------------------------------------------------------------------------------------


def test_a_form_that_comes_back_as_a_person_would_send_it_is_believed(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    stamp = ann.journeys.stamp(Form.CONFIRM, link, ann.now)
    assert not ann.journeys.stamped(Form.CONFIRM, link, stamp, ann.now + 999)
    assert ann.journeys.stamped(Form.CONFIRM, link, stamp, ann.now + 1_000)
    assert ann.journeys.stamped(Form.CONFIRM, link, stamp, ann.now + 30 * DAY_MS)


def test_a_stamp_of_another_form_person_or_brand_proves_nothing(ann: Ann) -> None:
    link = ann.link(Purpose.CONFIRM, "news", at=ann.now)
    later = ann.now + 60_000
    for form, shown_to in (
        (Form.CONFIRM_AGAIN, link),
        (Form.CONFIRM, link._replace(subscriber_id="somebody-else-entirely")),
        (Form.CONFIRM, link._replace(brand="other")),
    ):
        stamp = ann.journeys.stamp(form, shown_to, ann.now)
        assert not ann.journeys.stamped(Form.CONFIRM, link, stamp, later)


@pytest.mark.parametrize("stamp", ["", "garbage", "\ud800", "A" * 5_000])
def test_no_stamp_is_no_proof(ann: Ann, stamp: str) -> None:
    assert not ann.journeys.stamped(Form.CONFIRM, ann.link(Purpose.CONFIRM, at=ann.now), stamp, ann.now + 60_000)


def test_a_link_itself_is_no_stamp(ann: Ann) -> None:
    """Whoever has the mail has the link; only who saw the page has the stamp."""
    link = ann.link(Purpose.CONFIRM, "confirm", at=ann.now)
    assert not ann.journeys.stamped(Form.CONFIRM, link, ann.journeys.tokens.sign(link), ann.now + 60_000)


def test_a_page_opens_while_the_table_is_away(ann: Ann) -> None:
    ann.subscribes("news")
    link = ann.link(Purpose.UNSUBSCRIBE, "news")
    assert ann.journeys.glance(link) == ann.consent
    ann.store.away = True
    assert ann.journeys.glance(link) == Consent({}, {})


def test_a_paused_person_still_wants_their_topics_and_one_who_complained_doesnt() -> None:
    brand, now = people.brand(), people.NOW
    paused = {rules.PAUSE: Choice(1, "a", str(now + 1))}
    assert journeys.accepts(Consent({rules.opt_in("news"): 1}, paused), "news", brand, now)
    assert journeys.accepts(Consent({}, paused), "product", brand, now)
    assert not journeys.accepts(Consent({rules.opt_in("news"): 1, rules.COMPLAINT: 2}), "news", brand, now)
    assert not journeys.accepts(Consent({rules.ask("news"): 1}), "news", brand, now)


def test_what_a_mail_needs_is_held_in_the_contact(ann: Ann) -> None:
    link = ann.asks("news")
    assert isinstance(ann.store.contacts[people.SUBSCRIBER], Contact)
    assert ann.store.contacts[people.SUBSCRIBER].asked_at == link.at
