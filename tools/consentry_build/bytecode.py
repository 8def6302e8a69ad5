"""`python -m consentry_build.bytecode VERSION FOLDER`: compile a layer's modules for the Python that will run them.

Lambda's /opt can't be written to: without byte code in the layer, every cold start compiles every module again. Byte
code is good for one version of Python only. It is made by this Python, by `pythonVERSION`, or by one that uv has or can
download. Where none is found, the sources ship alone, and `make deploy` asks `uncompiled` before it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = {"3.11": 3495, "3.12": 3531, "3.13": 3571}
"""What a version's byte code begins with, as `importlib.util.MAGIC_NUMBER` of each says."""
UNCHECKED: Final = b"\1\0\0\0"
"""PEP 552: taken without a look at the source's time, which changes on its way into a layer."""
REMEDY: Final = (
    "Have python{version} on PATH (Debian: apt-get install python{version}; macOS: brew install python@{version}), "
    "or let uv download it: .venv/bin/uv python install {version}"
)
"""What to do where there is none."""


def compile_folder(version: str, folder: Path) -> bool:
    """Compile everything in a folder for a version such as `3.13`; False if no such Python can be had."""
    python = next((each for each in (sys.executable, f"python{version}") if _version(each) == version), _by_uv(version))
    if not python:
        return False
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    environment = {name: each for name, each in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, env=environment)  # noqa: S603 - our own words
    return True


def uncompiled(version: str, folder: Path) -> Iterator[Path]:
    """The modules in a folder that a Python of this version would compile at each start."""
    for module in sorted(folder.rglob("*.py")):
        compiled = module.parent / "__pycache__" / f"{module.stem}.cpython-{version.replace('.', '')}.pyc"
        head = compiled.read_bytes()[:8] if compiled.exists() else b""
        magic = int.from_bytes(head[:2], "little")
        if head[4:] != UNCHECKED or magic != MAGIC.get(version, magic):
            yield module


def _by_uv(version: str) -> str:
    """One that uv knows of, or else downloads; "" where it can't."""
    uv = [sys.executable, "-m", "uv", "python"]
    find = [*uv, "find", "--no-project", "--no-python-downloads", version]
    found = _answer(find)
    if not found:
        _answer([*uv, "install", "--no-bin", version])
        found = _answer(find)
    return found


def _version(python: str) -> str:
    return _answer([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])


def _answer(command: list[str]) -> str:
    """What a command prints; "" if it isn't there, or fails."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


if __name__ == "__main__" and not compile_folder(sys.argv[1], Path(sys.argv[2])):
    print(f"no Python {sys.argv[1]} here to compile with: cold starts will be slower", file=sys.stderr)
