"""The ledger: every event that touched consent, as recorded, hashed and read back.

An event names its *effect*, the registers and choices that it set, so that replaying a subscriber's ledger gives
the consent that the state item holds.

Tamper evidence costs no read. Each event has a keyed hash, and the state item holds the sum of them (a keyed
additive multiset hash: Clarke, Devadas, van Dijk, Gassend, Suh, "Incremental Multiset Hash Functions", 2003).
An event that is changed, removed, slipped in, or moved to another subscriber breaks the sum. A hash is cut to 80
bits so that the sum of thousands stays within 28 decimal digits.

What identifies a person (IP address, user agent) is not in the event but in an evidence item beside it, which
expires. The event keeps a keyed hash of it, so that it can be proved while it is there, and the ledger still
verifies when it is gone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.rules import consent as rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.rules.consent import Consent

_HASH_BYTES: Final = 10
_ID_BYTES: Final = 12


class Kind(StrEnum):
    """What happened."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    SENDER = "unsubscribed_by_sender"
    """The person left everything by an email without a token, and it was certain who wrote it."""
    PAUSED = "paused"
    PREFERENCES = "preferences_saved"
    UNDONE = "undone"
    CLAIMED = "claimed"
    KEPT = "kept"
    """The person renewed what they get, by a link for just that."""
    COMPLAINED = "complained"
    BOUNCED = "bounced"
    ERASED = "erased"
    MOVED = "moved"
    """The person has another address; `source` names the id under which they go on, or went before."""
    REASON = "reason_given"
    """Why somebody left; it sets nothing, and stands at the instant of the opt-out that it is of."""


class Actor(StrEnum):
    """Who acted."""

    RECIPIENT = "recipient"
    PLATFORM = "platform"
    PROVIDER = "provider"
    SYSTEM = "system"


class Channel(StrEnum):
    """Which way it came."""

    ONE_CLICK = "one-click"
    PAGE = "page"
    MAILTO = "mailto"
    PREFERENCES = "preferences"
    API = "api"
    WEBHOOK = "webhook"
    IMPORT = "import"
    FEEDBACK = "feedback"


class Evidence(NamedTuple):
    """What identifies the person's device; kept apart, and only as long as the brand says."""

    ip: str = ""
    user_agent: str = ""


class Event(NamedTuple):
    """One thing that happened to one subscriber's consent."""

    event_id: str
    kind: Kind
    brand: str
    subscriber_id: str
    occurred_at: int
    """Epoch ms; never later than `arrived_at`."""
    arrived_at: int
    """Epoch ms, by our clock."""
    actor: Actor
    channel: Channel
    effect: Consent
    """The registers and choices that it set."""
    topics: tuple[str, ...] = ()
    """The topics that it is about; `("*",)` for every one."""
    locale: str = ""
    """The language in which the person read what they agreed to."""
    notice: str = ""
    """The version of that text."""
    reference: str = ""
    """The platform's own, from the link or the call."""
    source: str = ""
    """Where a platform says that the request came from; for an email, what SES found out about its sender; for a
    reason, which one."""
    suspected_automation: bool = False
    """The act looked like a machine's."""
    evidence_hash: str = ""
    """Keyed hash of the evidence item; empty when there is none."""
    link: str = ""
    """Whose link the person acted by: `ours`, if we mailed it, or `platform`; empty where it was none."""

    @property
    def partition_key(self) -> str:
        """`pk` of everything that we hold on this subscriber."""
        return partition_key(self.brand, self.subscriber_id)

    @property
    def sort_key(self) -> str:
        """`sk` of the event: in order of occurrence."""
        return f"E#{self.evidence_key}"

    @property
    def evidence_key(self) -> str:
        """What `sk` of the event and of its evidence have in common."""
        return f"{self.occurred_at:013d}#{self.event_id}"


class Record(NamedTuple):
    """All that proves one subscriber's consent."""

    subscriber_id: str
    consent: Consent | None
    """None where no state is held."""
    ledger_count: int
    """How many events the state says there are."""
    ledger_digest: int
    """The sum of their hashes, as the state says."""
    events: tuple[Event, ...]
    """Oldest first."""
    evidences: Mapping[str, Evidence]
    """By event, as `Event.evidence_key` names it; those that haven't expired."""
    unreadable: int = 0
    """Ledger items that aren't events, or don't stand where their event belongs."""


class Fault(StrEnum):
    """What is wrong with a ledger."""

    MISSING = "events are missing"
    ADDED = "events were slipped in"
    CHANGED = "an event was changed"
    UNREADABLE = "an event can't be read, or stands in the wrong place"
    EVIDENCE = "evidence was changed"
    CONSENT = "the consent doesn't follow from the events"
    NO_EVENTS = "a consent without events"
    NO_CONSENT = "events without a consent"


def faults(key: bytes, held: Record) -> list[Fault]:
    """What is wrong with a subscriber's ledger; nothing, if it is intact.

    `key` is the brand's ledger key. A subscriber that nothing is held on is intact.
    """
    found = _count_faults(held)
    if held.unreadable:
        found.append(Fault.UNREADABLE)
    if not found and sum(hash_event(key, event) for event in held.events) != held.ledger_digest:
        found.append(Fault.CHANGED)
    if not found and rules.join(event.effect for event in held.events) != (held.consent or rules.Consent()):
        found.append(Fault.CONSENT)
    if not all(_evidence_holds(key, event, held.evidences) for event in held.events):
        found.append(Fault.EVIDENCE)
    return found


def _count_faults(held: Record) -> list[Fault]:
    there = len(held.events) + held.unreadable
    if held.consent is None:
        return [Fault.NO_CONSENT] if there else []
    if not there:
        return [Fault.NO_EVENTS]
    if there == held.ledger_count:
        return []
    return [Fault.MISSING if there < held.ledger_count else Fault.ADDED]


def _evidence_holds(key: bytes, event: Event, evidences: Mapping[str, Evidence]) -> bool:
    """Evidence that is still there is what was there; evidence that has expired proves nothing either way."""
    evidence = evidences.get(event.evidence_key)
    return evidence is None or hash_evidence(key, event.event_id, evidence) == event.evidence_hash


def partition_key(brand: str, subscriber_id: str) -> str:
    """`pk` of everything that we hold on a subscriber."""
    return f"S#{brand}#{subscriber_id}"


def new_event_id() -> str:
    """96 random bits, 16 characters."""
    return secrets.token_urlsafe(_ID_BYTES)


def event_id_of(*said: object) -> str:
    """Names an event by what it says: the same thing has the same name, however often it is told."""
    digest = hashlib.sha256(json.dumps(said).encode()).digest()
    return base64.urlsafe_b64encode(digest[:_ID_BYTES]).decode()


def hash_evidence(key: bytes, event_id: str, evidence: Evidence) -> str:
    """Ties an evidence item to its event. Keyed: addresses are few enough to be guessed from a plain hash."""
    message = json.dumps(["evidence", event_id, *evidence], ensure_ascii=False).encode()
    return hmac.digest(key, message, "sha256").hex()[:32]


def hash_event(key: bytes, event: Event) -> int:
    """The event's share of its subscriber's digest: every field counts."""
    return int.from_bytes(hmac.digest(key, text_of(event).encode(), "sha256")[:_HASH_BYTES], "big")


def text_of(event: Event) -> str:
    """Every field of an event, in one spelling: what its hashes are made of."""
    registers, choices = event.effect
    fields = [*event[:8], registers, {name: list(choice) for name, choice in choices.items()}, *event[9:]]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
