"""The queue of notifications: a message an endpoint, each with how long it has waited beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consentry.actions import notifications
from consentry.actions.notifications import Waited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.notifications import Notification
    from consentry.aws.queues import Queue

_WAITED: Final = "waited"
"""The attribute of a message that says how its notification waited so far. Not in its body: the version before, beside
which a deployment runs for some minutes, knows nothing of it, and needn't."""


class NotificationQueue:
    """What endpoints are to be sent, and what they could not be."""

    def __init__(self, queue: Queue, dead_letters: Queue) -> None:
        self._queue = queue
        self._dead_letters = dead_letters

    def add(self, notification: Notification) -> None:
        """Queue a new notification.

        Raises:
            botocore's errors: it isn't queued; so do the others.
        """
        self._queue.send(notification.to_json(), group=_group(notification))

    def defer(self, notification: Notification, waited: Waited, seconds: int) -> None:
        """Queue a notification again, for so many seconds from now."""
        attributes = {_WAITED: waited.to_json()}
        text, group = notification.to_json(), _group(notification)
        self._queue.send_again(text, seconds=seconds, since=waited.since, group=group, attributes=attributes)

    def give_up(self, notification: Notification) -> None:
        """Put a notification among the dead letters, as a message of its own: else its 14 days would have begun.

        It says nothing of how it waited: an operator who puts it back into the queue has it tried from the start.
        """
        self._dead_letters.send(notification.to_json(), group=_group(notification))


def read(message: Mapping[str, Any], now: int) -> tuple[Notification, Waited]:
    """The notification in a message as Lambda gets it, and how it waited so far; `now` is epoch ms.

    A message that says nothing of it is new, however often SQS brought it: it may have been throttled. One that was
    sent after its notification ended was put back by somebody, out of the dead letters, and begins anew.

    Raises:
        ValueError, TypeError, KeyError: it is none of ours.
    """
    notification = notifications.from_json(message["body"])
    sent = int(message["attributes"].get("SentTimestamp", now))
    text = message.get("messageAttributes", {}).get(_WAITED, {}).get("stringValue")
    waited = notifications.waited_from_json(text) if text else Waited(0, sent)
    return notification, Waited(0, sent) if sent > waited.ends else waited


def _group(notification: Notification) -> str:
    """Keeps an endpoint whose calls take long from delaying the others."""
    return f"{notification.brand}/{notification.endpoint}"
