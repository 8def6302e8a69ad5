"""The mailbox: does what emails that came in ask for, opt-outs above all and complaints, and removes the emails.

Nothing is ever answered: senders are forged, and an answer would go to somebody who wrote nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import telemetry
from consentry.actions.circumstances import Circumstances
from consentry.actions.reports import Report, ReportKind
from consentry.aws import mailbox
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.inbound import emails, reading
from consentry.inbound.automatic_replies import Origin
from consentry.inbound.emails import Finding
from consentry.links import unsubscribe_addresses
from consentry.links.tokens import Purpose
from consentry.rules import addresses
from consentry.rules.ledger import Channel, event_id_of
from consentry.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from consentry.aws.mailbox import Arrived
    from consentry.inbound.emails import Understood
    from consentry.inbound.sender_authentication import Sender
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read())


def handler(event: dict[str, Any], _context: object) -> PartialItemFailureResponse:
    """Messages that name emails; those that can't be dealt with yet are answered, and come back."""
    return batches.process(event, queue=take)


def take(message: SQSRecord) -> None:
    """Do what each email asks for, then remove it."""
    for mail in mailbox.arrivals(message.body):
        raw = deployment.mailbox.read(mail, reading.MOST)
        if raw is None:
            telemetry.logger().info("mail is gone")  # it was dealt with before
            continue
        understood = emails.understand(raw, _read, mail.at)
        done = _act(mail, understood)
        deployment.mailbox.remove(mail)
        complaint = understood.finding is Finding.COMPLAINT
        telemetry.logger().info(
            "mail",
            finding=understood.finding.value,
            origin=understood.origin.value,
            opt_outs=0 if complaint else done,
            complaints=done if complaint else 0,
        )


def _act(mail: Arrived, understood: Understood) -> int:
    """Do what an email asks for; answers how many things that were."""
    at = min(mail.at, _now())
    if understood.finding is Finding.UNATTRIBUTED:
        telemetry.unreadable(1, emails.SOURCE, "")
    if understood.sender:
        brands = _brands(understood.sender)
        for brand in brands:
            _leave_everything(brand, understood.sender, understood, at)
        return len(brands)
    act = _complain if understood.finding is Finding.COMPLAINT else _leave
    for link in understood.links:
        act(link, understood, at)
    return len(understood.links)


def _read(candidate: str) -> Link:
    """What a token says, or the code of an unsubscribe address, which has no dot."""
    if "." not in candidate:
        return unsubscribe_addresses.read(deployment.tokens, deployment.brands, candidate, deployment.keyring.brands())
    return deployment.tokens.read(Purpose.UNSUBSCRIBE, candidate, _now())


def _leave(link: Link, understood: Understood, at: int) -> None:
    how = _circumstances(understood, at, event_id_of(link.brand, link.subscriber_id, Channel.MAILTO, link.topics, at))
    deployment.queued_opt_outs.unsubscribe(deployment.brands.even_if_gone(link.brand), link, how)


def _leave_everything(brand: Brand, sender: Sender, understood: Understood, at: int) -> None:
    """Opt the sender out of everything of a brand, known to us or not: their id is a hash of their address."""
    subscriber_id = addresses.subscriber_id(deployment.keyring.pepper(brand.id), sender.address)
    how = _circumstances(understood, at, event_id_of(brand.id, subscriber_id, Channel.MAILTO, "sender", at))
    deployment.queued_opt_outs.unsubscribe_sender(brand, subscriber_id, how)


def _complain(link: Link, understood: Understood, at: int) -> None:
    """Record a complaint, as SES's own are."""
    report = Report(ReportKind.COMPLAINED, at, subscriber_id=link.subscriber_id, reference=link.reference)
    brand = deployment.brands.even_if_gone(link.brand)
    receipt = deployment.queued_reports.take(brand, report, Channel.FEEDBACK, at, _source(understood))
    if receipt.nobody:
        telemetry.unreadable(1, emails.SOURCE, brand.id)


def _brands(sender: Sender) -> list[Brand]:
    """The brands that get mail where the sender wrote to; several, if they share the domain."""
    return [brand for brand in deployment.brands if brand.inbound_domain.lower() in sender.domains]


def _circumstances(understood: Understood, at: int, event_id: str) -> Circumstances:
    return Circumstances(
        at,
        Channel.MAILTO,
        suspected_automation=understood.origin is not Origin.PERSON,
        source=_source(understood),
        event_id=event_id,
        seen=False,
    )


def _source(understood: Understood) -> str:
    return f"{emails.SOURCE} {understood.verdicts}".strip()


def _now() -> int:
    return time.time_ns() // 1_000_000


deployment.prepare()
