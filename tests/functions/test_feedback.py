"""What SES tells of emails: it ends in the consent of whom it is about, once, whatever comes with it."""

from __future__ import annotations

import io
import json
import re
from typing import Any, Final

import pytest

from consentry.aws import clients
from support import calls, ses
from support.world import DAY, HOUR, SECOND, World

ANN: Final = "ann@example.com"
BOB: Final = "bob@example.com"
CAROL: Final = "carol@example.com"
PATIENCE: Final = 4
"""How often the tests' queue hands out a message before it goes to the dead letters."""


class Queue:
    """The feedback's queue, its dead letters, and the function behind it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sqs = world.sqs
        self.dead_url = self._sqs.create_queue(QueueName="dead")["QueueUrl"]
        wanted = {"QueueUrl": self.dead_url, "AttributeNames": ["QueueArn"]}
        arn = self._sqs.get_queue_attributes(**wanted)["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": PATIENCE})
        attributes = {"VisibilityTimeout": "0", "RedrivePolicy": redrive}
        self.url = self._sqs.create_queue(QueueName="feedback", Attributes=attributes)["QueueUrl"]
        self.waits: list[int] = []
        """What each event that was deferred waits for, in seconds; the tests' queue doesn't wait."""

    def put(self, *events: Any) -> None:
        """SES told this."""
        for each in events:
            text = each if isinstance(each, str) else json.dumps(each)
            self._sqs.send_message(QueueUrl=self.url, MessageBody=text)

    def work(self) -> int:
        """Let the function take what is there; how many come back."""
        found = self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        if not found:
            return 0
        records = [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for each in found
        ]
        answer = self._world.function("feedback").handler({"Records": records}, None)
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for each in found:
            if each["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return len(failed)

    def tell(self, *events: Any) -> int:
        """SES told this, and the function takes it; how many come back."""
        self.put(*events)
        return self.work()

    def dead(self) -> list[str]:
        """What is among the dead letters."""
        self._sqs.receive_message(QueueUrl=self.url)  # the queue looks at a message when it is asked for one
        found = self._sqs.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [each["Body"] for each in found.get("Messages", [])]


@pytest.fixture
def queue(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    queue = Queue(world)
    world.deploy(feedback_queue_url=queue.url, spool_queue_url="")  # of a spool the function has none

    def at_once(params: dict[str, Any], **_: Any) -> None:
        queue.waits.append(params["VisibilityTimeout"])
        params["VisibilityTimeout"] = 0

    hooks = world.deployment._queue_client.meta.events
    hooks.register("provide-client-params.sqs.ChangeMessageVisibility", at_once)
    yield queue
    hooks.unregister("provide-client-params.sqs.ChangeMessageVisibility", at_once)


# --- what goes wrong --------------------------------------------------------------------------------------------------

SENSELESS: Final = {
    "no JSON": "{",
    "hello from somebody else": "Successfully something",
    "a list": "[]",
    "nothing": "{}",
    "half a surrogate": '{"eventType": "\\ud800"}',
    "nested beyond reading": "[" * 100_000,
    "a bounce of no mail": json.dumps({"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}}),
    "a bounce of no kind": json.dumps({**ses.bounce(ANN, at=1, brand="demo"), "bounce": {}}),
    "a bounce of an unknown kind": json.dumps(ses.bounce(ANN, at=1, brand="demo", kind="Immense")),
    "a bounce of nobody": json.dumps(ses.bounce(at=1, brand="demo")),
    "a complaint of nobody": json.dumps(ses.complaint(at=1, brand="demo")),
    "a complaint of people without address": json.dumps(
        {**ses.complaint(at=1, brand="demo"), "complaint": {"complainedRecipients": [{}, 7, None]}}
    ),
    "a subscription without preferences": json.dumps(
        {**ses.subscription(ANN, at=1, brand="demo"), "subscription": None}
    ),
    "a subscription of nobody": json.dumps(
        {**ses.subscription(ANN, at=1), "mail": {"tags": {"brand": ["demo"]}, "destination": []}}
    ),
}


@pytest.mark.parametrize("text", SENSELESS.values(), ids=SENSELESS)
def test_an_event_that_makes_no_sense_spoils_no_other_and_ends_among_the_dead_letters(
    world: World, queue: Queue, text: str
) -> None:
    assert queue.tell(text, ses.bounce(BOB, at=world.now, brand="demo")) == 1
    assert world.consent(BOB).registers == {"bounce": world.now}
    for _ in range(PATIENCE - 1):
        assert queue.work() == 1
    assert queue.dead() == [text]
    assert queue.work() == 0
    assert queue.waits == []


def test_of_an_event_that_is_understood_in_part_that_part_counts(world: World, queue: Queue) -> None:
    event = ses.bounce(ANN, BOB, CAROL, at=world.now, brand="demo")
    del event["bounce"]["bouncedRecipients"][1]["emailAddress"]
    assert queue.tell(event) == 1
    assert [world.consent(each).registers for each in (ANN, BOB, CAROL)] == [
        {"bounce": world.now},
        {},
        {"bounce": world.now},
    ]


def test_while_the_table_is_away_events_wait_longer_and_longer_and_none_is_lost(world: World, queue: Queue) -> None:
    queue.put(ses.complaint(ANN, at=world.now, brand="demo"))
    with world.table_unavailable():
        for _ in range(PATIENCE - 1):
            assert queue.work() == 1
    assert queue.waits == [60, 120, 240]
    world.now += HOUR
    assert queue.work() == 0
    assert world.consent().registers == {"complaint": world.now - HOUR}
    assert queue.dead() == []


def test_an_event_that_cannot_even_be_put_off_comes_back(world: World, queue: Queue) -> None:
    queue.put(ses.complaint(ANN, at=world.now, brand="demo"))
    with (
        world.table_unavailable(),
        calls.answering(world.deployment._queue_client, "ChangeMessageVisibility", "InternalError"),
    ):
        assert queue.work() == 1
    assert queue.work() == 0
    assert world.consent().registers == {"complaint": world.now}


def test_without_the_keyring_nobody_can_be_told_and_the_event_comes_back(world: World, queue: Queue) -> None:
    event = ses.complaint(ANN, at=world.now, brand="demo")
    world.deploy()
    with calls.failing(world.deployment._client("secretsmanager", clients.IMPATIENT), "InternalServiceError"):
        assert queue.tell(event) == 1
    assert queue.waits == [60]
    assert queue.work() == 0
    assert world.consent().registers == {"complaint": world.now}


def test_no_log_names_anybody_whatever_happens(
    world: World,
    queue: Queue,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with world.table_unavailable():
        queue.tell(ses.complaint(ANN, at=world.now, brand="demo"))
    without = ses.bounce(ANN, BOB, at=world.now, brand="demo")
    del without["bounce"]["bouncedRecipients"][1]["emailAddress"]
    of_nobody = {"eventType": ANN, "notificationType": BOB, "mail": {"tags": {"brand": [CAROL]}}}
    queue.tell(without, of_nobody, ANN, ses.reject(ANN, at=world.now), ses.bounce("ann@", at=world.now, brand="demo"))
    everything = "".join([logged.getvalue(), *capfd.readouterr(), caplog.text])
    assert "mail rejected" in everything
    for part in (ANN, BOB, CAROL, world.subscriber_id(), "192.0.2.0"):
        assert part not in everything
    assert not re.search(r"\bann\b", everything)


# --- what counts ------------------------------------------------------------------------------------------------------


def test_a_complaint_ends_all_mail_and_stands_in_the_ledger(world: World, queue: Queue) -> None:
    world.subscribed("news")
    assert queue.tell(ses.complaint(ANN, at=world.now - SECOND, brand="demo")) == 0
    assert (world.decision("news"), world.decision("product")) == ("complaint", "complaint")
    event = world.events()[-1]
    told = {name: event[name]["S"] for name in ("kind", "channel", "actor", "source")}
    assert told == {"kind": "complained", "channel": "feedback", "actor": "provider", "source": "ses"}
    assert int(event["occurred_at"]["N"]) == world.now - SECOND
    assert world.intact()


def test_a_permanent_bounce_ends_all_mail_until_a_fresh_opt_in(world: World, queue: Queue) -> None:
    world.subscribed("news")
    queue.tell(ses.bounce(ANN, at=world.now, brand="demo"))
    assert world.decision() == "bounce"
    world.now += DAY
    world.happened({"in.news": world.now})
    assert (world.decision("news"), world.decision("product")) == ("subscribed", "bounce")


@pytest.mark.parametrize(
    "event",
    [
        ses.bounce(ANN, at=1, brand="demo", kind="Transient"),
        ses.bounce(ANN, at=1, brand="demo", kind="Undetermined"),
        ses.complaint(ANN, at=1, brand="demo", feedback="not-spam"),
        ses.reject(ANN, at=1, brand="demo"),
        ses.subscription(ANN, at=1, brand="demo", topics=[("unheard-of", "OptIn")]),
        {"eventType": "Delivery", "mail": ses.mail(ANN, at=1, brand="demo"), "delivery": {}},
        {"eventType": "DeliveryDelay", "mail": ses.mail(ANN, at=1, brand="demo")},
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
        ses.HELLO,
    ],
    ids=[
        "transient bounce", "undetermined bounce", "not spam", "reject", "opt-in to nothing of ours", "delivery",
        "delay", "hello of an identity", "hello",
    ],
)  # fmt: skip
def test_what_means_nothing_for_consent_changes_nothing_and_is_done_with(
    world: World, queue: Queue, logged: io.StringIO, event: Any
) -> None:
    assert queue.tell(event) == 0
    assert world.items() == []
    assert json.loads(logged.getvalue().splitlines()[-1])["counts"] == {"ignored": 1}


def test_a_mail_that_ses_rejects_is_told_to_the_operator(world: World, queue: Queue, logged: io.StringIO) -> None:
    queue.tell(ses.reject(ANN, at=world.now, brand="demo"))
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    [rejected] = [line for line in lines if line["message"] == "mail rejected"]
    assert (rejected["level"], rejected["brands"]) == ("ERROR", ["demo"])


def test_whoever_leaves_many_topics_at_once_on_sess_own_page_has_left_each(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than an expression has room for, so that what is held is read first."""
    demo = world.deployment.brands.get("demo")
    assert demo
    topics = {f"topic-{at}": demo.topics["news"]._replace(id=f"topic-{at}") for at in range(100)}
    monkeypatch.setitem(world.deployment.brands._brands, "demo", demo._replace(topics=topics, webhooks={}))
    event = ses.subscription(ANN, at=world.now, brand="demo", topics=[(topic, "OptOut") for topic in topics])
    assert queue.tell(event) == 0
    assert world.consent().registers == {f"out.{topic}": world.now for topic in topics}
    assert world.intact()


