"""A standard queue of SQS and the functions that Lambda runs for it, on a clock that is told the time.

What counts is in flight: received, and not deleted or visible again. Of these there are 120,000 at most
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html); what is delayed was
never received. Messages come in the order in which they become visible: fair queues, which would let quiet groups go
first, are left out, so that nothing depends on them.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_IN_FLIGHT: Final = 120_000
_LONGEST_DELAY_S: Final = 900
_POLL_MS: Final = 1_000
"""Until a poller that got nothing asks again."""


class OverLimitError(Exception):
    """SQS gives out no more messages: too many are in flight."""


class KeptError(Exception):
    """The handler leaves the message in flight, for so long as it was hidden."""


class Clock:
    """Epoch ms; whoever does something that takes time moves it on."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Queue:
    """A standard queue. Times are epoch ms."""

    def __init__(self, visibility_s: int, most_in_flight: int = MOST_IN_FLIGHT) -> None:
        self._visibility_ms = 1000 * visibility_s
        self._most = most_in_flight
        self._ready: list[tuple[int, int, Any]] = []
        self._returns: list[tuple[int, int]] = []
        self._flying: dict[int, tuple[int, Any]] = {}
        self._number = count()
        self.most_in_flight = 0

    def send(self, message: Any, now: int, delay_s: int = 0) -> None:
        """SendMessage."""
        assert 0 <= delay_s <= _LONGEST_DELAY_S
        heappush(self._ready, (now + 1000 * delay_s, next(self._number), message))

    def receive(self, now: int) -> tuple[int, Any] | None:
        """A message with its receipt, if one is visible.

        Raises:
            OverLimitError: as many are in flight as may be.
        """
        while self._returns and self._returns[0][0] <= now:
            at, receipt = heappop(self._returns)
            if self._flying.get(receipt, (0,))[0] == at:
                heappush(self._ready, (at, receipt, self._flying.pop(receipt)[1]))
        if len(self._flying) >= self._most:
            raise OverLimitError
        if not self._ready or self._ready[0][0] > now:
            return None
        _, receipt, message = heappop(self._ready)
        self._flying[receipt] = now, message
        self.hide(receipt, now, self._visibility_ms // 1000)
        self.most_in_flight = max(self.most_in_flight, len(self._flying))
        return receipt, message

    def hide(self, receipt: int, now: int, seconds: int) -> None:
        """ChangeMessageVisibility."""
        at = now + 1000 * seconds
        self._flying[receipt] = at, self._flying[receipt][1]
        heappush(self._returns, (at, receipt))

    def delete(self, receipt: int) -> None:
        """DeleteMessage."""
        self._flying.pop(receipt, None)

    @property
    def next_at(self) -> int | None:
        """When the next message becomes visible, or did; None if there is none."""
        firsts = [heap[0][0] for heap in (self._ready, self._returns) if heap]
        return min(firsts, default=None)

    @property
    def waiting(self) -> int:
        """How many messages are in the queue and not in flight."""
        return len(self._ready)


def work(
    queue: Queue, clock: Clock, handlers: list[Callable[[int, Any], None]], *, until: int, overhead_ms: int = 20
) -> None:
    """Deliver messages one at a time to each of so many containers, as they are free, until an instant.

    A handler gets receipt and message, and moves the clock on by what it waits for; it is set back for the next one.
    What was handled is deleted.
    """
    free = [(clock.now, number) for number in range(len(handlers))]
    heapify(free)
    done: list[tuple[int, int]] = []
    while (visible := queue.next_at) is not None:
        at, number = heappop(free)
        clock.now = at = max(at, visible)
        if at > until:
            break
        while done and done[0][0] <= at:
            queue.delete(heappop(done)[1])
        try:
            received = queue.receive(at)
        except OverLimitError:
            received = None
        if received is None:
            heappush(free, (at + _POLL_MS, number))
            continue
        try:
            handlers[number](*received)
        except KeptError:
            clock.now += overhead_ms
        else:
            clock.now += overhead_ms
            heappush(done, (clock.now, received[0]))
        heappush(free, (clock.now, number))
    for _, receipt in done:
        queue.delete(receipt)
    clock.now = until


class Versions:
    """Items as a gateway has them, each version seen from the instant on when it was written.

    It knows compare and swap by the attribute `writes`, which is all that `consentry.table.endpoints` needs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.reads = 0
        self.written = 0

    def get(self, key: Mapping[str, Any]) -> dict[str, Any]:
        self.reads += 1
        for at, item in reversed(self._items.get(str(key), [])):
            if at <= self._clock.now:
                return item
        return {}

    def update(self, update: dict[str, Any]) -> dict[str, Any] | None:
        versions = self._items.setdefault(str(update["Key"]), [])
        last = versions[-1][1] if versions else {}
        values = update["ExpressionAttributeValues"]
        if last.get("writes") != values.get(":was"):
            return last
        self.written += 1
        versions.append((self._clock.now, {name[1:]: value for name, value in values.items() if name != ":was"}))
        return None
