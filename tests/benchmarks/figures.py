"""What was measured: the table that is printed, and `.local/bench.json`."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Figure(NamedTuple):
    """One number beside what it is measured against."""

    name: str
    value: float
    floor: float
    """Of the same unit: the bare work, or the peer."""
    unit: str
    bar: float | None = None
    """The ratio that we promise not to exceed; None: only told."""
    against: str = ""
    """What the floor is, in a few words."""

    @property
    def ratio(self) -> float:
        """How many times the floor; lower is better."""
        return self.value / self.floor

    @property
    def holds(self) -> bool | None:
        """Whether the bar holds; None without one."""
        return None if self.bar is None else self.ratio <= self.bar

    def as_json(self) -> dict[str, Any]:
        """As `.local/bench.json` has it."""
        return {
            "value": round(self.value, 3),
            "unit": self.unit,
            "floor": round(self.floor, 3),
            "ratio": round(self.ratio, 3),
            "bar": self.bar,
            "holds": self.holds,
        }


class Sample(NamedTuple):
    """The cost of one thing, once."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds."""


def medians(samples: Sequence[Sample]) -> Sample:
    """The median of each."""
    return Sample(statistics.median(each.wall for each in samples), statistics.median(each.cpu for each in samples))


def write(figures: Iterable[Figure], path: Path) -> None:
    """Write `bench.json`; what other benchmarks wrote before stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError):
        held = {}
    held |= {f"{figure.name}, {figure.unit}": figure.as_json() for figure in figures}
    path.write_text(json.dumps(held, indent=1) + "\n")


def table(figures: Iterable[Figure]) -> str:
    """The figures in columns."""
    rows = [("", "value", "floor", "", "ratio", "bar", "", "the floor is")]
    for each in figures:
        verdict = {None: "", True: "holds", False: "MISSED"}[each.holds]
        bar = "" if each.bar is None else f"{each.bar:g}"
        value, floor = (f"{number:,.3f}" if number < 10 else f"{number:,.1f}" for number in (each.value, each.floor))
        rows.append((each.name, value, floor, each.unit, f"{each.ratio:.2f}", bar, verdict, each.against))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = (1, 2, 4, 5)
    return "\n".join(
        "  ".join(
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
