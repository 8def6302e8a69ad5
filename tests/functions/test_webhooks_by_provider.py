"""Webhooks: what one provider does unlike the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.actions.reports import Reports
from consentry.http.outgoing import UnreachableError
from consentry.providers import sns
from consentry.rules.ledger import Kind
from support import hooks
from support.hooks import AT, LEFT_AT, NOW
from support.reporting import ANN, NOTHING, Post, _unavailable, move
from support.world import HOUR


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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_mailchimps_question_is_answered_if_its_key_is_right(post: Post, method: str) -> None:
    sent = hooks.send("mailchimp", b"")
    assert post.send(sent._replace(body=b""), method)[0] == 200
    answer = post.world.call("webhook", method, "/hooks/demo/mailchimp?key=wrong")
    assert answer["statusCode"] == 401
    assert post.world.items() == []


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
