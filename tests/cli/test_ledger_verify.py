"""`consentry ledger verify`: whoever changes the table behind Consentry's back is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from consentry.table.gateway import Gateway
from consentry.table.store import Store
from support.deployments import Deployment

VERIFY = ("ledger", "verify", "--brand", "demo")
TABLE = "consentry-test"
ANN, BOB = "ann@example.com", "bob@example.com"
Tamper = Callable[[Deployment, dict[str, Any], dict[str, Any]], None]


@pytest.fixture
def filled(deployment: Deployment) -> Deployment:
    """Three persons with two events each."""
    for person in (ANN, BOB, "cy@example.com"):
        deployment.report(person, ReportKind.CLAIMED, 1_704_067_200_000, ("news",))
        deployment.report(person, ReportKind.UNSUBSCRIBED, 1_704_067_300_000, ("offers",))
    return deployment


def key(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("pk", "sk")}


def put(deployment: Deployment, item: dict[str, Any], **changes: Any) -> None:
    deployment.dynamodb.put_item(TableName=TABLE, Item={**item, **changes})


def drop(deployment: Deployment, item: dict[str, Any]) -> None:
    deployment.dynamodb.delete_item(TableName=TABLE, Key=key(item))


def replace_event(deployment: Deployment, event: dict[str, Any], _state: dict[str, Any]) -> None:
    drop(deployment, event)
    put(
        deployment,
        event,
        sk={"S": "E#1704067200001#forged"},
        event_id={"S": "forged"},
        occurred_at={"N": "1704067200001"},
    )


def change_both(deployment: Deployment, event: dict[str, Any], state: dict[str, Any]) -> None:
    put(deployment, event, registers={"M": {"claim.offers": {"N": "1704067200000"}}})
    put(deployment, state, **{"claim.offers": {"N": "1704067200000"}})


TAMPERING: dict[str, tuple[Tamper, str]] = {
    "field": (lambda d, e, _: put(d, e, arrived_at={"N": "1704067209999"}), "an event was changed"),
    "effect": (lambda d, e, _: put(d, e, registers={"M": {"in.news": {"N": "1"}}}), "an event was changed"),
    "removed": (lambda d, e, _: drop(d, e), "events are missing"),
    "inserted": (
        lambda d, e, _: put(d, e, sk={"S": "E#1704067200000#x"}, event_id={"S": "x"}),
        "events were slipped in",
    ),
    "replaced": (replace_event, "an event was changed"),
    "renamed": (lambda d, e, _: (drop(d, e), put(d, e, sk={"S": "E#1#y"})), "stands in the wrong place"),  # type: ignore[dict-item]
    "unreadable": (lambda d, e, _: put(d, {**key(e), "event_id": {"S": "x"}}), "can't be read"),
    "register": (lambda d, _, s: put(d, s, **{"in.news": {"N": "1704067400000"}}), "doesn't follow from the events"),
    "lifted": (lambda d, _, s: put(d, {k: v for k, v in s.items() if k != "out.offers"}), "doesn't follow"),
    "both": (change_both, "an event was changed"),
    "count": (lambda d, _, s: put(d, s, ledger_count={"N": "1"}), "events were slipped in"),
    "digest": (lambda d, _, s: put(d, s, ledger_digest={"N": "1"}), "an event was changed"),
    "no state": (lambda d, _, s: drop(d, s), "events without a consent"),
    "evidence": (
        lambda d, e, _: put(
            d, {"pk": e["pk"], "sk": {"S": "V#" + e["sk"]["S"][2:]}, "ip": {"S": "1"}, "user_agent": {"S": ""}}
        ),
        "evidence was changed",
    ),
}


@pytest.mark.parametrize("tampering", TAMPERING)
def test_what_was_done_behind_its_back_is_found_and_named(filled: Deployment, tampering: str) -> None:
    of_ann = [item for item in filled.items() if filled.id_of(ANN) in item["pk"]["S"]]
    event, state = of_ann[0], next(item for item in of_ann if item["sk"]["S"] == "STATE")
    tamper, said = TAMPERING[tampering]
    tamper(filled, event, state)
    for options in ((), ("--subscriber-id", filled.id_of(ANN))):
        done = filled.run(*VERIFY, *options)
        assert done.exit_code == 1
        (line,) = done.stdout.splitlines()
        assert line.startswith(f"{filled.id_of(ANN)}\t")
        assert said in line
    assert filled.run(*VERIFY, "--subscriber-id", filled.id_of(BOB)).exit_code == 0


def test_an_event_moved_to_another_person_is_found_at_both(filled: Deployment) -> None:
    event = next(item for item in filled.events() if filled.id_of(ANN) in item["pk"]["S"])
    drop(filled, event)
    put(filled, event, pk={"S": f"S#demo#{filled.id_of('gil@example.com')}"})
    done = filled.run(*VERIFY)
    assert {line.partition("\t")[0] for line in done.stdout.splitlines()} == {
        filled.id_of(ANN),
        filled.id_of("gil@example.com"),
    }
    assert "2 not intact" in done.stderr


def test_a_consent_out_of_nothing_is_found(filled: Deployment) -> None:
    state = next(item for item in filled.items() if item["sk"]["S"] == "STATE")
    put(filled, state, pk={"S": "S#demo#" + "A" * 22})
    done = filled.run(*VERIFY)
    assert done.stdout == f"{'A' * 22}\ta consent without events\n"


def test_an_intact_ledger_is_no_news(filled: Deployment) -> None:
    done = filled.run(*VERIFY)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "3 ledgers checked, all intact\n"
    assert filled.run(*VERIFY, "--subscriber-id", "A" * 22).exit_code == 0


def test_a_person_whose_items_come_in_parts_is_read_again_before_anything_is_said(
    filled: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB may keep a large collection of items in several places, far apart in a scan."""
    scan = Gateway.scan

    def scattered(self: Gateway, **request: Any) -> Any:
        items = list(scan(self, **request))
        return iter(items[::2] + items[1::2])

    monkeypatch.setattr(Gateway, "scan", scattered)
    assert filled.run(*VERIFY).exit_code == 0
    drop(filled, filled.events()[0])
    done = filled.run(*VERIFY)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 1


def test_pages_that_end_amid_a_person_are_no_fault(filled: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consentry.table.scan._ITEMS_A_PAGE", 2)
    verified = []
    monkeypatch.setattr(Store, "verify", lambda *_: verified.append(1))
    assert filled.run(*VERIFY).exit_code == 0
    assert verified == []


def test_an_id_that_is_misspelled_can_not_be_verified(filled: Deployment) -> None:
    assert filled.run(*VERIFY, "--subscriber-id", "abc").exit_code == 2
