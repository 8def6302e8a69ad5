"""Proof of somebody's consent, in one document: what happened, the words that they read, emails, and what checks say.

The API answers it, the command line makes a page of it. It names nobody: addresses are for whoever asks to add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consentry.actions import platforms, story
from consentry.actions.platforms import rfc3339
from consentry.rules import notices
from consentry.rules.consent import Reason
from consentry.rules.ledger import Channel, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consentry.rules.brands import Brand, Topic
    from consentry.rules.consent import Consent
    from consentry.rules.ledger import Event
    from consentry.table.sent_mails import SentMail
    from consentry.table.store import LedgerPage

    Find = Callable[[str], dict[str, Any] | None]

_PARTS: Final = {
    (Kind.ASKED, Channel.PAGE): ("form",),
    (Kind.ASKED, Channel.PREFERENCES): ("preferences",),
    (Kind.CONFIRMED, Channel.PAGE): ("mail", "page"),
    (Kind.PREFERENCES, Channel.PREFERENCES): ("preferences",),
    (Kind.CLAIMED, Channel.PREFERENCES): ("preferences",),
    (Kind.PAUSED, Channel.PREFERENCES): ("preferences",),
    (Kind.UNSUBSCRIBED, Channel.PREFERENCES): ("preferences",),
    (Kind.UNSUBSCRIBED, Channel.PAGE): ("unsubscribe",),
    (Kind.PAUSED, Channel.PAGE): ("unsubscribe",),
    (Kind.PREFERENCES, Channel.PAGE): ("unsubscribe",),
    (Kind.UNDONE, Channel.PAGE): ("left",),
    (Kind.REASON, Channel.PAGE): ("left",),
    (Kind.KEPT, Channel.PAGE): ("keep",),
    (Kind.KEPT, Channel.PREFERENCES): ("keep",),
}
"""Which parts of a notice somebody had before them, by what they did and where; elsewhere none of ours, such as at the
button of a mail program."""
_MAILS: Final = {"confirmation": "mail", "return": "return_mail"}
"""The part of a notice that an email is, where it is one."""

_CONTEXT: Final = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "dct": "http://purl.org/dc/terms/",
}
_STATUSES: Final = {
    "subscribed": "dpv:ConsentGiven",
    "pending": "dpv:ConsentRequested",
    "unsubscribed": "dpv:ConsentWithdrawn",
    "expired": "dpv:ConsentExpired",
    "none": "dpv:ConsentUnknown",
}
_EVENTS: Final = {
    Kind.ASKED: "dpv:ConsentRequested",
    Kind.CONFIRMED: "dpv:ConsentGiven",
    Kind.CLAIMED: "dpv:ConsentGiven",
    Kind.KEPT: "dpv:RenewedConsentGiven",
    Kind.UNSUBSCRIBED: "dpv:ConsentWithdrawn",
    Kind.SENDER: "dpv:ConsentWithdrawn",
    Kind.COMPLAINED: "dpv:ConsentWithdrawn",
    Kind.ERASED: "dpv:ConsentWithdrawn",
}
"""Consent statuses of the Data Privacy Vocabulary 2.3 that an event leads to; the others lead to none."""
_BASES: Final = {
    "consent": "dpv:Consent",
    "contract": "dpv:Contract",
    "legitimate_interest": "dpv:LegitimateInterest",
}


def document(
    brand: Brand,
    subscriber_id: str,
    consent: Consent,
    page: LedgerPage,
    mails: Iterable[SentMail],
    find: Find | None,
    now: int,
    *,
    archive: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The proof, as JSON.

    Args:
        brand: whose records these are.
        subscriber_id: of whom.
        consent: what is held of them now.
        page: their whole ledger.
        mails: the emails that went to them.
        find: the words of a notice, by its version; None where nobody can be asked.
        now: epoch ms.
        archive: what the archive's check said: `intact`, `losses`, `faults`, `months`; None: it wasn't asked.
    """
    mails = list(mails)
    words = _Words(find)
    acts = [
        {
            "says": story.sentence(brand, event),
            **platforms.event_view(event, evidence),
            "words": words.of(event.notice, event.locale, parts_of(event)),
        }
        for event, evidence in page.events
    ]
    sent = [
        {
            "mail": mail.mail,
            "sent_at": rfc3339(mail.sent_at),
            "asked_at": rfc3339(mail.asked_at),
            "message_id": mail.message_id,
            "topics": list(mail.topics),
            "locale": mail.locale,
            "notice": mail.notice,
            "words": words.of(mail.notice, mail.locale, [_MAILS[mail.mail]] if mail.mail in _MAILS else []),
        }
        for mail in mails
    ]
    checks = {
        "ledger": {"intact": page.intact, "events": len(page.events)},
        "notices": {"missing": sorted(words.missing), "before": sorted(words.before), "asked": find is not None},
        "archive": archive,
    }
    recorded = platforms.record(brand, subscriber_id, consent, page, now)["records"]
    return {
        "brand": {"id": brand.id, "name": brand.name("en"), "postal_address": brand.postal_address("en")},
        "subscriber_id": subscriber_id,
        "made_at": rfc3339(now),
        "verified": page.intact and not words.missing and (archive is None or archive["intact"]),
        "checks": checks,
        "stands": platforms.view(brand, subscriber_id, consent, now),
        "story": story.standing(brand, consent, now),
        "acts": acts,
        "mails": sent,
        "notices": words.found,
        "records": recorded,
        "dpv": _dpv(brand, subscriber_id, page, recorded),
    }


