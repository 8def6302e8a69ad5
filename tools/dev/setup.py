"""Sets up what the project needs on this machine; what is set up already, it skips.

Runs before anything is installed, so it needs the standard library alone. Pip gets packages from where its settings on
this machine say: the project with its `dev` extra, and an environment for each dependency group of pyproject.toml
that is asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev import browsers, process
from dev.places import BROWSERS, LOCAL, NPM, ROOT, SETUP_LOCK, TOOLS, VENV_PYTHON
from dev.terminal import Interrupted, StackError, complain, only_one, raise_on_signals, say

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = {
    "sam": "SAM",
    "ministack": "the AWS emulator",
    "audit": "the security checks",
    "docs": "the documentation's generator",
    "bench": "what the benchmarks compare with",
}
"""Dependency groups, apart from each other because each pins what they share."""
TEST_TOOLS: dict[str, tuple[str, Callable[[], str | None]]] = {
    "java": ("default-jre-headless", lambda: shutil.which("java")),
    "npm": ("npm", lambda: shutil.which("npm")),
    "chromium": ("chromium", browsers.find),
}
"""Commands that some tests need, the Debian package of each, and how to find it."""
PACKAGES = Path(__file__).with_name("npm")
"""`package.json` and its lock, which names no dependencies of the DynamoDB simulator: its jar is all that is wanted."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian and others keep whom the system trusts; Node looks at its own list alone."""
_PIP = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet")
LOGS = LOCAL / "logs"
STAMP = "set-up-from"
"""A file in each folder that is set up: the digest of what it was made from."""


def once(name: str, folder: Path, contents: object, make: Callable[[Callable[..., None]], None]) -> None:
    """Have `make` set a folder up, unless it was set up from just these contents by just this Python.

    `make` is handed what runs a command and takes what the command is `doing`.
    """
    stamp, digest = folder / STAMP, hashlib.sha256(repr((contents, sys.version, str(folder))).encode()).hexdigest()
    python = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest and (python.exists() or not python.is_symlink()):
        return
    began, log = time.monotonic(), LOGS / f"set-up-{folder.name.lstrip('.')}.log"
    say(f"setting up {name} (once)")
    stamp.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    make(partial(process.run, env=os.environ, log=log, cwd=ROOT))
    stamp.write_text(digest)
    say(f"set up {name} in {time.monotonic() - began:.0f} s")


def set_up_project(settings: dict[str, Any]) -> None:
    """The project's own environment, with the pip that sets up the others."""
    folder = VENV_PYTHON.parents[1]
    # An editable installation knows the packages that there were, and finds no new one.
    packages = sorted(str(file) for file in (ROOT / "tools").glob("consentry_*/__init__.py"))

    def make(run: Callable[..., None]) -> None:
        missing = "making a virtual environment (on Debian, the package python3-venv is needed)"
        run([sys.executable, "-m", "venv", "--clear", folder], doing=missing)
        run([*_PIP, "install", "--no-compile", "--editable", f"{ROOT}[dev]"], doing="installing the project")

    once("the project", folder, (settings["project"], settings["tool"]["setuptools"], packages), make)


def set_up_group(group: str, requirements: list[str]) -> None:
    """The environment of a dependency group."""
    folder = TOOLS / group

    def make(run: Callable[..., None]) -> None:
        making = f"making an environment for {GROUPS[group]}"
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], doing=making)
        into = [*_PIP, "--python", folder / "bin" / "python", "install", "--no-compile"]
        run([*into, *requirements], doing=f"installing {GROUPS[group]}")

    once(GROUPS[group], folder, requirements, make)


def set_up_npm(without: str) -> None:
    """Get what only npm has; where that can't be, say what is so `without` it."""
    if shutil.which("npm") is None:
        complain(f"{without}: that needs npm (Debian: apt-get install npm)")
        return

    def make(run: Callable[..., None]) -> None:
        shutil.rmtree(NPM, ignore_errors=True)
        shutil.copytree(PACKAGES, NPM)
        trusted = {"NODE_EXTRA_CA_CERTS": CERTIFICATES, **os.environ}
        patience = ("--prefer-offline", "--fetch-retry-maxtimeout=10000")  # not minutes for who won't answer
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *patience]
        run(command, doing="npm ci", cwd=NPM, env=trusted)

    try:
        once("what only npm has", NPM, (PACKAGES / "package-lock.json").read_text(), make)
    except StackError as exc:
        complain(f"{without}: {exc}")


def set_up_test_tools() -> None:
    """Get Java, npm and Chromium where we can; say what is missing where we can't."""
    missing, log = _missing_tools(), LOGS / "set-up-tools.log"
    run = partial(process.run, log=log, cwd=ROOT)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {', '.join(missing)} with apt-get (once)")
        try:
            run(["apt-get", "update"], env=os.environ, doing="apt-get update")
            packages = [TEST_TOOLS[command][0] for command in missing]
            install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
            run(install, env=os.environ, doing="apt-get install")
        except StackError as exc:
            complain(f"some tests will be skipped: {exc}")
    if "chromium" in _missing_tools():
        say("downloading Chromium (once)")
        try:
            where = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}
            run(
                [VENV_PYTHON, "-m", "playwright", "install", "chromium"], env=where, doing="playwright install chromium"
            )
        except StackError as exc:
            complain(f"install Chromium or Chrome yourself, so that it is on PATH: {exc}")
    for command in _missing_tools():
        complain(f"some tests will be skipped: they need {command} (Debian: apt-get install {TEST_TOOLS[command][0]})")


def _missing_tools() -> list[str]:
    """The test tools that this machine lacks."""
    return [command for command, (_, find) in TEST_TOOLS.items() if find() is None]


def main() -> int:
    """Set up; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m dev.setup", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="what the tests need, too")
    parser.add_argument("--checks", action="store_true", help="what checks the template and the packages, too")
    parser.add_argument("--benchmarks", action="store_true", help="what benchmarks compare with, too")
    parser.add_argument("--docs", action="store_true", help="what makes the documentation site, too")
    chosen = parser.parse_args()
    wanted = {"audit": chosen.checks, "docs": chosen.docs, "bench": chosen.benchmarks}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    raise_on_signals()
    try:
        LOGS.mkdir(parents=True, exist_ok=True)
        with only_one(SETUP_LOCK, "setting up"):
            set_up_project(settings)
            for group, requirements in settings["dependency-groups"].items():
                if wanted.get(group, True):
                    set_up_group(group, requirements)
            if chosen.tests or chosen.benchmarks:
                set_up_test_tools()
                set_up_npm("some tests will be skipped")
            elif chosen.docs:
                set_up_npm("diagrams will be shown as text")
    except StackError as exc:
        complain(f"error: {exc}")
        return 1
    except Interrupted:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
