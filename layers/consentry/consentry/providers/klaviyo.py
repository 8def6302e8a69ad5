"""Klaviyo's system webhooks.

https://developers.klaviyo.com/en/docs/working_with_system_webhooks

A call carries up to 1,000 events, each in the form of Klaviyo's Get Event call; the profile is often not included.

`Klaviyo-Timestamp`, "when the webhook request was sent", is signed, but was seen hours ahead. So `meta.timestamp` of
the signed body says how old a call is; without it the header does, as epoch seconds or ms, as ISO 8601 or as an HTTP
date: the page doesn't say which. Nor does it say whether each try is signed, so what ends email is taken for a day.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import WHOLE_LIST, UnreadableError, UnsignedError, meanings, payload, proof
from consentry.providers.meanings import nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("secret_key",)

EVENTS: Final[dict[str, Meaning]] = {
    "unsubscribed_from_email_marketing": ReportKind.UNSUBSCRIBED,
    "unsubscribed_from_list": ReportKind.UNSUBSCRIBED,
    "manually_suppressed_from_email_marketing": ReportKind.UNSUBSCRIBED,
    "subscribed_to_email_marketing": ReportKind.CLAIMED,
    "marked_email_as_spam": ReportKind.COMPLAINED,
    "bounced_email hard": ReportKind.BOUNCED,
    **nothing("temporary, or not said to be permanent", "bounced_email"),
    **nothing("lifting a suppression is no consent", "manually_unsuppressed_from_email_marketing"),
    **nothing("being put on a list is no consent", "subscribed_to_list"),
    **nothing("it doesn't say what was chosen; an opt-out has its own event", "updated_email_preferences"),
    **nothing("scanners follow links, too; an opt-out has its own event", "clicked_email_to_unsubscribe"),
    **nothing("Klaviyo kept the email back, and doesn't say why", "dropped_email", "skipped_send"),
    **nothing("it says nothing about consent", "received_email", "opened_email", "clicked_email"),
    **nothing(
        "it isn't about email",
        "sent_sms",
        "received_sms",
        "clicked_sms",
        "failed_to_deliver_sms",
        "received_automated_response_sms",
        "failed_to_deliver_automated_response_sms",
        "subscribed_to_sms_marketing",
        "unsubscribed_from_sms_marketing",
        "received_push",
        "opened_push",
        "bounced_push",
        "social_comment",
        "social_dm",
        "social_ugc",
    ),
    **nothing("it is about products", "ready_to_review", "submitted_review", "submitted_rating"),
    **nothing("it names profiles by Klaviyo's own numbers alone", "merged_profile"),
}
"""By topic, without `event:klaviyo.`; bounces by their kind, too.

https://developers.klaviyo.com/en/docs/working_with_system_webhooks#common-webhook-topics: topics with another name
before the full stop are an account's own, or of what is connected to it, and mean nothing.
"""
_PREFIX: Final = "event:klaviyo."
_OTHERS: Final = "event:"
_NOT_LETTERS: Final = re.compile(r"[^a-z]")
_MILLIS_FROM: Final = 10**11
"""A number this large isn't seconds: they would be in the year 5138."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """The signature over body and timestamp must be right, and the webhook's id the same in header and body."""
    timestamp = call.headers.get("klaviyo-timestamp", "")
    signed = call.body + timestamp.encode("utf-8", "surrogatepass")
    expected = [proof.digest(key, signed).hex() for key in proof.values(secrets, "secret_key")]
    proof.require(call.headers.get("klaviyo-signature", "").lower(), expected)
    try:
        meta = payload.at(payload.parse(call.body), "meta")
    except UnreadableError:
        meta = None  # `translate` says so
    said, header = payload.text(meta, "klaviyo_webhook_id"), call.headers.get("klaviyo-webhook-id", "").strip()
    if said and header:
        proof.require(header, [said])
    return proof.arrival(payload.from_iso(payload.at(meta, "timestamp")) or _instant(timestamp), now)


def translate(call: Call, setup: Webhook) -> Reading:
    """A batch of events."""
    body = payload.parse_object(call.body)
    if not isinstance(body.get("data"), list):
        raise UnreadableError("the body has no list of events")
    return payload.gather(body["data"], lambda item: _reports(item, setup))


def _reports(item: Any, setup: Webhook) -> list[Report]:
    topic = payload.text(item, "topic")
    if topic.startswith(_OTHERS) and not topic.startswith(_PREFIX):
        return []
    event = payload.at(item, "payload")
    attributes = payload.at(event, "data", "attributes")
    properties = payload.at(attributes, "event_properties")
    name = topic.removeprefix(_PREFIX) if topic.startswith(_PREFIX) else ""
    kind = meanings.kind(meanings.of(EVENTS, *([f"{name} hard"] if _lasting(properties) else []), name))
    names = [payload.text(properties, "List")]
    if kind is ReportKind.CLAIMED:
        names.append(WHOLE_LIST)
    moment = payload.from_seconds(payload.at(attributes, "timestamp"))
    if moment == payload.ON_ARRIVAL:
        moment = payload.from_iso(payload.at(attributes, "datetime"))
    return payload.reports(kind, _email(event, attributes, properties), moment, setup.topics_of(names))


def _email(event: Any, attributes: Any, properties: Any) -> str:
    """The profile's address: in what is included with the event, else in the event's own properties."""
    for each in payload.listed(event, "included"):
        if payload.text(each, "type") == "profile" and (found := payload.text(each, "attributes", "email")):
            return found
    return (
        payload.text(attributes, "profile", "email")
        or payload.text(attributes, "profile", "data", "attributes", "email")
        or _property(properties, "recipientemailaddress", "emailaddress", "email")
    )


def _lasting(properties: Any) -> bool:
    return _property(properties, "bouncetype").lower().startswith("hard")


def _property(properties: Any, *names: str) -> str:
    """The first of some properties that has a text.

    They are spelt in several ways: `$email`, `email_address` and `Recipient Email Address`.
    """
    found: dict[str, str] = {}
    for spelt in properties if isinstance(properties, dict) else ():
        if value := payload.text(properties, spelt):
            found.setdefault(_NOT_LETTERS.sub("", spelt.lower()), value)
    return next((found[name] for name in names if name in found), "")


def _instant(timestamp: str) -> int:
    if timestamp.isdecimal():
        number = proof.number(timestamp)
        return number if number >= _MILLIS_FROM else number * 1000
    if (found := payload.from_iso(timestamp)) != payload.ON_ARRIVAL:
        return found
    try:
        return payload.from_seconds(parsedate_to_datetime(timestamp).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError) as exc:  # what the standard parser trips over
        raise UnsignedError("no readable timestamp") from exc