@pytest.mark.parametrize("email", ["ann..lee@docomo.example", "Ann <ann..lee@docomo.example>"])
def test_a_bounce_at_an_address_that_no_parser_likes_counts(world: World, queue: Queue, email: str) -> None:
    assert queue.tell(ses.bounce(email, at=world.now, brand="demo")) == 0
    assert world.consent("ann..lee@docomo.example").registers == {"bounce": world.now}


def test_an_address_that_cannot_be_read_is_counted_and_spoils_no_other(
    world: World, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert queue.tell(ses.bounce("very private", BOB, at=world.now, brand="demo")) == 0
    assert world.consent(BOB).registers == {"bounce": world.now}
    told = capsys.readouterr().out
    (line,) = [line for line in map(json.loads, told.splitlines()) if line["message"] == "unreadable address"]
    assert (line["Unreadable"], line["provider"], line["brand"]) == (1, "ses", "demo")
    assert "private" not in told


def test_who_leaves_on_sess_page_has_left(world: World, queue: Queue) -> None:
    world.subscribed("news", "offers")
    queue.tell(ses.subscription(ANN, world.now, topics=[("news", "OptOut"), ("offers", "OptIn")]))
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    queue.tell(ses.subscription(ANN, world.now + SECOND, everything=True))
    assert world.status(topic="offers") == "unsubscribed"
    assert world.events()[-1]["actor"] == {"S": "provider"}


def test_an_opt_in_on_sess_page_lifts_no_opt_out(world: World, queue: Queue) -> None:
    world.happened({"out.news": world.now - DAY})
    assert queue.tell(ses.subscription(ANN, world.now, topics=[("news", "OptIn")])) == 0
    assert world.status() == "unsubscribed"


def test_a_brand_that_maps_nothing_has_its_topics_under_their_own_names(world: World, queue: Queue) -> None:
    world.subscribed("news", brand="other")
    sender = "Other Press <post@other.example>"
    queue.tell(ses.subscription(ANN, world.now, topics=[("news", "OptOut")], sender=sender))
    assert world.events()[-1]["topics"] == {"S": "news"}
    assert world.status(brand="other") == "unsubscribed"


# --- whose mail it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "brand"),
    [
        ("hello@meadow.example", "demo"),
        ("Meadow & Finch <hello@meadow.example>", "demo"),
        ('"Finch, <Meadow>" <HELLO@Meadow.Example>', "demo"),
        ("=?utf-8?q?Post?= <post@other.example>", "other"),
    ],
)
def test_a_platforms_own_mail_is_the_brands_that_sends_under_its_address(
    world: World, queue: Queue, sender: str, brand: str
) -> None:
    assert queue.tell(ses.bounce(ANN, at=world.now, sender=sender)) == 0
    assert [item["pk"]["S"].split("#")[1] for item in world.events()] == [brand]


