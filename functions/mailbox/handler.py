"""The mailbox: opts out whoever sends a mail to the unsubscribe address, and removes the mail.

Nothing is ever answered: senders are forged, and an answer would go to somebody who wrote nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import batches, inbound, mailbox, wiring
from consentry.inbound import Origin
from consentry.journeys import Circumstances
from consentry.ledger import Channel, event_id_of
from consentry.tokens import Purpose

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.inbound import Understood
    from consentry.mailbox import Arrived
    from consentry.tokens import Link


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages that tell of mails; those that can't be dealt with yet are answered, and come back."""
    return batches.process(event, queue=take)


def take(message: SQSRecord) -> None:
    """Do what each mail asks for, then remove it."""
    for mail in mailbox.arrivals(message.body):
        raw = wiring.mailbox().read(mail, inbound.MOST)
        if raw is None:
            wiring.logger().info("mail is gone")  # it was dealt with before
            continue
        understood = inbound.understand(raw, _read)
        for link in understood.links:
            _leave(mail, understood, link)
        wiring.mailbox().remove(mail)
        wiring.logger().info(
            "mail",
            finding=understood.finding.value,
            origin=understood.origin.value,
            opt_outs=len(understood.links),
        )


def _read(token: str) -> Link:
    return wiring.tokens().read(Purpose.UNSUBSCRIBE, token, _now())


def _leave(mail: Arrived, understood: Understood, link: Link) -> None:
    at = min(mail.at, _now())
    how = Circumstances(
        at,
        Channel.MAILTO,
        suspected_automation=understood.origin is Origin.MACHINE,
        source=f"mailbox {understood.verdicts}".strip(),
        event_id=event_id_of(link.brand, link.subscriber_id, Channel.MAILTO, link.topics, at),
        seen=False,
    )
    wiring.queued_journeys().unsubscribe(wiring.brands().even_if_gone(link.brand), link, how)


def _now() -> int:
    return time.time_ns() // 1_000_000


wiring.prepare()
