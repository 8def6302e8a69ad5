"""Webhooks while the table or the keyring is unavailable: nothing is lost or doubled."""

from __future__ import annotations

import os
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from consentry import telemetry
from consentry.actions.reports import Receipt, Report, Reports
from consentry.aws.keyring_document import set_webhook_secrets
from consentry.providers import NAMES
from consentry.table.gateway import StoreUnavailableError
from support import hooks
from support.hooks import Sent
from support.reporting import NOTHING, Post


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
