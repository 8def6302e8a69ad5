"""Limits on the running stack: its IAM, its engine's view of expressions, its stream and queue."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from support.waiting import eventually

PEOPLE = 10


def aws(stack: Any, service: str) -> Any:
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(
        service, endpoint_url=stack.told["aws_endpoint_url"], region_name=stack.told["region"], **credentials
    )


def minted(stack: Any, emails: list[str]) -> list[dict[str, Any]]:
    body = {"topic": "news", "recipients": [{"email": each} for each in emails]}
    links: list[dict[str, Any]] = stack.api("POST", "/v1/links", body).json()["links"]
    return links


def test_a_fourth_variant_of_a_mailbox_gets_no_mail(stack: Any) -> None:
    mailbox = uuid.uuid4().hex[:12]
    emails = [f"{mailbox}+{at}@gmail.com" for at in range(4)]
    answers = [stack.call("POST", "/s/demo", form={"email": each, "topics": "news"}) for each in emails]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.text.replace(each, "") for answer, each in zip(answers, emails, strict=True)}) == 1
    held = [stack.items(link["subscriber_id"]) for link in minted(stack, emails)]
    assert [bool(items) for items in held] == [True, True, True, False]
    for email in emails[:3]:
        assert stack.mail_to(email)


def test_everybody_for_whom_one_machine_leaves_at_once_has_left(stack: Any) -> None:
    emails = [f"{uuid.uuid4().hex[:12]}@example.com" for _ in range(PEOPLE)]
    links = minted(stack, emails)
    forms = [stack.call("GET", link["unsubscribe_url"]).fields() for link in links]
    time.sleep(1.1)  # a form that comes back sooner is marked for that alone

    def leave(at: int) -> int:
        status: int = stack.call("POST", links[at]["unsubscribe_url"], form=forms[at]).status
        return status

    with ThreadPoolExecutor(PEOPLE) as pool:
        assert set(pool.map(leave, range(PEOPLE))) == {200}
    assert {stack.status(each) for each in emails} == {"unsubscribed"}
    everything = stack.dynamodb.scan(TableName=stack.told["table_name"])["Items"]
    ours = {link["subscriber_id"] for link in links}
    joined = [ours & set(item["who"]["SS"]) for item in everything if item["sk"]["S"] == "BURST"]
    assert joined
    assert all(len(each) <= 3 for each in joined)
    marked = {
        item["pk"]["S"].rpartition("#")[2]
        for item in everything
        if item["pk"]["S"].rpartition("#")[2] in ours and "suspected_automation" in item
    }
    assert not marked & set.union(set(), *joined), "who was among the first three is not marked"


@pytest.fixture
def opened(stack: Any) -> Any:
    """The breaker of `other`, open for the test's time."""
    now = time.time_ns() // 1_000_000
    key = {"pk": {"S": "L#breaker#other"}, "sk": {"S": "OPEN"}}
    table = stack.told["table_name"]
    stack.dynamodb.put_item(TableName=table, Item=key | {"open_until": {"N": str(now + 600_000)}})
    yield
    stack.dynamodb.delete_item(TableName=table, Key=key)


def test_a_mail_that_the_breaker_holds_back_waits_in_the_queue(stack: Any, opened: None) -> None:
    sqs = aws(stack, "sqs")
    (queue,) = [url for url in sqs.list_queues()["QueueUrls"] if "MailQueue" in url]
    names = [f"ApproximateNumberOfMessages{each}" for each in ("", "Delayed", "NotVisible")]

    def waiting() -> int:
        told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(map(int, told.values()))

    before, email = waiting(), f"{uuid.uuid4().hex[:12]}@example.com"
    assert stack.call("POST", "/s/other", form={"email": email}).status == 200
    eventually(waiting, lambda number: number == before + 1)
    assert stack.mails_to(email) == []


def test_an_alarm_tells_of_an_open_breaker(stack: Any) -> None:
    alarms = aws(stack, "cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = [each for each in alarms if each["MetricName"] == "BreakerOpened"]
    functions = aws(stack, "lambda").get_paginator("list_functions").paginate()
    (courier,) = [each for page in functions for each in page["Functions"] if "CourierFunction" in each["FunctionName"]]
    assert alarm["Namespace"] == courier["Environment"]["Variables"]["METRICS_NAMESPACE"]
