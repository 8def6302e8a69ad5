"""`make bench`: measure, print the table, write `.local/bench.json`."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

from benchmarks import figures, surroundings
from dev.places import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

BENCHMARKS: Final = {
    "starting": "a function's start, against a client's and a conventional handler's",
    "clicking": "a warm one-click opt-out, and the pages, against the bare calls of AWS",
    "screening": "decisions on 1,000 people, against the bare reads",
    "linking": "links, against bare signatures",
    "growing": "one click and decisions while the table grows to a million people",
    "peering": "opt-outs, against django-newsletter's",
}


def main(argv: Sequence[str]) -> int:
    """Run those that are named, or all; 1 where `--strict` finds a bar missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if left out")
    parser.add_argument("--strict", action="store_true", help="fail where a bar is missed: for a quiet machine")
    chosen = parser.parse_args(argv)
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    surroundings.compile_floors()
    found: list[figures.Figure] = []
    for name in chosen.names or BENCHMARKS:
        began = time.monotonic()
        print(f"{name}: {BENCHMARKS[name]}", file=sys.stderr, flush=True)
        module = import_module(f"benchmarks.{name}")
        with surroundings.standing(getattr(module, "TABLES", None)) as around:
            found += module.measure(around)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        figures.write(found, LOCAL / "bench.json")
    print(figures.table(found))
    return int(chosen.strict and any(figure.holds is False for figure in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
