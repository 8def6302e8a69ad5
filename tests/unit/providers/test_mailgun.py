"""Mailgun's webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support import hooks


def test_another_token_or_timestamp_is_refused(desk: Any) -> None:
    sent = hooks.send("mailgun", hooks.saying("mailgun", "unsubscribed"))
    for name, value in (("token", "x" * 50), ("timestamp", "1800000001"), ("signature", "0" * 64), ("signature", None)):
        body = json.loads(sent.body)
        body["signature"][name] = value
        assert desk.refuses("mailgun", sent._replace(body=json.dumps(body).encode()))


def test_the_timestamp_may_be_a_number(desk: Any) -> None:
    body = json.loads(hooks.send("mailgun", {}).body)
    body["signature"]["timestamp"] = int(body["signature"]["timestamp"])
    desk.verify("mailgun", hooks.Sent("/", {}, json.dumps(body).encode()))


def test_the_token_may_come_only_once(desk: Any) -> None:
    said = hooks.saying("mailgun", "unsubscribed")
    assert desk.read("mailgun", said, token="t" * 50).once == "t" * 50
    assert desk.read("mailgun", {"event": "delivered"}, token="u" * 50).once == "u" * 50


@pytest.mark.parametrize(
    "event",
    [
        {"event": "failed", "severity": "temporary"},
        {"event": "failed"},
        {"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"},
        {"event": "failed", "severity": "permanent", "reason": "suppress-complaint"},
        {"event": "delivered"},
        {"event": "opened"},
        {},
        None,
        [],
    ],
)
def test_other_events_are_ignored(desk: Any, event: object) -> None:
    reading = desk.read("mailgun", {**event, "recipient": "ann@example.com"} if isinstance(event, dict) else event)
    assert (reading.reports, reading.ignored) == ([], 1)


def test_a_mailing_list_maps_as_a_tag_does(desk: Any) -> None:
    event = {**hooks.saying("mailgun", "unsubscribed"), "tags": [], "mailing-list": {"address": "newsletter"}}
    assert desk.read("mailgun", event).reports[0].topics == ("news",)
