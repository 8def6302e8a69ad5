"""Another DynamoDB for the functions: a fault proxy in front of the emulator, or another engine, and then its stream.

The emulator's event source mappings read its own streams only. So we read the other engine's, and invoke the
mapped functions as Lambda would: filtered, in order, a failed batch again.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dev.emulator.aws import client
from dev.terminal import complain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

PAUSE = 0.3
"""Seconds between looks at an idle stream, and before a failed batch is tried again the first time."""
LONGEST_PAUSE = 5.0
"""Seconds; the pause before another try doubles up to it."""
BATCH = 10
"""Records of one invocation at most, as in the template; the mappings were set to one, for the emulator's sake."""


SAME_FOR_BOTH = ("AttributeDefinitions", "KeySchema", "StreamSpecification")
"""What a table needs to serve the functions, in the words of both `DescribeTable` and `CreateTable`."""


def serve(endpoint: str, emulator: str, table: str) -> None:
    """Make sure that `table` exists at `endpoint`, and follow its stream if that is an engine of its own.

    Functions find it in the environment that they inherit, so nothing else changes. Where nothing answers (an
    outage, on purpose), this says so and leaves it at that.
    """
    ours, other = client("dynamodb", emulator), client("dynamodb", endpoint)
    deployed = ours.describe_table(TableName=table)["Table"]
    try:
        try:
            found = other.describe_table(TableName=table)["Table"]
        except other.exceptions.ResourceNotFoundException:
            same = {name: deployed[name] for name in SAME_FOR_BOTH if name in deployed}
            found = {}
            other.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **same)
            other.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
            expiry = {"AttributeName": _expiry_of(ours, table), "Enabled": True}
            other.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
        if not found or found.get("TableId") != deployed.get("TableId"):
            _follow(endpoint, emulator, table)
    except (BotoCoreError, ClientError) as exc:
        complain(f"warning: no table at DYNAMODB_ENDPOINT_URL={endpoint}: {exc}")


def _expiry_of(dynamodb: Any, table: str) -> str:
    return str(dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["AttributeName"])


def _follow(endpoint: str, emulator: str, table: str) -> None:
    """Invoke the functions mapped to `table` for what its stream has from now on.

    A daemon thread for each mapping goes on until the process ends, so that a function that fails holds up no other.
    """
    stream = client("dynamodb", endpoint).describe_table(TableName=table)["Table"]["LatestStreamArn"]
    for mapping in client("lambda", emulator).list_event_source_mappings()["EventSourceMappings"]:
        if f":table/{table}/stream/" in mapping["EventSourceArn"]:
            follower = _Follower(client("dynamodbstreams", endpoint), client("lambda", emulator), stream, mapping)
            threading.Thread(target=follower.run, name="follow-stream", daemon=True).start()


