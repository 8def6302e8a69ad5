"""A real Chromium, and axe, the checker of accessibility."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest

from dev import browsers
from dev.places import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LEVELS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""The rules of axe that count, by their tags: WCAG 2.2 AA, and more."""
OF_COLOURS: Final = ("cat.color",)
"""Those whose answer follows from a page's colours."""
_RUN: Final = """levels => axe.run({runOnly: levels, preload: false, resultTypes: ['violations', 'incomplete'],
    iframes: false, rules: {'frame-tested': {enabled: false}}})
  .then(({violations, incomplete, passes, inapplicable}) => ({
    passed: passes.map(rule => rule.id), inapplicable: inapplicable.length,
    found: [...violations, ...incomplete].map(rule => [rule.id, rule.nodes.map(node => node.html.slice(0, 120))]),
  }))"""
"""What axe can't decide is told with what it finds: our pages give it no reason to be unsure.

Frames are left out: no page has one, and the console shows emails in its own, which no script may enter.
"""


def need() -> str:
    """The browser; skips the test, saying what to install, where there is none; fails where it must (`CI=true`)."""
    found = browsers.find()
    if found is None:
        _missing("needs Chromium or Chrome on PATH (Debian: apt-get install chromium)")
    if not (AXE / "axe.min.js").exists():
        _missing("needs axe: `make test` fetches it with npm (Debian: apt-get install npm)")
    return str(found)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of one's own; ended with the block."""
    program = need()
    from playwright.sync_api import sync_playwright

    # Root has no sandbox to run in; the pages are our own.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@cache
def _axe() -> str:
    return (AXE / "axe.min.js").read_text("utf-8")


def examine(page: Page, rules: Sequence[str] = LEVELS) -> dict[str, Any]:
    """What axe says of the page as it is shown now: `passed` names rules, `found` holds rules and where they fail.

    `rules` are those with one of these tags.

    The page's policy forbids scripts; axe comes in through the browser's debugger, which no policy binds.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())
    told: dict[str, Any] = page.evaluate(_RUN, list(rules))
    return told


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
