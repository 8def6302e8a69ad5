"""No email too many: the breaker, cooldowns, and what a day holds."""

from __future__ import annotations

import io
import json
import os

import pytest

from consentry.rules.brands import Bounds
from consentry.rules.ledger import Kind
from support import calls
from support.mailroom import ANN, Mailroom
from support.world import HOUR, SECOND


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