def test_the_headers_tell_whose_a_mail_is_that_went_out_through_another_mailbox(world: World, queue: Queue) -> None:
    event = ses.bounce(ANN, at=world.now)
    event["mail"]["source"] = "bounces@mail.meadow.example"
    queue.tell(event)
    assert world.consent().registers == {"bounce": world.now}


def test_our_tag_counts_before_the_sender(world: World, queue: Queue) -> None:
    queue.tell(ses.bounce(ANN, at=world.now, brand="other"))
    assert [item["pk"]["S"].split("#")[1] for item in world.events()] == ["other"]


@pytest.mark.parametrize("tag", ["acme", "", "demo "])
def test_somebody_elses_tag_of_that_name_counts_for_nothing(world: World, queue: Queue, tag: str) -> None:
    event = ses.bounce(ANN, at=world.now, sender="post@other.example")
    event["mail"]["tags"]["brand"] = [tag]
    queue.tell(event)
    assert {item["pk"]["S"].split("#")[1] for item in world.events()} == {"demo" if tag == "demo " else "other"}


def test_a_mail_of_nobody_here_is_ignored(world: World, queue: Queue, logged: io.StringIO) -> None:
    assert queue.tell(ses.complaint(ANN, at=world.now, sender="news@elsewhere.example")) == 0
    assert world.items() == []
    assert json.loads(logged.getvalue())["counts"] == {"ignored": 1}


