"""The doctor, of a stack that was really deployed: what it says is so there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from consentry_cli.main import main
from dev.emulator.deploy import STACK
from support.stack import Stack

ROOT = Path(__file__).parents[2]


def asked(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """What the doctor finds, by check."""
    environment = {
        "AWS_ENDPOINT_URL": stack.told["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": stack.told["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }

    def no_dns(*_: str) -> list[str]:
        raise OSError("there is no DNS in a test")

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(ROOT)
        patched.setattr(boto3, "DEFAULT_SESSION", None)
        patched.setattr("consentry_cli.doctor.reach.resolve", no_dns)
        done = CliRunner().invoke(main, ["doctor", "--stack", STACK, "--json"], env=environment)
    assert done.exit_code == 1, done.output  # a stack on somebody's machine signs no mail
    stack.noted.note_answer(done.output)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.output)["findings"]:
        found.setdefault(each["check"], []).append(each)
    return found


def verdicts(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {check: each[0]["verdict"] for check, each in found.items()}


def test_what_the_doctor_says_of_a_stack_on_this_machine_is_so(stack: Stack) -> None:
    found = asked(stack)
    said = verdicts(found)
    well = ("stack", "keyring", "keyring-kept", "brand-secrets", "senders", "clock")
    assert {check: said[check] for check in well} == dict.fromkeys(well, "ok"), found
    assert said["dkim"] == "fault"
    assert said["inbound-domains"] == "fault"  # the brand files name domains whose mail nothing receives here
    assert said["drift"] == "warning"  # nobody has looked
    assert said["alarm-topic"] == "warning"
    assert said["address"] == "warning"  # plain HTTP
    assert [each["says"].partition(" ")[0] for each in found["address"]] == ["Links"], (
        "and this stack's links are known"
    )
    assert said["domain"] == "ok"
    assert [check for check, verdict in said.items() if verdict == "could not look"] == ["dmarc"]


def test_an_address_that_doesnt_know_the_stacks_links_is_found(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a domain still leads to an older deployment, which has another keyring."""
    another = json.dumps({"root": "another" * 10, "brands": {}})
    monkeypatch.setattr("consentry_cli.doctor.keys._text", lambda _deployed: another)
    assert "it is another deployment" in asked(stack)["address"][0]["says"]


def test_what_runs_behind_queues_is_added_up_as_the_stack_has_it(stack: Stack) -> None:
    """Five queues with two each, two streams with one for each of four shards, two parts and two segments."""
    (found,) = asked(stack)["concurrency"]
    assert "what runs behind queues may take 22" in found["says"]


def test_a_message_that_was_given_up_is_found_and_the_doctor_leaves_it_there(stack: Stack) -> None:
    sqs, url = stack.client("sqs"), stack.output("ArchiveDeadLettersUrl")
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    try:
        for _ in range(2):
            (hit,) = [each for each in asked(stack)["dead-letters"] if "ArchiveDeadLetters" in each["says"]]
            assert hit["verdict"] == "fault"
            assert "1 message" in hit["says"]
    finally:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
