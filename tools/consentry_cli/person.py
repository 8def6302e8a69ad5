"""`consentry person`: how somebody stands, why, and what happened, in sentences."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from consentry.actions import platforms
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.consent import EVERY_TOPIC, Reason
from consentry.rules.ledger import Actor, Channel, Evidence, Kind
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.wording import number

if TYPE_CHECKING:
    from pathlib import Path

    from consentry.rules.brands import Brand
    from consentry.rules.consent import Consent, Decision
    from consentry.rules.ledger import Event

WHOLE_LEDGER: Final = 1_000_000
"""Events; nobody has so many."""
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


@click.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--subscriber-id", help="Who, by id; the address is read from standard input otherwise.")
def person(brand_id: str, table: str, secret_id: str, folder: Path | None, subscriber_id: str | None) -> None:
    """Say how somebody stands to each topic and why, what happened, and what may still be emailed.

    The address comes from standard input, so that no list of processes and no shell history has it. It isn't printed.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        keys = deployment.keyring(secret_id)
        who = subscriber_id or _named(keys.pepper(brand_id))
        if not addresses.is_subscriber_id(who):
            raise CanNotRunError("--subscriber-id: 22 characters of base64url")
        store, now = deployment.store(table, keys), deployment.now(secret_id)
        consent, page = store.read(brand_id, who), store.ledger(brand_id, who, limit=WHOLE_LEDGER)
        click.echo(f"{who} of {brand_id}\n")
        for line in standing(brand, consent, now):
            click.echo(line)
        click.echo("\nWhat happened (UTC)")
        for event, _ in page.events:
            click.echo(f"  {_moment(event.occurred_at)}  {sentence(brand, event)}")
        click.echo("" if page.events else "  nothing that is on record\n", nl=bool(page.events))
        intact = "intact" if page.intact else "NOT intact: `consentry ledger verify` says what is wrong"
        click.echo(f"The ledger has {number(len(page.events), 'event')} and is {intact}.")
        click.echo(
            "Whether a platform asked for a decision before it sent an email isn't recorded: its own log has to say so."
        )
        if not page.intact:
            raise SystemExit(FOUND)


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
        said.append(f"recorded {_moment(event.arrived_at)}")
    if event.suspected_automation:
        said.append("this looked like a machine")
    text = "; ".join(said)
    return text[0].upper() + text[1:]


def _standing(decision: Decision) -> str:
    text = STANDINGS[decision.reason].format(since=_moment(decision.since), paused_until=_moment(decision.paused_until))
    often = f", at most {decision.frequency}" if decision.frequency else ""
    ends = f", until {_moment(decision.expires_at)}" if decision.allowed and decision.expires_at else ""
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
            changes.append(f"paused until {_moment(int(choice.value))}" if choice.value != "0" else "no pause")
        elif name == rules.LOCALE:
            changes.append(f"language {choice.value}")
        elif topic:
            changes.append(f"{_name(brand, topic)} {choice.value or 'as often as it comes'}")
    return ", ".join(changes) or "nothing that counts"


def _named(pepper: bytes) -> str:
    """The subscriber id of the address that standard input names."""
    given = click.prompt("Address", err=True) if sys.stdin.isatty() else sys.stdin.read()
    try:
        return addresses.subscriber_id(pepper, addresses.identify(given).address)
    except MalformedAddressError as exc:
        raise CanNotRunError(f"standard input: one address is needed, or --subscriber-id ({exc})") from None


def _name(brand: Brand, topic: str) -> str:
    return f"“{brand.topic_name(topic, 'en')}”"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _moment(instant: int | None) -> str:
    return f"{datetime.fromtimestamp((instant or 0) / 1000, UTC):%Y-%m-%d %H:%M:%S}"
