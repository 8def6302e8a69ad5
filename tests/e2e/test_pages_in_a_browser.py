"""Every page, in every state, in a real browser: what axe finds, and what people meet whom it can't speak for.

The states are those of `/_local/preview/`. Each is opened once in each language, by its address and with the headers
that it has, and then looked at in both colour schemes and widths. The pages run no script; what is measured here is
asked through the browser's debugger.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import pytest
import urllib3

from consentry.links.tokens import SPELLING
from support import browser as browsers

LANGUAGES: Final = {"demo": ("en", "de", "ar"), "other": ("en",), "juniper": ("de",)}
"""By brand: one, one with long words, and one from right to left; the brand that is as small as can be; and one with
sentences of its own."""
SCHEMES: Final = ("light", "dark")
NARROW, WIDE, ZOOMED = 320, 1280, 640
"""Widths in CSS pixels: a small phone, or 1280 at 400 % (WCAG 1.4.10); a desktop; the same at 200 % (1.4.4)."""
HEAVIEST: Final = 14 * 1024
LINES: Final = {"subscribe-not-allowed", "one-click", "everything-off-keyring-unavailable"}
"""States that may be a line of text: they are told to machines, or by a function that has no keys."""
CONSOLE: Final = ("/_local/", "/_local/mails", "/_local/preview/")

SPACED: Final = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}' +
    'p{margin-block-end:2em!important}');
  document.adoptedStyleSheets = [sheet];
}"""
"""Text spacing as WCAG 1.4.12 has it."""
CUT_OFF: Final = """() => {
  const hidden = element => element.closest('.away, [hidden]');
  const width = document.documentElement.clientWidth;
  const told = [];
  if (document.documentElement.scrollWidth > width) told.push('scrolls sideways');
  for (const element of document.body.querySelectorAll('*')) {
    if (hidden(element)) continue;
    const box = element.getBoundingClientRect();
    const html = element.outerHTML.slice(0, 80);
    if (box.width && (box.left < -1 || box.right > width + 1)) told.push(`sticks out: ${html}`);
    const cuts = getComputedStyle(element).overflow !== 'visible' || element.matches('button');
    if (cuts && !element.matches('svg, svg *, select, input') && element.scrollWidth > element.clientWidth + 1)
      told.push(`is cut: ${html}`);
  }
  return told;
}"""
SMALL: Final = """() => [...document.querySelectorAll('a, button, select, input:not([type=hidden]), summary')]
  .filter(element => element.checkVisibility() && !element.closest('.away'))
  .map(element => element.closest('label') || element)
  .map(element => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
  .filter(([_, box]) => Math.min(box.width, box.height) < 24)
  .map(([html, box]) => `${box.width}x${box.height} ${html}`)"""
SAID: Final = """() => ({
  title: document.title.split(' – ')[0].trim(),
  heading: [...document.querySelectorAll('h1')].map(each => each.textContent.trim()),
  live: [...document.querySelectorAll('[role=status], [role=alert]')].map(each => each.innerText.trim()),
  focused: document.activeElement.name || '',
})"""


class Seen(NamedTuple):
    """A state in a language, as it was met."""

    name: str
    state: str
    status: int
    expected: int
    weight: int
    html: bool
    requests: list[str]
    said: dict[str, Any]
    axe: list[tuple[str, dict[str, Any]]]
    """What axe said, by scheme and width."""
    cut: list[str]
    small: list[str]


class Tour(NamedTuple):
    """All of them."""

    seen: list[Seen]
    seconds: float


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def states(stack: Any) -> list[dict[str, Any]]:
    """The catalogue of the preview."""
    index: list[dict[str, Any]] = json.loads(fetch(stack.base + "/_local/preview/index.json").data)
    return [entry for entry in index if entry["kind"] != "mail"]


@pytest.fixture(scope="module")
def tour(stack: Any, chromium: Any, states: list[dict[str, Any]]) -> Tour:
    """Every state, in every language, opened once and measured in all respects."""
    began = time.monotonic()
    # What moves would be caught in the middle of it when the scheme changes.
    context = chromium.new_context(reduced_motion="reduce", color_scheme="light")
    page = context.new_page()
    requests: list[str] = []
    documents: set[str] = set()
    page.on("request", lambda request: requests.append(request.url))
    seen = []
    for entry in states:
        for language in LANGUAGES[entry["brand"]]:
            requests.clear()
            seen.append(_look(page, stack.base, entry, language, requests, documents))
    context.close()
    return Tour(seen, time.monotonic() - began)


