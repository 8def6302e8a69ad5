"""What platforms are told of consent changes."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
import pytest
from standardwebhooks import Webhook

from consentry import keyring, notifications, outgoing, wiring
from consentry.brands import Endpoint
from consentry.tokens import Purpose

ENDPOINTS = (
    Endpoint("crm", "https://crm.example.com/hook", False),
    Endpoint("shop", "https://shop.example.com/", False),
)


@pytest.fixture
def told(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A brand with two endpoints, their secrets, a queue, and what the endpoints got."""
    import os

    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="notifications")["QueueUrl"]
    monkeypatch.setenv("NOTIFICATION_QUEUE_URL", url)
    brand = wiring.brands().get("demo")._replace(notifications=ENDPOINTS)
    monkeypatch.setattr(wiring.brands(), "_brands", {"demo": brand})
    for endpoint in ENDPOINTS:
        keyring.add_notification_secret(
            world.secrets, os.environ["KEYRING_SECRET_ARN"], "demo", endpoint.id, _secret(endpoint.id)
        )
    wiring.keyring().refresh()

    class Told:
        def __init__(self) -> None:
            self.got: list[tuple[str, dict[str, str], bytes]] = []
            self.status = {"crm.example.com": 200, "shop.example.com": 200}
            self.url = url

        def post(self, url: str, body: bytes, headers: dict[str, str], *, private_network: bool) -> int:
            assert not private_network
            self.got.append((url, headers, body))
            return self.status[url.split("/")[2]]

        def stream(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, Any]:
            """The answer of the notifier to the records of what changed."""
            old = {(item["pk"]["S"], item["sk"]["S"]): item for item in before}
            records = []
            for item in after:
                key = (item["pk"]["S"], item["sk"]["S"])
                if old.get(key) != item:
                    image = {"NewImage": item, "Keys": {"pk": item["pk"], "sk": item["sk"]}, "SequenceNumber": "1"}
                    if key in old:
                        image["OldImage"] = old[key]
                    records.append(
                        {
                            "eventID": "1",
                            "eventName": "MODIFY" if key in old else "INSERT",
                            "eventSource": "aws:dynamodb",
                            "dynamodb": image,
                        }
                    )
            answer: dict[str, Any] = world.room("notifier").handler({"Records": records}, None)
            return answer

        def waiting(self) -> list[dict[str, Any]]:
            """Messages in the queue, as Lambda gets them."""
            found = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0
            ).get("Messages", [])
            return [
                {
                    "messageId": each["MessageId"],
                    "receiptHandle": each["ReceiptHandle"],
                    "body": each["Body"],
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                }
                for each in found
            ]

        def deliver(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
            """One invocation a message, as the template has it; what each answered."""
            return [world.room("notifier").handler({"Records": [message]}, None) for message in messages]

    told = Told()
    monkeypatch.setattr(outgoing, "post", told.post)
    return told


def _secret(endpoint: str) -> str:
    return "whsec_" + base64.b64encode(endpoint.encode() * 8).decode()


def change(world: Any, told: Any) -> None:
    """Somebody leaves, and the stream tells of it."""
    before = world.items()
    world.call("oneclick", "POST", f"/u/{world.token(Purpose.UNSUBSCRIBE, reference='spring')}")
    told.stream(before, world.items())


def test_an_endpoint_that_fails_is_told_again_and_delays_no_other(world: Any, told: Any) -> None:
    told.status["crm.example.com"] = 500
    change(world, told)
    messages = told.waiting()
    answers = told.deliver(messages)
    by_endpoint = {
        json.loads(message["body"])["endpoint"]: answer for message, answer in zip(messages, answers, strict=True)
    }
    assert len(by_endpoint["crm"]["batchItemFailures"]) == 1
    assert by_endpoint["shop"] == {"batchItemFailures": []}


@pytest.mark.parametrize("status", [301, 302, 400, 404, 410, 500])
def test_only_a_2xx_counts_as_taken(world: Any, told: Any, status: int) -> None:
    told.status = dict.fromkeys(told.status, status)
    change(world, told)
    assert [len(answer["batchItemFailures"]) for answer in told.deliver(told.waiting())] == [1, 1]


def test_an_endpoint_without_a_secret_is_sent_nothing_unsigned(world: Any, told: Any, monkeypatch: Any) -> None:
    change(world, told)
    monkeypatch.setattr(wiring.keyring(), "notification_secrets", lambda *_: [])
    assert [len(answer["batchItemFailures"]) for answer in told.deliver(told.waiting())] == [1, 1]
    assert told.got == []


def test_a_platform_hears_who_left_what_and_how(world: Any, told: Any) -> None:
    change(world, told)
    assert told.deliver(told.waiting()) == [{"batchItemFailures": []}] * 2
    url, headers, body = next(each for each in told.got if "crm" in each[0])
    Webhook(_secret("crm"))._Webhook__verify_timestamp = lambda *_: None  # type: ignore[attr-defined] # far future clock
    event = json.loads(body)
    ledger = world.events()[0]
    assert url == "https://crm.example.com/hook"
    assert headers["webhook-id"] == ledger["event_id"]["S"] == event["data"]["event_id"]
    assert event["type"] == "consent.changed"
    assert event["data"] == {
        "event_id": ledger["event_id"]["S"],
        "brand": "demo",
        "subscriber_id": world.subscriber_id("ann@example.com"),
        "topics": {"news": {"status": "unsubscribed", "previous": "none"}},
        "kind": "unsubscribed",
        "channel": "one-click",
        "occurred_at": "2027-01-15T08:00:00.000Z",
        "suspected_automation": False,
        "reference": "spring",
    }
    assert b"ann@example.com" not in body


def test_the_signature_is_one_that_the_published_library_accepts(
    world: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    world.now = int(time.time() * 1000)
    change(world, told)
    told.deliver(told.waiting())
    _, headers, body = next(each for each in told.got if "crm" in each[0])
    assert Webhook(_secret("crm")).verify(body, headers)["type"] == "consent.changed"


def test_during_a_change_of_secrets_the_old_and_the_new_one_both_verify(world: Any, told: Any) -> None:
    import os
    import time

    world.now = int(time.time() * 1000)
    arn = os.environ["KEYRING_SECRET_ARN"]
    fresh = keyring.add_notification_secret(world.secrets, arn, "demo", "crm")
    wiring.keyring()._fetched_at = -1e9
    wiring.keyring().refresh()
    change(world, told)
    told.deliver(told.waiting())
    _, headers, body = next(each for each in told.got if "crm" in each[0])
    for secret in (_secret("crm"), fresh):
        assert Webhook(secret).verify(body, headers)
    assert keyring.drop_old_notification_secret(world.secrets, arn, "demo", "crm")
    assert not keyring.drop_old_notification_secret(world.secrets, arn, "demo", "crm")


def test_a_record_that_the_stream_repeats_is_the_same_event(world: Any, told: Any) -> None:
    before = world.items()
    world.call("oneclick", "POST", f"/u/{world.token(Purpose.UNSUBSCRIBE)}")
    told.stream(before, world.items())
    told.stream(before, world.items())
    told.deliver(told.waiting())
    told.deliver(told.waiting())
    assert len({headers["webhook-id"] for _, headers, _ in told.got}) == 1


def test_a_repeated_opt_out_changes_nothing_and_is_not_told(world: Any, told: Any) -> None:
    change(world, told)
    told.deliver(told.waiting())
    heard = len(told.waiting())
    world.now += 1000
    change(world, told)
    assert len(told.waiting()) == heard


def test_a_brand_that_wants_addresses_gets_them(world: Any, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    brand = wiring.brands().get("demo")._replace(keeps_address=True)
    monkeypatch.setattr(wiring.brands(), "_brands", {"demo": brand})
    before = world.items()
    world.call("subscribe", "POST", "/s/demo", form={"email": "ann@example.com", "topics": "news"})
    told.stream(before, world.items())
    assert "ann@example.com" not in told.waiting()[0]["body"]
    told.deliver(told.waiting())
    assert json.loads(told.got[0][2])["data"]["email"] == "ann@example.com"


def test_what_is_given_up_waits_its_fourteen_days_anew_among_the_dead_letters(
    world: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that SQS itself moves there is deleted fourteen days after it was first sent."""
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    monkeypatch.setenv("NOTIFICATION_DEAD_LETTERS_URL", dead)
    told.status["crm.example.com"] = 500
    change(world, told)
    (message,) = [each for each in told.waiting() if json.loads(each["body"])["endpoint"] == "crm"]
    tries = 1 + len(notifications.WAITS_S)
    (almost, last) = ({**message, "attributes": {"ApproximateReceiveCount": str(n)}} for n in (tries - 1, tries))
    (answer,) = told.deliver([almost])
    assert len(answer["batchItemFailures"]) == 1
    assert "Messages" not in sqs.receive_message(QueueUrl=dead)
    assert told.deliver([last]) == [{"batchItemFailures": []}]
    (found,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert json.loads(found["Body"]) == json.loads(message["body"])


def test_the_waits_between_tries_come_to_three_days() -> None:
    assert 3 * 24 * 3600 <= sum(notifications.WAITS_S) < 4 * 24 * 3600
    assert [notifications.wait(tries) for tries in (1, 2, 99)] == [5, 30, notifications.LONGEST_WAIT_S]
    assert max(notifications.WAITS_S) <= 43_200  # SQS: longest visibility time-out
