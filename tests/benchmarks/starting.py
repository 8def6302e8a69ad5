"""What a start costs: from the process's beginning to its first request for an event."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Sample, medians
from benchmarks.lambdas import Code, start, start_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 11
FUNCTIONS: Final = (
    "oneclick", "unsubscribe", "confirm", "preferences", "subscribe", "api", "webhook",
    "courier", "notifier", "drain", "feedback", "mailbox", "archive",
)  # fmt: skip
COMPILING: Final = ("oneclick", "api")
"""Those that are started from layers without byte code, too."""
_CLIENT: Final = "import boto3; boto3.client('dynamodb')"
_BARS: Final = {"oneclick": (1.0, 0.5), "unsubscribe": (1.0, 0.5), "confirm": (1.0, 0.5), "api": (None, 1.0)}
"""Of a function that people or platforms wait for: at most so many times a client, and a conventional handler."""


def measure(around: Surroundings) -> Iterator[Figure]:
    """Each function against a process that makes a DynamoDB client, and against the conventional handler.

    Some of them also without their layers' byte code, against themselves with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        took = _take_turns(around, Path(folder))
    of = {name: medians(samples) for name, samples in took.items()}
    for name in (*FUNCTIONS, "the runtime alone"):
        for kind in ("cpu", "wall"):
            value, client, conventional = (getattr(of[each], kind) * 1000 for each in (name, "client", "conventional"))
            bars = _BARS.get(name, (None, None))
            unit = f"ms {kind}"
            yield Figure(f"start {name}, of a client", value, client, unit, bars[0], "one boto3 client, no runtime")
            yield Figure(f"start {name}, of a handler", value, conventional, unit, bars[1], "a conventional handler")
    for name in COMPILING:
        for kind in ("cpu", "wall"):
            compiling, compiled = (getattr(of[each], kind) * 1000 for each in (f"{name}, compiling", name))
            yield Figure(f"start {name} without byte code", compiling, compiled, f"ms {kind}", None, "the same with it")


def _take_turns(around: Surroundings, folder: Path) -> dict[str, list[Sample]]:
    contestants: dict[str, Callable[[], Sample]] = {
        "client": partial(start_plainly, _CLIENT, {"AWS_DEFAULT_REGION": "us-east-1"}),
        "conventional": partial(start, around.floor("conventional")),
        "the runtime alone": partial(start, around.floor("nothing")),
        **{name: partial(start, around.function(name)) for name in FUNCTIONS},
        **{
            f"{name}, compiling": partial(start, _without_byte_code(around.function(name), folder))
            for name in COMPILING
        },
    }
    took: dict[str, list[Sample]] = defaultdict(list)
    for begin in contestants.values():
        begin()  # what is read from the disk for the first time counts for nobody
    for _ in range(ROUNDS):
        for name, begin in contestants.items():
            took[name].append(begin())
    return took


def _without_byte_code(code: Code, folder: Path) -> Code:
    """The same, from copies of its layers that have none: where nothing can be written, each start compiles them."""
    copies = [folder / str(number) for number, _ in enumerate(code.path)]
    for layer, copy in zip(code.path, copies, strict=True):
        shutil.copytree(layer, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return code._replace(path=copies)
