"""Webhooks out: what changed in a person's consent, sent to the brand's platforms.

The table's stream holds, for every change, the state before and after and the event that made it: from these alone
follows the notification, so one change is one event, however often the stream repeats it. Format: Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from standardwebhooks import Webhook

from consentry.actions import platforms
from consentry.actions.waiting import LONGEST_DELAY_S, Schedule
from consentry.rules import consent as rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.rules.brands import Brand
    from consentry.table.schema import Change

TYPE: Final = "consent.changed"
WAITS: Final = Schedule((5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, *[42_000] * 5))
"""Between one try and the next: three days in all."""
SPAN_MS: Final = 1000 * sum(WAITS.waits_s)
"""After so long the notifier gives a notification up, whether it was refused or its endpoint was unavailable."""


class Notification(NamedTuple):
    """What one endpoint is sent; small, and without an address."""

    brand: str
    endpoint: str
    subscriber_id: str
    event_id: str
    timestamp: int
    """When it occurred, epoch ms."""
    data: dict[str, Any]

    def to_json(self) -> str:
        """As it waits in the queue."""
        return json.dumps(self._asdict(), ensure_ascii=False)


class Waited(NamedTuple):
    """How a notification waited so far. Its message says so beside it: each time it is deferred it gets a new one."""

    tries: int
    """That weren't taken."""
    since: int
    """When it was queued first, epoch ms."""
    refused_at: int = 0
    """When it was tried last, epoch ms; 0: never."""

    @property
    def ends(self) -> int:
        """When it is given up at the latest, epoch ms."""
        return self.since + SPAN_MS + 1000 * LONGEST_DELAY_S

    def due(self, well_since: int) -> int:
        """When it is to be tried, epoch ms: at once where its endpoint has taken something since it refused this."""
        if not self.tries or well_since > self.refused_at:
            return 0
        return self.refused_at + 1000 * WAITS.after(self.tries)

    def refused(self, now: int) -> Waited:
        """After another try."""
        return Waited(self.tries + 1, self.since, now)

    def to_json(self) -> str:
        """As it stands beside the notification."""
        return json.dumps(self)


def waited_from_json(text: str) -> Waited:
    """What stands beside a notification.

    Raises:
        ValueError, TypeError: it is nothing of the kind.
    """
    return Waited(*map(int, json.loads(text)))


def from_json(text: str) -> Notification:
    """The notification in a queue's message.

    Raises:
        ValueError, TypeError: it isn't one.
    """
    return Notification(**json.loads(text))


def of(brand: Brand, change: Change, now: int) -> list[Notification]:
    """What the brand's endpoints are sent about a change; nothing, if it means nothing to a platform. `now`: ms."""
    topics = _topics(brand, change)
    before, after = change.before, change.after
    statuses = {topic: tuple(brand.status(each, topic, now) for each in (before, after)) for topic in topics}
    ends = {topic: tuple(rules.end(each, topic, brand.lasts(topic)) for each in (before, after)) for topic in topics}
    moved = {topic: both for topic, both in statuses.items() if len({*both}) > 1 or len({*ends[topic]}) > 1}
    if not moved and not _matters(before, after):
        return []
    last = change.event
    data = {
        "event_id": last["event_id"],
        "brand": brand.id,
        "subscriber_id": change.subscriber_id,
        "topics": {
            topic: {
                "status": status.value,
                "previous": was.value,
                **({"expires_at": platforms.rfc3339(ends[topic][1])} if ends[topic][1] else {}),
            }
            for topic, (was, status) in moved.items()
        },
        "kind": last["kind"],
        "channel": last["channel"],
        "occurred_at": platforms.rfc3339(last["occurred_at"]),
        "suspected_automation": last["suspected_automation"],
    }
    if last["reference"]:
        data["reference"] = last["reference"]
    return [
        Notification(brand.id, endpoint.id, change.subscriber_id, last["event_id"], last["occurred_at"], data)
        for endpoint in brand.notifications
    ]


def sign(notification: Notification, secrets: Sequence[str], now: int, email: str = "") -> tuple[bytes, dict[str, str]]:
    """Body and headers of one try.

    Args:
        notification: what is told.
        secrets: `whsec_…`; each makes a signature, so that a receiver may hold the old or the new one.
        now: epoch ms of this try.
        email: for platforms that a brand's file says want it.
    """
    data = {**notification.data, "email": email} if email else notification.data
    body = json.dumps(
        {"type": TYPE, "timestamp": platforms.rfc3339(notification.timestamp), "data": data},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    at = datetime.fromtimestamp(now // 1000, UTC)
    signatures = [Webhook(secret).sign(notification.event_id, at, body) for secret in secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": "Consentry",
        "webhook-id": notification.event_id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": " ".join(signatures),
    }
    return body.encode(), headers


def _topics(brand: Brand, change: Change) -> list[str]:
    """The brand's topics, and those that the change names though the brand no longer has them."""
    named = [rules.topic_of(name) for name in change.after.registers]
    return list(dict.fromkeys([*brand.topics, *(each for each in named if each not in {"", rules.EVERY_TOPIC})]))


def _matters(before: rules.Consent, after: rules.Consent) -> bool:
    """Whether something changed that a platform should know beside the statuses: suppression, pause, frequency."""
    suppressed = any(
        before.registers.get(name) != after.registers.get(name) for name in (rules.COMPLAINT, rules.BOUNCE)
    )
    chosen = {name: choice.value for name, choice in after.choices.items() if name != rules.LOCALE}
    return suppressed or chosen != {
        name: choice.value for name, choice in before.choices.items() if name != rules.LOCALE
    }
