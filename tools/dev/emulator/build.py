"""``sam build``, for the interpreter and processor that the emulator runs functions on."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from consentry_build import services
from dev import process
from dev.places import LOCAL, ROOT, SAM_VENV, VENV_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TEMPLATE = ROOT / "template.yaml"
BRANDS = Path(os.environ.get("CONSENTRY_BRANDS") or ROOT / "brands")
"""The folder of the brand files; an absolute path."""
LAYERS = ROOT / "layers"
BESIDE_LAYERS = (BRANDS, ROOT / "tools" / "consentry_build", *sorted((ROOT / "functions").glob("*/templates")))
"""What the layers' makefiles read outside their own folders, where SAM's cache doesn't look."""

BUILT = LOCAL / "sam" / "build"
CACHES = LOCAL / "sam" / "cache"
CONSENTRY_LAYER = BUILT / "ConsentryLayer"
STAMP = LOCAL / "sam" / "built-from"
"""The digest of everything that the present build was made from."""

PLATFORMS = {"x86_64": "manylinux2014_x86_64", "aarch64": "manylinux2014_aarch64"}
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def runtime() -> str:
    """This interpreter, as Lambda calls it: the emulator runs functions with its like."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def architecture() -> str:
    """This processor, as Lambda calls it."""
    return ARCHITECTURES.get(platform.machine().lower(), "x86_64")


def wheel_platform() -> str:
    """This system, as pip's ``--platform`` calls it."""
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        return f"macosx_11_0_{machine}"
    return PLATFORMS.get(machine, f"linux_{machine}")


def target_environment() -> dict[str, str]:
    """What the layers' makefiles want to know."""
    return {
        "CONSENTRY_BUILD_PYTHON": str(VENV_PYTHON),
        "CONSENTRY_TARGET_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        "CONSENTRY_TARGET_PLATFORM": wheel_platform(),
        "CONSENTRY_BRANDS": str(BRANDS),
    }


def build(*, env: Mapping[str, str], config: Path, log: Path) -> Path:
    """Build the template if anything it is made from changed; the built template's path.

    The caller holds the lock.

    Raises:
        StackError: when ``sam build`` fails.
    """
    built = BUILT / "template.yaml"
    target = target_environment()
    operations = {"operations": repr(services.called())}
    digest = _digest([TEMPLATE, *_files(LAYERS, *BESIDE_LAYERS)], target | operations)
    if built.exists() and STAMP.exists() and STAMP.read_text() == digest:
        return built
    STAMP.unlink(missing_ok=True)
    cache = CACHES / _digest(_files(*BESIDE_LAYERS), target | operations)
    for other in CACHES.glob("*"):
        if other != cache:
            shutil.rmtree(other, ignore_errors=True)
    process.run(
        [
            SAM_VENV / "bin" / "sam", "build", "--cached", "--parallel",
            "--template-file", TEMPLATE, "--config-file", config,
            "--build-dir", BUILT, "--cache-dir", cache,
            "--parameter-overrides", f"PythonRuntime={runtime()} Architecture={architecture()}",
        ],
        env={**env, **target},
        log=log,
        cwd=ROOT,
        doing="sam build",
    )  # fmt: skip
    STAMP.write_text(digest)
    return built


def _files(*folders: Path) -> Iterator[Path]:
    """Every source file below ``folders``, in a stable order."""
    for folder in folders:
        for parent, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "__pycache__" and not name.endswith(".egg-info"))
            for name in sorted(files):
                yield ROOT / parent / name


def _digest(files: Iterable[Path], settings: Mapping[str, str]) -> str:
    """A digest of the files' names and contents, and of the settings."""
    total = hashlib.sha256(repr(sorted(settings.items())).encode())
    for file in files:
        total.update(f"{file}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
