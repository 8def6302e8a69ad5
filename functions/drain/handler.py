"""The drain: records what was accepted while the table was away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consentry import batches, spool, wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the spool; those that can't be recorded yet are answered, and come back."""
    return batches.process(event, queue=record)


def record(message: SQSRecord) -> None:
    """Record one event, as of its own instant."""
    waiting = spool.from_json(message.body)
    recorded = wiring.store().record(
        waiting.event, evidence=waiting.evidence, evidence_days=waiting.evidence_days, address=waiting.address
    )
    wiring.logger().info("drained", outcome=recorded.outcome.value, kind=waiting.event.kind.value)


wiring.prepare()
