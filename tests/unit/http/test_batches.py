"""What a function could not do comes back, and is seen: by its age, by its fault, and by whether waiting helps."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from consentry import telemetry
from consentry.actions.waiting import LaterError, doubling
from consentry.http import batches
from consentry.http.batches import AllFailedError, Redelivery
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError

NOW: Final = 1_800_000_000_000
MINUTE: Final = 60_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: NOW * 1_000_000)


def message(sent: int) -> dict[str, Any]:
    """A message of a queue, as Lambda gets it."""
    return {
        "messageId": "message-1",
        "receiptHandle": "r",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "7", "SentTimestamp": str(sent)},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:consentry-SpoolQueue-Ab12",
    }


def change(at: int) -> dict[str, Any]:
    """A record of the table's stream, as Lambda gets it."""
    return {
        "eventID": "record-1",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {"ApproximateCreationDateTime": at / 1000, "SequenceNumber": "1", "NewImage": {}},
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/T/stream/2026",
    }


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What CloudWatch counts, by metric."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    return {
        name: line[name]
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for name in (*(each["Name"] for each in directive["Metrics"]), *directive["Dimensions"][0])
        if name != "service"
    }


def failing(exc: Exception) -> Any:
    def handle(_record: Any) -> None:
        raise exc

    return handle


@pytest.mark.parametrize("exc", [LaterError(60), StoreUnavailableError("unavailable"), ValueError("odd")])
def test_the_age_of_a_message_that_comes_back_is_counted_however_often_it_came(
    capsys: pytest.CaptureFixture[str], exc: Exception
) -> None:
    answer = batches.process({"Records": [message(NOW - 10 * MINUTE)]}, queue=failing(exc))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    told = counted(capsys)
    assert (told["Waiting"], told["queue"]) == (600, "consentry-SpoolQueue-Ab12")


def test_a_message_comes_back_as_its_schedule_says_after_the_faults_that_it_is_for() -> None:
    """The seventh try of the message has failed."""
    hidden: list[tuple[str, int]] = []
    redelivery = Redelivery((StoreUnavailableError,), doubling(5, 300), lambda *how: hidden.append(how))
    for exc in (ValueError("odd"), StoreUnavailableError("unavailable")):
        batches.process({"Records": [message(NOW)]}, queue=failing(exc), redelivery=redelivery)
    assert hidden == [("r", 300)]


def test_records_that_a_function_does_not_handle_are_not_swallowed() -> None:
    with pytest.raises(ValueError, match="aws:dynamodb"):
        batches.process({"Records": [change(NOW)]}, queue=lambda _: None)


def test_the_age_of_a_change_that_holds_up_the_stream_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AllFailedError):
        batches.process({"Records": [change(NOW - 3 * MINUTE)]}, stream=failing(StoreUnavailableError("unavailable")))
    told = counted(capsys)
    assert (told["Waiting"], told["queue"]) == (180, "stream")


def test_what_is_done_counts_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    batches.process({"Records": [message(NOW - 10 * MINUTE)]}, queue=lambda _: None)
    batches.process({"Records": [change(NOW - 3 * MINUTE)]}, stream=lambda _: None)
    assert counted(capsys) == {}


def test_what_the_table_can_never_take_is_counted_apart_from_what_passes(capsys: pytest.CaptureFixture[str]) -> None:
    batches.process({"Records": [message(NOW)]}, queue=failing(PermanentFaultError("too large")))
    told = counted(capsys)
    assert (told["Waiting"], told["Faults"], told["PermanentFaults"]) == (0, 1, 1)
    batches.process({"Records": [message(NOW)]}, queue=failing(StoreUnavailableError("unavailable")))
    assert "PermanentFaults" not in counted(capsys)


def test_a_page_that_meets_what_the_table_can_never_take_counts_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = RuntimeError("of our own")
    wrapped.__cause__ = PermanentFaultError("too large")
    for exc in (PermanentFaultError("too large"), wrapped):
        telemetry.report(exc, "POST /u/{token+}")
        told = counted(capsys)
        assert (told["Faults"], told["PermanentFaults"], told["VersionFaults"]) == (1, 1, 1)
