"""How large items are, and what writing them takes: measured on items that the project's own code makes.

The store is given a client that notes what it would write. Sizes by DynamoDB's rules:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NamedTuple

from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.gateway import Gateway
from consentry.table.schema import Contact
from consentry.table.store import Address, Store

STORED_OVERHEAD: Final = 100
"""Bytes that DynamoDB adds to each item that it stores."""
EMAIL_BUDGETS: Final = 2 * 2
"""Write units of the mailbox's and the domain's budget, in the transaction of a request."""
_AT: Final = 1_795_500_000_000
_WHO: Final = "Zq3vT9x0bS2mKc7LdYw1Ng"
_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
_EVIDENCE: Final = Evidence("2001:db8:85a3::8a2e:370:7334", _AGENT)
_EVIDENCE_DAYS: Final = 365
_ASSIGNED: Final = re.compile(r"(#?\w+) = (?:if_not_exists\(\w+, )?(:\w+)")
_ADDED: Final = re.compile(r"(\w+) (:\w+)")


class Measured(NamedTuple):
    """One transaction."""

    items: dict[str, int]
    """Bytes of each item, by kind, as it is after the transaction."""

    @property
    def write_units(self) -> int:
        """What it takes: two for each begun KiB of an item, because it is a transaction."""
        return sum(2 * math.ceil(size / 1024) for size in self.items.values())

    @property
    def stored(self) -> int:
        """Bytes that are billed as storage."""
        return sum(self.items.values()) + STORED_OVERHEAD * len(self.items)


class _Client:
    """Notes the items of a transaction. The state starts as it was left by the one before."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803 - boto3's name
        self.written = []
        for operation in TransactItems:
            if "Put" in operation:
                item = operation["Put"]["Item"]
            else:
                update = operation["Update"]
                before = self.held.get(update["Key"]["sk"]["S"], {})
                item = _updated(before, update)
            self.held[item["sk"]["S"]] = item
            self.written.append(item["sk"]["S"])


def journey(*, evidence: bool = True) -> dict[str, Measured]:
    """What a person's acts write, one after the other: asked for a topic, confirmed it, left it."""
    client = _Client()
    store = Store(Gateway(client, "table"), lambda _brand: b"k" * 32)
    kept: dict[str, Any] = {"evidence": _EVIDENCE, "evidence_days": _EVIDENCE_DAYS} if evidence else {}
    measured = {}

    asked = event(Kind.ASKED, Channel.PAGE, 0, Consent({rules.ask("news"): _AT}), source="landing-page")
    contact = Contact("somebody.or.other@mail.example.com", "en", ("news",), _AT, asked.event_id)
    store.request(asked, contact, **kept)
    measured["asked"] = _measured(client)

    confirmed = event(Kind.CONFIRMED, Channel.PAGE, 1, Consent({rules.opt_in("news"): _AT}))
    store.record(confirmed, address=Address.FORGET, **kept)
    measured["confirmed"] = _measured(client)

    left = event(
        Kind.UNSUBSCRIBED, Channel.ONE_CLICK, 2, Consent({rules.opt_out("news"): _AT + 2}), reference="c-2026-11-24"
    )
    store.record(left, **kept)
    measured["left"] = _measured(client)
    return measured


def unknown_leaves(*, evidence: bool = True) -> Measured:
    """What is written when somebody leaves whom the table has never seen: most people of an opt-out topic."""
    client = _Client()
    store = Store(Gateway(client, "table"), lambda _brand: b"k" * 32)
    kept: dict[str, Any] = {"evidence": _EVIDENCE, "evidence_days": _EVIDENCE_DAYS} if evidence else {}
    found = event(
        Kind.UNSUBSCRIBED, Channel.ONE_CLICK, 2, Consent({rules.opt_out("news"): _AT + 2}), reference="c-2026-11-24"
    )
    store.record(found, **kept)
    return _measured(client)


def size(value: dict[str, Any]) -> int:
    """Bytes of an attribute's value."""
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(str(held).encode())
        case "N":
            return math.ceil(len(held.lstrip("-").strip("0")) / 2) + 1 + int(held.startswith("-"))
        case "BOOL":
            return 1
        case "SS":
            return sum(len(each.encode()) for each in held)
        case "L":
            return 3 + sum(1 + size(each) for each in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + size(each) for name, each in held.items())
    raise ValueError(f"no rule for the size of {kind}")


def item_size(item: dict[str, Any]) -> int:
    """Bytes of an item."""
    return sum(len(name.encode()) + size(value) for name, value in item.items())


def _measured(client: _Client) -> Measured:
    kinds = {"S": "state", "C": "contact", "E": "event", "V": "evidence"}
    return Measured({kinds[sk[0]]: item_size(client.held[sk]) for sk in client.written})


def event(kind: Kind, channel: Channel, later: int, effect: Consent, *, reference: str = "", source: str = "") -> Event:
    """Something that one person did, so many ms later than the first."""
    at = _AT + later
    return Event(
        event_id=f"8sK2mPq0Zx7Lw4R{later}",
        kind=kind,
        brand="example",
        subscriber_id=_WHO,
        occurred_at=at,
        arrived_at=at,
        actor=Actor.RECIPIENT,
        channel=channel,
        effect=effect,
        topics=("news",),
        locale="en",
        notice="2026-01",
        reference=reference,
        source=source,
    )


def _updated(before: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """What an update leaves behind, as far as ours go: SET, ADD and REMOVE, in this order."""
    values, names = update["ExpressionAttributeValues"], update.get("ExpressionAttributeNames", {})
    kept, _, removed = update["UpdateExpression"].partition(" REMOVE ")
    sets, _, adds = kept.partition(" ADD ")
    found = [*_ASSIGNED.findall(sets), *_ADDED.findall(adds)]
    item = before | update["Key"] | {names.get(name, name): values[value] for name, value in found}
    return {name: value for name, value in item.items() if name not in removed.split(", ")}
