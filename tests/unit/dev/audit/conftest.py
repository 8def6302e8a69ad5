"""The template as a deployment gets it, and copies of it with something broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.audit import cases, cloudformation
from dev.audit.cases import Case
from dev.places import ROOT

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def rehearsed() -> list[Case]:
    """Every case of the template."""
    return cases.cases(ROOT / "template.yaml")


@pytest.fixture
def case(rehearsed: list[Case]) -> Callable[..., Case]:
    """One of the cases, its expanded template changed."""

    def changed(change: Change = lambda _: None, name: str = "defaults") -> Case:
        (found,) = [each for each in rehearsed if each.name == name]
        expanded = copy.deepcopy(found.expanded)
        change(expanded)
        return Case(name, found.values, expanded, cloudformation.resolved(expanded, found.values))

    return changed


@pytest.fixture
def template(tmp_path: Path) -> Callable[..., Path]:
    """A copy of `template.yaml` with a text of it replaced."""

    def written(*replaced: tuple[str, str]) -> Path:
        text = (ROOT / "template.yaml").read_text(encoding="utf-8")
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "template.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return written
