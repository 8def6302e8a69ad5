"""The spool: what was accepted while the table was unavailable, kept in a queue until it can be written.

An opt-out is never refused because of a fault of ours. The whole event goes into the queue as it would have been
recorded, with the instant of the click; `drain` records it later, and order doesn't matter to consent. An event holds
no address; evidence (IP address and user agent) travels with it, in a queue that is encrypted.

While not even the keys can be had, nobody knows whether a token is ours. Then the token itself waits, with what its
holder wants, and is verified before it counts.

`consentry.actions.replay` takes both up again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.links.tokens import Purpose
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Address, Outcome, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from consentry.table.store import Recording, Store


class Spooled(NamedTuple):
    """One event that waits to be recorded, with what `Store.record` has to know."""

    event: Event
    evidence: Evidence | None = None
    evidence_days: int = 0
    address: Address | None = None
    form: str = ""

    def to_json(self) -> str:
        """As it waits in the queue, in ASCII (SQS takes no U+FFFE); without evidence that nobody would keep."""
        kept = self if self.evidence_days > 0 else self._replace(evidence=None)
        return json.dumps(kept)


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
    frequency: str = ""
    """Not empty: the link's topics this often, instead of an opt-out."""
    topics: tuple[str, ...] = ()
    """Those that a form of preferences left, which the link doesn't name."""

    def to_json(self) -> str:
        """As it waits in the queue."""
        return json.dumps(self._asdict())


def from_json(text: str) -> Spooled | Unverified:
    """What a queue's message says.

    Raises:
        ValueError, TypeError, KeyError: it isn't one of ours.
    """
    said = json.loads(text)
    if isinstance(said, dict):
        return Unverified(
            Purpose(said["purpose"]),
            _text(said["token"]),
            _whole(said["at"]),
            Channel(said["channel"]),
            said["everything"] is True,
            _whole(said["pause_days"]),
            _text(said["stamp"]),
            _text(said["locale"]),
            _evidence(said["evidence"]),
            _text(said.get("frequency", "")),  # what was spooled by an earlier version has none
            tuple(map(_text, said.get("topics", ()))),
        )
    event, evidence, evidence_days, address, form = said
    kept = evidence is not None and _whole(evidence_days) > 0
    return Spooled(
        _event(event),
        _evidence(evidence) if kept else None,
        _whole(evidence_days),
        None if address is None else Address(address),
        _text(form),
    )


class Recorder:
    """Records what must not be lost: in the table, or else in the spool."""

    def __init__(
        self,
        store: Store,
        spool: Callable[[str], None] | None = None,
        noted: Callable[[Spooled | Unverified], None] | None = None,
    ) -> None:
        """`spool` queues a text, or raises `StoreUnavailableError`; None where what fails waits already.

        `noted` is called with everything that was spooled.
        """
        self._store = store
        self._spool = spool
        self._noted = noted

    def record(self, event: Event, **how: Unpack[Recording]) -> Recorded:
        """`Store.record`; `SPOOLED` if the table is unavailable or anything else fails. What it spools joins no burst.

        Raises:
            StoreUnavailableError: the queue is unavailable too; only then is the caller asked to come back.
        """
        try:
            return self._store.record(event, **how)
        except Exception:
            # Also what nobody thought of, and what the table can never take: an opt-out is not lost for a fault of
            # ours. It is kept, and counted by whoever spools; an alarm rings on that.
            if self._spool is None:
                raise
            kept = how.get("evidence"), how.get("evidence_days", 0), how.get("address"), how.get("form", "")
            self.keep(Spooled(event, *kept))
            return Recorded(Outcome.SPOOLED, Consent(), event.effect)

    def keep(self, waiting: Spooled | Unverified) -> None:
        """Spool it without asking the table, which is known to be unavailable, or can't be asked.

        Raises:
            StoreUnavailableError: the queue is unavailable too.
        """
        if self._spool is None:
            raise StoreUnavailableError("the table is unavailable")
        self._spool(waiting.to_json())
        if self._noted:
            self._noted(waiting)


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


def _evidence(value: list[object]) -> Evidence:
    ip, user_agent = value
    return Evidence(_text(ip), _text(user_agent))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # half of a surrogate pair, which JSON can spell and the table can't hold
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
