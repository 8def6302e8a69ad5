"""Opting in: to ask, to confirm, to ask again, and to come back. Each is one method, and one write.

A method gets what the person said and who they are by their token; it answers what the page must say. HTTP, HTML
and the clock stay outside, so that every way in (page, API) goes through here.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from consentry.actions.circumstances import event_of
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent, Status
from consentry.rules.ledger import Channel, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.schema import RETURN, Contact
from consentry.table.store import Address, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.actions.circumstances import Circumstances
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand
    from consentry.rules.ledger import Event
    from consentry.table.limits import Limits
    from consentry.table.store import Store

CONFIRMING_TOGETHER: Final = 8
"""People who can confirm by the page from one IP address in one second; the next is asked a second question."""


class OptIns:
    """What recipients ask for and confirm."""

    def __init__(self, store: Store, limits: Limits) -> None:
        """What it is made of."""
        self._store = store
        self._limits = limits

    def subscribe(
        self,
        brand: Brand,
        subscriber_id: str,
        address: addresses.Address,
        topics: Sequence[str],
        how: Circumstances,
        *,
        reference: str = "",
        source: str = "",
        visitor_ip: str = "",
    ) -> Outcome:
        """Record that somebody asks for topics; the confirmation email follows from the record.

        Nothing is recorded when a budget is spent: of the visitor, the form, the mailbox or its domain. Whoever calls
        must answer the visitor the same, whatever the outcome. `visitor_ip` is who asked a platform for it: it is
        counted, and not kept.
        """
        if not self._admits(brand, how, visitor_ip):
            return Outcome.THROTTLED
        event = event_of(
            Kind.ASKED,
            brand,
            subscriber_id,
            how,
            Consent(
                {rules.ask(topic): how.now for topic in topics},
            ),
            topics,
            reference=reference,
            source=source,
        )
        event = event._replace(effect=event.effect | _locale(event))
        contact = Contact(
            address.deliverable,
            how.locale or brand.languages[0],
            tuple(topics),
            how.now,
            event.event_id,
            reference,
            self._limits.domain_budget(address, how.now),
        )
        return self._store.request(
            event,
            contact,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            budgets=self._limits.mail_to(brand, address, how.now),
        ).outcome

    def ask_again(self, brand: Brand, link: Link, how: Circumstances) -> bool:
        """Ask for a fresh email in place of one that has expired; False if we no longer have the address.

        A budget that is spent makes no difference to the answer.
        """
        admitted = self._admits(brand, how)
        contact = self._store.contact(brand.id, link.subscriber_id)
        if contact is None:
            return False
        if not admitted:
            return True
        event = event_of(
            Kind.ASKED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.ask(topic): how.now for topic in link.topics}),
            link.topics,
            link=link,
        )
        address = addresses.parse(contact.address)
        renewed = contact._replace(
            topics=link.topics,
            asked_at=how.now,
            event_id=event.event_id,
            domain_budget=self._limits.domain_budget(address, how.now),
        )
        self._store.request(
            event,
            renewed,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            budgets=self._limits.mail_to(brand, address, how.now, anonymous=False),
        )
        return True

    def alone(self, brand: Brand, link: Link, how: Circumstances) -> bool:
        """Whether no more people confirm from this IP address in this second than a busy office might."""
        burst = self._limits.burst(brand.id, link.subscriber_id, how.evidence.ip, CONFIRMING_TOGETHER, how.now)
        return self._limits.has_room(burst)

    def confirm(self, brand: Brand, link: Link, how: Circumstances) -> tuple[str, ...]:
        """Opt in to what was asked for, as of the instant of the request: an opt-out since then stands.

        Answers those of the link's topics that the person is subscribed to now; none, if they left them all since.
        """
        event = event_of(
            Kind.CONFIRMED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.opt_in(topic): link.at for topic in link.topics}),
            link.topics,
            link=link,
        )
        recorded = self._store.record(
            event,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            address=Address.KEEP if brand.keeps_address else Address.FORGET,
        )
        if recorded.outcome is Outcome.APPLIED:
            with suppress(StoreUnavailableError):  # it is confirmed, and one email less a day for a domain is no harm
                self._limits.confirmed(brand.id, link.subscriber_id, link.at)
        now = recorded.known | event.effect
        return tuple(topic for topic in link.topics if rules.status(now, topic) is Status.SUBSCRIBED)

    def come_back(
        self,
        brand: Brand,
        link: Link,
        topics: Sequence[str],
        address: addresses.Address,
        typed_id: str,
        how: Circumstances,
    ) -> None:
        """Send the email by which a person opts in again to what they left, if the address is the link holder's.

        `typed_id` is the subscriber id of the address. Whoever calls answers the same, whosever it is; as many calls
        are made, so that nobody who holds a link finds out by trying whose it is.
        """
        if not self._limits.admits(brand, how.evidence.ip, how.now):
            return
        budgets = self._limits.mail_to(brand, address, how.now, anonymous=False)
        if not hmac.compare_digest(typed_id, link.subscriber_id):
            self._limits.take(budgets)
            return
        asked = {rules.ask(topic): how.now for topic in topics}
        event = event_of(Kind.ASKED, brand, link.subscriber_id, how, Consent(asked), topics, link=link)
        locale = how.locale or brand.languages[0]
        contact = Contact(address.deliverable, locale, tuple(topics), how.now, event.event_id)
        self._store.request(
            event, contact, to=RETURN, evidence=how.evidence, evidence_days=brand.evidence_days, budgets=budgets
        )

    def _admits(self, brand: Brand, how: Circumstances, visitor_ip: str = "") -> bool:
        """Whether there is room for a request. Platforms hold a key; what is counted are visitors that they name."""
        if how.channel is Channel.API:
            return not visitor_ip or self._limits.admits_visitor(brand, visitor_ip, how.now)
        return self._limits.admits(brand, how.evidence.ip, how.now)


def _locale(event: Event) -> Consent:
    """The language that the person used, as their choice."""
    if not event.locale:
        return Consent()
    return Consent({}, {rules.LOCALE: Choice(event.occurred_at, event.event_id, event.locale)})
