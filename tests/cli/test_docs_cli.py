"""The pages on the command line say what is so: their examples are run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployments import COMMAND, ROOT, SAMPLES, Deployment

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Language, file and text of every fenced block."""
    return [(found[1], found[2] or "", found[3]) for found in BLOCK.finditer((ROOT / "docs" / page).read_text())]


def shell(deployment: Deployment, script: str) -> str:
    """What a script prints. Its `consentry` is the one that is tested."""
    command = deployment.folder / "bin/consentry"
    if not command.exists():
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!{sys.executable}\n{COMMAND}\n")
        command.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - our own pages
        ["/bin/sh", "-euc", script],
        cwd=deployment.folder,
        env=deployment.process_environment() | {"PATH": f"{command.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_page_shows_what_happens(served: Deployment) -> None:
    printed = ""
    for language, name, text in blocks("cli.md"):
        if language in {"csv", "eml"}:
            served.write(name, text)
        elif language == "sh":
            printed = shell(served, text)
        elif language == "output":
            assert printed == text


FAKE_AWS = """#!/bin/sh
case "$*" in
  *--next-token*) echo '{"SuppressedDestinationSummaries": [{"EmailAddress": "bob@example.com", "Reason": "COMPLAINT"}]}' ;;
  *) printf '{\\n "SuppressedDestinationSummaries": [{"EmailAddress": "ann@example.com", "Reason": "BOUNCE"}],\\n "NextToken": "abc="\\n}' ;;
esac
"""  # noqa: E501 - as AWS answers
"""Two pages of a suppression list."""
MOVING = blocks("moving-here.md")


@pytest.mark.parametrize("at", [at for at, (language, *_) in enumerate(MOVING) if language == "sh"])
def test_the_page_on_moving_here_shows_what_works(served: Deployment, at: int) -> None:
    for sample in SAMPLES.iterdir():
        served.write(sample.name, sample.read_bytes())
    for name in ("unsubscribed-from-news.csv", "confirmed-on-news.csv"):
        served.write(name, (SAMPLES / "listmonk_subscribers.csv").read_bytes())
    served.write("group-offers.csv", Path(SAMPLES / "suppression_unsubscribes.csv").read_bytes())
    for language, name, text in MOVING:
        if language == "csv":
            served.write(name, text)
    (served.folder / "bin").mkdir()
    served.write("bin/aws", FAKE_AWS).chmod(0o755)
    printed = shell(served, MOVING[at][2])
    if MOVING[at + 1][0] == "output":
        assert printed == MOVING[at + 1][2]
    else:
        assert "malformed lines: 0" in printed


def test_moving_from_ses_takes_every_page(served: Deployment) -> None:
    (script,) = [text for language, _, text in MOVING if language == "sh" and "list-suppressed-destinations" in text]
    (served.folder / "bin").mkdir()
    served.write("bin/aws", FAKE_AWS).chmod(0o755)
    shell(served, script)
    assert dict(served.consent("ann@example.com").registers).keys() == {"bounce"}
    assert dict(served.consent("bob@example.com").registers).keys() == {"complaint"}


def test_every_command_is_on_the_page(deployment: Deployment) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for command in (
        "bulk",
        "links mint",
        "keys export",
        "keys rotate",
        "keys list",
        "keys retire",
        "decide",
        "import",
        "export",
        "report",
        "erase",
        "proof",
        "ledger verify",
        "ledger archive",
    ):
        assert f"\n## {command}\n" in page
        assert deployment.run(*command.split(), "--help").exit_code == 0
