"""Postmark's webhooks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from support import hooks
from support.hooks import AT, Sent


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "Bearer x",
        "Basic " + base64.b64encode(b"postmark:").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"postmark:alongquietword").decode(),
    ],
)
def test_other_credentials_are_refused(desk: Any, authorization: str) -> None:
    assert desk.refuses("postmark", Sent("/", {"Authorization": authorization}, b"{}"))


def test_the_scheme_is_known_in_any_case(desk: Any) -> None:
    sent = hooks.send("postmark", hooks.saying("postmark", "unsubscribed"))
    desk.verify(
        "postmark", sent._replace(headers={"authorization": sent.headers["Authorization"].replace("B", "b", 1)})
    )


def test_a_spam_complaint_and_a_hard_bounce_of_their_own(desk: Any) -> None:
    record = {"Email": "ann@example.com", "BouncedAt": hooks.iso(AT), "MessageStream": "newsletter"}
    for kind, expected in (("SpamComplaint", ReportKind.COMPLAINED), ("Bounce", ReportKind.BOUNCED)):
        (report,) = desk.read("postmark", {**record, "RecordType": kind, "Type": "HardBounce"}).reports
        assert (report.kind, report.email, report.occurred_at) == (expected, "ann@example.com", AT)


def test_a_suppression_without_a_reason_is_an_opt_out(desk: Any) -> None:
    record = {**hooks.saying("postmark", "unsubscribed"), "SuppressionReason": None}
    assert desk.read("postmark", record).reports[0].kind is ReportKind.UNSUBSCRIBED


def test_a_stream_may_map_to_several_topics(desk: Any) -> None:
    record = {**hooks.saying("postmark", "unsubscribed"), "MessageStream": "broadcast"}
    assert desk.read("postmark", record).reports[0].topics == ("news", "offers")


def test_the_offset_of_an_instant_counts(desk: Any) -> None:
    record = {**hooks.saying("postmark", "unsubscribed"), "ChangedAt": "2027-01-15T09:00:00.1234567+02:00"}
    assert desk.read("postmark", record).reports[0].occurred_at == 1_799_996_400_123


@pytest.mark.parametrize(
    "record",
    [
        {"RecordType": "Bounce", "Type": "SoftBounce"},
        {"RecordType": "Bounce", "Type": "Transient"},
        {"RecordType": "SubscriptionChange"},
        {"RecordType": "SubscriptionChange", "SuppressSending": "true"},
        {"RecordType": "SubscriptionChange", "SuppressSending": 1},
        {"RecordType": "Delivery"},
        {},
    ],
)
def test_other_records_are_ignored(desk: Any, record: dict[str, Any]) -> None:
    reading = desk.read("postmark", {"Email": "ann@example.com", "Recipient": "ann@example.com", **record})
    assert (reading.reports, reading.ignored) == ([], 1)


def bounce(kind: str, **said: Any) -> dict[str, Any]:
    made = {
        "RecordType": "Bounce",
        "MessageStream": "broadcast",
        "Email": "bob@example.com",
        "BouncedAt": hooks.iso(AT),
    }
    return {**made, "Type": kind, **said}


@pytest.mark.parametrize(
    ("kind", "expected", "topics"),
    [
        ("Unsubscribe", ReportKind.UNSUBSCRIBED, ("news", "offers")),
        ("ManuallyDeactivated", ReportKind.UNSUBSCRIBED, ("news", "offers")),
        ("SpamComplaint", ReportKind.COMPLAINED, ()),
        ("BadEmailAddress", ReportKind.BOUNCED, ()),
    ],
)
def test_a_bounce_may_be_somebody_leaving(desk: Any, kind: str, expected: ReportKind, topics: tuple[str, ...]) -> None:
    (report,) = desk.read("postmark", bounce(kind)).reports
    assert (report.kind, report.email, report.topics, report.occurred_at) == (expected, "bob@example.com", topics, AT)


def test_a_bounce_of_a_stream_that_is_not_mapped_leaves_everything(desk: Any) -> None:
    (report,) = desk.read("postmark", bounce("Unsubscribe", MessageStream="outbound")).reports
    assert (report.kind, report.topics) == (ReportKind.UNSUBSCRIBED, ())


@pytest.mark.parametrize("says", [None, "true", 1, [], {}])
def test_a_change_that_does_not_say_which_is_counted(desk: Any, says: object) -> None:
    reading = desk.read("postmark", {**hooks.saying("postmark", "unsubscribed"), "SuppressSending": says})
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)
