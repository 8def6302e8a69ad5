"""Klaviyo's system webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from consentry.providers import UnreadableError
from support import hooks
from support.hooks import NOW


@pytest.mark.parametrize(
    "timestamp",
    [
        "1800000000",
        "1800000000000",
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:00:00Z",
        "Fri, 15 Jan 2027 08:00:00 GMT",
    ],
)
def test_the_timestamp_is_read_in_each_form(desk: Any, timestamp: str) -> None:
    said = hooks.saying("klaviyo", "unsubscribed")
    del said["meta"]["timestamp"]
    sent = hooks.send("klaviyo", {**said, "meta": None}, timestamp=timestamp)
    assert desk.verify("klaviyo", sent, NOW + 299_000) == NOW + 299_000
    assert desk.verify("klaviyo", sent, NOW + 301_000) == NOW


def test_a_header_that_is_hours_ahead_is_signed_and_says_nothing_of_the_age(desk: Any) -> None:
    """As it was seen: 03:50:12 GMT in the header, 22:50:12 UTC in the body, received 18 s later."""
    ahead = "Fri, 15 Jan 2027 13:00:00 GMT"
    sent = hooks.send("klaviyo", hooks.saying("klaviyo", "unsubscribed"), NOW - 18_000, timestamp=ahead)
    assert desk.verify("klaviyo", sent) == NOW
    assert desk.refuses("klaviyo", sent._replace(headers={**sent.headers, "Klaviyo-Timestamp": "1800000000"}))


@pytest.mark.parametrize("timestamp", ["soon", "١٨٠٠٠٠٠٠٠٠", "1800000000.5", "Fri, 99 Jan 2027", "0", "9" * 30])
def test_an_unreadable_timestamp_is_refused(desk: Any, timestamp: str) -> None:
    assert desk.refuses("klaviyo", hooks.send("klaviyo", {}, timestamp=timestamp))


def test_another_webhooks_id_is_refused(desk: Any) -> None:
    sent = hooks.send("klaviyo", hooks.saying("klaviyo", "unsubscribed"))
    assert desk.refuses("klaviyo", sent._replace(headers={**sent.headers, "Klaviyo-Webhook-Id": "whk_2"}))


@pytest.mark.parametrize("kind", ["Soft", "soft bounce", "", None, 7])
def test_a_bounce_that_is_not_hard_is_ignored(desk: Any, kind: object) -> None:
    said = hooks.saying("klaviyo", "bounced")
    said["data"][0]["payload"]["data"]["attributes"]["event_properties"]["Bounce Type"] = kind
    reading = desk.read("klaviyo", said)
    assert (reading.reports, reading.ignored) == ([], 1)


def test_without_a_profile_the_events_own_address_counts(desk: Any) -> None:
    said = hooks.saying("klaviyo", "complained")
    del said["data"][0]["payload"]["included"]
    properties = said["data"][0]["payload"]["data"]["attributes"]["event_properties"]
    properties["Recipient Email Address"] = "bob@example.com"
    assert desk.read("klaviyo", said).reports[0].email == "bob@example.com"


def test_the_address_may_stand_among_the_events_properties_alone(desk: Any) -> None:
    said = hooks.saying("klaviyo", "unsubscribed")
    del said["data"][0]["payload"]["included"]
    properties = said["data"][0]["payload"]["data"]["attributes"]["event_properties"]
    properties["email_address"] = "bob@example.com"
    assert desk.read("klaviyo", said).reports[0].email == "bob@example.com"


def test_without_seconds_the_written_instant_counts(desk: Any) -> None:
    said = hooks.saying("klaviyo", "complained")
    del said["data"][0]["payload"]["data"]["attributes"]["timestamp"]
    assert desk.read("klaviyo", said).reports[0].occurred_at == hooks.AT


def test_an_opt_out_that_names_no_list_is_from_everything(desk: Any) -> None:
    said = hooks.saying("klaviyo", "unsubscribed")
    said["data"][0]["payload"]["data"]["attributes"]["event_properties"] = {}
    (report,) = desk.read("klaviyo", said).reports
    assert (report.kind, report.topics) == (ReportKind.UNSUBSCRIBED, ())


def event(topic: str, properties: object, **payload: object) -> dict[str, Any]:
    """As events come of which the profile isn't included."""
    attributes = {"timestamp": hooks.AT // 1000, "event_properties": properties}
    profile = {"profile": {"data": {"id": "01PROFILE", "type": "profile"}}}
    made = {"data": {"type": "event", "attributes": attributes, "relationships": profile}, **payload}
    return {"data": [{"topic": f"event:klaviyo.{topic}", "external_id": "e", "payload": made}], "meta": {}}


@pytest.mark.parametrize("included", [{}, {"included": None}, {"included": []}, {"included": [{"type": "metric"}]}])
def test_whoever_is_suppressed_by_hand_has_left(desk: Any, included: dict[str, object]) -> None:
    properties = {"method": "API", "email_address": "bob@example.com", "method_detail": "clerk@shop.example"}
    (report,) = desk.read("klaviyo", event("manually_suppressed_from_email_marketing", properties, **included)).reports
    assert (report.kind, report.email, report.topics) == (ReportKind.UNSUBSCRIBED, "bob@example.com", ())
    assert report.occurred_at == hooks.LEFT_AT


@pytest.mark.parametrize(
    "name", ["$email", "email", "Email", "Email Address", "email_address", "Recipient Email Address"]
)
def test_the_address_is_known_however_its_property_is_spelt(desk: Any, name: str) -> None:
    properties = {"e-mail": None, "method_detail": "clerk@shop.example", name: "bob@example.com", "E_MAIL": ""}
    (report,) = desk.read("klaviyo", event("marked_email_as_spam", properties)).reports
    assert report.email == "bob@example.com"


@pytest.mark.parametrize("properties", [None, {}, {"method_detail": "clerk@shop.example"}, {"email_address": None}, []])
def test_an_opt_out_without_an_address_is_reported_as_nobodys(desk: Any, properties: object) -> None:
    (report,) = desk.read("klaviyo", event("unsubscribed_from_email_marketing", properties)).reports
    assert (report.kind, report.email) == (ReportKind.UNSUBSCRIBED, "")


@pytest.mark.parametrize("topic", ["event:api.viewed_product", "event:shopify.placed_order"])
def test_an_accounts_own_metrics_are_not_unknown(desk: Any, topic: str) -> None:
    said = hooks.saying("klaviyo", "unsubscribed")
    reading = desk.read("klaviyo", {**said, "data": [{**said["data"][0], "topic": topic}]})
    assert (reading.reports, reading.ignored, reading.unknown) == ([], 1, 0)


@pytest.mark.parametrize("topic", ["event:klaviyo.opened_email", "bounced_email", "event:klaviyo.", "", None, 7])
def test_other_events_are_ignored(desk: Any, topic: object) -> None:
    said = hooks.saying("klaviyo", "unsubscribed")
    reading = desk.read("klaviyo", {**said, "data": [{**said["data"][0], "topic": topic}, None]})
    assert (reading.reports, reading.ignored) == ([], 2)


def test_a_batch_is_read_to_its_end(desk: Any) -> None:
    items = [hooks.saying("klaviyo", "unsubscribed", f"p{at}@example.com")["data"][0] for at in range(1000)]
    assert len(desk.read("klaviyo", {"data": items}).reports) == 1000


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": None}, []])
def test_a_body_without_events_is_unreadable(desk: Any, body: object) -> None:
    with pytest.raises(UnreadableError):
        desk.read("klaviyo", body)
