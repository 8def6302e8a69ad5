"""The drain: makes count what was accepted while the table or the keys were away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import telemetry
from consentry.actions import replay
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the spool; those that can't be recorded yet are answered, and come back."""
    return batches.process(event, queue=record)


def record(message: SQSRecord) -> None:
    """Record one, as of its own instant."""
    try:
        outcome = deployment.replay.apply(message.body)
    except Exception:  # whatever it is: what was accepted waits for whoever mends it
        tries = int(message.attributes.approximate_receive_count)
        deployment.spool_queue.defer(message.receipt_handle, replay.wait(tries))
        raise
    waited = time.time_ns() // 1_000_000 - int(message.attributes.sent_timestamp)
    telemetry.emit("drained", {"SpoolDelay": max(0, waited)}, outcome=outcome)


deployment.prepare()
