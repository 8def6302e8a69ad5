"""Each target is fuzzed for a moment, from the same seed, in a process of its own; `make fuzz` goes on for longer."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
RUNS: Final = 20_000
SECONDS: Final = 3
"""What comes first ends it."""
FOUND: Final = 77
"""libFuzzer's status when something was found."""
PLANTED: Final = """
import runpy, sys
import atheris
with atheris.instrument_imports(include=["consentry"]):
    from consentry.actions import spool
spool._whole = lambda value: value
sys.argv = ["fuzz", "messages", *sys.argv[1:]]
runpy.run_module("fuzz", run_name="__main__")
"""
"""Takes away what keeps a queue's message from setting a register to a text."""


ANSWERS: Final = """
import json
from fuzz import targets
answers = {}
for name in ("pages", "api", "webhooks"):
    seen = answers[name] = []
    targets._require_sound = lambda answer, secrets: seen.append(answer["statusCode"])
    target = targets.TARGETS[name]()
    for example in target.examples():
        target(example)
print(json.dumps(answers))
"""
"""What the examples of some targets are answered."""


A_CHILD_OF_ITS_OWN: Final = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
"""A shell in between. What is executed inherits the most memory that its parent ever had (`ru_maxrss`, getrusage(2)),
and libFuzzer takes that for its own: it would give up because of the tests that ran before."""


def fuzz(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on something that fuzzes; what it leaves is in the folder."""
    return run(folder, *arguments, f"-artifact_prefix={folder}/", "-timeout=120", "-seed=1")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, where a deployment for fuzzing harms no other test."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join(str(ROOT / each) for each in ("tests", "tools", "layers/consentry")),
        "PYTHONPYCACHEPREFIX": str(ROOT / ".local" / "pycache"),
        "TMPDIR": str(folder),
    }
    return subprocess.run(  # noqa: S603 - our own words
        [*A_CHILD_OF_ITS_OWN, sys.executable, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )


@pytest.fixture(scope="session")
def _atheris() -> None:
    """Skip, saying what to install, where atheris isn't; fail where it must be (`CI=true`)."""
    if importlib.util.find_spec("atheris") is None:
        missing = "needs atheris, which is there for CPython 3.11 to 3.13 on x86-64 Linux (pip install atheris==3.0.0)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


MEMORY: Final = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
"""The most memory that a process had, KiB."""


def test_what_the_tests_took_before_is_not_held_against_fuzzing(tmp_path: Path) -> None:
    taken = bytearray(256 << 20)
    taken[::4096] = bytes(len(taken[::4096]))
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert ours > len(taken) >> 10
    assert int(run(tmp_path, "-c", MEMORY).stdout) < ours // 2


@pytest.mark.usefixtures("_atheris")
@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_in_is_understood_or_refused(target: str, tmp_path: Path) -> None:
    done = fuzz(tmp_path, "-m", "fuzz", target, f"-runs={RUNS}", f"-max_total_time={SECONDS}")
    assert done.returncode == 0, f"make fuzz ARGS={target} would find:\n{(done.stdout + done.stderr)[-6_000:]}"
    assert "Done " in done.stderr, "it ran"


CALLED_BY_OURSELVES: Final = {"bulk", "rotation"}
"""Step Functions and Secrets Manager hand them what was made by us. The files that jobs read are the target `rows`."""


def test_every_function_is_tried() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    tried = {name for target in TARGETS.values() for name in getattr(target, "functions", ())}
    assert functions - CALLED_BY_OURSELVES == tried, (
        "a function that nothing is tried on: give it a target in tests/fuzz/targets.py"
    )


def test_examples_get_as_far_as_they_should(tmp_path: Path) -> None:
    """Fuzzing that only ever meets a closed door finds nothing."""
    done = run(tmp_path, "-c", ANSWERS)
    assert done.returncode == 0, done.stderr[-2_000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["pages"].count(200) >= 10
    assert {405, 410} <= set(answers["pages"])
    assert set(answers["api"]) == {200, 202, 401}
    assert answers["webhooks"].count(200) >= 20


@pytest.mark.usefixtures("_atheris")
def test_fuzzing_finds_what_is_there_to_be_found(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "-c", PLANTED, "-runs=200000")
    assert done.returncode == FOUND, done.stderr[-2_000:]
    assert list(tmp_path.glob("crash-*")), "the input is kept"
