"""SendGrid's event webhook."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from sendgrid.helpers.eventwebhook import EventWebhook

from consentry.actions.reports import ReportKind
from consentry.providers import UnreadableError
from consentry.providers.payload import ON_ARRIVAL
from support import hooks

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"


def test_sendgrids_own_library_takes_what_we_take(desk: Any) -> None:
    sent = hooks.send("sendgrid", hooks.saying("sendgrid", "unsubscribed"))
    theirs = EventWebhook(hooks.sendgrid_public_key())
    assert sent.body.endswith(b"\r\n")
    assert theirs.verify_signature(sent.body.decode(), sent.headers[SIGNATURE], sent.headers[TIMESTAMP])
    desk.verify("sendgrid", sent)


def test_the_line_end_of_the_body_counts(desk: Any) -> None:
    sent = hooks.send("sendgrid", hooks.saying("sendgrid", "unsubscribed"))
    assert desk.refuses("sendgrid", sent._replace(body=sent.body.rstrip()))


def test_a_key_of_another_kind_verifies_nothing(desk: Any) -> None:
    import base64

    der = (
        hooks.rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    sent = hooks.send("sendgrid", hooks.saying("sendgrid", "unsubscribed"))
    assert desk.refuses("sendgrid", sent, secrets={"public_key": base64.b64encode(der).decode()})


def test_an_opt_out_from_all_is_from_all_whatever_group_the_mail_had(desk: Any) -> None:
    event = {"event": "unsubscribe", "email": "ann@example.com", "timestamp": 1, "asm_group_id": 1001}
    assert desk.read("sendgrid", [event]).reports[0].topics == ()


def test_a_blocked_mail_is_not_a_bounce(desk: Any) -> None:
    blocked = {"event": "bounce", "type": "blocked", "email": "ann@example.com", "timestamp": 1}
    bounced = {"event": "bounce", "email": "ann@example.com", "timestamp": 1}
    reading = desk.read("sendgrid", [blocked, bounced])
    assert [report.kind for report in reading.reports] == [ReportKind.BOUNCED]
    assert reading.ignored == 1


@pytest.mark.parametrize("name", ["processed", "delivered", "open", "click", "deferred", "dropped", "new one", ""])
def test_other_events_are_ignored(desk: Any, name: str) -> None:
    reading = desk.read("sendgrid", [{"event": name, "email": "ann@example.com", "timestamp": 1}])
    assert (reading.reports, reading.ignored) == ([], 1)


def test_one_bad_item_does_not_spoil_the_rest(desk: Any) -> None:
    (good,) = hooks.saying("sendgrid", "unsubscribed")
    reading = desk.read("sendgrid", [None, 7, [], {}, {"event": ["unsubscribe"]}, good])
    assert len(reading.reports) == 1
    assert reading.ignored == 5


@pytest.mark.parametrize("timestamp", [None, "soon", -1, 0, True, 10**30, [1], "NaN", "Infinity"])
def test_an_event_without_a_readable_instant_counts_as_of_its_arrival(desk: Any, timestamp: object) -> None:
    (event,) = hooks.saying("sendgrid", "unsubscribed")
    (report,) = desk.read("sendgrid", [{**event, "timestamp": timestamp}]).reports
    assert report.occurred_at == ON_ARRIVAL


def test_a_single_event_is_not_a_batch(desk: Any) -> None:
    with pytest.raises(UnreadableError):
        desk.read("sendgrid", hooks.saying("sendgrid", "unsubscribed")[0])


@pytest.mark.parametrize(
    ("reason", "kinds"),
    [
        ("Unsubscribed Address", [ReportKind.UNSUBSCRIBED]),
        ("Spam Reporting Address", [ReportKind.COMPLAINED]),
        ("spam reporting address", [ReportKind.COMPLAINED]),
        ("Bounced Address", [ReportKind.BOUNCED]),
        ("Invalid", [ReportKind.BOUNCED]),
        ("Invalid SMTPAPI header", []),
        ("Spam Content", []),
        ("Recipient List over Package Quota", []),
        (None, []),
    ],
)
def test_mail_that_sendgrid_kept_back_says_why(desk: Any, reason: object, kinds: list[ReportKind]) -> None:
    event = {"event": "dropped", "reason": reason, "email": "ann@example.com", "timestamp": 1}
    assert [report.kind for report in desk.read("sendgrid", [event]).reports] == kinds


@pytest.mark.parametrize(("group", "topics"), [(1001, ("news",)), (9, ()), (None, ())])
def test_what_was_kept_back_of_a_group_is_an_opt_out_from_it(desk: Any, group: object, topics: Any) -> None:
    event = {"event": "dropped", "reason": "Unsubscribed Address", "email": "a@example.com", "asm_group_id": group}
    assert desk.read("sendgrid", [event]).reports[0].topics == topics
