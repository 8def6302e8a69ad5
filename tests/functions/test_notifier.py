"""What platforms are told of consent changes."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from itertools import accumulate
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook

from consentry.actions import notifications
from consentry.actions.notifications import Waited
from consentry.actions.waiting import LONGEST_DELAY_S
from consentry.aws import keyring_document
from consentry.http import outgoing
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import Purpose
from consentry.rules.brands import Endpoint
from consentry_cli.main import main
from support.calls import failing

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
    world.deploy(notification_queue_url=url)
    monkeypatch.setattr("moto.sqs.models.unix_time_millis", lambda: float(world.now))
    brand = world.deployment.brands.get("demo")._replace(notifications=ENDPOINTS)
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand})
    for endpoint in ENDPOINTS:
        keyring_document.add_notification_secret(
            world.secrets, os.environ["KEYRING_SECRET_ARN"], "demo", endpoint.id, _secret(endpoint.id)
        )
    world.deployment.keyring.refresh()

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
            answer: dict[str, Any] = world.function("notifier").handler({"Records": records}, None)
            return answer

        def waiting(self) -> list[dict[str, Any]]:
            """Messages in the queue, as Lambda gets them."""
            found = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
                VisibilityTimeout=0,
            ).get("Messages", [])
            return [
                {
                    "messageId": each["MessageId"],
                    "receiptHandle": each["ReceiptHandle"],
                    "body": each["Body"],
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(world.now)},
                    "messageAttributes": _attributes(each),
                    "eventSource": "aws:sqs",
                }
                for each in found
            ]

        def deliver(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
            """One invocation a message, as the template has it; what each answered."""
            return [world.function("notifier").handler({"Records": [message]}, None) for message in messages]

        def work(self) -> None:
            """Deliver what is visible now; what was dealt with is deleted."""
            for message in self.waiting():
                assert self.deliver([message]) == [{"batchItemFailures": []}]
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["receiptHandle"])

        def calls_of(self, endpoint: str) -> int:
            return sum(url.startswith(f"https://{endpoint}.") for url, _, _ in self.got)

    told = Told()
    monkeypatch.setattr(outgoing, "post", told.post)
    return told


def _attributes(message: dict[str, Any]) -> dict[str, Any]:
    """As Lambda spells them."""
    return {
        name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
        for name, value in message.get("MessageAttributes", {}).items()
    }


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
    told.work()
    assert (told.calls_of("crm"), told.calls_of("shop")) == (1, 1)
    for seconds in notifications.WAITS.waits_s[:3]:
        calls = told.calls_of("crm")
        world.now += (seconds - 1) * 1000
        told.work()
        assert told.calls_of("crm") == calls
        world.now += 1000
        told.work()
        assert told.calls_of("crm") == calls + 1
    assert told.calls_of("shop") == 1


def test_what_waits_for_hours_comes_by_each_quarter_of_an_hour_and_is_not_in_flight(
    world: Any, told: Any, capsys: Any
) -> None:
    told.status["crm.example.com"] = 500
    change(world, told)
    told.work()
    at, hour = world.now, 3_600_000
    while world.now < at + 12 * hour:
        world.now += 300_000
        told.work()
        assert told.waiting() == [], "what isn't due is sent again"
    assert told.calls_of("crm") == 1 + len(
        [each for each in accumulate(notifications.WAITS.waits_s) if each < 12 * 3600]
    )
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=told.url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
    ages = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"message":"waits"' in line]
    assert {each["queue"] for each in ages} == {"notifications"}
    assert ages[-1]["Waiting"] == pytest.approx((world.now - at) / 1000, abs=900), "since the change"


@pytest.mark.parametrize("status", [301, 302, 400, 404, 410, 500])
def test_only_a_2xx_counts_as_taken(world: Any, told: Any, status: int) -> None:
    told.status = dict.fromkeys(told.status, status)
    change(world, told)
    told.work()
    world.now += notifications.WAITS.waits_s[0] * 1000
    told.work()
    assert (told.calls_of("crm"), told.calls_of("shop")) == (2, 2)


def test_an_endpoint_without_a_secret_is_sent_nothing_unsigned(world: Any, told: Any, monkeypatch: Any) -> None:
    change(world, told)
    monkeypatch.setattr(world.deployment.keyring, "notification_secrets", lambda *_: [])
    told.work()
    assert told.got == []
    world.now += notifications.WAITS.waits_s[0] * 1000
    assert len(told.waiting()) == 2


@pytest.mark.parametrize("unavailable", ["keyring", "table"])
def test_while_keys_or_table_are_away_nothing_is_lost_and_no_try_is_used_up(
    world: Any, told: Any, monkeypatch: Any, unavailable: str
) -> None:
    brand = world.deployment.brands.get("demo")._replace(keeps_address=True)
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand})
    change(world, told)

    def unavailable(*_: Any) -> Any:
        raise SecretUnavailableError("unavailable")

    with monkeypatch.context() as patch, ExitStack() as faults:
        if unavailable == "keyring":
            patch.setattr(world.deployment.keyring, "notification_secrets", unavailable)
        else:
            faults.enter_context(failing(world.deployment.table_client, "InternalServerError", "GetItem"))
        for _ in range(40):
            told.work()
            world.now += 60_000
    assert told.got == []
    told.work()
    assert (told.calls_of("crm"), told.calls_of("shop")) == (1, 1)


def test_what_nobody_listens_for_any_more_is_done(world: Any, told: Any, monkeypatch: Any) -> None:
    change(world, told)
    brand = world.deployment.brands.get("demo")._replace(notifications=ENDPOINTS[1:])
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand})
    told.work()
    assert (told.calls_of("crm"), told.calls_of("shop")) == (0, 1)
    world.now += 60_000
    assert told.waiting() == []


def test_a_message_that_says_nothing_of_how_it_waited_is_new_however_often_it_was_received(
    world: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been throttled, or deferred by the version before: no try is counted; its three days are from when
    it was sent.
    """
    put_off: list[Waited] = []
    told.status = dict.fromkeys(told.status, 500)
    change(world, told)
    sent = world.now
    world.now += 3_600_000
    monkeypatch.setattr(world.deployment.notifications, "defer", lambda _told, waited, _seconds: put_off.append(waited))
    (message, _) = told.waiting()
    old = {**message, "attributes": {"ApproximateReceiveCount": "7", "SentTimestamp": str(sent)}}
    assert told.deliver([old]) == [{"batchItemFailures": []}]
    assert put_off == [Waited(1, sent, world.now)]


