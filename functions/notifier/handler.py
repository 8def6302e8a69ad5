"""The notifier: tells a brand's platforms what people decided.

The table's stream tells of changes; each goes to a queue, a message an endpoint, and from there to the endpoint. An
endpoint that fails is tried again, less and less often, for three days; it holds up no other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import batches, notifications, outgoing, telemetry, wiring
from consentry.batches import LaterError
from consentry.outgoing import UnreachableError
from consentry.table import schema

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.notifications import Notification


class NotTakenError(LaterError):
    """The endpoint didn't take the notification."""


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Records of the stream, or messages of the queue; those that failed are answered."""
    return batches.process(event, stream=announce, queue=tell)


def announce(record: DynamoDBRecord) -> None:
    """Something changed: queue what each endpoint is told."""
    change = schema.change_of(record.raw_event["dynamodb"])
    brand = wiring.brands().get(change.brand) if change else None
    if change is not None and brand is not None:
        told = notifications.of(brand, change)
        wiring.queue_notifications(told)
        if told:
            telemetry.emit("notification queued", {"Notifications": len(told)}, outcome="queued", brand=brand.id)


def tell(record: SQSRecord) -> None:
    """Tell one endpoint; if it doesn't take it, the queue brings the message back later."""
    notification = notifications.from_json(record.body)
    status = _post(notification)
    taken = 200 <= status < 300  # noqa: PLR2004 - Standard Webhooks: any 2xx is success
    counted: dict[str, float] = {"Notifications": 1}
    if taken:
        counted["NotificationDelay"] = max(0, _now() - notification.timestamp)
    telemetry.emit(
        "notification",
        counted,
        outcome="taken" if taken else "failed",
        brand=notification.brand,
        endpoint=notification.endpoint,
        status=status,
        event_id=notification.event_id,
    )
    if not taken:
        tries = int(record.attributes.approximate_receive_count)
        if tries > len(notifications.WAITS_S):
            wiring.give_up_notification(notification)
            return
        wiring.put_off_notification(record.receipt_handle, notifications.wait(tries))
        raise NotTakenError


def _post(notification: Notification) -> int:
    """The endpoint's status; 0 if it can't be reached."""
    brand = wiring.brands().get(notification.brand)
    endpoint = next((each for each in brand.notifications if each.id == notification.endpoint), None) if brand else None
    if brand is None or endpoint is None:
        return 204  # it is no longer listened for: done
    secrets = wiring.keyring().notification_secrets(brand.id, endpoint.id)
    email = ""
    if brand.keeps_address:
        contact = wiring.store().contact(brand.id, notification.subscriber_id)
        email = contact.address if contact else ""
    body, headers = notifications.sign(notification, secrets, _now(), email)
    if not secrets:
        wiring.logger().error("endpoint without a secret", brand=brand.id, endpoint=endpoint.id)
        return 0
    try:
        return outgoing.post(endpoint.url, body, headers, private_network=endpoint.private_network)
    except UnreachableError as exc:
        wiring.logger().warning("endpoint unreachable", endpoint=endpoint.id, why=str(exc))
        return 0


def _now() -> int:
    return time.time_ns() // 1_000_000


wiring.prepare()
