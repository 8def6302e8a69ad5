"""The spool: what was accepted while the table was away, kept in a queue until it can be written.

An opt-out is never refused because of a fault of ours. The whole event goes into the queue as it would have been
recorded, with the instant of the click; `drain` records it later, and order doesn't matter to consent. An event holds
no address; evidence (IP address and user agent) travels with it, in a queue that is encrypted.

While not even the keys can be had, nobody can tell whether a token is ours. Then the token itself waits, with what its
holder wants, and is verified before it counts.

`consentry.replay` takes both up again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from consentry.consent import Choice, Consent
from consentry.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.store import Address, Outcome, Recorded, StoreUnavailableError
from consentry.tokens import Purpose

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
        """As it waits in the queue; without evidence that nobody would keep."""
        kept = self if self.evidence_days else self._replace(evidence=None)
        return json.dumps(kept, ensure_ascii=False)


class Unverified(NamedTuple):
    """An opt-out or a pause under a token that nobody could verify at the time."""

    purpose: Purpose
    token: str
    at: int
    """Epoch ms of the click."""
    channel: Channel
    everything: bool = False
    pause_days: int = 0
    """More than 0: a pause instead of an opt-out."""
    stamp: str = ""
    """The stamp of the page's form; empty where there was none."""
    locale: str = ""
    evidence: Evidence = Evidence()

    def to_json(self) -> str:
        """As it waits in the queue."""
        return json.dumps(self._asdict(), ensure_ascii=False)


def from_json(text: str) -> Spooled | Unverified:
    """What a queue's message says.

    Raises:
        ValueError, TypeError, KeyError: it isn't one of ours.
    """
    said = json.loads(text)
    if isinstance(said, dict):
        return Unverified(
            **{
                **said,
                "purpose": Purpose(said["purpose"]),
                "channel": Channel(said["channel"]),
                "evidence": Evidence(*said["evidence"]),
            }
        )
    event, evidence, evidence_days, address = said
    return Spooled(
        _event(event),
        None if evidence is None else Evidence(*evidence),
        int(evidence_days),
        None if address is None else Address(address),
    )


class Recorder:
    """Records what must not be lost: in the table, or else in the spool."""

    def __init__(self, store: Store, spool: Callable[[str], None] | None = None) -> None:
        """`spool` queues a text, or raises `StoreUnavailableError`; None where what fails waits already."""
        self._store = store
        self._spool = spool

    def record(
        self,
        event: Event,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        address: Address | None = None,
        crowd: dict[str, Any] | None = None,
    ) -> Recorded:
        """`Store.record`, or `SPOOLED` while the table is away, or anything else fails; what is spooled joins no crowd.

        Raises:
            StoreUnavailableError: the queue is away too; only then is the caller told to come back.
        """
        try:
            return self._store.record(
                event, evidence=evidence, evidence_days=evidence_days, address=address, crowd=crowd
            )
        except Exception:
            if self._spool is None:
                raise
            self.keep(Spooled(event, evidence, evidence_days, address))
            return Recorded(Outcome.SPOOLED, Consent())

    def keep(self, waiting: Spooled | Unverified) -> None:
        """Spool it without asking the table, which is known to be away, or can't be asked.

        Raises:
            StoreUnavailableError: the queue is away too.
        """
        if self._spool is None:
            raise StoreUnavailableError("the table is away")
        self._spool(waiting.to_json())


def _event(fields: list[Any]) -> Event:
    """An event as JSON has it: its fields in order."""
    named = dict(zip(Event._fields, fields, strict=True))
    registers, choices = named["effect"]
    return Event(
        **{
            **named,
            "kind": Kind(named["kind"]),
            "actor": Actor(named["actor"]),
            "channel": Channel(named["channel"]),
            "effect": Consent(
                {name: int(at) for name, at in registers.items()},
                {name: Choice(int(at), by, value) for name, (at, by, value) in choices.items()},
            ),
            "topics": tuple(named["topics"]),
        }
    )