def test_what_is_put_back_out_of_the_dead_letters_is_tried_from_the_start(
    world: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS's own dead letters keep what a message said of its waiting."""
    put_off: list[Waited] = []
    told.status = dict.fromkeys(told.status, 500)
    change(world, told)
    monkeypatch.setattr(world.deployment.notifications, "defer", lambda _told, waited, _seconds: put_off.append(waited))
    ended = Waited(9, world.now - notifications.SPAN_MS - 1000 * LONGEST_DELAY_S - 1, world.now - 60_000)
    for message in told.waiting():
        message["messageAttributes"]["waited"] = {"stringValue": ended.to_json(), "dataType": "String"}
        assert told.deliver([message]) == [{"batchItemFailures": []}]
    assert put_off == [Waited(1, world.now, world.now)] * 2


def test_the_version_before_can_read_what_this_one_puts_off(world: Any, told: Any) -> None:
    """For some minutes of a deployment both take messages out of the queue."""
    told.status = dict.fromkeys(told.status, 500)
    change(world, told)
    fresh = {message["body"] for message in told.waiting()}
    told.work()
    world.now += notifications.WAITS.waits_s[0] * 1000
    assert {message["body"] for message in told.waiting()} == fresh


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
    fresh = keyring_document.add_notification_secret(world.secrets, arn, "demo", "crm")
    world.deployment.keyring._fetched_at = -1e9
    world.deployment.keyring.refresh()
    change(world, told)
    told.deliver(told.waiting())
    _, headers, body = next(each for each in told.got if "crm" in each[0])
    for secret in (_secret("crm"), fresh):
        assert Webhook(secret).verify(body, headers)
    assert keyring_document.drop_old_notification_secret(world.secrets, arn, "demo", "crm")
    assert not keyring_document.drop_old_notification_secret(world.secrets, arn, "demo", "crm")


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
    brand = world.deployment.brands.get("demo")._replace(keeps_address=True)
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand})
    before = world.items()
    world.call("subscribe", "POST", "/s/demo", form={"email": "ann@example.com", "topics": "news"})
    told.stream(before, world.items())
    assert "ann@example.com" not in told.waiting()[0]["body"]
    told.deliver(told.waiting())
    assert json.loads(told.got[0][2])["data"]["email"] == "ann@example.com"


def test_what_is_given_up_waits_its_fourteen_days_anew_and_may_be_tried_from_the_start(
    world: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that SQS itself moves there is deleted fourteen days after it was first sent."""
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    world.deploy(notification_dead_letters_url=dead)
    told.status["crm.example.com"] = 500
    change(world, told)
    (message,) = [each for each in told.waiting() if json.loads(each["body"])["endpoint"] == "crm"]
    told.work()
    tries, began = len(notifications.WAITS.waits_s), world.now - notifications.SPAN_MS
    (almost, last) = (
        {**message, "messageAttributes": {"waited": {"stringValue": Waited(tries, since, 1).to_json()}}}
        for since in (began + 1, began)
    )
    assert told.deliver([almost]) == [{"batchItemFailures": []}]
    assert "Messages" not in sqs.receive_message(QueueUrl=dead)
    assert told.deliver([last]) == [{"batchItemFailures": []}]
    found = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], VisibilityTimeout=0)["Messages"]
    assert [json.loads(each["Body"]) for each in found] == [json.loads(message["body"])]
    assert "waited" not in found[0].get("MessageAttributes", {})
    sqs.purge_queue(QueueUrl=told.url)
    args = ["notifications", "redrive", "--dead-letters", dead, "--queue", told.url]
    assert CliRunner().invoke(main, args).output == "1 moved\n"
    told.status["crm.example.com"] = 200
    calls = told.calls_of("crm")
    told.work()
    assert told.calls_of("crm") == calls + 1


def test_the_waits_between_tries_come_to_three_days() -> None:
    assert 3 * 24 * 3600 <= sum(notifications.WAITS.waits_s) < 4 * 24 * 3600
    assert [notifications.WAITS.after(tries) for tries in (1, 2, 99)] == [5, 30, 42_000]
