"""Events, erasure and repeated calls of the platforms' API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry import wiring
from consentry.table.gateway import StoreUnavailableError
from consentry.tokens import Purpose

AT = "2027-01-15T07:59:00Z"  # a minute before the world's clock


@pytest.fixture
def api(world: Any) -> Any:
    """Calls the API with a key that may do all."""
    key = world.api_key()

    def call(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {key}"} | named
        answer = world.call("api", method, url, body=None if body is None else json.dumps(body), headers=sent)
        return answer["statusCode"], json.loads(answer["body"])

    return call


def event(kind: str = "unsubscribed", **fields: Any) -> dict[str, Any]:
    return {"event_id": "e1", "kind": kind, "email": "ann@example.com", "occurred_at": AT} | fields


def results(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [each["result"] for each in answer[1]["results"]]


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (7, "body"),
        ({}, "event_id"),
        (event(kind="subscribed"), "kind"),
        (event(email="ann@"), "email"),
        (event(email=None), "email or subscriber_id"),
        (event(subscriber_id="x" * 22), "email or subscriber_id"),
        (event(email=None, subscriber_id="short"), "subscriber_id"),
        (event(topics=["no topic"]), "topics[0]"),
        (event("claimed"), "topics"),
        (event("claimed", topics=["gone"]), "topics"),
        (event(occurred_at="yesterday"), "occurred_at"),
        (event(occurred_at="2027-01-15T07:59:00"), "occurred_at"),
        (event(occurred_at="1969-12-31T23:00:00Z"), "occurred_at"),
        (event(occurred_at=True), "occurred_at"),
        (event(reference="é"), "reference"),
        (event(misspelt=1), "misspelt"),
    ],
)
def test_a_bad_event_is_named_and_spoils_no_other(api: Any, world: Any, bad: Any, named: str) -> None:
    status, body = api("POST", "/v1/events", {"events": [bad, event(topics=["news"])]})
    assert status == 200
    assert [each["result"] for each in body["results"]] == ["invalid", "applied"]
    assert named in body["results"][0]["error"]
    assert "ann@" not in body["results"][0]["error"]
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize("reference", ["ann@example.com", "order of ann%40example.com"])
@pytest.mark.parametrize("kind", ["unsubscribed", "complained", "bounced"])
def test_an_event_whose_reference_may_hold_an_address_counts_without_it(
    api: Any, world: Any, kind: str, reference: str
) -> None:
    assert results(api("POST", "/v1/events", {"events": [event(kind, reference=reference)]})) == ["applied"]
    assert "example.com" not in json.dumps(world.items())


@pytest.mark.parametrize("events", [[], [1] * 101, "x", None])
def test_none_or_too_many_events_are_refused(api: Any, events: Any) -> None:
    status, body = api("POST", "/v1/events", {"events": events})
    assert status == 400
    assert body["errors"][0]["field"] == "events"


def test_a_claim_never_lifts_an_opt_out(api: Any, world: Any) -> None:
    world.call("oneclick", "POST", f"/u/{world.token(Purpose.UNSUBSCRIBE)}")
    world.now += 3_600_000
    late = event("claimed", topics=["news"], occurred_at="2099-01-01T00:00:00Z")
    assert results(api("POST", "/v1/events", {"events": [late]})) == ["superseded"]
    assert world.status() == "unsubscribed"


def test_an_event_counts_when_it_occurred_and_never_in_the_future(api: Any, world: Any) -> None:
    api("POST", "/v1/events", {"events": [event(occurred_at="2099-01-01T00:00:00Z")]})
    assert int(world.events()[0]["occurred_at"]["N"]) == world.now


def test_an_event_that_comes_twice_is_recorded_once_under_whatever_id(api: Any, world: Any) -> None:
    assert results(api("POST", "/v1/events", {"events": [event(), event(event_id="e2")]})) == ["applied", "duplicate"]
    assert results(api("POST", "/v1/events", {"events": [event(event_id="e3")]})) == ["duplicate"]
    assert len(world.events()) == 1


def test_an_older_event_than_what_is_known_is_superseded(api: Any, world: Any) -> None:
    api("POST", "/v1/events", {"events": [event()]})
    older = event(occurred_at="2020-01-01T00:00:00Z")
    assert results(api("POST", "/v1/events", {"events": [older]})) == ["superseded"]


def test_an_opt_out_without_topics_is_from_every_topic(api: Any, world: Any) -> None:
    api("POST", "/v1/events", {"events": [event()]})
    assert {world.status(topic=topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}


def test_an_opt_out_from_a_topic_that_is_gone_is_recorded(api: Any, world: Any) -> None:
    assert results(api("POST", "/v1/events", {"events": [event(topics=["gone"])]})) == ["applied"]
    assert world.status(topic="gone") == "unsubscribed"


@pytest.mark.parametrize("kind", ["complained", "bounced"])
def test_a_complaint_or_bounce_ends_mail_on_every_topic(api: Any, world: Any, kind: str) -> None:
    claim = event("claimed", topics=["news"], occurred_at="2027-01-15T07:00:00Z")
    assert results(api("POST", "/v1/events", {"events": [claim, event(kind)]})) == ["applied", "applied"]
    _, body = api("POST", "/v1/decisions", {"topic": "news", "emails": ["ann@example.com"]})
    assert (body["decisions"][0]["allowed"], body["decisions"][0]["status"]) == (False, "subscribed")
    _, body = api("POST", "/v1/decisions", {"topic": "product", "emails": ["ann@example.com"]})
    assert body["decisions"][0]["allowed"] is False


# --- erasure ----------------------------------------------------------------------------------------------------------


def test_erasure_leaves_no_address_and_no_evidence_and_the_ledger_still_adds_up(api: Any, world: Any) -> None:
    world.call("subscribe", "POST", "/s/demo", form={"email": "ann@example.com", "topics": "news"}, ip="198.51.100.9")
    assert "198.51.100.9" in json.dumps(world.items())
    sid = world.subscriber_id("ann@example.com")
    world.now += 1
    assert api("DELETE", f"/v1/subscribers/{sid}") == (200, {"erased": True})
    left = json.dumps(world.items())
    for personal in ("ann@example.com", "198.51.100.9", "Mozilla"):
        assert personal not in left
    status, body = api("GET", f"/v1/subscribers/{sid}/ledger")
    assert (status, body["intact"]) == (200, True)
    assert body["events"][-1]["kind"] == "erased"


def test_after_erasure_an_opt_out_stands_and_nothing_may_be_mailed(api: Any, world: Any) -> None:
    world.call("oneclick", "POST", f"/u/{world.token(Purpose.UNSUBSCRIBE, topics=('offers',))}")
    sid = world.subscriber_id("ann@example.com")
    api("DELETE", f"/v1/subscribers/{sid}")
    for topic in ("news", "offers", "product"):
        _, body = api("POST", "/v1/decisions", {"topic": topic, "subscriber_ids": [sid]})
        assert body["decisions"][0]["allowed"] is False
    claim = event("claimed", topics=["offers"], occurred_at="2099-01-01T00:00:00Z")
    assert results(api("POST", "/v1/events", {"events": [claim]})) == ["superseded"]


def test_an_erased_person_may_come_back_by_their_own_act(api: Any, world: Any) -> None:
    sid = world.subscriber_id("ann@example.com")
    world.call("subscribe", "POST", "/s/demo", form={"email": "ann@example.com", "topics": "news"})
    api("DELETE", f"/v1/subscribers/{sid}")
    world.now += 11 * 60_000
    world.call("subscribe", "POST", "/s/demo", form={"email": "ann@example.com", "topics": "news"})
    assert world.status() == "pending"


def test_erasing_a_stranger_says_the_same_and_leaves_no_trace(api: Any, world: Any) -> None:
    sid = world.subscriber_id("nobody@example.com")
    assert api("DELETE", f"/v1/subscribers/{sid}") == (200, {"erased": True})
    assert world.items() == []


def test_a_key_without_the_scope_erases_nobody(world: Any) -> None:
    key = world.api_key(scopes=("read", "write"))
    sid = world.subscriber_id("ann@example.com")
    answer = world.call("api", "DELETE", f"/v1/subscribers/{sid}", headers={"authorization": f"Bearer {key}"})
    assert answer["statusCode"] == 403


# --- repeated calls ---------------------------------------------------------------------------------------------------


def test_the_same_key_with_another_body_is_refused(api: Any) -> None:
    mail = {"topic": "news", "recipients": [{"email": "a@b.co"}]}
    for path, one, other in [
        ("/v1/events", {"events": [event()]}, {"events": [event("complained")]}),
        ("/v1/links", mail, mail | {"topic": "offers"}),
        ("/v1/decisions", {"topic": "news", "emails": ["a@b.co"]}, {"topic": "news", "emails": ["c@b.co"]}),
    ]:
        assert api("POST", path, one, idempotency_key=path)[0] == 200
        status, body = api("POST", path, other, idempotency_key=path)
        assert (status, body["status"]) == (422, 422)


def test_the_same_call_is_answered_the_same_and_done_once(api: Any, world: Any) -> None:
    body = {"events": [event()]}
    first = api("POST", "/v1/events", body, idempotency_key="k")
    assert results(first) == ["applied"]
    assert api("POST", "/v1/events", body, idempotency_key="k") == first
    links = {"topic": "news", "recipients": [{"email": "ann@example.com"}]}
    assert api("POST", "/v1/links", links, idempotency_key="l") == api("POST", "/v1/links", links, idempotency_key="l")


def test_brands_dont_share_keys(api: Any, world: Any) -> None:
    body = {"topic": "news", "emails": ["ann@example.com"]}
    assert api("POST", "/v1/decisions", body, idempotency_key="k")[0] == 200
    other = world.api_key("other")
    answer = world.call(
        "api",
        "POST",
        "/v1/decisions",
        body=json.dumps(body | {"emails": ["bob@example.com"]}),
        headers={"authorization": f"Bearer {other}", "idempotency-key": "k"},
    )
    assert answer["statusCode"] == 200


@pytest.mark.parametrize("key", ["x" * 256, "é"])
def test_a_key_that_is_no_key_is_refused(api: Any, key: str) -> None:
    assert api("POST", "/v1/events", {"events": [event()]}, idempotency_key=key)[0] == 400


def test_a_failed_call_may_be_repeated_under_its_key(api: Any, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as broken:
        broken.setattr(wiring.store(), "record", away)
        assert api("POST", "/v1/events", {"events": [event()]}, idempotency_key="k")[0] == 503
    assert results(api("POST", "/v1/events", {"events": [event()]}, idempotency_key="k")) == ["applied"]


def test_what_is_kept_of_a_repeated_call_names_nobody(api: Any, world: Any) -> None:
    api("POST", "/v1/events", {"events": [event()]}, idempotency_key="secret-key")
    kept = json.dumps([item for item in world.items() if item["pk"]["S"].startswith("L#")])
    assert kept != "[]"
    assert "ann@example.com" not in kept
    assert "secret-key" not in kept
