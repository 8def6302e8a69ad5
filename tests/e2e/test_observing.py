"""What an operator sees of a deployment: alarms, a dashboard, and one request from the click to the webhook."""

from __future__ import annotations

import json
import uuid
from typing import Any

from support.stack import Stack
from support.waiting import eventually


def lines(stack: Stack, function: str, correlation_id: str) -> list[dict[str, Any]]:
    """What a function logged of a request."""
    client = stack.client("logs")
    groups = [group for page in client.get_paginator("describe_log_groups").paginate() for group in page["logGroups"]]
    found = []
    for group in groups:
        if f"{function}Logs" in group["logGroupName"]:
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                texts = [event["message"].strip() for event in page["events"]]
                found += [json.loads(each) for each in texts if each.startswith("{") and correlation_id in each]
    return [each for each in found if each.get("correlation_id") == correlation_id]


def correlation_id(item: dict[str, Any]) -> str:
    return str(item.get("last_event", {}).get("M", item)["correlation_id"]["S"])


def test_an_operator_follows_a_click_to_the_platform_that_was_told(stack: Stack) -> None:
    body = {"topic": "news", "recipients": [{"email": f"{uuid.uuid4().hex[:12]}@example.com"}]}
    (link,) = stack.api("POST", "/v1/links", body).json()["links"]
    claimed = f"made-up-{uuid.uuid4().hex}"
    headers = dict.fromkeys(("x-request-id", "x-correlation-id", "x-amzn-requestid", "x-amzn-trace-id"), claimed)
    one_click = {"body": b"List-Unsubscribe=One-Click", "headers": headers}
    assert stack.call("POST", link["unsubscribe_url"], **one_click).status == 200
    (state,) = [item for item in stack.items(link["subscriber_id"]) if item["sk"]["S"] == "STATE"]
    request = correlation_id(state)

    (act,) = eventually(lambda: lines(stack, "OneClick", request), bool)
    assert {name: act[name] for name in ("message", "channel", "outcome", "kind")} == {
        "message": "act",
        "channel": "one-click",
        "outcome": "applied",
        "kind": "unsubscribed",
    }
    told = eventually(lambda: lines(stack, "Notifier", request), lambda seen: len(seen) > 1)
    assert [(each["message"], each["outcome"]) for each in told] == [
        ("notification queued", "queued"),
        ("notification", "taken"),
    ]
    assert told[1]["NotificationDelay"] >= 0
    assert request != claimed
    stack.noted.note(claimed)  # it may stand in no log, which is searched at the end


def test_an_operator_follows_a_request_to_its_mail(stack: Stack) -> None:
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    assert stack.call("POST", "/s/demo", form={"email": email, "topics": "news"}).status == 200
    assert stack.mail_to(email)
    body = {"topic": "news", "recipients": [{"email": email}]}
    (link,) = stack.api("POST", "/v1/links", body).json()["links"]
    held = {item["sk"]["S"]: item for item in stack.items(link["subscriber_id"])}
    request = correlation_id(held["STATE"])
    assert correlation_id(held["CONTACT"]) == request
    assert [each["message"] for each in lines(stack, "Subscribe", request)] == ["act"]
    told = eventually(lambda: lines(stack, "Courier", request), lambda seen: len(seen) > 1)
    assert {each["message"] for each in told} == {"mail", "mail accepted"}


def test_a_new_deployment_has_its_alarms_and_its_dashboard(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    alarms = {
        each["AlarmArn"]
        for page in cloudwatch.get_paginator("describe_alarms").paginate()
        for each in page["MetricAlarms"]
    }
    assert len(alarms) >= 25
    body = cloudwatch.get_dashboard(DashboardName=stack.output("DashboardName"))["DashboardBody"]
    assert "${" not in body
    widgets = json.loads(body)["widgets"]
    shown = {arn for each in widgets if each["type"] == "alarm" for arn in each["properties"]["alarms"]}
    assert shown
    assert shown <= alarms
    names = {
        each["FunctionName"]
        for page in stack.client("lambda").get_paginator("list_functions").paginate()
        for each in page["Functions"]
    }
    watched = {
        metric[3] for each in widgets for metric in each["properties"].get("metrics", ()) if metric[0] == "AWS/Lambda"
    }
    assert watched
    assert watched <= names
