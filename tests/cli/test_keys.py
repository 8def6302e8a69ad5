"""`consentry keys`: rotate, list, retire and restore, over a keyring and a table."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from consentry.links.keyring import Keyring
from consentry.links.tokens import MINTED, Link, Purpose, Tokens
from consentry.links.unsubscribe_addresses import local_part
from consentry_cli import key_files
from consentry_cli.main import main
from support import tables
from support.quick_moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3_600


class Terminal:
    """Runs the command, and turns its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client: Any = boto3.client("secretsmanager")
        self.arn = self.client.create_secret(Name="keyring", SecretString='{"root": "r", "brands": {"other": {}}}')[
            "ARN"
        ]
        self.dynamodb: Any = boto3.client("dynamodb")
        tables.create(self.dynamodb, "table")
        self.now = 1_800_000_000.0
        monkeypatch.setenv("TABLE_NAME", "table")
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr("consentry_cli.deployment.now", lambda _: int(self.now * 1_000))

    def run(self, *words: str, given: str = "") -> Any:
        return CliRunner().invoke(main, ["keys", *words, "--keyring", self.arn], input=given)

    def states(self) -> list[str]:
        return [line.split("\t")[1] for line in self.run("list", "--brand", "demo").output.splitlines()]

    def keyring(self) -> Keyring:
        return Keyring(
            lambda: str(self.client.get_secret_value(SecretId=self.arn, VersionStage="AWSCURRENT")["SecretString"]),
            clock=lambda: self.now,
        )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        yield Terminal(monkeypatch)


def test_a_key_waits_signs_is_followed_and_retires(terminal: Terminal) -> None:
    assert terminal.states() == ["signs"]
    done = terminal.run("rotate", "--brand", "demo")
    assert done.output == "demo\t2\tsigns from 2027-01-15T10:00:00Z\n"
    assert terminal.states() == ["signs", "waits"]
    again = terminal.run("rotate", "--brand", "demo")
    assert (again.exit_code, terminal.states()) == (1, ["signs", "waits"])
    terminal.now += 2 * HOUR
    assert terminal.states() == ["verifies", "signs"]
    early = terminal.run("retire", "1", "--brand", "demo", "--yes")
    assert (early.exit_code, terminal.states()) == (2, ["verifies", "signs"])
    terminal.now += 2 * HOUR
    assert terminal.run("retire", "1", "--brand", "demo", given="n\n").exit_code == 1
    assert terminal.run("retire", "1", "--brand", "demo", "--dry-run").exit_code == 0
    assert terminal.states() == ["verifies", "signs"]
    assert terminal.run("retire", "1", "--brand", "demo", given="y\n").exit_code == 0
    assert terminal.states() == ["retired", "signs"]
    assert terminal.run("retire", "1", "--brand", "demo", "--yes", "--leaked").exit_code == 0
    assert terminal.states() == ["leaked", "signs"]
    assert terminal.run("restore", "1", "--brand", "demo").exit_code == 0
    assert terminal.states() == ["verifies", "signs"]


def test_all_brands_get_a_key_and_a_dry_run_gives_none(terminal: Terminal) -> None:
    before = terminal.client.get_secret_value(SecretId=terminal.arn, VersionStage="AWSCURRENT")
    assert terminal.run("rotate", "--all", "--dry-run").output.startswith("other\t2\t")
    assert (
        terminal.client.get_secret_value(SecretId=terminal.arn, VersionStage="AWSCURRENT")["VersionId"]
        == before["VersionId"]
    )
    assert terminal.run("rotate", "--all").exit_code == 0
    assert len(terminal.keyring().generations("other")) == 2
    for words in ([], ["--all", "--brand", "demo"]):
        assert terminal.run("rotate", *words).exit_code == 2


def test_retiring_tells_which_confirmations_under_way_would_break(terminal: Terminal) -> None:
    """Only those that were asked for within a week, while the key could sign, and aren't answered."""
    terminal.run("rotate", "--brand", "demo", "--urgent")
    changed = terminal.now * 1_000
    terminal.now += 3 * HOUR
    asked = {
        "within": {"ask.news": changed - HOUR * 1_000},
        "answered": {"ask.news": changed - HOUR * 1_000, "in.news": changed},
        "long-ago": {"ask.news": changed - 8 * 24 * HOUR * 1_000},
        "of-the-new-key": {"ask.news": changed + 2.5 * HOUR * 1_000},
    }
    for person, registers in asked.items():
        terminal.dynamodb.put_item(TableName="table", Item=state("demo", person, registers))
    terminal.dynamodb.put_item(TableName="table", Item=state("other", "x", asked["within"]))
    said = terminal.run("retire", "1", "--brand", "demo", "--dry-run").output
    assert "confirmation emails under way that were signed with 1, at most: 1\n" in said
    assert "subscribers whose emails may hold its preferences links, at most: 4\n" in said
    assert "can't be counted" in said


def state(brand: str, person: str, registers: dict[str, float]) -> dict[str, Any]:
    numbers = {name: {"N": str(int(at))} for name, at in registers.items()}
    return {"pk": {"S": f"S#{brand}#{person}"}, "sk": {"S": "STATE"}, **numbers}


def test_a_key_file_changes_over_when_the_containers_do(terminal: Terminal, tmp_path: Path) -> None:
    """A platform that mints away from AWS needn't fetch another at the right instant."""
    terminal.run("rotate", "--brand", "demo")
    assert terminal.run("export", "--brand", "demo", "-o", "demo.keys").exit_code == 0
    loaded = key_files.load(tmp_path / "demo.keys", "demo")
    signed, addresses = set(), set()
    for _ in range(2):
        for purpose in MINTED:
            link = Link(purpose, "demo", "K9Xdq1X4AVefMXC3P9olGg", ("news",), "spring")
            assert loaded.sign(link) == Tokens(terminal.keyring()).sign(link)
            signed.add(loaded.sign(link))
        leave = Link(Purpose.UNSUBSCRIBE, "demo", "K9Xdq1X4AVefMXC3P9olGg", ("news",))
        assert local_part(loaded, leave) == local_part(Tokens(terminal.keyring()), leave)
        addresses.add(local_part(loaded, leave))
        terminal.now += 2 * HOUR
    assert (len(signed), len(addresses)) == (6, 2)
    terminal.run("retire", "1", "--brand", "demo", "--yes")
    terminal.run("export", "--brand", "demo", "-o", "demo.keys")
    assert len(json.loads((tmp_path / "demo.keys").read_text())["minting"]) == 1


def test_no_command_prints_a_secret(terminal: Terminal) -> None:
    printed = terminal.run("rotate", "--brand", "demo").output + terminal.run("list", "--brand", "demo").output
    held = json.loads(
        terminal.client.get_secret_value(SecretId=terminal.arn, VersionStage="AWSCURRENT")["SecretString"]
    )
    assert held["brands"]["demo"]["signing"][0]["secret"] not in printed


def test_the_region_is_the_arns_where_none_is_set_and_without_either_one_line_says_what_to_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert terminal.run("list", "--brand", "other").exit_code == 0
    refused = CliRunner().invoke(main, ["keys", "list", "--brand", "other", "--keyring", "keyring"])
    assert refused.exit_code == 2
    assert refused.output == (
        "Error: no AWS region is set: export AWS_REGION=…, or give --keyring as an ARN, which names it\n"
    )