class _Follower:
    """Reads every shard of a stream from its end on, for one mapping."""

    def __init__(self, streams: Any, functions: Any, stream: str, mapping: Mapping[str, Any]) -> None:
        self._streams = streams
        self._functions = functions
        self._stream = stream
        self._mapping = mapping
        self._iterators = {shard: self._iterator(shard, "LATEST") for shard in self._shards()}
        self._read_up_to: dict[str, str] = {}

    def run(self) -> None:
        """Look for records until the process ends."""
        while True:
            self.look()
            time.sleep(PAUSE)

    def look(self) -> None:
        """Deliver what has come since the last look. Whatever goes wrong, there is a next one."""
        try:
            for shard in self._shards():
                if shard not in self._iterators:
                    self._iterators[shard] = self._iterator(shard, "TRIM_HORIZON")
            for shard in list(self._iterators):
                self._read(shard)
        except (BotoCoreError, ClientError):
            pass  # the engine may be faulty on purpose, or gone
        except Exception as exc:  # noqa: BLE001 - a thread that ends here would keep the stream from everybody
            complain(f"warning: the stream couldn't be read: {type(exc).__name__}")

    def _shards(self) -> Iterator[str]:
        description = self._streams.describe_stream(StreamArn=self._stream)["StreamDescription"]
        return (shard["ShardId"] for shard in description["Shards"])

    def _iterator(self, shard: str, start: str, **position: str) -> str | None:
        found = self._streams.get_shard_iterator(
            StreamArn=self._stream, ShardId=shard, ShardIteratorType=start, **position
        )
        return str(found["ShardIterator"])

    def _read(self, shard: str) -> None:
        iterator = self._iterators[shard]
        if iterator is None:  # the shard is closed and read
            return
        try:
            page = self._streams.get_records(ShardIterator=iterator)
        except self._streams.exceptions.ExpiredIteratorException:
            self._iterators[shard] = self._resume(shard)
            return
        records = [record for record in map(as_lambda_sees, page["Records"]) if passes(record, self._mapping)]
        for at in range(0, len(records), BATCH):
            self._deliver(records[at : at + BATCH])
        if page["Records"]:
            self._read_up_to[shard] = page["Records"][-1]["dynamodb"]["SequenceNumber"]
        self._iterators[shard] = page.get("NextShardIterator")

    def _resume(self, shard: str) -> str | None:
        """An iterator for what comes after the last record read: one lasts a quarter of an hour only."""
        if shard in self._read_up_to:
            return self._iterator(shard, "AFTER_SEQUENCE_NUMBER", SequenceNumber=self._read_up_to[shard])
        return self._iterator(shard, "TRIM_HORIZON")

    def _deliver(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Invoke the function, again for what it reports as failed, as often as the mapping says."""
        left = list(records)
        tries, pause = 0, PAUSE
        most = self._mapping.get("MaximumRetryAttempts", -1)
        while True:
            failed_from = self._invoke(left)
            if failed_from is None:
                return
            # Lambda goes on from the first failure, and counts anew once something was done.
            tries = tries + 1 if failed_from == 0 else 1
            left = left[failed_from:]
            if 0 <= most < tries:
                complain(f"warning: {len(left)} records of the stream are given up after {most} more tries")
                return
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _invoke(self, records: Sequence[Mapping[str, Any]]) -> int | None:
        """Which record failed first; None if all are done."""
        payload = json.dumps({"Records": records}).encode()
        try:
            answer = self._functions.invoke(FunctionName=self._mapping["FunctionArn"], Payload=payload)
        except (BotoCoreError, ClientError):
            return 0
        report = json.load(answer["Payload"])
        if answer.get("FunctionError"):
            return 0
        failed = {entry["itemIdentifier"] for entry in (report or {}).get("batchItemFailures") or []}
        return next((at for at, each in enumerate(records) if each["dynamodb"]["SequenceNumber"] in failed), None)


def as_lambda_sees(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the Streams API in the form that Lambda hands to functions."""
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.get("awsRegion", ""),
        "dynamodb": json.loads(json.dumps(record["dynamodb"], default=_plain)),
    }


def _plain(value: bytes | datetime) -> str | int:
    """Bytes as base64, instants as epoch seconds."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else int(value.timestamp())


def passes(record: Mapping[str, Any], mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping's filters let a record through: any of them suffices."""
    filters = (mapping.get("FilterCriteria") or {}).get("Filters") or []
    return not filters or any(_matches(record, json.loads(entry["Pattern"])) for entry in filters)


def _matches(value: Any, pattern: Any) -> bool:
    """Lambda's filter syntax, as far as templates use it: values, ``exists``, ``prefix``, ``anything-but``."""
    if isinstance(pattern, dict):
        return all(
            _matches(value.get(name) if isinstance(value, dict) else None, wanted) for name, wanted in pattern.items()
        )
    return any(_fits(value, wanted) for wanted in pattern)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a value fits one entry of a pattern's list."""
    match wanted:
        case {"exists": exists}:
            return (value is not None) == bool(exists)
        case {"prefix": prefix}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"anything-but": refused}:
            several = refused if isinstance(refused, list) else [refused]
            return value is not None and value not in several
        case _:
            return bool(value == wanted)
