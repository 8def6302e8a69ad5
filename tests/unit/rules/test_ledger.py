"""The ledger: what is on record can't be changed, dropped, added or moved without being found out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import (
    Actor,
    Channel,
    Event,
    Evidence,
    Fault,
    Kind,
    Record,
    faults,
    hash_event,
    hash_evidence,
    new_event_id,
    partition_key,
)

KEY = b"the brand's ledger key"
EVENT = Event(
    event_id="event-1",
    kind=Kind.CONFIRMED,
    brand="demo",
    subscriber_id="K9Xdq1X4AVefMXC3P9olGg",
    occurred_at=1_800_000_000_000,
    arrived_at=1_800_000_000_001,
    actor=Actor.RECIPIENT,
    channel=Channel.PAGE,
    effect=Consent({"in.news": 5, "in.offers": 6}, {"locale": Choice(5, "event-1", "de")}),
    topics=("news", "offers"),
    locale="de",
    notice="1234567890ab",
    reference="spring",
    source="shop",
    suspected_automation=False,
    evidence_hash="00" * 16,
    link="ours",
)
OTHERWISE = {
    "event_id": "event-2",
    "kind": Kind.CLAIMED,
    "brand": "other",
    "subscriber_id": "somebody-else-entirely",
    "occurred_at": 1_799_999_999_999,
    "arrived_at": 1_800_000_000_002,
    "actor": Actor.PLATFORM,
    "channel": Channel.IMPORT,
    "effect": Consent({"in.news": 5}),
    "topics": ("news",),
    "locale": "en",
    "notice": "",
    "reference": "Spring",
    "source": "",
    "suspected_automation": True,
    "evidence_hash": "",
    "link": "platform",
}


def digest(*events: Event) -> int:
    """What the state item holds."""
    return sum(hash_event(KEY, event) for event in events)


@pytest.mark.parametrize("field", Event._fields)
def test_no_field_of_an_event_can_be_changed_unnoticed(field: str) -> None:
    changed = EVENT._replace(**{field: OTHERWISE[field]})
    assert changed != EVENT
    assert hash_event(KEY, changed) != hash_event(KEY, EVENT)


@pytest.mark.parametrize(
    "effect",
    [
        Consent({"in.news": 6, "in.offers": 5}, {"locale": Choice(5, "event-1", "de")}),
        Consent({"in.news": 5, "out.offers": 6}, {"locale": Choice(5, "event-1", "de")}),
        Consent({"in.news": 5, "in.offers": 6}, {"locale": Choice(6, "event-1", "de")}),
        Consent({"in.news": 5, "in.offers": 6}, {"locale": Choice(5, "event-2", "de")}),
        Consent({"in.news": 5, "in.offers": 6}, {"locale": Choice(5, "event-1", "en")}),
        Consent({"in.news": 5, "in.offers": 6}, {"frequency.news": Choice(5, "event-1", "de")}),
        Consent({"in.news": 5, "in.offers": 6}, {}),
        Consent({}, {"locale": Choice(5, "event-1", "de")}),
    ],
)
def test_no_part_of_an_effect_can_be_changed_unnoticed(effect: Consent) -> None:
    assert hash_event(KEY, EVENT._replace(effect=effect)) != hash_event(KEY, EVENT)


def test_text_cant_be_moved_from_one_field_to_the_next_unnoticed() -> None:
    """`source` ends where `reference` begins: the borders count."""
    one, other = EVENT._replace(reference="ab", source="c"), EVENT._replace(reference="a", source="bc")
    assert hash_event(KEY, one) != hash_event(KEY, other)
    one, other = EVENT._replace(topics=("a", "b")), EVENT._replace(topics=("a,b",))
    assert hash_event(KEY, one) != hash_event(KEY, other)


def test_an_event_keeps_its_hash_when_dynamodb_answers_its_registers_in_another_order() -> None:
    turned = Consent(dict(reversed(EVENT.effect.registers.items())), dict(EVENT.effect.choices))
    assert hash_event(KEY, EVENT._replace(effect=turned)) == hash_event(KEY, EVENT)


def test_nobody_can_hash_events_without_the_key() -> None:
    assert hash_event(b"another key", EVENT) != hash_event(KEY, EVENT)


EVENTS = st.builds(
    lambda number, at, topic: EVENT._replace(
        event_id=f"event-{number}", occurred_at=at, effect=Consent({f"out.{topic}": at}), topics=(topic,)
    ),
    st.integers(1, 10**9),
    st.integers(1, 10**13),
    st.sampled_from(["news", "offers"]),
)
LEDGERS = st.lists(EVENTS, min_size=2, max_size=6, unique_by=lambda event: event.event_id)


@given(LEDGERS, st.data())
def test_a_ledger_that_was_tampered_with_no_longer_adds_up(events: list[Event], data: st.DataObject) -> None:
    honest = digest(*events)
    at = data.draw(st.integers(0, len(events) - 1))
    event = events[at]
    others = [*events[:at], *events[at + 1 :]]
    assert digest(*others) != honest, "removed"
    assert digest(*events, event._replace(event_id="slipped in")) != honest, "slipped in"
    assert digest(*events, event) != honest, "repeated"
    assert digest(*others, event._replace(occurred_at=event.occurred_at + 1)) != honest, "changed"
    assert digest(*others, event._replace(subscriber_id="somebody-else-entirely")) != honest, "moved"


@given(LEDGERS, st.randoms(use_true_random=False))
def test_a_ledger_adds_up_in_whatever_order_its_events_were_written(events: list[Event], random: object) -> None:
    honest = digest(*events)
    random.shuffle(events)  # type: ignore[attr-defined]
    assert digest(*events) == honest


def test_a_share_of_the_digest_leaves_function_for_a_hundred_million_events() -> None:
    """80 bits; emulators count exactly to 28 decimal digits."""
    shares = [hash_event(KEY, EVENT._replace(event_id=str(number))) for number in range(200)]
    assert all(0 <= share < 2**80 for share in shares)
    assert max(shares) > 2**72
    assert 2**80 * 5_000 < 10**28


# --- evidence ------------------------------------------------------------------------------------------------------


def test_evidence_cant_be_changed_swapped_or_guessed() -> None:
    evidence = Evidence("203.0.113.7", "Mozilla/5.0")
    proof = hash_evidence(KEY, "event-1", evidence)
    others = [
        hash_evidence(KEY, "event-1", evidence._replace(ip="203.0.113.8")),
        hash_evidence(KEY, "event-1", evidence._replace(user_agent="")),
        hash_evidence(KEY, "event-1", Evidence("203.0.113.7Mozilla/5.0", "")),
        hash_evidence(KEY, "event-2", evidence),
        hash_evidence(b"another key", "event-1", evidence),
    ]
    assert proof not in others
    assert len(proof) == 32
    assert proof == hash_evidence(KEY, "event-1", Evidence(*evidence))


# --- what an auditor is told ---------------------------------------------------------------------------------------

FIRST = EVENT._replace(
    effect=Consent({"in.news": 5}), evidence_hash=hash_evidence(KEY, "event-1", Evidence("ip", "ua"))
)
SECOND = FIRST._replace(event_id="event-2", occurred_at=FIRST.occurred_at + 1, effect=Consent({"out.news": 9}))
THIRD = SECOND._replace(event_id="event-3", occurred_at=FIRST.occurred_at + 2, effect=Consent({"in.news": 12}))
HELD = Record(
    subscriber_id=EVENT.subscriber_id,
    consent=rules.join([FIRST.effect, SECOND.effect]),
    ledger_count=2,
    ledger_digest=digest(FIRST, SECOND),
    events=(FIRST, SECOND),
    evidences={FIRST.evidence_key: Evidence("ip", "ua")},
)


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (HELD._replace(events=(FIRST,)), [Fault.MISSING]),
        (HELD._replace(events=()), [Fault.NO_EVENTS]),
        (HELD._replace(events=(FIRST, SECOND, THIRD)), [Fault.ADDED]),
        (HELD._replace(events=(FIRST, THIRD)), [Fault.CHANGED]),
        (HELD._replace(events=(FIRST, SECOND._replace(occurred_at=1))), [Fault.CHANGED]),
        (HELD._replace(events=(FIRST, SECOND._replace(subscriber_id="somebody-else-entirely"))), [Fault.CHANGED]),
        (HELD._replace(ledger_digest=HELD.ledger_digest + 1), [Fault.CHANGED]),
        (HELD._replace(events=(FIRST,), unreadable=1), [Fault.UNREADABLE]),
        (HELD._replace(consent=Consent({"in.news": 12})), [Fault.CONSENT]),
        (HELD._replace(consent=None), [Fault.NO_CONSENT]),
        (HELD._replace(evidences={FIRST.evidence_key: Evidence("other", "ua")}), [Fault.EVIDENCE]),
        (HELD._replace(evidences={SECOND.evidence_key: Evidence("ip", "ua")}), [Fault.EVIDENCE]),
    ],
)
def test_tampering_is_found_and_called_what_it_is(held: Record, found: list[Fault]) -> None:
    assert faults(KEY, held) == found


def test_a_ledger_that_nobody_touched_is_intact_also_when_its_evidence_has_expired() -> None:
    assert faults(KEY, HELD) == []
    assert faults(KEY, HELD._replace(evidences={})) == []
    assert faults(KEY, HELD._replace(consent=None, events=(), ledger_count=0, ledger_digest=0, evidences={})) == []


def test_a_ledger_doesnt_verify_with_another_brands_key() -> None:
    assert Fault.CHANGED in faults(b"another key", HELD)


# --- names ---------------------------------------------------------------------------------------------------------


def test_events_sort_by_the_instant_at_which_they_occurred() -> None:
    keys = [EVENT._replace(occurred_at=at).sort_key for at in (0, 9, 10, 999_999_999_999, 1_000_000_000_000)]
    assert all(one < other for one, other in pairwise(keys))
    assert EVENT.sort_key == "E#1800000000000#event-1"


def test_everything_about_a_person_lies_under_one_key() -> None:
    assert EVENT.partition_key == partition_key("demo", EVENT.subscriber_id) == "S#demo#K9Xdq1X4AVefMXC3P9olGg"


def test_event_ids_dont_repeat() -> None:
    made = {new_event_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(each) for each in made} == {16}
