"""The emulator unpacks a layer once, however many processes of functions start."""

from __future__ import annotations

import sys
import tempfile
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dev.emulator.inside import Archive, told_of_parameters


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def unpacked(worker: Path, name: str, text: str) -> Path:
    """Where a module is that was unpacked as the emulator does it for a worker."""
    folder = worker / name
    folder.mkdir(parents=True)
    packed = worker / f"{name}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("python/module.py"), text)
    with Archive(packed) as archive:
        archive.extractall(folder)
    return folder / "python/module.py"


def test_processes_share_a_layer(tmp_path: Path) -> None:
    first, second = (unpacked(tmp_path / each, "layer_0", "A = 1\n") for each in ("one", "two"))
    assert first.read_text() == second.read_text() == "A = 1\n"
    assert first.samefile(second)


def test_each_layer_is_its_own(tmp_path: Path) -> None:
    first, other = (unpacked(tmp_path / "one", f"layer_{n}", f"A = {n}\n") for n in (0, 1))
    later = unpacked(tmp_path / "two", "layer_0", "A = 2\n")
    assert [each.read_text() for each in (first, other, later)] == ["A = 0\n", "A = 1\n", "A = 2\n"]


def test_a_functions_own_code_is_not_shared(tmp_path: Path) -> None:
    first, second = (unpacked(tmp_path / each, "code", "A = 1\n") for each in ("one", "two"))
    assert not first.samefile(second)


def test_sam_is_told_of_the_parameters_values(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    module = types.ModuleType("transform")
    vars(module)["transform"] = lambda template, values, _policies: told.append((template, values))
    package = types.ModuleType("samtranslator.translator")
    vars(package)["transform"] = module
    monkeypatch.setitem(sys.modules, "samtranslator", types.ModuleType("samtranslator"))
    monkeypatch.setitem(sys.modules, "samtranslator.translator", package)
    monkeypatch.setitem(sys.modules, "samtranslator.translator.transform", module)
    plain = vars(module)["transform"]

    def apply(template: dict[str, Any], _provided: Any, _previous: Any) -> None:
        vars(module)["transform"](template, {}, None)

    told_of_parameters(apply, lambda _template, provided, previous: {**previous, **provided})({}, {"A": 1}, {"B": 2})
    assert told == [({}, {"A": 1, "B": 2})]
    assert vars(module)["transform"] is plain
