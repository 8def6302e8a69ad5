"""The template, as the emulator gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedded import deploy
from embedded.errors import StackError
from embedded.places import ROOT


def test_locally_nothing_asks_for_codedeploy_which_the_emulator_has_not(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text((ROOT / "template.yaml").read_text())
    copy = deploy._all_at_once(template)
    assert copy.parent == tmp_path, "the paths in it lead from there"
    assert "Default: AllAtOnce\n" in copy.read_text()
    assert "Default: AllAtOnce\n" not in template.read_text()


def test_a_template_with_another_default_is_told_and_not_deployed(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Default: Sometimes\n")
    with pytest.raises(StackError, match="DeploymentStrategy"):
        deploy._all_at_once(template)
