"""Customer.io's reporting webhooks.

https://docs.customer.io/integrations/api/webhooks/

Customer.io waits 4 seconds for an answer, and holds back everything that follows a call that fails. Preferences come
whole, as a JSON text inside the JSON: every topic with whether it is wanted. Without that text nothing can be told.

`object_type` is the channel that an event came about by. Who leaves by a message in the app has left as a person, so
the channel makes no difference to opt-outs and preferences; a text message that bounces says nothing of a mailbox.

It sends a call again for seven days, the first time an hour after a refusal (the page above, "Timeouts and failures").
Whether it signs each try isn't said, so what ends email is taken for a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.providers import WHOLE_LIST, UnreadableError, meanings, payload, proof
from consentry.providers.meanings import Several, UnclearError, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call, Reading
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("signing_key",)

EVENTS: Final[dict[str, Meaning]] = {
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "subscribed": ReportKind.CLAIMED,
    "cio_subscription_preferences_changed": Several.CHOICES,
    "spammed": ReportKind.COMPLAINED,
    "bounced": ReportKind.BOUNCED,
    **nothing("it isn't about email", "spammed by another channel", "bounced by another channel"),
    **nothing("temporary", "deferred"),
    **nothing("Customer.io kept the email back, and doesn't say why", "dropped", "undeliverable", "failed"),
    **nothing(
        "it says nothing about consent",
        "drafted",
        "attempted",
        "sent",
        "delivered",
        "opened",
        "clicked",
        "converted",
    ),
}
"""By `metric`.

https://docs.customer.io/integrations/data-out/connections/webhooks/ calls them by channel, as `email_bounced`.
"""
_MAIL: Final = frozenset({"", "email", "customer"})
"""What is about a mailbox; the other channels are text messages and the like."""


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """The signature over version, timestamp and body must be right."""
    timestamp = call.headers.get("x-cio-timestamp", "")
    arrived = proof.arrival(proof.number(timestamp) * 1000, now)
    signed = f"v0:{timestamp}:".encode() + call.body
    expected = [proof.digest(key, signed).hex() for key in proof.values(secrets, "signing_key")]
    proof.require(call.headers.get("x-cio-signature", ""), expected)
    return arrived


def translate(call: Call, setup: Webhook) -> Reading:
    """One event a call."""
    return payload.gather([payload.parse_object(call.body)], lambda event: _reports(event, setup))


def _reports(event: dict[str, Any], setup: Webhook) -> list[Report]:
    metric, data = payload.text(event, "metric"), payload.at(event, "data")
    names = [metric] if payload.text(event, "object_type") in _MAIL else [f"{metric} by another channel", metric]
    meaning = meanings.of(EVENTS, *names)
    moment = payload.from_seconds(event.get("timestamp"))
    if meaning is Several.CHOICES:
        return _preferences(_email(data), moment, _content(data), setup)
    kind, email = meanings.kind(meaning), _email(data)
    topics = setup.topics_of([WHOLE_LIST]) if kind is ReportKind.CLAIMED else ()
    return payload.reports(kind, email, moment, topics)


def _email(data: Any) -> str:
    """The address: `recipient` is a telephone number where a text message was answered, and ids may be addresses."""
    places = (("email_address",), ("identifiers", "email"), ("recipient",), ("customer_id",), ("identifiers", "id"))
    found = [each for place in places if (each := payload.text(data, *place))]
    return next((each for each in found if "@" in each), found[0] if found else "")


def _preferences(email: str, moment: int, content: Any, setup: Webhook) -> list[Report]:
    """What somebody wants and what not.

    Raises:
        UnclearError: that isn't told, or not of every topic.
    """
    chosen, channel = payload.at(content, "topics"), payload.at(content, "channels", "email")
    if not isinstance(channel, bool) and not isinstance(chosen, dict):
        raise UnclearError
    chosen = chosen if isinstance(chosen, dict) else {}
    wanted = setup.topics_of(_names(name for name, on in chosen.items() if on is True))
    unwanted = setup.topics_of(_names(name for name, on in chosen.items() if on is False))
    no_mail = channel is False
    left = payload.reports(ReportKind.UNSUBSCRIBED, email, moment, () if no_mail else unwanted)
    if no_mail:
        return left
    if not unwanted and (wanted or False not in chosen.values()):
        left = []  # what is not wanted isn't ours, or nothing is unwanted
    # A topic of ours that several of theirs map to is left as soon as one of them is.
    kept = tuple(topic for topic in wanted if topic not in unwanted)
    found = [*left, *payload.reports(ReportKind.CLAIMED, email, moment, kept)]
    if not all(isinstance(on, bool) for on in chosen.values()):
        raise UnclearError(found)
    return found


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
