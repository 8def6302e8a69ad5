"""The drain: makes count what was accepted while the table or the keys were away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import telemetry, wiring
from consentry.actions import replay
from consentry.http import batches

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the spool; those that can't be recorded yet are answered, and come back."""
    return batches.process(event, queue=record)


def record(message: SQSRecord) -> None:
    """Record one, as of its own instant."""
    try:
        outcome = wiring.replay().apply(message.body)
    except Exception:  # whatever it is: what was accepted waits for whoever mends it
        tries = int(message.attributes.approximate_receive_count)
        wiring.put_off_spooled(message.receipt_handle, replay.wait(tries))
        raise
    waited = time.time_ns() // 1_000_000 - int(message.attributes.sent_timestamp)
    telemetry.emit("drained", {"SpoolDelay": max(0, waited)}, outcome=outcome)


wiring.prepare()
