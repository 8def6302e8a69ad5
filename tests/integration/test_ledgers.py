"""Ledgers over moto and over DynamoDB Local: they are read back whole, and tell when they were tampered with."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.store import UnknownPageError
from support.calls import counted
from support.store_events import NOW, SOMEWHERE, event, intact, opted_in, opted_out
from support.tables import ANN, BOB, Table


@pytest.fixture
def lived(table: Table) -> Table:
    """Somebody with a history: a confirmation with its evidence, a choice, an opt-out."""
    table.store.record(opted_in(at=NOW), evidence=SOMEWHERE, evidence_days=30)
    table.store.record(event(choices={"frequency.news": (NOW + 1, "weekly")}, at=NOW + 1))
    table.store.record(opted_out(at=NOW + 2), evidence=SOMEWHERE, evidence_days=30)
    assert intact(table.store)
    return table


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", {"S": "forged"}),
        ("kind", {"S": "claimed"}),
        ("occurred_at", {"N": "1"}),
        ("arrived_at", {"N": "1"}),
        ("actor", {"S": "platform"}),
        ("channel", {"S": "import"}),
        ("topics", {"S": "offers"}),
        ("locale", {"S": "fr"}),
        ("notice", {"S": "another"}),
        ("reference", {"S": "another"}),
        ("source", {"S": "another"}),
        ("suspected_automation", {"BOOL": True}),
        ("evidence_hash", {"S": "00"}),
        ("registers", {"M": {"in.news": {"N": str(NOW + 9)}}}),
        ("choices", {"M": {"frequency.news": {"L": [{"N": "1"}, {"S": "x"}, {"S": "daily"}]}}}),
    ],
)
def test_a_change_to_any_field_of_an_event_is_found(lived: Table, field: str, value: dict[str, Any]) -> None:
    lived.put({**lived.item("E"), field: value})
    assert not intact(lived.store)


def test_an_event_that_was_removed_is_found(lived: Table) -> None:
    lived.remove(lived.item("E"))
    assert not intact(lived.store)


def test_an_event_that_was_slipped_in_is_found(lived: Table) -> None:
    lived.put({**lived.item("E"), "sk": {"S": f"E#{NOW:013d}#forged"}, "event_id": {"S": "forged"}})
    assert not intact(lived.store)


def test_an_event_that_took_anothers_place_is_found(lived: Table) -> None:
    genuine = lived.item("E")
    lived.remove(genuine)
    lived.put({**genuine, "sk": {"S": f"E#{NOW:013d}#forged"}, "event_id": {"S": "forged"}})
    assert not intact(lived.store)


def test_a_whole_history_that_was_moved_to_another_person_is_found(lived: Table) -> None:
    for item in lived.items():
        lived.put({**item, "pk": {"S": f"S#demo#{BOB}"}})
    assert not intact(lived.store, BOB)
    assert intact(lived.store, ANN)


def test_a_whole_history_that_was_moved_to_another_brand_is_found(lived: Table) -> None:
    for item in lived.items():
        lived.put({**item, "pk": {"S": f"S#other#{ANN}"}})
    assert not lived.store.ledger("other", ANN).intact


@pytest.mark.parametrize("register", ["in.news", "in.offers", "out.news"])
def test_a_flag_that_was_set_by_hand_is_found(lived: Table, register: str) -> None:
    lived.put({**lived.item("STATE"), register: {"N": str(NOW + 9)}})
    assert not intact(lived.store)


def test_a_flag_that_was_removed_by_hand_is_found(lived: Table) -> None:
    lived.put({name: value for name, value in lived.item("STATE").items() if name != "out.news"})
    assert not intact(lived.store)


def test_a_whole_state_that_was_removed_is_found(lived: Table) -> None:
    lived.remove(lived.item("STATE"))
    assert not intact(lived.store)


@pytest.mark.parametrize("field", ["ip", "user_agent"])
def test_evidence_that_was_changed_is_found(lived: Table, field: str) -> None:
    lived.put({**lived.item("V"), field: {"S": "198.51.100.1"}})
    assert not intact(lived.store)


def test_evidence_that_was_given_to_an_event_without_any_is_found(lived: Table) -> None:
    second = lived.store.history("demo", ANN)[1]
    lived.put({**lived.item("V"), "sk": {"S": f"V{second.sort_key[1:]}"}})
    assert not intact(lived.store)


def test_evidence_that_expired_leaves_the_ledger_intact(lived: Table) -> None:
    for _ in range(2):
        lived.remove(lived.item("V"))
    page = lived.store.ledger("demo", ANN)
    assert page.intact
    assert [evidence for _, evidence in page.events] == [Evidence()] * 3


def test_somebody_we_never_heard_of_has_an_empty_ledger_that_is_intact(table: Table) -> None:
    assert table.store.ledger("demo", ANN) == ([], True, None)
    assert table.store.read("demo", ANN) == Consent()


def test_what_is_recorded_is_read_back_whole(table: Table) -> None:
    full = Event(
        event_id="event-full",
        kind=Kind.PREFERENCES,
        brand="demo",
        subscriber_id=ANN,
        occurred_at=NOW,
        arrived_at=NOW + 5,
        actor=Actor.PLATFORM,
        channel=Channel.API,
        effect=Consent({"in.news": NOW, "out.offers": NOW}, {"locale": Choice(NOW, "event-full", "de")}),
        topics=("news", "offers"),
        locale="de",
        notice="v1",
        reference="spring",
        source="shop – checkout",
        suspected_automation=True,
    )
    table.store.record(full, evidence=SOMEWHERE, evidence_days=1)
    ((read, evidence),) = table.store.ledger("demo", ANN).events
    assert read._replace(evidence_hash="") == full
    assert read.evidence_hash
    assert evidence == SOMEWHERE
    assert table.store.read("demo", ANN) == full.effect


def test_a_ledger_too_long_for_one_answer_of_the_table_is_read_to_its_end(table: Table) -> None:
    for at in range(4):  # each near DynamoDB's limit of 400 kB; a query answers 1 MB
        table.store.record(opted_out(at=NOW + at)._replace(source="x" * 380_000))
    with counted(table.client) as calls:
        page = table.store.ledger("demo", ANN)
    assert len(page.events) == 4
    assert page.intact
    assert calls.count("Query") > 1
    assert len(table.store.history("demo", ANN)) == 4


def test_a_ledger_is_paged_oldest_first_without_gaps_or_repeats(table: Table) -> None:
    events = [opted_out(at=NOW + at, event_id=f"event-{9 - at}") for at in range(5)]
    for each in events:
        table.store.record(each)

    seen: list[str] = []
    start: str | None = None
    sizes = []
    for _ in range(9):
        page = table.store.ledger("demo", ANN, limit=2, start=start)
        assert page.intact
        sizes.append(len(page.events))
        seen += [each.event_id for each, _ in page.events]
        if (start := page.next) is None:
            break

    assert seen == [each.event_id for each in events]
    assert sizes == [2, 2, 1]


def test_a_last_page_that_is_just_full_has_no_next(table: Table) -> None:
    for at in range(2):
        table.store.record(opted_out(at=NOW + at))
    assert table.store.ledger("demo", ANN, limit=2).next is None


def test_a_page_that_no_page_names_is_none(table: Table) -> None:
    table.store.record(opted_out())
    with pytest.raises(UnknownPageError):
        table.store.ledger("demo", ANN, start="~")
    assert len(table.store.ledger("demo", ANN, start="").events) == 1


def test_the_digest_of_a_long_history_stays_exact(table: Table) -> None:
    for at in range(30):
        table.store.record(opted_out(at=NOW + at))
    assert int(table.item("STATE")["ledger_count"]["N"]) == 30
    assert intact(table.store)
