"""Sets up what the project needs on this machine: ``python3 -m dev.setup``, and ``--help`` for what else.

Runs before anything is installed, so it needs the standard library alone. What is set up already, it skips.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev import browsers
from dev.places import (
    AUDIT_VENV,
    AXE,
    BENCH_VENV,
    BROWSERS,
    CANIEMAIL,
    DIAGRAMS,
    DOCS_VENV,
    DYNAMODB_LOCAL,
    LOCAL,
    MINISTACK_VENV,
    ROOT,
    SAM_VENV,
    SETUP_LOCK,
    VENV_PYTHON,
)
from dev.terminal import Interrupted, StackError, complain, only_one, raise_on_signals, say

if TYPE_CHECKING:
    from collections.abc import Callable

CANIEMAIL_LOCK = Path(__file__).with_name("caniemail")
"""What is installed of npm's caniemail: its `package.json` and lock."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian and others keep whom the system trusts; Node looks at its own list alone."""
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-compile")
"""Compiling everything takes half of the time, and most of it is never imported."""

LOGS = LOCAL / "logs"
STAMP = "set-up-from"
"""A file in each environment: the digest of what it was made from."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment and what goes into it."""

    name: str
    folder: Path
    packages: tuple[str, ...]
    depends_on: tuple[Path, ...] = ()
    """Files whose change makes it stale."""

    def digest(self) -> str:
        """A digest of everything that decides what is inside."""
        total = hashlib.sha256(repr((self.packages, sys.version, str(self.folder))).encode())
        for file in self.depends_on:
            total.update(file.read_bytes())
        return total.hexdigest()

    def is_fresh(self) -> bool:
        """Whether it has been set up from just this."""
        stamp = self.folder / STAMP
        return stamp.exists() and stamp.read_text() == self.digest() and (self.folder / "bin" / "python").exists()


ENVIRONMENTS = (
    Environment(name="SAM", folder=SAM_VENV, packages=("aws-sam-cli==1.170.0",)),
    Environment(
        name="the project",
        folder=ROOT / ".venv",
        packages=("--editable", f"{ROOT}[dev]"),
        # An editable installation knows the packages that there were, and finds no new one.
        depends_on=(ROOT / "pyproject.toml", *sorted((ROOT / "tools").glob("*/__init__.py"))),
    ),
    # Apart from each other: SAM and the emulator each pin what they share.
    Environment(
        name="the AWS emulator",
        folder=MINISTACK_VENV,
        packages=("ministack==1.5.33", "aws-sam-translator==1.115.0"),
    ),
)

CHECKS = Environment(
    name="the security checks",
    folder=AUDIT_VENV,
    # parliament reads its own data by `pkg_resources`, which later versions of setuptools lack.
    packages=("checkov==3.3.30", "parliament==1.6.4", "pip-audit==2.10.1", "setuptools==80.9.0"),
)

BENCHMARKS = Environment(
    name="what the benchmarks compare with",
    folder=BENCH_VENV,
    packages=(
        "awslambdaric==4.2.2",
        "aws-lambda-powertools[tracer]==3.37.0",
        "aws-xray-sdk==2.14.0",
        "boto3==1.44.5",
        "django==5.2.19",
        "django-newsletter==1.2.1",
        "gunicorn==27.0.1",
        "itsdangerous==2.2.0",
        "pydantic==2.14.3",
        "sorl-thumbnail==12.11.0",
    ),
)

DOCS = Environment(name="the documentation's generator", folder=DOCS_VENV, packages=("zensical==0.0.73",))

TEST_TOOLS: dict[str, tuple[str, Callable[[], str | None]]] = {
    "java": ("default-jre-headless", lambda: shutil.which("java")),
    "npm": ("npm", lambda: shutil.which("npm")),
    "chromium": ("chromium", browsers.find),
}
"""Commands that some tests need, the Debian package of each, and how to find it."""


@dataclass(frozen=True, kw_only=True)
class NpmPackage:
    """Something that only npm has."""

    name: str
    version: str
    sha512: str
    """Of the packed package, base64, as npm's lock files have it."""
    inner: str
    """What of it is kept."""
    folder: Path
    """Where that goes."""
    without: str = "some tests will be skipped"
    """What is so without it."""

    def is_fresh(self) -> bool:
        """Whether it is there, in this version."""
        stamp = self.folder / STAMP
        return stamp.exists() and stamp.read_text() == self.version


