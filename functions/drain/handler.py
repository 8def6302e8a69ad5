"""The drain: makes count what was accepted while the table or the keys were unavailable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import telemetry
from consentry.actions import replay
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.http.batches import Redelivery
from consentry.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the spool; those that can't be recorded yet are answered, and come back."""
    # Whatever goes wrong: what was accepted waits for whoever fixes it.
    return batches.process(event, queue=record, redelivery=Redelivery((Exception,), replay.WAITS, _hide))


def record(message: SQSRecord) -> None:
    """Record one, as of its own instant."""
    outcome = deployment.replay.apply(message.body)
    waited = time.time_ns() // 1_000_000 - int(message.attributes.sent_timestamp)
    telemetry.emit("drained", {"SpoolDelay": max(0, waited)}, outcome=outcome)


def _hide(receipt_handle: str, seconds: int) -> None:
    deployment.spool_queue.hide(receipt_handle, seconds)


deployment.prepare()
