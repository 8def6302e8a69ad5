"""The breaker: holds a brand's confirmation mails back when there are more than there should be.

What no budget of a visitor stops, an attack by many, would end at SES, with people's inboxes and the brand's name as a
sender to pay for it. So mails are counted by the minute; one too many opens the breaker, and for five minutes mails
wait. Each complaint about a mail of ours halves, for an hour, what a minute may have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.table import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.brands import Brand
    from consentry.table.gateway import Gateway
    from consentry.table.limits import Limits

OPEN_MS: Final = 5 * 60 * 1000
COMPLAINTS_COUNT_MS: Final = 3600 * 1000
_MINUTE_S: Final = 60
_OPEN: Final = "OPEN"
_COMPLAINT: Final = "COMPLAINT#"
_MANY: Final = 20
"""Complaints in an hour, beyond which nothing is left to halve."""


class Breaker:
    """The breakers of all brands: an item each, and an item for each complaint of the last hour."""

    def __init__(self, gateway: Gateway, limits: Limits, opened: Callable[[str], None]) -> None:
        """`opened` is told the brand, once an opening."""
        self._gateway = gateway
        self._limits = limits
        self._opened = opened

    def holds(self, brand: Brand, now: int) -> int:
        """How long the brand's mails have to wait, in ms. 0: one may go out now, and is counted.

        Args:
            brand: whose mail it is.
            now: epoch ms.

        Raises:
            StoreUnavailableError: the table is away; the mail is perhaps counted.
        """
        open_until, complaints = self._read(brand.id, now)
        if open_until > now:  # not left to TTL, which deletes late
            return open_until - now
        allowed = max(1, brand.limits.mails_a_minute >> complaints)
        if self._limits.spend(f"mails#{brand.id}", allowed, _MINUTE_S, now):
            return 0
        self._open(brand.id, now)
        return OPEN_MS

    def complained(self, brand_id: str, now: int) -> None:
        """Somebody complained about a confirmation mail of the brand. Saying so again for the same instant is once.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        item = {
            **schema.key(_key(brand_id), f"{_COMPLAINT}{now:013d}"),
            "expires_at": schema.number((now + COMPLAINTS_COUNT_MS) // 1000),
        }
        self._gateway.put(item)

    def _read(self, brand_id: str, now: int) -> tuple[int, int]:
        """Until when the breaker is open, and how many complaints there were in the last hour."""
        found, _ = self._gateway.page(
            "query",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": schema.string(_key(brand_id))},
            ConsistentRead=True,
            ScanIndexForward=False,  # OPEN comes first then, and the newest complaints after it
            Limit=1 + _MANY,
        )
        since = f"{_COMPLAINT}{now - COMPLAINTS_COUNT_MS:013d}"
        complaints = sum(item["sk"]["S"] > since for item in found if item["sk"]["S"].startswith(_COMPLAINT))
        return max((schema.integer(item, "open_until") for item in found), default=0), complaints

    def _open(self, brand_id: str, now: int) -> None:
        instead = self._gateway.update(
            {
                "Key": schema.key(_key(brand_id), _OPEN),
                "UpdateExpression": "SET open_until = :end, expires_at = :later",
                # Of many who find the minute spent, one opens it and says so.
                "ConditionExpression": "attribute_not_exists(open_until) OR open_until <= :now",
                "ExpressionAttributeValues": {
                    ":now": schema.number(now),
                    ":end": schema.number(now + OPEN_MS),
                    ":later": schema.number((now + OPEN_MS) // 1000),
                },
            }
        )
        if instead is None:
            self._opened(brand_id)


def _key(brand_id: str) -> str:
    return f"L#breaker#{brand_id}"
