"""What holds for every page: its headers, what may ask for it, its language, and what nobody may learn from it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from consentry.http import web
from consentry.links.tokens import Purpose
from consentry.rules.ledger import Kind
from consentry.table.gateway import StoreUnavailableError
from support import calls, events
from support.world import DAY, HOUR, Answer, World

ANN: Final = "ann@example.com"
BOB: Final = "bob@example.com"


def left(world: World, topic: str, email: str = ANN) -> str:
    """The unsubscribe link of somebody who left yesterday."""
    world.happened({f"out.{topic}": world.now - DAY}, email=email, kind=Kind.UNSUBSCRIBED)
    return world.leave_url(email=email)


def ticked(world: World, **more: str) -> tuple[int, str, dict[str, str]]:
    """The preferences form of somebody who left `news`, with that ticked."""
    left(world, "news")
    url = world.choose_url()
    return 200, url, {**dict(world.get(url).page.forms[0].fields), "topics": "news", **more}


def repeated(world: World, url: str, **more: str) -> tuple[int, str, dict[str, str]]:
    """A page's first form, which was sent before."""
    form = {**dict(world.get(url).page.forms[0].fields), **more}
    assert world.post(url, form).status == 200
    return 200, url, form


PAGES: Final[dict[str, Callable[[World], str]]] = {
    "subscribe": lambda world: "/s/demo",
    "confirm": lambda world: world.confirm_url(),
    "confirm, expired": lambda world: world.confirm_url(at=world.now - 8 * DAY),
    "unsubscribe": lambda world: world.leave_url(),
    "unsubscribe from everything": lambda world: world.leave_url(()),
    "unsubscribe, left already": lambda world: left(world, "news"),
    "unsubscribe, left everything already": lambda world: left(world, "*", "cat@example.com"),
    "preferences": lambda world: world.choose_url(),
    "keep": lambda world: f"/k/{world.token(Purpose.KEEP)}",
}
"""Every page that a GET answers."""
TO_LEAVE: Final = tuple(name for name in PAGES if name.startswith("unsubscribe"))

PROBLEMS: Final[dict[str, tuple[int, Callable[[World], str]]]] = {
    "no such brand": (404, lambda world: "/s/nobody"),
    "confirm, not ours": (404, lambda world: "/c/nonsense"),
    "unsubscribe, not ours": (404, lambda world: "/u/nonsense"),
    "preferences, not ours": (404, lambda world: "/p/nonsense"),
    "keep, not ours": (404, lambda world: "/k/nonsense"),
    "confirm, expired": (410, lambda world: world.confirm_url(at=world.now - 7 * DAY)),
}

POSTS: Final[dict[str, Callable[[World], tuple[int, str, dict[str, str]]]]] = {
    "asked": lambda world: (200, "/s/demo", {"email": ANN, "topics": "news"}),
    "mistyped": lambda world: (400, "/s/demo", {"email": "ann", "topics": "news"}),
    "confirm, blindly": lambda world: (200, world.confirm_url(), {}),
    "confirm, expired": lambda world: (410, world.confirm_url(at=world.now - 8 * DAY), {}),
    "sent again": lambda world: (200, world.confirm_url(at=world.now - 8 * DAY), {"action": "resend"}),
    "left a topic": lambda world: (200, world.leave_url(), {"scope": "topic"}),
    "left everything": lambda world: (200, world.leave_url(), {"scope": "all"}),
    "left a topic again": lambda world: (200, left(world, "news"), {"scope": "topic"}),
    "left a topic, the form again": lambda world: repeated(world, world.leave_url(email=BOB), scope="topic"),
    "paused": lambda world: (200, world.leave_url(), {"scope": "pause", "days": "30"}),
    "gets fewer": lambda world: (200, world.leave_url(), {"scope": "frequency", "frequency": "weekly"}),
    "gets fewer, bad choice": lambda world: (400, world.leave_url(), {"scope": "frequency", "frequency": "hourly"}),
    "said why": lambda world: (200, f"/u/reason/{world.token(Purpose.REASON)}", {"reason": "too_many"}),
    "said nothing": lambda world: (200, f"/u/reason/{world.token(Purpose.REASON)}", {}),
    "said something else": lambda world: (400, f"/u/reason/{world.token(Purpose.REASON)}", {"reason": "x"}),
    "said why too late": lambda world: (410, f"/u/reason/{world.token(Purpose.REASON, at=world.now - DAY)}", {}),
    "undone": lambda world: (200, f"/u/undo/{world.token(Purpose.UNDO)}", {}),
    "undone, but left before": lambda world: (left(world, "news") and 200, f"/u/undo/{world.token(Purpose.UNDO)}", {}),
    "undone too late": lambda world: (410, f"/u/undo/{world.token(Purpose.UNDO, at=world.now - HOUR)}", {}),
    "keep, blindly": lambda world: (200, f"/k/{world.token(Purpose.KEEP)}", {}),
    "saved": lambda world: (200, world.choose_url(), {"topics": "news"}),
    "saved, the form again": lambda world: repeated(world, world.choose_url(), pause_days="30"),
    "saved, of a topic that is gone": lambda world: (200, world.choose_url(), {"topics": "nonsense"}),
    "comes back": ticked,
    "comes back, by email": lambda world: ticked(world, email=ANN),
    "comes back, by somebody else's email": lambda world: ticked(world, email=BOB),
    "comes back, mistyped": lambda world: ticked(world, email="ann@"),
}


