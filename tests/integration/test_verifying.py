"""Verifying whole brands, from the command line, over Amazon's DynamoDB Local."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from click.testing import CliRunner, Result

from consentry.links.keyring import Keyring
from consentry.rules.consent import DAY_MS, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, hash_event
from consentry.table import schema
from consentry.table.scan import Scan
from consentry.table.store import Store
from consentry_cli.main import main
from support import archives
from support.quick_moto import mock_aws
from support.tables import ANN, Table
from support.waiting import eventually

DOCUMENT: Final = json.dumps({"root": "not so random", "brands": {}})
NOW: Final = 1_800_000_000_000
MONTH: Final = "2027-01"
PEOPLE: Final = 300


class Brand:
    """A brand's ledgers on an engine that can be trusted, and the command that verifies them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.keys = Keyring(lambda: DOCUMENT)
        self.store = Store(table.gateway, self.keys.ledger_key)
        arn = boto3.client("secretsmanager").create_secret(Name="keyring", SecretString=DOCUMENT)["ARN"]
        self._environment = {
            "TABLE_NAME": table.name,
            "KEYRING_SECRET_ARN": arn,
            "AWS_ENDPOINT_URL_DYNAMODB": table.client.meta.endpoint_url,
        }

    def fill(self, people: int, first: int = 0) -> None:
        """So many subscribers, two events each, written as the store would have done."""
        puts = [{"PutRequest": {"Item": item}} for n in range(first, first + people) for item in self._ledger(n)]
        for at in range(0, len(puts), 25):
            answer = self.table.client.batch_write_item(RequestItems={self.table.name: puts[at : at + 25]})
            assert not answer["UnprocessedItems"]

    def verify(self, *options: str | Path) -> Result:
        words = ["ledger", "verify", "--brand", "demo", *map(str, options)]
        return CliRunner().invoke(main, words, env=self._environment)

    def archive(self, folder: Path, segments: int = 4) -> None:
        archives.make(
            self.store, self.table.client, self.table.name, self.keys, archives.into(folder), MONTH,
            now=NOW, segments=segments,
        )  # fmt: skip

    def events(self, number: int) -> list[dict[str, Any]]:
        """A subscriber's event items."""
        return [item for item in self._of(number) if item["sk"]["S"].startswith("E#")]

    def forget(self, number: int) -> None:
        """Remove all of a subscriber, behind Consentry's back."""
        for item in self._of(number):
            self.table.remove(item)

    def _of(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.table.client.query(
            TableName=self.table.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"S#demo#{name(number)}"}},
        )["Items"]
        return found

    def _ledger(self, number: int) -> list[dict[str, Any]]:
        at = NOW + number
        events = [
            Event(
                f"{topic}-{number}", Kind.UNSUBSCRIBED, "demo", name(number), at, at, Actor.RECIPIENT, Channel.PAGE,
                Consent({f"out.{topic}": at}), (topic,),
            )
            for topic in ("news", "offers")
        ]  # fmt: skip
        digest = sum(hash_event(self.keys.ledger_key("demo"), event) for event in events)
        state = {
            **schema.key(events[0].partition_key, schema.STATE),
            **{f"out.{topic}": schema.number(at) for topic in ("news", "offers")},
            "ledger_count": schema.number(2),
            "ledger_digest": schema.number(digest),
        }
        return [state, *map(schema.event_item, events)]


def name(number: int) -> str:
    return f"{number:022d}"


def told(result: Result) -> dict[str, str]:
    """What was said of whom; somebody who is in several parts of the archive may have several lines."""
    said: dict[str, str] = {}
    for line in result.stdout.splitlines():
        who, what = line.split("\t")
        said[who[-5:]] = "; ".join(filter(None, [said.get(who[-5:]), what]))
    return said


