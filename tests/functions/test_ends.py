"""Consent that ends: what platforms say of it, and what they are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.actions import notifications
from consentry.rules.brands import Endpoint
from consentry.rules.consent import Consent
from consentry.table import schema
from support.ending import decided, with_topic
from support.leaving import send, undo_url
from support.world import DAY, World

MADE, ENDS = "2027-01-14T08:00:00Z", "2027-01-16T08:00:00Z"
"""A day before the world's clock, and a day after it."""


def claim(**fields: Any) -> dict[str, Any]:
    event = {"event_id": "1", "kind": "claimed", "email": "ann@example.com", "topics": ["news"], "occurred_at": MADE}
    return event | {"expires_at": ENDS} | fields


def reported(world: World, *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = world.api("POST", "/v1/events", {"events": list(events)}, key=world.api_key())
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def test_a_claim_counts_until_its_end_and_no_longer(world: World) -> None:
    assert reported(world, claim()) == [{"event_id": "1", "result": "applied"}]
    there = {"expires_at": "2027-01-16T08:00:00.000Z"}
    assert decided(world) == {"allowed": True, "reason": "subscribed", "status": "subscribed", **there}
    world.now += DAY
    assert decided(world) == {"allowed": False, "reason": "expired", "status": "expired", **there}
    key = world.api_key()
    who = world.subscriber_id()
    news = world.api("GET", f"/v1/subscribers/{who}", key=key).json["topics"]["news"]
    assert (news["status"], news["since"], news["expires_at"]) == ("expired", ENDS[:-1] + ".000Z", ENDS[:-1] + ".000Z")
    ledger = world.api("GET", f"/v1/subscribers/{who}/ledger", key=key).json
    assert (ledger["events"][0]["expires_at"], ledger["intact"]) == ("2027-01-16T08:00:00.000Z", True)


def test_what_has_no_end_says_none(world: World) -> None:
    world.subscribed("news")
    assert decided(world)["expires_at"] is None
    key = world.api_key()
    topics = world.api("GET", f"/v1/subscribers/{world.subscriber_id()}", key=key).json["topics"]
    assert all("expires_at" not in each for each in topics.values())


def test_a_later_claim_without_an_end_clears_it_and_the_first_again_is_superseded(world: World) -> None:
    later = {name: each for name, each in claim(occurred_at="2027-01-14T09:00:00Z").items() if name != "expires_at"}
    assert [each["result"] for each in reported(world, later, claim())] == ["applied", "superseded"]
    assert decided(world)["expires_at"] is None
    assert [each["result"] for each in reported(world, later, later)] == ["duplicate", "duplicate"]


def test_an_end_may_be_reported_after_its_claim(world: World) -> None:
    bare = {name: each for name, each in claim().items() if name != "expires_at"}
    assert [each["result"] for each in reported(world, bare, claim(), claim())] == ["applied", "applied", "duplicate"]
    assert decided(world)["expires_at"] == "2027-01-16T08:00:00.000Z"
    assert world.intact()


@pytest.mark.parametrize("end", ["soon", MADE, "2027-01-16T08:00:00", 7])
def test_a_claim_whose_end_cannot_be_meant_is_refused_and_any_opt_out_counts_without_one(
    world: World, end: Any
) -> None:
    refused, left = reported(world, claim(expires_at=end), claim(kind="unsubscribed", expires_at=end))
    assert refused["result"] == "invalid"
    assert "expires_at" in refused["error"]
    assert left["result"] == "applied"
    assert world.status() == "unsubscribed"


def test_an_opt_out_topic_may_be_mailed_after_the_end_unless_it_is_for_claims_only(world: World) -> None:
    reported(world, claim(topics=["product"]))
    world.now += DAY
    assert decided(world, "product")["allowed"]
    assert decided(world, "product")["reason"] == "opt_out_topic"
    with_topic(world, "product", claims_only=True)
    assert not decided(world, "product")["allowed"]
    assert decided(world, "product")["reason"] == "expired"


def test_a_topic_for_claims_only_may_not_be_mailed_to_somebody_unknown(world: World) -> None:
    with_topic(world, "product", claims_only=True)
    assert decided(world, "product") == {"allowed": False, "reason": "none", "status": "none", "expires_at": None}


def test_an_opt_in_to_a_topic_that_wants_renewal_ends(world: World) -> None:
    world.subscribed("news")
    with_topic(world, renew_after_days=2)
    assert decided(world)["expires_at"] == "2027-01-16T08:00:00.000Z"
    world.now += DAY
    assert decided(world)["reason"] == "expired"


def test_a_claim_comes_back_with_its_end_when_an_opt_out_is_undone(world: World) -> None:
    reported(world, claim())
    left = send(world, world.leave_url(), scope="topic")
    assert decided(world)["reason"] == "unsubscribed"
    assert world.post(undo_url(left)).page.heading == "Undone"
    assert decided(world)["expires_at"] == "2027-01-16T08:00:00.000Z"
    world.now += DAY
    assert decided(world)["reason"] == "expired"


def test_a_notification_says_when_it_ends_and_follows_when_that_changes(world: World) -> None:
    brand = with_topic(world, renew_after_days=2)._replace(notifications=(Endpoint("crm", "https://c.example", False),))
    event = {"event_id": "1", "kind": "kept", "channel": "page", "reference": "", "occurred_at": world.now}
    event |= {"suspected_automation": False}
    ended = Consent({"in.news": world.now - 3 * DAY})
    kept = ended | Consent({"kept.news": world.now})
    again = kept | Consent({"kept.news": world.now + 1})

    def said(before: Consent, after: Consent) -> Any:
        (sent,) = notifications.of(brand, schema.Change("demo", "x", before, after, event), world.now)
        return sent.data["topics"]

    end = {"status": "subscribed", "expires_at": "2027-01-17T08:00:00.000Z"}
    assert said(ended, kept) == {"news": {**end, "previous": "expired"}}
    assert said(kept, again)["news"]["previous"] == "subscribed"
    assert json.dumps(said(kept, again))


def test_the_preferences_page_says_until_when_and_offers_what_ended_again(world: World) -> None:
    reported(world, claim())
    assert "Subscribed until 16 January 2027" in world.get(world.choose_url()).page.text
    world.now += 2 * DAY
    ended = world.get(world.choose_url()).page
    assert "Ended on 16 January 2027" in ended.text
    form = dict(ended.forms[0].fields)
    world.now += 5_000
    world.post(world.choose_url(), {**form, "topics": "news"})
    assert decided(world) == {"allowed": True, "reason": "subscribed", "status": "subscribed", "expires_at": None}
