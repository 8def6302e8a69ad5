"""What a platform can ask: links to put into its emails, decisions before it sends, and what is held on a person.

The API and the command line both go through here. Times leave as RFC 3339, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions import mails
from consentry.links.tokens import Link, Purpose
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.ledger import Kind

if TYPE_CHECKING:
    from consentry.links.tokens import LinkSigner
    from consentry.rules.brands import Brand
    from consentry.rules.consent import Consent, Decision
    from consentry.rules.ledger import Event, Evidence
    from consentry.table.store import LedgerPage

TERMS: Final = "ISO/IEC TS 27560:2023"
_EVENT_STATES: Final = {
    "asked": "consent requested",
    "confirmed": "consent given",
    "unsubscribed": "consent withdrawn",
    "unsubscribed_by_sender": "consent withdrawn",
    "paused": "consent paused",
    "preferences_saved": "consent updated",
    "undone": "withdrawal taken back",
    "moved": "identifier changed",
    "claimed": "consent stated by controller",
    "kept": "consent renewed",
    "complained": "objection raised",
    "bounced": "recipient unreachable",
    "erased": "consent withdrawn",
    "reason_given": "reason for withdrawal given",
}
"""The event state of a ledger event in a consent record (TS 27560, 6.4: event information)."""


class MintedLinks(NamedTuple):
    """The links and headers for one person's mail."""

    subscriber_id: str
    unsubscribe_url: str
    preferences_url: str
    headers: dict[str, str]
    keep_url: str = ""
    """Empty where none was asked for."""


def mint(
    signer: LinkSigner,
    brand: Brand,
    subscriber_id: str,
    topic: str,
    base_url: str,
    reference: str = "",
    *,
    keep: bool = False,
) -> MintedLinks:
    """The links for an email on `topic`; `keep`: also the one to renew it.

    Raises:
        ValueError: the reference can't travel in a token, or may hold an address.
    """
    if addresses.may_stand_in(reference):
        raise ValueError("an address (@ or %40) may not stand in a link: use a mark of your own")
    leave = Link(Purpose.UNSUBSCRIBE, brand.id, subscriber_id, (topic,), reference)
    choose = signer.sign(Link(Purpose.PREFERENCES, brand.id, subscriber_id, (), reference))
    unsubscribe_url, mailto_url = mails.unsubscribe_links(signer, brand, leave, base_url)
    return MintedLinks(
        subscriber_id,
        unsubscribe_url,
        f"{base_url}/p/{choose}",
        mails.list_headers(unsubscribe_url, mailto_url),
        f"{base_url}/k/{signer.sign(leave._replace(purpose=Purpose.KEEP))}" if keep else "",
    )


def decision(subscriber_id: str, decided: Decision) -> dict[str, Any]:
    """A decision, as the API answers it."""
    view: dict[str, Any] = {
        "subscriber_id": subscriber_id,
        "allowed": decided.allowed,
        "reason": decided.reason.value,
        "status": decided.status.value,
    }
    if decided.frequency:
        view["frequency"] = decided.frequency
    if decided.paused_until:
        view["paused_until"] = rfc3339(decided.paused_until)
    if decided.expires_at:
        view["expires_at"] = rfc3339(decided.expires_at)
    return view


def view(brand: Brand, subscriber_id: str, consent: Consent, now: int) -> dict[str, Any]:
    """How a person stands to every topic of the brand."""
    topics = {}
    for topic in brand.topics.values():
        decided = brand.decide(consent, topic.id, now)
        topics[topic.id] = {
            "status": decided.status.value,
            "allowed": decided.allowed,
            "reason": decided.reason.value,
            "since": rfc3339(decided.since),
            "frequency": decided.frequency,
            **({"expires_at": rfc3339(decided.expires_at)} if decided.expires_at else {}),
        }
    return {
        "subscriber_id": subscriber_id,
        "topics": topics,
        "paused_until": rfc3339(rules.pause_end(consent, now)),
        "suppressed": rules.suppressed(consent),
        "locale": consent.chosen(rules.LOCALE),
    }


