"""Mailgun's webhooks.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks

The signature stands in the body, and covers a timestamp and a token but not the event: whoever sees one call could
put another event beside its signature. So a token may come only to say the same (`Reading.once`). It is spent before
anything is applied, together with a hash of what the call says. A second call with the token is refused if it says
something else, also while the first is being worked on; if it says the same, it is applied again, which changes nothing
that is there already.

Mailgun tries again for eight hours, the last time four hours after the time before
(https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries), and the signature in the body
stays that of the first try (https://github.com/PostHog/posthog/pull/103057; Mailgun's pages don't say). All that it
reports ends email, and is taken for a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import meanings, payload, proof
from consentry.providers.meanings import nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("signing_key",)
"""The HTTP webhook signing key, which is not the API key."""

EVENTS: Final[dict[str, Meaning]] = {
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "complained": ReportKind.COMPLAINED,
    "failed suppress-unsubscribe": ReportKind.UNSUBSCRIBED,
    "failed suppress-complaint": ReportKind.COMPLAINED,
    "failed suppress-bounce": ReportKind.BOUNCED,
    "failed permanent": ReportKind.BOUNCED,
    **nothing("Mailgun gave up after hours of temporary failures", "failed old"),
    **nothing("the receiver refused this email, not this address", "failed espblock"),
    **nothing("Mailgun goes on trying", "failed temporary"),
    **nothing("Mailgun refused the email, whoever it was for", "rejected"),
    **nothing("it says nothing about consent", "accepted", "delivered", "opened", "clicked"),
    **nothing("email that comes in says nothing until somebody reads it", "stored"),
    **nothing(
        "being put on a list is no consent",
        "list_member_uploaded",
        "list_member_upload_error",
        "list_uploaded",
    ),
}
"""By event; failures by their reason first, then by their severity.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types
"""
_REASONS: Final = {
    "602": "old",
    "605": "suppress-bounce",
    "606": "suppress-unsubscribe",
    "607": "suppress-complaint",
}
"""By Mailgun's own codes, which stand in `delivery-status` where the reason is left out or `generic`."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """The signature of timestamp and token must be right."""
    keys = proof.values(secrets, "signing_key")
    signature = payload.at(payload.parse_object(call.body), "signature")
    timestamp, token = payload.text(signature, "timestamp"), payload.text(signature, "token")
    expected = [proof.digest(key, (timestamp + token).encode()).hex() for key in keys]
    proof.require(payload.text(signature, "signature"), expected)
    return proof.arrival(proof.number(timestamp) * 1000, now)


def translate(call: Call, setup: Webhook) -> Reading:
    """One event a call."""
    body = payload.parse_object(call.body)
    reading = payload.gather([body.get("event-data")], lambda event: _reports(event, setup))
    return reading._replace(once=payload.text(body, "signature", "token"))


def _reports(event: Any, setup: Webhook) -> list[Report]:
    kind = meanings.kind(meanings.of(EVENTS, *_names(event)))
    names = [*payload.texts(event, "tags"), payload.text(event, "mailing-list", "address")]
    return payload.reports(
        kind,
        payload.text(event, "recipient"),
        payload.from_seconds(payload.at(event, "timestamp")),
        setup.topics_of(names),
    )


def _names(event: Any) -> list[str]:
    """What an event is called in the table."""
    name, reason = payload.text(event, "event"), payload.text(event, "reason")
    if name != "failed":
        return [name]
    if reason in {"", "generic"}:
        reason = _REASONS.get(payload.text(event, "delivery-status", "code"), reason)
    return [f"{name} {reason}", f"{name} {payload.text(event, 'severity')}"]
