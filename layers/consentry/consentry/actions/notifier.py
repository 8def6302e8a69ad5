"""The notifier: whether a notification goes to its endpoint now, waits, or is given up.

What waits is sent to the queue again, with a delay, and is nobody's meanwhile: a message that was received and kept
invisible would be in flight, and of these a queue has 120,000 at most
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html). A delay is a quarter of
an hour at most, so what waits for longer comes by several times, and is asked each time whether its endpoint is well.

The new message is sent before the old one is deleted. A crash between the two leaves both, and the platform is notified
twice under one `webhook-id`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from consentry.actions.notifications import SPAN_MS
from consentry.actions.waiting import LONGEST_DELAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.actions.notifications import Notification, Waited
    from consentry.table.endpoints import Endpoints


class Fate(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    DEFERRED = "deferred"
    GIVEN_UP = "given_up"
    UNWANTED = "unwanted"
    """Nobody listens any more."""


class Calls(Protocol):
    """What calls endpoints: `consentry.http.endpoints` has it."""

    def listening(self, notification: Notification) -> object | None:
        """None if the brand file has its endpoint no more."""

    def call(self, notification: Notification) -> bool:
        """Send it; whether the endpoint took it."""

    def unavailable(self, notification: Notification) -> None:
        """Its endpoint turned out to be unavailable, or to be so still."""


class Waiting(Protocol):
    """Where notifications wait: `consentry.aws.notifications` has it."""

    def defer(self, notification: Notification, waited: Waited, seconds: int) -> None:
        """Queue it again, for so many seconds from now."""

    def give_up(self, notification: Notification) -> None:
        """Put it among the dead letters."""


class Notifier:
    """Notifies one endpoint of one change at a time."""

    def __init__(self, endpoints: Endpoints, calls: Calls, queue: Waiting, clock: Callable[[], int]) -> None:
        """`endpoints` knows how each stands; `clock` answers epoch ms."""
        self._endpoints = endpoints
        self._calls = calls
        self._queue = queue
        self._clock = clock

    def notify(self, notification: Notification, waited: Waited) -> Fate:
        """Deal with a message of the queue; what is raised on the way leaves it there.

        What its endpoint refused goes its own way, however the endpoint stands: it may be the notification that is not
        liked, and shows nothing of others, also when it is tried anew because the endpoint was unavailable in between.
        All else waits while the endpoint is unavailable, but for one that tries it.
        """
        if self._calls.listening(notification) is None:
            return Fate.UNWANTED
        endpoint, now = (notification.brand, notification.endpoint), self._clock()
        standing = self._endpoints.standing(*endpoint, now)
        due = waited.due(0 if standing.until else standing.well_since)
        tries = not waited.tries and bool(standing.until)
        until = due if now < due else standing.until if tries else 0
        if now < until:
            return self._wait(notification, waited, until, now)
        if tries and not self._endpoints.claim(*endpoint, now):  # another does
            return self._wait(notification, waited, self._endpoints.standing(*endpoint, now).until, now)
        if self._calls.call(notification):
            self._endpoints.took(*endpoint, self._clock())
            return Fate.TAKEN
        now = self._clock()
        if not waited.tries and (self._endpoints.refused(*endpoint, now) or tries):
            self._calls.unavailable(notification)
        if now >= waited.since + SPAN_MS:  # not by its tries, of which an endpoint that comes and goes makes more
            return self._lose(notification)
        waited = waited.refused(now)
        return self._wait(notification, waited, waited.due(0), now)

    def later(self, notification: Notification, waited: Waited, seconds: int) -> Fate:
        """It can't be tried now, for a reason of ours, and that is no try."""
        now = self._clock()
        return self._wait(notification, waited, now + 1000 * seconds, now)

    def _wait(self, notification: Notification, waited: Waited, until: int, now: int) -> Fate:
        """Queue it again until an instant, unless it has waited for as long as it may."""
        if now >= waited.ends:
            return self._lose(notification)
        self._queue.defer(notification, waited, min(max(1, -(-(until - now) // 1000)), LONGEST_DELAY_S))
        return Fate.DEFERRED

    def _lose(self, notification: Notification) -> Fate:
        self._queue.give_up(notification)
        return Fate.GIVEN_UP
