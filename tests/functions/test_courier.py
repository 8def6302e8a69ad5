"""The courier: each request's mail goes out once, whatever the stream, SES and the table do meanwhile."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, Final

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from consentry.http.batches import AllFailedError
from consentry.rules.brands import Bounds, Brands
from consentry.rules.ledger import Kind
from consentry.table.gateway import PermanentFaultError
from consentry.table.outbox import Outbox
from consentry.table.store import COOLDOWN_MS
from dev.emulator.streams import passes
from support import calls
from support.tables import ROOT
from support.world import DAY, HOUR, SECOND, World

ANN: Final = "ann@example.com"
BASE: Final = "https://mail.example.com"
LANGUAGES: Final = {
    "en": "Please confirm",
    "de": "Bitte bestätigen",
    "fr": "confirme",
    "es": "confirm",
    "ar": "تأكيد",
}

HEARS: Final[dict[str, Any]] = loads((ROOT / "template.yaml").read_text())["Resources"]["CourierFunction"][
    "Properties"
]["Events"]["Due"]["Properties"]
"""Which records of the stream Lambda hands to the courier, as the template says."""


class Mailroom:
    """The stream, the queue and the outbox around the courier."""

    def __init__(self, world: World) -> None:
        self.world = world
        for brand in world.deployment.brands:
            world.ses.create_email_identity(EmailIdentity=brand.sender)
        self.queue = world.sqs.create_queue(QueueName="mails", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.delays: list[int] = []
        """What each put-off mail waits for, in seconds; the tests' queue doesn't wait."""
        self._records = 0

    def ask(self, email: str = ANN, *topics: str, lang: str = "en", brand: str = "demo") -> dict[str, Any]:
        """Somebody asks; the stream's record of it."""
        fields = [("email", email), ("lang", lang), *(("topics", each) for each in topics or ("news",))]
        assert self.world.post(f"/s/{brand}", fields).status == 200
        return self.record(email, brand)

    def record(self, email: str = ANN, brand: str = "demo", sk: str = "CONTACT") -> dict[str, Any]:
        """What the stream says of somebody's contact item, or another, as it is now."""
        pk = f"S#{brand}#{self.world.subscriber_id(email, brand)}"
        (image,) = [each for each in self.world.items() if (each["pk"]["S"], each["sk"]["S"]) == (pk, sk)]
        self._records += 1
        return {
            "eventID": f"record-{self._records}",
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "NewImage": image,
                "SequenceNumber": str(self._records),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }

    def stream(self, *records: dict[str, Any]) -> list[str]:
        """Hand records to the courier; those that failed."""
        so_far = len(self.sent)
        try:
            answer = self.world.function("courier").handler({"Records": list(records)}, None)
        except AllFailedError:  # for Lambda: the whole batch comes back
            return [each["dynamodb"]["SequenceNumber"] for each in records]
        sending = len(self.sent) - so_far
        assert sending <= sum(passes(each, HEARS) for each in records), "Lambda would have kept it from the courier"
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def waiting(self) -> list[dict[str, str]]:
        """What is in the queue."""
        found: list[dict[str, str]] = self.world.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages", [])
        return found

    def retry(self) -> list[str]:
        """Let the queue hand everything to the courier; what failed stays in it, and is answered."""
        messages = self.waiting()
        records = [
            {"messageId": each["MessageId"], "body": each["Body"], "eventSource": "aws:sqs", "attributes": {}}
            for each in messages
        ]
        if not records:
            return []
        answer = self.world.function("courier").handler({"Records": records}, None)
        failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
        for each in messages:
            if each["MessageId"] not in failed:
                self.world.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return failed

    @property
    def sent(self) -> list[EmailMessage]:
        """Every email that SES took, oldest first."""
        return [
            email.message_from_string(each.raw_data, policy=email.policy.default)
            for each in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
        ]

    @property
    def raw(self) -> list[str]:
        """The same, as they went out."""
        return [each.raw_data for each in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]

    def refusing(self, *answers: Any) -> Any:
        """SES answers the next emails so."""
        return calls.answering(self.world.deployment.mailer._client, "SendEmail", *answers)


