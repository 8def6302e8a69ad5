"""The drain: makes count what was accepted while the table or the keys were away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consentry import batches, wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the spool; those that can't be recorded yet are answered, and come back."""
    return batches.process(event, queue=record)


def record(message: SQSRecord) -> None:
    """Record one, as of its own instant."""
    outcome = wiring.replay().apply(message.body)
    wiring.logger().info("drained", outcome=outcome)


wiring.prepare()
