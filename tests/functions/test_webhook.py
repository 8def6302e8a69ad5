"""The webhook function: every provider from the HTTP call to the ledger, over moto."""

from __future__ import annotations

import json
import os
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from consentry import telemetry
from consentry.actions.reports import Receipt, Report, ReportKind, Reports, Result
from consentry.aws.keyring_document import set_webhook_secrets
from consentry.http.outgoing import UnreachableError
from consentry.providers import NAMES, sns
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.table.gateway import StoreUnavailableError
from support import hooks
from support.hook_events import provider_event
from support.hooks import AT, LEFT_AT, NOW, Sent
from support.world import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

ANN = "ann@example.com"
EXPECTED = {
    "unsubscribed": ("unsubscribed", "platform", "out.news"),
    "claimed": ("claimed", "platform", "claim.news"),
    "complained": ("complained", "provider", "complaint"),
    "bounced": ("bounced", "provider", "bounce"),
}
"""Kind, actor and effect of the event that a report makes."""
NOTHING = {"applied": 0, "duplicate": 0, "ignored": 0, "spooled": 0}


class Post:
    """Sends what providers send."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.fetched: list[str] = []

    def send(self, sent: Sent, method: str = "POST", **how: Any) -> tuple[int, dict[str, Any]]:
        answer = self.world.call("webhook", method, sent.path, headers=sent.headers, body=sent.body, **how)
        kind = "application/json" if answer["statusCode"] == 200 else "application/problem+json"
        assert answer["headers"]["content-type"] == kind
        return answer["statusCode"], json.loads(answer["body"] or "{}")

    def say(self, provider: str, said: Any, **how: Any) -> dict[str, int]:
        """The counts that a signed call is answered with."""
        status, counts = self.send(hooks.send(provider, said, self.world.now, **how))
        assert status == 200, counts
        assert set(counts) == set(NOTHING)
        return {name: count for name, count in counts.items() if count}

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return hooks.certificate()

    def registers(self, email: str = ANN) -> dict[str, int]:
        return dict(self.world.deployment.store.read("demo", self.world.subscriber_id(email)).registers)

    def opt_in(self, at: int, email: str = ANN) -> None:
        """The person's own opt-in, as their own click records it."""
        event = Event(
            event_id=f"own-{at}",
            kind=Kind.CONFIRMED,
            brand="demo",
            subscriber_id=self.world.subscriber_id(email),
            occurred_at=at,
            arrived_at=at,
            actor=Actor.RECIPIENT,
            channel=Channel.PAGE,
            effect=Consent({"in.news": at}),
            topics=("news",),
        )
        self.world.deployment.store.record(event)


