"""Limits: what may be done how often, counted in the table.

A budget is an item that counts up to a limit within one window of time. The window's number is in its key: an item
that TTL has not deleted yet counts for nothing, and nobody has to reset one. A burst is an item that collects the
people whom one machine acts for within one second.

Names hold no IP address and no mailbox, but a keyed hash of them and of the window: what a visitor did in one window
can't be distinguished from what anybody did in the next. Mailboxes and domains are counted over all brands of a
deployment.
"""

from __future__ import annotations

import base64
import hmac
import time
from typing import TYPE_CHECKING, Final

from consentry.rules import addresses, mailbox_providers
from consentry.rules.ledger import partition_key
from consentry.table import schema
from consentry.table.gateway import PATIENCE_S
from consentry.table.schema import CONTACT, DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.rules.brands import Brand
    from consentry.table.gateway import Gateway, Operation

HOUR_S: Final = 3600
ANONYMOUS_EMAILS: Final = 3
"""To a mailbox, a day, of those that anybody can ask for."""
EMAILS: Final = 6
"""To a mailbox, a day, in all: also of those that its holder asks for by a link of ours."""
OPT_INS: Final = 20
"""By the links of one person, a day."""
_STEPS: Final = ((64, 30), (56, 60), (48, 200))
"""Of IPv6: how long the prefix of a network is, and how much it may where one IP address may 30. A customer gets a /64
at least, a home a /56, a company or a hosted machine a /48 (RFC 6177, RIPE-690)."""
_ALL_BRANDS: Final = ""
_NAME_BYTES: Final = 16
_BUDGET: Final = "BUDGET"
_BURST_S: Final = 1
_BURST_LIVES_S: Final = 60


