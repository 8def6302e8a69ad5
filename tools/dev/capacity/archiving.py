"""A run of the archive over the whole table: how many steps it takes, and what becomes of them."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from consentry.actions import archive, archiving
from consentry.table.checkpoints import Part, Task
from dev.capacity import load
from dev.capacity.figures import given
from dev.capacity.sizes import ARCHIVE_LINE
from dev.capacity.template import deployed

_ITEMS_A_PERSON: Final = 4
"""A state and three events, as `costs.stored_bytes` has it."""
_ITEMS_A_PAGE: Final = 1_000
DAYS: Final = 31


class Run(NamedTuple):
    """One month's run."""

    hours: float
    steps: int
    """Of each segment, one after the other: each is a message that the step before sent."""
    parts: int
    """Objects of all segments."""
    manifest_bytes: int
    message_bytes: int


def run(people: float, events: float, segments: int) -> Run:
    """So many people in the table, and so many events in the month, spread evenly."""
    page_s = given("seconds for a page of 1,000 items in the archive's scan")
    pages = math.ceil(people * _ITEMS_A_PERSON / _ITEMS_A_PAGE / segments)
    written = events / segments / pages * ARCHIVE_LINE
    of_time = math.ceil(archiving.STEP_S / page_s)
    of_bytes = math.ceil(archiving.PART_BYTES / written) if written else pages
    steps = math.ceil(pages / min(of_time, of_bytes))
    task = Task("2026-11", "20261202T032000Z-0a1b2c3d", segments - 1, segments)
    part = Part(f"{archive.PREFIX}{task.month}/{task.run}/000-00000-{'0' * 16}.ndjson.gz", 1 << 24, "0" * 64, 99, 99)
    parts = steps * segments if events else 0
    manifest = archive.manifest(b"key", task.month, task.run, segments, [part] * parts)
    return Run(pages * page_s / 3600, steps, parts, len(manifest), len(task.to_json()))


def of_a_billion() -> Run:
    """Of all subscribers, in a month with a billion emails a day."""
    return run(load.PEOPLE, load.CHANGES.a_day * DAYS, deployed().answer("ArchiveSegments"))
