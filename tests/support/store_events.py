"""What happens to a subscriber, as the store is told of it, and how they stand afterwards."""

from __future__ import annotations

import itertools
from typing import Any, Final

from consentry.rules import consent as rules
from consentry.rules.addresses import Address as Mailbox
from consentry.rules.consent import Choice, Consent, Status
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.outbox import MailDue
from consentry.table.schema import Contact
from consentry.table.sent_mails import SentMail
from consentry.table.store import Store
from support.tables import ANN

NOW: Final = 1_800_000_000_000
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
DUE: Final = MailDue("demo", ANN, NOW)
LETTER = SentMail(1, "confirmation", "ses-1", "en", "", ("news",), 1)
"""What went out, as it is noted."""
SOMEWHERE: Final = Evidence("203.0.113.7", "Mozilla/5.0")
VARIANT: Final = Mailbox("bob+1@gmail.com", "bob+1@gmail.com")
_numbers: Final = itertools.count(1)


def event(
    registers: dict[str, int] | None = None,
    choices: dict[str, tuple[int, str]] | None = None,
    *,
    at: int = NOW,
    arrived: int | None = None,
    event_id: str = "",
    who: str = ANN,
    kind: Kind = Kind.PREFERENCES,
) -> Event:
    """An event that sets these registers and choices (instant and value)."""
    event_id = event_id or f"event-{next(_numbers)}"
    registers = registers or {}
    effect = Consent(
        registers, {name: Choice(when, event_id, value) for name, (when, value) in (choices or {}).items()}
    )
    topics = tuple(dict.fromkeys(name.partition(".")[2] or "*" for name in registers))
    return Event(
        event_id,
        kind,
        "demo",
        who,
        at,
        at if arrived is None else arrived,
        Actor.RECIPIENT,
        Channel.PAGE,
        effect,
        topics,
    )


def opted_in(topic: str = "news", at: int = NOW, **more: Any) -> Event:
    """The person confirms."""
    return event({f"in.{topic}": at}, at=at, kind=Kind.CONFIRMED, **more)


def opted_out(topic: str = "news", at: int = NOW, **more: Any) -> Event:
    """The person leaves a topic, or `*`."""
    return event({f"out.{topic}": at}, at=at, kind=Kind.UNSUBSCRIBED, **more)


def claimed(topic: str = "news", at: int = NOW, **more: Any) -> Event:
    """A platform says that the person subscribed."""
    return event({f"claim.{topic}": at}, at=at, kind=Kind.CLAIMED, **more)


def asked(at: int = NOW, *, who: str = ANN, address: str = "ann@example.com") -> tuple[Event, Contact]:
    """Somebody asks for `news`: the event, and the email that is due."""
    made = event({"ask.news": at}, at=at, kind=Kind.ASKED, who=who)
    return made, Contact(address, "en", ("news",), at, made.event_id)


def status(store: Store, topic: str = "news", who: str = ANN) -> Status:
    """How somebody stands to a topic."""
    return rules.status(store.read("demo", who), topic)


def intact(store: Store, who: str = ANN) -> bool:
    """Whether somebody's ledger verifies."""
    return store.ledger("demo", who).intact
