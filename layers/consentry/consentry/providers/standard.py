"""Standard Webhooks: events of a platform that speaks our own terms.

    {"type": "consent.unsubscribed" | "consent.claimed" | "consent.complained" | "consent.bounced",
     "timestamp": "2027-01-15T08:00:00Z",
     "data": {"event_id", "email" or "subscriber_id", "topics"?, "occurred_at"?, "reference"?, "expires_at"?}}

Topics are the brand's own, or names that its file maps.
Signature: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, which has the
timestamp updated "every time an attempt is retried" ("Webhook metadata").
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import Report, ReportKind
from consentry.providers import TOLERANCE_MS, UnsignedError, meanings, payload, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("secret",)
"""`whsec_` and base64."""

EVENTS: Final[dict[str, Meaning]] = {
    "consent.unsubscribed": ReportKind.UNSUBSCRIBED,
    "consent.claimed": ReportKind.CLAIMED,
    "consent.complained": ReportKind.COMPLAINED,
    "consent.bounced": ReportKind.BOUNCED,
}
_REFERENCE: Final = re.compile(r"[\x20-\x7e]{0,64}")


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """Any one of the signatures that the header lists is enough. Five minutes, since each try is signed anew.

    The package signs and we compare: its own `verify` asks a clock of its own.
    """
    # 20 ms that nobody else's calls need to wait for.
    from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook  # noqa: PLC0415

    seconds = proof.number(call.headers.get("webhook-timestamp", ""))
    arrived = proof.arrival(seconds * 1000, now, oldest=TOLERANCE_MS)
    message_id, listed = call.headers.get("webhook-id", ""), call.headers.get("webhook-signature", "")
    if not message_id:
        raise UnsignedError("no webhook-id")
    moment = datetime.fromtimestamp(seconds, UTC)
    try:
        expected = [
            Webhook(each).sign(message_id, moment, call.body.decode()) for each in proof.values(secrets, "secret")
        ]
    except (ValueError, EmptyWebhookSecretError) as exc:  # a body or id that isn't text, a secret that isn't base64
        raise UnsignedError("can't be verified") from exc
    found = [proof.matches(each, expected) for each in listed.split(" ")]
    if not any(found):
        raise UnsignedError("no matching signature")
    return arrived


def translate(call: Call, setup: Webhook) -> Reading:
    """One event a call."""
    body = payload.parse_object(call.body)
    return payload.gather([body], lambda event: _reports(event, call, setup))


def _reports(body: Any, call: Call, setup: Webhook) -> list[Report]:
    kind, data = meanings.kind(meanings.of(EVENTS, payload.text(body, "type"))), payload.at(body, "data")
    if kind is None:
        return []
    moment = payload.from_iso(payload.at(data, "occurred_at"))
    if moment == payload.ON_ARRIVAL:
        moment = payload.from_iso(body.get("timestamp"))
    topics = [topic for name in payload.texts(data, "topics") for topic in setup.topics.get(name, (name,))]
    reference = payload.text(data, "reference")
    report = Report(
        kind,
        payload.occurred(kind, moment),
        email=payload.text(data, "email"),
        subscriber_id=payload.text(data, "subscriber_id"),
        topics=tuple(topics),
        reference=reference if _REFERENCE.fullmatch(reference) else "",
        event_id=payload.text(data, "event_id") or call.headers.get("webhook-id", ""),
        expires_at=payload.end(kind, payload.at(data, "expires_at")),
    )
    return [report]