class Limits:
    """Budgets and bursts of all brands."""

    def __init__(self, gateway: Gateway, limit_key: Callable[[str], bytes]) -> None:
        """`limit_key` answers a brand's key, and that of all brands together under an empty name."""
        self._gateway = gateway
        self._limit_key = limit_key

    def spend(self, name: str, limit: int, seconds: int, now: int) -> bool:
        """Take one from a budget; False if it is spent.

        Args:
            name: whose budget for what, hashed if it is a person's.
            limit: how much there is in each window.
            seconds: how long a window is.
            now: epoch ms.

        Raises:
            StoreUnavailableError: the table can't be written; it may be taken or not.
        """
        return self._done(self._budget(name, seconds, now, spent=limit))

    def admits(self, brand: Brand, ip: str, now: int) -> bool:
        """Whether the brand's form takes one more request from this IP address, and one more at all.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        return self.admits_visitor(brand, ip, now) and self.spend(
            f"form#{brand.id}", brand.limits.requests_an_hour, HOUR_S, now
        )

    def admits_visitor(self, brand: Brand, ip: str, now: int) -> bool:
        """Whether the brand takes one more request from this IP address; of IPv6, from each of its networks.

        The smallest is counted first, and what it refuses takes nothing from the larger. Visitors without an IP address
        share one budget.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        return all(
            self.spend(f"visitor#{brand.id}#{self._hashed(brand.id, network, HOUR_S, now)}", limit, HOUR_S, now)
            for network, limit in _networks(ip, brand.limits.requests_an_hour_per_ip)
        )

    def opt_ins(self, brand: Brand, subscriber_id: str, now: int) -> bool:
        """Whether this person's links may opt in once more today. Opting out has no budget.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        return self.spend(
            f"opt-ins#{brand.id}#{self._hashed(brand.id, subscriber_id, DAY_S, now)}", OPT_INS, DAY_S, now
        )

    def mail_to(self, brand: Brand, address: addresses.Address, now: int, *, anonymous: bool = True) -> list[Operation]:
        """What an email takes from the budgets of its mailbox and, if it has one, of its domain.

        Args:
            brand: says how many a domain gets; those of all brands are counted.
            address: where it goes.
            now: epoch ms.
            anonymous: whether anybody could ask for it; else it takes a link that we mailed there.
        """
        hashed = self._hashed(_ALL_BRANDS, addresses.mailbox(address), DAY_S, now)
        limits = {"spent": EMAILS} | ({"anonymous": ANONYMOUS_EMAILS} if anonymous else {})
        budgets = [self._budget(f"mailbox#{hashed}", DAY_S, now, **limits)]
        if domain := self._domain(address, now):
            budgets.append(self._budget(domain, DAY_S, now, spent=brand.limits.mails_a_day_per_domain))
        return budgets

    def take(self, operations: list[Operation]) -> None:
        """Take from budgets in one transaction, from all of them or from none; whichever it is isn't answered.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        self._gateway.transact([{"Update": each} for each in operations], time.monotonic() + PATIENCE_S)

    def domain_budget(self, address: addresses.Address, now: int) -> str:
        """The partition in which `mail_to` counts the domain's emails; empty at large providers."""
        domain = self._domain(address, now)
        return _partition(domain, DAY_S, now) if domain else ""

    def confirmed(self, brand: str, subscriber_id: str, asked_at: int) -> None:
        """Give the domain's budget back what a request took that is confirmed now for the first time.

        So a domain where people confirm never spends it. The request is the one made at `asked_at`, epoch ms; one that
        a newer has taken the place of gives nothing back.

        Raises:
            StoreUnavailableError: the table is unavailable; it is perhaps not given back.
        """
        contact = self._gateway.get(schema.key(partition_key(brand, subscriber_id), CONTACT))
        domain = schema.text(contact, "domain_budget")
        if domain and schema.integer(contact, "asked_at") == asked_at:
            self._gateway.update(
                {
                    "Key": schema.key(domain, _BUDGET),
                    "UpdateExpression": "ADD spent :back",
                    "ConditionExpression": "spent > :nothing",  # TTL may have deleted it
                    "ExpressionAttributeValues": {":back": schema.number(-1), ":nothing": schema.number(0)},
                }
            )

    def burst(self, brand: str, subscriber_id: str, ip: str, most: int, now: int) -> Operation | None:
        """Join those for whom this IP address acts in this second; None without an IP address.

        The operation's condition fails for whoever would be one more than `most`. Joining again always succeeds.
        Bursts that have room for different numbers are different bursts.
        """
        if not ip:
            return None
        network, _ = next(_networks(ip, most))
        name = f"{brand}#{most}#{self._hashed(brand, network, _BURST_S, now)}"
        return {
            "Key": schema.key(f"L#burst#{name}", "BURST"),
            "UpdateExpression": "ADD who :them SET expires_at = :end",
            # Nobody is there yet, there is room, or we are in it.
            "ConditionExpression": "attribute_not_exists(who) OR size(who) < :most OR contains(who, :me)",
            "ExpressionAttributeValues": {
                ":me": schema.string(subscriber_id),
                ":them": {"SS": [subscriber_id]},
                ":most": schema.number(most),
                ":end": schema.number(now // 1000 + _BURST_LIVES_S),
            },
        }

    def has_room(self, burst: Operation | None) -> bool:
        """Join a burst by a call of its own; False if it is full.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        return burst is None or self._done(burst)

    def _budget(self, name: str, seconds: int, now: int, **limits: int) -> Operation:
        """Take one from each counter of a budget, or from none: `limits` says how much each has."""
        values = {f":{counter}": schema.number(limit) for counter, limit in limits.items()}
        return {
            "Key": schema.key(_partition(name, seconds, now), _BUDGET),
            "UpdateExpression": f"ADD {', '.join(f'{counter} :one' for counter in limits)} SET expires_at = :end",
            "ConditionExpression": " AND ".join(
                f"(attribute_not_exists({counter}) OR {counter} < :{counter})" for counter in limits
            ),
            "ExpressionAttributeValues": values
            | {":one": schema.number(1), ":end": schema.number((_window(seconds, now) + 1) * seconds)},
        }

    def _domain(self, address: addresses.Address, now: int) -> str:
        domain = mailbox_providers.one_owners(addresses.mailbox(address).rpartition("@")[2])
        return f"domain#{self._hashed(_ALL_BRANDS, domain, DAY_S, now)}" if domain else ""

    def _done(self, operation: Operation) -> bool:
        return self._gateway.update(operation) is None

    def _hashed(self, brand: str, what: str, seconds: int, now: int) -> str:
        digest = hmac.digest(self._limit_key(brand), f"{seconds}/{_window(seconds, now)}/{what}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:_NAME_BYTES]).rstrip(b"=").decode()


def _window(seconds: int, now: int) -> int:
    return now // (seconds * 1000)


def _partition(name: str, seconds: int, now: int) -> str:
    return f"L#budget#{name}#{_window(seconds, now)}"


def _networks(ip: str, limit: int) -> Iterator[tuple[str, int]]:
    """The networks of an IP address, smallest first, each with how much it may where one address may `limit`."""
    import ipaddress  # noqa: PLC0415 - one click comes by this module, and counts nobody

    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        yield "", limit
        return
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        yield str(address), limit
        return
    for length, share in _STEPS:
        network = int(address) >> 128 - length << 128 - length
        yield str(ipaddress.IPv6Network((network, length))), limit * share // _STEPS[0][1]
