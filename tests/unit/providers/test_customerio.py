"""Customer.io's reporting webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from support import hooks


def preferences(topics: object, **content: object) -> dict[str, Any]:
    event: dict[str, Any] = hooks.saying("customerio", "unsubscribed")
    event["data"]["content"] = json.dumps({"topics": topics, **content})
    return event


def said(desk: Any, event: object) -> list[tuple[ReportKind, tuple[str, ...]]]:
    return [(report.kind, report.topics) for report in desk.read("customerio", event).reports]


def test_an_opt_out_is_from_everything(desk: Any) -> None:
    event = {"metric": "unsubscribed", "object_type": "customer", "data": {"email_address": "ann@example.com"}}
    assert said(desk, event) == [(ReportKind.UNSUBSCRIBED, ())]


def test_preferences_say_what_is_left_and_what_is_kept(desk: Any) -> None:
    assert said(desk, preferences({"topic_1": False, "topic_2": True})) == [
        (ReportKind.UNSUBSCRIBED, ("news",)),
        (ReportKind.CLAIMED, ("offers",)),
    ]


def test_a_topic_may_be_mapped_by_its_number_alone(desk: Any) -> None:
    from consentry.rules.brands import Webhook

    (report,) = desk.read("customerio", preferences({"topic_9": False}), Webhook({"9": ("offers",)})).reports
    assert report.topics == ("offers",)


def test_leaving_only_what_is_not_ours_leaves_what_is_kept(desk: Any) -> None:
    assert said(desk, preferences({"topic_99": False, "topic_1": True})) == [(ReportKind.CLAIMED, ("news",))]


def test_leaving_only_what_nobody_mapped_is_leaving_everything(desk: Any) -> None:
    assert said(desk, preferences({"topic_99": False})) == [(ReportKind.UNSUBSCRIBED, ())]


def test_no_mail_at_all_is_leaving_everything(desk: Any) -> None:
    event = preferences({"topic_1": True}, channels={"email": False})
    assert said(desk, event) == [(ReportKind.UNSUBSCRIBED, ())]


@pytest.mark.parametrize("content", [None, "", "{", "[]", "7", 7, {"topics": 7}, "\ud800", json.dumps({"topics": []})])
def test_unreadable_preferences_are_ignored(desk: Any, content: object) -> None:
    event = hooks.saying("customerio", "unsubscribed")
    event["data"]["content"] = content
    reading = desk.read("customerio", event)
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


@pytest.mark.parametrize("content", [{"topics": {"topic_1": "no"}}, {"channels": {"sms": False}}, {"news": False}])
def test_preferences_that_say_nothing_of_topics_or_email_are_counted(desk: Any, content: object) -> None:
    event = hooks.saying("customerio", "unsubscribed")
    event["data"]["content"] = json.dumps(content)
    reading = desk.read("customerio", event)
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


def test_a_topic_of_which_nothing_can_be_told_spoils_no_other(desk: Any) -> None:
    reading = desk.read("customerio", preferences({"topic_1": False, "topic_2": "no"}))
    assert [(report.kind, report.topics) for report in reading.reports] == [(ReportKind.UNSUBSCRIBED, ("news",))]
    assert (reading.ignored, reading.unclear) == (0, 1)


def test_preferences_of_nothing_are_ignored(desk: Any) -> None:
    reading = desk.read("customerio", preferences({}))
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 0)


def test_preferences_may_come_as_an_object(desk: Any) -> None:
    event = hooks.saying("customerio", "unsubscribed")
    event["data"]["content"] = {"topics": {"topic_1": False}}
    assert said(desk, event) == [(ReportKind.UNSUBSCRIBED, ("news",))]


@pytest.mark.parametrize("metric", ["sent", "delivered", "opened", "dropped", "failed", "", None])
def test_other_events_are_ignored(desk: Any, metric: object) -> None:
    assert said(desk, {"metric": metric, "object_type": "email", "data": {"recipient": "ann@example.com"}}) == []


CHANNELS = ["sms", "push", "webhook", "in_app", "slack", "whatsapp"]


@pytest.mark.parametrize("about", CHANNELS)
@pytest.mark.parametrize("kind", ["bounced", "complained"])
def test_what_is_not_about_mail_is_ignored(desk: Any, about: str, kind: str) -> None:
    assert said(desk, {**hooks.saying("customerio", kind), "object_type": about}) == []


@pytest.mark.parametrize("about", CHANNELS)
def test_whoever_leaves_has_left_by_whatever_channel(desk: Any, about: str) -> None:
    event = {"metric": "unsubscribed", "object_type": about, "data": {"identifiers": {"email": "ann@example.com"}}}
    assert said(desk, event) == [(ReportKind.UNSUBSCRIBED, ())]
    assert said(desk, {**preferences({"topic_1": False}), "object_type": about}) == [
        (ReportKind.UNSUBSCRIBED, ("news",))
    ]


@pytest.mark.parametrize(
    ("data", "email"),
    [
        ({"email_address": "a@example.com", "identifiers": {"email": "b@example.com"}}, "a@example.com"),
        ({"recipient": "+4915112345678", "customer_id": "ann@example.com"}, "ann@example.com"),
        ({"recipient": "+4915112345678", "identifiers": {"id": "ann@example.com"}}, "ann@example.com"),
        ({"recipient": "+4915112345678", "customer_id": "42"}, "+4915112345678"),
        ({}, ""),
    ],
)
def test_the_address_is_looked_for_where_it_may_stand(desk: Any, data: dict[str, Any], email: str) -> None:
    (report,) = desk.read("customerio", {"metric": "unsubscribed", "object_type": "sms", "data": data}).reports
    assert report.email == email
