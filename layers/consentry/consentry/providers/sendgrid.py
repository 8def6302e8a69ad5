"""SendGrid's event webhook, signed with ECDSA.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features

The signature covers the timestamp and the raw body, with the CRLF at its end. `sg_event_id` changes when an event is
sent again, so it counts for nothing: a report is distinguished from another by what it says.

SendGrid tries again for up to a day after the event
(https://docs.sendgrid.com/for-developers/tracking-events/troubleshooting). Whether it signs each try isn't said, so
what ends email is taken for a day.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import UnreadableError, UnsignedError, meanings, payload, proof
from consentry.providers.meanings import nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("public_key",)
"""The verification key, as SendGrid shows it: base64 of its DER form."""

EVENTS: Final[dict[str, Meaning]] = {
    "unsubscribe": ReportKind.UNSUBSCRIBED,
    "group_unsubscribe": ReportKind.UNSUBSCRIBED,
    "group_resubscribe": ReportKind.CLAIMED,
    "spamreport": ReportKind.COMPLAINED,
    "bounce": ReportKind.BOUNCED,
    **nothing("the receiver refused this email, not this address", "bounce blocked"),
    "dropped Unsubscribed Address": ReportKind.UNSUBSCRIBED,
    "dropped Spam Reporting Address": ReportKind.COMPLAINED,
    "dropped Bounced Address": ReportKind.BOUNCED,
    "dropped Invalid": ReportKind.BOUNCED,
    **nothing("SendGrid refused the email, whoever it was for", "dropped"),
    **nothing("SendGrid goes on trying", "deferred"),
    **nothing("it says nothing about consent", "processed", "delivered", "open", "click"),
    **nothing("it is about your account at SendGrid", "account_status_change"),
}
"""By event; bounces by their type, and what was dropped by the reason, if that makes a difference."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """Some key of ours must have signed."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 40 ms, for signatures of this kind only
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415 - as above

    timestamp = call.headers.get("x-twilio-email-event-webhook-timestamp", "")
    arrived = proof.arrival(proof.number(timestamp) * 1000, now)
    signed = timestamp.encode() + call.body
    for each in proof.values(secrets, "public_key"):
        try:
            signature = base64.b64decode(call.headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
            key = load_der_public_key(base64.b64decode(each, validate=True))
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, signed, ec.ECDSA(SHA256()))
                return arrived
        except (ValueError, InvalidSignature):  # not base64, not a key, or not its signature: perhaps the next
            continue
    raise UnsignedError("the signature doesn't match")


def translate(call: Call, setup: Webhook) -> Reading:
    """An array of events."""
    events = payload.parse(call.body)
    if not isinstance(events, list):
        raise UnreadableError("the body is not a JSON array")
    return payload.gather(events, lambda event: _reports(event, setup))


def _reports(event: Any, setup: Webhook) -> list[Report]:
    name = payload.text(event, "event")
    detail = {"bounce": payload.text(event, "type"), "dropped": payload.text(event, "reason").title()}.get(name, "")
    kind = meanings.kind(meanings.of(EVENTS, f"{name} {detail}", name))
    group = payload.text(event, "asm_group_id") if name.startswith(("group_", "dropped")) else ""
    return payload.reports(
        kind,
        payload.text(event, "email"),
        payload.from_seconds(payload.at(event, "timestamp")),
        setup.topics_of([group]),
    )
