"""What SES publishes through SNS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from consentry.http import outgoing
from consentry.http.outgoing import UnreachableError
from consentry.providers import Call, UnreadableError, UnsignedError, sns
from consentry.providers.sns import fetch as real_fetch
from consentry.rules.brands import Webhook
from support import hooks
from support.hooks import ARN, AT, NOW

HOST = "https://sns.us-east-1.amazonaws.com"
SETUP = Webhook(hooks.TOPICS, (ARN,))
CONFIRM = {
    "Type": "SubscriptionConfirmation",
    "Token": "2336412f37",
    "Message": "You have chosen to subscribe",
    "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&TopicArn={ARN}&Token=2336412f37",
}

ELSEWHERE = [
    "https://evil.example/SimpleNotificationService-0a1b2c.pem",
    "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem",
    "ftp://sns.us-east-1.amazonaws.com/a.pem",
    "file:///etc/passwd.pem",
    "HTTPS://sns.us-east-1.amazonaws.com/a.pem",
    "//sns.us-east-1.amazonaws.com/a.pem",
    "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
    "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
    "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
    "https://user@sns.us-east-1.amazonaws.com/a.pem",
    "https://user:pass@sns.us-east-1.amazonaws.com/a.pem",
    "https://sns.us-east-1.amazonaws.com:443/a.pem",
    "https://sns.us-east-1.amazonaws.com:8443/a.pem",
    "https://sns.us-east-1.amazonaws.com\\@evil.example/a.pem",
    "https://sns.us-east-1.amazonaws.com\t.evil.example/a.pem",
    "https://sns.us-east-1.amazonaws.com/a\n.pem",
    "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
    "https://sns.us-east-1.amazonaws.com/a.pem#.pem",
    "https://sns.us-east-1.amazonaws.com/../a.pem",
    "https://sns.us-east-1.amazonaws.com/%2e%2e/a.pem",
    "https://sns.us-east-1.amazonaws.com/a.txt",
    "https://sns.us-east-1.amazonaws.com",
    "https://sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.s3-us-west-2.amazonaws.com/a.pem",
    "https://sns.s3.amazonaws.com/a.pem",
    "https://xsns.us-east-1.amazonaws.com/a.pem",
    "https://sns.us-east-1.amazonaws.com.cn/a.pem",
    "https://SNS.us-east-1.amazonaws.com/a.pem",
    "https://ѕns.us-east-1.amazonaws.com/a.pem",  # a Cyrillic s
    "https://sns.us-east-1。amazonaws.com/a.pem",
    "https://sns.us‑east‑1.amazonaws.com/a.pem",
    "https://127.0.0.1/a.pem",
    "https://169.254.169.254/latest/meta-data/a.pem",
    "https://[::1]/a.pem",
    "https://2130706433/a.pem",
    "",
]


@pytest.fixture
def fetched(desk: Any) -> list[str]:
    """What was fetched in this test; nothing is remembered from others."""
    sns._keys.clear()
    desk.fetched.clear()
    found: list[str] = desk.fetched
    return found


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_the_signature_verify(desk: Any, version: str) -> None:
    desk.verify("sns", hooks.send("sns", {"eventType": "Send"}, version=version))


def test_a_subject_is_signed_too(desk: Any) -> None:
    sent = hooks.send("sns", {}, Subject="Amazon SES")
    desk.verify("sns", sent)
    assert desk.refuses("sns", sent._replace(body=sent.body.replace(b"Amazon SES", b"Amazon SEX")))


@pytest.mark.parametrize("name", ["Message", "MessageId", "Timestamp", "Type"])
def test_a_changed_message_is_refused(desk: Any, name: str) -> None:
    body = json.loads(hooks.send("sns", {}).body)
    body[name] = {"Timestamp": hooks.iso(NOW + 1), "Type": "UnsubscribeConfirmation"}.get(name, "another")
    assert desk.refuses("sns", hooks.Sent("/", {}, json.dumps(body).encode()))


@pytest.mark.parametrize("version", ["", "0", "3", None, 2.0, []])
def test_an_unknown_version_is_refused(desk: Any, version: object) -> None:
    body = json.loads(hooks.send("sns", {}).body)
    assert desk.refuses("sns", hooks.Sent("/", {}, json.dumps({**body, "SignatureVersion": version}).encode()))


def test_the_certificate_is_fetched_once(desk: Any, fetched: list[str]) -> None:
    for _ in range(3):
        desk.verify("sns", hooks.send("sns", {}))
    assert fetched == [hooks.CERTIFICATE_URL]


def test_certificates_are_not_kept_without_end(desk: Any, fetched: list[str]) -> None:
    for at in range(40):
        desk.verify("sns", hooks.send("sns", {}, SigningCertURL=f"{HOST}/Simple-{at}.pem"))
    assert len(fetched) == 40
    assert len(sns._keys) <= 16


def test_lambdas_spelling_of_the_certificates_place_is_known(desk: Any) -> None:
    body = json.loads(hooks.send("sns", {}).body)
    body["SigningCertUrl"] = body.pop("SigningCertURL")
    desk.verify("sns", hooks.Sent("/", {}, json.dumps(body).encode()))


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_certificate_from_elsewhere_is_never_fetched(desk: Any, fetched: list[str], url: str) -> None:
    assert desk.refuses("sns", hooks.send("sns", {}, SigningCertURL=url))
    assert fetched == []


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sns:us-east-1:000000000000:another",
        "arn:aws:sns:us-east-1:111111111111:demo-ses-events",
        "arn:aws:sns:eu-west-1:000000000000:demo-ses-events",
        ARN.upper(),
        "",
        None,
        [ARN],
    ],
)
def test_another_sns_topic_is_refused_before_anything_is_fetched(desk: Any, fetched: list[str], arn: object) -> None:
    sent = hooks.send("sns", {}, TopicArn=arn)
    assert desk.refuses("sns", sent)
    assert fetched == []


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        ("arn:aws:sns:eu-central-1:000000000000:x", "sns.eu-central-1.amazonaws.com"),
        ("arn:aws-us-gov:sns:us-gov-west-1:000000000000:x", "sns.us-gov-west-1.amazonaws.com"),
        ("arn:aws-cn:sns:cn-north-1:000000000000:x", "sns.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_region_of_the_listed_topic_names_the_host(desk: Any, fetched: list[str], arn: str, host: str) -> None:
    url = f"https://{host}/Simple-1.pem"
    desk.verify("sns", hooks.send("sns", {}, TopicArn=arn, SigningCertURL=url), setup=Webhook({}, (arn,)))
    assert fetched == [url]


@pytest.mark.parametrize("region", ["s3-us-west-2", "x", "us-east-1.evil", "us_east_1"])
def test_a_listed_topic_of_no_real_region_fetches_nothing(desk: Any, fetched: list[str], region: str) -> None:
    arn = f"arn:aws:sns:{region}:000000000000:x"
    sent = hooks.send("sns", {}, TopicArn=arn, SigningCertURL=f"https://sns.{region}.amazonaws.com/a.pem")
    assert desk.refuses("sns", sent, setup=Webhook({}, (arn,)))
    assert fetched == []


def test_what_lies_there_must_be_a_certificate(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sns._keys.clear()
    monkeypatch.setattr(sns, "fetch", lambda _: b"<html>")
    assert desk.refuses("sns", hooks.send("sns", {}))
    sns._keys.clear()


@pytest.mark.parametrize(("status", "error"), [(302, UnsignedError), (404, UnsignedError), (503, UnreachableError)])
def test_only_a_200_is_taken(monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]) -> None:
    monkeypatch.setattr(outgoing, "get", lambda _: (status, b"x"))
    with pytest.raises(error, match="answered"):
        real_fetch(f"{HOST}/a.pem")


def test_a_subscription_is_confirmed_at_the_signed_url(desk: Any) -> None:
    sent = hooks.send("sns", {}, **CONFIRM)
    desk.verify("sns", sent)
    assert sns.translate(desk.call(sent), SETUP).fetch == CONFIRM["SubscribeURL"]


@pytest.mark.parametrize("url", [*ELSEWHERE, f"{HOST}/x?Action=ConfirmSubscription", f"{HOST}/?a b"])
def test_a_confirmation_elsewhere_is_not_followed(url: str) -> None:
    sent = hooks.send("sns", {}, **{**CONFIRM, "SubscribeURL": url})
    with pytest.raises(UnreadableError):
        sns.translate(Call("POST", {}, {}, sent.body, ()), SETUP)


def test_the_confirmation_of_an_unlisted_topic_is_not_followed() -> None:
    sent = hooks.send("sns", {}, **CONFIRM)
    with pytest.raises(UnsignedError):
        sns.translate(Call("POST", {}, {}, sent.body, ()), Webhook({}, ()))


def test_a_changed_confirmation_is_refused(desk: Any) -> None:
    sent = hooks.send("sns", {}, **CONFIRM)
    assert desk.refuses("sns", sent._replace(body=sent.body.replace(b"Token=2336412f37", b"Token=0000000000")))


@pytest.mark.parametrize(
    "event",
    [
        {
            "eventType": "Bounce",
            "bounce": {"bounceType": "Transient", "bouncedRecipients": [{"emailAddress": "a@b.example"}]},
        },
        {"eventType": "Bounce"},
        {"eventType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam", "complainedRecipients": [{}]}},
        {"eventType": "Delivery"},
        {"eventType": "Subscription", "subscription": {}},
        {},
        [],
        7,
    ],
)
def test_other_events_are_ignored(desk: Any, event: object) -> None:
    reading = desk.read("sns", event)
    assert (reading.reports, reading.ignored) == ([], 1)


def test_a_hello_in_plain_text_is_ignored(desk: Any) -> None:
    sent = hooks.send("sns", {}, Message="Successfully validated SNS topic for Amazon SES event publishing.")
    desk.verify("sns", sent)
    reading = sns.translate(desk.call(sent), SETUP)
    assert (reading.ignored, reading.unclear) == (1, 0)


def test_an_event_that_was_cut_is_told(desk: Any) -> None:
    sent = hooks.send("sns", {}, Message='{"eventType":"Complaint","complaint":{')
    reading = sns.translate(desk.call(sent), SETUP)
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


def test_everybody_in_a_bounce_is_reported(desk: Any) -> None:
    event = hooks.saying("sns", "bounced")
    event["bounce"]["bouncedRecipients"] = [{"emailAddress": "a@x.example"}, {}, {"emailAddress": "b@x.example"}]
    assert [report.email for report in desk.read("sns", event).reports] == ["a@x.example", "", "b@x.example"]


def test_preferences_name_what_is_left_and_what_is_kept(desk: Any) -> None:
    event = hooks.saying("sns", "unsubscribed")
    statuses = [("news", "OptOut"), ("offers", "OptIn"), ("unknown", "OptOut")]
    event["subscription"]["newTopicPreferences"]["topicSubscriptionStatus"] = [
        {"topicName": name, "subscriptionStatus": status} for name, status in statuses
    ]
    left, kept = desk.read("sns", event).reports
    assert (left.kind, left.topics, left.occurred_at) == (ReportKind.UNSUBSCRIBED, ("news",), AT)
    assert (kept.kind, kept.topics) == (ReportKind.CLAIMED, ("offers",))


def test_leaving_everything_is_leaving_everything(desk: Any) -> None:
    event = hooks.saying("sns", "claimed")
    event["subscription"]["newTopicPreferences"]["unsubscribeAll"] = True
    (report,) = desk.read("sns", event).reports
    assert (report.kind, report.topics) == (ReportKind.UNSUBSCRIBED, ())


@pytest.mark.parametrize("odd", [[], {}, 1, None, True])
def test_a_message_of_no_type_is_refused_and_no_fault_of_ours(desk: Any, odd: object) -> None:
    sent = hooks.send("sns", hooks.saying("sns", "bounced"))
    body = json.dumps(json.loads(sent.body) | {"Type": odd}).encode()
    with pytest.raises(UnsignedError):
        sns.verify(Call("POST", {}, {}, body, ()), SETUP, {}, NOW)


@pytest.mark.parametrize("people", [None, [], {}, "ann@example.com"])
def test_a_bounce_of_nobody_is_counted(desk: Any, people: object) -> None:
    event = hooks.saying("sns", "bounced")
    event["bounce"]["bouncedRecipients"] = people
    reading = desk.read("sns", event)
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


@pytest.mark.parametrize("part", ["mail", "preferences"])
def test_preferences_without_a_person_or_without_preferences_are_counted(desk: Any, part: str) -> None:
    event = hooks.saying("sns", "unsubscribed")
    if part == "mail":
        event["mail"]["destination"] = []
    else:
        del event["subscription"]["newTopicPreferences"]
    reading = desk.read("sns", event)
    assert (reading.reports, reading.ignored, reading.unclear) == ([], 1, 1)


def test_a_complaint_that_is_none_of_the_known_is_a_complaint(desk: Any) -> None:
    event = hooks.saying("sns", "complained")
    event["complaint"]["complaintFeedbackType"] = "opt-out-list"
    assert [report.kind for report in desk.read("sns", event).reports] == [ReportKind.COMPLAINED]
