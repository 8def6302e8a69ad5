"""Batches: records of the table's stream, or messages of a queue, each handled by itself and failing by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from consentry import telemetry
from consentry.actions.waiting import LaterError
from consentry.table import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse

    from consentry.actions.waiting import Schedule

# Powertools' own exception for a batch that fails whole would be logged with every cause's text, and causes quote
# addresses.
_PROCESSORS: Final = {
    "aws:dynamodb": BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False),
    "aws:sqs": BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
}


STREAM: Final = "stream"
"""How the table's stream is called where queues are called by their names."""


class Redelivery(NamedTuple):
    """When a queue brings a message back that couldn't be handled."""

    faults: tuple[type[Exception], ...]
    """For which of them; for others, when the queue itself would."""
    waits: Schedule
    hide: Callable[[str, int], None]
    """Keeps a message, by its receipt handle, hidden for so many seconds."""


class AllFailedError(Exception):
    """Every record of a stream's batch failed."""


def process(
    event: dict[str, Any],
    *,
    stream: Callable[[Any], None] | None = None,
    queue: Callable[[Any], None] | None = None,
    redelivery: Redelivery | None = None,
) -> PartialItemFailureResponse:
    """Handle each record, and answer those that have to come back.

    A batch of the stream of which nothing could be done raises: then the whole of it comes back, also from a mapping
    that knows no partial answers.

    Args:
        event: what Lambda got.
        stream: handles a record of the table's stream.
        queue: handles a message of a queue. Both get a Powertools record and raise what goes wrong.
        redelivery: when messages come back.

    Raises:
        AllFailedError: see above; it names no cause, since causes may quote an address.
    """
    source = event["Records"][0]["eventSource"]
    handle = queue if source == "aws:sqs" else stream
    if handle is None:
        raise ValueError(f"nothing here handles records of {source}")
    answer = process_partial_response(event, _reporting(handle, redelivery), _PROCESSORS[source])
    if source == "aws:dynamodb" and len(answer["batchItemFailures"]) == len(event["Records"]):
        raise AllFailedError(f"all {len(event['Records'])} records failed")
    return answer


def _reporting(handle: Callable[[Any], None], redelivery: Redelivery | None) -> Callable[[Any], None]:
    """`handle`, with what goes wrong logged and its age counted: the record comes back, and nothing else says so."""

    def reported(record: Any) -> None:
        try:
            telemetry.begin(_correlation_id(record.raw_event))
            handle(record)
        except LaterError as exc:
            _waits(record.raw_event)
            telemetry.logger().warning("deferred", kind=type(exc).__name__)
            raise
        except Exception as exc:
            _waits(record.raw_event)
            telemetry.report(exc, handle.__name__)
            if redelivery and isinstance(exc, redelivery.faults):
                tries = int(record.attributes.approximate_receive_count)
                redelivery.hide(record.receipt_handle, redelivery.waits.after(tries))
            raise

    return reported


def _waits(record: Mapping[str, Any]) -> None:
    """Count how old a record is that comes back: a message since it was sent, one of the stream since its change.

    One that doesn't say, as an emulator's may not, is as old as now.
    """
    if "dynamodb" in record:
        telemetry.waits(STREAM, int(1000 * record["dynamodb"].get("ApproximateCreationDateTime", time.time())))
    else:
        sent = record.get("attributes", {}).get("SentTimestamp", time.time_ns() // 1_000_000)
        telemetry.waits(record.get("eventSourceARN", "").rpartition(":")[2], int(sent))


def _correlation_id(record: Mapping[str, Any]) -> str:
    """The id of the request that a record follows from; where there was none, the record's own name."""
    if "dynamodb" in record:
        return schema.correlation_id(record["dynamodb"]) or str(record.get("eventID", ""))
    said = record.get("messageAttributes", {}).get("correlation_id", {})
    return str(said.get("stringValue") or record.get("messageId", ""))
