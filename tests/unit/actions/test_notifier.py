"""What a platform's endpoint doesn't take waits, holds up nobody else's, and ends after three days."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any, Final

import pytest

from consentry.actions import notifications
from consentry.actions.notifications import SPAN_MS, WAITS, Notification, Waited
from consentry.actions.notifier import Fate, Notifier
from consentry.table.endpoints import PAUSES_S, REFUSALS, Endpoints
from support.queues import MOST_IN_FLIGHT, Clock, KeptError, OverLimitError, Queue, Versions, work

NOW: Final = 1_800_000_000_000
SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
TIMEOUT_MS: Final = 10_000
"""As `outgoing` has it: what a dead endpoint costs a call."""
CALL_MS: Final = 250


class Platforms:
    """Endpoints of platforms, the containers that tell them, and the queue between."""

    def __init__(self, containers: int = 1) -> None:
        self.clock = Clock(NOW)
        self.queue = Queue(120)
        self.table: Any = Versions(self.clock)
        self.dead: set[str] = set()
        self.recovers: dict[str, int] = {}
        """When, epoch ms."""
        self.unwanted: set[str] = set()
        """Events that are refused wherever they go."""
        self.taken: dict[tuple[str, str], list[int]] = {}
        self.calls: dict[str, list[tuple[int, str]]] = {}
        self.reported_unavailable: list[tuple[int, str]] = []
        self.given_up: list[tuple[int, str]] = []
        self.faults: list[Exception] = []
        self.deferred: list[int] = []
        self.notifiers = [self._notifier() for _ in range(containers)]

    def _notifier(self) -> Notifier:
        return Notifier(Endpoints(self.table, self.faults.append), self, self, self.clock)

    def change(self, person: int, *endpoints: str) -> None:
        """Somebody decided something."""
        for endpoint in endpoints:
            told = Notification("demo", endpoint, f"person {person}", f"event {person}", self.clock.now, {})
            self.queue.send((told, Waited(0, self.clock.now)), self.clock.now)

    def work(self, seconds: float) -> None:
        """Let time pass."""
        handlers = [lambda _, message, each=each: each.notify(*message) for each in self.notifiers]
        work(self.queue, self.clock, handlers, until=self.clock.now + int(seconds * SECOND))

    def is_dead(self, endpoint: str) -> bool:
        return endpoint in self.dead and self.clock.now < self.recovers.get(endpoint, self.clock.now + 1)

    def listening(self, _: Notification) -> bool:
        return True

    def call(self, told: Notification) -> bool:
        self.calls.setdefault(told.endpoint, []).append((self.clock.now, told.event_id))
        refused = self.is_dead(told.endpoint)
        self.clock.now += TIMEOUT_MS if refused else CALL_MS
        if refused or told.event_id in self.unwanted:
            return False
        self.taken.setdefault((told.endpoint, told.event_id), []).append(self.clock.now)
        return True

    def unavailable(self, told: Notification) -> None:
        self.reported_unavailable.append((self.clock.now, told.endpoint))

    def give_up(self, told: Notification) -> None:
        self.given_up.append((self.clock.now, told.event_id))

    def defer(self, told: Notification, waited: Waited, seconds: int) -> None:
        self.deferred.append(seconds)
        self.queue.send((told, waited), self.clock.now, seconds)


# --- the fakes --------------------------------------------------------------------------------------------------------


def test_the_queue_gives_out_120_000_messages_and_none_more() -> None:
    queue = Queue(120)
    for number in range(MOST_IN_FLIGHT + 1):
        queue.send(number, NOW)
    receipts = [queue.receive(NOW) for _ in range(MOST_IN_FLIGHT)]
    with pytest.raises(OverLimitError):
        queue.receive(NOW)
    first, _ = receipts[0] or (0, 0)
    queue.delete(first)
    assert queue.receive(NOW)
    for found in receipts[1:]:
        assert found
        queue.hide(found[0], NOW, 42_000)
    assert queue.receive(NOW + 41_000 * SECOND) == (MOST_IN_FLIGHT, MOST_IN_FLIGHT), "the one that was not hidden"
    assert queue.receive(NOW + 42_000 * SECOND)


def test_what_waits_in_flight_would_stop_everybody() -> None:
    """What the notifier did before, on a hundredth of the scale: why it does it no more."""
    clock, queue, taken = Clock(NOW), Queue(120, most_in_flight=1_200), []
    for person in range(2_000):
        queue.send((0, "dead" if person % 4 else "live"), NOW)

    def tell(receipt: int, message: tuple[int, str]) -> None:
        if message[1] == "live":
            taken.append(clock.now)
            return
        queue.hide(receipt, clock.now, 42_000)
        raise KeptError

    work(queue, clock, [tell] * 2, until=NOW + 11 * HOUR)
    assert queue.most_in_flight == 1_200
    assert len(taken) == 400, "those that came before the queue was full, in eleven hours"


# --- one dead endpoint ------------------------------------------------------------------------------------------------


def test_a_dead_endpoint_delays_no_other_and_keeps_nothing_in_flight() -> None:
    """200,000 changes at once, three of four of a brand whose endpoint answers nothing."""
    platforms = Platforms(containers=200)
    platforms.dead = {"dead"}
    live = 0
    for person in range(200_000):
        platforms.change(person, "live" if person % 4 == 0 else "dead")
        live += person % 4 == 0
    platforms.work(seconds=100)
    assert len(platforms.taken) == live, "all, and each once"
    assert all(len(each) == 1 for each in platforms.taken.values())
    needed = live * (CALL_MS + 20) / 200
    assert max(at for (at,) in platforms.taken.values()) - NOW < needed + 30 * SECOND
    assert platforms.queue.most_in_flight <= 200
    assert len(platforms.calls["dead"]) < 1_000, "those of the first seconds, some of them again, and its tries"
    assert platforms.queue.waiting == 200_000 - live, "nothing is lost"


def test_an_endpoint_that_is_away_is_tried_with_one_new_notification_at_a_time_ever_less_often() -> None:
    platforms = Platforms(containers=10)
    platforms.dead = {"dead"}
    for person in range(500):
        platforms.change(person, "dead")
    platforms.work(seconds=6 * 3600)
    first: dict[str, int] = {}
    for at, event in platforms.calls["dead"]:
        first.setdefault(event, at)
    began = sorted(first.values())
    known = began[0] + TIMEOUT_MS
    assert len([at for at in began if at < known]) == 10, "one from each container"
    assert len([at for at in began if known <= at < known + 5 * SECOND]) < 10, "whoever read it just before"
    tries = [at for at in began if at >= known + 5 * SECOND]
    between = [later - sooner for sooner, later in pairwise(tries)]
    assert between[0] >= PAUSES_S[1] * SECOND
    assert between[1] >= PAUSES_S[2] * SECOND
    assert all(PAUSES_S[-1] * SECOND <= each < 2 * PAUSES_S[-1] * SECOND for each in between[2:])
    assert [endpoint for _, endpoint in platforms.reported_unavailable] == ["dead"] * (1 + len(tries))
    hours = Counter((at - NOW) // HOUR for at, _ in platforms.reported_unavailable)
    assert min(hours[hour] for hour in range(6)) >= 3, "or its alarm would end"
    assert max(platforms.deferred) <= 900


def test_half_an_hour_after_an_endpoint_is_well_it_has_everything() -> None:
    """Also what had waited for so long that its own next try was hours away."""
    platforms = Platforms(containers=10)
    platforms.dead = {"dead"}
    platforms.recovers["dead"] = well = NOW + 9 * HOUR + 7 * MINUTE
    for person in range(300):
        platforms.change(person, "dead")
    platforms.work(seconds=24 * 3600)
    assert len(platforms.taken) == 300
    assert {len(each) for each in platforms.taken.values()} == {1}
    assert well <= min(platforms.taken.values())[0]
    assert max(platforms.taken.values())[0] < well + 30 * MINUTE + MINUTE
    assert not platforms.given_up


def test_what_waits_for_a_dead_endpoint_is_given_up_after_three_days_and_once() -> None:
    platforms = Platforms(containers=3)
    platforms.dead = {"dead"}
    for person in range(20):
        platforms.change(person, "dead")
    platforms.work(seconds=5 * 86_400)
    assert Counter(event for _, event in platforms.given_up) == {f"event {person}": 1 for person in range(20)}
    after = [at - NOW for at, _ in platforms.given_up]
    assert min(after) >= SPAN_MS
    assert max(after) < SPAN_MS + 2 * HOUR
    assert platforms.queue.next_at is None
    assert len(platforms.calls["dead"]) <= 20 * (1 + len(WAITS.waits_s))


def test_what_one_endpoint_refuses_while_it_takes_all_else_is_tried_as_the_guide_says() -> None:
    platforms = Platforms()
    platforms.unwanted = {"event 0"}
    platforms.change(0, "crm")
    for person in range(1, 1600):  # every three minutes or so somebody else decides something
        platforms.change(person, "crm")
        platforms.work(seconds=173)
    platforms.work(seconds=600)
    assert [event for _, event in platforms.given_up] == ["event 0"]
    assert len(platforms.taken) == 1599
    tries = len(platforms.calls["crm"]) - 1599
    assert tries == 1 + len(WAITS.waits_s)
    (at, _), *_ = platforms.given_up
    assert SPAN_MS <= at - NOW < SPAN_MS + 15 * MINUTE
    assert not platforms.reported_unavailable


def test_a_lone_notification_is_tried_as_the_guide_says() -> None:
    platforms = Platforms()
    platforms.dead = {"dead"}
    platforms.change(0, "dead")
    platforms.work(seconds=5 * 86_400)
    began = [at for at, _ in platforms.calls["dead"]]
    waits = [(later - sooner - TIMEOUT_MS) / SECOND for sooner, later in pairwise(began)]
    assert waits == pytest.approx(WAITS.waits_s, abs=2)
    assert len(platforms.given_up) == 1


def test_what_an_endpoint_always_refuses_holds_up_nothing_else_of_it() -> None:
    """Half of what it is told it doesn't like, and refuses each time it comes again, one after the other."""
    platforms = Platforms()
    platforms.unwanted = {f"event {person}" for person in range(0, 40, 2)}
    for person in range(40):
        platforms.change(person, "crm")
    platforms.work(seconds=3600)
    assert len(platforms.taken) == 20
    assert len(platforms.calls["crm"]) > 20 + 20 * REFUSALS
    assert not platforms.reported_unavailable