def ledger(page: LedgerPage) -> dict[str, Any]:
    """A page of a person's ledger."""
    view: dict[str, Any] = {
        "events": [event_view(event, evidence) for event, evidence in page.events],
        "intact": page.intact,
    }
    if page.next:
        view["next"] = page.next
    return view


def record(brand: Brand, subscriber_id: str, consent: Consent, page: LedgerPage, now: int) -> dict[str, Any]:
    """Consent records in the terms of ISO/IEC TS 27560: one for each topic that anything was ever decided on."""
    records = []
    for topic in brand.topics.values():
        if not any({topic.id, rules.EVERY_TOPIC} & set(event.topics) for event, _ in page.events):
            continue
        concerned = [each for each in page.events if concerns(each[0], topic.id)]
        decided = brand.decide(consent, topic.id, now)
        records.append(
            {
                "record_id": f"{subscriber_id}/{topic.id}",
                "schema_version": TERMS,
                "pii_principal_id": subscriber_id,
                "pii_controllers": [brand.name("en")],
                "purposes": [
                    {
                        "purpose": brand.topic_name(topic.id, "en"),
                        "purpose_id": topic.id,
                        "purpose_description": brand.topic_description(topic.id, "en"),
                        "lawful_basis": topic.basis,
                        "pii_information": [{"pii_type": "e-mail address", "required": True}],
                        "collection_method": "subscriber",
                        "storage_conditions": {"evidence_days": brand.evidence_days},
                    }
                ],
                "privacy_notice": brand.privacy_url("en"),
                "status": decided.status.value,
                "may_be_emailed": decided.allowed,
                "reason": decided.reason.value,
                "events": [_record_event(brand, *each) for each in concerned],
            }
        )
    return {"schema_version": TERMS, "intact": page.intact, "records": records}


def concerns(event: Event, topic: str) -> bool:
    """Whether an event is about a topic: a complaint, a bounce and an erasure are about each."""
    about_all = event.kind in {Kind.COMPLAINED, Kind.BOUNCED, Kind.ERASED}
    return about_all or bool({topic, rules.EVERY_TOPIC} & set(event.topics))


def rfc3339(instant: int | None) -> str | None:
    """Epoch ms as RFC 3339 in UTC, to the millisecond."""
    if instant is None:
        return None
    at = datetime.fromtimestamp(instant / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_view(event: Event, evidence: Evidence) -> dict[str, Any]:
    """A ledger event, with what is still held of its evidence."""
    view: dict[str, Any] = {
        "event_id": event.event_id,
        "kind": event.kind.value,
        "topics": list(event.topics),
        "occurred_at": rfc3339(event.occurred_at),
        "arrived_at": rfc3339(event.arrived_at),
        "actor": event.actor.value,
        "channel": event.channel.value,
        "suspected_automation": event.suspected_automation,
        "link": event.link,
        "notice": event.notice,
        "locale": event.locale,
        "reference": event.reference,
        "source": event.source,
    }
    ends = {int(each.value) for name, each in event.effect.choices.items() if name.startswith(rules.until(""))}
    if ends:  # a claim has one end, whatever its topics
        view["expires_at"] = rfc3339(max(ends))
    return view | {"evidence": {name: text for name, text in evidence._asdict().items() if text}}


def _record_event(brand: Brand, event: Event, evidence: Evidence) -> dict[str, Any]:
    view = event_view(event, evidence)
    return {
        "event_id": event.event_id,
        "event_time": view["occurred_at"],
        "event_type": "explicit" if event.actor.value == "recipient" else "implicit",
        "event_state": _EVENT_STATES[event.kind.value],
        "entity_id": event.actor.value,
        "channel": event.channel.value,
        "notice_version": event.notice,
        "notice_language": event.locale or brand.languages[0],
        "link": event.link,
        "evidence": view["evidence"],
    }
