"""How large items are, and what writing them takes, as recorded in `measured.json`.

tests/integration/test_measured.py measures items that the project's own code makes, and holds the file to them. Units
by DynamoDB's rules:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final, NamedTuple

STORED_OVERHEAD: Final = 100
"""Bytes that DynamoDB adds to each item that it stores."""
EMAIL_BUDGETS: Final = 2 * 2
"""Write units of the mailbox's and the domain's budget, in the transaction of a request."""


class Measured(NamedTuple):
    """One transaction."""

    items: dict[str, int]
    """Bytes of each item, by kind, as it is after the transaction."""

    @property
    def write_units(self) -> int:
        """What it takes: two for each begun KiB of an item, because it is a transaction."""
        return sum(2 * math.ceil(size / 1024) for size in self.items.values())


_RECORDED: Final = json.loads(Path(__file__).with_name("measured.json").read_text("utf-8"))
ARCHIVE_LINE: Final[float] = _RECORDED.pop("a line of the archive")
"""Bytes of an event with the head of its person's ledger, compressed."""
MEASURED: Final = {name: Measured(items) for name, items in _RECORDED.items()}
STEPS: Final = {name: MEASURED[name] for name in ("asked", "confirmed", "left")}
"""What a person's acts write, one after the other: asked for a topic, confirmed it, left it."""
REPORTED: Final = MEASURED["left, never seen before, without evidence"]
"""What is written when somebody leaves whom the table has never seen: most people of an opt-out topic."""
