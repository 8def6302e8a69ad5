"""What holds for each provider alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentry import providers
from consentry.actions.reports import Report, ReportKind
from consentry.providers import NAMES, Call, Reading, UnreadableError, UnsignedError, late
from consentry.rules.brands import Webhook
from support import hooks
from support.hooks import AT, LEFT_AT, NOW, Sent

MINUTES = 60_000
DAY = 24 * 60 * MINUTES
TIMED = [name for name in NAMES if name not in {"postmark", "mailchimp"}]
SAYINGS = [(name, kind) for name in NAMES for kind in hooks.SAYS[name]]
FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["ann@example.com", "unsubscribe", "true", hooks.ARN, "consent.unsubscribed", "2027-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "email",
                    "timestamp",
                    "type",
                    "data",
                    "Type",
                    "Message",
                    "TopicArn",
                    "signature",
                    "event-data",
                    "recipient",
                    "metric",
                    "topics",
                    "content",
                    "subscriptionType",
                    "propertyName",
                    "propertyValue",
                    "properties",
                    "topic",
                    "payload",
                    "included",
                    "bounce",
                    "mail",
                    "RecordType",
                    "SuppressSending",
                    "asm_group_id",
                    "token",
                    "eventType",
                    "subscription",
                    "newTopicPreferences",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
header_names = st.sampled_from(
    [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "authorization",
        "x-cio-timestamp",
        "x-cio-signature",
        "klaviyo-timestamp",
        "klaviyo-signature",
        "klaviyo-webhook-id",
        "x-hubspot-signature-v3",
        "x-hubspot-request-timestamp",
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    ]
)
header_values = (
    st.text(max_size=40)
    | st.sampled_from([str(NOW // 1000), str(NOW), "Basic Og==", "v1,", "v1,AAAA", "Thu, 01 Jan 2027 00:00:00 -0000"])
    | st.binary(max_size=20).map(bytes.hex)
)


@pytest.mark.parametrize("provider", NAMES)
def test_a_call_without_signature_is_refused(desk: Any, provider: str) -> None:
    said = json.dumps(hooks.saying(provider, "unsubscribed")).encode()
    body = b'{"event-data": {}}' if provider == "mailgun" else said
    assert desk.refuses(provider, Sent("/hooks/demo/x", {}, body))


@pytest.mark.parametrize("provider", [name for name in NAMES if name != "sns"])
def test_without_secrets_nothing_can_be_verified(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
    assert desk.refuses(provider, sent, secrets={})
    assert desk.refuses(provider, sent, secrets=dict.fromkeys(hooks.secrets_of(provider), " "))


@pytest.mark.parametrize("provider", [name for name in NAMES if name != "sns"])
def test_a_secret_that_cannot_be_used_verifies_nothing(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
    for useless in ("é", "whsec_", "whsec_A", "AAAA", "-----BEGIN"):
        assert desk.refuses(provider, sent, secrets=dict.fromkeys(hooks.secrets_of(provider), useless))


@pytest.mark.parametrize("provider", [name for name in NAMES if name != "sns"])
def test_while_a_secret_is_exchanged_both_count(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
    ((name, value),) = hooks.secrets_of(provider).items()
    other = "whsec_AAAA" if provider == "standard" else "QUFBQQ=="
    desk.verify(provider, sent, secrets={name: f"{value} {other}"})
    desk.verify(provider, sent, secrets={name: f"{other}\n{value}"})


@pytest.mark.parametrize("provider", [name for name in TIMED if name not in {"mailgun", "sns"}])
def test_a_call_with_another_body_is_refused(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
    for body in (sent.body + b" ", sent.body[:-1], sent.body.replace(b"ann@", b"eve@"), b""):
        assert desk.refuses(provider, sent._replace(body=body))


@pytest.mark.parametrize("provider", [name for name in NAMES if name not in {"mailgun", "sns", "mailchimp"}])
def test_a_call_with_one_changed_header_is_refused(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
    for name, value in sent.headers.items():
        changed = value[:-3] + ("xyz" if value[-3:] != "xyz" else "abc")
        later = str(int(value) + 1) if value.isdigit() else changed
        assert desk.refuses(provider, sent._replace(headers={**sent.headers, name: later}))
        assert desk.refuses(provider, sent._replace(headers={**sent.headers, name: ""})) or name.endswith("-Id")


@pytest.mark.parametrize("provider", TIMED)
def test_a_stale_call_is_refused(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"), NOW)
    window = 5 * MINUTES if provider == "standard" else DAY
    desk.verify(provider, sent, NOW + window - 1000)
    assert desk.refuses(provider, sent, NOW + window + 1000)


@pytest.mark.parametrize("provider", [name for name in TIMED if name != "standard"])
def test_a_late_retry_speaks_as_of_when_it_was_signed(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"), NOW)
    window = 65 * MINUTES if provider == "sns" else 5 * MINUTES
    assert desk.verify(provider, sent, NOW + window) == NOW + window
    assert desk.verify(provider, sent, NOW + window + 1000) == NOW


@pytest.mark.parametrize("provider", NAMES)
def test_a_call_that_comes_in_time_speaks_as_of_now(desk: Any, provider: str) -> None:
    assert desk.verify(provider, hooks.send(provider, hooks.saying(provider, "unsubscribed"), NOW)) == NOW


def test_a_late_call_may_end_email_and_nothing_else() -> None:
    left, claimed = Report(ReportKind.UNSUBSCRIBED, AT), Report(ReportKind.CLAIMED, AT, topics=("news",))
    undated, ahead = left._replace(occurred_at=0), left._replace(occurred_at=NOW + 1000)
    within_its_second, as_signed = left._replace(occurred_at=NOW + 999), left._replace(occurred_at=NOW)
    assert late(Reading([left, claimed, undated, ahead, within_its_second], ignored=1), NOW) == Reading(
        [left, as_signed, as_signed, within_its_second], ignored=2
    )
    assert late(Reading([], ignored=1), NOW) == Reading([], ignored=1)
    assert late(Reading([claimed], erase=("ann@example.com",)), NOW).erase
    for reading in (Reading([claimed]), Reading([], fetch="https://sns.us-east-1.amazonaws.com/?x")):
        with pytest.raises(UnsignedError):
            late(reading, NOW)


@pytest.mark.parametrize("provider", TIMED)
def test_a_call_from_the_future_is_refused(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"), NOW)
    desk.verify(provider, sent, NOW - 5 * MINUTES + 1000)
    assert desk.refuses(provider, sent, NOW - 5 * MINUTES - 1000)


@pytest.mark.parametrize(("provider", "kind"), SAYINGS)
def test_each_thing_that_a_provider_says_is_understood(desk: Any, provider: str, kind: str) -> None:
    reading = desk.read(provider, hooks.saying(provider, kind))
    (report,) = reading.reports
    at = LEFT_AT if provider in hooks.TELL_SECONDS and kind != "claimed" else AT
    assert (report.kind, report.email, report.occurred_at) == (ReportKind(kind), "ann@example.com", at)
    if provider != "standard":
        assert report.topics == (("news",) if kind in {"unsubscribed", "claimed"} else ())
    assert reading.ignored == 0


@pytest.mark.parametrize("provider", [name for name in NAMES if "claimed" in hooks.SAYS[name] and name != "standard"])
def test_an_opt_in_to_nothing_of_ours_is_ignored(desk: Any, provider: str) -> None:
    reading = desk.read(provider, hooks.saying(provider, "claimed"), Webhook({"other": ("news",)}, (hooks.ARN,)))
    assert (reading.reports, reading.ignored) == ([], 1)


@pytest.mark.parametrize("provider", [name for name in NAMES if name != "standard"])
def test_an_opt_out_from_something_that_is_not_mapped_is_from_everything(desk: Any, provider: str) -> None:
    (report,) = desk.read(provider, hooks.saying(provider, "unsubscribed"), Webhook({}, (hooks.ARN,))).reports
    assert (report.kind, report.topics) == (ReportKind.UNSUBSCRIBED, ())


@pytest.mark.parametrize("provider", NAMES)
def test_a_signed_body_that_cannot_be_read_is_said_to_be_unreadable(desk: Any, provider: str) -> None:
    sent = hooks.send(provider, b"not what was promised")
    with pytest.raises(UnreadableError):
        desk.take(provider, sent)


@pytest.mark.parametrize("provider", NAMES)
@given(body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()), data=st.data())
@FUZZ
def test_whatever_is_forged_is_refused(desk: Any, provider: str, body: bytes, data: st.DataObject) -> None:
    headers = data.draw(st.dictionaries(header_names, header_values, max_size=4))
    query = data.draw(st.dictionaries(st.just("key"), st.text(max_size=20)))
    call = Call("POST", headers, query, body, ("https://links.example.com/hooks/demo/x",))
    with pytest.raises((UnsignedError, UnreadableError)):
        providers.provider(provider).verify(call, Webhook({}, (hooks.ARN,)), hooks.secrets_of(provider), NOW)


@pytest.mark.parametrize("provider", NAMES)
@given(body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
@FUZZ
def test_no_body_makes_reading_fail_otherwise_than_as_unreadable(provider: str, body: bytes) -> None:
    call = Call("POST", {}, {}, body, ("https://links.example.com/hooks/demo/x",))
    try:
        reading = providers.provider(provider).translate(call, Webhook(hooks.TOPICS, (hooks.ARN,)))
    except (UnreadableError, UnsignedError):
        return
    assert reading.ignored >= 0
    for report in reading.reports:
        assert report.occurred_at >= 0
        json.dumps(report).encode()


@pytest.mark.parametrize("provider", NAMES)
@given(data=st.data())
@FUZZ
def test_odd_values_in_a_known_body_spoil_nothing_else(provider: str, data: st.DataObject) -> None:
    """One field of a body as documented is replaced by anything."""
    said = hooks.saying(provider, "unsubscribed")
    places = list(_places(said))
    place = data.draw(st.sampled_from(places))
    if provider == "mailchimp":
        said = {**said, place[0]: data.draw(st.text(max_size=20))}
    else:
        _replace(said, place, data.draw(json_values))
    sent = hooks.send(provider, said)
    call = Call("POST", {}, {}, sent.body, ("https://links.example.com/hooks/demo/x",))
    try:
        providers.provider(provider).translate(call, Webhook(hooks.TOPICS, (hooks.ARN,)))
    except UnreadableError:
        assert len(place) == 1  # only what holds the whole


def _places(value: Any, at: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from _places(inner, (*at, key))


def _replace(value: Any, place: tuple[Any, ...], by: Any) -> None:
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = by
