"""The emulator unpacks a layer once, however many processes of functions start."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from embedded.layers_once import Archive, of_its_first_metric


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


def test_the_emulator_takes_an_alarm_of_several_metrics_as_one_of_the_first() -> None:
    def measured(name: str) -> dict[str, Any]:
        metric = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": []}
        return {"Id": name.lower(), "MetricStat": {"Stat": "Sum", "Period": 300, "Metric": metric}}

    of_two = {"Threshold": 2, "Metrics": [{"Id": "all", "Expression": "…"}, measured("Errors"), measured("Throttles")]}
    assert of_its_first_metric(of_two) == {
        "Threshold": 2,
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [],
        "Statistic": "Sum",
        "Period": 300,
    }
    plain = {"Threshold": 2, "MetricName": "5xx"}
    assert of_its_first_metric(plain) == plain
