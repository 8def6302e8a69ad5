"""Emails that are due: an item in the table says so; they are claimed before they are sent, and marked once they were.

SES can't be asked to send an email "unless you did already". So it is claimed in the table before it is handed over,
and the claim holds for the cooldown: should its holder die in between, nobody knows whether the email went out, and
nobody tries again until a second email could do no harm.

Each is one write. When its condition fails, DynamoDB answers the old item in the same trip.
"""

from __future__ import annotations

import json
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules.consent import DAY_MS
from consentry.rules.ledger import partition_key
from consentry.table import schema, sent_mails
from consentry.table.gateway import PATIENCE_S
from consentry.table.schema import CONTACT, DAY_S, GOODBYE, LINK, RETURN, Change, Contact
from consentry.table.store import COOLDOWN_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consentry.table.gateway import Gateway, Item, Operation
    from consentry.table.sent_mails import SentMail

_MINE: Final = "asked_at = :asked AND claimed_by = :me"


class MailDue(NamedTuple):
    """An email that is due, by reference: no address."""

    brand: str
    subscriber_id: str
    asked_at: int
    """When it was asked for, or what it reports happened, epoch ms."""
    item: str = CONTACT
    """What it is due by: `CONTACT`, a request; `RETURN`, one to come back; `LINK`, one for a link; or
    `GOODBYE`, an opt-out."""

    @classmethod
    def from_json(cls, text: str) -> MailDue:
        """What a queue's message says. One of three fields is from a time when only requests led to emails.

        Raises:
            ValueError: it says something else.
        """
        match json.loads(text):
            case [str(), str(), int(), *rest] as fields if rest in ([], [CONTACT], [GOODBYE], [RETURN], [LINK]):
                return cls(*fields)
        raise ValueError("no reference to an email")


class Claim(StrEnum):
    """Whether an email may be sent by who asks."""

    TAKEN = "taken"
    HELD = "held"
    """By another attempt, which may have sent it."""
    NOT_NEEDED = "not_needed"
    """It was sent, or a newer request took its place."""


class Outbox:
    """The emails that are due. Requests make theirs due with `Store.request`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def say_goodbye(self, change: Change, topics: Iterable[str]) -> None:
        """Make an email due which says to somebody that they left `topics`, unless one was in the day before.

        Doing it again does no harm.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        update = schema.goodbye_update(change, topics)
        update["ExpressionAttributeValues"][":a_day_ago"] = schema.number(change.event["occurred_at"] - DAY_MS)
        self._write(update, "attribute_not_exists(asked_at) OR asked_at <= :a_day_ago")

    def request_link(
        self, brand: str, subscriber_id: str, contact: Contact, budgets: Iterable[Operation], correlation_id: str
    ) -> None:
        """Make an email due with somebody's own link, whether or not they are known; that is seen when it is due.

        It isn't, where the last of its kind is younger than the cooldown or a budget is spent; whichever it is isn't
        answered.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        update = schema.link_update(brand, subscriber_id, contact, correlation_id)
        update["ConditionExpression"] = "attribute_not_exists(asked_at) OR asked_at <= :cooled"
        update["ExpressionAttributeValues"][":cooled"] = schema.number(contact.asked_at - COOLDOWN_MS)
        self._gateway.transact([{"Update": each} for each in (update, *budgets)], time.monotonic() + PATIENCE_S)

    def claim(self, due: MailDue, claimant: str, now: int) -> Claim:
        """Take the duty of sending an email, until the cooldown is over.

        Claiming again with the same `claimant` succeeds, so an answer that got lost on the way does no harm; whoever
        starts anew takes a new name.

        Args:
            due: which email.
            claimant: who sends it.
            now: epoch ms.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        instead = self._update(
            due,
            claimant,
            "SET mail = :sending, claimed_by = :me, claim_ends = :end",
            # It is still this request's turn, the email isn't sent, and nobody else is at it.
            "asked_at = :asked AND mail <> :sent AND (mail = :due OR claimed_by = :me OR claim_ends <= :now)",
            {
                ":due": schema.string("due"),
                ":sending": schema.string("sending"),
                ":sent": schema.string("sent"),
                ":end": schema.number(now + COOLDOWN_MS),
                ":now": schema.number(now),
            },
        )
        if instead is None:
            return Claim.TAKEN
        waits = schema.integer(instead, "asked_at") == due.asked_at and schema.text(instead, "mail") == "sending"
        return Claim.HELD if waits else Claim.NOT_NEEDED

    def release(self, due: MailDue, claimant: str) -> None:
        """Give a claim back, because the email was surely not sent: the next attempt may follow at once.

        Raises:
            StoreUnavailableError: the table can't be written; the claim ends by itself.
        """
        never = {":never": schema.number(0)}
        self._update(due, claimant, "SET claim_ends = :never REMOVE claimed_by", _MINE, never)

    def sent(self, due: MailDue, claimant: str, mail: SentMail, *, forget: int | None = None) -> None:
        """Note that an email went out, by whoever holds it, and that none is due any more.

        Args:
            due: which email.
            claimant: who sent it.
            mail: what was sent.
            forget: now, epoch ms, if nothing needs the address any more.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        update = "SET mail = :sent REMOVE claimed_by, claim_ends"
        values = {":sent": schema.string("sent")}
        if forget is not None:
            update = "SET mail = :sent, expires_at = :soon REMOVE claimed_by, claim_ends, address, kept_until"
            values[":soon"] = schema.number(forget // 1000 + DAY_S)
        if self._update(due, claimant, update, _MINE, values) is None:
            self._gateway.update(sent_mails.update_of(partition_key(due.brand, due.subscriber_id), mail))

    def _update(self, due: MailDue, claimant: str, update: str, condition: str, values: dict[str, Any]) -> Item | None:
        claimant_values = {":asked": schema.number(due.asked_at), ":me": schema.string(claimant)}
        request = {
            "Key": schema.key(partition_key(due.brand, due.subscriber_id), due.item),
            "UpdateExpression": update,
            "ExpressionAttributeValues": claimant_values | values,
        }
        return self._write(request, condition)

    def _write(self, update: Operation, condition: str) -> Item | None:
        """None if it was written; else what is there instead, and made the condition fail."""
        return self._gateway.update({**update, "ConditionExpression": condition})