def test_what_an_endpoint_always_refuses_keeps_it_not_away_after_it_once_was() -> None:
    """Each time that it is well again, all that it refused is tried anew: that shows as little as before."""
    platforms = Platforms()
    platforms.dead = {"crm"}
    platforms.recovers["crm"] = NOW + 10 * MINUTE
    platforms.unwanted = {f"event {person}" for person in range(12)}
    for person in range(12):
        platforms.change(person, "crm")
    platforms.work(seconds=3600)
    assert platforms.reported_unavailable
    late = []
    for person in range(100, 150):
        at = platforms.clock.now
        platforms.change(person, "crm")
        platforms.work(seconds=600)
        (taken,) = platforms.taken["crm", f"event {person}"]
        late += [person] if taken > at + MINUTE else []
    assert len(late) < 12, "until each of those was tried once"
    assert not [at for at, _ in platforms.reported_unavailable if at > platforms.clock.now - 6 * HOUR]


def test_what_it_takes_again_ends_the_waiting_of_what_it_refused() -> None:
    platforms = Platforms()
    platforms.dead = {"crm"}
    for person in range(REFUSALS):
        platforms.change(person, "crm")
    platforms.work(seconds=3 * 3600)
    platforms.recovers["crm"] = platforms.clock.now
    platforms.change(REFUSALS, "crm")
    platforms.work(seconds=1000)
    assert len(platforms.taken) == 1 + REFUSALS


