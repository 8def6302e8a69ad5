"""Whole visits in a real browser with JavaScript off, by the keyboard alone."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support import browser as browsers

LINK: Final = re.compile(r"https?://[^\s\"<>]+/([cup])/[\w.-]+")
MOST_TABS: Final = 60


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A tab in which no script runs."""
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    yield context.new_page()
    context.close()


@pytest.fixture
def someone() -> str:
    return f"{uuid.uuid4().hex[:12]}@example.com"


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until the focus is there."""
    wanted = page.locator(selector)
    assert wanted.count() == 1, f"{wanted.count()} of {selector}"
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard doesn't reach {selector}")


def press(page: Any, selector: str) -> None:
    """Reach a button or link, press Enter, and see what comes."""
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def scope(name: str) -> str:
    """The button of the form that does this."""
    return f"form:has(input[name=scope][value={name}]) button"


def minted(stack: Any, address: str) -> dict[str, Any]:
    body = {"topic": "news", "recipients": [{"email": address}]}
    links: dict[str, Any] = stack.api("POST", "/v1/links", body).json()["links"][0]
    return links


def claimed(stack: Any, address: str) -> None:
    """Somebody who gets the newsletter and the offers."""
    event = {
        "event_id": uuid.uuid4().hex,
        "kind": "claimed",
        "email": address,
        "topics": ["news", "offers"],
        "occurred_at": "2026-01-02T03:04:05Z",
    }
    assert stack.api("POST", "/v1/events", {"events": [event]}).status == 200


def test_somebody_subscribes_reads_the_mail_and_confirms(stack: Any, page: Any, someone: str) -> None:
    page.goto(f"{stack.base}/s/demo")
    tab_to(page, "input[name=email]")
    page.keyboard.type(someone)
    tab_to(page, "input[name=topics][value=news]")
    page.keyboard.press("Space")
    press(page, "form button.main")
    assert page.locator("[role=status] h1").is_visible()
    found = {
        kind: link for link, kind in ((each[0], each[1]) for each in LINK.finditer(stack.mail_to(someone)["text"]))
    }
    page.goto(found["c"])
    time.sleep(1.1)  # nobody reads a page in less
    press(page, "form button.main")
    assert page.locator("[role=status] h1").is_visible()
    assert stack.status(someone) == "subscribed"


def test_somebody_leaves_a_topic_and_undoes_it(stack: Any, page: Any, someone: str) -> None:
    claimed(stack, someone)
    page.goto(minted(stack, someone)["unsubscribe_url"])
    press(page, scope("topic"))
    assert (stack.status(someone), stack.status(someone, "offers")) == ("unsubscribed", "subscribed")
    press(page, "form[action^='/u/undo/'] button")
    assert stack.status(someone) == "subscribed"


def test_somebody_leaves_everything(stack: Any, page: Any, someone: str) -> None:
    claimed(stack, someone)
    page.goto(minted(stack, someone)["unsubscribe_url"])
    press(page, scope("all"))
    assert {stack.status(someone, topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}


def test_somebody_pauses_for_two_months(stack: Any, page: Any, someone: str) -> None:
    claimed(stack, someone)
    page.goto(minted(stack, someone)["unsubscribe_url"])
    tab_to(page, "form:has(input[name=scope][value=pause]) select[name=days]")
    page.keyboard.press("ArrowDown")
    press(page, scope("pause"))
    told = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()
    assert told["topics"]["news"]["reason"] == "paused"
    assert page.locator("[role=status] h1").is_visible()


def test_somebody_changes_what_they_get_and_how_often(stack: Any, page: Any, someone: str) -> None:
    claimed(stack, someone)
    page.goto(minted(stack, someone)["preferences_url"])
    tab_to(page, "input[name=topics][value=offers]")
    page.keyboard.press("Space")
    tab_to(page, "select[name='frequency.product']")
    page.keyboard.press("End")
    tab_to(page, "select[name=locale]")
    page.keyboard.type("Deu")
    press(page, "form:has(input[name=topics]) button.main")
    assert page.locator("[role=status]").is_visible()
    assert page.locator("html").get_attribute("lang") == "de"
    told = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()
    assert told["topics"]["offers"]["status"] == "unsubscribed"
    assert told["topics"]["product"]["frequency"] == "monthly"
    assert told["locale"] == "de"


def test_a_mistyped_address_is_said_and_can_be_mended_at_once(stack: Any, page: Any, someone: str) -> None:
    page.goto(f"{stack.base}/s/other")
    tab_to(page, "input[name=email]")
    page.keyboard.type("ann@example")  # the browser's own check lets it pass
    press(page, "form button.main")
    assert page.locator("[role=alert]").is_visible()
    assert page.locator("input[name=email]").evaluate("element => element === document.activeElement")
    page.keyboard.press("Control+A")
    page.keyboard.type(someone)
    press(page, "form button.main")
    assert page.locator("[role=status] h1").is_visible()
    assert stack.status(someone, "news", "other") == "pending"
