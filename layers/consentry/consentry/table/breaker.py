"""The breaker: holds a brand's confirmation emails back when there are more than there should be.

What no budget of a visitor stops, an attack by many, would end at SES, with people's inboxes and the brand's name as a
sender to pay for it. So emails are counted by the minute; one too many opens the breaker, and for five minutes emails
wait.

Complaints lower what a minute may have, by their share of the emails that went out in this clock hour and the one
before: each that there is in a thousand halves it, down to a tenth. SES puts an account under review at one in a
thousand, and may pause it at five (https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html, complaint FAQ). A
minute so lowered that is spent opens the breaker until the next minute, no longer: a tenth of the emails goes out,
however many complain. Who refuses what a confirmation email asks for counts as a tenth of a complaint: somebody else
typed their address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.table import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.rules.brands import Brand
    from consentry.table.gateway import Gateway, Item

OPEN_MS: Final = 5 * 60 * 1000
_MINUTE_MS: Final = 60 * 1000
_HOUR_MS: Final = 60 * _MINUTE_MS
_OPEN: Final = "OPEN"
_HOUR: Final = "HOUR#"
_REFUSALS: Final = 10
"""So many are as bad as a complaint."""
_FLOOR: Final = 10
"""What complaints leave of a minute's emails: one in so many."""


class Breaker:
    """The breakers of all brands: an item each, and an item for each hour in which emails went out."""

    def __init__(self, gateway: Gateway, opened: Callable[[str], None]) -> None:
        """`opened` is called with the brand, once an opening."""
        self._gateway = gateway
        self._opened = opened

    def holds(self, brand: Brand, now: int) -> int:
        """How long the brand's emails have to wait, in ms. 0: one may go out now, and is counted.

        Args:
            brand: whose email it is.
            now: epoch ms.

        Raises:
            StoreUnavailableError: the table is unavailable; the email is perhaps counted.
        """
        open_until, sent, complaints = self._read(brand.id, now)
        if open_until > now:  # not left to TTL, which deletes late
            return open_until - now
        allowed = _allowed(brand.limits.mails_a_minute, sent, complaints)
        if self._count(brand.id, allowed, now):
            return 0
        lowered = allowed < brand.limits.mails_a_minute
        until = (now // _MINUTE_MS + 1) * _MINUTE_MS if lowered else now + OPEN_MS
        self._open(brand.id, now, until)
        return until - now

    def complained(self, brand_id: str, now: int) -> None:
        """Somebody complained about an email of ours in the brand's name.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        self._add(brand_id, "complaints", now)

    def refused(self, brand_id: str, now: int) -> None:
        """Somebody refused what a confirmation email asked for.

        Raises:
            StoreUnavailableError: the table can't be written.
        """
        self._add(brand_id, "refusals", now)

    def _add(self, brand_id: str, what: str, now: int) -> None:
        self._gateway.update(
            {
                "Key": _hour(brand_id, now),
                "UpdateExpression": f"ADD {what} :one SET expires_at = :end",
                "ExpressionAttributeValues": {":one": schema.number(1), ":end": _end(now)},
            }
        )

    def _count(self, brand_id: str, allowed: int, now: int) -> bool:
        """Count an email in its minute and its hour; False if the minute has all that it may."""
        minute = f"m{now % _HOUR_MS // _MINUTE_MS}"
        instead = self._gateway.update(
            {
                "Key": _hour(brand_id, now),
                "UpdateExpression": f"ADD {minute} :one, sent :one SET expires_at = :end",
                "ConditionExpression": f"attribute_not_exists({minute}) OR {minute} < :allowed",
                "ExpressionAttributeValues": {
                    ":one": schema.number(1),
                    ":allowed": schema.number(allowed),
                    ":end": _end(now),
                },
            }
        )
        return instead is None

    def _read(self, brand_id: str, now: int) -> tuple[int, int, int]:
        """Until when the breaker is open; how many emails and complaints there were in this hour and the last."""
        found, _ = self._gateway.page(
            "query",
            KeyConditionExpression="pk = :pk AND sk >= :last",
            ExpressionAttributeValues={
                ":pk": schema.string(_key(brand_id)),
                ":last": _hour(brand_id, now - _HOUR_MS)["sk"],  # OPEN comes after all hours
            },
            ConsistentRead=True,
        )
        return (
            max((schema.integer(item, "open_until") for item in found), default=0),
            sum(schema.integer(item, "sent") for item in found),
            sum(schema.integer(item, "complaints") for item in found)
            + sum(schema.integer(item, "refusals") for item in found) // _REFUSALS,
        )

    def _open(self, brand_id: str, now: int, until: int) -> None:
        instead = self._gateway.update(
            {
                "Key": schema.key(_key(brand_id), _OPEN),
                "UpdateExpression": "SET open_until = :end, expires_at = :later",
                # Of many who find the minute spent, one opens it and says so.
                "ConditionExpression": "attribute_not_exists(open_until) OR open_until <= :now",
                "ExpressionAttributeValues": {
                    ":now": schema.number(now),
                    ":end": schema.number(until),
                    ":later": schema.number(until // 1000),
                },
            }
        )
        if instead is None:
            self._opened(brand_id)


def _allowed(normal: int, sent: int, complaints: int) -> int:
    """How many emails a minute may have, of the `normal` number, after so many went out and so many complained."""
    floor = -(-normal // _FLOOR)
    return max(floor, normal >> (1000 * complaints // max(sent, 1)))


def _key(brand_id: str) -> str:
    return f"L#breaker#{brand_id}"


def _hour(brand_id: str, now: int) -> Item:
    return schema.key(_key(brand_id), f"{_HOUR}{now // _HOUR_MS:07d}")


def _end(now: int) -> Item:
    """When the hour no longer counts, epoch seconds, as an attribute."""
    return schema.number((now // _HOUR_MS + 2) * _HOUR_MS // 1000)