@pytest.fixture
def mailroom(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailroom]:
    """A mailroom with nothing in it."""
    mailroom = Mailroom(world)
    world.deploy(public_url=BASE, mail_queue_url=mailroom.queue)

    def undelayed(params: dict[str, Any], **_: Any) -> None:
        mailroom.delays.append(params.pop("DelaySeconds"))

    hooks = world.deployment._queue_client.meta.events
    hooks.register("provide-client-params.sqs.SendMessage", undelayed)
    yield mailroom
    hooks.unregister("provide-client-params.sqs.SendMessage", undelayed)


# --- what goes wrong --------------------------------------------------------------------------------------------------


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


# --- the breaker ------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_a_minute(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> Mailroom:
    """A mailroom whose brand sends two emails a minute."""
    demo = mailroom.world.deployment.brands.get("demo")
    assert demo
    monkeypatch.setitem(
        mailroom.world.deployment.brands._brands, "demo", demo._replace(limits=Bounds(mails_a_minute=2))
    )
    return mailroom


def test_mails_beyond_what_a_minute_may_have_wait_and_none_is_lost(two_a_minute: Mailroom, logged: io.StringIO) -> None:
    people = [f"person{number}@example.com" for number in range(5)]
    assert two_a_minute.stream(*(two_a_minute.ask(each) for each in people)) == []
    assert [mail["To"] for mail in two_a_minute.sent] == people[:2]
    assert len(two_a_minute.delays) == 3
    assert all(300 < delay <= 900 for delay in two_a_minute.delays)
    for _ in range(2):
        two_a_minute.world.now += 5 * 60 * SECOND
        assert two_a_minute.retry() == []
    assert [mail["To"] for mail in two_a_minute.sent] == people
    assert two_a_minute.waiting() == []
    openings = [line for line in map(json.loads, logged.getvalue().splitlines()) if line["message"] == "breaker open"]
    assert len(openings) == 2
    assert openings[0]["brand"] == "demo"
    assert "@" not in logged.getvalue()
    assert two_a_minute.world.subscriber_id(people[4]) not in logged.getvalue()


def test_a_mail_that_waits_for_the_breaker_never_wears_out_the_queues_patience(two_a_minute: Mailroom) -> None:
    """It comes as a new message each time: the queue counts how often it hands one out, and gives up after 25."""
    people = [f"person{number}@example.com" for number in range(3)]
    two_a_minute.stream(*(two_a_minute.ask(each) for each in people))
    seen = set()
    for _ in range(30):
        (waiting,) = two_a_minute.waiting()
        seen.add(waiting["MessageId"])
        assert two_a_minute.retry() == [], "no failure for the queue to count"
    assert len(seen) == 30
    two_a_minute.world.now += 5 * 60 * SECOND
    two_a_minute.retry()
    assert len(two_a_minute.sent) == 3


def test_a_mail_whose_new_message_cannot_be_sent_keeps_its_old_one(two_a_minute: Mailroom) -> None:
    two_a_minute.stream(*(two_a_minute.ask(f"person{number}@example.com") for number in range(3)))
    with calls.answering(
        two_a_minute.world.deployment._queue_client, "SendMessage", "AWS.SimpleQueueService.NonExistentQueue"
    ):
        assert len(two_a_minute.retry()) == 1
    assert len(two_a_minute.waiting()) == 1


def test_mails_that_wait_together_come_back_apart(two_a_minute: Mailroom) -> None:
    two_a_minute.stream(*(two_a_minute.ask(f"person{number}@example.com") for number in range(10)))
    assert len(set(two_a_minute.delays)) > 4


def test_a_mail_that_waits_for_the_breaker_is_nobodys(two_a_minute: Mailroom) -> None:
    """It isn't claimed: whoever comes when the breaker has closed sends it."""
    two_a_minute.stream(*(two_a_minute.ask(f"person{number}@example.com") for number in range(3)))
    assert two_a_minute.record("person2@example.com")["dynamodb"]["NewImage"]["mail"] == {"S": "due"}


