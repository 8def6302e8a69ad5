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

from consentry.intake import ReportKind
from consentry.providers import payload, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.intake import Report
    from consentry.providers import Call, Reading, Setup

SECRETS: Final = ("signing_key",)
"""The HTTP webhook signing key, which is not the API key."""

_KINDS: Final = {
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "complained": ReportKind.COMPLAINED,
    "failed": ReportKind.BOUNCED,
}
_NOT_SENT: Final = frozenset({"suppress-unsubscribe", "suppress-complaint"})
"""Failures that say nothing of the mailbox: Mailgun didn't try, because of what it told us earlier."""


def verify(call: Call, _setup: Setup, secrets: Mapping[str, str], now: int) -> int:
    """The signature of timestamp and token must be right."""
    keys = proof.values(secrets, "signing_key")
    signature = payload.at(payload.parse_object(call.body), "signature")
    timestamp, token = payload.text(signature, "timestamp"), payload.text(signature, "token")
    expected = [proof.digest(key, (timestamp + token).encode()).hex() for key in keys]
    proof.require(payload.text(signature, "signature"), expected)
    return proof.arrival(proof.number(timestamp) * 1000, now)


def translate(call: Call, setup: Setup) -> Reading:
    """One event a call."""
    body = payload.parse_object(call.body)
    reading = payload.gather([body.get("event-data")], lambda event: _reports(event, setup))
    return reading._replace(once=payload.text(body, "signature", "token"))


def _reports(event: Any, setup: Setup) -> list[Report]:
    name = payload.text(event, "event")
    lasting = payload.text(event, "severity") == "permanent" and payload.text(event, "reason") not in _NOT_SENT
    if name == "failed" and not lasting:
        return []
    names = [*payload.texts(event, "tags"), payload.text(event, "mailing-list", "address")]
    return payload.reports(
        _KINDS.get(name),
        payload.text(event, "recipient"),
        payload.from_seconds(payload.at(event, "timestamp")),
        setup.topics_of(names),
    )