def test_an_endpoint_that_comes_and_goes_uses_up_no_three_days_in_hours() -> None:
    """Each time that it is well, what it refused is tried again, sooner than the guide says."""
    platforms = Platforms()
    platforms.unwanted = {"event"}
    told = Notification("demo", "crm", "ann", "event", NOW, {})
    waited = Waited(len(WAITS.waits_s), NOW - 4 * HOUR, NOW - HOUR)
    for _ in range(REFUSALS):
        Endpoints(platforms.table, platforms.faults.append).refused("demo", "crm", NOW - 2 * MINUTE)
    Endpoints(platforms.table, platforms.faults.append).took("demo", "crm", NOW - MINUTE)
    assert platforms.notifiers[0].notify(told, waited) is Fate.DEFERRED
    assert platforms.calls["crm"] == [(NOW, "event")]


def test_two_brands_endpoints_of_one_name_stand_for_themselves() -> None:
    platforms = Platforms()
    endpoints = Endpoints(platforms.table, platforms.faults.append)
    for _ in range(REFUSALS):
        endpoints.refused("demo", "crm", NOW)
    assert endpoints.standing("demo", "crm", NOW).until
    assert not endpoints.standing("other", "crm", NOW).until


def test_what_cannot_be_tried_for_a_reason_of_ours_waits_without_losing_a_try() -> None:
    platforms = Platforms()
    told = Notification("demo", "crm", "ann", "event", NOW, {})
    (notifier,) = platforms.notifiers
    assert notifier.later(told, Waited(3, NOW - HOUR, NOW - MINUTE), 60) is Fate.DEFERRED
    assert platforms.queue.receive(NOW + MINUTE - 1) is None
    _, (_, waited) = platforms.queue.receive(NOW + MINUTE) or (0, (0, 0))
    assert waited == Waited(3, NOW - HOUR, NOW - MINUTE)
    assert notifier.later(told, Waited(3, NOW - SPAN_MS - HOUR), 60) is Fate.GIVEN_UP


def test_how_it_waited_survives_the_queue() -> None:
    waited = Waited(4, NOW, NOW + SECOND)
    assert notifications.waited_from_json(waited.to_json()) == waited
    for text in ("{", "7", '["x", 1]', "[1]"):
        with pytest.raises((ValueError, TypeError)):
            notifications.waited_from_json(text)
