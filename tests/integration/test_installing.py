"""What an operator gets by `pip install`: a wheel, in an environment with nothing else in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")
Run = Callable[..., subprocess.CompletedProcess[str]]
IMPORT_ALL: Final = """
import pkgutil, consentry_cli
for each in pkgutil.walk_packages(consentry_cli.__path__, "consentry_cli."):
    if each.name not in {"consentry_cli.proof.page", "consentry_cli.report.page", "consentry_cli.report.plots"}:
        __import__(each.name)
        print(each.name)
"""
"""All but what needs an extra."""
EVENT: Final = (
    '{"brand":"demo","kind":"asked","occurred_at":"2026-11-02T12:00:00Z","actor":"recipient","channel":"page",'
    '"suspected_automation":false,"registers":{"ask.news":1}}\n'
)


def ran(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What a command says, without anything of this clone on its paths."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return subprocess.run(  # noqa: S603 - our own words
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def done(*command: str | Path) -> None:
    """Run what has to succeed."""
    asked = ran(*command)
    assert asked.returncode == 0, asked.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy: what an earlier build left behind isn't in it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("layers/consentry", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    done(*PIP, "wheel", "--no-deps", "--wheel-dir", out, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel and what it depends on, and no extra."""
    folder = tmp_path_factory.mktemp("environment")
    done(sys.executable, "-m", "venv", "--without-pip", folder)
    done(*PIP, "--python", folder / "bin/python", "install", wheel)
    return folder


@pytest.fixture
def consentry(environment: Path, tmp_path: Path) -> Run:
    """The command, called from an empty folder."""
    return lambda *arguments: ran(environment / "bin/consentry", *arguments, cwd=tmp_path)


def test_nothing_comes_along_but_packages_that_begin_with_the_projects_name(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {each.partition("-")[0] for each in tops} == {"consentry", "consentry_build", "consentry_cli"}


def test_whatever_lies_in_the_packages_comes_along(wheel: Path) -> None:
    """Modules, catalogues, templates, style sheets, schemas."""
    folders = [ROOT / "layers/consentry/consentry", *(ROOT / "tools").glob("consentry_*")]
    files = [(folder, file) for folder in folders for file in folder.rglob("*") if file.is_file()]
    wanted = {str(file.relative_to(folder.parent)) for folder, file in files if "__pycache__" not in file.parts}
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_command_says_what_it_can_do(consentry: Run) -> None:
    told = consentry("--help")
    assert told.returncode == 0, told.stderr
    assert "Operate a Consentry deployment." in told.stdout


def test_every_command_finds_what_it_imports(environment: Path) -> None:
    told = ran(environment / "bin/python", "-I", "-c", IMPORT_ALL)
    assert told.returncode == 0, told.stderr
    assert {"consentry_cli.doctor.reach", "consentry_cli.lint.signatures"} <= set(told.stdout.split())


def test_a_mail_is_looked_at(consentry: Run, tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_text("From: a@shop.example\nSubject: News\n\nHello\n")
    told = consentry("lint", "mail.eml")
    assert told.returncode == 1, told.stderr
    assert "error: list-unsubscribe-missing" in told.stdout


def test_a_brand_file_is_checked_against_the_schema_and_the_languages_of_the_pages(
    consentry: Run, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "tests/brands/demo.yaml", tmp_path)
    told = consentry("brands", "validate", "demo.yaml")
    assert (told.returncode, told.stdout) == (0, "1 brand file, no fault\n"), told.stderr
    (tmp_path / "demo.yaml").write_text((ROOT / "tests/brands/demo.yaml").read_text() + "unheard_of: 1\n")
    assert "unheard_of: unknown field" in consentry("brands", "validate", "demo.yaml").stdout


def test_a_report_needs_its_extra_and_says_so(consentry: Run, environment: Path, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_text(EVENT)
    told = consentry("report", "events.ndjson")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "Error: a report needs what draws it: pip install 'consentry[report]'\n"
    done(*PIP, "--python", environment / "bin/python", "install", f"consentry[report] @ {wheel.as_uri()}")
    told = consentry("report", "events.ndjson")
    assert told.returncode == 0, told.stderr
    assert "<h1>Consent report: demo</h1>" in told.stdout
    assert ".tiles" in told.stdout, "the style sheet came along"
