"""The platforms' API: who may call, what is refused and how it is said, what is answered."""

from __future__ import annotations

import html
import io
import json
import re
from typing import Any, Final

import pytest

from consentry.actions import platforms
from consentry.aws.keyring_document import edit
from consentry.http import problems
from consentry.links import unsubscribe_addresses
from consentry.links.tokens import Link, Purpose
from consentry.rules.brands import Bounds
from support import calls
from support.world import HOUR, Answer, World

ANN: Final = "ann@example.com"
BASE: Final = "https://links.example.com"
UNKNOWN: Final = "K9Xdq1X4AVefMXC3P9olGg"
CALLS: Final[dict[str, tuple[str, str, Any, str]]] = {
    "subscribe": ("POST", "/v1/subscriptions", {"email": ANN, "topics": ["news"]}, "write"),
    "links": ("POST", "/v1/links", {"topic": "news", "recipients": [{"email": ANN}]}, "mint"),
    "decisions": ("POST", "/v1/decisions", {"topic": "news", "emails": [ANN]}, "read"),
    "lookup": ("POST", "/v1/subscribers/lookup", {"email": ANN}, "read"),
    "show": ("GET", f"/v1/subscribers/{UNKNOWN}", None, "read"),
    "ledger": ("GET", f"/v1/subscribers/{UNKNOWN}/ledger", None, "read"),
    "record": ("GET", f"/v1/subscribers/{UNKNOWN}/record", None, "read"),
    "proof": ("GET", f"/v1/subscribers/{UNKNOWN}/proof", None, "read"),
}
"""Every call on people: method, path, a good body, the scope that it needs."""
NEEDS_TABLE: Final = [name for name in CALLS if name != "links"]
POSTS: Final = [name for name, (method, *_) in CALLS.items() if method == "POST"]
SECRET: Final = "zz-secret-zz"


def call(world: World, name: str, key: str, body: Any = None) -> Answer:
    """One of `CALLS`, with its good body or another."""
    method, path, good, _ = CALLS[name]
    return world.api(method, path, good if body is None else body, key=key)