@pytest.fixture
def post(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """A deployment whose brand `demo` has every provider's secrets set."""
    document = {"root": "r", "brands": {"demo": {"webhooks": {name: hooks.secrets_of(name) for name in NAMES}}}}
    world.secrets.put_secret_value(SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=json.dumps(document))
    post = Post(world)
    monkeypatch.setattr(sns, "fetch", post.fetch)
    sns._keys.clear()
    yield post
    sns._keys.clear()


def test_what_no_brand_file_names_is_not_there(post: Post) -> None:
    for place in ("nobody/standard", "other/standard", "demo/brevo", "demo/proof", "demo/%2e%2e"):
        assert post.send(Sent(f"/hooks/{place}", {}, b"{}"))[0] == 404, place


def test_nothing_is_believed_unsigned(post: Post) -> None:
    for provider in NAMES:
        body = json.dumps(hooks.saying(provider, "unsubscribed")).encode()
        status, problem = post.send(Sent(f"/hooks/demo/{provider}", {}, body))
        assert (status, problem["title"]) == (401, "The call can't be verified"), provider
    assert post.world.items() == []


def test_without_its_secrets_a_provider_is_not_believed(post: Post) -> None:
    for provider in NAMES:
        set_webhook_secrets(post.world.secrets, os.environ["KEYRING_SECRET_ARN"], "demo", provider, {})
    for provider in NAMES:
        if provider != "sns":  # which needs none
            assert post.send(hooks.send(provider, hooks.saying(provider, "unsubscribed")))[0] == 401, provider


def test_a_stale_call_is_refused(post: Post) -> None:
    for provider in NAMES:
        if provider not in {"postmark", "mailchimp"}:  # which sign no instant
            age = 6 * 60_000 if provider == "standard" else 25 * HOUR
            sent = hooks.send(provider, hooks.saying(provider, "unsubscribed"), NOW - age)
            assert post.send(sent)[0] == 401, provider
    assert post.world.people() == []


RETRIED = [name for name in NAMES if name != "standard"]


def counts_at(provider: str, at: int) -> int:
    """As of when an opt-out counts, of which the provider tells what it tells of `at`."""
    return at + 999 if provider in hooks.TELL_SECONDS else at


@pytest.mark.parametrize("provider", RETRIED)
@pytest.mark.parametrize("age", [5, 15, 30, 90, 210, 450, 23 * 60])
def test_a_retry_hours_later_still_opts_out(post: Post, provider: str, age: int) -> None:
    """As Mailgun's come, signed as at first: 5, 10 and 15 minutes, then 1, 2 and 4 hours after the time before."""
    said = hooks.saying(provider, "unsubscribed", at=NOW - 24 * HOUR)
    assert post.send(hooks.send(provider, said, NOW - age * 60_000)) == (200, {**NOTHING, "applied": 1})
    assert post.registers() == {"out.news": counts_at(provider, NOW - 24 * HOUR)}


@pytest.mark.parametrize("provider", RETRIED)
def test_a_late_retry_of_what_happened_in_the_second_of_its_signing_says_what_the_first_try_said(
    post: Post, provider: str
) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "unsubscribed", at=NOW), NOW)
    post.world.now = NOW + 1000
    assert post.send(sent) == (200, {**NOTHING, "applied": 1})
    post.world.now = NOW + 23 * HOUR
    assert post.send(sent) == (200, {**NOTHING, "duplicate": 1})
    post.opt_in(NOW + 640, "bob@example.com")
    post.send(hooks.send(provider, hooks.saying(provider, "unsubscribed", "bob@example.com", at=NOW), NOW))
    left_in_that_second = provider in hooks.TELL_SECONDS
    assert post.world.status("bob@example.com") == ("unsubscribed" if left_in_that_second else "subscribed")


