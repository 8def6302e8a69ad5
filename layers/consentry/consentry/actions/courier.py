"""The courier's rules: which email is due, that it is sent once, and that none is lost."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from consentry.actions.mails import Mail, NotSentError, UnknownFateError
from consentry.actions.waiting import LaterError
from consentry.rules import consent as rules
from consentry.rules.consent import EVERY_TOPIC, Consent, Reason, Status
from consentry.rules.ledger import Channel, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.outbox import Claim
from consentry.table.schema import GOODBYE, LINK, RETURN
from consentry.table.sent_mails import SentMail
from consentry.table.store import COOLDOWN_MS
from consentry.table.writing import SUPPRESSED_COOLDOWN_MS

if TYPE_CHECKING:
    from consentry.rules.brands import Brand, Brands
    from consentry.table.breaker import Breaker
    from consentry.table.outbox import MailDue, Outbox
    from consentry.table.schema import Change, Contact
    from consentry.table.store import Store

_SOON_S: Final = 60
_AFTER_COOLDOWN_S: Final = COOLDOWN_MS // 1000 + 30
_SPREAD_S: Final = 600
"""Emails that were held back together come back over this time: all at once, they would open the breaker again."""


_PRESSED: Final = frozenset({Channel.ONE_CLICK, Channel.PAGE, Channel.PREFERENCES})
"""Ways to leave that an email may answer. An opt-out by mail is never answered: two machines could go on for ever."""


class Delivery(StrEnum):
    """What became of an email that was due."""

    SENT = "sent"
    NOT_NEEDED = "not_needed"
    """Sent before, overtaken by what the person asked for or did since, erased, of a brand that is gone, or its address
    bounced or complained."""


class HeldBackError(LaterError):
    """The breaker is open. That is no fault of the email, and counts for nothing however often it happens."""


class Letters(Protocol):
    """What puts emails into words: `consentry.http.letters` has it."""

    def write(
        self, mail: Mail, brand: Brand, subscriber_id: str, contact: Contact, now: int, paused_until: int = 0
    ) -> bytes:
        """The email, ready to send."""


class Mailer(Protocol):
    """What hands emails to SES: `consentry.aws.email` has it."""

    def send(self, brand: Brand, mail: Mail, recipient: str, raw: bytes) -> str:
        """Hand over an email; its message id. Raises `NotSentError` or `UnknownFateError`."""


def left(change: Change) -> tuple[str, ...] | None:
    """What somebody left by their own act who had it before, none for everything; None if a goodbye isn't due."""
    if change.event["kind"] != Kind.UNSUBSCRIBED or change.event["channel"] not in _PRESSED:
        return None
    before, after = change.before.registers, change.after.registers
    gone = [rules.topic_of(name) for name in after if name.startswith("out.") and after[name] > before.get(name, 0)]
    topics = set(map(rules.topic_of, before))
    had = {topic for topic in topics if rules.status(change.before, topic) is Status.SUBSCRIBED}
    if EVERY_TOPIC in gone:
        return () if had else None
    return tuple(topic for topic in gone if topic in had) or None


def due_mail(brand: Brand, due: MailDue, contact: Contact, consent: Consent, now: int) -> Mail | None:
    """Which mail is due, by what is known of the person now; None if it has been overtaken."""
    if due.item == GOODBYE:
        back = any(rules.status(consent, topic) is Status.SUBSCRIBED for topic in contact.topics or brand.topics)
        return Mail.GOODBYE if brand.goodbye_mail and not back else None
    if due.item == LINK:  # anybody may have asked for it: of whom nothing is known gets nothing
        return Mail.LINK if consent != Consent() else None
    if all(rules.opted_out_at(consent, topic) >= contact.asked_at for topic in contact.topics):
        return None
    if due.item == RETURN:
        return Mail.RETURN
    if not all(_gets(consent, topic, brand, now) for topic in contact.topics):
        return Mail.CONFIRMATION
    # All of it was confirmed before it was asked for again, unless it was that very request.
    latest = max(consent.registers[rules.opt_in(topic)] for topic in contact.topics)
    return Mail.ALREADY if latest < contact.asked_at else None


