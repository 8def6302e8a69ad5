"""A foreign engine's stream, as functions see it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dev.emulator.streams import _Follower, as_lambda_sees, passes


def record(**image: dict[str, str]) -> dict[str, Any]:
    return {"eventName": "MODIFY", "dynamodb": {"Keys": {"sk": {"S": "CONTACT"}}, "NewImage": image}}


def mapping(*patterns: dict[str, Any]) -> dict[str, Any]:
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}}


def test_without_filters_everything_passes() -> None:
    assert passes(record(), {})
    assert passes(record(), {"FilterCriteria": {"Filters": []}})


@pytest.mark.parametrize(
    ("pattern", "passing"),
    [
        ({"dynamodb": {"NewImage": {"mail": {"S": ["due"]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": ["sent", "due"]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": ["sent"]}}}}, False),
        ({"dynamodb": {"NewImage": {"other": {"S": ["due"]}}}}, False),
        ({"dynamodb": {"NewImage": {"other": {"S": [{"exists": False}]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": [{"exists": True}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "CON"}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": ["STATE"]}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": "CONTACT"}]}}}}, False),
        ({"eventName": ["MODIFY"], "dynamodb": {"Keys": {"sk": {"S": ["STATE"]}}}}, False),
    ],
)
def test_a_filter_lets_through_what_lambda_would(pattern: dict[str, Any], passing: bool) -> None:
    assert passes(record(mail={"S": "due"}), mapping(pattern)) is passing


def test_one_fitting_filter_suffices() -> None:
    assert passes(record(), mapping({"eventName": ["INSERT"]}, {"eventName": ["MODIFY"]}))


def test_a_record_is_plain_json_for_the_function() -> None:
    seen = as_lambda_sees(
        {
            "eventID": "1",
            "eventName": "INSERT",
            "awsRegion": "ddblocal",
            "dynamodb": {
                "ApproximateCreationDateTime": datetime(2026, 11, 23, tzinfo=UTC),
                "NewImage": {"b": {"B": b"\x00\xff"}, "l": {"L": [{"N": "1"}]}},
                "SequenceNumber": "7",
            },
        }
    )
    assert json.loads(json.dumps(seen)) == seen
    assert seen["eventSource"] == "aws:dynamodb"
    assert seen["dynamodb"]["ApproximateCreationDateTime"] == 1795392000
    assert seen["dynamodb"]["NewImage"] == {"b": {"B": "AP8="}, "l": {"L": [{"N": "1"}]}}


# --- failing functions ------------------------------------------------------------------------------------------------


class Functions:
    """Lambda's invoke: notes what it was handed, and fails as it is told, once for each."""

    def __init__(self, *reports: Any) -> None:
        self.reports = list(reports)
        self.handed: list[list[str]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.handed.append([each["dynamodb"]["SequenceNumber"] for each in json.loads(Payload)["Records"]])
        report = self.reports.pop(0) if self.reports else {"batchItemFailures": []}
        failed = {"FunctionError": "Unhandled"} if report is None else {}
        return {"Payload": io.BytesIO(json.dumps(report or {}).encode()), **failed}


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Deliver three records to a function that fails so; the batches that it was handed."""
    monkeypatch.setattr("dev.emulator.streams.PAUSE", 0.0)

    def deliver(*reports: Any, **mapping: Any) -> list[list[str]]:
        functions = Functions(*reports)
        streams = SimpleNamespace(describe_stream=lambda **_: {"StreamDescription": {"Shards": []}})
        follower = _Follower(streams, functions, "arn", {"FunctionArn": "courier", **mapping})
        follower._deliver([{"dynamodb": {"SequenceNumber": number}} for number in "123"])
        return functions.handed

    return deliver


def test_a_batch_that_fails_comes_again_whole(follow: Callable[..., list[list[str]]]) -> None:
    assert follow(None, None) == [["1", "2", "3"]] * 3


def test_after_a_partial_answer_the_batch_goes_on_from_the_first_failure(
    follow: Callable[..., list[list[str]]],
) -> None:
    report = {"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}
    assert follow(report) == [["1", "2", "3"], ["2", "3"]]


def test_a_batch_is_given_up_after_as_many_tries_as_its_mapping_says(
    follow: Callable[..., list[list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(follow(*[None] * 9, MaximumRetryAttempts=2)) == 3
    assert "3 records of the stream are given up after 2 more tries" in capsys.readouterr().err


# --- a stream that can't be read --------------------------------------------------------------------------------------


class ExpiredIteratorError(ClientError):
    """As the streams client has it."""

    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "ExpiredIteratorException"}}, "GetRecords")


class Shard:
    """DynamoDB Streams with one shard; an iterator is the number of the record that it stands before."""

    exceptions = SimpleNamespace(ExpiredIteratorException=ExpiredIteratorError)

    def __init__(self) -> None:
        self.records = 0
        self.fails: list[Exception] = []

    def describe_stream(self, **_: str) -> dict[str, Any]:
        return {"StreamDescription": {"Shards": [{"ShardId": "only"}]}}

    def get_shard_iterator(self, *, ShardIteratorType: str, SequenceNumber: str = "", **_: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        first = {"LATEST": self.records, "TRIM_HORIZON": 0}
        return {"ShardIterator": str(first.get(ShardIteratorType, int(SequenceNumber or 0)))}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if self.fails:
            raise self.fails.pop()
        numbers = range(int(ShardIterator) + 1, self.records + 1)
        records = [
            {"eventID": str(number), "eventName": "INSERT", "dynamodb": {"SequenceNumber": str(number)}}
            for number in numbers
        ]
        return {"Records": records, "NextShardIterator": str(self.records)}


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "InternalServerError"}}, "GetRecords"),
        KeyError("Records"),
        ExpiredIteratorError(),
    ],
    ids=["refused", "unreadable", "expired"],
)
@pytest.mark.parametrize("at", [0, 1], ids=["at once", "later"])
def test_no_record_is_missed_or_doubled_when_the_stream_fails_between_two_looks(fault: Exception, at: int) -> None:
    shard, functions = Shard(), Functions()
    follower = _Follower(shard, functions, "arn", {"FunctionArn": "courier"})
    for look in range(4):
        shard.records += 1
        if look == at:
            shard.fails.append(fault)
        follower.look()
    follower.look()
    assert [number for batch in functions.handed for number in batch] == ["1", "2", "3", "4"]
