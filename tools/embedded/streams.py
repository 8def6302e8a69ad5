"""The table's stream, when the table is kept by another engine than the emulator.

The emulator's event source mappings read its own streams only. So we read the other engine's, and invoke the
mapped functions as Lambda would: filtered, in order, a failed batch again.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from embedded.aws import client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAUSE = 0.3
"""Seconds between looks at an idle stream, and before a failed batch is tried again."""
MOST_TRIES = 5


def follow(endpoint: str, emulator: str, table: str) -> None:
    """Invoke the functions mapped to ``table`` for what its stream at ``endpoint`` tells from now on.

    Returns at once; a daemon thread goes on until the process ends.
    """
    mappings = [
        mapping
        for mapping in client("lambda", emulator).list_event_source_mappings()["EventSourceMappings"]
        if f":table/{table}/stream/" in mapping["EventSourceArn"]
    ]
    stream = client("dynamodb", endpoint).describe_table(TableName=table)["Table"]["LatestStreamArn"]
    follower = _Follower(client("dynamodbstreams", endpoint), client("lambda", emulator), stream, mappings)
    threading.Thread(target=follower.run, name="follow-stream", daemon=True).start()


class _Follower:
    """Reads every shard of a stream from its end on."""

    def __init__(self, streams: Any, functions: Any, stream: str, mappings: Sequence[Mapping[str, Any]]) -> None:
        self._streams = streams
        self._functions = functions
        self._stream = stream
        self._mappings = mappings
        self._iterators = {shard: self._iterator(shard, "LATEST") for shard in self._shards()}

    def run(self) -> None:
        """Look for records until the process ends."""
        while True:
            try:
                for shard in self._shards():
                    if shard not in self._iterators:
                        self._iterators[shard] = self._iterator(shard, "TRIM_HORIZON")
                for shard in list(self._iterators):
                    self._read(shard)
            except (BotoCoreError, ClientError):
                pass  # the engine may be faulty on purpose, or gone: look again
            time.sleep(PAUSE)

    def _shards(self) -> Iterator[str]:
        description = self._streams.describe_stream(StreamArn=self._stream)["StreamDescription"]
        return (shard["ShardId"] for shard in description["Shards"])

    def _iterator(self, shard: str, start: str) -> str | None:
        found = self._streams.get_shard_iterator(StreamArn=self._stream, ShardId=shard, ShardIteratorType=start)
        return str(found["ShardIterator"])

    def _read(self, shard: str) -> None:
        iterator = self._iterators[shard]
        if iterator is None:  # the shard is closed and read
            return
        page = self._streams.get_records(ShardIterator=iterator)
        for mapping in self._mappings:
            records = [record for record in map(as_lambda_sees, page["Records"]) if passes(record, mapping)]
            if records:
                self._deliver(mapping, records)
        self._iterators[shard] = page.get("NextShardIterator")

    def _deliver(self, mapping: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Invoke the function, again for what it reports as failed."""
        left = list(records)
        for _ in range(MOST_TRIES):
            answer = self._functions.invoke(
                FunctionName=mapping["FunctionArn"], Payload=json.dumps({"Records": left}).encode()
            )
            report = json.load(answer["Payload"])
            if not answer.get("FunctionError"):
                failed = {entry["itemIdentifier"] for entry in (report or {}).get("batchItemFailures") or []}
                first = next((i for i, entry in enumerate(left) if entry["dynamodb"]["SequenceNumber"] in failed), None)
                if first is None:
                    return
                left = left[first:]  # Lambda goes on from the first failure
            time.sleep(PAUSE)


def as_lambda_sees(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the Streams API in the form that Lambda hands to functions."""
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": record.get("awsRegion", ""),
        "dynamodb": _as_json(record["dynamodb"]),
    }


def _as_json(value: Any) -> Any:
    """Bytes as base64 and instants as epoch seconds, all the way down."""
    match value:
        case dict():
            return {name: _as_json(entry) for name, entry in value.items()}
        case list():
            return [_as_json(entry) for entry in value]
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return int(value.timestamp())
        case _:
            return value


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
