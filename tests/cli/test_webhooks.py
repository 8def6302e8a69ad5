"""`consentry webhooks`: secrets go in, and never come out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from consentry.links.keyring import Keyring
from consentry_cli.main import main
from support.quick_moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal:
    """Runs the command against a keyring."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("secretsmanager")
        document = json.dumps({"root": "r", "brands": {}})
        self.arn = self.client.create_secret(Name="keyring", SecretString=document)["ARN"]

    def run(self, *words: str, given: str = "") -> Any:
        return CliRunner().invoke(main, ["webhooks", *words, "--keyring", self.arn], input=given)

    def secrets(self, provider: str) -> dict[str, str]:
        keyring = Keyring(
            lambda: str(self.client.get_secret_value(SecretId=self.arn, VersionStage="AWSCURRENT")["SecretString"])
        )
        return keyring.webhook_secrets("demo", provider)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with mock_aws():
        yield Terminal()


def test_a_secret_is_set_and_not_shown(terminal: Terminal) -> None:
    done = terminal.run("set", "mailgun", "signing_key=key-123", "--insecure", "--brand", "demo")
    assert done.exit_code == 0
    assert terminal.secrets("mailgun") == {"signing_key": "key-123"}
    listed = terminal.run("list")
    assert listed.output == "demo\tmailgun\tsigning_key\n"
    assert "key-123" not in done.output + listed.output


def test_a_secret_can_be_read_from_standard_input(terminal: Terminal) -> None:
    done = terminal.run("set", "mailgun", "signing_key=-", "--brand", "demo", given="key-123\n")
    assert done.exit_code == 0
    assert terminal.secrets("mailgun") == {"signing_key": "key-123"}
    assert "key-123" not in done.output


def test_a_secret_is_not_taken_from_the_command_line(terminal: Terminal) -> None:
    """There it stays in the shell's history, and whoever lists processes sees it."""
    done = terminal.run("set", "mailgun", "signing_key=key-123", "--brand", "demo")
    assert done.exit_code == 2
    assert "signing_key=-" in done.output
    assert "key-123" not in done.output
    assert terminal.secrets("mailgun") == {}


def test_a_value_may_hold_equals_signs(terminal: Terminal) -> None:
    terminal.run("set", "sendgrid", "public_key=MFkwEw==", "--insecure", "--brand", "demo")
    assert terminal.secrets("sendgrid") == {"public_key": "MFkwEw=="}


def test_the_old_secret_counts_as_long_as_it_is_kept(terminal: Terminal) -> None:
    for value, how, kept in (
        ("a", [], "a"),
        ("b", ["--keep-old"], "a b"),
        ("c", ["--keep-old"], "b c"),
        ("c", [], "c"),
    ):
        assert (
            terminal.run("set", "klaviyo", "secret_key=-", "--brand", "demo", *how, given=f"{value}\n").exit_code == 0
        )
        assert terminal.secrets("klaviyo") == {"secret_key": kept}
    terminal.run("set", "klaviyo", "secret_key=-", "--brand", "demo", "--keep-old", given="d\n")
    assert terminal.run("list").output == "demo\tklaviyo\tsecret_key(2)\n"


@pytest.mark.parametrize(
    "words",
    [
        ["mailgun"],
        ["mailgun", "key=1"],
        ["mailgun", "signing_key="],
        ["mailgun", "signing_key"],
        ["mailgun", "signing_key=a b"],
        ["mailgun", "signing_key=1", "signing_key=2"],
        ["mailgun", "signing_key=1", "other=2"],
        ["mailgun", "signing_key=-"],
        ["sns", "arn=1"],
        ["brevo", "key=1"],
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be(terminal: Terminal, words: list[str]) -> None:
    for how in ([], ["--insecure"]):
        done = terminal.run("set", *words, "--brand", "demo", *how)
        assert done.exit_code == 2
        assert "Traceback" not in done.output
        assert terminal.run("list").output == ""


def test_a_keyring_that_is_not_there_is_said_in_one_line(terminal: Terminal) -> None:
    done = CliRunner().invoke(main, ["webhooks", "list", "--keyring", "nowhere"])
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_provider_with_two_secrets_takes_one_and_keeps_the_other(terminal: Terminal) -> None:
    for word, given in (("key=-", "k"), ("signing_secret=-", "s")):
        assert terminal.run("set", "mailchimp", word, "--brand", "demo", given=f"{given}\n").exit_code == 0
    assert terminal.secrets("mailchimp") == {"key": "k", "signing_secret": "s"}
    assert terminal.run("list").output == "demo\tmailchimp\tkey,signing_secret\n"
    terminal.run("set", "mailchimp", "signing_secret=-", "--keep-old", "--brand", "demo", given="t\n")
    assert terminal.secrets("mailchimp") == {"key": "k", "signing_secret": "s t"}


def test_each_of_many_webhooks_may_have_a_secret_of_its_own(terminal: Terminal) -> None:
    for given in ("a", "b", "c", "a"):
        terminal.run("set", "mailchimp", "signing_secret=-", "--add", "--brand", "demo", given=f"{given}\n")
    assert terminal.secrets("mailchimp") == {"signing_secret": "b c a"}
    assert terminal.run("list").output == "demo\tmailchimp\tsigning_secret(3)\n"


def test_the_other_secret_of_a_provider_can_be_dropped(terminal: Terminal) -> None:
    terminal.run("set", "mailchimp", "key=-", "--brand", "demo", given="k\n")
    terminal.run("set", "mailchimp", "signing_secret=-", "--alone", "--brand", "demo", given="s\n")
    assert terminal.secrets("mailchimp") == {"signing_secret": "s"}


@pytest.mark.parametrize("words", [[], ["secret=-"], ["key=-", "secret=-"], ["key=-", "key=-"]])
def test_whoever_names_no_secret_of_the_provider_hears_its_names(terminal: Terminal, words: list[str]) -> None:
    done = terminal.run("set", "mailchimp", *words, "--brand", "demo", given="k\nk\n")
    assert done.exit_code == 2
    assert "key=- or signing_secret=-" in done.output
    assert terminal.secrets("mailchimp") == {}
