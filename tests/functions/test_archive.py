"""The monthly archive: what was recorded lies where nobody can change it, and names nobody."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from consentry.actions import archive, archiving
from consentry.aws import clients
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, hash_event
from consentry.table.checkpoints import Task
from support import archives, calls
from support.archives import BUCKET
from support.world import DAY, HOUR, World

MONTH = "2027-01"
"""The one in which the tests' clock stands, on the 15th."""
RUN = "20270201T000000Z-0a1b2c3d"


class Archive:
    """The archive's queue and bucket, and the function behind them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = world.sqs.create_queue(QueueName="archive", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        archives.create_bucket(world.s3)

    def begin(self, **event: Any) -> dict[str, str]:
        """The schedule's call."""
        answer: dict[str, str] = self.world.function("archive").handler(event, None)
        return answer

    def waiting(self) -> list[dict[str, Any]]:
        """The messages, as Lambda gets them; they stay."""
        found = self.world.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for each in found.get("Messages", [])
        ]

    def deliver(self, message: dict[str, Any]) -> bool:
        """Hand one message to the function; whether it is done with it."""
        answer = self.world.function("archive").handler({"Records": [message]}, None)
        return not answer["batchItemFailures"]

    def work(self) -> int:
        """Deliver messages until there are none; how many steps it took."""
        steps = 0
        while messages := self.waiting():
            for message in messages:
                assert self.deliver(message)
                self.world.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["receiptHandle"])
                steps += 1
        return steps

    def run(self, month: str = MONTH) -> dict[str, str]:
        """A whole run."""
        begun = self.begin(month=month)
        self.work()
        return begun

    @property
    def objects(self) -> dict[str, bytes]:
        return archives.objects(self.world.s3)

    def events(self) -> list[dict[str, Any]]:
        return archives.lines(self.objects)

    def heads(self) -> list[dict[str, Any]]:
        return archives.lines(self.objects, "head")


