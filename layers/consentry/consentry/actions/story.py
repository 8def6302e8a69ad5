"""What happened to somebody's consent, and how they stand, in sentences: for whoever has to explain or to prove it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from consentry.actions import platforms
from consentry.rules import consent as rules
from consentry.rules.consent import EVERY_TOPIC, Reason
from consentry.rules.ledger import Actor, Channel, Evidence, Kind

if TYPE_CHECKING:
    from consentry.rules.brands import Brand
    from consentry.rules.consent import Consent, Decision
    from consentry.rules.ledger import Event

LATE_MS: Final = 60_000
"""What arrives later than this after it happened is said to."""

STANDINGS: Final = {
    Reason.SUBSCRIBED: "subscribed since {since}",
    Reason.OPT_OUT_TOPIC: "no choice made; emails on it may be sent until they unsubscribe",
    Reason.UNSUBSCRIBED: "unsubscribed since {since}",
    Reason.EXPIRED: "expired on {since}",
    Reason.PENDING: "asked for on {since}, and not confirmed yet",
    Reason.NONE: "never asked for",
    Reason.COMPLAINT: "stopped, because an email was reported as spam",
    Reason.BOUNCE: "stopped, because an email bounced for good",
    Reason.PAUSED: "paused until {paused_until}",
}
"""By the rule that decides."""
ACTS: Final = {
    Kind.ASKED: "asked for {topics}",
    Kind.CONFIRMED: "confirmed {topics}",
    Kind.UNSUBSCRIBED: "unsubscribed from {topics}",
    Kind.SENDER: "unsubscribed from everything in an email of their own, without a link",
    Kind.PAUSED: "paused or resumed all emails",
    Kind.PREFERENCES: "saved preferences: {changes}",
    Kind.UNDONE: "took back what they had done about {topics}",
    Kind.CLAIMED: "reported a subscription to {topics}",
    Kind.KEPT: "kept {topics}",
    Kind.COMPLAINED: "reported an email as spam",
    Kind.BOUNCED: "reported that an email bounced for good",
    Kind.ERASED: "had address and evidence erased",
    Kind.MOVED: "changed their address; they went on, or were before, as {source}",
    Kind.REASON: "said why they unsubscribed: {source}",
}
ACTORS: Final = {
    Actor.RECIPIENT: "the recipient",
    Actor.PLATFORM: "a platform",
    Actor.PROVIDER: "a mail provider",
    Actor.SYSTEM: "Consentry",
}
WAYS: Final = {
    Channel.ONE_CLICK: "by the button of a mail program (one click)",
    Channel.PAGE: "on a page",
    Channel.MAILTO: "by email",
    Channel.PREFERENCES: "on the preferences page",
    Channel.API: "by the API",
    Channel.WEBHOOK: "by a webhook",
    Channel.IMPORT: "by an import",
    Channel.FEEDBACK: "by SES's feedback",
}


def standing(brand: Brand, consent: Consent, now: int) -> list[str]:
    """How somebody stands to each topic, and which may be emailed now."""
    decided = {topic: brand.decide(consent, topic, now) for topic in brand.topics}
    lines = [f"  {_name(brand, topic)}: {_standing(each)}" for topic, each in decided.items()]
    allowed = [_name(brand, topic) for topic, each in decided.items() if each.allowed]
    may = f"Emails may be sent on {_listed(allowed)}." if allowed else "No emails may be sent."
    return ["How they stand", *lines, "", may]


def sentence(brand: Brand, event: Event) -> str:
    """One event of the ledger."""
    topics = "everything" if EVERY_TOPIC in event.topics else _listed([_name(brand, each) for each in event.topics])
    act = ACTS[event.kind].format(
        topics=topics or "everything", source=event.source or "no answer", changes=_changes(brand, event)
    )
    said = [f"{ACTORS[event.actor]} {act}, {WAYS[event.channel]}"]
    if ends := platforms.event_view(event, Evidence()).get("expires_at"):
        said.append(f"until {ends[:19].replace('T', ' ')}")
    if event.reference:
        said.append(f"reference {event.reference}")
    if event.arrived_at - event.occurred_at > LATE_MS:
        said.append(f"recorded {moment(event.arrived_at)}")
    if event.suspected_automation:
        said.append("this looked like a machine")
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def _standing(decision: Decision) -> str:
    text = STANDINGS[decision.reason].format(since=moment(decision.since), paused_until=moment(decision.paused_until))
    often = f", at most {decision.frequency}" if decision.frequency else ""
    ends = f", until {moment(decision.expires_at)}" if decision.allowed and decision.expires_at else ""
    return f"{text}{often}{ends}. {'May' if decision.allowed else 'May not'} be emailed."


def _changes(brand: Brand, event: Event) -> str:
    """What a saved form of preferences set."""
    changes = []
    for register in event.effect.registers:
        word = {"in": "on", "claim": "on", "out": "off"}.get(register.partition(".")[0])
        topic = rules.topic_of(register)
        if word and topic:
            changes.append(f"{'everything' if topic == EVERY_TOPIC else _name(brand, topic)} {word}")
    for name, choice in event.effect.choices.items():
        topic = rules.topic_of(name)
        if name == rules.PAUSE:
            changes.append(f"paused until {moment(int(choice.value))}" if choice.value != "0" else "no pause")
        elif name == rules.LOCALE:
            changes.append(f"language {choice.value}")
        elif topic:
            changes.append(f"{_name(brand, topic)} {choice.value or 'as often as it comes'}")
    return ", ".join(changes) or "nothing that counts"


def _name(brand: Brand, topic: str) -> str:
    return f"“{brand.topic_name(topic, 'en')}”"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def moment(instant: int | None) -> str:
    return f"{datetime.fromtimestamp((instant or 0) / 1000, UTC):%Y-%m-%d %H:%M:%S}"
