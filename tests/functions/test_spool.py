"""What happens to an opt-out when the table is away: it is accepted, kept, and recorded later as of its own instant."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from consentry import spool, wiring
from consentry.consent import Choice, Consent
from consentry.intake import Report, ReportKind, Result
from consentry.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.spool import Spooled
from consentry.store import Address, Store, StoreUnavailableError
from support import calls
from support.world import SECOND, World


class Queue:
    """The spool's queue, and the drain behind it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = world.sqs.create_queue(QueueName="spool")["QueueUrl"]

    def waiting(self) -> list[dict[str, Any]]:
        """The messages, as Lambda gets them; they stay."""
        found = self._world.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
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

    def drain(self) -> list[dict[str, str]]:
        """The messages that the drain leaves in the queue."""
        answer = self._world.room("drain").handler({"Records": self.waiting()}, None)
        return list(answer["batchItemFailures"])


@pytest.fixture
def queue(world: World, monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue(world)
    monkeypatch.setenv("SPOOL_QUEUE_URL", queue.url)
    return queue


def test_only_when_the_queue_is_away_too_is_the_person_asked_to_come_back(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOOL_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with world.table_away():
        answer = world.post(world.leave_url())
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("form", [None, {"scope": "topic"}, {"scope": "all"}], ids=["one click", "topic", "everything"])
def test_an_opt_out_is_accepted_while_the_table_is_away(world: World, queue: Queue, form: Any) -> None:
    world.subscribed("news")
    with world.table_away():
        assert world.post(world.leave_url(), form).status == 200
    assert world.status() == "subscribed"
    world.now += 60 * SECOND
    assert queue.drain() == []
    assert world.status() == "unsubscribed"
    assert int(world.events()[-1]["occurred_at"]["N"]) == world.now - 60 * SECOND, "as of the click"
    assert world.intact()


def test_everything_off_in_the_preferences_is_accepted_too(world: World, queue: Queue) -> None:
    url = world.choose_url()
    with world.table_away():
        assert world.post(url, {"scope": "all"}).status == 200
    queue.drain()
    assert {world.status(topic=topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}


def test_a_pause_is_accepted_too(world: World, queue: Queue) -> None:
    world.subscribed("news")
    with world.table_away():
        assert world.post(world.leave_url(), {"scope": "pause", "days": "30"}).status == 200
    queue.drain()
    assert world.decision() == "paused"


def test_while_the_table_stays_away_nothing_leaves_the_queue(world: World, queue: Queue) -> None:
    with world.table_away():
        world.post(world.leave_url())
        assert len(queue.drain()) == 1
    assert queue.drain() == []
    assert world.status() == "unsubscribed"


def test_a_message_that_makes_no_sense_spoils_no_other(world: World, queue: Queue) -> None:
    world.sqs.send_message(QueueUrl=queue.url, MessageBody="[1]")
    with world.table_away():
        world.post(world.leave_url())
    assert len(queue.drain()) == 1
    assert world.status() == "unsubscribed"


def test_a_message_that_comes_twice_is_recorded_once(world: World, queue: Queue) -> None:
    with world.table_away():
        world.post(world.leave_url())
    assert queue.drain() == []
    assert queue.drain() == []
    assert len(world.events()) == 1
    assert world.intact()


def test_what_waits_holds_no_address_and_no_token(world: World, queue: Queue) -> None:
    url = world.leave_url()
    with world.table_away():
        world.post(url, {"scope": "topic"})
    [message] = queue.waiting()
    assert "ann@example.com" not in message["body"]
    assert url.rpartition("/")[2] not in message["body"]


def test_reports_of_platforms_are_spooled_and_told_so(world: World, queue: Queue) -> None:
    key = world.api_key()
    event = {
        "event_id": "1",
        "kind": "unsubscribed",
        "email": "ann@example.com",
        "topics": ["news"],
        "occurred_at": "2027-01-15T07:59:00Z",
    }
    with world.table_away():
        answer = world.api("POST", "/v1/events", {"events": [event]}, key=key)
    assert [each["result"] for each in answer.json["results"]] == ["spooled"]
    queue.drain()
    assert world.status() == "unsubscribed"


def test_reports_under_an_idempotency_key_are_spooled_too(world: World, queue: Queue) -> None:
    """The key can't be looked up, and needn't be: a report is named by what it says."""
    key = world.api_key()
    event = {"event_id": "1", "kind": "unsubscribed", "email": "ann@example.com", "occurred_at": "2027-01-15T07:59:00Z"}
    with world.table_away():
        for _ in range(2):
            answer = world.api(
                "POST", "/v1/events", {"events": [event]}, key=key, headers={"idempotency-key": "the same"}
            )
            assert [each["result"] for each in answer.json["results"]] == ["spooled"]
    queue.drain()
    assert world.status() == "unsubscribed"
    assert len(world.events()) == 1


def test_of_many_reports_only_the_first_waits_for_a_table_that_is_away(world: World, queue: Queue) -> None:
    """Else a hundred of them would outlast the function."""
    key = world.api_key()
    events = [
        {
            "event_id": f"{n}",
            "kind": "unsubscribed",
            "email": f"ann{n}@example.com",
            "occurred_at": "2027-01-15T07:59:00Z",
        }
        for n in range(8)
    ]
    refusals = ["ThrottlingException"] * 20
    with calls.answering(world.table_client, "TransactWriteItems", *refusals) as left:
        answer = world.api("POST", "/v1/events", {"events": events}, key=key)
    assert {each["result"] for each in answer.json["results"]} == {"spooled"}
    assert len(left) == 19
    queue.drain()
    assert [world.status(email=f"ann{n}@example.com") for n in range(8)] == ["unsubscribed"] * 8


def test_of_many_reports_of_a_provider_only_some_wait_for_a_table_that_is_away(world: World, queue: Queue) -> None:
    brand = wiring.brands().get("demo")
    assert brand is not None
    reports = [Report(ReportKind.UNSUBSCRIBED, world.now, f"ann{n}@example.com") for n in range(40)]
    refusals = ["ThrottlingException"] * 100
    with calls.answering(world.table_client, "TransactWriteItems", *refusals) as left:
        receipts = wiring.intake().take_all(brand, reports, Channel.WEBHOOK, world.now)
    assert {receipt.result for receipt in receipts} == {Result.SPOOLED}
    assert len(left) >= 80, "no more than are at it side by side"


def test_an_opt_out_is_kept_whatever_else_fails(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    """Also what nobody thought of: it is logged by kind and place, and the person is not sent away."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of ann@example.com")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "record", fail)
        assert world.post(world.leave_url()).status == 200
    assert "ZeroDivisionError" in logged.getvalue()
    assert "ann@" not in logged.getvalue()
    queue.drain()
    assert world.status() == "unsubscribed"


def test_an_opt_out_is_kept_when_every_answer_of_the_table_is_garbled(world: World, queue: Queue) -> None:
    garbled = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    with calls.answering(world.table_client, "TransactWriteItems", garbled):
        assert world.post(world.leave_url()).status == 200
    queue.drain()
    assert world.status() == "unsubscribed"


def test_a_confirmation_is_not_spooled(world: World, queue: Queue) -> None:
    """An opt-in can wait for its person; only what ends mail must not."""
    url = world.confirm_url()
    stamp = world.get(url).page.form().fields
    world.now += 2 * SECOND
    with world.table_away():
        assert world.post(url, dict(stamp)).status == 503
    assert queue.waiting() == []


def test_a_spooled_event_reads_back_as_it_was() -> None:
    event = Event(
        "id",
        Kind.PREFERENCES,
        "demo",
        "K9Xdq1X4AVefMXC3P9olGg",
        1,
        2,
        Actor.RECIPIENT,
        Channel.PAGE,
        Consent({"out.news": 1}, {"pause": Choice(1, "id", "5")}),
        ("news",),
        "de",
        "v1",
        "ref|é",
        "shop",
        True,
    )
    for waiting in (Spooled(event), Spooled(event, Evidence("::1", "UA"), 30, Address.FORGET)):
        assert spool.from_json(waiting.to_json()) == waiting
    for junk in ("", "{}", "[1,2,3,4]", json.dumps([[1], None, 0, None])):
        with pytest.raises((ValueError, TypeError, KeyError)):
            spool.from_json(junk)


def test_the_queues_own_error_is_ours(world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPOOL_QUEUE_URL")
    with pytest.raises(StoreUnavailableError):
        wiring._spool("{}")
