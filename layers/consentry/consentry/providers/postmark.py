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

from consentry.intake import ReportKind
from consentry.providers import UnsignedError, payload, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.intake import Report
    from consentry.providers import Call, Reading, Setup

SECRETS: Final = ("credentials",)
"""`user:password`"""

_SUPPRESSIONS: Final = {
    "SpamComplaint": ReportKind.COMPLAINED,
    "HardBounce": ReportKind.BOUNCED,
}
"""By reason; anything else, such as ManualSuppression, is an opt-out."""


def verify(call: Call, _setup: Setup, secrets: Mapping[str, str], now: int) -> int:
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


def translate(call: Call, setup: Setup) -> Reading:
    """One record a call."""
    return payload.gather([payload.parse_object(call.body)], lambda record: _reports(record, setup))


def _reports(record: Any, setup: Setup) -> list[Report]:
    topics = setup.topics_of([payload.text(record, "MessageStream")])
    match payload.text(record, "RecordType"), payload.at(record, "SuppressSending"):
        case "SubscriptionChange", True:
            kind = _SUPPRESSIONS.get(payload.text(record, "SuppressionReason"), ReportKind.UNSUBSCRIBED)
        case "SubscriptionChange", False:
            kind = ReportKind.CLAIMED
        case "SpamComplaint", _:
            kind = ReportKind.COMPLAINED
        case "Bounce", _ if payload.text(record, "Type") == "HardBounce":
            kind = ReportKind.BOUNCED
        case _:
            return []
    email = payload.text(record, "Recipient") or payload.text(record, "Email")
    moment = payload.at(record, "ChangedAt") or payload.at(record, "BouncedAt")
    return payload.reports(kind, email, payload.from_iso(moment), topics)
