"""Events, erasure and repeated calls of the platforms' API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.links.tokens import Purpose
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Store

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


def _unavailable(*_: Any, **__: Any) -> Any:
    raise StoreUnavailableError("unavailable")


def _claimed(world: Any, topic: str) -> Event:
    """A claim from when the brand still had the topic."""
    at = world.now - 86_400_000
    return Event(
        event_id="old",
        kind=Kind.CLAIMED,
        brand="demo",
        subscriber_id=world.subscriber_id(),
        occurred_at=at,
        arrived_at=at,
        actor=Actor.PLATFORM,
        channel=Channel.API,
        effect=Consent({f"claim.{topic}": at}),
        topics=(topic,),
    )


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (7, "body"),
        ({}, "event_id"),
        (event(kind="subscribed"), "kind"),
        (event(email="ann@"), "email"),
        (event(email=None), "email or subscriber_id"),
        (event(subscriber_id="x" * 21 + "A"), "email and subscriber_id"),
        (event(email=None, subscriber_id="short"), "subscriber_id"),
        (event(email="ann@example.com, bob@example.com"), "email"),
        (event(topics=["no topic"]), "topics"),
        (event("claimed"), "topics"),
        (event("claimed", topics=["gone"]), "topics"),
        (event("claimed", topics=["news", "gone"]), "topics"),
        (event("claimed", topics=["news"], occurred_at="yesterday"), "occurred_at"),
        (event("claimed", topics=["news"], occurred_at="2027-01-15T07:59:00"), "occurred_at"),
        (event("claimed", topics=["news"], occurred_at="1969-12-31T23:00:00Z"), "occurred_at"),
        (event("claimed", topics=["news"], occurred_at="0001-01-01T00:00:00Z"), "occurred_at"),
        (event("claimed", topics=["news"], occurred_at=True), "occurred_at"),
        (event("claimed", topics=["news"], occurred_at=None), "occurred_at"),
        (
            {key: value for key, value in event("claimed", topics=["news"]).items() if key != "occurred_at"},
            "occurred_at",
        ),
        (event("claimed", topics=["news"], reference="é"), "reference"),
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
    (told,) = api("POST", "/v1/events", {"events": [event(kind, reference=reference)]})[1]["results"]
    assert (told["result"], told["note"]) == ("applied", "reference: left out")
    assert "example.com" not in json.dumps(world.items())


@pytest.mark.parametrize("events", [[], [1] * 101, "x", None])
def test_none_or_too_many_events_are_refused(api: Any, events: Any) -> None:
    status, body = api("POST", "/v1/events", {"events": events})
    assert status == 400
    assert body["errors"][0]["field"] == "events"


@pytest.mark.parametrize("at", ["yesterday", "2027-01-15T07:59:00", True])
def test_an_instant_that_cannot_be_read_is_answered_with_one_that_can(api: Any, at: object) -> None:
    (told,) = api("POST", "/v1/events", {"events": [event("claimed", topics=["news"], occurred_at=at)]})[1]["results"]
    assert told["error"] == "occurred_at: must be a date-time such as 2026-11-30T09:00:00Z, or Unix seconds"


def test_a_claim_never_lifts_an_opt_out(api: Any, world: Any) -> None:
    world.call("oneclick", "POST", f"/u/{world.token(Purpose.UNSUBSCRIBE)}")
    world.now += 3_600_000
    late = event("claimed", topics=["news"], occurred_at="2099-01-01T00:00:00Z")
    assert results(api("POST", "/v1/events", {"events": [late]})) == ["superseded"]
    assert world.status() == "unsubscribed"


def test_an_event_counts_when_it_occurred_and_never_in_the_future(api: Any, world: Any) -> None:
    (told,) = api("POST", "/v1/events", {"events": [event(occurred_at="2099-01-01T00:00:00Z")]})[1]["results"]
    assert told["note"] == "occurred_at: later than now, counts as now"
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


def test_an_opt_out_from_a_topic_that_the_brand_had_is_recorded(
    api: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = world.deployment.brands.get("demo")
    assert demo
    monkeypatch.setitem(world.deployment.brands._brands, "demo", demo._replace(retired_topics=("letters",)))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", _unavailable)  # nobody needs to ask
        assert results(api("POST", "/v1/events", {"events": [event(topics=["letters"])]})) == ["applied"]
    assert set(world.consent().registers) == {"out.letters"}


def test_an_opt_out_from_a_topic_that_the_person_has_is_recorded(api: Any, world: Any) -> None:
    world.deployment.store.record(_claimed(world, "letters"))
    assert results(api("POST", "/v1/events", {"events": [event(topics=["letters"])]})) == ["applied"]
    assert set(world.consent().registers) == {"claim.letters", "out.letters"}


@pytest.mark.parametrize("topics", [["newsletter"], ["News"], ["newsletter", "News", "", "out.news", "x" * 400, 7]])
def test_an_opt_out_from_what_nobody_has_is_said_to_be_none_and_writes_nothing(
    api: Any, world: Any, topics: list[Any]
) -> None:
    status, body = api("POST", "/v1/events", {"events": [event(topics=topics), event(email="bob@example.com")]})
    assert (status, [each["result"] for each in body["results"]]) == (200, ["invalid", "applied"])
    assert "news, offers, product" in body["results"][0]["error"]
    assert set(world.consent().registers) == set()


def test_what_the_brand_has_counts_beside_what_nobody_has(api: Any, world: Any) -> None:
    (status, body) = api("POST", "/v1/events", {"events": [event(topics=["newsletter", "news", "Offers", 4711])]})
    (told,) = body["results"]
    assert (status, told["result"]) == (200, "applied")
    assert "3 of 4" in told["note"]
    assert set(world.consent().registers) == {"out.news"}


def test_no_names_that_a_platform_makes_up_fill_a_persons_state(api: Any, world: Any) -> None:
    batch = [event(topics=[f"campaign-{at}-{each}" for each in range(50)] + ["news"]) for at in range(100)]
    api("POST", "/v1/events", {"events": batch})
    assert set(world.consent().registers) == {"out.news"}


def test_while_the_table_is_away_unknown_topics_are_asked_for_again_and_spoil_no_other(
    api: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [event(topics=["newsletter"]), event(email="bob@example.com")]
    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", _unavailable)
        assert api("POST", "/v1/events", {"events": batch})[0] == 503
    assert world.status("bob@example.com") == "unsubscribed"


@pytest.mark.parametrize(
    "occurred_at", [None, "yesterday", "2027-01-15T07:59:00", "0001-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z", True]
)
@pytest.mark.parametrize("kind", ["unsubscribed", "complained", "bounced"])
def test_what_ends_email_counts_as_of_its_arrival_when_nobody_says_when(
    api: Any, world: Any, kind: str, occurred_at: Any
) -> None:
    said = event(kind, occurred_at=occurred_at)
    if occurred_at is None:
        del said["occurred_at"]
    (told,) = api("POST", "/v1/events", {"events": [said]})[1]["results"]
    assert told["result"] == "applied"
    assert "occurred_at" in told["note"]
    (recorded,) = world.events()
    assert int(recorded["occurred_at"]["N"]) == world.now


def test_an_instant_that_can_be_read_needs_no_note(api: Any) -> None:
    (told,) = api("POST", "/v1/events", {"events": [event()]})[1]["results"]
    assert "note" not in told


@pytest.mark.parametrize("kind", ["complained", "bounced"])
def test_a_complaint_of_which_nobody_says_when_is_one_however_often_it_is_sent(api: Any, world: Any, kind: str) -> None:
    said = {"event_id": "c-1", "kind": kind, "email": "ann@example.com"}
    assert results(api("POST", "/v1/events", {"events": [said, said]})) == ["applied", "duplicate"]
    first = world.now
    world.now += 3_600_000
    assert results(api("POST", "/v1/events", {"events": [said]})) == ["duplicate"]
    assert [int(each["occurred_at"]["N"]) for each in world.events()] == [first]
    assert results(api("POST", "/v1/events", {"events": [said | {"event_id": "c-2"}]})) == ["applied"]


def test_a_reference_that_cannot_be_kept_spoils_no_opt_out(api: Any, world: Any) -> None:
    for at, reference in enumerate(("é", "x" * 65, 7)):
        (told,) = api("POST", "/v1/events", {"events": [event(email=f"p{at}@example.com", reference=reference)]})[1][
            "results"
        ]
        assert (told["result"], told["note"]) == ("applied", "reference: left out")


def test_an_address_that_no_parser_likes_is_opted_out_by_whoever_reports_it(api: Any, world: Any) -> None:
    assert results(api("POST", "/v1/events", {"events": [event(email="A..b@docomo.ne.jp")]})) == ["applied"]
    status, body = api("POST", "/v1/decisions", {"topic": "news", "emails": ["a..b@DOCOMO.ne.jp"]})
    assert (status, body["decisions"][0]["status"]) == (200, "unsubscribed")


def test_what_stands_around_an_address_is_taken_off_and_told(api: Any) -> None:
    said = event(email="Ann <ann@example.com>")
    (told,) = api("POST", "/v1/events", {"events": [said]})[1]["results"]
    assert told["note"].startswith("email: ")
    (decided,) = api("POST", "/v1/decisions", {"topic": "news", "emails": ["mailto:ann@example.com"]})[1]["decisions"]
    assert (decided["status"], "taken off" in decided["note"]) == ("unsubscribed", True)
    looked_up = api("POST", "/v1/subscribers/lookup", {"email": "ann@example.com."})[1]
    assert (looked_up["topics"]["news"]["status"], "taken off" in looked_up["note"]) == ("unsubscribed", True)


def test_an_event_may_name_somebody_twice_but_not_two_people(api: Any, world: Any) -> None:
    both = {"email": "ann@example.com", "subscriber_id": world.subscriber_id()}
    assert results(api("POST", "/v1/events", {"events": [event() | both]})) == ["applied"]
    assert world.status() == "unsubscribed"
    other = both | {"email": "bob@example.com"}
    (told,) = api("POST", "/v1/events", {"events": [event() | other]})[1]["results"]
    assert (told["result"], "different people" in told["error"]) == ("invalid", True)


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


def with_key(world: Any, scopes: tuple[str, ...], body: Any, *, brand: str = "demo") -> tuple[int, Any]:
    """An opt-out, reported under one `Idempotency-Key` by an API key of its own."""
    answer = world.api(
        "POST",
        "/v1/events",
        body,
        key=world.api_key(brand, scopes),
        headers={"idempotency-key": "the same"},
    )
    return answer.status, answer.json


def test_a_key_that_may_only_read_keeps_no_other_key_from_reporting_an_opt_out(world: Any) -> None:
    body = {"events": [event()]}
    assert with_key(world, ("read",), body)[0] == 403
    assert world.items() == []
    assert results(with_key(world, ("write",), body)) == ["applied"]
    assert world.status() == "unsubscribed"


def test_two_keys_of_one_brand_dont_share_what_their_callers_chose(world: Any) -> None:
    assert results(with_key(world, ("write",), {"events": [event()]})) == ["applied"]
    assert results(with_key(world, ("write",), {"events": [event(email="bob@example.com")]})) == ["applied"]
    assert world.status("bob@example.com") == "unsubscribed"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/links"])
def test_a_call_that_was_refused_may_be_mended_under_its_key(api: Any, path: str) -> None:
    good = (
        {"events": [event()]} if path == "/v1/events" else {"topic": "news", "recipients": [{"email": "a@b.example"}]}
    )
    assert api("POST", path, {**good, "misspelt": 1}, idempotency_key="k")[0] == 400
    assert api("POST", path, good, idempotency_key="k")[0] == 200
    assert api("POST", path, {**good, "misspelt": 1}, idempotency_key="k")[0] == 422


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
    def unavailable(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as broken:
        broken.setattr(world.deployment.store, "record", unavailable)
        assert api("POST", "/v1/events", {"events": [event()]}, idempotency_key="k")[0] == 503
    assert results(api("POST", "/v1/events", {"events": [event()]}, idempotency_key="k")) == ["applied"]


def test_what_is_kept_of_a_repeated_call_names_nobody(api: Any, world: Any) -> None:
    said = {"events": [event(event_id="unsub-ann@example.com"), event(event_id="2", **{"bob@example.com": 1})]}
    first = api("POST", "/v1/events", said, idempotency_key="secret-key")
    assert "unsub-ann@example.com" in json.dumps(first)
    assert "bob@example.com" in first[1]["results"][1]["error"]
    assert api("POST", "/v1/events", said, idempotency_key="secret-key") == first
    kept = json.dumps([item for item in world.items() if item["pk"]["S"].startswith("L#")])
    assert kept != "[]"
    assert "@" not in kept
    assert "example.com" not in kept
    assert "secret-key" not in kept
