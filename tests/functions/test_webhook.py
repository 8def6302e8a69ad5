"""The webhook function: every provider from the HTTP call to the ledger, over moto."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from consentry.actions.reports import Receipt, Report, ReportKind, Reports, Result
from consentry.aws.keyring_document import set_webhook_secrets
from consentry.providers import NAMES
from consentry.rules.ledger import Channel
from consentry.table.gateway import StoreUnavailableError
from support import hooks
from support.hooks import AT, LEFT_AT, NOW, Sent
from support.reporting import ANN, NOTHING, Post, _unavailable, counts_at
from support.world import HOUR


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
