"""HubSpot: webhook subscriptions of an app, and the "Send a webhook" step of a workflow.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide

A subscription sends an array of events; they name the contact by HubSpot's number and carry no address, so they count
only where an address stands beside it (`email`). A workflow step sends one object with the contact's properties, among
them `email`: that is the way for opt-outs. docs/webhooks/hubspot.md shows how to set it up.

The signed URI is the one that HubSpot called, with some of its characters decoded. That may be at any host that leads
here: one that was set up before the API had a domain of its own goes on.

HubSpot sends a notification again up to ten times within a day, but never after 400, 401, 403, 404 or 405
(https://developers.hubspot.com/docs/methods/webhooks/webhooks-overview). Its page on validation has calls refused that
are older than five minutes, so it should sign each try; it doesn't say so, and what is refused is gone. So what ends
email is taken for a day.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import WHOLE_LIST, Reading, UnreadableError, meanings, payload, proof
from consentry.providers.meanings import Several, UnclearError, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("client_secret",)

_WORKFLOW: Final = "a workflow's step"
_RECORDS: Final = ("contact", "company", "deal", "ticket", "product", "line_item", "object")
_OTHERS: Final = ("company", "deal", "ticket", "product", "line_item", "conversation")
EVENTS: Final[dict[str, Meaning]] = {
    _WORKFLOW: Several.CHOICES,
    "contact.propertyChange": Several.CHOICES,
    "object.propertyChange": Several.CHOICES,
    "contact.privacyDeletion": Several.ERASED,
    **nothing(
        "it changes a record, not anybody's choice",
        *(f"{each}.{what}" for each in _RECORDS for what in ("creation", "deletion", "restore", "merge")),
        *(f"{each}.associationChange" for each in _RECORDS if each != "product"),
    ),
    **nothing(
        "it changes a record, not anybody's choice", *(f"{each}.propertyChange" for each in _OTHERS), "event.completed"
    ),
    **nothing(
        "it is about a conversation",
        "conversation.creation",
        "conversation.deletion",
        "conversation.privacyDeletion",
        "conversation.newMessage",
    ),
}
"""By `subscriptionType`; a workflow's step has none.

https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide. `contact` and `object` say something where
the property is one of opt-outs.
"""
_DECODED: Final = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""`:/?@!$'()*,;`, HubSpot's table."""
_OPT_OUT: Final = re.compile(r"hs_email_optout(?:_(?P<subscription>[0-9]+))?")
"""From everything, or from one subscription type."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """The signature over method, URI, body and timestamp must be right."""
    timestamp = call.headers.get("x-hubspot-request-timestamp", "")
    arrived = proof.arrival(proof.number(timestamp), now)
    expected = [
        base64.b64encode(
            proof.digest(
                secret, f"{call.method}{url}".encode("utf-8", "surrogatepass") + call.body + timestamp.encode()
            )
        ).decode()
        for secret in proof.values(secrets, "client_secret")
        for called in call.urls
        for url in (_DECODED.sub(lambda found: chr(int(found[1], 16)), called), called)
    ]
    proof.require(call.headers.get("x-hubspot-signature-v3", ""), expected)
    return arrived


def translate(call: Call, setup: Webhook) -> Reading:
    """An array of events, or one contact."""
    body = payload.parse(call.body)
    if not isinstance(body, (list, dict)):
        raise UnreadableError("the body is neither a JSON array nor an object")
    items = body if isinstance(body, list) else [body]
    erase = tuple(email for item in items if _forgets(item) and (email := _value(item, "email")))
    reading = payload.gather(items, lambda item: _reports(item, setup))
    return reading._replace(erase=erase, ignored=reading.ignored - len(erase))


def _forgets(item: Any) -> bool:
    return EVENTS.get(payload.text(item, "subscriptionType")) is Several.ERASED


def _reports(item: Any, setup: Webhook) -> list[Report]:
    """What somebody wants and what not.

    Raises:
        UnclearError: that, or who is to be forgotten, isn't told. A workflow's step is there to say something; a
            subscription reports all properties that it is for, also once they have no value.
        UnknownKindError: HubSpot doesn't publish such an event, as far as we know.
    """
    meaning = meanings.of(EVENTS, payload.text(item, "subscriptionType") or _WORKFLOW)
    email, moment = _value(item, "email"), payload.from_millis(payload.at(item, "occurredAt"))
    if meaning is Several.ERASED and not email:
        raise UnclearError
    if meaning is not Several.CHOICES:
        return []
    found: list[Report] = []
    said = {name: value for name, value in _changes(item) if value and _OPT_OUT.fullmatch(name)}
    for name, value in said.items():
        match = _OPT_OUT.fullmatch(name)
        if match is None or value not in {"true", "false"}:
            continue
        names = [match["subscription"], name] if match["subscription"] else [WHOLE_LIST] if value == "false" else []
        kind = ReportKind.UNSUBSCRIBED if value == "true" else ReportKind.CLAIMED
        found += payload.reports(kind, email, moment, setup.topics_of(names))
    nothing_said = not said and not payload.text(item, "subscriptionType")
    if nothing_said or not {*said.values()} <= {"true", "false"}:
        raise UnclearError(found)
    return found


def _changes(item: Any) -> Iterator[tuple[str, str]]:
    """Names and values of properties."""
    if payload.text(item, "subscriptionType"):
        yield payload.text(item, "propertyName"), _spelt(payload.at(item, "propertyValue")).lower()
        return
    for part in (item, payload.at(item, "properties")):
        for name in part if isinstance(part, dict) else ():
            yield name, _value(part, name).lower()


def _value(item: Any, name: str) -> str:
    """A property: at the top or under `properties`, plain or as `{"value": …}`."""
    for part in (item, payload.at(item, "properties")):
        found = payload.at(part, name)
        if spelt := _spelt(payload.at(found, "value") if isinstance(found, dict) else found):
            return spelt
    return ""


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else payload.text({"": value}, "")