def test_brands_that_share_a_sender_both_hear_of_it(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = world.deployment.brands.get("demo")
    assert demo
    twin = demo._replace(id="twin")
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": demo, "twin": twin})
    queue.tell(ses.complaint(ANN, at=world.now))
    assert {item["pk"]["S"].split("#")[1] for item in world.events()} == {"demo", "twin"}


# --- order and repetition ---------------------------------------------------------------------------------------------


def test_an_event_that_comes_twice_is_recorded_once(world: World, queue: Queue) -> None:
    event = ses.complaint(ANN, at=world.now, brand="demo")
    queue.tell(event, event)
    queue.tell(event)
    assert len(world.events()) == 1
    assert world.intact()


def test_the_webhook_and_the_feedback_may_both_tell_the_same(world: World, queue: Queue) -> None:
    key = world.api_key()
    said = {"event_id": "1", "kind": "bounced", "email": ANN, "occurred_at": ses.iso(world.now)}
    world.api("POST", "/v1/events", {"events": [said]}, key=key)
    queue.tell(ses.bounce(ANN, at=world.now, brand="demo"))
    assert len(world.events()) == 1


def test_events_in_the_wrong_order_end_in_the_same_state(world: World, queue: Queue) -> None:
    told = [ses.bounce(each, at=world.now - ago, brand="demo") for each in (ANN, BOB) for ago in (HOUR, 0, DAY)]
    queue.tell(*told[:3], *reversed(told[3:]))
    assert world.consent(ANN).registers == world.consent(BOB).registers == {"bounce": world.now}


# --- confirmation emails ----------------------------------------------------------------------------------------------


def test_after_a_bounce_of_a_confirmation_mail_no_other_goes_there_for_a_day(world: World, queue: Queue) -> None:
    form = {"email": ANN, "topics": "news"}
    world.post("/s/demo", form)
    world.now += SECOND
    queue.tell(ses.bounce(ANN, at=world.now, brand="demo"))
    world.now += DAY - 1
    world.post("/s/demo", form)
    assert world.consent().registers["ask.news"] == world.now - DAY - SECOND + 1, "the second request left no trace"
    world.now += 1
    world.post("/s/demo", form)
    assert world.consent().registers["ask.news"] == world.now


def warned(logged: io.StringIO) -> list[str]:
    """The brands whose confirmation emails were complained of."""
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    return [line["brand"] for line in lines if line["message"] == "complaint about a mail of ours"]


def test_a_complaint_about_a_confirmation_mail_is_told_once(world: World, queue: Queue, logged: io.StringIO) -> None:
    event = ses.complaint(ANN, at=world.now, brand="demo")
    queue.tell(event)
    queue.tell(event)
    assert warned(logged) == ["demo"]


@pytest.mark.parametrize(
    "how",
    [{"brand": ""}, {"feedback": "not-spam"}, {"subtype": "OnAccountSuppressionList"}],
    ids=["a platform's mail", "not spam", "a mail that SES kept back"],
)
def test_what_is_no_complaint_about_a_confirmation_mail_is_not_told_as_one(
    world: World, queue: Queue, logged: io.StringIO, how: dict[str, Any]
) -> None:
    queue.tell(ses.complaint(ANN, at=world.now, **{"brand": "demo", **how}))
    assert warned(logged) == []
