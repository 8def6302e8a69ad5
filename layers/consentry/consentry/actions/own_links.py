"""Whoever lost their emails gets their link again: by an email, to the address that they type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consentry.rules.ledger import new_event_id
from consentry.table.schema import Contact

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.actions.circumstances import Circumstances
    from consentry.rules.addresses import Address
    from consentry.rules.brands import Brand
    from consentry.table.limits import Limits
    from consentry.table.outbox import Outbox


class OwnLinks:
    """Requests for one's own link."""

    def __init__(self, outbox: Outbox, limits: Limits, correlation_id: Callable[[], str]) -> None:
        """`correlation_id` names the request that is at work."""
        self._outbox = outbox
        self._limits = limits
        self._correlation_id = correlation_id

    def request(self, brand: Brand, subscriber_id: str, address: Address, how: Circumstances) -> None:
        """Have the link sent to an address, if anything is known of it, and if no budget is spent.

        The calls and the answer are the same for everybody: what is known is looked up by whoever sends emails.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        if not self._limits.admits(brand, how.evidence.ip, how.now):
            return
        contact = Contact(address.deliverable, how.locale or brand.languages[0], (), how.now, new_event_id())
        budgets = self._limits.mail_to(brand, address, how.now)
        self._outbox.request_link(brand.id, subscriber_id, contact, budgets, self._correlation_id())
