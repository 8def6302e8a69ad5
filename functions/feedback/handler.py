"""The feedback of SES: bounces, complaints and subscription changes, by way of SNS and a queue.

An event that can't be recorded now comes back later; one that can't be understood ends among the dead letters.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions.reports import Result
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.http.batches import Redelivery
from consentry.inbound import feedback
from consentry.inbound.feedback import UnintelligibleError
from consentry.links.keyring import SecretUnavailableError
from consentry.rules.ledger import Channel
from consentry.settings import Settings
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.inbound.feedback import Feedback
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read("FEEDBACK_QUEUE_URL"))
_NOT_NOW: Final = (StoreUnavailableError, SecretUnavailableError, PermanentFaultError)


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages of the queue, each one event of SES; those that failed are answered, and come back."""
    return batches.process(event, queue=take, redelivery=Redelivery(_NOT_NOW, feedback.WAITS, _hide))


def take(message: SQSRecord) -> None:
    """Record what one event says."""
    event = feedback.read(message.body, deployment.brands)
    counts = sum((_record(event, brand) for brand in event.brands), Counter[str]())
    brands = [brand.id for brand in event.brands]
    if event.kind == "Reject":
        telemetry.emit("mail rejected", {"MailsRejected": 1})
        telemetry.logger().error("mail rejected", brands=brands)
    telemetry.logger().info("feedback", kind=event.kind, brands=brands, counts=dict(counts) or {"ignored": 1})


def _hide(receipt_handle: str, seconds: int) -> None:
    deployment.feedback_queue.hide(receipt_handle, seconds)


def _record(event: Feedback, brand: Brand) -> Counter[str]:
    """What became of the reports of one event, counted.

    Raises:
        UnintelligibleError: it isn't clear whom some of it is about; the others are recorded.
    """
    now = time.time_ns() // 1_000_000
    reports = event.reports(brand)
    receipts = deployment.queued_reports.take_all(brand, reports, Channel.FEEDBACK, now, feedback.SOURCE)
    if nobody := sum(receipt.nobody for receipt in receipts):
        telemetry.unreadable(nobody, feedback.SOURCE, brand.id)
    if not all(report.email for report in reports):
        raise UnintelligibleError("an event about somebody without an address")
    counts = Counter(receipt.result.value for receipt in receipts)
    if event.complains_of_our_mail and counts[Result.APPLIED]:  # a complaint that comes twice is one
        deployment.breaker.complained(brand.id, now)
        telemetry.logger().warning("complaint about a mail of ours", brand=brand.id)
    return counts


deployment.prepare()