@pytest.fixture
def brand(real_table: Table) -> Iterator[Brand]:
    with mock_aws():
        yield Brand(real_table)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a hundred items, parts of a page; and the month of the events is the one that runs."""
    monkeypatch.setattr("time.time_ns", lambda: NOW * 1_000_000)
    monkeypatch.setattr("consentry.table.scan._ITEMS_A_PAGE", 100)
    monkeypatch.setattr("consentry.actions.archiving.PART_BYTES", 0)


def test_of_hundreds_those_whose_events_were_changed_deleted_inserted_or_moved_are_found_and_nobody_else(
    brand: Brand,
) -> None:
    brand.fill(PEOPLE)
    assert brand.verify().exit_code == 0
    changed, deleted, copied, moved = (brand.events(number)[0] for number in (11, 22, 33, 44))
    brand.table.put({**changed, "kind": schema.string("confirmed")})
    brand.table.remove(deleted)
    brand.table.put({**copied, "sk": {"S": f"E#{NOW:013d}#forged"}, "event_id": {"S": "forged"},
                     "occurred_at": schema.number(NOW)})  # fmt: skip
    brand.table.remove(moved)
    brand.table.put({**moved, "pk": {"S": f"S#demo#{name(55)}"}})
    done = brand.verify()
    assert done.exit_code == 1
    assert done.stderr == f"{PEOPLE:,} ledgers checked, 5 not intact\n"
    assert told(done) == {
        "00011": "an event was changed",
        "00022": "events are missing",
        "00033": "events were slipped in",
        "00044": "events are missing",
        "00055": "events were slipped in",
    }


def test_of_hundreds_those_who_were_removed_or_put_back_in_time_are_found_by_the_archive(
    brand: Brand, tmp_path: Path, small: None
) -> None:
    brand.fill(PEOPLE)
    brand.archive(tmp_path)
    held = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert len(archives.lines(held)) == 2 * PEOPLE
    assert len(archives.lines(held, "head")) == PEOPLE
    (manifest,) = archives.manifests(held)
    assert len(manifest["parts"]) > 8
    assert brand.verify("--archive", tmp_path).exit_code == 0
    brand.forget(66)
    latest = brand.events(77)[1]
    brand.forget(77)
    registers = {name: int(at["N"]) for name, at in latest["registers"]["M"].items()}
    brand.store.record(schema.event(latest)._replace(effect=Consent(registers)))
    assert brand.verify().exit_code == 0, "what is left adds up"
    done = brand.verify("--archive", tmp_path)
    assert done.exit_code == 1
    assert told(done) == {
        "00066": "archived events are missing; the consent is gone",
        "00077": "archived events are missing; the ledger went back in time",
    }


def peak(brand: Brand, *options: str | Path) -> int:
    """Most memory that Python held at a time while a brand was verified, in bytes."""
    tracemalloc.start()
    try:
        assert brand.verify(*options).exit_code == 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_times_the_subscribers_take_no_more_memory(brand: Brand, tmp_path: Path, small: None) -> None:
    brand.fill(50)
    brand.archive(tmp_path / "small")
    brand.verify("--archive", tmp_path / "small")  # what is loaded once is loaded
    few = peak(brand, "--archive", tmp_path / "small")
    brand.fill(450, first=50)
    brand.archive(tmp_path / "large")
    many = peak(brand, "--archive", tmp_path / "large")
    assert many < few * 1.5


# --- evidence expires -------------------------------------------------------------------------------------------------


def with_evidence(days_ago: int, arrived: int) -> Event:
    at = arrived - days_ago * DAY_MS
    effect = Consent({"in.news": at})
    return Event("event-1", Kind.CONFIRMED, "demo", ANN, at, at, Actor.RECIPIENT, Channel.PAGE, effect, ("news",))


def test_when_ttl_has_deleted_evidence_the_ledger_still_verifies(brand: Brand) -> None:
    brand.table.client.update_time_to_live(
        TableName=brand.table.name, TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True}
    )
    now = time.time_ns() // 1_000_000
    brand.store.record(with_evidence(2, now), evidence=Evidence("203.0.113.7", "Mozilla/5.0"), evidence_days=1)
    eventually(brand.table.kinds, lambda kinds: sorted(kinds) == ["E", "STATE"])
    assert brand.verify().exit_code == 0
    assert brand.store.ledger("demo", ANN).intact
    assert brand.store.history("demo", ANN)[0].evidence_hash, "that there was evidence is still on record"


@pytest.mark.parametrize(("days", "shown"), [(1, Evidence()), (3, Evidence("203.0.113.7", "Mozilla/5.0"))])
def test_evidence_is_shown_until_its_time_is_over_and_not_until_ttl_gets_to_it(
    table: Table, days: int, shown: Evidence
) -> None:
    now = time.time_ns() // 1_000_000
    table.store.record(with_evidence(2, now), evidence=Evidence("203.0.113.7", "Mozilla/5.0"), evidence_days=days)
    assert table.kinds().count("V") == 1
    page = table.store.ledger("demo", ANN)
    assert [evidence for _, evidence in page.events] == [shown]
    assert page.intact
    (held,) = Scan(table.store.gateway).everyone("demo")
    assert list(held.evidences.values()) == [shown] * any(shown)