NPM_PACKAGES = (
    # Carries Amazon's DynamoDB Local: no account, no further download.
    NpmPackage(
        name="DynamoDB Local",
        version="amplify-dynamodb-simulator@2.9.30",
        sha512="xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==",
        inner="emulator",
        folder=DYNAMODB_LOCAL,
    ),
    NpmPackage(
        name="axe",
        version="axe-core@4.14.1",
        sha512="FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        inner="",
        folder=AXE,
    ),
)
_DRAWS_DIAGRAMS = NpmPackage(
    name="what draws diagrams",
    version="@mermaid-js/tiny@11.17.2",
    sha512="PmFr1c5cSfNf5AngLLR98DrbvR4U5KeD7I+hQkGqG5w5Veu3QT4dG0qu9f99cpn/sKj2XxRBK0q7EL6hr9NY/A==",
    inner="dist",
    folder=DIAGRAMS.parent,
    without="diagrams will be shown as text",
)


class Steps:
    """Commands of the set-up, ended together when one fails or we are told to stop."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._over = False

    def run(self, argv: list[str | Path], *, log: Path, doing: str, cwd: Path = ROOT) -> None:
        """Run a command to its end, output to ``log``.

        Raises:
            StackError: when it fails.
        """
        with log.open("ab") as output, self._lock:
            if self._over:
                raise StackError("stopped")
            started = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                [str(part) for part in argv],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(started)
        try:
            if started.wait() != 0:
                raise StackError(f"{doing} failed", log)
        finally:
            with self._lock:
                self._running.discard(started)

    def end(self) -> None:
        """End what runs, and start nothing more."""
        with self._lock:
            self._over = True
            for started in self._running:
                started.terminate()


def set_up(environment: Environment, steps: Steps) -> None:
    """Make or renew one virtual environment."""
    began = time.monotonic()
    say(f"setting up {environment.name} (once)")
    log = LOGS / f"set-up-{environment.folder.name.lstrip('.')}.log"
    log.unlink(missing_ok=True)
    python = environment.folder / "bin" / "python"
    (environment.folder / STAMP).unlink(missing_ok=True)
    if not _works(python):
        shutil.rmtree(environment.folder, ignore_errors=True)
        steps.run(
            [sys.executable, "-m", "venv", environment.folder],
            log=log,
            doing="making a virtual environment (on Debian, the package python3-venv is needed)",
        )
    steps.run(
        [python, "-m", "pip", "install", *PIP_OPTIONS, *environment.packages],
        log=log,
        doing=f"installing {environment.name}",
    )
    (environment.folder / STAMP).write_text(environment.digest())
    say(f"set up {environment.name} in {time.monotonic() - began:.0f} s")


def _works(python: Path) -> bool:
    """Whether a virtual environment's interpreter runs, has pip, and is of our version."""
    if not python.exists():
        return False
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0  # noqa: S603


def set_up_test_tools(steps: Steps) -> None:
    """Get Java, Chromium, DynamoDB Local, axe and caniemail where we can; say what is missing where we can't."""
    missing = _missing_tools()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {', '.join(missing)} with apt-get (once)")
        log = LOGS / "set-up-apt.log"
        packages = [TEST_TOOLS[command][0] for command in missing]
        try:
            steps.run(["apt-get", "update"], log=log, doing="apt-get update")
            steps.run(
                ["apt-get", "install", "--yes", "--no-install-recommends", *packages],
                log=log,
                doing="apt-get install",
            )
        except StackError as exc:
            complain(f"some tests will be skipped: {exc}")
        missing = _missing_tools()
    if "chromium" in missing:
        _download_chromium(steps)
        missing = _missing_tools()
    for command in missing:
        complain(f"some tests will be skipped: they need {command} (Debian: apt-get install {TEST_TOOLS[command][0]})")
    if "npm" in missing:
        return
    for package in NPM_PACKAGES:
        if not package.is_fresh():
            _fetch(package, steps)
    _set_up_caniemail(steps)


def _missing_tools() -> list[str]:
    """The test tools that this machine lacks."""
    return [command for command, (_, find) in TEST_TOOLS.items() if find() is None]


