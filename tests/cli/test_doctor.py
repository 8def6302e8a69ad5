"""`consentry doctor`: what an operator sees, and what a script gets."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from consentry_cli.main import main
from support.examined_stack import ROOT, ExaminedStack, Refused, queue

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., Result]


@pytest.fixture
def stack() -> ExaminedStack:
    return ExaminedStack()


@pytest.fixture
def ask(stack: ExaminedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs the command in a folder with brand files, where AWS answers as the clinic has it."""
    shutil.copytree(ROOT / "tests/brands", tmp_path / "brands")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("consentry_cli.doctor.command.boto3.Session", lambda region_name: stack.session)
    monkeypatch.setattr("consentry_cli.doctor.reach.resolve", stack._resolve)
    monkeypatch.setattr("consentry_cli.doctor.reach.visit", stack._visit)
    monkeypatch.setattr("consentry_cli.doctor.command._now", lambda: stack.now)
    return lambda *arguments: CliRunner().invoke(main, ["doctor", "--stack", "shop", *arguments])


def given_up(stack: ExaminedStack) -> None:
    """Three messages among the spool's dead letters."""
    well = stack.answers["GetQueueAttributes"]
    one = queue("SpoolDeadLetters")
    three = {"Attributes": {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "0"}}
    stack.answers["GetQueueAttributes"] = lambda asked: three if asked["QueueUrl"] == one else well(asked)


def test_a_stack_without_a_fault_lets_a_script_go_on(ask: Ask) -> None:
    done = ask()
    assert done.exit_code == 0, done.output
    assert done.output.startswith("shop in eu-west-1: 0 faults, 0 warnings, 0 not looked at, 26 ok\n\nok: stack: ")


def test_a_warning_alone_lets_a_script_go_on(ask: Ask, stack: ExaminedStack) -> None:
    stack.change("GetAccount", ProductionAccessEnabled=False)
    done = ask()
    assert done.exit_code == 0
    assert "1 warning," in done.output
    assert "\nwarning: ses-account\n  The account is in SES's sandbox" in done.output


def test_a_fault_stops_a_script_and_comes_first_as_the_page_shows(ask: Ask, stack: ExaminedStack) -> None:
    given_up(stack)
    done = ask()
    assert done.exit_code == 1
    page = (ROOT / "docs/doctor.md").read_text("utf-8")
    (shown,) = re.findall(r"^```output\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert done.output.startswith(shown)


def test_a_script_gets_names_that_dont_change(ask: Ask, stack: ExaminedStack) -> None:
    given_up(stack)
    done = ask("--json")
    assert done.exit_code == 1
    told: Any = json.loads(done.output)
    assert (told["stack"], told["region"]) == ("shop", "eu-west-1")
    assert {frozenset(each) for each in told["findings"]} == {frozenset({"check", "verdict", "says", "mend", "see"})}
    assert [each["check"] for each in told["findings"] if each["verdict"] == "fault"] == ["dead-letters"]


def test_a_call_that_is_refused_is_told_and_lets_a_script_go_on(ask: Ask, stack: ExaminedStack) -> None:
    stack.answers["GetSecretValue"] = Refused("AccessDeniedException")
    done = ask()
    assert done.exit_code == 0
    assert "2 not looked at" in done.output
    assert "could not look: keyring\n  GetSecretValue isn't allowed." in done.output


def test_a_mistyped_stack_is_one_line(ask: Ask, stack: ExaminedStack) -> None:
    stack.answers["DescribeStacks"] = Refused("ValidationError")
    done = ask()
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "there is no stack shop in eu-west-1" in done.output


def test_who_may_not_even_see_the_stack_is_told_so(ask: Ask, stack: ExaminedStack) -> None:
    stack.answers["DescribeStacks"] = Refused("AccessDenied", "not authorized to perform DescribeStacks")
    done = ask()
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "AccessDenied" in done.output


def test_a_faulty_brand_file_is_told_of(ask: Ask) -> None:
    Path("brands/demo.yaml").write_text("sender: 1\n")
    done = ask()
    assert done.exit_code == 2
    assert "demo.yaml" in done.output


def test_somebody_without_brand_files_or_a_clone_can_ask_as_well(ask: Ask) -> None:
    shutil.rmtree("brands")
    done = ask()
    assert done.exit_code == 0, done.output
    assert "ok: brand-secrets: There are no brand files here" in done.output


def test_a_missing_region_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    done = CliRunner().invoke(main, ["doctor", "--stack", "shop"])
    assert done.exit_code == 2
    assert "--region" in done.output
