"""Webhooks that name nobody, or topics that nobody has."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import Any

import pytest

from consentry import telemetry
from consentry.aws.keyring_document import set_webhook_secrets
from consentry.providers import NAMES
from consentry.rules.ledger import Channel
from support import hooks
from support.hook_events import provider_event
from support.hooks import AT, LEFT_AT, NOW, Sent
from support.reporting import ANN, NOTHING, Post, counts_at, move
from support.world import HOUR

EXPECTED = {
    "unsubscribed": ("unsubscribed", "platform", "out.news"),
    "claimed": ("claimed", "platform", "claim.news"),
    "complained": ("complained", "provider", "complaint"),
    "bounced": ("bounced", "provider", "bounce"),
}
"""Kind, actor and effect of the event that a report makes."""


@pytest.mark.parametrize("provider", NAMES)
def test_whoever_gets_email_can_leave_whatever_a_parser_says_of_their_address(post: Post, provider: str) -> None:
    for email in ("a..b@docomo.ne.jp", ".ab.@docomo.ne.jp", '"a b"@example.com'):
        assert post.say(provider, hooks.saying(provider, "unsubscribed", email)) == {"applied": 1}
        assert post.world.status(email) == "unsubscribed"


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("email", ["very private", "private@example.com, bob@example.com", ""])
def test_an_address_that_nobody_can_read_is_counted_and_logged_without_it(
    post: Post, provider: str, email: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "bounced" if provider == "sns" else "unsubscribed"
    assert post.say(provider, hooks.saying(provider, kind, email)) == {"ignored": 1}
    told = capsys.readouterr().out
    (line,) = [line for line in map(json.loads, told.splitlines()) if line["message"] == "unreadable address"]
    assert (line["Unreadable"], line["provider"], line["brand"]) == (1, provider, "demo")
    assert "private" not in told
    assert post.world.people() == []


def test_an_address_that_nobody_can_read_is_counted_when_it_moves_or_is_to_be_forgotten(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    post.say("mailchimp", move("very private", ANN))
    post.say("hubspot", [{"subscriptionType": "contact.privacyDeletion", "email": "very private"}])
    assert capsys.readouterr().out.count('"unreadable address"') == 2


UNCLEAR: list[tuple[str, Any]] = [
    ("customerio", {"metric": "cio_subscription_preferences_changed", "data": {"email_address": ANN}}),
    ("klaviyo", provider_event("klaviyo", "unsubscribed_from_email_marketing", email="")),
    ("klaviyo", provider_event("klaviyo", "manually_suppressed_from_email_marketing", email="")),
    ("hubspot", provider_event("hubspot", "contact.privacyDeletion", email="")),
    ("hubspot", [{**hooks.saying("hubspot", "unsubscribed")[0], "propertyValue": "perhaps"}]),
    ("mailchimp", {"type": "upemail", "data[old_email]": ANN}),
    ("sns", provider_event("sns", "Bounce Permanent", email="")),
    ("sns", provider_event("sns", "Subscription", email="")),
    ("postmark", {"RecordType": "SubscriptionChange", "Recipient": ANN}),
    ("mailgun", provider_event("mailgun", "failed suppress-unsubscribe", email="")),
    ("sendgrid", provider_event("sendgrid", "dropped Unsubscribed Address", email="")),
]
"""What ought to say something of somebody, and doesn't."""


@pytest.mark.parametrize(("provider", "said"), UNCLEAR)
def test_what_nobody_can_make_out_is_never_passed_over_in_silence(
    post: Post, provider: str, said: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert post.say(provider, said) == {"ignored": 1}
    lines = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "Unreadable" in line]
    assert [(line["Unreadable"], line["provider"], line["brand"]) for line in lines] == [(1, provider, "demo")]
    assert ANN not in json.dumps(lines)
    assert post.world.people() == []


def test_a_kind_of_event_that_no_table_has_is_logged_without_what_it_says(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StringIO()
    monkeypatch.setattr(telemetry.logger().registered_handler, "stream", log)
    for provider in NAMES:
        assert post.say(provider, provider_event(provider, f"new-{provider}", "very.private@example.com"))
    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if "unknown kind" in line["message"]]
    assert [(line["provider"], line["brand"], line["count"]) for line in lines] == [(each, "demo", 1) for each in NAMES]
    assert "private" not in log.getvalue()