def _download_chromium(steps: Steps) -> None:
    """Have Playwright download its own, where no browser is installed and we can't install one."""
    say("downloading Chromium (once)")
    try:
        steps.run(
            ["env", f"PLAYWRIGHT_BROWSERS_PATH={BROWSERS}", VENV_PYTHON, "-m", "playwright", "install", "chromium"],
            log=LOGS / "set-up-chromium.log",
            doing="playwright install chromium",
        )
    except StackError as exc:
        complain(f"install Chromium or Chrome yourself, so that it is on PATH: {exc}")


def _fetch(package: NpmPackage, steps: Steps) -> None:
    """Download and unpack what an npm package carries; nothing of it runs."""
    say(f"fetching {package.name} (once)")
    with tempfile.TemporaryDirectory(dir=LOCAL) as scratch:
        try:
            steps.run(
                _npm("pack", package.version),
                log=LOGS / f"set-up-{package.folder.name}.log",
                doing="npm pack",
                cwd=Path(scratch),
            )
        except StackError as exc:
            complain(f"{package.without}: {exc}")
            return
        packed = next(Path(scratch).glob("*.tgz"))
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if digest != package.sha512:
            complain(f"{package.without}: {package.version} is not what it was: its SHA-512 is {digest}")
            return
        with tarfile.open(packed) as archive:
            archive.extractall(scratch, filter="data")
        shutil.rmtree(package.folder, ignore_errors=True)
        (Path(scratch) / "package" / package.inner).rename(package.folder)
    (package.folder / STAMP).write_text(package.version)


def set_up_diagrams(steps: Steps) -> None:
    """Get what draws the diagrams of the documentation; without it their text is shown."""
    if _DRAWS_DIAGRAMS.is_fresh():
        return
    if shutil.which("npm") is None:
        complain("diagrams will be shown as text: drawing them needs npm (Debian: apt-get install npm)")
        return
    _fetch(_DRAWS_DIAGRAMS, steps)


def _set_up_caniemail(steps: Steps) -> None:
    folder = CANIEMAIL.parents[1]
    stamp = folder / STAMP
    lock = (CANIEMAIL_LOCK / "package-lock.json").read_text()
    if stamp.exists() and stamp.read_text() == lock:
        return
    say("fetching caniemail (once)")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(CANIEMAIL_LOCK, folder)
    try:
        steps.run(
            [*_npm("ci"), "--ignore-scripts", "--no-audit", "--no-fund"],
            log=LOGS / "set-up-caniemail.log",
            doing="npm ci",
            cwd=folder,
        )
    except StackError as exc:
        complain(f"some tests will be skipped: {exc}")
        return
    stamp.write_text(lock)


def _npm(*command: str) -> list[str | Path]:
    """An npm command that trusts whom the system trusts, as pip does, and doesn't wait minutes for who won't answer."""
    trusts = f"NODE_EXTRA_CA_CERTS={os.environ.get('NODE_EXTRA_CA_CERTS', CERTIFICATES)}"
    return ["env", trusts, "npm", *command, "--prefer-offline", "--fetch-retry-maxtimeout=10000"]


def main() -> int:
    """Set up; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m dev.setup", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="what the tests need, too")
    parser.add_argument("--checks", action="store_true", help="what checks the template and the packages, too")
    parser.add_argument("--benchmarks", action="store_true", help="what benchmarks compare with, too")
    parser.add_argument("--docs", action="store_true", help="what makes the documentation site, too")
    chosen = parser.parse_args()
    steps = Steps()
    raise_on_signals()
    try:
        LOGS.mkdir(parents=True, exist_ok=True)
        with only_one(SETUP_LOCK, "setting up"):
            extra = {CHECKS: chosen.checks, DOCS: chosen.docs, BENCHMARKS: chosen.benchmarks}
            wanted = [*ENVIRONMENTS, *(each for each, asked_for in extra.items() if asked_for)]
            stale = [environment for environment in wanted if not environment.is_fresh()]
            _in_parallel(stale, steps)
            if chosen.tests or chosen.benchmarks:
                set_up_test_tools(steps)
            if chosen.docs:
                set_up_diagrams(steps)
    except StackError as exc:
        complain(f"error: {exc}")
        return 1
    except Interrupted:
        steps.end()
        return 130
    return 0


def _in_parallel(environments: list[Environment], steps: Steps) -> None:
    """Set environments up, two at a time: pip waits for the network as much as for the processor."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            for done in [pool.submit(set_up, environment, steps) for environment in environments]:
                done.result()
        except BaseException:
            steps.end()
            raise


if __name__ == "__main__":
    sys.exit(main())
