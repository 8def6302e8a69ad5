"""Leaving by mail, on the running stack: bucket, queue, function and table, with the permissions of the template."""

from __future__ import annotations

import re
import uuid
from typing import Any

import boto3
import pytest

from support.letters import letter
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
    return letter(subject=subject, to=to)


def kept(stack: Any) -> int:
    """How many mails are in the bucket."""
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
    raw = letter(subject=subject, to=spelt(address_of(mint(stack, someone))))
    answer = stack.call("POST", stack.told["inbound_url"], body=raw)
    assert answer.status == 202
    assert eventually(lambda: stack.status(someone), lambda status: status == "unsubscribed")


def test_a_mail_that_means_nothing_goes_and_changes_nothing(stack: Any, someone: str) -> None:
    minted = mint(stack, someone)
    head = "Auto-Submitted: auto-replied\n"
    away = letter(head, "I am away.", subject="Automatic reply: unsubscribe", to=address_of(minted))
    assert stack.call("POST", stack.told["inbound_url"], body=away).status == 202
    assert eventually(lambda: kept(stack), lambda mails: mails == 0) == 0
    assert stack.status(someone) == "none"
