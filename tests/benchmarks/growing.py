"""What a click and decisions cost while the table grows: the same, or somebody reads what they needn't."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.clicking import one_click
from benchmarks.figures import Figure
from benchmarks.lambdas import running, take_turns
from benchmarks.screening import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.surroundings import Surroundings

TABLES: Final = {f"people-{size}": size for size in (1_000, 100_000, 1_000_000)}
"""Tables, and how many are in each."""
ROUNDS: Final = 8
CLICKS: Final = 150
QUESTIONS: Final = 4
PEOPLE: Final = 1_000
"""In a question."""


def measure(around: Surroundings) -> Iterator[Figure]:
    """Against the smallest table, in turns."""
    chance = random.Random(1)  # noqa: S311 - who clicks

    def leave(size: int) -> Callable[[int], list[bytes]]:
        return lambda count: [
            one_click(around.link(around.subscriber_id(chance.randrange(size)))) for _ in range(count)
        ]

    def ask(size: int) -> Callable[[int], list[bytes]]:
        return lambda count: [
            asking(subscriber_ids=[around.subscriber_id(number) for number in chance.sample(range(size), PEOPLE)])
            for _ in range(count)
        ]

    acts = (("one click", "oneclick", leave, CLICKS), ("1,000 decisions", "api", ask, QUESTIONS))
    for name, which, make, calls in acts:
        with ExitStack() as ending:
            contestants = [
                (ending.enter_context(running(around.function(which, TABLE_NAME=table))), make(size))
                for table, size in TABLES.items()
            ]
            took = take_turns(contestants, ROUNDS, calls)
        for size, sample in list(zip(TABLES.values(), took, strict=True))[1:]:
            for kind in ("cpu", "wall"):
                value, low = (getattr(each, kind) * 1000 for each in (sample, took[0]))
                bar = 1.1 if kind == "cpu" else None
                yield Figure(f"{name}, {size:,} people", value, low, f"ms {kind}", bar, "1,000 people")
