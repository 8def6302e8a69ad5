"""The notifier: tells a brand's platforms what people decided.

The table's stream tells of changes; each goes to a queue, a message an endpoint, and from there to the endpoint. What
an endpoint doesn't take is tried again, less and less often, for three days; `consentry.actions.notifier` decides when.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions import notifications
from consentry.actions.notifications import Waited
from consentry.actions.notifier import Notifier
from consentry.deployment import Deployment
from consentry.http import batches, outgoing
from consentry.http.outgoing import UnreachableError
from consentry.links.keyring import SecretUnavailableError
from consentry.settings import Settings
from consentry.table import schema
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.actions.notifications import Notification
    from consentry.aws.queues import Queue
    from consentry.rules.brands import Brand, Endpoint

deployment = Deployment(Settings.read("NOTIFICATION_QUEUE_URL", "NOTIFICATION_DEAD_LETTERS_URL"))

WAITED: Final = "waited"
"""The attribute of a message that says how its notification waited so far. Not in its body: the version before, beside
which a deployment runs for some minutes, knows nothing of it, and needn't."""
_AWAY_S: Final = 60
"""What can't be tried for want of table or keys comes again after so long, and that is no try."""


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Records of the stream, or messages of the queue; those that failed are answered."""
    return batches.process(event, stream=announce, queue=tell)


def announce(record: DynamoDBRecord) -> None:
    """Something changed: queue what each endpoint is told."""
    change = schema.change_of(record.raw_event["dynamodb"])
    brand = deployment.brands.get(change.brand) if change else None
    if change is not None and brand is not None:
        told = notifications.of(brand, change)
        for each in told:
            _queue(deployment.notification_queue, each)
        if told:
            telemetry.emit("notification queued", {"Notifications": len(told)}, outcome="queued", brand=brand.id)


def tell(record: SQSRecord) -> None:
    """Tell one endpoint, unless it is to wait or nobody listens any more."""
    notification = notifications.from_json(record.body)
    waited = _waited(record)
    if _listening(notification) is None:
        return
    try:
        _notifier().tell(notification, waited)
    except (StoreUnavailableError, SecretUnavailableError) as exc:
        telemetry.report(exc, tell.__name__)
        _notifier().later(notification, waited, _AWAY_S)


def _waited(record: SQSRecord) -> Waited:
    """How a notification waited so far.

    A message that says nothing of it is new, however often SQS brought it: it may have been throttled. One that was
    sent after its notification ended was put back by somebody, out of the dead letters, and begins anew.
    """
    sent = int(record.raw_event["attributes"].get("SentTimestamp", _now()))
    said = record.raw_event.get("messageAttributes", {}).get(WAITED, {}).get("stringValue")
    waited = notifications.waited_from_json(said) if said else Waited(0, sent)
    return Waited(0, sent) if sent > waited.ends else waited


def _listening(notification: Notification) -> tuple[Brand, Endpoint] | None:
    """Whom it is for, if the brand file still has them."""
    brand = deployment.brands.get(notification.brand)
    if brand is None:
        return None
    return next(((brand, each) for each in brand.notifications if each.id == notification.endpoint), None)


def _notifier() -> Notifier:
    return Notifier(deployment.endpoints, _call, _put_off, _give_up, _away, _now)


def _call(notification: Notification) -> bool:
    """Whether the endpoint took it."""
    listening = _listening(notification)
    status = _post(notification, *listening) if listening else 0
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
    return taken


def _post(notification: Notification, brand: Brand, endpoint: Endpoint) -> int:
    """The endpoint's status; 0 if it can't be reached."""
    secrets = deployment.keyring.notification_secrets(brand.id, endpoint.id)
    email = ""
    if brand.keeps_address:
        contact = deployment.store.contact(brand.id, notification.subscriber_id)
        email = contact.address if contact else ""
    body, headers = notifications.sign(notification, secrets, _now(), email)
    if not secrets:
        telemetry.logger().error("endpoint without a secret", brand=brand.id, endpoint=endpoint.id)
        return 0
    try:
        return outgoing.post(endpoint.url, body, headers, private_network=endpoint.private_network)
    except UnreachableError as exc:
        telemetry.logger().warning("endpoint unreachable", endpoint=endpoint.id, why=str(exc))
        return 0


def _put_off(notification: Notification, waited: Waited, seconds: int) -> None:
    queue = deployment.notification_queue
    _queue(queue, notification, seconds=seconds, attributes={WAITED: waited.to_json()})
    telemetry.waits(queue.name, waited.since)  # as a new message it would begin at nothing each time


def _give_up(notification: Notification) -> None:
    """Put a notification among the dead letters, as a message of its own: SQS would count its 14 days from the change.

    It says nothing of how it waited: who puts it back into the queue has it tried from the start.
    """
    _queue(deployment.notification_dead_letters, notification)


def _queue(queue: Queue, notification: Notification, **how: Any) -> None:
    """The group keeps an endpoint whose calls take long from delaying the others."""
    queue.send(notification.to_json(), group=f"{notification.brand}/{notification.endpoint}", **how)


def _away(notification: Notification) -> None:
    telemetry.emit("endpoint away", {"EndpointsAway": 1}, brand=notification.brand, endpoint=notification.endpoint)


def _now() -> int:
    return time.time_ns() // 1_000_000


deployment.prepare()
