"""Standard Webhooks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from consentry.actions.reports import ReportKind
from consentry.providers import UnreadableError
from consentry.providers.payload import ON_ARRIVAL
from consentry.rules import brands
from support import hooks
from support.hooks import AT, NOW, Sent

VECTOR = Sent(
    "/hooks/demo/standard",
    {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    b'{"test": 2432232314}',
)
"""As published with the specification."""
SIGNED_AT = 1_614_265_330_000


def test_the_published_vector_verifies(desk: Any) -> None:
    desk.verify("standard", VECTOR, SIGNED_AT)


def test_the_published_vector_is_refused_when_any_of_it_is_changed(desk: Any) -> None:
    for name, value in (("webhook-id", "msg_x"), ("webhook-timestamp", "1614265331"), ("webhook-signature", "v1,x")):
        assert desk.refuses("standard", VECTOR._replace(headers={**VECTOR.headers, name: value}), SIGNED_AT)
    assert desk.refuses("standard", VECTOR._replace(body=b'{"test": 2432232315}'), SIGNED_AT)


def test_what_the_package_signs_verifies(desk: Any) -> None:
    body = json.dumps(hooks.saying("standard", "unsubscribed"))
    signed = Webhook(hooks.SECRETS["standard"]["secret"]).sign("m", datetime.fromtimestamp(NOW / 1000, UTC), body)
    headers = {"webhook-id": "m", "webhook-timestamp": str(NOW // 1000), "webhook-signature": signed}
    desk.verify("standard", Sent("/", headers, body.encode()))


@pytest.mark.parametrize(
    "timestamp", ["1614265330.0", "+1614265330", " 1614265330", "١٦١٤٢٦٥٣٣٠", "1e9", "", "-1", "9" * 40]
)
def test_a_timestamp_that_is_not_plain_digits_is_refused(desk: Any, timestamp: str) -> None:
    headers = {**VECTOR.headers, "webhook-timestamp": timestamp}
    assert desk.refuses("standard", VECTOR._replace(headers=headers), SIGNED_AT)


@pytest.mark.parametrize("signature", ["v1", "v1,", ",", "v2," + "A" * 44, "v1a,x v1", "\ud800", "v1,é"])
def test_a_malformed_signature_is_refused(desk: Any, signature: str) -> None:
    headers = {**VECTOR.headers, "webhook-signature": signature}
    assert desk.refuses("standard", VECTOR._replace(headers=headers), SIGNED_AT)


def test_a_body_that_is_not_text_is_refused(desk: Any) -> None:
    assert desk.refuses("standard", hooks.send("standard", b"\xff"))


def test_topics_are_the_brands_own_or_mapped(desk: Any) -> None:
    said = hooks.saying("standard", "unsubscribed")
    said["data"]["topics"] = ["product", "1002", "Not A Topic", {}, None]
    topics = desk.read("standard", said, brands.Webhook({"1002": ("offers",)})).reports[0].topics
    assert topics == ("product", "offers", "Not A Topic")  # what of it there is, is told where the person is known


def test_an_opt_out_without_topics_is_from_everything(desk: Any) -> None:
    said = hooks.saying("standard", "unsubscribed")
    del said["data"]["topics"]
    assert desk.read("standard", said).reports[0].topics == ()


def test_a_claim_may_name_its_end_and_counts_for_nothing_with_one_that_cannot_be_read(desk: Any) -> None:
    said = hooks.saying("standard", "claimed")
    said["data"]["expires_at"] = "2027-07-15T08:00:00Z"
    assert desk.read("standard", said).reports[0].expires_at == 1_815_638_400_000
    said["data"]["expires_at"] = "soon"
    read = desk.read("standard", said)
    assert (read.reports, read.unclear) == ([], 1)
    left = hooks.saying("standard", "unsubscribed")
    left["data"]["expires_at"] = "soon"
    assert desk.read("standard", left).reports[0].expires_at == 0


def test_a_person_may_be_named_by_id(desk: Any) -> None:
    said = {"type": "consent.bounced", "data": {"subscriber_id": "K9Xdq1X4AVefMXC3P9olGg"}}
    (report,) = desk.read("standard", said).reports
    assert (report.kind, report.email, report.subscriber_id) == (ReportKind.BOUNCED, "", "K9Xdq1X4AVefMXC3P9olGg")
    assert report.occurred_at == ON_ARRIVAL  # none was given: it counts as of its arrival


def test_the_events_instant_counts_before_the_calls(desk: Any) -> None:
    said = hooks.saying("standard", "unsubscribed")
    said["timestamp"] = hooks.iso(NOW)
    assert desk.read("standard", said).reports[0].occurred_at == AT
    said["data"]["occurred_at"] = "yesterday"
    assert desk.read("standard", said).reports[0].occurred_at == NOW


def test_a_reference_is_kept_if_it_is_plain(desk: Any) -> None:
    said = hooks.saying("standard", "unsubscribed")
    for given, kept in (("spring-2027", "spring-2027"), ("a\nb", ""), ("x" * 65, ""), (7, "7")):
        said["data"]["reference"] = given
        assert desk.read("standard", said).reports[0].reference == kept


@pytest.mark.parametrize("kind", ["consent.changed", "unsubscribed", "", None, 7, "consent."])
def test_other_events_are_ignored(desk: Any, kind: object) -> None:
    reading = desk.read("standard", {"type": kind, "data": {"email": "ann@example.com"}})
    assert (reading.reports, reading.ignored) == ([], 1)


def test_a_retry_is_named_as_the_first_try_was(desk: Any) -> None:
    said = hooks.saying("standard", "complained")
    assert desk.read("standard", said).reports[0].event_id == "1"
    del said["data"]["event_id"]
    assert desk.read("standard", said, message_id="msg_7").reports[0].event_id == "msg_7"


def test_an_array_is_not_an_event(desk: Any) -> None:
    with pytest.raises(UnreadableError):
        desk.read("standard", [hooks.saying("standard", "unsubscribed")])
