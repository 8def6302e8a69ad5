"""A copy of the table merged into the table: nobody's opt-out is lost, whatever was written in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.schema import Contact
from consentry_cli import restoring
from consentry_cli.restoring import Merged, Merging
from support.tables import ANN, BOB, LEDGER_KEY, Table

T = 1_700_000_000_000
ASKED, LEFT, BACK = Kind.ASKED, Kind.UNSUBSCRIBED, Kind.PREFERENCES


def event(name: str, register: str, at: int, *, kind: Kind = LEFT, who: str = ANN, **more: Any) -> Event:
    return Event(
        name,
        kind,
        "demo",
        who,
        at,
        at,
        Actor.RECIPIENT,
        Channel.PAGE,
        Consent({register: at} if register else {}, more),
    )


@pytest.fixture
def copy(table: Table) -> Any:
    """A second table in the same engine."""
    made = Table(table.client)
    yield made
    table.client.delete_table(TableName=made.name)


def restore(copy: Table, table: Table) -> None:
    """What point-in-time recovery does: the copy has all that the table has now."""
    for item in table.items():
        copy.client.put_item(TableName=copy.name, Item=item)


def merging(copy: Table, table: Table, *, dry_run: bool = False) -> Merging:
    return Merging(
        source=copy.store,
        target=table.store,
        key=LEDGER_KEY + b"demo",
        brand="demo",
        dry_run=dry_run,
    )


def held(table: Table) -> list[dict[str, Any]]:
    """What is in a table, but for what differs from write to write."""
    return [
        {name: value for name, value in item.items() if name not in {"attempt", "last_event"}} for item in table.items()
    ]


def test_an_opt_out_after_the_backup_is_in_force_whichever_table_goes_on(copy: Table, table: Table) -> None:
    """Law 2, through a restore: what people did between backup and restore counts."""
    table.store.record(event("in", "in.news", T, kind=BACK))
    restore(copy, table)
    table.store.record(event("out", "out.news", T + 2))
    copy.store.record(event("again", "in.news", T + 1, kind=BACK))
    assert merging(copy, table).person(ANN) is Merged.MERGED
    assert merging(table, copy).person(ANN) is Merged.MERGED
    for each in (table, copy):
        assert rules.status(each.store.read("demo", ANN), "news") is rules.Status.UNSUBSCRIBED
        assert each.store.verify("demo", ANN) == []
    assert held(table) == held(copy)


def test_an_empty_table_gets_back_all_that_the_copy_has(copy: Table, table: Table) -> None:
    asked = event("ask", "ask.news", T, kind=ASKED)
    contact = Contact("ann@example.com", "en", ("news",), T, "ask")
    copy.store.request(asked, contact, evidence=Evidence("192.0.2.1", "Mozilla"), evidence_days=36_500)
    for number in range(90):
        pause = {rules.PAUSE: Choice(T + number, f"p{number}", str(T + 9_999))}
        copy.store.record(event(f"p{number}", "", T + number, kind=Kind.PAUSED, **pause))
    assert merging(copy, table).person(ANN) is Merged.MERGED
    assert table.store.verify("demo", ANN) == []
    assert len(table.store.history("demo", ANN)) == 91
    assert table.store.contact("demo", ANN) == contact
    (item,) = [each for each in table.items() if each["sk"]["S"] == "CONTACT"]
    assert item["mail"] == {"S": "sent"}, "a mail that was due at the time of the backup must not go out now"
    rest = [[each for each in held(one) if each["sk"]["S"] != "CONTACT"] for one in (copy, table)]
    assert rest[0] == rest[1]


def test_merging_again_or_while_nothing_is_new_changes_nothing(copy: Table, table: Table) -> None:
    copy.store.record(event("out", "out.news", T))
    assert merging(copy, table, dry_run=True).person(ANN) is Merged.MERGED
    assert table.items() == []
    assert merging(copy, table).person(ANN) is Merged.MERGED
    before = table.items()
    assert merging(copy, table).person(ANN) is Merged.SAME
    assert merging(copy, table).person(BOB) is Merged.SAME
    assert table.items() == before


def test_events_that_were_deleted_behind_our_back_are_put_back_and_not_counted_twice(copy: Table, table: Table) -> None:
    for number in range(3):
        table.store.record(event(f"out{number}", "out.news", T + number))
    restore(copy, table)
    (lost, *_) = [each for each in table.items() if each["sk"]["S"].startswith("E#")]
    table.client.delete_item(TableName=table.name, Key={name: lost[name] for name in ("pk", "sk")})
    assert table.store.verify("demo", ANN) != []
    assert merging(copy, table).person(ANN) is Merged.MERGED
    assert table.store.verify("demo", ANN) == []
    assert held(table) == held(copy)


@pytest.mark.parametrize(("which", "told"), [("copy", Merged.FAULTY_COPY), ("table", Merged.FAULTY)])
def test_nobody_is_opted_in_by_a_copy_that_was_tampered_with(
    copy: Table, table: Table, which: str, told: Merged
) -> None:
    table.store.record(event("out", "out.news", T))
    copy.store.record(event("in", "in.news", T + 1, kind=BACK))
    forged = copy if which == "copy" else table
    (item,) = [each for each in forged.items() if each["sk"]["S"].startswith("E#")]
    forged.client.put_item(TableName=forged.name, Item={**item, "registers": {"M": {"in.news": {"N": str(T + 5)}}}})
    before = table.items()
    assert merging(copy, table).person(ANN) is told
    assert table.items() == before


def test_an_address_that_was_forgotten_since_does_not_come_back(copy: Table, table: Table) -> None:
    contact = Contact("ann@example.com", "en", ("news",), T, "ask")
    asked = event("ask", "ask.news", T, kind=ASKED)
    table.store.request(asked, contact, evidence=Evidence("192.0.2.1", ""), evidence_days=36_500)
    restore(copy, table)
    copy.store.record(event("late", "out.news", T + 1))
    table.store.erase(event("gone", "", T + 2, kind=Kind.ERASED))
    assert merging(copy, table).person(ANN) is Merged.MERGED
    assert {each["sk"]["S"][:2] for each in table.items()} == {"E#", "ST"}
    assert table.store.verify("demo", ANN) == []


def test_a_click_in_the_middle_of_a_merge_counts_as_well(
    copy: Table, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.store.record(event("out", "out.news", T))
    clicks = iter([event("click", "out.offers", T + 1)])
    write: Callable[..., bool] = Merging._write

    def interrupted(self: Merging, *arguments: Any, **named: Any) -> bool:
        for each in clicks:
            table.store.record(each)
        return write(self, *arguments, **named)

    monkeypatch.setattr(Merging, "_write", interrupted)
    monkeypatch.setattr(restoring.time, "sleep", lambda _: None)
    assert merging(copy, table).person(ANN) is Merged.MERGED
    assert set(table.store.read("demo", ANN).registers) == {"out.news", "out.offers"}
    assert table.store.verify("demo", ANN) == []


def test_nobody_is_mailed_goodbye_for_an_opt_out_of_long_ago(copy: Table, table: Table) -> None:
    """The courier takes opt-outs of the page, not those of an import."""
    table.store.record(event("in", "in.news", T - 1, kind=BACK))
    copy.store.record(event("out", "out.news", T))
    merging(copy, table).person(ANN)
    (state,) = [each for each in table.items() if each["sk"]["S"] == "STATE"]
    assert state["last_event"]["M"]["channel"] == {"S": "import"}
    assert state["last_event"]["M"]["event_id"] == {"S": "out"}