def test_every_retry_of_one_call_that_failed_first_says_the_same(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in RETRIED:
        person = f"{provider}@example.com"
        sent = hooks.send(provider, hooks.saying(provider, "unsubscribed", person))
        with monkeypatch.context() as patch:
            patch.setattr(Reports, "take_all", _unavailable)
            assert post.send(sent)[0] == 503
        for hours, count in ((1, "applied"), (3, "duplicate"), (8, "duplicate")):
            post.world.now = NOW + hours * HOUR
            assert post.send(sent) == (200, {**NOTHING, count: 1}), (provider, hours)
        post.world.now = NOW
        assert post.registers(person) == {"out.news": counts_at(provider, AT)}


@pytest.mark.parametrize("provider", [name for name in RETRIED if name not in {"postmark", "mailchimp", "mailgun"}])
def test_a_claim_that_comes_late_counts_for_nothing(post: Post, provider: str) -> None:
    sent = hooks.send(provider, hooks.saying(provider, "claimed"), NOW - 2 * HOUR)
    assert post.send(sent)[0] == 401
    assert post.world.people() == []


def test_stale_claims_beside_an_opt_out_are_ignored(post: Post) -> None:
    batch = [*hooks.saying("sendgrid", "unsubscribed"), *hooks.saying("sendgrid", "claimed", "bob@example.com")]
    assert post.send(hooks.send("sendgrid", batch, AT)) == (200, {**NOTHING, "applied": 1, "ignored": 1})
    assert post.registers() == {"out.news": LEFT_AT}
    assert post.registers("bob@example.com") == {}


def test_a_late_opt_out_of_which_nobody_says_when_undoes_nothing_since(post: Post) -> None:
    """It was made before it was signed. Who came back in between stays, however often it is sent again."""
    contact = {"email": ANN, "hs_email_optout": "true"}
    sent = hooks.send("hubspot", contact, NOW - 2 * HOUR)
    post.opt_in(NOW - HOUR)
    assert post.send(sent) == (200, {**NOTHING, "applied": 1})
    assert post.world.status() == "subscribed"
    assert post.send(sent) == (200, {**NOTHING, "duplicate": 1})


# --- people who can't be told, topics that nobody has ---------------------------------------------------------------


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


# --- Mailgun: a token says one thing --------------------------------------------------------------------------------


def test_a_token_that_was_used_cannot_say_something_else(post: Post) -> None:
    assert post.say("mailgun", hooks.saying("mailgun", "unsubscribed"), token="t" * 50) == {"applied": 1}
    for forged in (
        hooks.saying("mailgun", "unsubscribed", "eve@example.com"),
        hooks.saying("mailgun", "complained"),
        {"event": "opened"},
    ):
        assert post.send(hooks.send("mailgun", forged, token="t" * 50))[0] == 401
    assert len(post.world.events()) == 1


def test_the_token_of_an_event_that_means_nothing_is_used_up_too(post: Post) -> None:
    assert post.say("mailgun", {"event": "delivered", "recipient": ANN}, token="t" * 50) == {"ignored": 1}
    assert post.send(hooks.send("mailgun", hooks.saying("mailgun", "unsubscribed"), token="t" * 50))[0] == 401


def test_the_same_call_again_is_a_duplicate(post: Post) -> None:
    sent = hooks.send("mailgun", hooks.saying("mailgun", "unsubscribed"))
    assert post.send(sent) == (200, {**NOTHING, "applied": 1})
    assert post.send(sent) == (200, {**NOTHING, "duplicate": 1})


def test_a_retry_after_a_failure_of_ours_is_taken(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = hooks.send("mailgun", hooks.saying("mailgun", "unsubscribed"))
    with monkeypatch.context() as patch:
        patch.setattr(Reports, "take_all", _unavailable)
        answer = post.world.call("webhook", "POST", sent.path, body=sent.body)
        assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "30")
    assert post.send(sent) == (200, {**NOTHING, "applied": 1})


def test_what_is_kept_of_a_token_expires_and_names_nobody(post: Post) -> None:
    post.say("mailgun", hooks.saying("mailgun", "unsubscribed"), token="t" * 50)
    (kept,) = [item for item in post.world.items() if item["pk"]["S"].startswith("L#")]
    assert kept["pk"]["S"].startswith("L#hook#demo#mailgun#")
    assert "tttt" not in json.dumps(kept)
    assert "ann" not in json.dumps(kept)
    assert int(kept["expires_at"]["N"]) >= NOW // 1000 + 86_400 + 600  # by when a call is stale that came early


def test_a_token_cannot_say_something_else_as_long_as_its_call_is_taken(post: Post) -> None:
    signed_at, token = NOW + 4 * 60_000, "t" * 50  # Mailgun's clock is ahead of ours
    said = hooks.saying("mailgun", "unsubscribed")
    assert post.send(hooks.send("mailgun", said, signed_at, token=token))[0] == 200
    for hours in (2, 23, 24):
        post.world.now = NOW + hours * HOUR
        forged = hooks.saying("mailgun", "unsubscribed", "eve@example.com")
        assert post.send(hooks.send("mailgun", forged, signed_at, token=token))[0] == 401
    assert post.registers("eve@example.com") == {}


def test_a_token_is_free_again_when_it_has_expired_even_if_it_is_still_there(post: Post) -> None:
    store = post.world.deployment.store
    assert store.spend("hook#x", "one", NOW, 60)
    assert not store.spend("hook#x", "two", NOW + 59_000, 60)
    assert store.spend("hook#x", "two", NOW + 60_000, 60)


# --- Mailchimp: asked first, and addresses that change --------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_mailchimps_question_is_answered_if_its_key_is_right(post: Post, method: str) -> None:
    sent = hooks.send("mailchimp", b"")
    assert post.send(sent._replace(body=b""), method)[0] == 200
    answer = post.world.call("webhook", method, "/hooks/demo/mailchimp?key=wrong")
    assert answer["statusCode"] == 401
    assert post.world.items() == []


def move(old: str, new: str) -> dict[str, str]:
    return {"type": "upemail", "data[old_email]": old, "data[new_email]": new, "fired_at": "2027-01-15 07:30:00"}


def test_opt_outs_follow_to_a_new_address(post: Post) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    post.say("mailchimp", hooks.saying("mailchimp", "complained", at=AT + 1000))
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"applied": 1}
    assert post.registers("ann@example.org") == {"out.news": LEFT_AT, "complaint": LEFT_AT + 1000}
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"duplicate": 1}
    assert post.world.deployment.store.ledger("demo", post.world.subscriber_id("ann@example.org")).intact


