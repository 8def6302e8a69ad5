"""Emails that went out: an item each in the person's partition, without the address, for whoever has to prove one.

They are beside the ledger, not in it: its sum says nothing of them, and SES's own id leads to what mail servers logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules.ledger import partition_key
from consentry.table import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.table.gateway import Gateway

_PREFIX: Final = "M#"
_TEXTS: Final = ("mail", "message_id", "locale", "notice")


class SentMail(NamedTuple):
    """An email that SES took."""

    sent_at: int
    """Epoch ms."""
    mail: str
    """Which."""
    message_id: str
    """SES's; the header that it writes is `<id@…amazonses.com>`."""
    locale: str
    notice: str
    """The version of its words."""
    topics: tuple[str, ...]
    asked_at: int
    """When it was asked for, or what it reports happened, epoch ms."""


def update_of(pk: str, mail: SentMail) -> dict[str, Any]:
    """The update that notes an email; the same one twice is one."""
    values: dict[str, Any] = {name: schema.string(getattr(mail, name)) for name in _TEXTS}
    values |= {"topics": {"L": [*map(schema.string, mail.topics)]}, "asked_at": schema.number(mail.asked_at)}
    return {
        "Key": schema.key(pk, f"{_PREFIX}{mail.sent_at:013d}#{mail.message_id}"),
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }


def of_person(gateway: Gateway, brand: str, subscriber_id: str) -> list[SentMail]:
    """Every email of ours to somebody, oldest first.

    Raises:
        StoreUnavailableError: the table can't be read.
    """
    found = gateway.query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sent)",
        ExpressionAttributeValues={
            ":pk": schema.string(partition_key(brand, subscriber_id)),
            ":sent": schema.string(_PREFIX),
        },
    )
    return [_read(item) for item in found]


def _read(item: Mapping[str, Any]) -> SentMail:
    sent_at = int(item["sk"]["S"].removeprefix(_PREFIX).partition("#")[0])
    mail, message_id, locale, notice = (schema.text(item, name) for name in _TEXTS)
    topics = tuple(each["S"] for each in item["topics"]["L"])
    return SentMail(sent_at, mail, message_id, locale, notice, topics, schema.integer(item, "asked_at"))