def _look(page: Any, base: str, entry: dict[str, Any], language: str, requests: list[str], documents: set[str]) -> Seen:
    """Open a state and measure it. A document that was met already but for its tokens is not measured twice."""
    answer = page.goto(f"{base}{entry['path']}?lang={language}")
    html = answer.headers["content-type"].startswith("text/html")
    axe, cut, small = [], [], []
    document = re.sub(SPELLING, "a token", answer.text())
    fresh = html and document not in documents
    documents.add(document)
    if fresh:
        for width in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": 800})
            axe.append((f"light, {width} px", browsers.examine(page)))
            small += page.evaluate(SMALL)
            cut += page.evaluate(CUT_OFF)
        page.emulate_media(color_scheme="dark")  # changes colours and nothing else
        axe.append((f"dark, {WIDE} px", browsers.examine(page, browsers.OF_COLOURS)))
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": ZOOMED, "height": 400})
        cut += page.evaluate(CUT_OFF)
        page.evaluate(SPACED)
        for width in (NARROW, ZOOMED):
            page.set_viewport_size({"width": width, "height": 400})
            cut += page.evaluate(CUT_OFF)
    return Seen(
        name=f"{entry['brand']} {entry['state']} {language}",
        state=entry["state"],
        status=answer.status,
        expected=entry["status"],
        weight=len(answer.body()),
        html=html,
        requests=list(requests),
        said=page.evaluate(SAID) if html else {},
        axe=axe,
        cut=cut,
        small=small,
    )


def fetch(url: str) -> Any:
    return _HTTP.request("GET", url, redirect=False)


_HTTP: Final = urllib3.PoolManager(retries=False, timeout=60, maxsize=4)


# --- every state ------------------------------------------------------------------------------------------------------


def test_every_state_is_reached(tour: Tour) -> None:
    assert [(each.name, each.status) for each in tour.seen if each.status != each.expected] == []
    assert {each.state for each in tour.seen if not each.html} <= LINES


def test_axe_finds_nothing_on_any_page(tour: Tour, tell: Callable[[str], None]) -> None:
    pages = [each for each in tour.seen if each.axe]
    runs = [(f"{each.name}, {how}", told) for each in pages for how, told in each.axe]
    found = [(where, rule, places) for where, told in runs for rule, places in told["found"]]
    rules = {rule for _, told in runs for rule in told["passed"]}
    assert {each.state for each in pages} >= {"subscribe", "confirm", "left-topic", "paused", "preferences", "saved"}
    assert len(pages) > 100
    assert len(runs) == len(pages) * 3
    assert sum("color-contrast" in told["passed"] for how, told in runs if "dark" in how) > 100  # two have few words
    assert {"color-contrast", "target-size", "label", "html-has-lang", "region", "heading-order"} <= rules
    tell(
        f"axe: {sum(each.html for each in tour.seen)} pages (a state in a language), {len(pages)} of them different, "
        f"{len(runs)} runs in both widths and both colour schemes, "
        f"{len(rules)} rules passed, {len(found)} violations; {tour.seconds:.0f} s with all that is measured beside"
    )
    assert found == []