def test_an_opt_out_that_the_old_address_makes_afterwards_follows_by_itself(post: Post) -> None:
    """Also one that happened before the move, and whose report comes late."""
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    post.say("mailchimp", move(ANN, "ann@example.org"))
    post.say("mailchimp", {**hooks.saying("mailchimp", "unsubscribed", at=AT - HOUR), "data[list_id]": "b7c6eb2165"})
    post.say("mailchimp", hooks.saying("mailchimp", "complained", at=NOW - 1000))
    expected = {"out.news": LEFT_AT, "out.offers": LEFT_AT - HOUR, "complaint": NOW - 1}
    assert post.registers("ann@example.org") == expected
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"duplicate": 1}
    assert post.registers("ann@example.org") == expected
    for email in (ANN, "ann@example.org"):
        assert post.world.deployment.store.ledger("demo", post.world.subscriber_id(email)).intact


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_opt_out_follows_through_two_moves_whenever_it_is_made(post: Post, place: int) -> None:
    said = [move(ANN, "ann@example.org"), move("ann@example.org", "ann@example.net")]
    said.insert(place, hooks.saying("mailchimp", "unsubscribed"))
    for each in said:
        assert post.say("mailchimp", each) == {"applied": 1}
    assert post.world.status("ann@example.net") == "unsubscribed"
    assert post.registers("ann@example.net") == {"out.news": LEFT_AT}


