"""The spool: what was accepted while the table was away, kept in a queue until it can be written.

An opt-out is never refused because of a fault of ours. The whole event goes into the queue as it would have been
recorded, with the instant of the click; `drain` records it later, and order doesn't matter to consent. An event holds
no address; evidence (IP address and user agent) travels with it, in a queue that is encrypted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.consent import Choice, Consent
from consentry.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.store import Address, Outcome, Recorded, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.store import Store


class Spooled(NamedTuple):
    """One event that waits to be recorded, with what `Store.record` has to know."""

    event: Event
    evidence: Evidence | None = None
    evidence_days: int = 0
    address: Address | None = None

    def to_json(self) -> str:
        """As it waits in the queue."""
        return json.dumps(self, ensure_ascii=False)


def from_json(text: str) -> Spooled:
    """The event in a queue's message.

    Raises:
        ValueError, TypeError, KeyError: it isn't one.
    """
    event, evidence, evidence_days, address = json.loads(text)
    return Spooled(
        _event(event),
        None if evidence is None else Evidence(*map(_text, evidence)),
        _whole(evidence_days),
        None if address is None else Address(address),
    )


class Recorder:
    """Records what must not be lost: in the table, or else in the spool."""

    def __init__(self, store: Store, spool: Callable[[str], None]) -> None:
        """`spool` queues a text, or raises `StoreUnavailableError`."""
        self._store = store
        self._spool = spool

    def record(
        self,
        event: Event,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        address: Address | None = None,
    ) -> Recorded:
        """`Store.record`, or `SPOOLED` while the table is away.

        Raises:
            StoreUnavailableError: the queue is away too; only then is the caller told to come back.
        """
        try:
            return self._store.record(event, evidence=evidence, evidence_days=evidence_days, address=address)
        except StoreUnavailableError:
            self._spool(Spooled(event, evidence, evidence_days, address).to_json())
            return Recorded(Outcome.SPOOLED, Consent())


def _event(fields: list[Any]) -> Event:
    """An event as JSON has it: its fields in order."""
    named = dict(zip(Event._fields, fields, strict=True))
    registers, choices = named["effect"]
    texts: dict[str, Any] = {name: _text(value) for name, value in named.items() if name not in _NOT_TEXT}
    return Event(
        **texts,
        kind=Kind(named["kind"]),
        occurred_at=_whole(named["occurred_at"]),
        arrived_at=_whole(named["arrived_at"]),
        actor=Actor(named["actor"]),
        channel=Channel(named["channel"]),
        effect=Consent(
            {name: _whole(at) for name, at in dict(registers).items()},
            {name: Choice(_whole(at), _text(by), _text(value)) for name, (at, by, value) in dict(choices).items()},
        ),
        topics=tuple(map(_text, named["topics"])),
        suspected_automation=named["suspected_automation"] is True,
    )


_NOT_TEXT: Final = frozenset(
    {"kind", "occurred_at", "arrived_at", "actor", "channel", "effect", "topics", "suspected_automation"}
)
"""Fields of an event that aren't plain text."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # half of a surrogate pair, which JSON can spell and the table can't hold
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
