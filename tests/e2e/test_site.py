"""A brand's own site, at another origin, in a real browser: with its script, without any, and with pages of its own."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from support import browser as browsers

LINK: Final = re.compile(r"https?://[^\s\"<>]+/[cu]/[\w.-]+")
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Any, stack: Any) -> Iterator[Visit]:
    """Opens a page of the site; at the end no policy was violated, and no script failed."""
    contexts, complaints = [], []

    def go(path: str, **how: Any) -> Any:
        contexts.append(chromium.new_context(locale="en-GB", **how))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Policy" in said.text else None)
        page.goto(stack.told["site_url"] + path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def someone() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def fill_in(page: Any, email: str, *topics: str) -> None:
    page.fill("input[name=email]", email)
    for topic in topics:
        page.check(f"input[name=topics][value={topic}]")
    page.click("form button")


def assert_accessible(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert browsers.examine(page)["found"] == []


def said_of(page: Any, name: str) -> str:
    """What a screen reader says of a field: the text that it is described by."""
    field = page.locator(f"[name={name}]").first
    assert field.get_attribute("aria-invalid") == "true"
    note = page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert note.get_attribute("role") == "alert"
    return str(note.inner_text())


def links_in(stack: Any, someone: str) -> dict[str, str]:
    return {url.rpartition("/")[0][-1]: url for url in LINK.findall(stack.mail_to(someone)["text"])}


# --- with the script --------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_beside_its_field_and_the_page_stays(stack: Any, visit: Visit) -> None:
    page = visit("/?lang=de")
    home = page.url
    fill_in(page, "ann@example")
    page.wait_for_selector(".consentry-error >> nth=1")
    assert "name@example.com" in said_of(page, "email")
    assert said_of(page, "topics") == "Bitte wählen Sie mindestens eine Option aus."
    assert page.evaluate("document.activeElement.name") == "email"
    below = "(note, field) => field.compareDocumentPosition(note) & Node.DOCUMENT_POSITION_FOLLOWING"
    note, field = (page.query_selector(each) for each in ("[data-of=email]", "[name=email]"))
    assert page.evaluate(f"([note, field]) => ({below})(note, field)", [note, field])
    assert page.input_value("input[name=email]") == "ann@example"
    assert page.url == home
    assert page.locator("[role=status]").inner_text() == ""
    assert_accessible(page)


def test_somebody_corrects_the_form_and_signs_up_without_leaving_the_page(
    stack: Any, visit: Visit, someone: str
) -> None:
    page = visit("/")
    home = page.url
    fill_in(page, "ann@example", "news")
    page.wait_for_selector("[name=email][aria-invalid]")
    fill_in(page, someone)
    page.wait_for_selector("[role=status]:not(:empty)")
    assert "If this address can receive emails from Meadow & Finch" in page.locator("[role=status]").inner_text()
    assert page.locator("[aria-invalid]").count() == 0
    assert page.locator(".consentry-error:not(:empty)").count() == 0
    assert page.input_value("input[name=email]") == ""
    assert page.url == home
    assert_accessible(page)
    assert links_in(stack, someone).keys() >= {"c"}
    assert stack.status(someone) == "pending"


def test_the_keyboard_is_enough(stack: Any, visit: Visit, someone: str) -> None:
    page = visit("/?lang=ar")
    page.keyboard.press("Tab")
    page.keyboard.type(someone)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in ("offers", "privacy", "button"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status]:not(:empty)")
    assert page.locator("form").get_attribute("dir") == "rtl"
    assert stack.mail_to(someone)["headers"]["Content-Language"] == "ar"
    assert_accessible(page)


def test_the_sites_own_script_hears_of_a_sign_up(visit: Visit, someone: str) -> None:
    page = visit("/")
    page.evaluate(
        "addEventListener('consentry:accepted', event => { document.body.dataset.heard = event.target.method; })"
    )
    fill_in(page, someone, "news", "offers")
    page.wait_for_selector("[data-heard=post]")


def test_a_form_that_comes_later_is_the_scripts_too(visit: Visit, someone: str) -> None:
    page = visit("/")
    page.evaluate("document.querySelector('form').replaceWith(document.querySelector('form').cloneNode(true))")
    fill_in(page, someone, "news")
    page.wait_for_selector("[role=status]:not(:empty)")


def test_where_consentry_cant_be_asked_the_form_is_sent_as_a_browser_does(
    stack: Any, visit: Visit, someone: str
) -> None:
    page = visit("/")
    page.route(
        "**/s/demo", lambda route: route.abort() if route.request.resource_type == "fetch" else route.continue_()
    )
    fill_in(page, someone, "news")
    page.wait_for_url(f"{stack.base}/s/demo")
    assert page.locator("h1").inner_text() == "Check your inbox"


def test_a_site_that_isnt_listed_signs_up_on_our_page(stack: Any, visit: Visit, someone: str) -> None:
    """Its script isn't let read the answer, and so sends the form as a browser does."""
    page = visit("/")
    page.locator("form").evaluate("form => form.action = form.action.replace('/s/demo', '/s/other')")
    fill_in(page, someone, "news")
    page.wait_for_url(f"{stack.base}/s/other")
    assert page.locator("h1").inner_text() == "Check your inbox"