def test_a_call_that_mailchimp_signed_is_taken_where_its_secret_is_set(post: Post) -> None:
    arn = os.environ["KEYRING_SECRET_ARN"]
    set_webhook_secrets(post.world.secrets, arn, "demo", "mailchimp", {"signing_secret": "made-by-the-api"})
    body = hooks.send("mailchimp", hooks.saying("mailchimp", "unsubscribed")).body
    header = hooks.mailchimp_signature(body, NOW - HOUR // 2, "made-by-the-api")
    sent = Sent("/hooks/demo/mailchimp", {"X-Mailchimp-Signature": header}, body)
    assert post.send(sent, as_base64=True) == (200, {**NOTHING, "applied": 1})
    assert post.registers() == {"out.news": LEFT_AT}
    assert post.send(sent._replace(body=body.replace(b"ann", b"eve")))[0] == 401
    assert post.send(Sent("/hooks/demo/mailchimp", {}, b""), "GET")[0] == 200


def test_what_can_be_read_counts_nobody_as_unreadable(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    said = hooks.saying("standard", "claimed")
    said["data"]["topics"] = ["long-gone"]
    assert post.say("standard", said) == {"ignored": 1}
    post.say("sendgrid", [*hooks.saying("sendgrid", "unsubscribed"), {"event": "open"}])
    assert "unreadable" not in capsys.readouterr().out


@pytest.mark.parametrize("topics", [["newsletter"], ["Newsletter"], ["out.news", "long-gone", 7]])
def test_an_opt_out_from_what_nobody_has_is_from_everything_where_nobody_reads_the_result(
    post: Post, topics: list[Any]
) -> None:
    said = hooks.saying("standard", "unsubscribed")
    said["data"]["topics"] = topics
    assert post.say("standard", said) == {"applied": 1}
    assert post.registers() == {"out.*": AT}


def test_what_the_brand_has_or_had_counts_beside_what_nobody_has(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = post.world.deployment.brands.get("demo")
    assert demo
    monkeypatch.setitem(post.world.deployment.brands._brands, "demo", demo._replace(retired_topics=("letters",)))
    said = hooks.saying("standard", "unsubscribed")
    said["data"]["topics"] = ["newsletter", "news", "letters"]
    assert post.say("standard", said) == {"applied": 1}
    assert post.registers() == {"out.news": AT, "out.letters": AT}


def test_a_complaint_without_an_instant_that_is_sent_again_is_the_same_complaint(post: Post) -> None:
    said = hooks.saying("standard", "complained")
    del said["data"]["occurred_at"]
    del said["timestamp"]
    assert post.say("standard", said) == {"applied": 1}
    post.world.now = NOW + HOUR
    assert post.say("standard", said) == {"duplicate": 1}
    assert post.registers() == {"complaint": NOW}


def test_a_signed_body_that_cannot_be_read_is_a_bad_request(post: Post) -> None:
    for provider in NAMES:
        assert post.send(hooks.send(provider, b"not what was promised"))[0] == 400, provider


def test_only_posts_are_taken(post: Post) -> None:
    for provider in NAMES:
        sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"))
        asking = set() if provider == "mailchimp" else {"GET", "HEAD"}
        for method in {"PUT", "DELETE", "OPTIONS", "PATCH", *asking}:
            answer = post.world.call("webhook", method, sent.path, headers=sent.headers, body=sent.body)
            assert answer["statusCode"] == 405, (provider, method)
            assert "POST" in answer["headers"]["allow"]
    assert post.world.items() == []


def test_a_body_over_a_mebibyte_is_too_large(post: Post) -> None:
    assert post.send(hooks.send("sendgrid", b"[" + b" " * 1024 * 1024 + b"]"))[0] == 413
    status, counts = post.send(hooks.send("sendgrid", b"[" + b" " * (1024 * 1024 - 4) + b"]"))
    assert (status, counts) == (200, NOTHING)


@pytest.mark.parametrize(("provider", "kind"), [(name, kind) for name in NAMES for kind in hooks.SAYS[name]])
def test_what_a_provider_says_is_recorded_once_with_its_evidence(post: Post, provider: str, kind: str) -> None:
    said = hooks.saying(provider, kind)
    assert post.say(provider, said) == {"applied": 1}
    assert post.say(provider, hooks.saying(provider, kind)) == {"duplicate": 1}

    subscriber_id = post.world.subscriber_id(ANN)
    page = post.world.deployment.store.ledger("demo", subscriber_id)
    ((event, _),) = page.events
    assert page.intact
    at = AT if kind == "claimed" else counts_at(provider, AT)
    name, actor, effect = EXPECTED[kind]
    assert (event.kind.value, event.actor.value, dict(event.effect.registers)) == (name, actor, {effect: at})
    assert (event.channel, event.source) == (Channel.WEBHOOK, provider)
    assert (event.occurred_at, event.arrived_at) == (at, NOW)


OPTING_IN = [name for name in NAMES if "claimed" in hooks.SAYS[name]]


def test_no_provider_lifts_an_opt_out(post: Post) -> None:
    """Law 3: only the person can opt back in."""
    for provider in OPTING_IN:
        person = f"{provider}@example.com"
        assert post.say(provider, hooks.saying(provider, "unsubscribed", person)) == {"applied": 1}
        later = hooks.saying(provider, "claimed", person, at=NOW - 60_000)
        assert post.say(provider, later) == {"ignored": 1}, provider
        assert post.world.status(person) == "unsubscribed"
        assert "claim.news" not in post.registers(person)


def test_an_opt_out_and_an_opt_in_in_either_order_end_the_same(post: Post) -> None:
    for provider in OPTING_IN:
        person = f"{provider}@example.com"
        post.say(provider, hooks.saying(provider, "claimed", person, at=AT + 1000))
        assert post.world.status(person) == "subscribed", provider
        post.say(provider, hooks.saying(provider, "unsubscribed", person))
        assert post.world.status(person) == "unsubscribed", provider


def test_the_persons_own_later_opt_in_stays_in_force(post: Post) -> None:
    post.opt_in(AT + 1000)
    assert post.say("sendgrid", hooks.saying("sendgrid", "unsubscribed")) == {"applied": 1}
    assert post.world.status() == "subscribed"


def test_whoever_opted_in_and_left_within_one_second_has_left(post: Post) -> None:
    """The provider tells seconds; the opt-in has its millisecond."""
    for provider in sorted(hooks.TELL_SECONDS):
        person = f"{provider}@example.com"
        post.opt_in(AT + 640, person)
        post.say(provider, hooks.saying(provider, "unsubscribed", person))
        assert post.world.status(person) == "unsubscribed", provider


def test_what_is_told_twice_within_its_own_second_is_recorded_once(post: Post) -> None:
    said = hooks.saying("sendgrid", "unsubscribed", at=NOW)
    assert post.say("sendgrid", said) == {"applied": 1}
    for later in (1, 500, 1_000, 60_000):
        post.world.now = NOW + later
        assert post.say("sendgrid", said) == {"duplicate": 1}
    assert post.registers() == {"out.news": NOW + 999}
    (event,) = post.world.deployment.store.history("demo", post.world.subscriber_id(ANN))
    assert event.occurred_at <= event.arrived_at


def test_a_date_without_a_time_is_the_whole_day_for_whoever_left(post: Post) -> None:
    said = hooks.saying("standard", "unsubscribed")
    said["data"]["occurred_at"] = "2027-01-14"
    post.say("standard", said)
    assert post.registers() == {"out.news": 1_799_971_199_999}


def test_a_body_that_comes_in_base64_is_the_same(post: Post) -> None:
    for provider in NAMES:
        sent = hooks.send(provider, hooks.saying(provider, "unsubscribed", f"{provider}@example.com"))
        assert post.send(sent, as_base64=True) == (200, {**NOTHING, "applied": 1}), provider


def test_one_bad_item_does_not_spoil_the_rest(post: Post) -> None:
    good = hooks.saying("sendgrid", "unsubscribed")
    bad = [{**good[0], "email": email} for email in ("", "nobody", "a@b@c", 7, None, "x" * 300 + "@example.com")]
    assert post.say("sendgrid", [None, *bad, *good, {"event": "open"}]) == {"applied": 2, "ignored": 7}
    assert post.world.status() == "unsubscribed"


def test_an_event_that_sendgrid_repeats_under_new_ids_is_recorded_once(post: Post) -> None:
    batch = [hooks.saying("sendgrid", "unsubscribed")[0] for _ in range(46)]
    assert len({event["sg_event_id"] for event in batch}) == 46
    assert post.say("sendgrid", batch) == {"applied": 1, "duplicate": 45}
    for event in batch[:3]:
        assert post.say("sendgrid", [{**event, "sg_event_id": "another"}]) == {"duplicate": 1}
    assert len(post.world.events()) == 1


def test_a_group_leaves_its_own_topics_alone(post: Post) -> None:
    (event,) = hooks.saying("sendgrid", "unsubscribed")
    assert post.say("sendgrid", [{**event, "asm_group_id": 1002}]) == {"applied": 1}
    assert post.registers() == {"out.offers": LEFT_AT}
    assert post.world.status(topic="news") == "none"


def test_a_group_that_is_not_mapped_leaves_everything(post: Post) -> None:
    (event,) = hooks.saying("sendgrid", "unsubscribed")
    assert post.say("sendgrid", [{**event, "asm_group_id": 9999}]) == {"applied": 1}
    assert post.registers() == {"out.*": LEFT_AT}


def test_an_instant_in_the_future_counts_as_now(post: Post) -> None:
    assert post.say("sendgrid", hooks.saying("sendgrid", "unsubscribed", at=NOW + 10**9)) == {"applied": 1}
    assert post.registers() == {"out.news": NOW}
