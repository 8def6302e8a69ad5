"""The courier's rules: each request's mail is sent once, and none is lost.

SES can't be asked to send a mail "unless you did already". So a mail is claimed in the table before it is handed over,
and the claim holds for the cooldown: should its holder die in between, nobody knows whether the mail went out, and
nobody tries again until a second mail could do no harm.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry import consent as rules
from consentry import mails
from consentry.store import COOLDOWN_MS, SUPPRESSED_COOLDOWN_MS, Claim, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.brands import Brand, Brands
    from consentry.breaker import Breaker
    from consentry.items import Contact
    from consentry.mails import Body, Links
    from consentry.store import Store
    from consentry.tokens import Tokens

_SOON_S: Final = 60
_AFTER_COOLDOWN_S: Final = COOLDOWN_MS // 1000 + 30
_SPREAD_S: Final = 600
"""Mails that were held back together come back over this time: all at once, they would open the breaker again."""


class MailDue(NamedTuple):
    """A request whose mail is due, by reference: no address."""

    brand: str
    subscriber_id: str
    asked_at: int
    """Epoch ms."""


class Delivery(StrEnum):
    """What became of a mail that was due."""

    SENT = "sent"
    NOT_NEEDED = "not_needed"
    """Sent before, asked for anew since, erased, of a brand that is gone, or its address bounced or complained."""


class PutOffError(Exception):
    """The mail has to be tried again, after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the mail has to be tried again in {seconds} s")
        self.seconds = seconds


class HeldBackError(PutOffError):
    """The breaker is open. That is no fault of the mail, and counts for nothing however often it happens."""


class Courier:
    """Sends confirmation mails."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        brands: Brands,
        send: Callable[[Brand, str, bytes], None],
        write: Callable[[Brand, Contact, Links], Body],
        base_url: str,
        breaker: Breaker,
    ) -> None:
        """`send` hands a brand's recipient and raw mail to SES; `write` makes the texts from the templates."""
        self._store = store
        self._tokens = tokens
        self._brands = brands
        self._send = send
        self._write = write
        self._base_url = base_url
        self._breaker = breaker

    def deliver(self, due: MailDue, claimant: str, now: int) -> Delivery:
        """Send the mail that is due, if it still is.

        Args:
            due: which.
            claimant: names this attempt, and no other.
            now: epoch ms.

        Raises:
            HeldBackError: the breaker is open.
            PutOffError: it could not be sent now.
            StoreUnavailableError: it could not be claimed now.
        """
        brand = self._brands.get(due.brand)
        contact = self._store.contact(due.brand, due.subscriber_id)
        if brand is None or contact is None or contact.asked_at != due.asked_at:
            return Delivery.NOT_NEEDED
        if self._suppressed(due):
            return Delivery.NOT_NEEDED
        if held := self._breaker.holds(brand, now):
            raise HeldBackError(held // 1000 + random.randint(1, _SPREAD_S))  # noqa: S311 - jitter, not a secret
        raw = self._compose(brand, due, contact)
        claim = self._store.claim_mail(*due, claimant, now)
        if claim is Claim.NOT_NEEDED:
            return Delivery.NOT_NEEDED
        if claim is Claim.HELD:
            raise PutOffError(_AFTER_COOLDOWN_S)
        try:
            self._send(brand, contact.address, raw)
        except mails.NotSentError as exc:
            self._store.release_mail(*due, claimant)
            raise PutOffError(_SOON_S) from exc
        except mails.UnknownFateError as exc:
            raise PutOffError(_AFTER_COOLDOWN_S) from exc
        try:
            self._store.mail_sent(*due, claimant)
        except StoreUnavailableError:
            # It went out, and the claim keeps others from sending it again within the cooldown.
            return Delivery.SENT
        return Delivery.SENT

    def _suppressed(self, due: MailDue) -> bool:
        """Whether a complaint or bounce became known since the request that would have kept it from being taken."""
        registers = self._store.read(due.brand, due.subscriber_id).registers
        newest = max(registers.get(rules.COMPLAINT, 0), registers.get(rules.BOUNCE, 0))
        return newest > due.asked_at - SUPPRESSED_COOLDOWN_MS

    def _compose(self, brand: Brand, due: MailDue, contact: Contact) -> bytes:
        links = mails.confirmation_links(self._tokens, brand, due.subscriber_id, contact, self._base_url)
        return mails.compose(brand, contact, links, self._write(brand, contact, links))