# --- without ----------------------------------------------------------------------------------------------------------


def test_without_a_script_the_form_leads_to_our_page(stack: Any, visit: Visit, someone: str) -> None:
    page = visit("/", java_script_enabled=False)
    fill_in(page, "ann@example", "offers")
    page.wait_for_url(f"{stack.base}/s/demo")
    assert "name@example.com" in page.locator("#email-error").inner_text()
    page.goto(stack.told["site_url"])
    fill_in(page, someone, "offers")
    page.wait_for_url(f"{stack.base}/s/demo")
    assert page.locator("h1").inner_text() == "Check your inbox"
    assert stack.mail_to(someone)


@pytest.mark.parametrize("script", [True, False])
def test_a_brand_with_pages_of_its_own_sees_people_again_at_each_step(
    stack: Any, visit: Visit, someone: str, script: bool
) -> None:
    site = stack.told["site_url"]
    page = visit("/juniper/", java_script_enabled=script)
    if script:
        assert_accessible(page)
    fill_in(page, someone)
    page.wait_for_url(f"{site}/juniper/asked")
    assert page.locator("h1").inner_text() == "Look in your inbox"
    mail = stack.mail_to(someone)
    assert mail["subject"] == "One tap to our letters"
    assert "Thank you for asking for our letters." in mail["text"]
    links = links_in(stack, someone)
    page.goto(links["c"])
    assert "Thank you for asking for our letters." in page.locator("main").inner_text()
    time.sleep(1.1)  # nobody reads a page in less
    page.click("button.main")
    page.wait_for_url(f"{site}/juniper/confirmed")
    page.goto(links["u"])
    page.click("form:has(input[name=scope][value=topic]) button")
    page.wait_for_url(f"{site}/juniper/left")
    assert page.evaluate("document.referrer") == ""
    if script:
        assert_accessible(page)


# --- other origins ----------------------------------------------------------------------------------------------------


def test_the_deployed_api_lets_each_brands_own_sites_read_the_answer_and_nobody_else(stack: Any) -> None:
    """Nothing between a browser and the function answers in its place, or adds headers of its own."""
    site = stack.told["site_url"]
    for brand, origin, is_let in (
        ("demo", site, True),
        ("other", site, False),
        ("demo", "https://evil.example", False),
    ):
        headers = {"origin": origin, "access-control-request-method": "POST"}
        asked = stack.call("OPTIONS", f"/s/{brand}", headers=headers)
        answer = stack.call("POST", f"/s/{brand}", headers={"origin": origin, "accept": "application/json"})
        assert (asked.status, answer.status) == (204, 400)
        allowed = [each.headers.get("access-control-allow-origin") for each in (asked, answer)]
        assert allowed == ([origin, origin] if is_let else [None, None])
