"""A run of the archive over the whole table: how many steps it takes, and what becomes of them."""

from __future__ import annotations

import gzip
import json
import math
import random
import string
from typing import Final, NamedTuple

from capacity import assumed, load, sizes
from capacity.template import deployed
from consentry.actions import archive, archiving
from consentry.rules.consent import Consent
from consentry.rules.ledger import Channel, Kind
from consentry.table.checkpoints import Part, Task
from consentry.table.schema import Head

_ITEMS_A_PERSON: Final = 4
"""A state and three events, as `costs.stored_bytes` has it."""
_ITEMS_A_PAGE: Final = 1_000
_SAMPLE: Final = 2_000
_SEED: Final = 20261130
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
    pages = math.ceil(people * _ITEMS_A_PERSON / _ITEMS_A_PAGE / segments)
    written = events / segments / pages * line_bytes()
    of_time = math.ceil(archiving.STEP_S / assumed.SCAN_S.value)
    of_bytes = math.ceil(archiving.PART_BYTES / written) if written else pages
    steps = math.ceil(pages / min(of_time, of_bytes))
    task = Task("2026-11", "20261202T032000Z-0a1b2c3d", segments - 1, segments)
    part = Part(f"{archive.PREFIX}{task.month}/{task.run}/000-00000-{'0' * 16}.ndjson.gz", 1 << 24, "0" * 64, 99, 99)
    parts = steps * segments if events else 0
    manifest = archive.manifest(b"key", task.month, task.run, segments, [part] * parts)
    return Run(pages * assumed.SCAN_S.value / 3600, steps, parts, len(manifest), len(task.to_json()))


def of_a_billion() -> Run:
    """Of all subscribers, in a month with a billion mails a day."""
    return run(assumed.SUBSCRIBERS.value, load.CHANGES.a_day * DAYS, deployed().answer("ArchiveSegments"))


def line_bytes() -> float:
    """Bytes of an event with the head of its person's ledger, compressed: each of somebody else."""
    dice = random.Random(_SEED)  # noqa: S311 - a simulation, repeatable on purpose

    def drawn(length: int) -> str:
        return "".join(dice.choices(string.ascii_letters + string.digits, k=length))

    lines = []
    for number in range(_SAMPLE):
        event = sizes.event(Kind.UNSUBSCRIBED, Channel.ONE_CLICK, 1000 * number, Consent({"out.news": number}))
        event = event._replace(event_id=drawn(16), subscriber_id=drawn(22))
        lines += [
            archive.event_line(b"key", event),
            archive.head_line(b"key", Head(event.brand, event.subscriber_id, 3, dice.getrandbits(80))),
        ]
    text = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in lines)
    return len(gzip.compress(text.encode(), mtime=0)) / _SAMPLE
