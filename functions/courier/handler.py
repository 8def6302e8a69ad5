"""The courier: sends the mails that are due.

The table's stream tells of mails that are due. One that can't be sent at once goes to a queue, by reference, so that
it holds up no other.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions import mails
from consentry.actions.courier import Courier, Delivery, HeldBackError, PutOffError
from consentry.actions.mails import Body
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.http.batches import LaterError
from consentry.rules.ledger import new_event_id
from consentry.settings import Settings
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from consentry.table.outbox import MailDue
from consentry.table.schema import CONTACT, GOODBYE, RETURN, STATE, change_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.actions.mails import Letter, Mail
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read("MAIL_QUEUE_URL", "CONFIGURATION_SET"))

_LONGEST_DELAY_S: Final = 900
"""SQS's own limit."""
_TABLE_AWAY_S: Final = 60


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Records of the stream, or references from the queue; those that failed are answered."""
    return batches.process(event, stream=announce, queue=try_again)


def announce(record: DynamoDBRecord) -> None:
    """A mail has become due, or somebody left."""
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
    except PutOffError as exc:
        _put_off(due, exc)
    except (StoreUnavailableError, PermanentFaultError) as exc:
        # A record that fails holds up the mails behind it in the stream; the queue holds up nothing.
        telemetry.report(exc, announce.__name__)
        _put_off(due, PutOffError(_TABLE_AWAY_S))


def _say_goodbye(record: DynamoDBRecord) -> None:
    change = change_of(record.raw_event["dynamodb"])
    if change is None:
        return
    try:
        _courier().say_goodbye(change)
    except (StoreUnavailableError, PermanentFaultError) as exc:
        # A kindness: it holds up nobody's confirmation mail, and an opt-out needs none.
        telemetry.report(exc, announce.__name__)


def try_again(record: SQSRecord) -> None:
    """A mail that was put off. If it can't be sent now either, the queue brings it back."""
    due = MailDue.from_json(record.body)
    try:
        _deliver(due)
    except HeldBackError as exc:
        # As a message of its own: the queue counts how often it brings one back, and gives up.
        _put_off(due, exc)
    except PutOffError as exc:
        raise LaterError from exc


def _put_off(due: MailDue, why: PutOffError) -> None:
    deployment.mail_queue.send(json.dumps(due), seconds=min(why.seconds, _LONGEST_DELAY_S))
    telemetry.waits(deployment.mail_queue.name, due.asked_at)  # as a new message it would begin at nothing each time
    held_back = isinstance(why, HeldBackError)
    telemetry.emit(
        "mail put off",
        {"MailsPutOff": 1},
        why="held_back" if held_back else "not_now",
        brand=due.brand,
        seconds=why.seconds,
    )


def _deliver(due: MailDue) -> None:
    # A name of its own for each attempt: one that Lambda repeats doesn't know how far the one before it came.
    outcome = _courier().deliver(due, new_event_id(), _now())
    if outcome is Delivery.NOT_NEEDED:
        telemetry.emit("mail", {"Mails": 1}, mail=_WAITING[due.item], outcome=outcome, brand=due.brand)
    else:
        telemetry.emit("mail accepted", {"MailDelay": max(0, _now() - due.asked_at)}, brand=due.brand)


_WAITING: Final = {CONTACT: "of a request", GOODBYE: "goodbye", RETURN: "return"}
"""What a mail is called that turned out not to be needed, before anybody asked which of two it would be."""


def _send(brand: Brand, mail: Mail, recipient: str, raw: bytes) -> None:
    outcome, code = "unknown", ""
    try:
        deployment.mailer.send(brand, mail, recipient, raw)
        outcome = "sent"
    except (mails.NotSentError, mails.UnknownFateError) as exc:
        outcome = "not_sent" if isinstance(exc, mails.NotSentError) else outcome
        code = telemetry.aws_code(exc.__cause__)
        raise
    finally:
        telemetry.emit("mail", {"Mails": 1}, mail=mail, outcome=outcome, brand=brand.id, aws=code)


def _courier() -> Courier:
    return Courier(
        deployment.store,
        deployment.outbox,
        deployment.tokens,
        deployment.brands,
        _send,
        write,
        deployment.settings.public_url,
        deployment.breaker,
    )


def write(brand: Brand, letter: Letter) -> Body:
    """The texts of a mail, in the subscriber's language."""
    values = {
        "topics": letter.topics,
        "at": datetime.fromtimestamp(letter.at / 1000, UTC),
        "link": letter.links.confirm or letter.links.preferences,
        "unsubscribe": letter.links.unsubscribe,
        "paused_until": letter.paused_until,
    }

    def render(part: str, **more: str) -> str:
        folder = deployment.settings.consentry_compiled / "mails"
        return deployment.pages.render_text(folder, f"{letter.mail}{part}", brand, letter.locale, **values, **more)

    subject = render(".subject.txt").strip()
    return Body(subject, mails.wrapped(render(".txt")), render(".html", subject=subject))


def _now() -> int:
    return time.time_ns() // 1_000_000


deployment.prepare(pages=True)
