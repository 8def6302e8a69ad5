"""What a brand puts in place of ours: the page that a browser goes to afterwards, and its own sentences."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from consentry.actions.forms import FASTEST_PERSON_MS
from consentry.links.tokens import Purpose
from consentry.rules.brands import Brand
from support.mailroom import ANN, Mailroom, text_of
from support.world import DAY, Answer, World

ASKED, CONFIRMED, LEFT = (
    f"https://www.meadow.example:8443/{each}?from=mail" for each in ("asked", "confirmed", "left")
)
TEXTS: Final = {
    "subscribe_title": {"en": "Garden & letters", "de": "Gartenbriefe"},
    "subscribe_intro": {"en": "Two a month, “never” more."},
    "confirm_subject": {"en": "One tap & you’re in", "de": "Nur noch einmal tippen"},
    "confirm_intro": {"en": "Seeds < soil.", "ar": "من الحديقة"},
    "left_note": {"en": "Our shop is still open."},
}
FORM: Final = {"email": ANN, "topics": "news"}
ELSEWHERE: Final = {"next": "https://evil.example", "redirect": "https://evil.example", "asked": "https://evil.example"}


@pytest.fixture
def demo(world: World, monkeypatch: pytest.MonkeyPatch) -> Brand:
    """The demonstration brand, with pages and sentences of its own."""
    found = world.deployment.brands.get("demo")
    assert found
    own = found._replace(pages={"asked": ASKED, "confirmed": CONFIRMED, "left": LEFT}, texts=TEXTS)
    monkeypatch.setitem(world.deployment.brands._brands, "demo", own)
    return own


def sends(world: World, url: str, form: dict[str, str] | None = None, **how: Any) -> Answer:
    """A person opens a page, and sends its form a second later."""
    found = world.get(url).page.form(**(form or {}))
    world.now += FASTEST_PERSON_MS
    return world.post(found.action or url, found.fields, **how)


def assert_sent_to(answer: Answer, url: str) -> None:
    """The browser goes to exactly this address, and takes nothing with it."""
    assert (answer.status, answer.headers["location"], answer.body) == (303, url, "")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


# --- who is never sent elsewhere --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    "how",
    [
        {"body": b"List-Unsubscribe=One-Click"},
        {"body": b""},
        {"form": {"List-Unsubscribe": "One-Click", "scope": "topic"}},
        {"form": {"scope": "topic"}},
        {"form": {"scope": "all"}},
        {"form": {"scope": "all"}, "headers": {"accept": "text/html"}},
    ],
    ids=str,
)
def test_one_click_is_never_sent_elsewhere(world: World, how: dict[str, Any]) -> None:
    world.subscribed("news")
    answer = world.send("POST", world.leave_url(), **how)
    assert (answer.status, "location" in answer.headers) == (200, False)
    assert world.status() == "unsubscribed"


@pytest.mark.usefixtures("demo")
def test_a_machine_that_posts_the_unsubscribe_pages_form_gets_a_page(world: World) -> None:
    world.subscribed("news")
    url = world.leave_url()
    assert world.post(f"/u/page/{url[3:]}", {"scope": "topic"}).status == 200
    scanner = sends(world, url, {"scope": "all"}, headers={"user-agent": "AcmeLinkGuard/2.1 BarracudaSentinel/1.0"})
    assert scanner.status == 200


@pytest.mark.usefixtures("demo")
def test_a_machine_that_confirms_gets_the_second_question(world: World) -> None:
    assert world.post(world.confirm_url(), {}).status == 200
    assert world.status() == "none"


@pytest.mark.usefixtures("demo")
def test_json_is_never_sent_elsewhere(world: World) -> None:
    for how in ({"body": b'{"email": "ann@example.com", "topics": ["news"]}'}, {"form": FORM}):
        answer = world.send("POST", "/s/demo", headers={"accept": "application/json"}, **how)
        assert (answer.status, answer.json) == (200, {"status": "accepted"})


@pytest.mark.usefixtures("demo")
def test_what_goes_wrong_is_said_on_our_page(world: World) -> None:
    assert world.post("/s/demo", {**FORM, "email": "ann"}).status == 400
    assert world.post("/s/demo", {**FORM, "email": "ann"}).page.forms
    url = world.confirm_url()
    form = world.get(url).page.forms[0]
    world.now += FASTEST_PERSON_MS
    world.post(world.leave_url(), {"scope": "all"})
    assert world.post(url, form.fields).status == 409
    assert world.get(world.confirm_url(at=world.now - 8 * DAY)).status == 410
    assert world.post(world.confirm_url(at=world.now - 8 * DAY), {"action": "resend"}).status == 200


@pytest.mark.usefixtures("demo")
def test_who_opens_a_page_is_never_sent_elsewhere(world: World) -> None:
    for url in ("/s/demo", world.confirm_url(), world.leave_url(), world.choose_url()):
        for method in ("GET", "HEAD"):
            assert world.send(method, url, headers={"accept": "text/html"}).status == 200


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("form", [{"scope": "pause", "days": "30"}, {"scope": "frequency"}], ids=str)
def test_who_stays_is_answered_by_our_page(world: World, form: dict[str, str]) -> None:
    world.subscribed("news")
    assert sends(world, world.leave_url(), form).status == 200


def test_a_brand_without_pages_sends_nobody_elsewhere(world: World) -> None:
    assert world.post("/s/demo", FORM).status == 200
    assert sends(world, world.confirm_url()).status == 200
    assert sends(world, world.leave_url(), {"scope": "topic"}).status == 200
    assert "form-action 'self';" in world.get("/s/demo").headers["content-security-policy"]


# --- who is -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("demo")
def test_after_the_form_everybody_goes_to_the_brands_page(world: World) -> None:
    world.subscribed("news", email="known@example.com")
    answers = [world.post("/s/demo", FORM | {"email": f"{name}@example.com"}) for name in ("known", "new", "new")]
    answers.append(world.post("/s/demo", FORM | {"website": "https://spam.example"}))
    assert len({str(each.raw) for each in answers}) == 1
    assert_sent_to(answers[0], ASKED)


@pytest.mark.usefixtures("demo")
def test_who_confirms_goes_to_the_brands_page_also_the_second_time(world: World) -> None:
    url = world.confirm_url()
    for _ in range(2):
        assert_sent_to(sends(world, url), CONFIRMED)
        assert world.status() == "subscribed"


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("scope", ["topic", "all"])
def test_who_leaves_by_the_page_goes_to_the_brands_page(world: World, scope: str) -> None:
    world.subscribed("news")
    assert_sent_to(sends(world, world.leave_url(), {"scope": scope}), LEFT)
    assert world.status() == "unsubscribed"


@pytest.mark.usefixtures("demo")
def test_no_request_names_where_a_browser_goes(world: World) -> None:
    """Only the brand's file does: there is no open redirect."""
    query, headers = "?next=https://evil.example&lang=//evil.example", {"host": "evil.example", "origin": "null"}
    headers |= {"referer": "https://evil.example/", "x-forwarded-host": "evil.example"}
    assert_sent_to(world.post(f"/s/demo{query}", FORM | ELSEWHERE, headers=headers), ASKED)
    confirm, leave = world.confirm_url(), world.leave_url()
    for url, to, wanted in ((confirm, CONFIRMED, {}), (leave, LEFT, {"scope": "topic"})):
        form = world.get(url).page.form(**wanted)
        world.now += FASTEST_PERSON_MS
        fields = [*form.fields, *ELSEWHERE.items()]
        assert_sent_to(world.post((form.action or url) + query, fields, headers=headers), to)
    other = world.post("/s/other", FORM | ELSEWHERE)
    assert (other.status, "location" in other.headers) == (200, False)