def _gets(consent: Consent, topic: str, brand: Brand, now: int) -> bool:
    """Whether the person gets the topic by their own act; what a platform claims still wants to be confirmed."""
    agreed = consent.registers.get(rules.opt_in(topic), 0) > rules.opted_out_at(consent, topic)
    return agreed and brand.decide(consent, topic, now).reason in {Reason.SUBSCRIBED, Reason.PAUSED}


class Courier:
    """Sends the emails that are due."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        brands: Brands,
        letters: Letters,
        mailer: Mailer,
        breaker: Breaker,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._brands = brands
        self._letters = letters
        self._mailer = mailer
        self._breaker = breaker

    def deliver(self, due: MailDue, claimant: str, now: int) -> Delivery:
        """Send the email that is due, if it still is.

        Args:
            due: which.
            claimant: names this attempt, and no other.
            now: epoch ms.

        Raises:
            HeldBackError: the breaker is open.
            LaterError: it could not be sent now.
            StoreUnavailableError: it could not be claimed now.
        """
        brand = self._brands.get(due.brand)
        if brand is None:
            return Delivery.NOT_NEEDED
        consent, contact = self._store.read_with_contact(due.brand, due.subscriber_id, due=due.item)
        if contact is None or contact.asked_at != due.asked_at:
            return Delivery.NOT_NEEDED
        # Who holds a link of the person's has asked for the way back, also from a complaint or a bounce.
        suppressed = due.item != RETURN and _suppressed(consent, due)
        mail = None if suppressed else due_mail(brand, due, contact, consent, now)
        if mail is None:
            return Delivery.NOT_NEEDED
        if held := self._breaker.holds(brand, now):
            raise HeldBackError(held // 1000 + random.randint(1, _SPREAD_S))  # noqa: S311 - jitter, not a secret
        paused_until = rules.pause_end(consent, now) or 0
        raw = self._letters.write(mail, brand, due.subscriber_id, contact, now, paused_until)
        claim = self._outbox.claim(due, claimant, now)
        if claim is Claim.NOT_NEEDED:
            return Delivery.NOT_NEEDED
        if claim is Claim.HELD:
            raise LaterError(_AFTER_COOLDOWN_S)
        try:
            message_id = self._mailer.send(brand, mail, contact.address, raw)
        except NotSentError as exc:
            self._outbox.release(due, claimant)
            raise LaterError(_SOON_S) from exc
        except UnknownFateError as exc:
            raise LaterError(_AFTER_COOLDOWN_S) from exc
        try:
            over = mail is Mail.LINK or (mail is Mail.ALREADY and not brand.keeps_address)
            forget = now if over else None
            letter = SentMail(now, mail, message_id, contact.locale, brand.notice, (*contact.topics,), due.asked_at)
            self._outbox.sent(due, claimant, letter, forget=forget)
        except StoreUnavailableError:
            # It went out, and the claim keeps others from sending it again within the cooldown.
            return Delivery.SENT
        return Delivery.SENT

    def say_goodbye(self, change: Change) -> None:
        """Make a goodbye due, if the brand wants one, and the person left what they had.

        Raises:
            StoreUnavailableError: it isn't due; nobody waits for it.
        """
        brand = self._brands.get(change.brand)
        topics = left(change) if brand and brand.goodbye_mail else None
        if topics is not None:
            self._outbox.say_goodbye(change, topics)


def _suppressed(consent: Consent, due: MailDue) -> bool:
    """Whether a complaint or bounce is known that would have kept the request from being taken, or came since."""
    newest = max(consent.registers.get(rules.COMPLAINT, 0), consent.registers.get(rules.BOUNCE, 0))
    return newest > due.asked_at - SUPPRESSED_COOLDOWN_MS
