"""What SES tells of emails, through the deployed stack: from the topic to the decision that a platform gets."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from support import ses
from support.waiting import eventually


@pytest.fixture
def someone() -> str:
    """An address that nobody else in this run has."""
    return f"{uuid.uuid4().hex[:12]}@example.com"


def publish(stack: Any, said: Any) -> None:
    """SES tells the topic of the stack's own configuration set."""
    text = said if isinstance(said, str) else json.dumps(said)
    stack.client("sns").publish(TopicArn=stack.output("FeedbackTopicArn"), Message=text)


def decision(stack: Any, email: str, topic: str, brand: str = "demo") -> tuple[bool, str]:
    """Whether a platform may mail somebody, and why."""
    body = {"topic": topic, "emails": [email]}
    [found] = stack.api("POST", "/v1/decisions", body, brand=brand).json()["decisions"]
    return found["allowed"], found["reason"]


def ledger(stack: Any, email: str, brand: str = "demo") -> dict[str, Any]:
    """Somebody's ledger, as a platform reads it."""
    subscriber_id = stack.api("POST", "/v1/subscribers/lookup", {"email": email}, brand=brand).json()["subscriber_id"]
    found: dict[str, Any] = stack.api("GET", f"/v1/subscribers/{subscriber_id}/ledger", brand=brand).json()
    return found


def test_a_complaint_about_a_platforms_mail_ends_its_mail_and_the_platform_hears_of_it(
    stack: Any, someone: str
) -> None:
    assert decision(stack, someone, "product") == (True, "opt_out_topic")
    event = ses.complaint(someone, at=time.time_ns() // 1_000_000)
    publish(stack, "{")
    publish(stack, ses.HELLO)
    for _ in range(2):
        publish(stack, event)
    eventually(lambda: decision(stack, someone, "product"), lambda found: found == (False, "complaint"))
    held = ledger(stack, someone)
    assert [(each["kind"], each["channel"], each["actor"]) for each in held["events"]] == [
        ("complained", "feedback", "provider")
    ]
    assert held["intact"] is True

    def heard() -> list[tuple[str, str]]:
        told = [json.loads(each["body"])["data"] for each in stack.call("GET", stack.told["notifications_url"]).json()]
        subscriber_id = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()["subscriber_id"]
        return [(each["kind"], each["channel"]) for each in told if each["subscriber_id"] == subscriber_id]

    assert eventually(heard, bool) == [("complained", "feedback")]


@pytest.mark.parametrize(("mailbox", "kind"), [("bounce", "bounced"), ("complaint", "complained")])
def test_a_confirmation_mail_that_comes_to_nothing_is_the_last_one_for_a_day(
    stack: Any, mailbox: str, kind: str
) -> None:
    """Emails to SES's mailbox simulator bounce, or are complained of; nobody had to set anything up."""
    address = f"{mailbox}+{uuid.uuid4().hex[:12]}@simulator.amazonses.com"
    form = {"email": address, "topics": "news"}
    assert stack.call("POST", "/s/demo", form=form).status == 200
    assert stack.mail_to(address)
    eventually(lambda: decision(stack, address, "product"), lambda found: found == (False, mailbox))
    assert [(each["kind"], each["channel"]) for each in ledger(stack, address)["events"]] == [
        ("asked", "page"),
        (kind, "feedback"),
    ]
    assert stack.call("POST", "/s/demo", form=form).status == 200
    assert len(ledger(stack, address)["events"]) == 2
    assert len(stack.mails_to(address)) == 1


def test_an_event_goes_to_the_brand_whose_sender_it_names(stack: Any, someone: str) -> None:
    sender = "Other Press <post@other.example>"
    stack.api("POST", "/v1/events", {"events": [claim(someone)]}, brand="other")
    assert decision(stack, someone, "news", "other") == (True, "subscribed")
    publish(stack, ses.bounce(someone, at=time.time_ns() // 1_000_000, sender=sender))
    eventually(lambda: decision(stack, someone, "news", "other"), lambda found: found == (False, "bounce"))
    assert decision(stack, someone, "product") == (True, "opt_out_topic")


def claim(email: str) -> dict[str, Any]:
    """A platform says that somebody subscribed."""
    at = "2026-01-02T03:04:05Z"
    return {"event_id": "1", "kind": "claimed", "email": email, "topics": ["news"], "occurred_at": at}
