"""What waits in flight in the spool: the table is unavailable while very many leave."""

from __future__ import annotations

from typing import Any, Final

from consentry.actions import replay
from support.queues import Clock, KeptError, Queue, work

NOW: Final = 1_800_000_000_000
SECOND: Final = 1_000
SCALE: Final = 200
"""Everything is so much less than AWS and the template have it: messages, and what fifty functions do in a second."""
IN_FLIGHT: Final = 120_000 // SCALE
APART_MS: Final = 400
"""From one opt-out to the next: 500 a second."""
OUTAGE_S: Final = 4 * 3_600
EACH_MS: Final = 20 * SCALE // 50


def test_opt_outs_that_fill_the_spool_count_as_soon_as_the_drain_can_after_the_tables_return() -> None:
    """500 a second, for four hours: more than may be in flight. All are recorded in the time that the work takes."""
    clock, queue = Clock(NOW), Queue(48, most_in_flight=IN_FLIGHT)
    back = NOW + OUTAGE_S * SECOND
    recorded: list[int] = []
    many = OUTAGE_S * SECOND // APART_MS
    for number in range(many):
        queue.send({"tries": 0}, NOW + number * APART_MS)

    def drain(receipt: int, message: dict[str, Any]) -> None:
        message["tries"] += 1
        clock.now += EACH_MS
        if clock.now < back:
            queue.hide(receipt, clock.now, replay.WAITS.after(message["tries"]))
            raise KeptError
        recorded.append(clock.now)

    work(queue, clock, [drain], until=back + 3_600 * SECOND, overhead_ms=0)
    assert queue.most_in_flight == IN_FLIGHT, "or this would show nothing"
    assert len(recorded) == many
    assert queue.next_at is None
    assert recorded[0] < back + 10 * SECOND, "what becomes visible makes room for another"
    assert recorded[-1] < back + max(many * EACH_MS, 1000 * replay.WAITS.after(10_000)) + 60 * SECOND