@pytest.fixture
def kept(world: World, monkeypatch: pytest.MonkeyPatch) -> Archive:
    kept = Archive(world)
    world.deploy(archive_queue_url=kept.url, archive_bucket=BUCKET, archive_segments=3)
    return kept


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of one page, pages of two items: as in a table that is too large for a step."""
    monkeypatch.setattr("consentry.table.scan._ITEMS_A_PAGE", 2)
    monkeypatch.setattr("consentry.actions.archiving.PART_BYTES", 0)


def person(number: int) -> str:
    return f"person{number}@example.com"


def ids(lines: list[dict[str, Any]]) -> list[str]:
    return sorted(line["event_id"] for line in lines)


# --- when something goes wrong ----------------------------------------------------------------------------------------


def test_while_the_bucket_is_away_the_step_waits_and_is_done_later(world: World, kept: Archive) -> None:
    world.subscribed("news")
    kept.begin(month=MONTH)
    with calls.failing(world.deployment._client("s3", clients.PATIENT), "SlowDown"):
        assert [kept.deliver(message) for message in kept.waiting()].count(False) == 1, "the one with the event in it"
    assert kept.objects == {}
    kept.work()
    assert len(kept.events()) == 1


def test_while_the_table_is_away_the_step_waits_and_is_done_later(world: World, kept: Archive) -> None:
    world.subscribed("news")
    kept.begin(month=MONTH)
    with calls.failing(
        world.deployment.archivist._checkpoints._gateway.client, "ProvisionedThroughputExceededException"
    ):
        assert not any(kept.deliver(message) for message in kept.waiting())
    kept.work()
    assert len(kept.events()) == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dies", ["before it notes the step", "before it sends the message on", "before the manifest"])
def test_a_function_that_dies_midway_loses_and_doubles_nothing(world: World, kept: Archive, dies: str) -> None:
    for number in range(6):
        world.subscribed("news", "offers", email=person(number))
    kept.begin(month=MONTH)
    dying = world.deployment.archivist
    died = []

    def die(*_: Any) -> None:
        if len(died) < 3:
            died.append(1)
            raise RuntimeError

    def after(act: Any) -> Any:
        return lambda *given: (die(), act(*given))[1]

    with pytest.MonkeyPatch.context() as patch:
        if dies == "before it notes the step":
            patch.setattr(dying._checkpoints, "advance", after(dying._checkpoints.advance))
        elif dies == "before it sends the message on":
            patch.setattr(dying, "_send", after(dying._send))
        else:
            patch.setattr(dying, "_finish", after(dying._finish))
        while messages := kept.waiting():
            for message in messages:
                if kept.deliver(message):
                    world.sqs.delete_message(QueueUrl=kept.url, ReceiptHandle=message["receiptHandle"])
    assert len(died) == 3
    assert ids(kept.events()) == sorted(item["event_id"]["S"] for item in world.events())
    assert len(kept.heads()) == 6
    assert len(archives.manifests(kept.objects)) == 1


@pytest.mark.usefixtures("small")
def test_messages_that_come_twice_lose_and_double_nothing(world: World, kept: Archive) -> None:
    for number in range(6):
        world.subscribed("news", "offers", email=person(number))
    kept.begin(month=MONTH)
    while messages := kept.waiting():
        for message in messages:
            assert kept.deliver(message)
            assert kept.deliver(message)
            world.sqs.delete_message(QueueUrl=kept.url, ReceiptHandle=message["receiptHandle"])
        assert len(messages) < 50, "they multiply"
    assert ids(kept.events()) == sorted(item["event_id"]["S"] for item in world.events())
    assert len(kept.heads()) == 6


def test_of_two_who_do_the_same_step_one_sends_the_message_on(world: World, kept: Archive) -> None:
    world.subscribed("news")
    task = Task(MONTH, RUN, 0, 1)
    working = world.deployment.archivist
    place = working._checkpoints.read(task)
    after, part = working._step(task, place)
    assert working._checkpoints.advance(task, place, after, part, world.now)
    assert not working._checkpoints.advance(task, place, after, part, world.now)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[1, 2]",
        json.dumps({"month": "2027-13", "run": RUN, "segment": 0, "segments": 1}),
        json.dumps({"month": MONTH, "run": "../../other", "segment": 0, "segments": 1}),
        json.dumps({"month": MONTH, "run": RUN, "segment": 1, "segments": 1}),
        json.dumps({"month": MONTH, "run": RUN, "segment": 0, "segments": 10_000}),
    ],
)
def test_a_message_that_makes_no_sense_writes_nothing_and_is_kept(world: World, kept: Archive, body: str) -> None:
    message = {"messageId": "1", "receiptHandle": "1", "body": body, "attributes": {}, "messageAttributes": {}}
    assert not kept.deliver({**message, "eventSource": "aws:sqs"})
    assert kept.objects == {}


def test_a_month_that_has_not_begun_is_refused(world: World, kept: Archive) -> None:
    for month in ("2027-02", "2027", "soon"):
        with pytest.raises(ValueError, match="month"):
            kept.begin(month=month)
    assert kept.waiting() == []


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_on_the_second_of_a_month_the_month_before_is_archived(world: World, kept: Archive) -> None:
    world.subscribed("news")
    assert kept.begin()["month"] == "2026-12"
    kept.work()
    assert kept.events() == []
    world.now += 18 * DAY
    assert kept.begin()["month"] == MONTH
    kept.work()
    assert len(kept.events()) == 1


def test_the_archive_tells_what_happened_as_an_export_does(world: World, kept: Archive) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    [item] = world.events()
    kept.run()
    [line] = kept.events()
    [event] = world.deployment.store.history("demo", world.subscriber_id())
    assert line["hash"] == archive.event_line(world.deployment.keyring.archive_key(), event)["hash"]
    assert line["event_id"] == item["event_id"]["S"]
    told = {name: line[name] for name in ("brand", "subscriber_id", "kind", "topics", "occurred_at", "channel")}
    assert told == {
        "brand": "demo",
        "subscriber_id": world.subscriber_id(),
        "kind": "asked",
        "topics": ["news"],
        "occurred_at": "2027-01-15T08:00:00.000Z",
        "channel": "page",
    }
    assert line["registers"] == event.effect.registers
    assert event.notice
    assert (line["notice"], line["locale"], line["link"]) == (event.notice, event.locale, "")
    assert line["evidence"] == {"evidence_hash": event.evidence_hash}
    [head] = kept.heads()
    assert (head["subscriber_id"], head["ledger_count"]) == (world.subscriber_id(), 1)
    [stored] = [each for each in world.items() if each["sk"]["S"] == "STATE"]
    share = hash_event(world.deployment.keyring.ledger_key("demo"), event)
    assert int(stored["ledger_digest"]["N"]) == share
    assert not {str(share), f"{share:020x}"} & {str(value) for value in (*line.values(), *head.values())}


def test_nothing_in_the_archive_names_anybody(world: World, kept: Archive) -> None:
    """It is locked for years: whatever were in it could not be erased."""
    world.api(
        "POST",
        "/v1/subscriptions",
        {"email": "ann@example.com", "topics": ["news"], "reference": "ann-at-home", "source": "anns-shop"},
        key=world.api_key(),
    )
    event = Event(
        "event-1", Kind.CONFIRMED, "demo", world.subscriber_id(), world.now, world.now, Actor.RECIPIENT, Channel.PAGE,
        Consent({"in.news": world.now}), ("news",), reference="ann-at-home",
    )  # fmt: skip
    world.deployment.store.record(event, evidence=Evidence("203.0.113.7", "Ann's browser"), evidence_days=30)
    assert {item["sk"]["S"][0] for item in world.items()} == {"B", "C", "E", "S", "V"}, "budgets, which expire, too"
    kept.run()
    held = b"".join(gzip.decompress(body) if key.endswith(".gz") else body for key, body in kept.objects.items())
    assert len(kept.events()) == 2
    for text in (b"ann@example.com", b"ann-at-home", b"anns-shop", b"203.0.113.7", b"browser"):
        assert text not in held
    assert sorted(line["withheld"] for line in kept.events()) == [["reference"], ["reference", "source"]]


def test_an_event_that_waited_in_the_spool_is_in_the_next_months_archive(world: World, kept: Archive) -> None:
    month_began = world.now - 14 * DAY - 8 * HOUR
    world.happened({"out.news": month_began - 27 * DAY}, kind=Kind.UNSUBSCRIBED)
    world.happened({"out.offers": month_began - 29 * DAY}, kind=Kind.UNSUBSCRIBED)
    kept.run()
    assert [line["registers"] for line in kept.events()] == [{"out.news": month_began - 27 * DAY}]


def test_what_arrives_after_the_month_is_for_the_next_one(world: World, kept: Archive) -> None:
    ends = world.now + 16 * DAY + 16 * HOUR
    world.happened({"in.news": ends - 1})
    world.happened({"in.offers": ends})
    world.now = ends + DAY
    kept.run()
    assert [line["registers"] for line in kept.events()] == [{"in.news": ends - 1}]
    assert kept.heads()[0]["ledger_count"] == 2, "as it stands when it is archived"


def test_every_brand_is_in_it(world: World, kept: Archive) -> None:
    world.subscribed("news")
    world.subscribed("news", brand="other")
    kept.run()
    assert sorted(line["brand"] for line in kept.events()) == ["demo", "other"]
    assert sorted(head["brand"] for head in kept.heads()) == ["demo", "other"]


@pytest.mark.usefixtures("small")
def test_a_table_too_large_for_a_step_is_archived_in_many(
    world: World, kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deploy(archive_segments=1)
    for number in range(8):
        world.subscribed(*("news", "offers", "product")[: number % 3 + 1], email=person(number))
    kept.begin(month=MONTH)
    assert kept.work() > 8
    [manifest] = archives.manifests(kept.objects)
    assert len(manifest["parts"]) > 8
    assert ids(kept.events()) == sorted(item["event_id"]["S"] for item in world.events())
    assert len(kept.heads()) == 8, "one each, though a page may end before it"


def test_a_step_that_takes_long_ends_in_time_and_goes_on_in_another(
    world: World, kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consentry.table.scan._ITEMS_A_PAGE", 2)
    monkeypatch.setattr("consentry.actions.archiving.STEP_S", 0)
    world.deploy(archive_segments=1)
    for number in range(6):
        world.subscribed("news", email=person(number))
    kept.begin(month=MONTH)
    assert kept.work() >= 6
    assert len(kept.events()) == 6


def test_an_event_that_somebody_broke_stops_nothing(world: World, kept: Archive) -> None:
    world.subscribed("news")
    world.subscribed("news", email="bob@example.com")
    item = world.events()[0]
    world.dynamodb.put_item(TableName="consentry-test", Item={**item, "kind": {"S": "nonsense"}})
    kept.run()
    assert len(kept.events()) == 1


# --- how it is kept ---------------------------------------------------------------------------------------------------


def test_the_manifest_lists_every_part_and_is_signed(world: World, kept: Archive) -> None:
    world.subscribed("news")
    world.subscribed("news", email="bob@example.com")
    begun = kept.run()
    held = kept.objects
    text = held[f"ledger/{MONTH}/{begun['run']}/manifest.json"]
    month, run, parts = archive.parts_of(world.deployment.keyring.archive_key(), text)
    assert (month, run) == (MONTH, begun["run"])
    assert {part.key for part in parts} == {key for key in held if key.endswith(".gz")}
    for part in parts:
        assert (part.size, part.sha256) == (len(held[part.key]), hashlib.sha256(held[part.key]).hexdigest())
    assert sum(part.events for part in parts) == 2
    changed = text.replace(b'"events": 2', b'"events": 1')
    assert changed != text
    for other in (changed, text[:-20], b"", b"[]", b'{"signature": 1}'):
        with pytest.raises(archive.UnprovenError):
            archive.parts_of(world.deployment.keyring.archive_key(), other)
    with pytest.raises(archive.UnprovenError):
        archive.parts_of(b"another key", text)


def test_there_is_no_manifest_before_the_last_segment_is_done(world: World, kept: Archive) -> None:
    world.subscribed("news")
    kept.begin(month=MONTH)
    first, second, third = kept.waiting()
    assert kept.deliver(first)
    assert kept.deliver(second)
    assert archives.manifests(kept.objects) == []
    assert kept.deliver(third)
    assert len(archives.manifests(kept.objects)) == 1


def test_an_object_carries_a_checksum_and_is_locked(world: World, kept: Archive) -> None:
    world.subscribed("news")
    kept.run()
    for key, body in kept.objects.items():
        told = world.s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert told["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        assert told["ObjectLockMode"] == "GOVERNANCE"
        with pytest.raises(ClientError, match="AccessDenied"):
            world.s3.delete_object(Bucket=BUCKET, Key=key, VersionId=told["VersionId"])


def test_two_runs_of_a_month_stand_side_by_side(world: World, kept: Archive) -> None:
    world.subscribed("news")
    assert kept.run()["run"] != kept.run()["run"]
    assert len(archives.manifests(kept.objects)) == 2
    assert len(kept.events()) == 2


def test_what_is_noted_of_a_run_expires(world: World, kept: Archive) -> None:
    kept.run()
    noted = [item for item in world.items() if item["pk"]["S"].startswith("L#archive#")]
    assert len(noted) == 3
    assert all(int(item["expires_at"]["N"]) == world.now // 1000 + 60 * 86_400 for item in noted)


def test_logs_tell_months_and_counts_alone(
    world: World, kept: Archive, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.subscribed("news")
    kept.begin(month=MONTH)
    with calls.failing(world.deployment._client("s3", clients.PATIENT), "SlowDown"):
        for message in kept.waiting():
            kept.deliver(message)
    kept.work()
    text = logged.getvalue()
    assert "archive step" in text
    assert "ArchiveUnavailableError" in text
    assert world.subscriber_id() not in text
    assert archiving.task_from_json(json.dumps(Task(MONTH, RUN, 0, 1)._asdict())) == Task(MONTH, RUN, 0, 1)
