"""The form on the brand's own site: posted by a browser or by a script, from a listed origin or from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from consentry.http import embed
from consentry.rules.brands import Bounds, Brand
from support import calls
from support.documents import page, section
from support.world import DAY, HOUR, Answer, World

ANN = "ann@example.com"
SITE = "https://www.meadow.example"
JSON = {"accept": "application/json"}
ACCEPTED = {"status": "accepted"}


@pytest.fixture
def demo(world: World, monkeypatch: pytest.MonkeyPatch) -> Brand:
    """The demonstration brand, which lists the site's origin."""
    found = world.deployment.brands.get("demo")
    assert found
    listed = found._replace(origins=(SITE, "https://shop.meadow.example:8443"))
    monkeypatch.setitem(world.deployment.brands._brands, "demo", listed)
    return listed


def post(world: World, body: Any, origin: str = SITE, brand: str = "demo", **how: Any) -> Answer:
    """A script's post, in JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **({"origin": origin} if origin else {}), **how.pop("headers", {})}
    return world.send("POST", f"/s/{brand}", body=raw, headers=headers, **how)


def crossing(answer: Answer) -> dict[str, str]:
    """What lets a script of another origin read the answer."""
    return {name: each for name, each in answer.headers.items() if name.startswith("access-control") or name == "vary"}


def problem(answer: Answer, status: int = 400) -> Any:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["status"] == status
    return answer.json


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"email": "ann", "topics": ["news"]}, ["email"]),
        ({"topics": ["news"]}, ["email"]),
        ({"email": None, "topics": ["news"]}, ["email"]),
        ({"email": [ANN], "topics": ["news"]}, ["email"]),
        ({"email": "\ud800@example.com", "topics": ["news"]}, ["email"]),
        ({"email": f"{ANN}\r\nBcc: bob@example.com", "topics": ["news"]}, ["email"]),
        ({"email": ANN}, ["topics"]),
        ({"email": ANN, "topics": []}, ["topics"]),
        ({"email": ANN, "topics": "news"}, ["topics"]),
        ({"email": ANN, "topics": None}, ["topics"]),
        ({"email": ANN, "topics": ["news", 5]}, ["topics"]),
        ({"email": ANN, "topics": ["news", "nonsense"]}, ["topics"]),
        ({"email": ANN, "topics": {"news": True}}, ["topics"]),
        ({"email": "ann", "topics": ["nonsense"]}, ["email", "topics"]),
        ([], ["email", "topics"]),
        (b"", ["email", "topics"]),
        (b"{", ["email", "topics"]),
        (b"\xff\xfe", ["email", "topics"]),
        (b"[" * 60_000, ["email", "topics"]),
        (b"9" * 60_000, ["email", "topics"]),
    ],
    ids=lambda given: repr(given)[:40],
)
def test_bad_json_is_refused_field_by_field_and_nothing_happens(world: World, body: Any, fields: list[str]) -> None:
    wrong = problem(post(world, body))
    assert [each["field"] for each in wrong["errors"]] == fields
    assert wrong["type"] == "https://links.example.com/v1/problems/invalid-request"
    assert world.items() == []


def test_what_is_wrong_is_said_in_the_words_of_the_page_and_the_language_of_the_form(world: World) -> None:
    body = {"email": "ann", "topics": [], "locale": "de"}
    details = [each["detail"] for each in problem(post(world, body))["errors"]]
    form = world.post("/s/demo", {"email": "ann", "lang": "de"}).page
    assert details == [each for each in details if each in form.text]
    assert len(details) == 2
    as_form = world.post("/s/demo", {"email": "ann", "lang": "de"}, headers=JSON)
    assert [each["detail"] for each in problem(as_form)["errors"]] == details


def test_a_problem_never_repeats_what_was_sent(world: World) -> None:
    assert "<b>" not in post(world, {"email": "<b>@example", "topics": ["<b>"]}).body


def test_a_brand_that_there_isnt_is_a_problem_for_a_script_and_a_page_for_a_person(world: World) -> None:
    problem(post(world, {"email": ANN, "topics": ["news"]}, brand="nobody"), 404)
    problem(world.post("/s/nobody", {"email": ANN}, headers=JSON), 404)
    assert world.post("/s/nobody", {"email": ANN}).page.heading


@pytest.mark.usefixtures("demo")
def test_a_body_that_is_too_large_is_a_problem_that_the_script_may_read(world: World) -> None:
    answer = post(world, {"email": ANN, "topics": ["news"], "more": "x" * 65_536})
    problem(answer, 413)
    assert crossing(answer)["access-control-allow-origin"] == SITE
    assert world.items() == []


@pytest.mark.usefixtures("demo")
def test_an_outage_is_a_problem_that_the_script_may_read(world: World) -> None:
    with world.table_unavailable():
        answer = post(world, {"email": ANN, "topics": ["news"]})
    problem(answer, 503)
    assert (answer.headers["retry-after"], crossing(answer)["vary"]) == ("5", "Origin")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_a_problem_for_a_script(world: World, method: str) -> None:
    answer = world.send(method, "/s/demo", headers=JSON)
    problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST, HEAD"


# --- what is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"body": b'{"email": "ann@example.com", "topics": ["news"], "locale": "de"}'},
        {"form": {"email": ANN, "topics": "news", "lang": "de"}, "headers": JSON},
        {"form": {"email": ANN, "topics": "news", "lang": "de"}, "headers": {"accept": "application/json, */*"}},
    ],
    ids=["JSON without a type", "form", "form of a library"],
)
def test_a_script_is_answered_in_json_and_the_request_recorded(world: World, how: dict[str, Any]) -> None:
    answer = world.send("POST", "/s/demo", **how)
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", ACCEPTED)
    contact = world.deployment.store.contact("demo", world.subscriber_id())
    assert contact
    assert (contact.address, contact.topics, contact.locale) == (ANN, ("news",), "de")
    (event,) = world.events()
    assert (event["actor"]["S"], event["channel"]["S"]) == ("recipient", "page")
    assert world.intact()


def test_a_browser_that_would_also_take_json_gets_the_page(world: World) -> None:
    both = {"accept": "text/html,application/json;q=0.9"}
    assert world.post("/s/demo", {"email": ANN, "topics": "news"}, headers=both).page.heading == "Check your inbox"


def test_of_a_brand_with_one_topic_the_address_is_enough(world: World) -> None:
    assert post(world, {"email": ANN}, brand="other").json == ACCEPTED
    assert world.status(brand="other") == "pending"


@pytest.mark.parametrize("locale", ["tlh", "", 5, None, "x" * 5_000, "\ud800"])
def test_a_language_that_nobody_speaks_is_the_browsers(world: World, locale: Any) -> None:
    body = {"email": ANN, "topics": ["news"], "locale": locale}
    assert post(world, body, headers={"accept-language": "fr"}).json == ACCEPTED
    contact = world.deployment.store.contact("demo", world.subscriber_id())
    assert contact
    assert contact.locale == "fr"


def test_a_program_that_fills_every_field_is_thanked_and_ignored(world: World) -> None:
    body = {"email": ANN, "topics": ["news"], "website": "https://spam.example"}
    assert post(world, body).json == ACCEPTED
    assert world.items() == []


@pytest.mark.usefixtures("demo")
def test_everybody_gets_the_same_answer_at_the_same_cost(world: World) -> None:
    world.subscribed("news", email="known@example.com")
    world.happened({"complaint": world.now - HOUR}, email="complained@example.com")
    world.happened({"bounce": world.now - 30 * DAY}, email="bounced@example.com")
    world.happened({"out.*": world.now - HOUR}, email="left@example.com")
    post(world, {"email": "throttled@example.com", "topics": ["news"]})
    seen = set()
    for name in ("unknown", "known", "complained", "bounced", "left", "throttled"):
        with calls.counted(world.table_client) as made:
            answer = post(world, {"email": f"{name}@example.com", "topics": ["news"]})
        seen.add((str(answer.raw), tuple(made)))
    assert len(seen) == 1


def test_a_visitor_of_the_site_has_the_pages_budget(world: World, demo: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = demo._replace(limits=Bounds(requests_an_hour_per_ip=3))
    monkeypatch.setitem(world.deployment.brands._brands, "demo", narrow)
    answers = {post(world, {"email": f"p{at}@example.com", "topics": ["news"]}).body for at in range(6)}
    world.post("/s/demo", {"email": "q@example.com", "topics": "news"})
    assert answers == {json.dumps(ACCEPTED).replace(" ", "")}
    assert len(world.events()) == 3
    post(world, {"email": "r@example.com", "topics": ["news"]}, ip="203.0.113.8")
    assert len(world.events()) == 4


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(("origin", "source"), [(SITE, SITE), ("https://evil.example", None), ("", None)])
def test_the_ledger_says_on_which_listed_site_somebody_asked(world: World, origin: str, source: str | None) -> None:
    post(world, {"email": ANN, "topics": ["news"]}, origin)
    world.post("/s/demo", {"email": "bob@example.com", "topics": "news"}, headers={"origin": origin})
    assert [event.get("source", {}).get("S") for event in world.events()] == [source, source]


# --- other origins ----------------------------------------------------------------------------------------------------

STRANGERS = [
    "https://evil.example",
    "null",
    "",
    "http://www.meadow.example",
    "https://www.meadow.example.evil.example",
    "https://www.meadow.example:8443",
    "https://meadow.example",
    "HTTPS://WWW.MEADOW.EXAMPLE",
    f"{SITE}/",
    f"{SITE}, https://evil.example",
]
BODIES = [{"email": ANN, "topics": ["news"]}, {"email": "ann", "topics": ["news"]}]


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("body", BODIES, ids=["good", "bad"])
def test_an_origin_that_isnt_listed_gets_the_same_answer_without_being_able_to_read_it(
    world: World, body: dict[str, Any]
) -> None:
    listed = post(world, body)
    assert crossing(listed) == {"access-control-allow-origin": SITE, "vary": "Origin"}
    rest = {name: each for name, each in listed.headers.items() if name not in crossing(listed)}
    for stranger in STRANGERS:
        answer = post(world, body, stranger)
        assert (answer.status, answer.body, answer.headers) == (listed.status, listed.body, rest)


@pytest.mark.usefixtures("demo")
def test_what_a_listed_origin_may_read_is_never_a_page_nor_another_brands(world: World) -> None:
    headers = {"origin": SITE}
    pages = [
        world.get("/s/demo", headers=headers),
        world.post("/s/demo", {"email": ANN, "topics": "news"}, headers=headers),
        world.get(world.leave_url(), headers=headers),
        world.post(world.leave_url(), {"scope": "topic"}, headers={**headers, **JSON}),
        post(world, {"email": ANN}, brand="other"),
        post(world, {"email": ANN}, brand="nobody"),
    ]
    assert [crossing(each) for each in pages] == [{}] * len(pages)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("path", ["/s/demo", "/s/demo/"])
def test_a_browser_learns_before_it_posts_what_a_listed_origin_may_send(world: World, path: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = world.send("OPTIONS", path, headers={"origin": "https://shop.meadow.example:8443", **asked})
    assert (answer.status, answer.body) == (204, "")
    assert crossing(answer) == {
        "access-control-allow-origin": "https://shop.meadow.example:8443",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, accept",
        "access-control-max-age": "7200",
        "vary": "Origin",
    }
    for stranger in STRANGERS:
        refused = world.send("OPTIONS", path, headers={"origin": stranger, **asked})
        assert (refused.status, crossing(refused)) == (204, {})
    assert world.items() == []


@pytest.mark.usefixtures("demo")
def test_a_preflight_elsewhere_allows_nothing(world: World) -> None:
    headers = {"origin": SITE, "access-control-request-method": "POST"}
    urls = ["/s/nobody", "/s/demo/thanks", "/", world.leave_url(), world.choose_url(), world.confirm_url()]
    answers = [world.send("OPTIONS", url, headers=headers) for url in urls]
    assert [crossing(each) for each in answers] == [{}] * len(urls)
    assert {each.status for each in answers} == {404, 405}


# --- the script for the brand's site ----------------------------------------------------------------------------------

PUBLISHED = {1: "sha384-01Rtm3UTX7nTt3qpMvtKDgT70tt/VkeTxcvFzEONqWhn1wLUXmFA5spodEG+R4DU"}
"""Sites pin these: a version that was shipped never changes. A changed script is a new version."""


def test_each_version_of_the_script_is_what_it_was_when_sites_pinned_it() -> None:
    assert set(PUBLISHED) == set(range(1, embed.LATEST + 1))
    for version, pinned in PUBLISHED.items():
        digest = hashlib.sha384(embed.script(version).encode()).digest()
        assert f"sha384-{base64.b64encode(digest).decode()}" == pinned
    assert embed.integrity() == PUBLISHED[embed.LATEST]


@pytest.mark.parametrize(
    ("query", "cached"),
    [
        ("?v=1", "public, max-age=31536000, immutable"),
        ("", "public, max-age=86400"),
        ("?v=", "public, max-age=86400"),
        ("?v=0", "public, max-age=86400"),
        ("?v=2", "public, max-age=86400"),
        ("?v=-1", "public, max-age=86400"),
        ("?v=../style", "public, max-age=86400"),
        (f"?v={'9' * 5_000}", "public, max-age=86400"),
        ("?v=%D9%A1", "public, max-age=86400"),
    ],
)
def test_the_script_is_small_and_cached_and_a_version_for_a_year(world: World, query: str, cached: str) -> None:
    with calls.counted(world.table_client) as made:
        answer = world.get(f"/s/demo/embed.js{query}", headers={"origin": "https://anybody.example"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert (answer.headers["cache-control"], answer.body) == (cached, embed.script(1))
    assert len(answer.body.encode()) <= 2048
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert made == []


def test_the_script_runs_under_a_strict_policy_and_fetches_nothing_but_the_forms_answer() -> None:
    text = embed.script(embed.LATEST)
    assert not re.search(r"eval|Function\(|innerHTML|\.style|cookie|Storage|import|https?:", text)
    assert text.count("fetch(") == 1


def test_the_documents_pin_the_script_that_is_served() -> None:
    """Their forms are those that people copy."""
    text = page("docs/your-site.md")
    assert set(re.findall(r"sha384-[A-Za-z0-9+/=]+", text)) == {embed.integrity()}
    assert set(re.findall(r"embed\.js\?v=(\d+)", text)) == {str(embed.LATEST)}


@pytest.mark.parametrize("heading", ["Plain HTML", "WordPress", "Webflow", "Next.js"])
def test_the_form_of_each_recipe_is_taken(world: World, heading: str) -> None:
    recipe = section(page("docs/your-site.md"), heading)
    form = recipe if "<form" in recipe else section(page("docs/your-site.md"), "The form")
    names = re.findall(r'name="(\w+)"', form)
    filled = {"email": ANN, "topics": "news", "lang": "en", "website": ""}
    assert set(names) == set(filled)
    assert "data-consentry" in form
    assert world.post("/s/demo", filled).page.heading == "Check your inbox"
    assert world.events()


def test_where_there_is_no_script_nothing_is_cached(world: World) -> None:
    for url in ("/s/nobody/embed.js?v=1", "/s/demo/embed.js/x", "/s/demo/embed.css"):
        answer = world.get(url)
        assert (answer.status, answer.headers["cache-control"]) == (404, "no-store")
    assert world.post("/s/demo/embed.js", {"email": ANN, "topics": "news"}).status == 405
    assert world.send("HEAD", "/s/demo/embed.js?v=1").body == ""
    assert world.items() == []
