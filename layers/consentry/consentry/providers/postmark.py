"""Postmark's webhooks: subscription changes, spam complaints, bounces.

https://postmarkapp.com/developer/webhooks/webhooks-overview
https://postmarkapp.com/developer/webhooks/subscription-change-webhook

Postmark signs nothing: user and password, which stand in the URL that it is given, come as HTTP basic authentication
(RFC 7617). A call that repeats an older one says what that one said, and changes nothing. Since no instant is signed,
no retry is ever too late.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import UnsignedError, meanings, payload, proof
from consentry.providers.meanings import UnclearError, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("credentials",)
"""`user:password`"""

EVENTS: Final[dict[str, Meaning]] = {
    "SubscriptionChange ManualSuppression": ReportKind.UNSUBSCRIBED,
    "SubscriptionChange SpamComplaint": ReportKind.COMPLAINED,
    "SubscriptionChange HardBounce": ReportKind.BOUNCED,
    "SubscriptionChange SuppressSending=false": ReportKind.CLAIMED,
    "SpamComplaint": ReportKind.COMPLAINED,
    "Bounce HardBounce": ReportKind.BOUNCED,
    "Bounce BadEmailAddress": ReportKind.BOUNCED,
    "Bounce SpamComplaint": ReportKind.COMPLAINED,
    "Bounce Unsubscribe": ReportKind.UNSUBSCRIBED,
    "Bounce ManuallyDeactivated": ReportKind.UNSUBSCRIBED,
    **nothing("temporary", "Bounce Transient", "Bounce SoftBounce", "Bounce DnsError"),
    **nothing("the answer couldn't be classified", "Bounce Unknown"),
    **nothing("a machine answered", "Bounce AutoResponder", "Bounce ChallengeVerification", "Bounce OpenRelayTest"),
    **nothing("an email that asks to be added proves nothing", "Bounce Subscribe"),
    **nothing("the new address isn't named", "Bounce AddressChange"),
    **nothing("a registration that was never confirmed is no opt-out", "Bounce Unconfirmed"),
    **nothing(
        "the receiver refused this email, not this address",
        "Bounce SpamNotification",
        "Bounce VirusNotification",
        "Bounce Blocked",
        "Bounce DMARCPolicy",
    ),
    **nothing(
        "the sender's mistake",
        "Bounce SMTPApiError",
        "Bounce TemplateRenderingFailed",
        "Bounce InboundError",
        "SMTPApiError",
    ),
    **nothing("it says nothing about consent", "Delivery", "Open", "Click"),
    **nothing("email that comes in says nothing until somebody reads it", "Inbound"),
}
"""By record and, where it makes a difference, its type or reason.

https://postmarkapp.com/developer/api/bounce-api#bounce-types, and `BounceType` of Postmark's own client
(https://github.com/ActiveCampaign/postmark.js).
"""
_LEFT: Final = "SubscriptionChange ManualSuppression"
"""What a suppression for any other reason, or for none, is taken for."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """User and password must be right."""
    expected = proof.values(secrets, "credentials")
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise UnsignedError("no basic authentication")
    try:
        presented = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise UnsignedError("no readable credentials") from exc
    proof.require(presented, expected)
    return now


def translate(call: Call, setup: Webhook) -> Reading:
    """One record a call."""
    return payload.gather([payload.parse_object(call.body)], lambda record: _reports(record, setup))


def _reports(record: Any, setup: Webhook) -> list[Report]:
    topics = setup.topics_of([payload.text(record, "MessageStream")])
    kind = meanings.kind(meanings.of(EVENTS, *_names(record)))
    email = payload.text(record, "Recipient") or payload.text(record, "Email")
    moment = payload.at(record, "ChangedAt") or payload.at(record, "BouncedAt")
    return payload.reports(kind, email, payload.from_iso(moment), topics)


def _names(record: Any) -> list[str]:
    """What a record is called in the table.

    Raises:
        UnclearError: a change that doesn't say which.
    """
    name = payload.text(record, "RecordType")
    if name == "Bounce":
        return [f"{name} {payload.text(record, 'Type')}"]
    if name != "SubscriptionChange":
        return [name]
    match payload.at(record, "SuppressSending"):
        case True:
            return [f"{name} {payload.text(record, 'SuppressionReason')}", _LEFT]
        case False:
            return [f"{name} SuppressSending=false"]
        case _:
            raise UnclearError
