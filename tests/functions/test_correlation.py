"""Whatever follows from a request is logged under API Gateway's own name for it."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import Any

import pytest

from consentry import telemetry
from consentry.aws import keyring_document
from consentry.http import outgoing
from consentry.rules.brands import Endpoint
from support import events
from support.world import SECOND, World

ONE_CLICK = b"List-Unsubscribe=One-Click"


def click(world: World, request_id: str, **how: Any) -> dict[str, Any]:
    event = events.http("POST", world.leave_url(), body=ONE_CLICK, **how)
    event["requestContext"]["requestId"] = request_id
    answer: dict[str, Any] = world.function("oneclick").handler(event, None)
    return answer


def counted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]


def state(world: World) -> dict[str, Any]:
    (found,) = [item for item in world.items() if item["sk"]["S"] == "STATE"]
    return found


@pytest.mark.parametrize("header", ["x-request-id", "x-correlation-id", "x-amzn-requestid", "x-amzn-trace-id"])
def test_what_a_client_calls_its_request_is_neither_believed_nor_written(
    world: World, capsys: pytest.CaptureFixture[str], header: str
) -> None:
    assert click(world, "ours-1", headers={header: "theirs-1"})["statusCode"] == 200
    [act] = counted(capsys)
    assert act["correlation_id"] == "ours-1"
    assert state(world)["last_event"]["M"]["correlation_id"] == {"S": "ours-1"}
    assert "theirs-1" not in json.dumps([act, world.items()])


def test_a_second_click_has_a_name_of_its_own(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    click(world, "first")
    click(world, "second")
    assert [(line["correlation_id"], line["Acts"], line["outcome"]) for line in counted(capsys)] == [
        ("first", 1, "applied"),
        ("second", 1, "duplicate"),
    ]


def test_the_ledger_knows_nothing_of_it_and_stays_intact(world: World) -> None:
    click(world, "ours-1")
    assert world.intact()
    ledger = [item for item in world.items() if item["sk"]["S"].startswith(("E#", "V#"))]
    assert ledger
    assert "ours-1" not in json.dumps(ledger)


def test_a_fault_is_logged_under_the_request_that_met_it(world: World, logged: io.StringIO) -> None:
    with world.table_unavailable():
        event = events.http("GET", world.choose_url())
        event["requestContext"]["requestId"] = "ours-1"
        assert world.function("preferences").handler(event, None)["statusCode"] == 503
    faults = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [(fault["message"], fault["correlation_id"]) for fault in faults] == [("fault", "ours-1")]


def test_a_link_that_is_not_ours_is_counted_by_why_it_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.post("/u/forged").status == 404
    assert world.api("GET", "/v1/subscribers/x", key="forged").status == 401
    assert [(line["front"], line["reason"], line["Refused"]) for line in counted(capsys)] == [
        ("page", "not_ours", 1),
        ("api", "401", 1),
    ]


def test_an_endpoint_is_told_under_the_name_of_the_click(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the stream's record to the queue, and out of it."""
    url = world.sqs.create_queue(QueueName="notifications")["QueueUrl"]
    world.deploy(notification_queue_url=url)
    monkeypatch.setattr(outgoing, "post", lambda *_, **__: 204)
    brand = world.deployment.brands.get("demo")
    assert brand is not None
    endpoint = Endpoint("crm", "https://crm.example.com/", private_network=False)
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand._replace(notifications=(endpoint,))})
    secret = "whsec_" + base64.b64encode(b"a secret of this test alone").decode()
    keyring_document.add_notification_secret(world.secrets, os.environ["KEYRING_SECRET_ARN"], "demo", "crm", secret)
    world.deployment.keyring.refresh()
    click(world, "ours-1")
    telemetry.begin("something else")
    new = state(world)
    image = {"NewImage": new, "Keys": {"pk": new["pk"], "sk": new["sk"]}, "SequenceNumber": "1"}
    record = {"eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": image}
    assert world.function("notifier").handler({"Records": [record]}, None)["batchItemFailures"] == []
    telemetry.begin("something else")
    found = world.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    messages = [
        {
            "messageId": each["MessageId"],
            "receiptHandle": each["ReceiptHandle"],
            "body": each["Body"],
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {
                "correlation_id": {"stringValue": each["MessageAttributes"]["correlation_id"]["StringValue"]}
            },
            "eventSource": "aws:sqs",
        }
        for each in found
    ]
    assert messages
    assert world.function("notifier").handler({"Records": messages}, None)["batchItemFailures"] == []
    lines = counted(capsys)
    assert lines[-1]["event_id"] == new["last_event"]["M"]["event_id"]["S"], "what platforms know as webhook-id"
    told = [(line["correlation_id"], line["message"], line.get("outcome")) for line in lines]
    assert told == [
        ("ours-1", "act", "applied"),
        ("ours-1", "notification queued", "queued"),
        ("ours-1", "notification", "taken"),
    ]


def test_a_goodbye_is_due_under_the_name_of_the_click(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    brand = world.deployment.brands.get("demo")
    assert brand is not None
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand._replace(goodbye_mail=True)})
    world.subscribed("news")
    old = state(world)
    world.now += SECOND
    click(world, "ours-1")
    new = state(world)
    telemetry.begin("something else")
    image = {"OldImage": old, "NewImage": new, "Keys": {"pk": new["pk"], "sk": new["sk"]}, "SequenceNumber": "1"}
    record = {"eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": image}
    assert world.function("courier").handler({"Records": [record]}, None)["batchItemFailures"] == []
    (goodbye,) = [item for item in world.items() if item["sk"]["S"] == "GOODBYE"]
    assert goodbye["correlation_id"] == {"S": "ours-1"}


def test_what_follows_from_no_request_has_the_name_of_its_message(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.deployment.spool_queue, "hide", lambda _receipt, _seconds: None)
    odd = {
        "messageId": "message-1",
        "receiptHandle": "r",
        "body": "not ours",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }
    world.function("drain").handler({"Records": [odd]}, None)
    assert [line["correlation_id"] for line in counted(capsys)] == ["message-1"] * 2, "its age, and the fault"
