"""The archive of 100 million people ends: the archivist, over a table that is only counted, on a clock of its own."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from consentry.actions import archive
from consentry.actions import archiving as archiver
from consentry.actions.archiving import Archivist
from consentry.table.checkpoints import Checkpoint, Part, Task
from consentry.table.scan import Swept
from dev.capacity import archiving
from dev.capacity.figures import given
from dev.capacity.template import deployed

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = 1_800_000_000_000
PAGE_S: Final = given("seconds for a page of 1,000 items in the archive's scan")
PEOPLE: Final = int(given("subscribers"))
LOOP: Final = 16
"""Rounds after which Lambda ends what it takes for an endless loop:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""
KEPT_S: Final = 14 * 86_400


class Table:
    """So many people, read by so many segments; a page takes its time, and holds nothing of the month."""

    def __init__(self, people: int, segments: int) -> None:
        self.now = 0.0
        self.pages = -(-people * 4 // 1_000 // segments)
        self.read = 0

    def sweep(self, _since: int, _until: int, *, start: Mapping[str, Any] | None, **_: int) -> Swept:
        at = 1 + (start["page"] if start else 0)
        self.now += PAGE_S
        self.read += 1
        return Swept([], {"page": at} if at < self.pages else None)


class Places:
    """Checkpoints, as those in the table are."""

    def __init__(self) -> None:
        self.held: dict[int, Checkpoint] = {}

    def read(self, task: Task) -> Checkpoint:
        return self.held.get(task.segment, Checkpoint())

    def advance(self, task: Task, place: Checkpoint, after: Checkpoint, _part: object, _now: int) -> bool:
        if self.read(task).step != place.step:
            return False
        self.held[task.segment] = after
        return True

    def of_run(self, _run: str) -> tuple[int, list[Part]]:
        return sum(each.done for each in self.held.values()), []


def test_the_archive_of_a_hundred_million_people_ends_within_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = deployed().answer("ArchiveSegments")
    table: Any = Table(PEOPLE, segments)
    places: Any = Places()
    monkeypatch.setattr(archiver, "time", SimpleNamespace(monotonic=lambda: table.now))
    queue: deque[str] = deque()
    written: list[str] = []
    keys: Any = SimpleNamespace(archive_key=lambda: b"key")
    work = Archivist(table, places, lambda key, *_: written.append(key), keys, queue.append)
    archiver.start(queue.append, "2027-01", segments, NOW + 31 * 86_400_000)
    steps: dict[int, int] = {}
    longest = 0.0
    while queue:
        text = queue.popleft()
        assert len(text) < 1_000
        task, began = archiver.task_from_json(text), table.now
        work.go_on(task, NOW)
        longest = max(longest, table.now - began)
        steps[task.segment] = steps.get(task.segment, 0) + 1
    expected = archiving.run(PEOPLE, 0, segments)
    assert table.read >= segments * table.pages, "every page"
    assert set(steps.values()) == {expected.steps}
    assert expected.steps > LOOP, "which is why the template allows the loop"
    assert [each.rpartition("/")[2] for each in written] == [archive.MANIFEST]
    assert longest <= archiver.STEP_S + 2 * PAGE_S, "the function has 300 s"
    assert expected.hours * 3600 == pytest.approx(table.now / segments, rel=0.01)
    assert expected.hours * 3600 < 28 * 86_400, "before the next month's run"


def test_with_a_billion_mails_a_day_it_writes_parts_that_a_function_can_hold() -> None:
    run = archiving.of_a_billion()
    few = archiving.run(PEOPLE, 0, deployed().answer("ArchiveSegments"))
    assert run.steps >= few.steps, "a step ends when its part is full, too"
    assert run.parts == run.steps * deployed().answer("ArchiveSegments")
    assert run.manifest_bytes < 10_000_000
    assert run.hours * 3600 < KEPT_S


def test_a_month_of_which_everybody_wrote_everything_takes_more_steps_and_no_longer() -> None:
    """All that 100 million people ever did, in one month: parts fill before a step's time is over."""
    segments = deployed().answer("ArchiveSegments")
    run, few = archiving.run(PEOPLE, 30 * PEOPLE, segments), archiving.run(PEOPLE, 0, segments)
    assert run.steps > few.steps
    assert run.hours == few.hours
