"""A run that fails says last what to do again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin(request: pytest.FixtureRequest) -> Any:
    """tests/conftest.py: a plugin of this run, and in no package."""
    return request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))


@pytest.fixture
def again_with(plugin: Any) -> Any:
    """What it makes of reports."""
    return plugin.again_with


def failed(*names: str) -> list[Any]:
    return [SimpleNamespace(nodeid=name) for name in names]


def test_nothing_is_said_where_nothing_failed(again_with: Any) -> None:
    assert again_with([], {}) == ""


def test_tests_are_named_once_with_the_seeds_of_the_run(again_with: Any) -> None:
    names = failed("tests/a.py::test_a[x y]", "tests/a.py::test_a[$HOME]", "tests/b.py::test_b")
    assert again_with(names, {}) == 'FAULTS_SEED=1 make test ARGS="tests/a.py::test_a tests/b.py::test_b"'
    assert again_with(names[2:], {"FAULTS_SEED": "7", "HYPOTHESIS_ANEW": "1"}) == (
        'FAULTS_SEED=7 HYPOTHESIS_ANEW=1 make test ARGS="tests/b.py::test_b"'
    )


def test_many_are_named_by_their_modules(again_with: Any) -> None:
    names = failed(*(f"tests/{module}.py::test_{number}" for module in "ab" for number in range(3)))
    assert again_with(names, {}) == 'FAULTS_SEED=1 make test ARGS="tests/a.py tests/b.py"'


def test_it_stands_below_what_pytest_says_itself(plugin: Any) -> None:
    summary = plugin.pytest_terminal_summary.pytest_impl
    assert summary["wrapper"]
    assert summary["tryfirst"]
