"""What the forge runs: the commands of the README, pinned, and with no more rights than it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yaml")}
PINNED: Final = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def test_each_change_is_checked_as_on_any_machine() -> None:
    assert ".ci/run" in [step.get("run") for step in steps("ci")]
    called = (ROOT / ".ci/run").read_text()
    assert [line for line in called.splitlines() if line.startswith("make ")] == ["make check", "make test"]


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_an_action_is_one_commit_and_nothing_may_be_written_unasked(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert [each for each in used if not PINNED.fullmatch(each)] == []
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_whatever_make_is_asked_for_there_is() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        target
        for name in WORKFLOWS
        for step in steps(name)
        for target in re.findall(r"make (?:--\w+ )*([a-z]+)", step.get("run", ""))
    }
    assert {"fuzz", "properties"} <= asked <= targets


def test_what_runs_before_a_commit_is_what_make_check_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checks = (ROOT / "Makefile").read_text()
    for hook in hooks:
        program = next(word for word in hook["entry"].split() if word.startswith(".venv/bin/"))
        assert f"{program} " in checks or f"{program}\n" in checks, hook["id"]
