"""The time of what a command records is AWS's, however wrong the clock of the machine is that it runs on."""

from __future__ import annotations

import ast
import json
import re
import time
from typing import Any

import boto3
import pytest

from consentry.actions import archive
from consentry.actions.reports import ReportKind
from consentry.links.keyring import OVERLAP_MS, Keyring, generations
from consentry.links.tokens import Purpose, Tokens
from consentry_cli import deployment as deployments
from support.deployments import ROOT, Deployment

ANN = "ann@example.com"
YEAR_MS = 365 * 86_400_000
SOON_MS = 60_000
"""Longer than any test here takes."""


@pytest.fixture(params=[YEAR_MS, -YEAR_MS], ids=["a year ahead", "a year behind"])
def turned(request: pytest.FixtureRequest, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> int:
    """The machine's clock is a year off; moto's AWS has the right time, which is answered: epoch ms."""
    now, clock, clock_ns = time.time_ns() // 1_000_000, time.time, time.time_ns
    monkeypatch.setattr("time.time", lambda: clock() + request.param / 1_000)
    monkeypatch.setattr("time.time_ns", lambda: clock_ns() + request.param * 1_000_000)
    return now


def test_whoever_was_imported_as_gone_can_opt_back_in(deployment: Deployment, turned: int) -> None:
    rows = deployment.write("left.csv", f"email,status\n{ANN},unsubscribed\n")
    assert deployment.run("import", "--brand", "demo", rows).exit_code == 0
    [left_at] = deployment.consent(ANN).registers.values()
    assert turned - 1_000 < left_at < turned + SOON_MS


def test_an_imported_subscriber_is_not_of_next_year(deployment: Deployment, turned: int) -> None:
    rows = deployment.write("in.csv", f"email,status,topics,occurred_at\n{ANN},subscribed,news,2099-01-01T00:00:00Z\n")
    assert deployment.run("import", "--brand", "demo", rows).exit_code == 0
    assert turned - 1_000 < deployment.consent(ANN).registers["claim.news"] < turned + SOON_MS


def test_whoever_was_erased_was_so_now(deployment: Deployment, turned: int) -> None:
    deployment.report(ANN, ReportKind.CLAIMED, turned - 5_000, ("news",))
    assert deployment.run("erase", "--brand", "demo", "--subscriber-id", deployment.id_of(ANN)).exit_code == 0
    registers = deployment.consent(ANN).registers
    assert turned - 1_000 < registers["out.*"] < turned + SOON_MS


def test_a_new_key_signs_in_two_hours(deployment: Deployment, turned: int) -> None:
    assert deployment.run("keys", "rotate", "--brand", "demo").exit_code == 0
    since = generations(document(), "demo")[-1].signs_from
    assert turned - 1_000 < since - OVERLAP_MS < turned + SOON_MS
    assert "waits" in deployment.run("keys", "list", "--brand", "demo").stdout
    assert deployment.run("keys", "retire", "--brand", "demo", "1", "--yes").exit_code == 2, (
        "it signs for two hours yet"
    )


def test_links_are_minted_with_the_key_that_signs_now(deployment: Deployment, turned: int) -> None:
    assert deployment.run("keys", "rotate", "--brand", "demo").exit_code == 0
    people = deployment.write("people.csv", f"email\n{ANN}\n")
    base = "https://links.example.com"
    done = deployment.run("links", "mint", "--brand", "demo", "--topic", "news", "--base-url", base, people)
    token = done.stdout.partition("/u/")[2].partition(",")[0]
    before = Tokens(Keyring(lambda: json.dumps({**document(), "brands": {}})))  # that knows the first key alone
    assert before.read(Purpose.UNSUBSCRIBE, token, turned).subscriber_id == deployment.id_of(ANN)


def test_a_month_that_runs_is_not_archived_as_one_that_is_over(deployment: Deployment, turned: int) -> None:
    queues: Any = boto3.client("sqs")
    url = queues.create_queue(QueueName="archive")["QueueUrl"]
    done = deployment.run("ledger", "archive", "--queue", url)
    assert done.exit_code == 0
    found = re.fullmatch(r"ledger/([0-9-]+)/(\d{6})\S+/\n", done.stdout)
    assert found
    months = {archive.month_of(at) for at in (turned, turned + SOON_MS)}
    assert f"{found[2][:4]}-{found[2][4:]}" in months
    assert archive.following(found[1]) in months


@pytest.mark.parametrize(
    ("machine", "believed"),
    [
        (1_800_000_000_000 - YEAR_MS, 1_800_000_000_000),
        (1_800_000_000_000, 1_800_000_000_000),
        (1_800_000_000_321, 1_800_000_000_321),
        (1_800_000_001_000, 1_800_000_000_999),
        (1_800_000_000_000 + YEAR_MS, 1_800_000_000_999),
    ],
)
def test_within_aws_second_the_machine_is_believed(
    monkeypatch: pytest.MonkeyPatch, machine: int, believed: int
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: machine * 1_000_000)
    headers = {"date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    assert deployments.instant_of({"ResponseMetadata": {"HTTPHeaders": headers}}) == believed


READ_BY: dict[str, set[str]] = {
    "deployment.py": {"time", "time_ns"},  # the one place
    "key_files.py": {"time"},  # minting away from AWS
    "bulk.py": {"now"},  # the name of a run, which says nothing
    "doctor/command.py": {"now"},  # it records nothing
}


COMMANDS = ROOT / "tools/consentry_cli"


@pytest.mark.parametrize("module", sorted(str(path.relative_to(COMMANDS)) for path in COMMANDS.rglob("*.py")))
def test_no_other_command_reads_the_machines_clock(module: str) -> None:
    calls = [node.func for node in ast.walk(ast.parse((COMMANDS / module).read_text())) if isinstance(node, ast.Call)]
    read = {
        each.attr
        for each in calls
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and (each.value.id, each.attr) in {("time", "time"), ("time", "time_ns"), ("datetime", "now")}
    }
    assert read == READ_BY.get(module, set())


def document() -> dict[str, Any]:
    """The keyring."""
    secrets: Any = boto3.client("secretsmanager")
    listed = secrets.list_secrets()["SecretList"]
    return dict(
        json.loads(secrets.get_secret_value(SecretId=listed[0]["ARN"], VersionStage="AWSCURRENT")["SecretString"])
    )
