"""HubSpot's webhooks, signature version 3."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from consentry.providers import Call, UnreadableError, UnsignedError, hubspot
from consentry.providers.payload import ON_ARRIVAL
from consentry.rules.brands import Webhook
from support import hooks
from support.hooks import AT, NOW

PATH = "/hooks/demo/hubspot"


def said(desk: Any, body: object) -> list[tuple[ReportKind, tuple[str, ...]]]:
    return [(report.kind, report.topics) for report in desk.read("hubspot", body).reports]


def test_the_signed_uri_has_some_characters_decoded(desk: Any) -> None:
    called = f"{PATH}?a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B%20%25&b=%3a"
    signed = f"https://links.example.com{PATH}?a=:/?@!$'()*,;%20%25&b=:"
    desk.verify("hubspot", hooks.send("hubspot", [], path=called, signed=signed))
    assert desk.refuses("hubspot", hooks.send("hubspot", [], path=called, signed=signed.replace("%20", " ")))


def test_a_uri_signed_as_it_was_called_counts_too(desk: Any) -> None:
    desk.verify("hubspot", hooks.send("hubspot", [], path=f"{PATH}?a=%40"))


@pytest.mark.parametrize("url", [f"https://other.example.com{PATH}", f"http://links.example.com{PATH}", PATH])
def test_a_call_that_was_signed_for_another_place_is_refused(desk: Any, url: str) -> None:
    assert desk.refuses("hubspot", hooks.send("hubspot", [], signed=url))


def test_the_method_is_signed(desk: Any) -> None:
    assert desk.refuses("hubspot", hooks.send("hubspot", []), method="PUT")


def test_an_opt_out_of_a_contact_is_from_everything(desk: Any) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed")
    assert said(desk, [{**event, "propertyName": "hs_email_optout"}]) == [(ReportKind.UNSUBSCRIBED, ())]
    assert said(desk, [{**event, "propertyName": "hs_email_optout", "propertyValue": True}]) == [
        (ReportKind.UNSUBSCRIBED, ())
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ann@example.com", "hs_email_optout_4517084": "true"},
        {"properties": {"email": {"value": "ann@example.com"}, "hs_email_optout_4517084": {"value": "true"}}},
        {"objectId": 1, "properties": {"email": "ann@example.com", "hs_email_optout_4517084": True}},
    ],
)
def test_a_workflow_step_sends_the_contact(desk: Any, body: dict[str, Any]) -> None:
    (report,) = desk.read("hubspot", body).reports
    assert (report.kind, report.email, report.topics) == (ReportKind.UNSUBSCRIBED, "ann@example.com", ("news",))
    assert report.occurred_at == ON_ARRIVAL


def test_an_opt_out_without_an_address_is_reported_as_nobodys(desk: Any) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed", email="")
    (report,) = desk.read("hubspot", [event]).reports
    assert (report.kind, report.email) == (ReportKind.UNSUBSCRIBED, "")


@pytest.mark.parametrize("signed_for", ["https://links.example.com", "https://x1.execute-api.example.com"])
def test_a_call_to_either_host_that_leads_here_is_believed(signed_for: str) -> None:
    urls = (f"https://links.example.com{PATH}?a=%40", f"https://x1.execute-api.example.com{PATH}?a=%40")
    sent = hooks.send("hubspot", [], path=f"{PATH}?a=%40", signed=f"{signed_for}{PATH}?a=@")
    headers = {name.lower(): value for name, value in sent.headers.items()}
    call = Call("POST", headers, {}, sent.body, urls)
    assert hubspot.verify(call, Webhook({}), hooks.secrets_of("hubspot"), NOW) == NOW
    with pytest.raises(UnsignedError):
        hubspot.verify(call._replace(urls=urls[:0]), Webhook({}), hooks.secrets_of("hubspot"), NOW)


def test_a_privacy_deletion_asks_for_erasure(desk: Any) -> None:
    event = {"subscriptionType": "contact.privacyDeletion", "occurredAt": AT, "objectId": 7}
    reading = desk.read("hubspot", [event, {**event, "email": "ann@example.com"}])
    assert (reading.reports, reading.erase, reading.ignored, reading.unclear) == ([], ("ann@example.com",), 1, 1)


@pytest.mark.parametrize("kind", ["contact.propertyChange", "object.propertyChange"])
def test_both_generations_of_subscriptions_are_read(desk: Any, kind: str) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed")
    assert said(desk, [{**event, "subscriptionType": kind}]) == [(ReportKind.UNSUBSCRIBED, ("news",))]


@pytest.mark.parametrize("value", ["TRUE", "True", True])
def test_true_is_true_in_upper_case(desk: Any, value: object) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed")
    assert said(desk, [{**event, "propertyValue": value}]) == [(ReportKind.UNSUBSCRIBED, ("news",))]


@pytest.mark.parametrize("value", ["maybe", "1", 7])
def test_an_opt_out_that_is_neither_true_nor_false_is_counted(desk: Any, value: object) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed")
    reading = desk.read("hubspot", [{**event, "propertyValue": value}])
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"propertyName": "firstname"},
        {"propertyName": "hs_email_optout_x"},
        {"propertyName": "xhs_email_optout"},
        {"propertyValue": "maybe"},
        {"propertyValue": None},
        {"subscriptionType": "contact.creation", "propertyName": None},
    ],
)
def test_other_events_are_ignored(desk: Any, change: dict[str, Any]) -> None:
    (event,) = hooks.saying("hubspot", "unsubscribed")
    reading = desk.read("hubspot", [{**event, **change}, None, 7])
    assert (reading.reports, reading.ignored) == ([], 3)


@pytest.mark.parametrize("body", [7, "x", None])
def test_neither_array_nor_object_is_unreadable(desk: Any, body: object) -> None:
    with pytest.raises(UnreadableError):
        desk.read("hubspot", body)


def test_what_cannot_be_told_of_a_contact_spoils_nothing_else_of_it(desk: Any) -> None:
    contact = {"email": "ann@example.com", "hs_email_optout_1": "perhaps", "hs_email_optout_4517084": "true"}
    reading = desk.read("hubspot", {**contact, "hs_email_optout_2": ""})
    assert [(report.kind, report.topics) for report in reading.reports] == [(ReportKind.UNSUBSCRIBED, ("news",))]
    assert (reading.ignored, reading.unclear) == (0, 1)


@pytest.mark.parametrize("properties", [{}, {"firstname": "Ann"}, {"hs_email_optout": ""}, {"hs_email_optout": None}])
def test_a_workflow_step_that_sends_no_opt_out_is_counted(desk: Any, properties: dict[str, Any]) -> None:
    """Whoever set it up forgot the properties: nobody who leaves would be known."""
    reading = desk.read("hubspot", {"email": "ann@example.com", "properties": properties})
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)