def test_an_opt_out_that_is_made_during_the_move_follows_too(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either side of the mark: nothing falls between what was there and what is still to come."""
    mark = type(post.world.deployment.store).move
    offers = {**hooks.saying("mailchimp", "unsubscribed"), "data[list_id]": "b7c6eb2165"}

    def meanwhile(*said: Any) -> Any:
        post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
        marked = mark(*said)
        post.say("mailchimp", offers)
        return marked

    with monkeypatch.context() as patch:
        patch.setattr(type(post.world.deployment.store), "move", meanwhile)
        post.say("mailchimp", move(ANN, "ann@example.org"))
    assert post.registers("ann@example.org") == {"out.news": LEFT_AT, "out.offers": LEFT_AT}


def test_a_move_that_was_cut_short_is_completed_by_sending_it_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    with monkeypatch.context() as patch:
        patch.setattr(type(post.world.deployment.store), "read", _unavailable)
        assert post.send(hooks.send("mailchimp", move(ANN, "ann@example.org")))[0] == 503
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"applied": 1}
    assert post.registers("ann@example.org") == {"out.news": LEFT_AT}


def test_whoever_moves_back_and_forth_is_followed_both_ways(post: Post) -> None:
    post.say("mailchimp", move(ANN, "ann@example.org"))
    post.say("mailchimp", move("ann@example.org", ANN))
    for email, list_id, register in ((ANN, "a6b5da1054", "out.news"), ("ann@example.org", "b7c6eb2165", "out.offers")):
        said = {**hooks.saying("mailchimp", "unsubscribed", email), "data[list_id]": list_id}
        assert post.say("mailchimp", said) == {"applied": 1}
        assert post.registers()[register] == post.registers("ann@example.org")[register] == LEFT_AT


def test_both_ledgers_of_a_move_name_the_other_id(post: Post) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    post.say("mailchimp", move(ANN, "ann@example.org"))
    was, is_now = (post.world.subscriber_id(email) for email in (ANN, "ann@example.org"))
    (moved,) = [event for event in post.world.deployment.store.history("demo", was) if event.kind is Kind.MOVED]
    (followed,) = post.world.deployment.store.history("demo", is_now)
    assert (moved.source, dict(moved.effect.registers)) == (f"mailchimp to {is_now}", {})
    assert followed.source == f"mailchimp from {was}"


def test_a_bounce_of_the_old_mailbox_does_not_follow(post: Post) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "bounced"))
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"applied": 1}
    post.say("mailchimp", hooks.saying("mailchimp", "bounced", at=AT + 1000))
    assert post.registers("ann@example.org") == {}


def test_opt_ins_do_not_follow(post: Post) -> None:
    post.opt_in(AT)
    post.say("mailchimp", {**hooks.saying("mailchimp", "claimed"), "data[list_id]": "b7c6eb2165"})
    assert post.say("mailchimp", move(ANN, "ann@example.org")) == {"applied": 1}
    post.opt_in(AT + 1000)
    post.say("mailchimp", {**hooks.saying("mailchimp", "claimed", at=AT + 1000), "data[list_id]": "b7c6eb2165"})
    assert post.registers("ann@example.org") == {}


def test_a_later_opt_in_of_the_new_address_stays_in_force(post: Post) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    post.opt_in(AT + 1000, "ann@example.org")
    post.say("mailchimp", move(ANN, "ann@example.org"))
    assert post.world.status("ann@example.org") == "subscribed"


@pytest.mark.parametrize(("old", "new"), [("nobody", ANN), (ANN, "nobody"), (ANN, ANN)])
def test_a_move_that_makes_no_sense_changes_nothing(post: Post, old: str, new: str) -> None:
    post.say("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    post.say("mailchimp", move(old, new))
    assert len(post.world.events()) == 1


# --- HubSpot, SNS ---------------------------------------------------------------------------------------------------


def test_hubspots_calls_are_believed_at_every_host_that_leads_here(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    said = hooks.saying("hubspot", "unsubscribed")
    path = "/hooks/demo/hubspot?portal=%40home"
    signed = "https://links.example.com/hooks/demo/hubspot?portal=@home"
    assert post.send(hooks.send("hubspot", said, path=path, signed=signed))[0] == 200
    post.world.deploy(public_url="https://mail.meadow.example")
    assert post.send(hooks.send("hubspot", said))[0] == 200  # as set up before there was a domain
    assert post.send(hooks.send("hubspot", said, host="https://mail.meadow.example"))[0] == 200
    assert post.send(hooks.send("hubspot", said, host="https://links.evil.example"))[0] == 401


def test_a_privacy_deletion_forgets_the_person_and_keeps_their_opt_out(post: Post) -> None:
    post.say("hubspot", hooks.saying("hubspot", "unsubscribed"))
    event = {"subscriptionType": "contact.privacyDeletion", "occurredAt": AT, "objectId": 7}
    known, bad = {**event, "email": ANN}, {**event, "email": "nobody"}
    assert post.say("hubspot", [known, bad, event]) == {"applied": 1, "ignored": 2}
    assert post.world.status() == "unsubscribed"
    assert [item["kind"]["S"] for item in post.world.events()].count("erased") == 1


def confirmation(**over: str) -> dict[str, str]:
    return {
        "Type": "SubscriptionConfirmation",
        "Token": "2336412f37",
        "Message": "You have chosen to subscribe",
        "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
        **over,
    }


def test_a_subscription_of_a_listed_topic_is_confirmed(post: Post) -> None:
    asked = confirmation()
    assert post.say("sns", {}, **asked) == {}
    assert post.fetched == [hooks.CERTIFICATE_URL, asked["SubscribeURL"]]


def test_a_subscription_of_another_topic_is_not_confirmed_and_nothing_is_fetched(post: Post) -> None:
    arn = "arn:aws:sns:us-east-1:666666666666:demo-ses-events"
    assert post.send(hooks.send("sns", {}, TopicArn=arn, **confirmation()))[0] == 401
    assert post.fetched == []


def test_a_confirmation_that_leads_elsewhere_is_not_followed(post: Post) -> None:
    asked = confirmation(SubscribeURL="https://169.254.169.254/?Action=ConfirmSubscription")
    assert post.send(hooks.send("sns", {}, **asked))[0] == 400
    assert post.fetched == [hooks.CERTIFICATE_URL]


def test_what_cannot_be_fetched_now_is_asked_for_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(_url: str) -> bytes:
        raise UnreachableError("unavailable")

    monkeypatch.setattr(sns, "fetch", unavailable)
    assert post.send(hooks.send("sns", hooks.saying("sns", "bounced")))[0] == 503
    assert post.world.items() == []


# --- when something is unavailable ------------------------------------------------------------------------------------


def _unavailable(*_: Any, **__: Any) -> Any:
    raise StoreUnavailableError("unavailable")


def test_while_the_table_is_away_the_provider_is_asked_to_send_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [
        hooks.send(provider, hooks.saying(provider, "unsubscribed", f"{provider}@example.com")) for provider in NAMES
    ]

    def unavailable(*_: Any, **__: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    with monkeypatch.context() as patch:
        patch.setattr(post.world.deployment.table_client, "transact_write_items", unavailable)
        patch.setattr(post.world.deployment.table_client, "put_item", unavailable)
        assert [post.send(sent)[0] for sent in calls] == [503] * len(NAMES)
    assert [post.send(sent) for sent in calls] == [(200, {**NOTHING, "applied": 1})] * len(NAMES)


def test_a_batch_that_failed_half_way_is_completed_by_sending_it_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [hooks.saying("sendgrid", "unsubscribed", f"p{at}@example.com")[0] for at in range(3)]
    take = Reports.take

    def faltering(self: Reports, brand: Any, report: Report, *rest: Any, **more: Any) -> Receipt:
        if report.email.startswith("p2"):
            raise StoreUnavailableError("unavailable")
        return take(self, brand, report, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Reports, "take", faltering)
        assert post.send(hooks.send("sendgrid", batch))[0] == 503
    assert post.say("sendgrid", batch) == {"applied": 1, "duplicate": 2}
    assert len(post.world.events()) == 3


def test_a_secret_that_was_set_a_minute_ago_counts(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    keyring = post.world.deployment.keyring
    monkeypatch.setattr(keyring, "_monotonic", lambda: clock[0])
    assert post.say("klaviyo", hooks.saying("klaviyo", "unsubscribed")) == {"applied": 1}
    arn = os.environ["KEYRING_SECRET_ARN"]
    monkeypatch.setitem(hooks.SECRETS, "klaviyo", {"secret_key": "another-secret-key"})
    set_webhook_secrets(post.world.secrets, arn, "demo", "klaviyo", {"secret_key": "another-secret-key"})
    sent = hooks.send("klaviyo", hooks.saying("klaviyo", "unsubscribed"))
    assert post.send(sent)[0] == 401  # asked too soon after the last time
    clock[0] = 61.0
    assert post.send(sent)[0] == 200


def test_a_secret_that_was_taken_back_is_refused_after_five_minutes(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    keyring = post.world.deployment.keyring
    monkeypatch.setattr(keyring, "_monotonic", lambda: clock[0])
    sent = hooks.send("postmark", hooks.saying("postmark", "unsubscribed"))
    assert post.send(sent)[0] == 200
    set_webhook_secrets(post.world.secrets, os.environ["KEYRING_SECRET_ARN"], "demo", "postmark", {})
    clock[0] = 301.0
    assert post.send(sent)[0] == 401


def test_no_address_secret_or_token_is_logged(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    log = StringIO()
    monkeypatch.setattr(telemetry.logger().registered_handler, "stream", log)
    for provider in NAMES:
        post.say(provider, hooks.saying(provider, "unsubscribed", "very.private@example.com"))
        post.send(Sent(f"/hooks/demo/{provider}?key=secret-guess", {}, b'{"email": "very.private@example.com"}'))
    logged = log.getvalue()
    assert logged.count("webhook refused") == len(NAMES)
    for private in (
        "private",
        "secret-guess",
        hooks.SECRETS["mailchimp"]["key"],
        hooks.SECRETS["hubspot"]["client_secret"],
    ):
        assert private not in logged


# --- many at once ---------------------------------------------------------------------------------------------------


def test_an_event_whose_reference_may_hold_an_address_counts_without_it(post: Post) -> None:
    said = hooks.saying("standard", "unsubscribed")
    said["data"]["reference"] = "ann@example.com"
    assert post.say("standard", said) == {"applied": 1}
    assert "example.com" not in json.dumps(post.world.items())


def test_many_people_are_taken_side_by_side_and_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a table: what the pool does with what `take` answers."""
    taking = Reports(None, lambda _: b"", None)  # type: ignore[arg-type]  # whose `take` is another
    seen: list[str] = []

    def take(_brand: Any, report: Report, *_: Any, **__: Any) -> Receipt:
        seen.append(report.email)
        return Receipt(Result.APPLIED if report.email != "p7" else Result.INVALID, report.email)

    monkeypatch.setattr(taking, "take", take)
    reports = [Report(ReportKind.BOUNCED, 1, email=f"p{at % 50}") for at in range(100)]
    receipts = taking.take_all(None, reports, Channel.WEBHOOK, NOW)  # type: ignore[arg-type]  # as above
    assert sorted(seen) == sorted({f"p{at}" for at in range(50)})
    assert [receipt.error for receipt in receipts[:50]] == [f"p{at}" for at in range(50)]
    assert [receipt.result for receipt in receipts[50:]].count(Result.DUPLICATE) == 49
    assert receipts[57].result is Result.INVALID


def test_when_one_of_many_fails_the_rest_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    taking = Reports(None, lambda _: b"", None)  # type: ignore[arg-type]  # whose `take` is another
    seen: list[str] = []

    def take(_brand: Any, report: Report, *_: Any, **__: Any) -> Receipt:
        seen.append(report.email)
        raise StoreUnavailableError("unavailable")

    monkeypatch.setattr(taking, "take", take)
    reports = [Report(ReportKind.BOUNCED, 1, email=f"p{at}") for at in range(5_000)]
    with pytest.raises(StoreUnavailableError):
        taking.take_all(None, reports, Channel.WEBHOOK, NOW)  # type: ignore[arg-type]  # as above
    assert len(seen) < 5_000
