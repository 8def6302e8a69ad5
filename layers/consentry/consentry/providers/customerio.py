"""Customer.io's reporting webhooks.

https://docs.customer.io/integrations/api/webhooks/

Customer.io waits 4 seconds for an answer, and holds back everything that follows a call that fails. Preferences come
whole, as a JSON text inside the JSON: every topic with whether it is wanted.

It sends a call again for seven days, the first time an hour after a refusal (the page above, "Timeouts and failures").
Whether it signs each try isn't said, so what ends email is taken for a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consentry.intake import ReportKind
from consentry.providers import WHOLE_LIST, UnreadableError, payload, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.intake import Report
    from consentry.providers import Call, Reading, Setup

SECRETS: Final = ("signing_key",)

_KINDS: Final = {
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "subscribed": ReportKind.CLAIMED,
    "spammed": ReportKind.COMPLAINED,
    "bounced": ReportKind.BOUNCED,
}
_PREFERENCES: Final = "cio_subscription_preferences_changed"
_MAIL: Final = frozenset({"", "email", "customer"})
"""What an event is about; the others are text messages and the like."""


def verify(call: Call, _setup: Setup, secrets: Mapping[str, str], now: int) -> int:
    """The signature over version, timestamp and body must be right."""
    timestamp = call.headers.get("x-cio-timestamp", "")
    arrived = proof.arrival(proof.number(timestamp) * 1000, now)
    signed = f"v0:{timestamp}:".encode() + call.body
    expected = [proof.digest(key, signed).hex() for key in proof.values(secrets, "signing_key")]
    proof.require(call.headers.get("x-cio-signature", ""), expected)
    return arrived


def translate(call: Call, setup: Setup) -> Reading:
    """One event a call."""
    return payload.gather([payload.parse_object(call.body)], lambda event: _reports(event, setup))


def _reports(event: dict[str, Any], setup: Setup) -> list[Report]:
    metric, data = payload.text(event, "metric"), payload.at(event, "data")
    email = (
        payload.text(data, "email_address")
        or payload.text(data, "identifiers", "email")
        or payload.text(data, "recipient")
    )
    moment = payload.from_seconds(event.get("timestamp"))
    if payload.text(event, "object_type") not in _MAIL:
        return []
    if metric == _PREFERENCES:
        return _preferences(email, moment, _content(data), setup)
    kind = _KINDS.get(metric)
    topics = setup.topics_of([WHOLE_LIST]) if kind is ReportKind.CLAIMED else ()
    return payload.reports(kind, email, moment, topics)


def _preferences(email: str, moment: int, content: Any, setup: Setup) -> list[Report]:
    chosen = payload.at(content, "topics")
    chosen = chosen if isinstance(chosen, dict) else {}
    wanted = setup.topics_of(_names(name for name, on in chosen.items() if on is True))
    unwanted = setup.topics_of(_names(name for name, on in chosen.items() if on is False))
    no_mail = payload.at(content, "channels", "email") is False
    left = payload.reports(ReportKind.UNSUBSCRIBED, email, moment, () if no_mail else unwanted)
    if no_mail:
        return left
    if not unwanted and (wanted or False not in chosen.values()):
        left = []  # what is not wanted isn't ours, or nothing is unwanted
    # A topic of ours that several of theirs map to is left as soon as one of them is.
    kept = tuple(topic for topic in wanted if topic not in unwanted)
    return [*left, *payload.reports(ReportKind.CLAIMED, email, moment, kept)]


def _names(names: Any) -> list[str]:
    """`topic_7`, as it comes, and `7`, as Customer.io's pages show it."""
    return [spelt for name in names for spelt in (name, name.removeprefix("topic_"))]


def _content(data: Any) -> Any:
    content = payload.at(data, "content")
    if not isinstance(content, str):
        return content
    try:
        return payload.parse(content.encode("utf-8", "replace"))
    except UnreadableError:
        return None
