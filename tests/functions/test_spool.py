"""An opt-out while the table is unavailable: it is accepted, kept, and recorded later as of its own instant."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consentry.actions import spool
from consentry.actions.reports import Report, ReportKind, Result
from consentry.actions.spool import Spooled, Unverified
from consentry.links import sealed_log
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import Purpose
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from consentry.table.store import Address, Store
from support import calls, events
from support.world import SECOND, Answer, World


class Queue:
    """The spool's queue, and the drain behind it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = world.sqs.create_queue(QueueName="spool")["QueueUrl"]
        self.put_off: list[int] = []
        """Seconds, a put-off each."""

    def waiting(self) -> list[dict[str, Any]]:
        """The messages, as Lambda gets them; they stay."""
        found = self._world.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": {
                    "ApproximateReceiveCount": str(1 + len(self.put_off)),
                    "SentTimestamp": str(self._world.now),
                },
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                    for name, value in each.get("MessageAttributes", {}).items()
                },
                "eventSource": "aws:sqs",
            }
            for each in found.get("Messages", [])
        ]

    def drain(self) -> list[dict[str, str]]:
        """The messages that the drain leaves in the queue."""
        answer = self._world.function("drain").handler({"Records": self.waiting()}, None)
        return list(answer["batchItemFailures"])


