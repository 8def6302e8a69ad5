"""A command starts with what it needs: what asks nothing of AWS doesn't wait for the libraries that could."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from consentry_cli import main
from support.deployments import ROOT

NOT_LOADED = ("boto3", "botocore.client", "botocore.session", "s3transfer", "urllib3", "consentry.table.gateway")
"""What reaches AWS; each costs its time to load."""
CODE = """
import sys
from consentry_cli.main import main
try:
    main(prog_name="consentry")
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
KEY = base64.b64encode(b"a key").decode()
FILES = {
    "mail.eml": "From: news@shop.example\n\nNews.\n",
    "people.csv": "email\nann@example.com\n",
    "demo.keys": json.dumps(
        {"brand": "demo", "pepper": KEY, "minting": [{"signs_from": 0, "keys": {"u": KEY, "p": KEY}}]}
    ),
    "ledger.ndjson": "",
}
MINT = "links mint --brand demo --topic news --base-url https://links.example.com --keys demo.keys people.csv"


def loaded(folder: Path, command: str, status: int) -> set[str]:
    """The modules that a command has loaded when it ends."""
    path = os.pathsep.join([str(ROOT / "layers/consentry"), str(ROOT / "tools")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", CODE, *command.split()],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("--help", 0),
        ("lint mail.eml", 1),
        (f"brands validate {ROOT}/tests/brands/demo.yaml", 0),
        (MINT, 0),
        ("report ledger.ndjson -o report.html", 0),
    ],
    ids=lambda value: str(value).partition(" -")[0],
)
def test_what_asks_nothing_of_aws_loads_nothing_that_could(tmp_path: Path, command: str, status: int) -> None:
    for name, text in FILES.items():
        tmp_path.joinpath(name).write_text(text)
    modules = loaded(tmp_path, command, status)
    assert "consentry_cli.main" in modules
    assert modules.isdisjoint(NOT_LOADED)
    if command == "--help":
        assert {each for each in modules if each.startswith("consentry_")} == {"consentry_cli", "consentry_cli.main"}


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(name: str) -> None:
    told = main.main.commands[name]
    itself = told.imported()  # type: ignore[attr-defined]  # it wasn't called
    assert itself.name == name
    assert itself.get_short_help_str(1_000) == told.get_short_help_str(1_000)
