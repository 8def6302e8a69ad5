"""Byte code in the layers: of the Python that will run them, or it is noticed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from consentry_build.bytecode import MAGIC, compile_folder, uncompiled

ROOT = Path(__file__).parents[3]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
NOBODYS = "3.99"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "layer" / "python" / "package"
    folder.mkdir(parents=True)
    for name in ("__init__", "module"):
        (folder / f"{name}.py").write_text("answer = 42\n")
    return tmp_path / "layer"


def names(found: Iterable[Path]) -> list[str]:
    return [each.name for each in found]


def test_a_layer_is_compiled_whole_for_its_python(layer: Path) -> None:
    assert names(uncompiled(OURS, layer)) == ["__init__.py", "module.py"]
    assert compile_folder(OURS, layer)
    assert names(uncompiled(OURS, layer)) == []


def test_a_python_that_cannot_be_had_leaves_the_sources_and_is_noticed(
    layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert not compile_folder(NOBODYS, layer)
    assert names(uncompiled(NOBODYS, layer)) == ["__init__.py", "module.py"]


def test_byte_code_of_another_python_is_of_no_use(layer: Path) -> None:
    compile_folder(OURS, layer)
    other = "3.12" if OURS == "3.13" else "3.13"
    assert names(uncompiled(other, layer)) == ["__init__.py", "module.py"]
    for made in layer.rglob("*.pyc"):  # by its name it is
        made.rename(
            made.with_name(made.name.replace(sys.implementation.cache_tag, f"cpython-{other.replace('.', '')}"))
        )
    assert names(uncompiled(other, layer)) == ["__init__.py", "module.py"]


def test_byte_code_that_asks_for_the_times_of_its_source_is_of_no_use(layer: Path) -> None:
    """A layer doesn't keep them."""
    code = f"import compileall; compileall.compile_dir({str(layer)!r}, quiet=1)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": os.defpath})  # noqa: S603 - ours
    assert len(list(layer.rglob("*.pyc"))) == 2
    assert names(uncompiled(OURS, layer)) == ["__init__.py", "module.py"]


def test_what_byte_code_begins_with_is_known_rightly() -> None:
    ours = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    assert MAGIC.get(OURS, ours) == ours
    assert len(set(MAGIC.values())) == len(MAGIC)
    assert "3.13" in MAGIC


UV = """import pathlib, sys
here = pathlib.Path(__file__).with_name("installed")
match sys.argv[1:3]:
    case ["python", "find"] if here.exists():
        print(sys.executable)
    case ["python", "install"] if sys.argv[-1] == "3.99":
        here.touch()
    case _:
        sys.exit(2)
"""


def test_a_python_that_is_not_here_is_had_by_uv(layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "__init__.py").touch()
    (tmp_path / "uv" / "__main__.py").write_text(UV)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert compile_folder(NOBODYS, layer)
    assert len(list(layer.rglob("*.pyc"))) == 2


@pytest.mark.parametrize("version", [OURS, NOBODYS])
def test_the_build_of_a_layer_compiles_it_where_it_can(version: str, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ARTIFACTS_DIR": str(tmp_path),
        "UV_OFFLINE": "1",
        "PYTHONPATH": f"{ROOT / 'tools'}:{ROOT / 'layers/consentry'}",
        "CONSENTRY_BUILD_PYTHON": sys.executable,
        "CONSENTRY_BRANDS": str(ROOT / "tests/brands"),
        "CONSENTRY_TARGET_PYTHON": version,
    }
    command = ["make", "-C", str(ROOT / "layers/consentry"), "build-ConsentryLayer"]
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    modules = list((tmp_path / "python").rglob("*.py"))
    bare = list(uncompiled(version, tmp_path / "python"))
    assert len(modules) > 50
    assert bare == ([] if version == OURS else sorted(modules))
    assert ("no Python 3.99 here" in built.stderr) == (version == NOBODYS)
