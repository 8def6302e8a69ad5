"""One of every kind of event that a provider publishes, called as in its module's table `EVENTS`."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from support.hooks import AT, iso


def provider_event(provider: str, event: str, email: str = "ann@example.com", at: int = AT) -> Any:
    """The body of an event of a kind, about one person; without an address where it is empty."""
    return _EVENTS[provider](event, email, at)


def _standard(event: str, email: str, at: int) -> Any:
    return {"type": event, "data": {"email": email, "topics": ["news"], "occurred_at": iso(at)}}


def _sendgrid(event: str, email: str, at: int) -> Any:
    name, _, detail = event.partition(" ")
    made = {"event": name, "email": email, "timestamp": at // 1000, "sg_event_id": uuid.uuid4().hex}
    return [made | {"asm_group_id": 1001} | ({"type" if name == "bounce" else "reason": detail} if detail else {})]


def _mailgun(event: str, email: str, at: int) -> Any:
    name, _, detail = event.partition(" ")
    severity = detail if detail in {"permanent", "temporary"} else "permanent"
    made = {"event": name, "recipient": email, "timestamp": at / 1000, "tags": ["newsletter"]}
    reason = "bounce" if detail == severity else detail
    return made | ({"severity": severity, "reason": reason} if detail else {})


def _postmark(event: str, email: str, at: int) -> Any:
    name, _, detail = event.partition(" ")
    made = {"RecordType": name, "MessageStream": "newsletter", "MessageID": "m", "ServerID": 23}
    if name != "SubscriptionChange":
        return made | {"Email": email, "Type": detail, "BouncedAt": iso(at)}
    change = {"SuppressSending": False} if "=" in detail else {"SuppressSending": True, "SuppressionReason": detail}
    return made | {"Recipient": email, "ChangedAt": iso(at)} | change


def _mailchimp(event: str, email: str, at: int) -> Any:
    name, _, reason = event.partition(" ")
    made = {"type": name, "data[list_id]": "a6b5da1054", "data[email]": email, "data[reason]": reason}
    fired = {"fired_at": datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")}
    return made | fired | {"data[old_email]": email, "data[new_email]": "ann@example.org" if email else ""}


def _sns(event: str, email: str, at: int) -> Any:
    name, _, detail = event.partition(" ") if event.startswith(("Bounce", "Complaint")) else (event, "", "")
    people = [{"emailAddress": email}] if email else []
    topics = [("news", "OptOut"), ("offers", "OptIn")]
    parts = {
        "Bounce": {"bounceType": detail, "bouncedRecipients": people},
        "Complaint": {"complaintFeedbackType": detail or None, "complainedRecipients": people},
        "Subscription": {
            "newTopicPreferences": {
                "unsubscribeAll": False,
                "topicSubscriptionStatus": [{"topicName": each, "subscriptionStatus": says} for each, says in topics],
            }
        },
    }
    part = {name.lower(): parts.get(name, {}) | {"timestamp": iso(at)}}
    return {"eventType": name, "mail": {"destination": [email] if email else []}, **part}


def _customerio(event: str, email: str, at: int) -> Any:
    metric, _, other = event.partition(" by ")
    data = {"identifiers": {"email": email, "id": "42"} if email else {}, "recipient": email}
    content = {"content": json.dumps({"topics": {"topic_1": False, "topic_2": True}})}
    channel = "sms" if other else "email"
    made = {"metric": metric, "object_type": channel, "timestamp": at // 1000}
    return made | {"data": data | (content if "preferences" in metric else {})}


def _hubspot(event: str, email: str, at: int) -> Any:
    person = {"email": email} if email else {}
    if " " in event:
        return {"hs_email_optout_4517084": "true", "hs_email_optout": "false", **person}
    change = {"subscriptionType": event, "occurredAt": at, "objectId": 1246965, **person}
    if not event.endswith("propertyChange"):
        return [change]
    if event.startswith(("contact.", "object.")):
        properties = {"hs_email_optout_4517084": "true", "hs_email_optout": "false"}
        return [{**change, "propertyName": name, "propertyValue": value} for name, value in properties.items()]
    return [{**change, "propertyName": "name", "propertyValue": "Meadow"}]


def _klaviyo(event: str, email: str, at: int) -> Any:
    topic, _, detail = event.partition(" ")
    properties = {"List": "Newsletter", "Bounce Type": detail, **({"email_address": email} if email else {})}
    attributes = {"timestamp": at // 1000, "datetime": iso(at), "event_properties": properties}
    item = {"external_id": "1", "topic": f"event:klaviyo.{topic}", "payload": {"data": {"attributes": attributes}}}
    return {"data": [item], "meta": {"klaviyo_webhook_id": "whk_1"}}


_EVENTS = {
    "standard": _standard,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "mailchimp": _mailchimp,
    "sns": _sns,
    "customerio": _customerio,
    "hubspot": _hubspot,
    "klaviyo": _klaviyo,
}
