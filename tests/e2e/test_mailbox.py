"""Leaving by mail, on the running stack: bucket, queue, function and table, with the permissions of the template."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import boto3
import pytest

from support.inbound_emails import feedback_report, marketing, message, signed
from support.waiting import eventually


@pytest.fixture
def someone() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def mint(stack: Any, address: str) -> Any:
    return stack.api("POST", "/v1/links", {"topic": "news", "recipients": [{"email": address}]}).json()["links"][0]


def address_of(minted: Any) -> str:
    """What the header offers beside the link."""
    (address,) = re.findall("<mailto:([^?>]*)", minted["headers"]["List-Unsubscribe"])
    return str(address)


def written_by_a_mail_program(minted: Any) -> bytes:
    """What a click on the header's `mailto:` sends."""
    _, mailto = (way.strip("<> ") for way in minted["headers"]["List-Unsubscribe"].split(","))
    to, _, subject = mailto.removeprefix("mailto:").partition("?subject=")
    return message(subject=subject, to=to)


def kept(stack: Any) -> int:
    """How many emails are in the bucket."""
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.told["aws_endpoint_url"],
        region_name=stack.told["region"],
        aws_access_key_id="000000000000",
        aws_secret_access_key="local",
    )
    return len(s3.list_objects_v2(Bucket=stack.told["inbound_bucket"]).get("Contents", ()))


def test_an_empty_mail_is_refused_at_the_door(stack: Any) -> None:
    assert stack.call("POST", stack.told["inbound_url"], body=b"").status == 400


def test_somebody_leaves_by_the_mail_that_their_program_sends(stack: Any, someone: str) -> None:
    minted = mint(stack, someone)
    answer = stack.call("POST", stack.told["inbound_url"], body=written_by_a_mail_program(minted))
    assert answer.status == 202
    assert eventually(lambda: stack.status(someone), lambda status: status == "unsubscribed")
    told = stack.api("GET", f"/v1/subscribers/{minted['subscriber_id']}/ledger").json()
    [event] = told["events"]
    assert (event["kind"], event["channel"], event["actor"]) == ("unsubscribed", "mailto", "recipient")
    assert event["source"] == "mailbox spf=pass dkim=pass dmarc=pass spam=pass"
    assert told["intact"] is True
    assert eventually(lambda: kept(stack), lambda mails: mails == 0) == 0


@pytest.mark.parametrize("subject", ["", "Please take me off", "Re: unsubscribe"])
@pytest.mark.parametrize("spelt", [str.lower, str.upper])
def test_whatever_the_subject_says_the_address_that_the_header_offers_is_enough(
    stack: Any, someone: str, subject: str, spelt: Any
) -> None:
    raw = message(subject=subject, to=spelt(address_of(mint(stack, someone))))
    answer = stack.call("POST", stack.told["inbound_url"], body=raw)
    assert answer.status == 202
    assert eventually(lambda: stack.status(someone), lambda status: status == "unsubscribed")


def test_a_mail_that_means_nothing_goes_and_changes_nothing(stack: Any, someone: str) -> None:
    minted = mint(stack, someone)
    head = "Auto-Submitted: auto-replied\n"
    away = message(head, "I am away.", subject="Automatic reply: unsubscribe", to=address_of(minted))
    assert stack.call("POST", stack.told["inbound_url"], body=away).status == 202
    assert eventually(lambda: kept(stack), lambda mails: mails == 0) == 0
    assert stack.status(someone) == "none"


def test_a_feedback_report_is_a_complaint(stack: Any, someone: str) -> None:
    minted = mint(stack, someone)
    raw = feedback_report(marketing(minted["headers"]["List-Unsubscribe"]))
    assert stack.call("POST", stack.told["inbound_url"], body=raw).status == 202

    def events() -> Any:
        return stack.api("GET", f"/v1/subscribers/{minted['subscriber_id']}/ledger").json()["events"]

    [event] = eventually(events, bool)
    assert (event["kind"], event["channel"], event["actor"]) == ("complained", "feedback", "provider")
    assert stack.api("GET", f"/v1/subscribers/{minted['subscriber_id']}").json()["suppressed"] is True


def test_somebody_leaves_everything_by_a_mail_without_a_token(stack: Any, someone: str) -> None:
    minted = mint(stack, someone)
    raw = signed(author=f"Ann <{someone}>", date=format_datetime(datetime.now(UTC)), bare=True)
    refused = raw.replace(b"h=from:to", b"h=from")
    for each in (refused, b"Authentication-Results: amazonses.com; dkim=pass; dmarc=fail\n" + raw):
        assert stack.call("POST", stack.told["inbound_url"], body=each).status == 202
    assert eventually(lambda: kept(stack), lambda mails: mails == 0) == 0
    assert stack.status(someone) == "none"
    assert stack.call("POST", stack.told["inbound_url"], body=raw).status == 202
    assert eventually(lambda: stack.status(someone), lambda status: status == "unsubscribed")
    told = stack.api("GET", f"/v1/subscribers/{minted['subscriber_id']}/ledger").json()
    [event] = told["events"]
    assert (event["kind"], event["channel"], event["topics"]) == ("unsubscribed_by_sender", "mailto", ["*"])
    assert (event["actor"], event["link"], told["intact"]) == ("recipient", "", True)
    records = stack.api("GET", f"/v1/subscribers/{minted['subscriber_id']}/record").json()["records"]
    assert {each["event_state"] for record in records for each in record["events"]} == {"consent withdrawn"}
