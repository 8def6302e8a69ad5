"""Mailgun's webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.actions.reports import ReportKind
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
        {"event": "failed", "severity": "permanent", "reason": "old"},
        {"event": "failed", "severity": "permanent", "reason": "espblock"},
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


def failed(**said: Any) -> dict[str, Any]:
    return {**hooks.saying("mailgun", "bounced"), **said}


@pytest.mark.parametrize("severity", ["permanent", "temporary", None])
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("suppress-unsubscribe", ReportKind.UNSUBSCRIBED),
        ("suppress-complaint", ReportKind.COMPLAINED),
        ("suppress-bounce", ReportKind.BOUNCED),
    ],
)
def test_mail_that_mailgun_kept_back_says_why_whatever_its_severity(
    desk: Any, severity: str | None, reason: str, kind: ReportKind
) -> None:
    (report,) = desk.read("mailgun", failed(severity=severity, reason=reason)).reports
    assert (report.kind, report.topics) == (kind, ("news",) if kind is ReportKind.UNSUBSCRIBED else ())


@pytest.mark.parametrize("reason", ["", "generic", None])
@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (602, []),
        ("602", []),
        (605, [ReportKind.BOUNCED]),
        (606, [ReportKind.UNSUBSCRIBED]),
        (607, [ReportKind.COMPLAINED]),
        (550, [ReportKind.BOUNCED]),
        ("9" * 5_000, [ReportKind.BOUNCED]),
        (None, [ReportKind.BOUNCED]),
    ],
)
def test_without_a_reason_mailguns_own_code_says_it(desk: Any, reason: str | None, code: object, kinds: Any) -> None:
    said = failed(reason=reason, **{"delivery-status": {"code": code, "message": "Too old"}})
    assert [report.kind for report in desk.read("mailgun", said).reports] == kinds


def test_a_reason_that_says_more_counts_before_the_code(desk: Any) -> None:
    said = failed(reason="bounce", **{"delivery-status": {"code": 602}})
    assert [report.kind for report in desk.read("mailgun", said).reports] == [ReportKind.BOUNCED]