def assert_safe(answer: Any) -> None:
    """The headers and contents that every answer must have, or must not."""
    headers = answer.headers
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert int(re.fullmatch(r"max-age=(\d+); includeSubDomains", headers["strict-transport-security"])[1]) >= 31_536_000
    policy = dict(each.strip().partition(" ")[::2] for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "set-cookie" not in headers
    assert not answer.raw.get("cookies")
    assert "location" not in headers
    assert answer.status // 100 != 3
    assert answer.raw["isBase64Encoded"] is False


def assert_self_contained(answer: Any) -> None:
    """The page loads nothing from anywhere, runs no script, and its one style is the one that its policy allows."""
    import hashlib

    assert answer.page.sources == []
    assert not re.search(r"<script|<[^>]+\son\w+=|<[^>]+\sstyle=|@import|url\(|javascript:", answer.body, re.IGNORECASE)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert "form-action 'self'" in answer.headers["content-security-policy"]


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_link_that_does_not_work_is_explained(world: World, name: str, method: str) -> None:
    status, url = PROBLEMS[name]
    answer = world.send(method, url(world))
    assert answer.status == status
    assert_safe(answer)
    if method == "HEAD":
        assert answer.body == ""
    else:
        assert answer.page.heading
        assert_self_contained(answer)
    assert world.items() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_a_method_that_no_page_has_is_refused(world: World, method: str) -> None:
    urls = [url(world) for url in PAGES.values()]
    before = world.items()
    for url in urls:
        answer = world.send(method, url, body="x=y")
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, POST, HEAD"
        assert answer.page.heading == "This page can’t be opened directly"
        assert_safe(answer)
        assert_self_contained(answer)
    assert world.items() == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
@pytest.mark.parametrize("purpose", [Purpose.UNDO, Purpose.REASON])
def test_an_undo_or_a_reason_can_only_be_posted(world: World, purpose: Purpose, method: str) -> None:
    answer = world.send(method, f"/u/{purpose.name.lower()}/{world.token(purpose)}")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert_safe(answer)


@pytest.mark.parametrize("name", [name for name in PAGES if name not in TO_LEAVE])
def test_a_body_that_is_too_large_is_refused_and_the_largest_is_not(world: World, name: str) -> None:
    url = PAGES[name](world)
    for as_base64 in (False, True):
        answer = world.post(url, body=b"x" * (64 * 1024 + 1), as_base64=as_base64)
        assert answer.status == 413
        assert_safe(answer)
        assert answer.page.heading
    assert world.items() == []
    assert world.post(url, body=b"x" * 64 * 1024).status != 413


@pytest.mark.parametrize("as_base64", [False, True])
@pytest.mark.parametrize("path", ["/u/", "/u/page/"])
def test_no_size_of_a_body_keeps_anybody_from_leaving(world: World, path: str, as_base64: bool) -> None:
    world.subscribed("news", "offers")
    url = path + world.token(Purpose.UNSUBSCRIBE)
    assert world.post(url, body=b"x" * 4_000_000, as_base64=as_base64).status == 200
    assert (world.status(), world.status(topic="offers")) == ("unsubscribed", "subscribed")


@pytest.mark.parametrize(
    "body", ["List-Unsubscribe=One-Click", "====", "\ud800", "é", "A" * 80_000, "A" * 100_000, "%%%"]
)
def test_a_body_that_claims_to_be_base64_and_is_not_keeps_nobody_from_leaving(world: World, body: str) -> None:
    world.subscribed("news")
    url = world.leave_url()
    event = events.http("POST", url) | {"body": body, "isBase64Encoded": True}
    answer = world.function("oneclick").handler(event, None)
    assert answer["statusCode"] == 200
    assert world.status() == "unsubscribed"


def test_a_post_from_another_site_does_nothing_without_the_link(world: World) -> None:
    """There is no session to ride on: what a post may do stands in its path, and nowhere else."""
    world.subscribed("news")
    before = world.items()
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "cookie": "session=1; token=1"}
    for path in ("/c/", "/u/", "/u/undo/", "/u/reason/", "/p/", "/k/"):
        for guess in (world.subscriber_id(), "demo", "session", ANN):
            answer = world.post(path + guess, {"scope": "all", "answer": "yes", "email": ANN}, headers=foreign)
            assert answer.status == 404
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
    assert world.items() == before


