"""The notifier: sends a brand's platforms what people decided.

The table's stream has the changes; each goes to a queue, a message an endpoint, and from there to the endpoint. What
an endpoint doesn't take is tried again, less and less often, for three days; `consentry.actions.notifier` decides when.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions import notifications
from consentry.aws.notifications import read
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.links.keyring import SecretUnavailableError
from consentry.settings import Settings
from consentry.table import schema
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("NOTIFICATION_QUEUE_URL", "NOTIFICATION_DEAD_LETTERS_URL"))

_UNAVAILABLE_S: Final = 60
"""What can't be tried for want of table or keys comes again after so long, and that is no try."""


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Records of the stream, or messages of the queue; those that failed are answered."""
    return batches.process(event, stream=announce, queue=notify)


def announce(record: DynamoDBRecord) -> None:
    """Something changed: queue what each endpoint is sent."""
    change = schema.change_of(record.raw_event["dynamodb"])
    brand = deployment.brands.get(change.brand) if change else None
    if change is not None and brand is not None:
        due = notifications.of(brand, change, time.time_ns() // 1_000_000)
        for notification in due:
            deployment.notifications.add(notification)
        if due:
            telemetry.emit("notification queued", {"Notifications": len(due)}, outcome="queued", brand=brand.id)


def notify(record: SQSRecord) -> None:
    """Notify one endpoint, unless it is to wait or nobody listens any more."""
    notification, waited = read(record.raw_event, time.time_ns() // 1_000_000)
    try:
        deployment.notifier.notify(notification, waited)
    except (StoreUnavailableError, SecretUnavailableError) as exc:
        telemetry.report(exc, notify.__name__)
        deployment.notifier.later(notification, waited, _UNAVAILABLE_S)


deployment.prepare()
