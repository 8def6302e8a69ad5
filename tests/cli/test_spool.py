"""`consentry spool` and what brings dead letters back: nothing that was accepted stays undone."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from consentry.actions.spool import Spooled, Unverified
from consentry.links import sealed_log
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind

if TYPE_CHECKING:
    from support.deployments import Deployment

ANN = "ann@example.com"
CLICKED = 1_790_000_000_000


def opt_out(deployment: Deployment, email: str = ANN) -> Spooled:
    return Spooled(
        Event(
            f"id-{email}",
            Kind.UNSUBSCRIBED,
            "demo",
            deployment.id_of(email),
            CLICKED,
            CLICKED,
            Actor.RECIPIENT,
            Channel.ONE_CLICK,
            Consent({"out.news": CLICKED}),
            ("news",),
        )
    )


def logged(deployment: Deployment, waiting: Spooled | Unverified) -> str:
    """The line that a function writes when nothing else takes an opt-out."""
    letter = sealed_log.seal(deployment.keyring.dead_letter_key(), waiting.to_json())
    return json.dumps({"level": "ERROR", "message": "kept in the log alone", "dead_letter": letter})


# --- replay -----------------------------------------------------------------------------------------------------------


def test_without_a_log_there_is_nothing_to_replay(deployment: Deployment) -> None:
    assert deployment.run("spool", "replay").exit_code == 2
    assert deployment.run("spool", "replay", "nowhere.log").exit_code == 2


def test_a_letter_that_was_changed_or_sealed_elsewhere_is_counted_and_spoils_no_other(deployment: Deployment) -> None:
    line = logged(deployment, opt_out(deployment))
    changed = line.replace("gAAAAA", "gAAAAAB", 1)
    foreign = json.dumps({"dead_letter": sealed_log.seal(b"k" * 32, "[]")})
    nonsense = json.dumps({"dead_letter": sealed_log.seal(deployment.keyring.dead_letter_key(), "[1]")})
    done = deployment.run("spool", "replay", "-", stdin=f"{changed}\n{foreign}\n{nonsense}\n{line}")
    assert (done.exit_code, done.output) == (1, "1 applied, 3 unreadable\n")
    assert deployment.status(ANN) == "unsubscribed"


def test_what_only_the_log_kept_counts_as_of_the_click(deployment: Deployment) -> None:
    log = deployment.write("log", f"REPORT RequestId: x\n{logged(deployment, opt_out(deployment))}\nnot JSON {{\n")
    assert deployment.run("spool", "replay", "--dry-run", log).output == "1 would be replayed\n"
    assert deployment.status(ANN) == "none"
    assert deployment.run("spool", "replay", log).output == "1 applied\n"
    assert deployment.status(ANN) == "unsubscribed"
    assert deployment.consent(ANN).registers == {"out.news": CLICKED}
    assert deployment.run("spool", "replay", log, log).output == "1 duplicate\n"
    assert not deployment.store.verify("demo", deployment.id_of(ANN))


def test_a_link_that_nobody_could_verify_is_verified_now(deployment: Deployment) -> None:
    link = Link(Purpose.UNSUBSCRIBE, "demo", deployment.id_of(ANN), ("news",))
    token = Tokens(deployment.keyring).sign(link)
    waiting = Unverified(Purpose.UNSUBSCRIBE, token, CLICKED, Channel.ONE_CLICK)
    forged = waiting._replace(token=token[:-2] + ("AA" if token[-2:] != "AA" else "EE"))
    lines = "\n".join(logged(deployment, each) for each in (waiting, forged))
    done = deployment.run("spool", "replay", "-", stdin=lines)
    assert (done.exit_code, done.output) == (1, "1 applied, 1 not_ours\n")
    assert deployment.status(ANN) == "unsubscribed"


@pytest.mark.parametrize("form", ["as it is", "a string in JSON", "a string in a string", "CSV"])
def test_a_log_can_be_given_in_any_form_in_which_it_is_exported(deployment: Deployment, form: str) -> None:
    line = logged(deployment, opt_out(deployment))
    if form == "CSV":
        made = io.StringIO()
        csv.writer(made).writerow(["2026-11-23", line])
        line = made.getvalue()
    elif form != "as it is":
        for _ in range(1 if form == "a string in JSON" else 2):
            line = json.dumps({"message": line})
    assert deployment.run("spool", "replay", "-", stdin=line).output == "1 applied\n"


def test_a_log_group_can_be_read_where_it_is(deployment: Deployment) -> None:
    logs: Any = boto3.client("logs")
    logs.create_log_group(logGroupName="unsubscribe")
    logs.create_log_stream(logGroupName="unsubscribe", logStreamName="one")
    now = time.time_ns() // 1_000_000
    logs.put_log_events(
        logGroupName="unsubscribe",
        logStreamName="one",
        logEvents=[
            {"timestamp": now, "message": "START"},
            {"timestamp": now, "message": logged(deployment, opt_out(deployment))},
        ],
    )
    assert deployment.run("spool", "replay", "--log-group", "unsubscribe").output == "1 applied\n"
    done = deployment.run("spool", "replay", "--log-group", "another")
    assert (done.exit_code, "Traceback" in done.output) == (2, False)


def test_a_log_without_letters_says_so(deployment: Deployment) -> None:
    done = deployment.run("spool", "replay", "-", stdin="INIT_START\n")
    assert (done.exit_code, done.output) == (0, "nothing found\n")


# --- redrive ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["spool", "notifications"])
def test_dead_letters_are_brought_back_and_none_is_lost(deployment: Deployment, command: str) -> None:
    sqs: Any = boto3.client("sqs")
    queue, dead = (sqs.create_queue(QueueName=each)["QueueUrl"] for each in ("queue", "dead"))
    for number in range(12):
        sqs.send_message(QueueUrl=dead, MessageBody=str(number))
    way = [command, "redrive", "--dead-letters", dead, "--queue", queue]
    assert deployment.run(*way, "--dry-run").output == "12 waiting (about)\n"
    assert deployment.run(*way).output == "12 moved\n"
    back: set[str] = set()
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        back |= {each["Body"] for each in messages}
    assert back == {str(number) for number in range(12)}
    assert deployment.run(*way).output == "0 moved\n"
