"""Limits: what may be done how often, counted in the table.

A budget is an item that counts up to a limit within one window of time. The window's number is in its key: an item
that TTL has not deleted yet counts for nothing, and nobody has to reset one. A crowd is an item that collects the
people whom one machine acts for within one second.

Names hold no IP address and no mailbox, but a keyed hash of them and of the window: what a visitor did in one window
can't be told from what anybody did in the next.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Final

from consentry import addresses
from consentry.table import schema
from consentry.table.schema import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.brands import Brand
    from consentry.table.gateway import Gateway, Operation

HOUR_S: Final = 3600
MAILS_TO_VARIANTS: Final = 3
"""To all variants of one mailbox together, a day."""
_NAME_BYTES: Final = 16
_CROWD_S: Final = 1
_CROWD_LIVES_S: Final = 60


class Limits:
    """Budgets and crowds of all brands."""

    def __init__(self, gateway: Gateway, limit_key: Callable[[str], bytes]) -> None:
        """`limit_key` answers a brand's key."""
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
        return self._done(self._budget(name, limit, seconds, now))

    def admits(self, brand: Brand, ip: str, now: int) -> bool:
        """Whether the brand's form takes one more request from this IP address, and one more at all.

        Visitors without an IP address share one budget.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        visitor = self._hashed(brand.id, _network(ip), HOUR_S, now)
        return self.spend(
            f"visitor#{brand.id}#{visitor}", brand.limits.requests_an_hour_per_ip, HOUR_S, now
        ) and self.spend(f"form#{brand.id}", brand.limits.requests_an_hour, HOUR_S, now)

    def mail_to(self, brand: Brand, address: addresses.Address, now: int) -> Operation | None:
        """What a mail to a variant of a mailbox takes from that mailbox's budget; None for the mailbox itself."""
        mailbox = addresses.mailbox(address)
        if mailbox == address.normalised:
            return None
        hashed = self._hashed(brand.id, mailbox, DAY_S, now)
        return self._budget(f"mailbox#{brand.id}#{hashed}", MAILS_TO_VARIANTS, DAY_S, now)

    def crowd(self, brand: str, subscriber_id: str, ip: str, most: int, now: int) -> Operation | None:
        """Join those for whom this IP address acts in this second; None without an IP address.

        The operation's condition fails for whoever would be one more than `most`. Joining again always succeeds.
        Crowds that have room for different numbers are different crowds.
        """
        if not ip:
            return None
        name = f"{brand}#{most}#{self._hashed(brand, _network(ip), _CROWD_S, now)}"
        return {
            "Key": schema.key(f"L#crowd#{name}", "CROWD"),
            "UpdateExpression": "ADD who :them SET expires_at = :end",
            # Nobody is there yet, there is room, or we are in it.
            "ConditionExpression": "attribute_not_exists(who) OR size(who) < :most OR contains(who, :me)",
            "ExpressionAttributeValues": {
                ":me": schema.string(subscriber_id),
                ":them": {"SS": [subscriber_id]},
                ":most": schema.number(most),
                ":end": schema.number(now // 1000 + _CROWD_LIVES_S),
            },
        }

    def has_room(self, crowd: Operation | None) -> bool:
        """Join a crowd by a call of its own; False if it is full.

        Raises:
            StoreUnavailableError: see `spend`.
        """
        return crowd is None or self._done(crowd)

    def _budget(self, name: str, limit: int, seconds: int, now: int) -> Operation:
        window = now // (seconds * 1000)
        return {
            "Key": schema.key(f"L#budget#{name}#{window}", "BUDGET"),
            "UpdateExpression": "ADD spent :one SET expires_at = :end",
            "ConditionExpression": "attribute_not_exists(spent) OR spent < :limit",
            "ExpressionAttributeValues": {
                ":one": schema.number(1),
                ":limit": schema.number(limit),
                ":end": schema.number((window + 1) * seconds),
            },
        }

    def _done(self, operation: Operation) -> bool:
        return self._gateway.update(operation) is None

    def _hashed(self, brand: str, what: str, seconds: int, now: int) -> str:
        window = now // (seconds * 1000)
        digest = hmac.digest(self._limit_key(brand), f"{seconds}/{window}/{what}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:_NAME_BYTES]).rstrip(b"=").decode()


def _network(ip: str) -> str:
    """Whose IP address it is: of IPv6 the /64, which is the least that one customer gets (RFC 6177)."""
    import ipaddress  # noqa: PLC0415 - one click comes by this module, and counts nobody

    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
