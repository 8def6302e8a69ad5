"""The courier: each request's mail goes out once, whatever the stream, SES and the table do meanwhile."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from consentry.table.gateway import PermanentFaultError
from consentry.table.outbox import Outbox
from consentry.table.store import COOLDOWN_MS
from support import calls
from support.mailroom import ANN, Mailroom
from support.world import SECOND


def test_a_record_that_makes_no_sense_fails_alone(mailroom: Mailroom) -> None:
    good, bad = mailroom.ask(), mailroom.ask("bob@example.com")
    bad["dynamodb"]["NewImage"] = {**bad["dynamodb"]["NewImage"], "asked_at": {"N": "nonsense"}}
    assert mailroom.stream(bad, good) == [bad["dynamodb"]["SequenceNumber"]]
    assert [mail["To"] for mail in mailroom.sent] == [ANN]


@pytest.mark.parametrize("body", ["{", "[]", "{}", '["demo"]', "null"])
def test_a_message_that_makes_no_sense_fails_alone(mailroom: Mailroom, body: str) -> None:
    with mailroom.refusing("TooManyRequestsException"):
        mailroom.stream(mailroom.ask())
    mailroom.world.sqs.send_message(QueueUrl=mailroom.queue, MessageBody=body)
    assert len(mailroom.retry()) == 1
    assert len(mailroom.sent) == 1
    assert [each["Body"] for each in mailroom.waiting()] == [body]


def test_a_batch_that_fails_whole_is_told_and_names_nobody(
    mailroom: Mailroom, logged: io.StringIO, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    refused = calls.error("MessageRejected")
    refused["Error"]["Message"] = f"Email address is not verified. Identities that failed the check: {ANN}"
    record = mailroom.ask()
    with mailroom.refusing(refused, refused):
        assert mailroom.stream(record) == []
        assert len(mailroom.retry()) == 1
    everything = "".join([logged.getvalue(), *capfd.readouterr(), caplog.text])
    assert "mail deferred" in everything
    assert ANN not in everything
    assert mailroom.world.subscriber_id() not in everything


def test_while_the_table_is_away_the_mail_waits_in_the_queue_however_long(mailroom: Mailroom) -> None:
    """The stream gives a record up after a few tries."""
    record = mailroom.ask()
    with mailroom.world.table_unavailable():
        assert mailroom.stream(record) == []
        assert mailroom.delays == [60]
        for _ in range(3):
            assert len(mailroom.retry()) == 1
    assert mailroom.sent == []
    assert mailroom.retry() == []
    assert [mail["To"] for mail in mailroom.sent] == [ANN]


@pytest.mark.parametrize("code", ["TooManyRequestsException", "LimitExceededException", "SendingPausedException"])
def test_a_mail_that_ses_does_not_take_now_is_put_off_and_sent_once(mailroom: Mailroom, code: str) -> None:
    record = mailroom.ask()
    with mailroom.refusing(code):
        assert mailroom.stream(record) == []
    assert mailroom.sent == []
    assert mailroom.delays == [60]
    (waiting,) = mailroom.waiting()
    assert json.loads(waiting["Body"]) == ["demo", mailroom.world.subscriber_id(), mailroom.world.now, "CONTACT"]
    mailroom.world.now += 60 * SECOND
    assert mailroom.retry() == []
    assert [mail["To"] for mail in mailroom.sent] == [ANN]
    assert mailroom.waiting() == []
    mailroom.stream(record)
    assert len(mailroom.sent) == 1


def test_a_mail_that_goes_round_as_a_new_message_is_as_old_as_its_request(
    mailroom: Mailroom, capsys: pytest.CaptureFixture[str]
) -> None:
    record = mailroom.ask()
    mailroom.world.now += 7200 * SECOND
    with mailroom.refusing("SendingPausedException"):
        mailroom.stream(record)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert [(line["queue"], line["Waiting"]) for line in lines if "Waiting" in line] == [("mails", 7200)]


def test_a_mail_that_the_table_can_never_take_holds_up_no_other(
    mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise PermanentFaultError("too large")

    monkeypatch.setattr(Outbox, "claim", failing)
    assert mailroom.stream(mailroom.ask()) == []
    assert len(mailroom.waiting()) == 1


def test_a_mail_that_ses_keeps_refusing_stays_in_the_queue(mailroom: Mailroom) -> None:
    with mailroom.refusing(*["TooManyRequestsException"] * 4):
        mailroom.stream(mailroom.ask())
        for _ in range(3):
            assert len(mailroom.retry()) == 1
    assert mailroom.retry() == []
    assert len(mailroom.sent) == 1


@pytest.mark.parametrize(
    "fate",
    [
        "InternalServiceErrorException",
        ReadTimeoutError(endpoint_url="x"),
        EndpointConnectionError(endpoint_url="x"),
    ],
    ids=["server error", "timeout", "no connection"],
)
def test_a_mail_of_unknown_fate_is_not_sent_again_before_the_cooldown(mailroom: Mailroom, fate: Any) -> None:
    record = mailroom.ask()
    with mailroom.refusing(fate):
        assert mailroom.stream(record) == []
    assert mailroom.delays == [630]
    mailroom.world.now += COOLDOWN_MS - 1
    assert len(mailroom.retry()) == 1
    assert mailroom.sent == []
    mailroom.world.now += 1
    assert mailroom.retry() == []
    assert len(mailroom.sent) == 1


def test_a_mail_that_went_out_before_its_answer_got_lost_is_one_mail_within_the_cooldown(mailroom: Mailroom) -> None:
    gone = ConnectionClosedError(endpoint_url="x")
    record = mailroom.ask()
    with calls.answer_lost(mailroom.world.deployment.mailer._client, "SendEmail", gone):
        mailroom.stream(record)
    assert len(mailroom.sent) == 1
    mailroom.world.now += COOLDOWN_MS - 1
    mailroom.retry()
    again = mailroom.record()
    mailroom.stream(again)
    assert len(mailroom.sent) == 1


def test_a_mail_that_was_sent_but_could_not_be_noted_is_not_sent_again(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    counted, claimed = None, None
    with calls.answering(mailroom.world.table_client, "UpdateItem", counted, claimed, "InternalServerError"):
        assert mailroom.stream(record) == []
    assert len(mailroom.sent) == 1
    mailroom.world.now += COOLDOWN_MS - 1
    mailroom.stream({**record, "eventID": "another"})
    assert len(mailroom.sent) == 1


def test_a_queue_that_is_away_brings_the_record_back(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    with (
        mailroom.refusing("TooManyRequestsException"),
        calls.answering(
            mailroom.world.deployment._queue_client, "SendMessage", "AWS.SimpleQueueService.NonExistentQueue"
        ),
    ):
        assert mailroom.stream(record) == [record["dynamodb"]["SequenceNumber"]]
    assert mailroom.stream(record) == []
    assert len(mailroom.sent) == 1
