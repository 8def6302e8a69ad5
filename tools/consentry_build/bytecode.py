"""`python -m consentry_build.bytecode VERSION FOLDER`: compile a layer's modules for the Python that will run them.

Lambda's /opt can't be written to: without byte code in the layer, every cold start compiles every module again. Byte
code is good for one version of Python only; where none of that version is at hand, the sources ship alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def compile_folder(version: str, folder: Path) -> bool:
    """Compile everything in a folder for a version such as `3.13`; False if no such Python is here."""
    for python in (sys.executable, f"python{version}"):
        if _version(python) == version:
            # Unchecked: the files' times change on their way into a layer.
            command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
            environment = {name: each for name, each in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            subprocess.run(command, check=True, env=environment)  # noqa: S603 - our own words
            return True
    return False


def _version(python: str) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)  # noqa: S603 - as above
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


if __name__ == "__main__" and not compile_folder(sys.argv[1], Path(sys.argv[2])):
    print(f"no Python {sys.argv[1]} here to compile with: cold starts will be slower", file=sys.stderr)