def assert_problem(answer: Answer, status: int, field: str | None = None) -> None:
    """RFC 9457 problem details, about a field or none."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json
    kind = problems.KINDS[told["type"].removeprefix(f"{BASE}{problems.PATH}")]
    assert (told["status"], kind.status, told["title"]) == (status, status, kind.title)
    assert told["title"]
    assert told["detail"]
    if field is not None:
        assert field in [each["field"] for each in told["errors"]]
        assert all(each["detail"] for each in told["errors"])


# --- who may call -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer ck_demo_00000000_nonsense",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer é\udcff",
        "Bearer " + "x" * 9_000,
    ],
)
def test_without_a_valid_key_nobody_gets_past_the_door(world: World, header: str | None) -> None:
    key = world.api_key()
    headers = {} if header is None else {"authorization": header.format(key=key)}
    for method, path, good, _ in CALLS.values():
        answer = world.api(method, path, good, headers=headers)
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert world.items() == []


@pytest.mark.parametrize("body", ["{", "", "[" * 9_000, "null", "x" * (1024 * 1024 + 1), b"\xff"])
def test_who_calls_is_asked_before_anything_else(world: World, body: Any) -> None:
    for path in ("/v1/decisions", "/v1/nonsense", "/v1/subscribers/x"):
        assert_problem(world.api("POST", path, body, as_base64=True), 401)


def test_a_key_that_was_withdrawn_is_refused(world: World) -> None:
    key = world.api_key()
    edit(world.secrets, "keyring", lambda document: document["brands"].clear())
    world.deploy()
    assert_problem(call(world, "lookup", key), 401)


def test_a_key_that_was_issued_a_moment_ago_works_in_a_warm_function(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consentry.aws.keyring_document import issue_api_key

    assert call(world, "lookup", world.api_key()).status == 200
    key = issue_api_key(world.secrets, "keyring", "demo", ["read"])
    monkeypatch.setattr(world.deployment.keyring, "_fetched_at", world.deployment.keyring._fetched_at - 60)
    assert call(world, "lookup", key).status == 200


@pytest.mark.parametrize("name", CALLS)
def test_a_key_without_the_scope_may_not(world: World, name: str) -> None:
    needed = CALLS[name][3]
    others = tuple({"read", "write", "erase", "mint"} - {needed, "write" if needed == "mint" else needed})
    answer = call(world, name, world.api_key(scopes=others))
    assert_problem(answer, 403)
    assert needed in answer.json["detail"]
    assert world.items() == []
    assert call(world, name, world.api_key(scopes=(needed,))).status in {200, 202}


def test_a_key_that_may_only_mint_makes_links_and_nothing_else(world: World) -> None:
    key = world.api_key(scopes=("mint",))
    assert call(world, "links", key).status == 200
    assert {name: call(world, name, key).status for name in CALLS if name != "links"} == dict.fromkeys(
        set(CALLS) - {"links"}, 403
    )
    assert_problem(world.api("POST", "/v1/events", {"events": []}, key=key), 403)
    assert_problem(world.api("DELETE", f"/v1/subscribers/{UNKNOWN}", key=key), 403)


def test_a_key_that_may_write_may_mint(world: World) -> None:
    assert call(world, "links", world.api_key(scopes=("write",))).status == 200
    for others in (("read",), ("erase",), ("read", "erase")):
        assert_problem(call(world, "links", world.api_key(scopes=others)), 403)


@pytest.mark.parametrize("name", CALLS)
def test_a_key_of_a_brand_that_is_gone_may_not(world: World, name: str) -> None:
    assert_problem(call(world, name, world.api_key("gone")), 403)


def test_a_key_sees_its_own_brand_alone(world: World) -> None:
    world.subscribed("news", brand="demo")
    theirs = world.subscriber_id(brand="demo")
    key = world.api_key("other")
    assert call(world, "lookup", key).json["topics"]["news"]["status"] == "none"
    assert world.api("GET", f"/v1/subscribers/{theirs}", key=key).json["topics"]["news"]["status"] == "none"
    assert world.api("GET", f"/v1/subscribers/{theirs}/ledger", key=key).json["events"] == []
    assert_problem(world.api("POST", "/v1/links", {"topic": "offers", "recipients": [{"email": ANN}]}, key=key), 400)
    call(world, "subscribe", key)
    assert {item["pk"]["S"].split("#")[1] for item in world.items() if "last_event" in item and "ask.news" in item} == {
        "other"
    }


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "not JSON",
        "[" * 50_000,
        '{"a":' * 50_000,
        '{"email": "ann@example.com"',
        b"\xff\xfe",
        b'{"email": "\xff"}',
        "1" * 9_000,
        "'",
    ],
    ids=lambda body: repr(body)[:20],
)
def test_a_body_that_is_not_json_is_said_to_be_none(world: World, body: Any) -> None:
    key = world.api_key()
    for name in POSTS:
        method, path, _, _ = CALLS[name]
        assert_problem(world.api(method, path, body, key=key, as_base64=True), 400)


@pytest.mark.parametrize("body", ["", "null", "[]", "1", '"x"', "true", "{}", "[{}]", '{"x": 1}', "NaN", "-Infinity"])
def test_json_of_another_kind_is_refused(world: World, body: str) -> None:
    key = world.api_key()
    for name in POSTS:
        assert_problem(call(world, name, key, body), 400)


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("subscribe", {"email": None}, "email"),
        ("subscribe", {"email": 1}, "email"),
        ("subscribe", {"email": SECRET}, "email"),
        ("subscribe", {"email": f"{SECRET}@example"}, "email"),
        ("subscribe", {"email": f"{SECRET}@example.com" + "x" * 9_000}, "email"),
        ("subscribe", {"email": f"\ud800{SECRET}@example.com"}, "email"),
        ("subscribe", {"topics": []}, "topics"),
        ("subscribe", {"topics": SECRET}, "topics"),
        ("subscribe", {"topics": ["news", SECRET]}, "topics[1]"),
        ("subscribe", {"topics": ["news", 7]}, "topics[1]"),
        ("subscribe", {"topics": ["news", "NEWS"]}, "topics[1]"),
        ("subscribe", {"topics": ["news"] * 51}, "topics"),
        ("subscribe", {"locale": f"{SECRET} {SECRET}"}, "locale"),
        ("subscribe", {"reference": SECRET + "x" * 60}, "reference"),
        ("subscribe", {"reference": f"{SECRET}é"}, "reference"),
        ("subscribe", {"reference": f"{SECRET}@example.com"}, "reference"),
        ("subscribe", {"reference": f"{SECRET}%40example.com"}, "reference"),
        ("subscribe", {"source": f"form of {SECRET}@example.com"}, "source"),
        ("links", {"recipients": [{"email": ANN, "reference": f"{SECRET}@example.com"}]}, "recipients[0].reference"),
        ("links", {"recipients": [{"email": ANN, "reference": f"{SECRET}%40"}]}, "recipients[0].reference"),
        ("subscribe", {"reference": f"{SECRET}\n"}, "reference"),
        ("subscribe", {"source": SECRET + "x" * 200}, "source"),
        ("subscribe", {"source": f"{SECRET}\ud800"}, "source"),
        ("subscribe", {"emial": SECRET}, "emial"),
        ("links", {"topic": SECRET}, "topic"),
        ("links", {"topic": "*"}, "topic"),
        ("links", {"recipients": []}, "recipients"),
        ("links", {"recipients": SECRET}, "recipients"),
        ("links", {"recipients": [{"email": ANN}, {"email": SECRET}]}, "recipients[1].email"),
        ("links", {"recipients": [{"email": ANN}, {}]}, "recipients[1].email"),
        ("links", {"recipients": [{"email": ANN, "reference": SECRET + "x" * 60}]}, "recipients[0].reference"),
        ("links", {"recipients": [{"email": ANN, "reference": f"{SECRET}\u2028"}]}, "recipients[0].reference"),
        ("links", {"recipients": [{"email": ANN}] * 1_001}, "recipients"),
        ("decisions", {"topic": SECRET}, "topic"),
        ("decisions", {"emails": [ANN, SECRET]}, "emails[1]"),
        ("decisions", {"emails": [ANN, None]}, "emails[1]"),
        ("decisions", {"emails": [ANN] * 1_001}, "emails"),
        ("decisions", {"emails": None, "subscriber_ids": [UNKNOWN, SECRET]}, "subscriber_ids[1]"),
        ("decisions", {"emails": None, "subscriber_ids": [UNKNOWN] * 1_001}, "subscriber_ids"),
        ("decisions", {"subscriber_ids": [UNKNOWN]}, "body"),
        ("decisions", {"emails": None}, "body"),
        ("lookup", {"email": SECRET}, "email"),
        ("lookup", {"email": [SECRET]}, "email"),
        ("lookup", {"email": {"a": SECRET}}, "email"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_a_problem_names_the_field_and_repeats_no_value(world: World, name: str, change: Any, field: str) -> None:
    body = {name: value for name, value in {**CALLS[name][2], **change}.items() if value is not None}
    answer = call(world, name, world.api_key(), body)
    assert_problem(answer, 400, field)
    assert SECRET not in answer.body
    assert ANN not in answer.body
    assert world.items() == []


@pytest.mark.parametrize("suffix", ["", "/ledger", "/record"])
@pytest.mark.parametrize("subscriber_id", ["x", "K9Xdq1X4AVefMXC3P9olGh", "K9Xdq1X4AVefMXC3P9olG", SECRET * 20, "%2e"])
def test_a_misspelt_subscriber_id_is_refused(world: World, suffix: str, subscriber_id: str) -> None:
    answer = world.api("GET", f"/v1/subscribers/{subscriber_id}{suffix}", key=world.api_key())
    assert_problem(answer, 400, "subscriber_id")
    assert SECRET not in answer.body


def test_a_body_that_is_too_large_is_refused_and_the_largest_is_not(world: World) -> None:
    key = world.api_key()
    for as_base64 in (False, True):
        answer = world.api("POST", "/v1/subscribers/lookup", " " * (1024 * 1024 + 1), key=key, as_base64=as_base64)
        assert_problem(answer, 413)
    padded = json.dumps({"email": ANN}).ljust(1024 * 1024)
    assert world.api("POST", "/v1/subscribers/lookup", padded, key=key).status == 200


@pytest.mark.parametrize("path", ["/v1/nonsense", "/v1/links/x", f"/v1/subscribers/{UNKNOWN}/nonsense", "/v1/openapi"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_call_that_there_is_not_is_said_not_to_be(world: World, method: str, path: str) -> None:
    assert_problem(world.api(method, path, key=world.api_key()), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/links", "POST"),
        ("DELETE", "/v1/decisions", "POST"),
        ("OPTIONS", "/v1/subscriptions", "POST"),
        ("POST", f"/v1/subscribers/{UNKNOWN}/ledger", "GET"),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(
    world: World, method: str, path: str, allowed: str
) -> None:
    answer = world.api(method, path, key=world.api_key())
    assert_problem(answer, 405)
    assert answer.headers["allow"] == allowed


def test_a_method_in_another_case_passes_what_its_key_may_do_no_more_than_in_its_own(world: World) -> None:
    key = world.api_key(scopes=("read",))
    assert world.api("pOST", "/v1/subscribers/lookup", json.dumps({"email": ANN}), key=key).status == 200
    assert_problem(world.api("post", "/v1/links", json.dumps({"topic": "news", "recipients": []}), key=key), 403)
    assert_problem(world.api("delete", f"/v1/subscribers/{UNKNOWN}", key=key), 403)


@pytest.mark.parametrize("name", NEEDS_TABLE)
def test_a_table_that_is_away_is_said_with_when_to_come_back(world: World, name: str) -> None:
    key = world.api_key()
    with world.table_unavailable():
        answer = call(world, name, key)
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "5"


def test_links_are_minted_while_the_table_is_unavailable(world: World) -> None:
    key = world.api_key()
    with world.table_unavailable():
        assert call(world, "links", key).status == 200


def test_a_keyring_that_cannot_be_read_is_said_with_when_to_come_back(world: World) -> None:
    key = world.api_key()
    world.secrets.delete_secret(SecretId="keyring", ForceDeleteWithoutRecovery=True)
    world.deploy()
    answer = call(world, "lookup", key)
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("name", CALLS)
def test_a_crash_is_told_without_what_it_was(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    key = world.api_key()
    for part in ("read", "read_many", "ledger", "request"):
        monkeypatch.setattr(world.deployment.store, part, crash)
    monkeypatch.setattr(world.deployment.tokens, "sign", crash)
    answer = call(world, name, key)
    assert_problem(answer, 500)
    assert SECRET not in answer.body
    assert "RuntimeError" not in answer.body
    monkeypatch.undo()
    assert call(world, name, key).status in {200, 202}


# --- what is answered -------------------------------------------------------------------------------------------------


def test_subscriptions_answer_the_same_whatever_is_known(world: World) -> None:
    key = world.api_key()
    world.subscribed("news", email="known@example.com")
    world.happened({"complaint": world.now - HOUR}, email="complained@example.com")
    world.api("POST", "/v1/subscriptions", {"email": "throttled@example.com", "topics": ["news"]}, key=key)
    for name in ("unknown", "known", "complained", "throttled"):
        email = f"{name}@example.com"
        answer = world.api("POST", "/v1/subscriptions", {"email": email, "topics": ["news"]}, key=key)
        assert answer.status == 202
        assert answer.json == {"subscriber_id": world.subscriber_id(email), "status": "accepted"}


def test_known_and_unknown_people_cost_the_same_calls(world: World) -> None:
    key = world.api_key()
    world.subscribed("news", email="known@example.com")
    world.happened({"complaint": world.now - HOUR}, email="complained@example.com")
    world.api("POST", "/v1/subscriptions", {"email": "throttled@example.com", "topics": ["news"]}, key=key)
    for path, rest in (("subscriptions", {"topics": ["news"]}), ("subscribers/lookup", {})):
        made = set()
        for name in ("unknown", "known", "complained", "throttled"):
            with calls.counted(world.table_client) as seen:
                world.api("POST", f"/v1/{path}", {"email": f"{name}@example.com", **rest}, key=key)
            made.add(tuple(seen))
        assert len(made) == 1, (path, made)
        assert made != {()}


@pytest.mark.parametrize("ip", ["203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"])
def test_a_visitor_that_the_platform_names_is_counted_and_forgotten(
    world: World, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch, ip: str
) -> None:
    demo = world.deployment.brands.get("demo")
    monkeypatch.setitem(
        world.deployment.brands._brands, "demo", demo._replace(limits=Bounds(requests_an_hour_per_ip=2))
    )
    key = world.api_key()

    def ask(email: str, **more: str) -> tuple[int, set[str]]:
        body = {"email": email, "topics": ["news"], "visitor_ip": ip} | more
        answer = world.api("POST", "/v1/subscriptions", body, key=key, headers={"idempotency-key": email})
        return answer.status, set(answer.json)

    assert {str(ask(f"p{at}@example.com")) for at in range(4)} == {str((202, {"subscriber_id", "status"}))}
    assert len(world.events()) == 2
    ask("p5@example.com", visitor_ip="198.51.100.9")
    assert len(world.events()) == 3
    held = str(world.items()) + logged.getvalue()
    assert not [each for each in (ip, "203.0.113.7", "198.51.100.9", "2001:db8") if each in held]
    assert not [each for each in world.items() if each["sk"]["S"].startswith("V#")], (
        "evidence is of the person's own acts"
    )


def test_a_visitor_has_one_budget_at_our_form_and_the_platforms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = world.deployment.brands.get("demo")
    monkeypatch.setitem(
        world.deployment.brands._brands, "demo", demo._replace(limits=Bounds(requests_an_hour_per_ip=1))
    )
    world.post("/s/demo", {"email": "one@example.com", "topics": "news"}, ip="203.0.113.7")
    body = {"email": "two@example.com", "topics": ["news"], "visitor_ip": "203.0.113.7"}
    assert world.api("POST", "/v1/subscriptions", body, key=world.api_key()).status == 202
    assert len(world.events()) == 1


@pytest.mark.parametrize(
    "ip", ["", "localhost", "203.0.113.7:443", "203.0.113", "2001:db8::/64", "[2001:db8::7]", 7, []]
)
def test_a_visitor_who_is_no_ip_address_is_a_bad_request_that_names_the_field(world: World, ip: Any) -> None:
    body = {"email": ANN, "topics": ["news"], "visitor_ip": ip}
    answer = world.api("POST", "/v1/subscriptions", body, key=world.api_key())
    assert_problem(answer, 400)
    assert [each["field"] for each in answer.json["errors"]] == ["visitor_ip"]
    assert not ip or str(ip) not in str(answer.json["errors"][0]["detail"])
    assert world.items() == []


def test_a_subscription_is_pending_with_all_that_the_platform_said(world: World) -> None:
    body = {
        "email": "Ann@Example.com",
        "topics": ["news", "offers", "news"],
        "locale": "fr",
        "reference": "order-7",
        "source": "checkout – café",
    }
    assert world.api("POST", "/v1/subscriptions", body, key=world.api_key()).status == 202
    (event,) = world.events()
    assert {name: event[name]["S"] for name in ("actor", "channel", "reference", "source", "topics", "locale")} == {
        "actor": "platform",
        "channel": "api",
        "reference": "order-7",
        "source": "checkout – café",
        "topics": "news,offers",
        "locale": "fr",
    }
    contact = world.deployment.store.contact("demo", world.subscriber_id())
    assert contact
    assert (contact.locale, contact.topics) == ("fr", ("news", "offers"))
    assert world.status() == "pending"


def test_a_platform_cannot_opt_anybody_in_by_asking(world: World) -> None:
    world.happened({"out.news": world.now - HOUR})
    call(world, "subscribe", world.api_key())
    assert world.decision() == "pending"


def test_links_come_in_the_order_of_the_recipients_with_repeats(world: World) -> None:
    recipients = [{"email": f"{name}@example.com"} for name in ("c", "a", "b", "a")]
    links = world.api("POST", "/v1/links", {"topic": "news", "recipients": recipients}, key=world.api_key()).json[
        "links"
    ]
    assert [each["subscriber_id"] for each in links] == [world.subscriber_id(each["email"]) for each in recipients]


def test_minted_links_work_and_carry_the_reference(world: World) -> None:
    recipients = [{"email": ANN, "reference": "spring-2027"}]
    answer = world.api("POST", "/v1/links", {"topic": "product", "recipients": recipients}, key=world.api_key())
    (link,) = answer.json["links"]
    base = "https://links.example.com"
    assert set(link) == {"subscriber_id", "unsubscribe_url", "preferences_url", "headers"}
    assert link["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    web, mail = re.fullmatch(r"<([^>]+)>, <(mailto:[^>]+)>", link["headers"]["List-Unsubscribe"]).groups()
    assert web == link["unsubscribe_url"]
    assert re.fullmatch(r"mailto:unsubscribe-[a-z2-7]{48}@reply\.meadow\.example\?subject=unsubscribe", mail)
    (code,) = unsubscribe_addresses.find(mail)
    left = unsubscribe_addresses.read(world.deployment.tokens, world.deployment.brands, code)
    assert left == Link(Purpose.UNSUBSCRIBE, "demo", link["subscriber_id"], ("product",))
    assert len(link["headers"]["List-Unsubscribe"]) < 998 - len("List-Unsubscribe: ")
    assert ANN not in answer.body
    assert world.get(link["preferences_url"].removeprefix(base)).status == 200
    world.post(link["unsubscribe_url"].removeprefix(base), body="List-Unsubscribe=One-Click")
    assert world.decision("product") == "unsubscribed"
    assert world.events()[0]["reference"] == {"S": "spring-2027"}


@pytest.mark.parametrize("reference", ["ann@example.com", "ann%40example.com"])
def test_a_link_that_was_minted_with_an_address_in_it_still_works(world: World, reference: str) -> None:
    url = world.leave_url(reference=reference)
    assert world.get(url).status == 200
    assert world.post(url, {"scope": "topic"}).status == 200
    assert world.status() == "unsubscribed"


def test_decisions_come_in_order_with_repeats_and_their_reasons(world: World) -> None:
    world.subscribed("news", email="in@example.com")
    world.happened({"out.news": world.now - HOUR}, email="out@example.com")
    world.happened({"ask.news": world.now - HOUR}, email="asked@example.com")
    world.subscribed("news", email="spam@example.com")
    world.happened({"complaint": world.now - HOUR}, email="spam@example.com")
    world.subscribed("news", email="paused@example.com")
    choose = world.choose_url(email="paused@example.com")
    world.post(choose, {"topics": "news", "frequency.news": "weekly", "pause_days": "30"})
    names = ["out", "in", "unknown", "asked", "spam", "paused", "in"]
    emails = [f"{name}@example.com" for name in names]

    key = world.api_key()
    told = world.api("POST", "/v1/decisions", {"topic": "news", "emails": emails}, key=key).json["decisions"]

    assert [(each["allowed"], each["reason"], each["status"]) for each in told] == [
        (False, "unsubscribed", "unsubscribed"),
        (True, "subscribed", "subscribed"),
        (False, "none", "none"),
        (False, "pending", "pending"),
        (False, "complaint", "subscribed"),
        (False, "paused", "subscribed"),
        (True, "subscribed", "subscribed"),
    ]
    assert (told[5]["frequency"], told[5]["paused_until"]) == ("weekly", "2027-02-14T08:00:00.000Z")
    assert "frequency" not in told[0]
    ids = [each["subscriber_id"] for each in told]
    by_id = world.api("POST", "/v1/decisions", {"topic": "news", "subscriber_ids": ids}, key=key)
    assert by_id.json["decisions"] == told


def test_an_opt_out_topic_may_be_mailed_to_somebody_unknown(world: World) -> None:
    answer = world.api("POST", "/v1/decisions", {"topic": "product", "emails": [ANN]}, key=world.api_key())
    assert answer.json["decisions"][0] == {
        "subscriber_id": world.subscriber_id(),
        "allowed": True,
        "reason": "opt_out_topic",
        "status": "none",
    }


def test_one_odd_address_among_a_thousand_spoils_nothing(world: World) -> None:
    key = world.api_key()
    emails = [f"person{number}@example.com" for number in range(1_000)]
    emails[500] = "a..b@docomo.ne.jp"
    mailing = {"topic": "news", "recipients": [{"email": email} for email in emails]}
    links = world.api("POST", "/v1/links", mailing, key=key).json["links"]
    decisions = world.api("POST", "/v1/decisions", {"topic": "news", "emails": emails}, key=key).json["decisions"]
    assert len(links) == len(decisions) == 1_000
    world.post(links[500]["unsubscribe_url"].removeprefix("https://links.example.com"))
    assert world.status("a..b@docomo.ne.jp") == "unsubscribed"


def test_every_entry_that_is_no_address_is_named_at_once(world: World) -> None:
    key = world.api_key()
    emails: list[Any] = [
        ANN,
        "nobody",
        "a..b@docomo.ne.jp",
        "x" * 1_001,
        "ann@",
        None,
        "ann@example.com, bob@example.com",
    ]
    decisions = world.api("POST", "/v1/decisions", {"topic": "news", "emails": emails}, key=key)
    assert_problem(decisions, 400)
    assert [each["field"] for each in decisions.json["errors"]] == [f"emails[{at}]" for at in (1, 3, 4, 5, 6)]
    links = world.api(
        "POST", "/v1/links", {"topic": "news", "recipients": [{"email": each} for each in emails]}, key=key
    )
    assert_problem(links, 400)
    assert [each["field"] for each in links.json["errors"]] == [f"recipients[{at}].email" for at in (1, 3, 4, 5, 6)]
    ids = world.api("POST", "/v1/decisions", {"topic": "news", "subscriber_ids": [UNKNOWN, "x", "y"]}, key=key)
    assert [each["field"] for each in ids.json["errors"]] == ["subscriber_ids[1]", "subscriber_ids[2]"]


def test_of_a_thousand_that_are_no_addresses_a_hundred_are_named(world: World) -> None:
    answer = world.api("POST", "/v1/decisions", {"topic": "news", "emails": ["nobody"] * 1_000}, key=world.api_key())
    assert [each["field"] for each in answer.json["errors"]] == [f"emails[{at}]" for at in range(100)]
    assert "100 of 1000" in answer.json["detail"]


def test_no_email_is_asked_for_that_cannot_be_sent(world: World) -> None:
    for email in ("a..b@docomo.ne.jp", "jörg@example.com", "Ann <ann@example.com>"):
        answer = world.api("POST", "/v1/subscriptions", {"email": email, "topics": ["news"]}, key=world.api_key())
        assert_problem(answer, 400, "email")
    assert world.items() == []


def test_a_thousand_people_at_a_time(world: World) -> None:
    key = world.api_key()
    emails = [f"person{number}@example.com" for number in range(1_000)]
    world.subscribed("news", email=emails[500])
    mailing = {"topic": "news", "recipients": [{"email": email} for email in emails]}
    links = world.api("POST", "/v1/links", mailing, key=key).json["links"]
    decisions = world.api("POST", "/v1/decisions", {"topic": "news", "emails": emails}, key=key).json["decisions"]
    assert [each["subscriber_id"] for each in links] == [each["subscriber_id"] for each in decisions]
    assert [at for at, each in enumerate(decisions) if each["allowed"]] == [500]


def test_somebody_unknown_is_looked_up_as_none_everywhere(world: World) -> None:
    answer = call(world, "lookup", world.api_key())
    assert answer.status == 200
    standing = {"status": "none", "allowed": False, "reason": "none", "since": None, "frequency": None}
    assert answer.json == {
        "subscriber_id": world.subscriber_id(),
        "topics": {
            "news": standing,
            "offers": standing,
            "product": standing | {"allowed": True, "reason": "opt_out_topic"},
        },
        "paused_until": None,
        "suppressed": False,
        "locale": None,
    }


def test_somebody_known_is_shown_the_same_by_address_and_by_id(world: World) -> None:
    key = world.api_key()
    world.subscribed("news")
    world.happened({"bounce": world.now - HOUR})
    url = world.choose_url(ours=True)
    form = world.get(url).page.forms[0]
    shown_at = world.now
    world.now += HOUR
    chosen = {"topics": ["news"], "locale": "de", "frequency.news": "monthly", "pause_days": "30"}
    world.post(url, form.with_values(chosen))
    told = call(world, "lookup", key).json
    assert told == world.api("GET", f"/v1/subscribers/{told['subscriber_id']}", key=key).json
    assert (told["locale"], told["suppressed"], told["topics"]["news"]["frequency"]) == ("de", True, "monthly")
    assert told["topics"]["news"]["since"] == platforms.rfc3339(shown_at) == "2027-01-15T08:00:00.000Z"
    assert told["paused_until"] == "2027-02-14T09:00:00.000Z"


def test_looking_somebody_up_changes_nothing(world: World) -> None:
    world.subscribed("news")
    key = world.api_key()
    before = world.items()
    for name in ("links", "decisions", "lookup", "show", "ledger", "record"):
        call(world, name, key)
    assert world.items() == before


def test_the_ledger_tells_everything_that_happened_oldest_first(world: World) -> None:
    key = world.api_key()
    world.post("/s/demo", {"email": ANN, "topics": "news", "lang": "de"}, headers={"user-agent": "Thunderbird"})
    world.now += HOUR
    world.post(world.leave_url(reference="spring"), body="List-Unsubscribe=One-Click")
    told = world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/ledger", key=key).json
    assert told["intact"] is True
    assert "next" not in told
    assert [(each["kind"], each["channel"], each["topics"]) for each in told["events"]] == [
        ("asked", "page", ["news"]),
        ("unsubscribed", "one-click", ["news"]),
    ]
    assert told["events"][0]["occurred_at"] == "2027-01-15T08:00:00.000Z"
    assert told["events"][0]["evidence"] == {"ip": "203.0.113.7", "user_agent": "Thunderbird"}
    assert (told["events"][0]["locale"], told["events"][0]["link"]) == ("de", "")
    assert (told["events"][1]["reference"], told["events"][1]["link"]) == ("spring", "platform")


def test_evidence_is_told_no_longer_than_the_brand_keeps_it(world: World) -> None:
    """DynamoDB deletes what has expired within days; nobody is to see it meanwhile."""
    key = world.api_key()
    world.post("/s/demo", {"email": ANN, "topics": "news"}, headers={"user-agent": "Thunderbird"})
    item = next(each for each in world.items() if each["sk"]["S"].startswith("V#"))
    world.now = int(item["expires_at"]["N"]) * 1000 - 1
    paths = [f"/v1/subscribers/{world.subscriber_id()}/{name}" for name in ("ledger", "record")]
    for path in paths:
        assert "203.0.113.7" in world.api("GET", path, key=key).body
    world.now += 1
    assert item in world.items()
    for path in paths:
        answer = world.api("GET", path, key=key)
        assert "203.0.113.7" not in answer.body
        assert "Thunderbird" not in answer.body
        assert answer.json["intact"] is True


def test_a_long_ledger_comes_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.function("api"), "LEDGER_PAGE", 2)
    key = world.api_key()
    for at in range(5):
        world.happened({"out.news": world.now + at})
    path = f"/v1/subscribers/{world.subscriber_id()}/ledger"
    seen, start = [], ""
    for _ in range(9):
        page = world.api("GET", f"{path}?start={start}" if start else path, key=key).json
        seen += [each["occurred_at"][-4:-1] for each in page["events"]]
        if (start := page.get("next", "").replace("#", "%23")) == "":
            break
    assert seen == ["000", "001", "002", "003", "004"]
    refused = world.api("GET", f"{path}?start=zzz", key=key)
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "start")


def test_a_ledger_that_was_tampered_with_is_said_to_be(world: World) -> None:
    world.subscribed("news")
    (event,) = world.events()
    world.dynamodb.put_item(TableName="consentry-test", Item={**event, "channel": {"S": "import"}})
    key = world.api_key()
    for part in ("ledger", "record"):
        assert world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/{part}", key=key).json["intact"] is False


def test_a_consent_record_is_in_the_terms_of_the_standard(world: World) -> None:
    key = world.api_key()
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    world.now += HOUR
    world.post(world.leave_url(), {"scope": "all"})
    told = world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/record", key=key).json
    assert told["schema_version"] == "ISO/IEC TS 27560:2023"
    assert told["intact"] is True
    record = next(each for each in told["records"] if each["record_id"].endswith("/news"))
    assert record["pii_principal_id"] == world.subscriber_id()
    assert record["privacy_notice"] == "https://meadow.example/privacy"
    assert record["purposes"][0]["lawful_basis"] == "consent"
    assert [each["event_state"] for each in record["events"]] == ["consent requested", "consent withdrawn"]
    assert all(each["notice_version"] for each in record["events"])
    assert record["status"] == "unsubscribed"


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_needs_no_key_and_describes_every_call(world: World) -> None:
    answer = world.api("GET", "/v1/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    called = {(method, path.replace(UNKNOWN, "{subscriber_id}")) for method, path, _, _ in CALLS.values()}
    assert described >= called
    routes = world.function("api").app._static_routes + world.function("api").app._dynamic_routes
    assert len(routes) == len(described) + 2  # and the document itself, and the pages of problems
    for operations in document["paths"].values():
        for operation in operations.values():
            assert set(operation["responses"]) >= {"400", "401", "403", "413", "503"}
            for status, told in operation["responses"].items():
                assert status.startswith("2") or set(told["content"]) == {"application/problem+json"}
            assert operation["summary"]
    assert document["security"] == [{"key": []}]


@pytest.mark.parametrize(("asked", "gets"), [("de-AT", "de"), ("fr_CA", "fr"), ("sv", "en"), (None, "en")])
def test_a_subscription_in_another_language_gets_the_nearest(world: World, asked: str | None, gets: str) -> None:
    body = {"email": "ann@example.com", "topics": ["news"], "locale": asked}
    assert world.api("POST", "/v1/subscriptions", body, key=world.api_key()).status == 202
    contact = world.deployment.store.contact("demo", world.subscriber_id())
    assert contact is not None
    assert contact.locale == gets


def test_the_document_says_what_a_generated_client_needs(world: World) -> None:
    document = world.api("GET", "/v1/openapi.json").json
    operations = [(method, each) for item in document["paths"].values() for method, each in item.items()]
    named = [each["operationId"] for _, each in operations]
    assert len(named) == len(set(named))
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in named)
    for method, operation in operations:
        headers = {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}
        assert ("Idempotency-Key" in headers) == (method == "post")
        assert {"429", "500", "503"} <= set(operation["responses"])
        assert "Retry-After" in operation["responses"]["503"]["headers"]
        assert all(len(each["description"]) > 10 for each in operation["responses"].values())
    webhook = document["webhooks"]["consentChanged"]["post"]
    schema = webhook["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ConsentChanged"}


@pytest.mark.parametrize("name", problems.KINDS)
def test_every_kind_of_problem_has_a_page_that_needs_no_key(world: World, name: str) -> None:
    answer = world.api("GET", f"{problems.PATH}{name}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{html.escape(problems.KINDS[name].title)}" in answer.body
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_kind_of_problem_that_there_is_not_is_not_found(world: World) -> None:
    assert_problem(world.api("GET", f"{problems.PATH}<script>"), 404)


def test_every_reference_in_the_document_leads_somewhere(world: World) -> None:
    body = world.api("GET", "/v1/openapi.json").body
    schemas = json.loads(body)["components"]["schemas"]
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', body))
    assert references
    assert references <= set(schemas)


def test_every_answer_is_as_the_document_says(world: World) -> None:
    import jsonschema

    document = world.api("GET", "/v1/openapi.json").json
    world.subscribed("news")
    world.post("/s/demo", {"email": ANN, "topics": "offers"})
    key = world.api_key()
    for method, path, body, _ in CALLS.values():
        answer = world.api(method, path.replace(UNKNOWN, world.subscriber_id()), body, key=key)
        operation = document["paths"][path.replace(UNKNOWN, "{subscriber_id}")][method.lower()]
        schema = operation["responses"][str(answer.status)]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json, {**schema, "components": document["components"]})
