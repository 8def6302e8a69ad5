"""Scans: everybody that the table knows, of one brand or of all. Nobody waits for them; a click never scans."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules.ledger import partition_key
from consentry.table import schema
from consentry.table.schema import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consentry.rules.consent import Consent
    from consentry.rules.ledger import Event, Record
    from consentry.table.gateway import Gateway
    from consentry.table.schema import Head

_ITEMS_A_PAGE: Final = 1_000
"""Without it a page is a mebibyte, and tens of them in memory once it is parsed."""


class Swept(NamedTuple):
    """A page of a scan over everybody's ledger."""

    found: list[Event | Head]
    """In the order of the scan: a subscriber's events, and then how their ledger stands."""
    next: Mapping[str, Any] | None
    """The key after which the next page starts; None on the last."""


class Scan:
    """Reads the table through."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def everyone(self, brand: str, *, segment: int = 0, segments: int = 1) -> Iterator[Record]:
        """What is held on each subscriber of the brand, in no order, one at a time in memory.

        The answers are eventually consistent. A subscriber that DynamoDB keeps in several places comes in several
        parts, and one that is written to meanwhile may come half old, half new: ask `verify` before anything is
        held against one.

        Args:
            brand: whose subscribers.
            segment: which part of the table, from 0.
            segments: how many parts there are.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        scanned = self._scan(brand, segment, segments)
        for pk, part in groupby(scanned, key=lambda item: str(item["pk"]["S"])):
            yield schema.record(pk, part, time.time_ns() // 1_000_000_000)

    def consents(self, brand: str, *, segment: int = 0, segments: int = 1) -> Iterator[tuple[str, Consent]]:
        """`subscriber_id` and consent of everybody who has one, as `everyone` does.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        for item in self._scan(brand, segment, segments, only=STATE):
            yield item["pk"]["S"].rpartition("#")[2], schema.consent(item)

    def sweep(self, since: int, until: int, *, segment: int, segments: int, start: Mapping[str, Any] | None) -> Swept:
        """A page of the events that arrived from `since` and before `until`, of all brands, and of everybody's head.

        Addresses and evidence don't leave the table. The answers are eventually consistent.

        Args:
            since: epoch ms.
            until: epoch ms.
            segment: which part of the table, from 0.
            segments: how many parts there are.
            start: the key after which to go on; None at the beginning.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        request: dict[str, Any] = {
            "Segment": segment,
            "TotalSegments": segments,
            "Limit": _ITEMS_A_PAGE,
            "FilterExpression": "begins_with(pk, :person) AND (sk = :state"
            " OR (begins_with(sk, :event) AND arrived_at >= :since AND arrived_at < :until))",
            "ExpressionAttributeValues": {
                ":person": schema.string("S#"),
                ":state": schema.string(STATE),
                ":event": schema.string("E#"),
                ":since": schema.number(since),
                ":until": schema.number(until),
            },
        }
        if start is not None:
            request["ExclusiveStartKey"] = start
        scanned, following = self._gateway.page("scan", **request)
        found: list[Event | Head] = []
        for item in scanned:
            try:
                found.append(schema.head(item) if item["sk"]["S"] == STATE else schema.event(item))
            except (KeyError, ValueError, TypeError):
                continue  # something else wrote it, and that is for `faults` to find
        return Swept(found, following)

    def _scan(self, brand: str, segment: int, segments: int, only: str = "") -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "Segment": segment,
            "TotalSegments": segments,
            "Limit": _ITEMS_A_PAGE,
            "FilterExpression": "begins_with(pk, :brand)",
            "ExpressionAttributeValues": {":brand": schema.string(partition_key(brand, ""))},
        }
        if only:
            request["FilterExpression"] += " AND sk = :only"
            request["ExpressionAttributeValues"][":only"] = schema.string(only)
        return self._gateway.scan(**request)