def test_no_page_weighs_much_in_any_language(
    stack: Any, tour: Tour, states: list[dict[str, Any]], tell: Callable[[str], None]
) -> None:
    others = [
        (f"{entry['state']} {language}", f"{stack.base}{entry['path']}?lang={language}")
        for entry in states
        for language in entry["languages"]
        if language not in LANGUAGES[entry["brand"]]
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        fetched = list(pool.map(lambda each: len(fetch(each[1]).data), others))
    weights = [(each.weight, each.name) for each in tour.seen]
    weights += [(weight, name) for weight, (name, _) in zip(fetched, others, strict=True)]
    heaviest, name = max(weights)
    tell(f"page weights: {len(weights)} answers, the heaviest {heaviest / 1024:.1f} KiB ({name}), nothing compressed")
    assert heaviest <= HEAVIEST


def test_nothing_is_loaded_but_the_page_itself(tour: Tour) -> None:
    assert [(each.name, each.requests) for each in tour.seen if len(each.requests) != 1] == []


def test_nothing_is_cut_off_on_a_small_phone_zoomed_in_or_with_wider_text(tour: Tour) -> None:
    assert [(each.name, each.cut) for each in tour.seen if each.cut] == []


def test_a_thumb_hits_every_target(tour: Tour) -> None:
    assert [(each.name, each.small) for each in tour.seen if each.small] == []


def test_the_title_says_what_happened_and_screen_readers_are_told(tour: Tour) -> None:
    """The result comes first: in the title, and in the heading or in what is announced."""
    starts = {"subscribe", "confirm", "confirm-again", "confirm-expired", "keep", "keep-ended", "keep-no-end"}
    for each in tour.seen:
        if not each.html:
            continue
        said = each.said
        assert len(said["heading"]) == 1, each.name
        live = "\n".join(said["live"])
        assert said["title"] in said["heading"] or live, each.name
        asks = each.state in starts or (each.state.startswith(("unsubscribe", "preferences")) and each.expected == 200)
        if not asks:
            assert live, f"{each.name}: nothing is announced"
            assert said["title"] in said["heading"] or said["title"] in live or each.expected == 400, each.name


def test_a_mistake_in_the_form_is_where_the_keyboard_is(tour: Tour) -> None:
    focused = {each.state: each.said["focused"] for each in tour.seen if each.status == 400 and each.html}
    assert (focused["subscribe-bad-address"], focused["subscribe-no-topic"]) == ("email", "topics")


# --- ways of looking --------------------------------------------------------------------------------------------------

MOTION: Final = """() => [...document.querySelectorAll('*')].filter(element => {
  const style = getComputedStyle(element);
  const takes = times => times.split(',').some(each => parseFloat(each) > 0);
  return takes(style.transitionDuration) || (style.animationName !== 'none' && takes(style.animationDuration));
}).map(element => element.outerHTML.slice(0, 80)).concat(document.getAnimations().map(each => String(each)))"""
BORDERS: Final = """() => [...document.querySelectorAll('button, select, input[type=email]')]
  .filter(element => {
    const {borderTopWidth, borderTopStyle} = getComputedStyle(element);
    return parseFloat(borderTopWidth) < 1 || borderTopStyle === 'none';
  })
  .map(element => element.outerHTML.slice(0, 80))"""
WITH_FORMS: Final = (
    "subscribe",
    "confirm",
    "confirm-again",
    "confirm-expired",
    "unsubscribe",
    "left-topic",
    "preferences",
)


def test_whoever_wants_no_motion_sees_none(stack: Any, chromium: Any) -> None:
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    for state in WITH_FORMS:
        page.goto(f"{stack.base}/_local/preview/demo/{state}")
        assert page.evaluate(MOTION) == [], state
    context.close()


def test_forced_colours_leave_the_outlines_of_what_can_be_used(stack: Any, chromium: Any) -> None:
    context = chromium.new_context(forced_colors="active", reduced_motion="reduce")
    page = context.new_page()
    for state in WITH_FORMS:
        page.goto(f"{stack.base}/_local/preview/demo/{state}")
        assert page.evaluate("matchMedia('(forced-colors: active)').matches")
        assert page.evaluate(BORDERS) == [], state
        _tab_through(page, state)
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(stack: Any, chromium: Any, scheme: str) -> None:
    context = chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    for state in WITH_FORMS:
        page.goto(f"{stack.base}/_local/preview/demo/{state}?lang=ar")
        _tab_through(page, state)
    context.close()


FOCUSABLE: Final = """() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, select, input:not([type=hidden])')]
    .filter(element => element.tabIndex >= 0)
    .filter(element => element.type !== 'radio' || !groups.has(element.name) && groups.add(element.name)).length;
}"""
FOCUS: Final = """async () => {
  // The browser scrolls to what has the focus when it draws next.
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  if (element === document.body) return null;
  return {html: element.outerHTML.slice(0, 80), width: parseFloat(style.outlineWidth), style: style.outlineStyle,
    seen: box.top >= -1 && box.bottom <= innerHeight + 1 && box.left >= -1 && box.right <= innerWidth + 1};
}"""


def _tab_through(page: Any, state: str) -> None:
    """Each thing that can be used gets the focus once, in view and with an outline."""
    expected = page.evaluate(FOCUSABLE)
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(expected):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus is not None, f"{state}: only {len(reached)} of {expected} were reached"
        assert focus["style"] != "none", f"{state}: {focus}"
        assert focus["width"] >= 2, f"{state}: {focus}"
        assert focus["seen"], f"{state}: {focus}"
        reached.add(focus["html"])
    assert expected >= 1, state


# --- the console ------------------------------------------------------------------------------------------------------


def test_axe_finds_nothing_on_the_console(stack: Any, chromium: Any) -> None:
    stack.call("GET", "/_local/preview/demo/mail/confirmation")
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    for path in CONSOLE:
        page.goto(stack.base + path)
        page.wait_for_load_state("networkidle") if path == "/_local/preview/" else page.locator(
            "ol li"
        ).first.wait_for()
        for width in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                found = browsers.examine(page)["found"]
                assert found == [], f"{path}, {scheme}, {width}"
    context.close()
