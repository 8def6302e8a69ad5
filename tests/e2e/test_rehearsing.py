"""`make rehearse` without a name, as the page of the first deployment shows it: against the stack of a `make run`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Final

import boto3
import pytest
from click.testing import CliRunner

from dev.emulator import aws
from dev.emulator.deploy import STACK
from dev.rehearsing.__main__ import main
from support.stack import Stack

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/first-deployment.md").read_text("utf-8")
SHOWN: Final = re.findall(r"^```text\n(consentry in .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VARIES: Final = re.compile(r"rehearsal-[0-9a-f]{8}|\d+(?:\.\d+)?|(?<=ms \()[A-Z]+ [^)]+| \(Here it took [^)]+\)| +")
"""What is different each time: label and figures, the slowest call, what a busy machine couldn't try, column widths."""


@pytest.fixture
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command leaves nothing of the caller's AWS settings; here it is called within a process that needs them."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def lines(text: str) -> list[str]:
    """What is printed, without what varies; and without the last step, since alarms ring for what other tests did."""
    found = [VARIES.sub(" ", line).strip() for line in text.strip().splitlines()]
    at = next(number for number, line in enumerate(found) if " alarms " in line)
    return found[:at]


@pytest.mark.usefixtures("_own_environment")
def test_the_stack_passes_and_the_page_shows_what_is_printed(stack: Stack, tmp_path: Path) -> None:
    record, file = tmp_path / "stack.json", tmp_path / "rehearsal.json"
    record.write_text(json.dumps(stack.told), "utf-8")
    done = CliRunner().invoke(main, ["--record", str(record), "--json", str(file)])
    stack.noted.note_answer(done.output)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    (shown,) = SHOWN
    assert lines(done.output) == lines(shown)
    told = json.loads(file.read_text("utf-8"))
    assert told["emulated"] is True
    assert {each["step"] for each in told["steps"] if each["verdict"] != "ok"} <= {"alarms"}
    assert done.exit_code == any(each["verdict"] != "ok" for each in told["steps"])
    assert {each["status"] for each in told["calls"]} == {200, 400, 401, 404, 410}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([STACK, "--brand", "demo"], "an API key of demo with the scopes read, write, erase is needed"),
        ([STACK], "say which brand, with --brand: demo, other"),
        ([STACK, "--brand", "nobody"], "has no brand nobody"),
        (["another", "--brand", "demo"], "there is no stack another"),
    ],
    ids=["a wrong key", "no brand", "another brand", "another stack"],
)
def test_what_it_needs_of_a_deployed_stack_is_said_before_anything_is_done(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    environment = aws.environment(stack.told["aws_endpoint_url"])
    done = CliRunner().invoke(main, arguments, env=environment, input="ck_of_nobody\n")
    assert done.exit_code == 2
    assert says in done.output
    assert "ck_of_nobody" not in done.output


def test_the_command_of_the_page_shows_what_happened_to_a_person(stack: Stack) -> None:
    (block,) = re.findall(r"^( *)```sh\n( *ledger\(\) .*?)^\1```$", PAGE, re.MULTILINE | re.DOTALL)
    somebody = "seed@example.com"
    stack.call("POST", "/s/demo", form={"email": somebody, "topics": "news"})
    done = subprocess.run(  # noqa: S603 - our own page
        ["bash", "-c", textwrap.dedent(block[1]).replace("YOU@gmail.com", somebody)],  # noqa: S607 - the reader's shell
        env={**os.environ, "URL": stack.base, "CONSENTRY_API_KEY": stack.told["api_keys"]["demo"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\S+Z asked page False\n", done.stdout)