@pytest.mark.parametrize(
    "token", ["%00", "..", "a.b", "x" * 9_000, "é", "%F0%9F%92%A9", "' OR 1=1", "a|b", "{token}", "+", "."]
)
def test_nonsense_in_a_link_is_not_ours(world: World, token: str) -> None:
    for function in ("s", "c", "p", "u", "k"):
        for method in ("GET", "POST"):
            answer = world.send(method, f"/{function}/{token}")
            assert answer.status == 404
            assert token not in answer.body or len(token) < 9
    assert world.items() == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_crashes_says_so_without_a_stack_trace(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError(ANN)

    url = PAGES[name](world)
    monkeypatch.setattr(world.deployment.forms, "glance", crash)
    monkeypatch.setattr(world.deployment.store, "read", crash)
    monkeypatch.setattr(world.deployment.store, "read_with_contact", crash)
    monkeypatch.setattr(world.deployment.brands.get("demo").__class__, "asked_for", crash)
    answer = world.get(url)
    assert answer.status == 500
    assert_safe(answer)
    assert answer.page.heading == "Something went wrong"
    assert "RuntimeError" not in answer.body
    assert ANN not in answer.body


def test_a_broken_error_page_is_still_an_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(world.deployment.pages, "render", crash)
    answer = world.get("/c/nonsense")
    assert (answer.status, answer.body) == (404, "not_ours\n")
    assert_safe(answer)


def test_a_keyring_that_cannot_be_read_is_said_and_asked_for_again(world: World) -> None:
    url = world.confirm_url()
    document = world.secrets.get_secret_value(SecretId="keyring", VersionStage="AWSCURRENT")["SecretString"]
    world.deploy()
    world.secrets.update_secret(SecretId="keyring", SecretString="not JSON")
    answer = world.get(url)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert_safe(answer)
    world.secrets.update_secret(SecretId="keyring", SecretString=document)
    assert world.get(url).status == 200


@pytest.mark.parametrize("name", ["asked", "confirm"])
def test_a_table_that_is_away_is_said_with_when_to_come_back(world: World, name: str) -> None:
    if name == "confirm":
        url = world.confirm_url()
        form = dict(world.get(url).page.forms[0].fields)
        world.now += 5_000
    else:
        _, url, form = POSTS[name](world)
    with world.table_unavailable():
        answer = world.post(url, form)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert_safe(answer)
    assert answer.page.heading == "Please try again in a minute"
    assert world.items() == []


@pytest.mark.parametrize("name", ["confirm", "unsubscribe"])
def test_a_link_opens_its_page_while_the_table_is_unavailable(world: World, name: str) -> None:
    url = PAGES[name](world)
    with world.table_unavailable():
        assert world.get(url).status == 200


# --- every answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_safe_to_open(world: World, name: str) -> None:
    answer = world.get(PAGES[name](world))
    assert answer.status == (410 if "expired" in name else 200)
    assert_safe(answer)
    assert_self_contained(answer)
    assert answer.page.forms or "everything already" in name
    for at, form in enumerate(answer.page.forms):
        assert form.method == "post"
        leaves = name in TO_LEAVE or (name == "keep" and at > 0)
        assert form.action.startswith("/u/page/") if leaves else form.action == ""


@pytest.mark.parametrize("name", POSTS)
def test_every_answer_to_a_form_is_a_safe_page(world: World, name: str) -> None:
    status, url, form = POSTS[name](world)
    answer = world.post(url, form)
    assert answer.status == status
    assert_safe(answer)
    assert_self_contained(answer)
    assert answer.page.heading


@pytest.mark.parametrize("name", PAGES)
def test_head_is_get_without_a_body(world: World, name: str) -> None:
    url = PAGES[name](world)
    opened, peeked = world.get(url), world.send("HEAD", url)
    assert peeked.body == ""
    assert (peeked.status, peeked.headers) == (opened.status, opened.headers)


@pytest.mark.parametrize("name", PAGES)
def test_opening_a_page_is_one_call_to_aws_at_most(world: World, name: str) -> None:
    url = PAGES[name](world)
    world.get(url)
    with calls.counted(world.table_client) as seen, calls.counted(world.secrets) as secrets:
        world.get(url)
    assert len(seen) <= 1
    assert secrets == []


def test_health_is_told_without_touching_anything(world: World) -> None:
    with calls.counted(world.table_client) as seen:
        answer = world.get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"
    assert seen == []
    assert world.send("HEAD", "/healthz").body == ""
    assert world.post("/healthz").status == 405


# --- law 1: looking changes nothing -----------------------------------------------------------------------------------


def test_scanners_that_open_every_link_change_nothing(world: World) -> None:
    world.subscribed("news", "offers")
    world.happened({"ask.offers": world.now - HOUR})
    urls = [url(world) for url in PAGES.values()] + [url(world) for _, url in PROBLEMS.values()]
    urls += ["/healthz", f"/u/undo/{world.token(Purpose.UNDO)}"]
    for url in list(urls):
        page = world.get(url)
        if page.headers["content-type"].startswith("text/html"):
            urls += [link for link in page.page.links if link.startswith(("/", "?"))]
    before = world.items()
    for url in dict.fromkeys(url for url in urls if url.startswith("/")):
        for method in ("GET", "HEAD", "OPTIONS"):
            for query in ("", "?lang=de", "?scope=all&email=ann%40example.com&topics=news&answer=yes"):
                world.send(method, url.partition("?")[0] + query, body="List-Unsubscribe=One-Click")
    assert world.items() == before


def test_a_storm_of_heads_changes_nothing(world: World) -> None:
    world.subscribed("news")
    before = world.items()
    for _ in range(25):
        for url in (world.leave_url(), world.confirm_url(), world.choose_url()):
            world.send("HEAD", url, form={"scope": "all"})
    assert world.items() == before


# --- law 6: a token does one thing, for one brand ---------------------------------------------------------------------

_DOORS: Final = {
    Purpose.CONFIRM: "/c/{}",
    Purpose.UNSUBSCRIBE: "/u/{}",
    Purpose.PREFERENCES: "/p/{}",
    Purpose.KEEP: "/k/{}",
}
_DOORS_TO_POST: Final = {**_DOORS, Purpose.UNDO: "/u/undo/{}", Purpose.REASON: "/u/reason/{}"}


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_opens_one_kind_of_page_alone(world: World, purpose: Purpose) -> None:
    world.subscribed("news")
    before = world.items()
    token = world.token(purpose)
    for door, path in _DOORS.items():
        assert world.get(path.format(token)).status == (200 if door is purpose else 404)
    for door, path in _DOORS_TO_POST.items():
        if door is not purpose:
            assert world.post(path.format(token), {"scope": "all"}).status == 404
    if purpose is not Purpose.UNSUBSCRIBE:
        assert world.post(f"/u/page/{token}", {"scope": "all"}).status == 404
    assert world.items() == before


@pytest.mark.parametrize("purpose", _DOORS_TO_POST)
def test_a_token_of_another_brand_acts_for_that_brand_alone(world: World, purpose: Purpose) -> None:
    ours = {"in.news": world.now - DAY}
    world.happened(ours)
    mine = [item for item in world.items() if item["pk"]["S"].startswith("S#demo#")]
    token = world.token(purpose, brand="other")
    url = _DOORS_TO_POST[purpose].format(token)
    assert "Other Press" in world.get(url).body
    world.post(url, {"scope": "all"})
    assert [item for item in world.items() if item["pk"]["S"].startswith("S#demo#")] == mine


@pytest.mark.parametrize("purpose", _DOORS)
def test_a_token_whose_brand_was_rewritten_is_not_ours(world: World, purpose: Purpose) -> None:
    from base64 import urlsafe_b64decode, urlsafe_b64encode

    payload, _, signature = world.token(purpose).partition(".")
    said = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert b"|demo|" in said
    forged = urlsafe_b64encode(said.replace(b"|demo|", b"|other|")).rstrip(b"=").decode()
    url = _DOORS[purpose].format(f"{forged}.{signature}")
    assert [world.get(url).status, world.post(url, {"scope": "all"}).status] == [404, 404]
    assert world.items() == []


def test_a_stamp_of_one_form_is_none_of_another(world: World) -> None:
    leave = dict(world.get(world.leave_url()).page.form(scope="topic").fields)
    world.now += 5_000
    assert world.post(world.confirm_url(), {"stamp": leave["stamp"]}).page.heading == "One quick question"
    assert world.status() == "none"


# --- language ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["confirm", "unsubscribe", "preferences"])
def test_a_page_speaks_the_language_of_the_link_then_of_the_person_then_of_the_browser(world: World, name: str) -> None:
    url = PAGES[name](world)
    browser = {"accept-language": "tlh, es-MX;q=0.9, fr;q=0.8"}

    assert world.get(url).page.language == "en"
    assert world.get(url, headers=browser).page.language == "es"
    world.post(world.choose_url(), {"locale": "fr", "topics": "news"})
    assert world.get(url, headers=browser).page.language == "fr"
    assert world.get(f"{url}?lang=de", headers=browser).page.language == "de"
    assert world.get(f"{url}?lang=de-AT", headers=browser).page.language == "de"
    assert world.get(f"{url}?lang=tlh", headers=browser).page.language == "fr"


def test_the_subscribe_form_speaks_the_language_of_the_link_then_of_the_browser(world: World) -> None:
    browser = {"accept-language": "fr"}
    assert world.get("/s/demo").page.language == "en"
    assert world.get("/s/demo", headers=browser).page.language == "fr"
    assert world.get("/s/demo?lang=ar", headers=browser).page.language == "ar"
    assert 'dir="rtl"' in world.get("/s/demo?lang=ar").body


@pytest.mark.parametrize("name", POSTS)
def test_the_answer_to_a_form_speaks_the_language_of_the_form(world: World, name: str) -> None:
    _, url, form = POSTS[name](world)
    answer = world.post(url, {**form, "lang": "de"}, headers={"accept-language": "fr"})
    assert answer.page.language == answer.headers["content-language"] == "de"


@pytest.mark.parametrize("header", ["", "*", ";q=1", "de;q=abc", "en;q=0, de;q=0", ",,,", "x" * 5_000, "de;q=nan"])
def test_an_odd_accept_language_is_no_reason_to_fail(world: World, header: str) -> None:
    assert world.get("/s/demo", headers={"accept-language": header}).status == 200


BRANDED: Final[dict[str, Callable[[World], Answer]]] = {
    "undone too late": lambda world: world.post(f"/u/undo/{world.token(Purpose.UNDO, at=world.now - HOUR)}"),
    "reopened after an undo": lambda world: world.get(f"/u/undo/{world.token(Purpose.UNDO)}"),
    "bad choice": lambda world: world.post(world.leave_url(), {"scope": "frequency", "frequency": "hourly"}),
    "a body that is too large": lambda world: world.post(world.choose_url(), body=b"x" * 70_000),
    "a method that no page has": lambda world: world.send("PUT", world.confirm_url()),
    "confirmed too late, by another method": lambda world: world.send("PUT", world.confirm_url(at=world.now - 8 * DAY)),
}
"""Faults of which we know whose link it is."""


@pytest.mark.parametrize("name", BRANDED)
def test_a_fault_page_of_a_brands_link_is_the_brands(world: World, name: str) -> None:
    answer = BRANDED[name](world)
    assert answer.status >= 400
    assert "Meadow & Finch" in answer.page.text
    assert "#2f6b3c" in answer.body


def test_a_fault_page_is_the_brands_while_the_table_is_unavailable(world: World) -> None:
    url = world.choose_url()
    with world.table_unavailable():
        answer = world.get(url, headers={"accept-language": "de"})
    assert (answer.status, answer.page.language) == (503, "de")
    assert "Meadow & Finch" in answer.page.text


def test_a_link_that_is_not_ours_shows_no_brand(world: World) -> None:
    forged = world.choose_url()[:-4] + "AAAA"
    assert "Meadow" not in world.get(forged).body
    assert "Meadow" not in world.post(forged, {"topics": "nonsense"}).body


def test_a_page_of_no_brand_speaks_the_browsers_language(world: World) -> None:
    assert world.get("/u/nonsense", headers={"accept-language": "nl"}).page.language == "nl"


# --- law 8: nothing that names a person is logged ---------------------------------------------------------------------


def test_no_log_line_names_anybody_when_everything_fails(
    world: World,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = world.api_key()
    urls = [url(world) for url in PAGES.values()]
    forms = [POSTS[name](world)[1:] for name in POSTS]
    secret = [ANN, "203.0.113.7", key, world.subscriber_id(), "not so random"]
    secret += [url.rpartition("/")[2] for url in urls if len(url) > 40]
    secret += [url.rpartition("/")[2] for url, _ in forms if len(url) > 40]
    told = StoreUnavailableError(f"{ANN} {urls}")
    told.__cause__ = ValueError(f"{ANN} {key}")
    for trouble in (None, told, RuntimeError(f"{ANN} {urls} {key} 203.0.113.7")):
        with monkeypatch.context() as broken:
            if trouble:
                for method in ("transact_write_items", "get_item", "query", "batch_get_item"):
                    broken.setattr(world.table_client, method, _raising(trouble))
            for url in urls:
                world.get(url, headers={"referer": f"https://mail.example/{ANN}"})
            for url, form in forms:
                world.post(url, form)
            world.post(world.leave_url(), body="List-Unsubscribe=One-Click")
            world.api("POST", "/v1/subscribers/lookup", {"email": ANN}, key=key)
            world.api("POST", "/v1/subscriptions", {"email": ANN, "topics": ["news"]}, key=key)
            world.api("POST", "/v1/decisions", {"emails": [ANN], "topic": "news"}, key=key)
            world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/ledger", key=key)

    faults = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert {each["kind"] for each in faults if "kind" in each} == {"StoreUnavailableError", "RuntimeError"}
    assert any("dead_letter" in each for each in faults), "what neither table nor spool took"
    everything = "".join([logged.getvalue(), *capfd.readouterr(), caplog.text])
    assert [each for each in secret if each in everything] == []


def _raising(trouble: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise trouble

    return fail


def test_a_fault_is_logged_with_where_it_happened_and_what_aws_said(world: World, logged: io.StringIO) -> None:
    url = world.choose_url()
    with world.table_unavailable():
        world.get(url)
    (fault,) = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert fault["kind"] == "StoreUnavailableError"
    assert fault["aws"] == "ProvisionedThroughputExceededException"
    assert fault["route"] == "ANY /p/{token+}"
    assert any(frame.startswith("show:") for frame in fault["where"])


def test_pages_name_no_address(world: World) -> None:
    world.subscribed("news")
    for url in PAGES.values():
        assert ANN not in world.get(url(world)).body
        assert world.subscriber_id() not in world.get(url(world)).body


def test_who_asks_to_come_back_learns_nothing_of_whose_link_it_is(world: World) -> None:
    """The page is the same for any address, and only the holder's own gets an email."""
    answers = []
    for typed in (BOB, "ann@", "", ANN):
        _, url, form = ticked(world, email=typed)
        answers.append(world.post(url, form).body)
        due = [item for item in world.items() if item["sk"]["S"] == "RETURN"]
        assert len(due) == (typed == ANN)
    assert len(set(answers)) == 1


def test_evidence_is_cut_to_a_sensible_length(world: World) -> None:
    world.post(world.leave_url(), {"scope": "topic"}, headers={"user-agent": "x" * 9_000})
    (kept,) = [item for item in world.items() if item["sk"]["S"].startswith("V#")]
    assert len(kept["user_agent"]["S"]) == web._MAX_EVIDENCE
