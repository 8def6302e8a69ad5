"""What `make bench` tells: ratios that mean what they say, and a bar that can be missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.figures import Figure, Sample, medians, table, write


@pytest.mark.parametrize(("value", "bar", "holds"), [(1.0, 1.0, True), (1.01, 1.0, False), (9.0, None, None)])
def test_a_bar_holds_up_to_it_and_no_further(value: float, bar: float | None, holds: bool | None) -> None:
    assert Figure("a click", value, 1.0, "ms cpu", bar).holds is holds


def test_a_missed_bar_is_seen_in_the_table() -> None:
    lines = table(
        [Figure("slow", 3.0, 2.0, "ms cpu", 1.25, "the floor"), Figure("told", 3.0, 2.0, "ms wall")]
    ).splitlines()
    assert lines[1].split() == ["slow", "3.000", "2.000", "ms", "cpu", "1.50", "1.25", "MISSED", "the", "floor"]
    assert "MISSED" not in lines[2]
    assert "holds" not in lines[2]


def test_what_is_typical_is_not_moved_by_a_pause_of_the_machine() -> None:
    assert medians([Sample(1, 1), Sample(2, 1), Sample(90, 50)]) == Sample(2, 1)


def test_a_run_of_one_benchmark_keeps_what_another_wrote(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write([Figure("one", 1.0, 2.0, "ms cpu", 1.0)], path)
    write([Figure("two", 3.0, 2.0, "ms cpu", 1.0), Figure("two", 5.0, 2.0, "ms wall")], path)
    held = json.loads(path.read_text())
    assert {name: each["holds"] for name, each in held.items()} == {
        "one, ms cpu": True,
        "two, ms cpu": False,
        "two, ms wall": None,
    }