@pytest.mark.usefixtures("demo")
def test_a_page_whose_form_may_end_elsewhere_says_so_in_its_policy(world: World) -> None:
    """Browsers hold redirects of a form to its page's policy as well."""
    allowed = re.compile(r"form-action 'self' https://www\.meadow\.example:8443;")
    again = world.post(world.confirm_url(), {})
    pages = [world.get(url) for url in ("/s/demo", world.confirm_url(), world.leave_url())]
    for page in (*pages, again, world.post("/s/demo", {})):
        assert allowed.search(page.headers["content-security-policy"])
    assert "form-action 'self';" in world.get(world.choose_url()).headers["content-security-policy"]


# --- its own sentences ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("demo")
def test_the_form_has_the_brands_own_title_and_introduction(world: World) -> None:
    page = world.get("/s/demo")
    assert page.page.heading == "Garden & letters"
    assert "<title>Garden &amp; letters" in page.body
    assert "Two a month, “never” more." in page.page.text
    assert "only if you ask for them" not in page.page.text
    german = world.get("/s/demo?lang=de").page
    assert german.heading == "Gartenbriefe"
    assert "nur wenn Sie es möchten" in german.text
    assert world.get("/s/demo?lang=fr").page.heading not in {"Garden & letters", "Gartenbriefe", ""}


@pytest.mark.usefixtures("demo")
def test_the_page_to_confirm_begins_with_the_brands_own_sentence(world: World) -> None:
    assert "Seeds &lt; soil." in world.get(world.confirm_url()).body
    assert "Seeds" not in world.get(f"{world.confirm_url()}?lang=de").body


def test_who_left_reads_the_brands_own_note_and_who_paused_does_not(world: World, demo: Brand) -> None:
    world.deployment.brands._brands["demo"] = demo._replace(pages={})
    note = "Our shop is still open."
    world.subscribed("news")
    assert note not in sends(world, world.leave_url(), {"scope": "pause", "days": "30"}).body
    assert note in sends(world, world.leave_url(), {"scope": "topic"}).page.text
    assert note in sends(world, world.leave_url(), {"scope": "all"}).page.text


@pytest.mark.parametrize(
    ("lang", "subject", "intro"),
    [("en", "One tap & you’re in", "Seeds < soil."), ("de", "Nur noch einmal tippen", ""), ("ar", "", "من الحديقة")],
)
def test_the_email_has_the_brands_own_subject_and_sentence(
    mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch, lang: str, subject: str, intro: str
) -> None:
    brands = mailroom.world.deployment.brands
    demo = brands.get("demo")
    assert demo
    monkeypatch.setitem(brands._brands, "demo", demo._replace(texts=TEXTS))
    mailroom.stream(mailroom.ask(lang=lang))
    (mail,) = mailroom.sent
    assert (mail["Subject"] == subject) if subject else mail["Subject"]
    assert intro in text_of(mail)
    assert intro.replace("<", "&lt;") in text_of(mail, "html")
    assert ("Seeds" in text_of(mail)) == (lang == "en")


def test_the_ledger_names_the_version_of_the_sentences(world: World, demo: Brand) -> None:
    world.deployment.brands._brands["demo"] = demo._replace(notice="abc123def456")
    world.post("/s/demo", FORM)
    (event,) = world.events()
    assert event["notice"]["S"] == "abc123def456"


def test_a_token_reaches_no_page_of_the_brand(world: World, demo: Brand) -> None:
    token = world.token(Purpose.UNSUBSCRIBE)
    assert not any(token in each or ANN in each for each in demo.pages.values())
    answer = sends(world, f"/u/{token}", {"scope": "topic"})
    assert token not in str(answer.raw)
    assert ANN not in str(answer.raw)