def parts_of(event: Event) -> list[str]:
    """The parts of its notice that somebody had before them as they acted."""
    return list(_PARTS.get((event.kind, event.channel), ()))


class _Words:
    """The words that were asked for so far."""

    def __init__(self, find: Find | None) -> None:
        self._find = find
        self._notices: dict[str, dict[str, Any] | None] = {}
        self.missing: set[str] = set()
        """Versions that nobody has."""
        self.before: set[str] = set()
        """Versions of before words were kept."""
        self.found: dict[str, dict[str, dict[str, Any]]] = {}
        """Parts, by version and language."""

    def of(self, version: str, language: str, parts: list[str]) -> list[str]:
        """Those of the parts whose words are found; each is in `found` from now on."""
        if not version:
            return []
        if not notices.is_version(version):
            self.before.add(version)
            return []
        if self._find is None:
            return []
        if version not in self._notices:
            self._notices[version] = self._find(version)
        notice = self._notices[version]
        if notice is None:
            self.missing.add(version)
            return []
        spoken = notice["languages"].get(language, {})
        there = [part for part in parts if part in spoken]
        if there:
            self.found.setdefault(version, {}).setdefault(language, {}).update({part: spoken[part] for part in there})
        return there


def _dpv(brand: Brand, subscriber_id: str, page: LedgerPage, recorded: list[dict[str, Any]]) -> dict[str, Any]:
    """The records in the terms of the Data Privacy Vocabulary, as JSON-LD, after its guide to ISO/IEC TS 27560.

    https://w3id.org/dpv/guides/consent-27560
    """
    topics = {each["purposes"][0]["purpose_id"]: each for each in recorded}
    return {
        "@context": _CONTEXT,
        "@graph": [_dpv_record(brand, brand.topics[topic], subscriber_id, page, topics[topic]) for topic in topics],
    }


def _dpv_record(
    brand: Brand, topic: Topic, subscriber_id: str, page: LedgerPage, recorded: dict[str, Any]
) -> dict[str, Any]:
    concerned = [event for event, _ in page.events if platforms.concerns(event, topic.id)]
    complained = recorded["reason"] == Reason.COMPLAINT
    return {
        "@id": f"urn:consentry:{brand.id}:{recorded['record_id'].replace('/', ':')}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": "https://w3id.org/dpv/schema/dpv-27560#record",
        "dct:identifier": recorded["record_id"],
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": subscriber_id},
        "dpv:hasDataController": {
            "@type": "dpv:DataController",
            "dpv:hasName": brand.name("en"),
            "dpv:hasAddress": brand.postal_address("en"),
        },
        "dpv:hasProcess": {
            "@type": "dpv:Process",
            "dpv:hasPurpose": {
                "@type": "dpv:DirectMarketing",
                "dct:title": brand.topic_name(topic.id, "en"),
                "dct:description": brand.topic_description(topic.id, "en"),
            },
            "dpv:hasPersonalData": {"@id": "pd:EmailAddress"},
            "dpv:hasLegalBasis": {"@id": _BASES[topic.basis]},
        },
        "dpv:hasConsentStatus": {"@id": _STATUSES["unsubscribed" if complained else recorded["status"]]},
        "dpv:hasStatus": [_dpv_event(event) for event in concerned if event.kind in _EVENTS],
    }


def _dpv_event(event: Event) -> dict[str, Any]:
    said: dict[str, Any] = {
        "@type": _EVENTS[event.kind],
        "dct:identifier": event.event_id,
        "dpv:isIndicatedAtTime": rfc3339(event.occurred_at),
        "dpv:isIndicatedBy": {"@type": "dpv:DataSubject" if event.actor.value == "recipient" else "dpv:Entity"},
        "dpv:hasIndicationMethod": event.channel.value,
    }
    if event.notice:
        said["dpv:hasNotice"] = {
            "@type": "dpv:ConsentNotice", "dct:identifier": event.notice, "dct:language": event.locale,
        }  # fmt: skip
    return said