def test_complaints_about_confirmation_mails_slow_the_rest_down_and_stop_nothing(two_a_minute: Mailroom) -> None:
    for at in range(7):
        two_a_minute.world.deployment.breaker.complained("demo", two_a_minute.world.now - at)
    two_a_minute.stream(*(two_a_minute.ask(f"person{number}@example.com") for number in range(3)))
    assert len(two_a_minute.sent) == 1
    two_a_minute.stream(two_a_minute.ask(brand="other"))
    assert len(two_a_minute.sent) == 2, "another brand's mails go on"
    two_a_minute.world.now += 60 * SECOND
    two_a_minute.retry()
    assert len(two_a_minute.sent) == 3, "the next minute has one again"


# --- no mail too many -------------------------------------------------------------------------------------------------


def test_a_record_that_comes_twice_is_one_mail(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    assert mailroom.stream(record) == []
    assert mailroom.stream(record, {**record, "eventID": "another"}) == []
    assert len(mailroom.sent) == 1


def test_of_two_couriers_at_the_same_mail_one_sends_it(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    rival = {**record, "eventID": "another"}

    def overtake() -> None:
        assert mailroom.stream(rival) == []

    with calls.just_before(mailroom.world.table_client, "UpdateItem", overtake):
        assert mailroom.stream(record) == []
    assert len(mailroom.sent) == 1


def test_a_newer_request_takes_the_place_of_an_older_one(mailroom: Mailroom) -> None:
    older = mailroom.ask(ANN, "news")
    mailroom.world.now += HOUR
    newer = mailroom.ask(ANN, "offers")
    assert mailroom.stream(newer) == []
    assert mailroom.stream(older) == []
    (mail,) = mailroom.sent
    assert "Offers" in mail.get_body(("plain",)).get_content()


def test_an_older_request_that_comes_first_sends_nothing_in_the_newers_name(mailroom: Mailroom) -> None:
    older = mailroom.ask(ANN, "news")
    mailroom.world.now += HOUR
    newer = mailroom.ask(ANN, "offers")
    mailroom.stream(older)
    assert mailroom.sent == []
    mailroom.stream(newer)
    assert len(mailroom.sent) == 1


def test_a_mail_of_an_erased_address_is_not_needed(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    mailroom.world.now += SECOND
    mailroom.world.post(mailroom.world.leave_url(), {"scope": "all"})
    assert mailroom.stream(record) == []
    assert mailroom.sent == []
    assert mailroom.waiting() == []


def test_a_mail_of_a_person_who_is_wholly_gone_is_not_needed(mailroom: Mailroom) -> None:
    record = mailroom.ask()
    for item in mailroom.world.items():
        mailroom.world.dynamodb.delete_item(
            TableName=os.environ["TABLE_NAME"], Key={"pk": item["pk"], "sk": item["sk"]}
        )
    assert mailroom.stream(record) == []
    assert mailroom.sent == []


def test_a_mail_of_a_brand_that_is_gone_is_not_needed(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    record = mailroom.ask()
    monkeypatch.setattr(mailroom.world.deployment.brands, "_brands", {})
    assert mailroom.stream(record) == []
    assert mailroom.sent == []


def test_a_record_of_a_mail_that_is_not_due_sends_nothing(mailroom: Mailroom) -> None:
    mailroom.stream(mailroom.ask())
    assert mailroom.stream(mailroom.record()) == []
    assert len(mailroom.sent) == 1


def test_many_people_get_a_mail_each(mailroom: Mailroom) -> None:
    people = [f"person{number}@example.com" for number in range(5)]
    records = [mailroom.ask(each) for each in people]
    assert mailroom.stream(*records) == []
    assert [mail["To"] for mail in mailroom.sent] == people


def test_a_mail_in_the_queue_does_not_go_to_an_address_that_bounced_meanwhile(mailroom: Mailroom) -> None:
    with mailroom.refusing("TooManyRequestsException"):
        mailroom.stream(mailroom.ask())
    mailroom.world.now += SECOND
    mailroom.world.happened({"bounce": mailroom.world.now}, kind=Kind.BOUNCED)
    mailroom.world.now += 60 * SECOND
    assert mailroom.retry() == []
    assert mailroom.sent == []
    assert mailroom.waiting() == []


# --- who gets them already --------------------------------------------------------------------------------------------


def test_somebody_who_asks_for_what_they_get_is_told_so_and_is_asked_nothing(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news", "offers")
    assert mailroom.stream(mailroom.ask(ANN, "news")) == []
    (mail,) = mailroom.sent
    assert mail["Subject"] == "You already get these emails from Meadow & Finch"
    text = text_of(mail)
    assert "/c/" not in text + text_of(mail, "html")
    (link,) = re.findall(rf"{BASE}(/p/\S+)", text)
    assert mailroom.world.get(link).status == 200
    assert mailroom.world.status() == "subscribed"


def test_what_the_visitor_sees_is_the_same_for_who_gets_mails_and_who_does_not(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    form = {"topics": "news"}
    known = mailroom.world.post("/s/demo", form | {"email": ANN})
    unknown = mailroom.world.post("/s/demo", form | {"email": "bob@example.com"})
    assert (known.status, known.body) == (unknown.status, unknown.body)


def test_who_asks_for_one_topic_more_confirms_all_of_them(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    assert "Please confirm" in mailroom.sent[0]["Subject"]


@pytest.mark.parametrize("register", ["complaint", "bounce"])
def test_who_complained_or_bounced_since_confirms_anew(mailroom: Mailroom, register: str) -> None:
    """What they agreed to before doesn't count any more: nothing would be sent to them."""
    mailroom.world.now += 3 * DAY
    mailroom.world.happened({"in.news": mailroom.world.now - 3 * DAY})
    mailroom.world.happened({register: mailroom.world.now - 2 * DAY}, kind=Kind.COMPLAINED)
    mailroom.stream(mailroom.ask())
    assert "Please confirm" in mailroom.sent[0]["Subject"]


def test_who_was_signed_up_by_a_platform_alone_confirms_by_themselves(mailroom: Mailroom) -> None:
    mailroom.world.happened({"claim.news": mailroom.world.now - DAY}, kind=Kind.CLAIMED)
    mailroom.stream(mailroom.ask())
    assert "Please confirm" in mailroom.sent[0]["Subject"]


def test_the_address_is_forgotten_once_that_mail_is_sent_and_three_a_day_still_holds(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    for _ in range(5):
        mailroom.stream(mailroom.ask())
        assert ANN not in json.dumps(mailroom.world.people())
        mailroom.world.now += HOUR
    assert len(mailroom.sent) == 3


def test_a_mail_that_waited_while_its_request_was_confirmed_does_not_go_out_as_another(
    mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping(mailroom.world, monkeypatch)
    with mailroom.refusing("TooManyRequestsException"):
        mailroom.stream(mailroom.ask())
    mailroom.world.happened({"in.news": mailroom.world.now})
    assert mailroom.retry() == []
    assert mailroom.sent == []


# --- who comes back ---------------------------------------------------------------------------------------------------


def come_back(mailroom: Mailroom, email: str = ANN) -> dict[str, Any]:
    """Ann ticks what she left, by a platform's link, and types an address; the stream's record of it."""
    url = mailroom.world.choose_url()
    form = mailroom.world.get(url).page.forms[0]
    fields = [*form.with_values({"topics": ["news", "product"]}), ("email", email)]
    assert mailroom.world.post(url, fields).page.heading == "Check your inbox"
    return mailroom.record(sk="RETURN")


@pytest.mark.parametrize("register", ["out.news", "complaint", "bounce"])
def test_who_wants_back_what_ended_gets_the_link_that_brings_it_back(mailroom: Mailroom, register: str) -> None:
    """Also a moment after a complaint: it takes a link of the person's, and the address is theirs."""
    world = mailroom.world
    world.subscribed("news")
    world.happened({register: world.now - SECOND}, kind=Kind.UNSUBSCRIBED)
    assert mailroom.stream(come_back(mailroom)) == []
    (mail,) = mailroom.sent
    assert mail["To"] == ANN
    assert mail["Subject"] == "Please confirm that you want Meadow & Finch emails again"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert world.decision() != "subscribed", "asking is no proof"
    (link,) = re.findall(rf"{BASE}(/c/\S+)", text_of(mail))
    form = world.get(link).page.forms[0]
    world.now += 5 * SECOND
    assert world.post(link, form.fields).status == 200
    assert world.decision() == "subscribed"
    assert world.intact()


def test_a_way_back_that_was_asked_for_twice_is_one_mail_and_a_confirmation_has_a_cooldown_of_its_own(
    mailroom: Mailroom,
) -> None:
    world = mailroom.world
    world.happened({"out.news": world.now - DAY}, kind=Kind.UNSUBSCRIBED)
    for _ in range(2):
        assert mailroom.stream(come_back(mailroom)) == []
        world.now += SECOND
    assert len(mailroom.sent) == 1
    assert mailroom.stream(mailroom.ask()) == []
    assert [mail["Subject"] for mail in mailroom.sent][1:] == ["Please confirm your subscription to Meadow & Finch"]


def test_who_left_again_before_the_way_back_went_out_gets_none(mailroom: Mailroom) -> None:
    world = mailroom.world
    world.happened({"out.news": world.now - DAY}, kind=Kind.UNSUBSCRIBED)
    record = come_back(mailroom)
    world.now += SECOND
    world.post(world.leave_url(), body="List-Unsubscribe=One-Click")
    assert mailroom.stream(record) == []
    assert mailroom.sent == []


# --- who leaves -------------------------------------------------------------------------------------------------------


def keeping(world: World, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """The brand keeps addresses."""
    demo = world.deployment.brands.get("demo")
    assert demo
    monkeypatch.setitem(world.deployment.brands._brands, "demo", demo._replace(keeps_address=True, **more))


@pytest.fixture
def polite(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> Mailroom:
    """A mailroom whose brand says goodbye; Ann confirmed news and offers a day ago."""
    keeping(mailroom.world, monkeypatch, goodbye_mail=True)
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    mailroom.world.now += 5 * SECOND
    link = re.findall(rf"{BASE}(/c/\S+)", text_of(mailroom.sent[0]))[0]
    fields = mailroom.world.get(link).page.forms[0].fields
    mailroom.world.now += 5 * SECOND
    mailroom.world.post(link, fields)
    assert mailroom.world.status() == "subscribed"
    mailroom.world.now += DAY
    return mailroom


def leaving(mailroom: Mailroom, *how: Any, **more: Any) -> dict[str, Any]:
    """Ann does something with a link; the stream's record of it."""
    (before,) = [each for each in mailroom.world.items() if each["sk"]["S"] == "STATE"]
    assert mailroom.world.post(*how, **more).status == 200
    (after,) = [each for each in mailroom.world.items() if each["sk"]["S"] == "STATE"]
    record = mailroom.record()
    record["eventName"] = "MODIFY"
    record["dynamodb"] |= {
        "Keys": {"pk": after["pk"], "sk": after["sk"]},
        "OldImage": before,
        "NewImage": after,
    }
    return record


def goodbyes(mailroom: Mailroom, record: dict[str, Any]) -> list[EmailMessage]:
    """What goes out when the stream tells of that, and of the email that it makes due."""
    so_far = len(mailroom.sent)
    assert mailroom.stream(record) == []
    for image in [each for each in mailroom.world.items() if each["sk"]["S"] == "GOODBYE"]:
        due = mailroom.record()
        due["dynamodb"] |= {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image}
        assert mailroom.stream(due) == []
    sent = mailroom.sent[so_far:]
    assert passes(record, HEARS) or not sent, "Lambda would have kept it from the courier"
    return sent


def test_who_leaves_by_one_click_is_told_once_where_the_brand_wants_it(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    (mail,) = goodbyes(polite, record)
    assert mail["Subject"] == "You’ve unsubscribed from Meadow & Finch emails"
    text = text_of(mail)
    assert "Newsletter" in text
    assert "Offers" not in text
    assert goodbyes(polite, record) == [], "the stream tells everything twice now and then"
    polite.world.now += SECOND
    again = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    assert goodbyes(polite, again) == [], "who has left can't leave"


def test_who_leaves_everything_among_their_preferences_is_told_so(polite: Mailroom) -> None:
    (mail,) = goodbyes(polite, leaving(polite, polite.world.choose_url(), {"scope": "all"}))
    assert "no longer get newsletters" in text_of(mail)


def test_who_leaves_everything_is_told_so_and_another_goodbye_waits_for_a_day(polite: Mailroom) -> None:
    (mail,) = goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"}))
    assert "no longer get newsletters" in text_of(mail)
    polite.world.now += HOUR
    polite.world.happened({"in.news": polite.world.now})
    polite.world.now += HOUR
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    assert goodbyes(polite, record) == []
    polite.world.now += DAY
    polite.world.happened({"in.news": polite.world.now})
    polite.world.now += HOUR
    assert len(goodbyes(polite, leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click"))) == 1


def test_who_left_by_mistake_can_sign_up_again_at_once(polite: Mailroom) -> None:
    """A goodbye doesn't count as a request: the email to confirm comes without waiting for a cooldown."""
    goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"}))
    polite.world.now += SECOND
    polite.stream(polite.ask())
    assert "Please confirm" in polite.sent[-1]["Subject"]


def test_who_came_back_before_the_goodbye_went_out_gets_none(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    polite.world.happened({"in.news": polite.world.now + 1})
    assert goodbyes(polite, record) == []


def test_a_brand_that_does_not_want_it_sends_no_goodbye(polite: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(polite.world, monkeypatch, goodbye_mail=False)
    assert goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"})) == []


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("complained", "feedback"),
        ("bounced", "feedback"),
        ("unsubscribed", "webhook"),
        ("unsubscribed", "import"),
        ("unsubscribed", "api"),
        ("unsubscribed", "mailto"),
        ("erased", "api"),
    ],
)
def test_what_was_no_press_of_a_button_is_never_answered(polite: Mailroom, kind: str, channel: str) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    record["dynamodb"]["NewImage"]["last_event"]["M"] |= {"kind": {"S": kind}, "channel": {"S": channel}}
    assert goodbyes(polite, record) == []


def test_a_goodbye_that_cannot_be_noted_holds_up_no_other_mail(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    with polite.world.table_unavailable():
        assert polite.stream(record) == []
    assert len(polite.sent) == 1


def test_a_goodbye_that_ses_refuses_waits_in_the_queue_without_an_address(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    with polite.refusing("TooManyRequestsException"):
        assert goodbyes(polite, record) == []
    (waiting,) = polite.waiting()
    assert json.loads(waiting["Body"])[3] == "GOODBYE"
    assert "@" not in waiting["Body"]
    polite.retry()
    assert len(polite.sent) == 2


# --- the email --------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail(mailroom: Mailroom) -> EmailMessage:
    """The email that Ann gets, who asked for news and offers."""
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    (sent,) = mailroom.sent
    return sent


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """One of an email's two bodies."""
    body = mail.get_body((kind,))
    assert body
    return str(body.get_content())


def test_the_mails_headers_are_those_that_the_contract_names(mail: EmailMessage) -> None:
    assert (mail["From"], mail["To"]) == ("Meadow & Finch <hello@meadow.example>", ANN)
    assert mail["Reply-To"] == "people@meadow.example"
    assert mail["Subject"] == "Please confirm your subscription to Meadow & Finch"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert re.fullmatch(r"Meadow & Finch <demo\.[a-z.]+>", mail["List-Id"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Message-ID"]
    assert mail["Date"]
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.defects == []


def test_every_line_of_the_mail_fits_smtp_and_the_unsubscribe_header_is_not_folded(
    mailroom: Mailroom, mail: EmailMessage
) -> None:
    (raw,) = mailroom.raw
    assert max(len(line.encode()) for line in raw.splitlines()) <= 998
    (header,) = [line for line in raw.splitlines() if line.startswith("List-Unsubscribe:")]
    assert header.count("<") == header.count(">") == 2
    assert raw.isascii()


def test_the_mail_has_one_button_and_the_bare_link_and_says_who_asked_and_when(mail: EmailMessage) -> None:
    text, html = text_of(mail), text_of(mail, "html")
    (link,) = re.findall(rf"{BASE}/c/\S+", text)
    assert html.count(f'href="{link}"') == 2
    assert f">{link}</a>" in html
    for body in (text, html):
        assert "15 January 2027 at 08:00 UTC" in body
        assert "ignore this email" in body
        assert "12 Orchard Lane, Bath BA1 1AA" in body
        assert "Newsletter" in body
        assert "Seasonal prices" in body
    assert not re.search(r"<img|<script|<link|url\(", html)


def test_the_mails_links_work(mailroom: Mailroom, mail: EmailMessage) -> None:
    world = mailroom.world
    (link,) = re.findall(rf"{BASE}(/c/\S+)", text_of(mail))
    form = world.get(link).page.forms[0]
    world.now += 5 * SECOND
    world.post(link, form.fields)
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "subscribed")
    web, mailto = re.fullmatch(r"<([^>]+)>, <([^>]+)>", mail["List-Unsubscribe"]).groups()
    assert mailto == f"mailto:unsubscribe@reply.meadow.example?subject={web.rpartition('/')[2]}"
    world.now += DAY
    world.post(web.removeprefix(BASE), body="List-Unsubscribe=One-Click")
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "unsubscribed")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_mail_is_in_the_language_of_the_form(mailroom: Mailroom, lang: str) -> None:
    mailroom.stream(mailroom.ask(lang=lang))
    (mail,) = mailroom.sent
    assert LANGUAGES[lang].casefold() in mail["Subject"].casefold()
    assert mail["Content-Language"] == lang
    html = text_of(mail, "html")
    assert f'<html lang="{lang}" dir="{"rtl" if lang == "ar" else "ltr"}"' in html
    if lang != "en":
        assert "ignore this email" not in html
        assert "ignore this email" not in text_of(mail)
    name = mailroom.world.deployment.brands.get("demo").topic_name("news", lang)
    assert name in html
    assert name in text_of(mail)


def test_a_brand_of_its_own_sends_in_its_own_name(mailroom: Mailroom) -> None:
    mailroom.stream(mailroom.ask(brand="other"))
    (mail,) = mailroom.sent
    assert mail["From"] == "Other Press <post@other.example>"
    assert mail["Reply-To"] is None
    assert "1 Quay Street, Cork" in text_of(mail)


@pytest.mark.parametrize("address", ["Ann.O'Hara+news@example.com", "ann@xn--bcher-kva.example", "a@b.co"])
def test_the_mail_goes_to_the_address_as_it_was_typed(mailroom: Mailroom, address: str) -> None:
    mailroom.stream(mailroom.ask(address))
    (mail,) = mailroom.sent
    assert mail["To"].addresses[0].addr_spec == address


def test_an_address_of_an_internationalised_domain_travels_in_ascii(mailroom: Mailroom) -> None:
    mailroom.stream(mailroom.ask("ann@bücher.example"))
    assert "\nTo: ann@xn--bcher-kva.example" in mailroom.raw[0].replace("\r", "")


def test_a_brands_texts_cannot_add_a_header_or_html(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>"
    demo = mailroom.world.deployment.brands.get("demo")
    assert demo
    topics = {"news": demo.topics["news"]._replace(names={"en": evil})}
    brand = demo._replace(names={"en": evil}, topics=topics, postal_address=evil)
    record = mailroom.ask()
    monkeypatch.setattr(mailroom.world.deployment.brands, "_brands", {each.id: each for each in Brands([brand])})
    assert mailroom.stream(record) == []
    (mail,) = mailroom.sent
    assert mail["Bcc"] is None
    assert mail["To"] == ANN
    assert "Evil" in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "<script" not in text_of(mail, "html")