@pytest.fixture
def queue(world: World, monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue(world)
    # Noted and not done: moto's queue would hold the message back for real seconds.
    monkeypatch.setattr("consentry.aws.queues.Queue.hide", lambda _, _receipt, seconds: queue.put_off.append(seconds))
    world.deploy(spool_queue_url=queue.url)
    return queue


@contextmanager
def keyring_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A container that starts while Secrets Manager doesn't answer."""

    def unavailable(*_: Any) -> str:
        raise SecretUnavailableError

    world.deploy()
    with monkeypatch.context() as broken:
        broken.setattr("consentry.deployment.keyring_text", unavailable)
        yield
    world.deploy()


def test_only_when_the_queue_is_away_too_is_the_person_asked_to_come_back(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deploy(spool_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with world.table_unavailable():
        answer = world.post(world.leave_url())
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_what_table_and_queue_could_not_take_is_in_the_log_and_nobody_can_read_it(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    world.deploy(spool_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with world.table_unavailable():
        assert world.post(world.leave_url(), {"scope": "topic"}).status == 503
    [letter] = sealed_log.find(logged.getvalue())
    assert all(said not in logged.getvalue() for said in (world.subscriber_id(), "203.0.113.7", "news"))
    for wrong in (world.deployment.keyring.pepper("demo"), world.deployment.keyring.ledger_key("demo")):
        with pytest.raises(sealed_log.BrokenSealError):
            sealed_log.unseal(wrong, letter)
    world.now += 60 * SECOND
    waiting = sealed_log.unseal(world.deployment.keyring.dead_letter_key(), letter)
    assert world.deployment.replay.apply(waiting) == "applied"
    assert (world.status(), world.intact()) == ("unsubscribed", True)
    assert int(world.events()[-1]["occurred_at"]["N"]) == world.now - 60 * SECOND, "as of the click"
    assert world.deployment.replay.apply(waiting) == "duplicate"


def test_what_only_the_log_kept_is_counted_so_that_an_alarm_tells_of_it(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deploy(spool_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with world.table_unavailable():
        world.post(world.leave_url())
    [line] = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"OptOutsKeptInLog"' in each]
    [told] = line["_aws"]["CloudWatchMetrics"]
    assert told["Namespace"] == "Consentry/test"
    assert [each["Name"] for each in told["Metrics"]] == ["OptOutsKeptInLog"]
    assert line["OptOutsKeptInLog"] == 1
    assert (told["Dimensions"], line["service"]) == ([["service"]], "consentry"), "as the alarm wants it"


def test_with_nothing_left_at_all_the_log_says_so_and_no_more(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    url = world.leave_url()
    world.deploy(spool_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with keyring_unavailable(world, monkeypatch):
        assert world.post(url).status == 503
    assert "nothing could be kept" in logged.getvalue()
    assert url.rpartition("/")[2] not in logged.getvalue()


# --- the keys are unavailable -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [None, {"scope": "topic"}, {"scope": "all"}], ids=["one click", "topic", "everything"])
def test_an_opt_out_is_accepted_by_a_container_that_has_no_keys_yet(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    world.subscribed("news")
    url = world.leave_url()
    with keyring_unavailable(world, monkeypatch):
        answer = world.post(url, form)
        assert answer.status == 200
        assert form is None or (answer.page.heading, len(answer.page.forms)) == ("You’re unsubscribed", 0)
        assert len(queue.drain()) == 1, "it waits for the keys"
    assert world.status() == "subscribed"
    world.now += 60 * SECOND
    assert queue.drain() == []
    assert world.status() == "unsubscribed"
    [event] = [each for each in world.events() if each["kind"]["S"] == "unsubscribed"]
    assert int(event["occurred_at"]["N"]) == world.now - 60 * SECOND, "as of the click"
    assert ("suspected_automation" in event) == (form is not None), "no page was seen before"
    assert queue.drain() == []
    assert len([each for each in world.events() if each["kind"]["S"] == "unsubscribed"]) == 1


def test_a_person_who_saw_the_page_before_the_keys_went_is_no_machine(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.leave_url()
    form = dict(world.get(url).page.form().fields)
    world.now += 2 * SECOND
    with keyring_unavailable(world, monkeypatch):
        assert world.post(url, form | {"scope": "pause", "days": "30"}).status == 200
    assert queue.drain() == []
    assert world.decision(topic="product") == "paused"
    assert "suspected_automation" not in world.events()[-1]


def test_fewer_mails_wait_for_the_keys_and_opt_nobody_out(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.subscribed("news")
    url = world.leave_url()
    with keyring_unavailable(world, monkeypatch):
        answer = world.post(url, {"scope": "frequency", "frequency": "weekly"})
        assert (answer.status, answer.page.heading) == (200, "You’ll get fewer emails")
        assert world.post(url, {"scope": "frequency", "frequency": "hourly"}).status == 400
    assert queue.drain() == []
    assert world.consent().chosen("frequency.news") == "weekly"
    assert world.status() == "subscribed"


def test_fewer_mails_asked_for_while_the_table_is_away_count_later(world: World, queue: Queue) -> None:
    world.subscribed("news")
    with world.table_unavailable():
        answer = world.post(world.leave_url(), {"scope": "frequency", "frequency": "monthly"})
        assert (answer.status, answer.page.heading) == (200, "You’ll get fewer emails")
    assert queue.drain() == []
    assert world.consent().chosen("frequency.news") == "monthly"
    assert world.status() == "subscribed"
    assert world.intact()


def test_a_damaged_link_is_kept_repaired_while_no_keys_can_be_had(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is the token that it was: whoever verifies it later knows nothing of damages."""
    world.subscribed("news")
    token = world.token(Purpose.UNSUBSCRIBE)
    with keyring_unavailable(world, monkeypatch):
        assert world.post(f"/u/<{token[:50]}=\n{token[50:]}>").status == 200
    assert json.loads(queue.waiting()[0]["body"])["token"] == token
    assert queue.drain() == []
    assert world.status() == "unsubscribed"


def test_everything_off_in_the_preferences_needs_no_keys_either(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.choose_url()
    with keyring_unavailable(world, monkeypatch):
        assert world.post(url, {"scope": "all"}).status == 200
        assert world.post(url, {"topics": "news"}).status == 503
    assert queue.drain() == []
    assert {world.status(topic=topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}


def test_a_forged_link_is_accepted_without_keys_and_then_opts_nobody_out(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.leave_url()
    forged = url[:-1] + ("A" if url[-1] != "A" else "E")
    other = "/u/" + world.confirm_url().rpartition("/")[2]
    with keyring_unavailable(world, monkeypatch):
        assert world.post(forged).status == 200
        assert [world.post("/u/nonsense").status, world.post(other).status] == [404, 404]
    assert queue.drain() == []
    assert world.events() == []


def test_without_keys_a_page_shows_no_name_that_somebody_made_up(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.leave_url(brand="trust-your-bank")
    with keyring_unavailable(world, monkeypatch):
        answer = world.post(url, {"scope": "topic"})
    assert (answer.status, answer.body) == (200, "You are unsubscribed.\n")
    assert queue.drain() == []
    assert world.status(brand="trust-your-bank") == "unsubscribed"


# --- the table is unavailable -----------------------------------------------------------------------------------------


def test_topics_turned_off_in_the_preferences_are_accepted_too(world: World, queue: Queue) -> None:
    world.subscribed("news", "offers")
    url = world.choose_url()
    changed = ("frequency.offers", "pause_days")
    fields = [
        each for each in world.get(url).page.forms[0].fields if each != ("topics", "news") and each[0] not in changed
    ]
    world.now += SECOND
    unavailable = "ProvisionedThroughputExceededException"
    with (
        calls.answering(world.table_client, "GetItem", unavailable) as reads,
        calls.answering(world.table_client, "TransactWriteItems", unavailable) as writes,
    ):
        saved = world.post(url, [*fields, ("frequency.offers", "weekly"), ("pause_days", "0")])
        assert (reads, writes) == ([], [unavailable]), "whoever waits does so for one try alone"
    assert saved.status == 200
    assert ("topics", "offers") in saved.page.forms[0].fields
    assert ("topics", "news") not in saved.page.forms[0].fields
    world.now += 60 * SECOND
    assert queue.drain() == []
    assert [world.status(topic=topic) for topic in ("news", "offers")] == ["unsubscribed", "subscribed"]
    assert world.events()[-1]["registers"]["M"].keys() == {"out.news"}, "what was ticked before is no new opt-in"
    assert world.consent().chosen("frequency.offers") == "weekly"
    assert world.intact()


def test_a_form_that_doesnt_tell_what_it_showed_changes_no_topic(world: World, queue: Queue) -> None:
    with world.table_unavailable():
        assert world.post(world.choose_url(), {"topics": "news"}).status == 200
    assert queue.waiting() == []


def test_a_form_that_doesnt_tell_what_was_ticked_turns_off_what_it_showed_and_opts_nobody_in(
    world: World, queue: Queue
) -> None:
    """As those of an earlier version are. Who left nothing is taken to have had everything."""
    url = world.choose_url(ours=True)
    form = [each for each in world.get(url).page.forms[0].fields if each[0] not in {"was_on", "stamp", "topics"}]
    with world.table_unavailable():
        assert world.post(url, [*form, ("topics", "news")]).status == 200
    assert queue.drain() == []
    assert [world.status(topic=topic) for topic in ("news", "offers", "product")] == [
        "none",
        "unsubscribed",
        "unsubscribed",
    ]


@pytest.mark.parametrize(("ours", "register"), [(True, "in.news"), (False, "claim.news")])
def test_a_topic_ticked_while_the_table_is_away_is_the_persons_own_act(
    world: World, queue: Queue, ours: bool, register: str
) -> None:
    url = world.choose_url(ours=ours)
    form = [*world.get(url).page.forms[0].fields, ("topics", "news")]
    shown_at = world.now
    world.now += SECOND
    with world.table_unavailable():
        assert world.post(url, form).status == 200
    assert queue.drain() == []
    assert world.status() == "subscribed"
    assert world.consent().registers == {register: shown_at}
    assert world.events()[-1]["actor"] == {"S": "recipient"}


def test_what_was_left_doesnt_come_back_by_a_platforms_link_because_the_table_is_unavailable(
    world: World, queue: Queue
) -> None:
    world.happened({"out.news": world.now - SECOND})
    url = world.choose_url()
    form = [*world.get(url).page.forms[0].fields, ("topics", "news")]
    world.now += SECOND
    with world.table_unavailable():
        assert world.post(url, form).status == 200
    assert queue.drain() == []
    assert world.status() == "unsubscribed"


def undo_url(answer: Answer) -> str:
    (form,) = (form for form in answer.page.forms if form.action.startswith("/u/undo/"))
    return form.action


def test_a_click_that_waits_stands_though_a_later_opt_out_was_taken_back_before_both_are_recorded(
    world: World, queue: Queue
) -> None:
    """Whoever minted the link pressed the page's button after the person's click, and undoes it first of all."""
    world.happened({"claim.news": world.now - SECOND})
    url = world.leave_url()
    page = world.get(url).page.form(scope="topic")
    with world.table_unavailable():
        world.post(url, body="List-Unsubscribe=One-Click")
        clicked_at = world.now
        world.now += 2 * SECOND
        left = world.post(url, page.fields)
    world.now += SECOND
    assert world.post(undo_url(left)).status == 200
    assert queue.drain() == []
    assert (world.status(), world.consent().registers["undo.news@" + str(world.now - SECOND)]) == (
        "unsubscribed",
        clicked_at,
    )
    assert world.intact()


@pytest.mark.parametrize("asked", [True, False])
def test_a_click_that_waits_stands_though_a_later_opt_out_is_taken_back_once_it_is_recorded(
    world: World, queue: Queue, asked: bool
) -> None:
    """Also if somebody filled in the form for them meanwhile."""
    world.happened({"claim.news": world.now - SECOND})
    url = world.leave_url()
    page = world.get(url).page.form(scope="topic")
    with world.table_unavailable():
        world.post(url, body="List-Unsubscribe=One-Click")
    world.now += 2 * SECOND
    left = world.post(url, page.fields)
    world.now += SECOND
    if asked:
        world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    assert queue.drain() == []
    world.now += SECOND
    assert world.post(undo_url(left)).status == 200
    assert world.status() == ("pending" if asked else "unsubscribed")
    assert world.decision() == world.status()
    assert world.intact()


def test_a_form_that_changes_nothing_needs_no_table(world: World, queue: Queue) -> None:
    world.subscribed("news")
    url = world.choose_url()
    form = world.get(url).page.forms[0].fields
    with world.table_unavailable():
        saved = world.post(url, form)
    assert ("topics", "news") in saved.page.forms[0].fields
    assert queue.waiting() == []


def test_evidence_that_the_brand_keeps_for_no_day_does_not_wait_in_the_queue(world: World, queue: Queue) -> None:
    with world.table_unavailable():
        world.post(world.leave_url(brand="other"), {"scope": "topic"}, headers={"user-agent": "Told Nobody"})
    [message] = queue.waiting()
    assert "Told Nobody" not in message["body"]
    assert "203.0.113" not in message["body"]


@pytest.mark.parametrize("form", [None, {"scope": "topic"}, {"scope": "all"}], ids=["one click", "topic", "everything"])
def test_an_opt_out_is_accepted_while_the_table_is_unavailable(world: World, queue: Queue, form: Any) -> None:
    world.subscribed("news")
    with world.table_unavailable():
        assert world.post(world.leave_url(), form).status == 200
    assert world.status() == "subscribed"
    world.now += 60 * SECOND
    assert queue.drain() == []
    assert world.status() == "unsubscribed"
    assert int(world.events()[-1]["occurred_at"]["N"]) == world.now - 60 * SECOND, "as of the click"
    assert world.intact()


def test_everything_off_in_the_preferences_is_accepted_too(world: World, queue: Queue) -> None:
    url = world.choose_url()
    with world.table_unavailable():
        assert world.post(url, {"scope": "all"}).status == 200
    queue.drain()
    assert {world.status(topic=topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}


def test_a_pause_is_accepted_too(world: World, queue: Queue) -> None:
    world.subscribed("news")
    with world.table_unavailable():
        assert world.post(world.leave_url(), {"scope": "pause", "days": "30"}).status == 200
    queue.drain()
    assert world.decision() == "paused"


def test_while_the_table_stays_away_nothing_leaves_the_queue(world: World, queue: Queue) -> None:
    with world.table_unavailable():
        world.post(world.leave_url())
        for _ in range(9):
            assert len(queue.drain()) == 1
    assert queue.put_off == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert queue.drain() == []
    assert world.status() == "unsubscribed"


def test_what_the_table_can_never_take_waits_for_a_version_that_can(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not among the dead letters, where it would need somebody to bring it back."""
    with world.table_unavailable():
        world.post(world.leave_url())
    with monkeypatch.context() as broken:
        broken.setattr(Store, "record", failing)
        assert len(queue.drain()) == 1
    assert queue.put_off == [5]
    assert queue.drain() == []
    assert world.status() == "unsubscribed"


def failing(*_: Any, **__: Any) -> Any:
    raise PermanentFaultError("too large")


def test_a_message_that_makes_no_sense_spoils_no_other(world: World, queue: Queue) -> None:
    world.sqs.send_message(QueueUrl=queue.url, MessageBody="[1]")
    with world.table_unavailable():
        world.post(world.leave_url())
    assert len(queue.drain()) == 1
    assert world.status() == "unsubscribed"


def test_a_message_that_comes_twice_is_recorded_once(world: World, queue: Queue) -> None:
    with world.table_unavailable():
        world.post(world.leave_url())
    assert queue.drain() == []
    assert queue.drain() == []
    assert len(world.events()) == 1
    assert world.intact()


def test_what_waits_holds_no_address_and_no_token(world: World, queue: Queue) -> None:
    url = world.leave_url()
    with world.table_unavailable():
        world.post(url, {"scope": "topic"})
    [message] = queue.waiting()
    assert "ann@example.com" not in message["body"]
    assert url.rpartition("/")[2] not in message["body"]


def test_reports_of_platforms_are_spooled_and_told_so(world: World, queue: Queue) -> None:
    key = world.api_key()
    event = {
        "event_id": "1",
        "kind": "unsubscribed",
        "email": "ann@example.com",
        "topics": ["news"],
        "occurred_at": "2027-01-15T07:59:00Z",
    }
    with world.table_unavailable():
        answer = world.api("POST", "/v1/events", {"events": [event]}, key=key)
    assert [each["result"] for each in answer.json["results"]] == ["spooled"]
    queue.drain()
    assert world.status() == "unsubscribed"


def test_reports_under_an_idempotency_key_are_spooled_too(world: World, queue: Queue) -> None:
    """The key can't be looked up, and needn't be: a report is named by what it says."""
    key = world.api_key()
    event = {"event_id": "1", "kind": "unsubscribed", "email": "ann@example.com", "occurred_at": "2027-01-15T07:59:00Z"}
    with world.table_unavailable():
        for _ in range(2):
            answer = world.api(
                "POST", "/v1/events", {"events": [event]}, key=key, headers={"idempotency-key": "the same"}
            )
            assert [each["result"] for each in answer.json["results"]] == ["spooled"]
    queue.drain()
    assert world.status() == "unsubscribed"
    assert len(world.events()) == 1


def test_of_many_reports_only_the_first_waits_for_a_table_that_is_unavailable(world: World, queue: Queue) -> None:
    """Else a hundred of them would outlast the function."""
    key = world.api_key()
    events = [
        {
            "event_id": f"{n}",
            "kind": "unsubscribed",
            "email": f"ann{n}@example.com",
            "occurred_at": "2027-01-15T07:59:00Z",
        }
        for n in range(8)
    ]
    refusals = ["ThrottlingException"] * 20
    with calls.answering(world.table_client, "TransactWriteItems", *refusals) as left:
        answer = world.api("POST", "/v1/events", {"events": events}, key=key)
    assert {each["result"] for each in answer.json["results"]} == {"spooled"}
    assert len(left) == 19
    queue.drain()
    assert [world.status(email=f"ann{n}@example.com") for n in range(8)] == ["unsubscribed"] * 8


def test_of_many_reports_of_a_provider_only_some_wait_for_a_table_that_is_unavailable(
    world: World, queue: Queue
) -> None:
    brand = world.deployment.brands.get("demo")
    assert brand is not None
    reports = [Report(ReportKind.UNSUBSCRIBED, world.now, f"ann{n}@example.com") for n in range(40)]
    refusals = ["ThrottlingException"] * 100
    with calls.answering(world.table_client, "TransactWriteItems", *refusals) as left:
        receipts = world.deployment.reports.take_all(brand, reports, Channel.WEBHOOK, world.now)
    assert {receipt.result for receipt in receipts} == {Result.SPOOLED}
    assert len(left) >= 80, "no more than are at it side by side"


def test_an_opt_out_is_kept_whatever_else_fails(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    """Also what nobody thought of: it is logged by kind and place, and the person is not sent away."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of ann@example.com")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "record", fail)
        assert world.post(world.leave_url()).status == 200
    assert "ZeroDivisionError" in logged.getvalue()
    assert "ann@" not in logged.getvalue()
    queue.drain()
    assert world.status() == "unsubscribed"


def test_an_opt_out_is_kept_when_every_answer_of_the_table_is_garbled(world: World, queue: Queue) -> None:
    garbled = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    with calls.answering(world.table_client, "TransactWriteItems", garbled):
        assert world.post(world.leave_url()).status == 200
    queue.drain()
    assert world.status() == "unsubscribed"


def test_an_opt_out_is_kept_when_a_proxy_answers_for_the_table(world: World, queue: Queue) -> None:
    """Such as a sign-in page, with 200: botocore takes it for success."""
    page = {
        "message": "<html>",
        "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-type": "text/html"}},
    }
    with calls.answering(world.table_client, "TransactWriteItems", page, page, page):
        assert world.post(world.leave_url()).status == 200
    assert world.status() == "none"
    queue.drain()
    assert world.status() == "unsubscribed"


def test_a_confirmation_is_not_spooled(world: World, queue: Queue) -> None:
    """An opt-in can wait for its person; only what ends mail must not."""
    url = world.confirm_url()
    stamp = world.get(url).page.form().fields
    world.now += 2 * SECOND
    with world.table_unavailable():
        assert world.post(url, dict(stamp)).status == 503
    assert queue.waiting() == []


def test_a_spooled_event_reads_back_as_it_was() -> None:
    event = Event(
        "id",
        Kind.PREFERENCES,
        "demo",
        "K9Xdq1X4AVefMXC3P9olGg",
        1,
        2,
        Actor.RECIPIENT,
        Channel.PAGE,
        Consent({"out.news": 1}, {"pause": Choice(1, "id", "5")}),
        ("news",),
        "de",
        "v1",
        "ref|é",
        "shop",
        True,
    )
    for waiting in (Spooled(event), Spooled(event, Evidence("::1", "UA"), 30, Address.FORGET)):
        assert spool.from_json(waiting.to_json()) == waiting
    for junk in ("", "{}", "[1,2,3,4]", json.dumps([[1], None, 0, None])):
        with pytest.raises((ValueError, TypeError, KeyError)):
            spool.from_json(junk)


def test_what_waits_unverified_reads_back_as_it_was() -> None:
    waiting = Unverified(
        Purpose.UNSUBSCRIBE, "a.b", 5, Channel.PAGE, everything=True, locale="de", evidence=Evidence("::1", "UA")
    )
    assert spool.from_json(waiting.to_json()) == waiting
    for junk in ('{"purpose": "q"}', json.dumps({**json.loads(waiting.to_json()), "at": "5"})):
        with pytest.raises((ValueError, TypeError, KeyError)):
            spool.from_json(junk)


def test_the_queues_own_error_is_ours(world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy(spool_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    with pytest.raises(StoreUnavailableError):
        world.deployment.spool.keep("{}")


# --- telling of it ----------------------------------------------------------------------------------------------------


def test_an_opt_out_that_waited_is_still_of_its_click_and_its_wait_is_counted(
    world: World, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    event = events.http("POST", world.leave_url(), body=b"List-Unsubscribe=One-Click")
    event["requestContext"]["requestId"] = "ours-1"
    with world.table_unavailable():
        assert world.function("oneclick").handler(event, None)["statusCode"] == 200
    assert queue.drain() == []
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines() if '"_aws"' in each]
    assert {line["correlation_id"] for line in lines} == {"ours-1"}
    assert [line["outcome"] for line in lines if "Acts" in line] == ["spooled", "applied"]
    assert [line["SpoolDelay"] for line in lines if "SpoolDelay" in line] == [0]
    (state,) = [item for item in world.items() if item["sk"]["S"] == "STATE"]
    assert state["last_event"]["M"]["correlation_id"] == {"S": "ours-1"}


def test_what_a_form_of_preferences_leaves_counts_though_no_key_could_be_had(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else it says has to be said again; a form that leaves nothing is answered so."""
    world.subscribed("news", "offers")
    url = world.choose_url()
    form = world.get(url).page.forms[0]
    with keyring_unavailable(world, monkeypatch):
        answer = world.post(url, form.with_values({"topics": ["offers"]}))
        assert world.post(url, form.with_values({"topics": ["news", "offers", "product"]})).status == 503
    assert (answer.status, "what you turned off" in answer.body) == (200, True)
    queue.drain()
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    assert world.intact()
    [event] = [each for each in world.events() if each["kind"]["S"] == "unsubscribed"]
    evidence = [each for each in world.items() if each["sk"]["S"].startswith("V#")]
    assert event["locale"] == {"S": "en"}
    assert [each["ip"] for each in evidence if each["sk"]["S"][2:] == event["sk"]["S"][2:]], "who left is proved, too"
