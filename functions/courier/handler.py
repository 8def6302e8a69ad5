"""The courier: sends the emails that are due.

The table's stream has the emails that are due. One that can't be sent at once goes to a queue, by reference, so that
it holds up no other.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions.courier import Delivery, HeldBackError
from consentry.actions.waiting import LaterError
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.rules.ledger import new_event_id
from consentry.settings import Settings
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from consentry.table.outbox import MailDue
from consentry.table.schema import CONTACT, GOODBYE, LINK, RETURN, STATE, change_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("MAIL_QUEUE_URL", "CONFIGURATION_SET"))

_TABLE_UNAVAILABLE_S: Final = 60


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Records of the stream, or references from the queue; those that failed are answered."""
    return batches.process(event, stream=announce, queue=try_again)


def announce(record: DynamoDBRecord) -> None:
    """An email has become due, or somebody left."""
    keys = record.raw_event["dynamodb"]["NewImage"]
    if keys["sk"]["S"] == STATE:
        _say_goodbye(record)
        return
    if keys.get("mail", {}).get("S") != "due":
        return
    _, brand, subscriber_id = keys["pk"]["S"].split("#", 2)
    due = MailDue(brand, subscriber_id, int(keys["asked_at"]["N"]), keys["sk"]["S"])
    try:
        _deliver(due)
    except LaterError as exc:
        _defer(due, exc)
    except (StoreUnavailableError, PermanentFaultError) as exc:
        # A record that fails holds up the emails behind it in the stream; the queue holds up nothing.
        telemetry.report(exc, announce.__name__)
        _defer(due, LaterError(_TABLE_UNAVAILABLE_S))


def _say_goodbye(record: DynamoDBRecord) -> None:
    change = change_of(record.raw_event["dynamodb"])
    if change is None:
        return
    try:
        deployment.courier.say_goodbye(change)
    except (StoreUnavailableError, PermanentFaultError) as exc:
        # A kindness: it holds up nobody's confirmation email, and an opt-out needs none.
        telemetry.report(exc, announce.__name__)


def try_again(record: SQSRecord) -> None:
    """An email that was deferred. If it can't be sent now either, the queue brings it back."""
    due = MailDue.from_json(record.body)
    try:
        _deliver(due)
    except HeldBackError as exc:
        # As a message of its own: the queue counts how often it brings one back, and gives up.
        _defer(due, exc)


def _defer(due: MailDue, why: LaterError) -> None:
    deployment.mail_queue.send_again(json.dumps(due), seconds=why.seconds, since=due.asked_at)
    telemetry.emit(
        "mail deferred",
        {"MailsPutOff": 1},
        why="held_back" if isinstance(why, HeldBackError) else "not_now",
        brand=due.brand,
        seconds=why.seconds,
    )


def _deliver(due: MailDue) -> None:
    # A name of its own for each attempt: one that Lambda repeats doesn't know how far the one before it came.
    outcome = deployment.courier.deliver(due, new_event_id(), _now())
    if outcome is Delivery.NOT_NEEDED:
        telemetry.emit("mail", {"Mails": 1}, mail=_WAITING[due.item], outcome=outcome, brand=due.brand)
    else:
        telemetry.emit("mail accepted", {"MailDelay": max(0, _now() - due.asked_at)}, brand=due.brand)


_WAITING: Final = {CONTACT: "of a request", GOODBYE: "goodbye", RETURN: "return", LINK: "link"}
"""What an email is called that turned out not to be needed, before it was known which of two it would be."""


def _now() -> int:
    return time.time_ns() // 1_000_000


deployment.prepare(pages=True)
