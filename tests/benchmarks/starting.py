"""What a start costs: from the process's beginning to its first request for an event."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Sample, medians
from benchmarks.lambdas import start, start_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 11
FUNCTIONS: Final = (
    "oneclick", "unsubscribe", "confirm", "preferences", "subscribe", "api", "webhook",
    "courier", "notifier", "drain", "feedback", "mailbox", "archive",
)  # fmt: skip
_CLIENT: Final = "import boto3; boto3.client('dynamodb')"
_BARS: Final = {"oneclick": (1.0, 0.5), "unsubscribe": (1.0, 0.5), "confirm": (1.0, 0.5), "api": (None, 1.0)}
"""Of a function that people or platforms wait for: at most so many times a client, and a conventional handler."""


def measure(around: Surroundings) -> Iterator[Figure]:
    """Each function against a process that makes a DynamoDB client, and against the conventional handler."""
    contestants: dict[str, Callable[[], Sample]] = {
        "client": partial(start_plainly, _CLIENT, {"AWS_DEFAULT_REGION": "us-east-1"}),
        "conventional": partial(start, around.floor("conventional")),
        "the runtime alone": partial(start, around.floor("nothing")),
        **{name: partial(start, around.function(name)) for name in FUNCTIONS},
    }
    took: dict[str, list[Sample]] = defaultdict(list)
    for begin in contestants.values():
        begin()  # what is read from the disk for the first time counts for nobody
    for _ in range(ROUNDS):
        for name, begin in contestants.items():
            took[name].append(begin())
    of = {name: medians(samples) for name, samples in took.items()}
    for name in (*FUNCTIONS, "the runtime alone"):
        for kind in ("cpu", "wall"):
            value, client, conventional = (getattr(of[each], kind) * 1000 for each in (name, "client", "conventional"))
            bars = _BARS.get(name, (None, None))
            unit = f"ms {kind}"
            yield Figure(f"start {name}, of a client", value, client, unit, bars[0], "one boto3 client, no runtime")
            yield Figure(f"start {name}, of a handler", value, conventional, unit, bars[1], "a conventional handler")
