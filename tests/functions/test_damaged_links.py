"""Damaged links, on every page: what mail programs and people did to a link is undone, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from consentry.links.tokens import Purpose
from consentry.rules.ledger import Kind
from support import events
from support.damage import AROUND, BEYOND_REPAIR, INSIDE
from support.world import SECOND, Answer, World


class Link(NamedTuple):
    """A page's link, and what comes of it."""

    purpose: Purpose
    before: Callable[[World, str], None]
    """Makes what the link is about, for an address."""
    act: Callable[[World, str], Answer]
    """Opens the page where it has one, and sends its form, to a damaged address."""
    done: Callable[[World, str], bool]
    """Whether that took effect."""
    opened: int = 200
    """The status of a GET."""


def _subscribed(world: World, email: str) -> None:
    world.happened({"in.news": world.now - SECOND}, email=email)


def _left(world: World, email: str) -> None:
    _subscribed(world, email)
    world.happened({"out.news": world.now}, email=email, kind=Kind.UNSUBSCRIBED)


def _confirm(world: World, url: str) -> Answer:
    form = dict(world.get(url).page.forms[0].fields)
    world.now += 2 * SECOND
    return world.post(url, form)


def _is(status: str) -> Callable[[World, str], bool]:
    return lambda world, email: world.status(email) == status


def _kept(world: World, email: str) -> bool:
    return "kept.news" in world.consent(email).registers


def _reason_given(world: World, email: str) -> bool:
    mine = f"#{world.subscriber_id(email)}"
    return any(item["kind"]["S"] == "reason_given" and item["pk"]["S"].endswith(mine) for item in world.events())


def _nothing(_world: World, _email: str) -> None:
    return


LINKS: Final = {
    "/c/": Link(Purpose.CONFIRM, _nothing, _confirm, _is("subscribed")),
    "/u/": Link(
        Purpose.UNSUBSCRIBE,
        _subscribed,
        lambda world, url: world.post(url, body="List-Unsubscribe=One-Click"),
        _is("unsubscribed"),
    ),
    "/u/page/": Link(
        Purpose.UNSUBSCRIBE,
        _subscribed,
        lambda world, url: world.post(url, {"scope": "topic"}),
        _is("unsubscribed"),
        405,
    ),
    "/u/undo/": Link(Purpose.UNDO, _left, lambda world, url: world.post(url), _is("subscribed"), 405),
    "/u/reason/": Link(
        Purpose.REASON, _left, lambda world, url: world.post(url, {"reason": "too_many"}), _reason_given, 405
    ),
    "/k/": Link(Purpose.KEEP, _subscribed, _confirm, _kept),
    "/p/": Link(
        Purpose.PREFERENCES,
        _subscribed,
        lambda world, url: world.post(url, {"scope": "all"}),
        _is("unsubscribed"),
    ),
}
"""By what its path begins with, every link that there is."""


def test_every_route_with_a_token_is_tried_here() -> None:
    template = (Path(__file__).parents[2] / "template.yaml").read_text("utf-8")
    assert set(re.findall(r'Path: "([^"{]+)\{token\+?\}"', template)) == set(LINKS)
    assert set(re.findall(r'Path: "([^"{]+)\{token\+\}"', template)) == set(LINKS), "a damaged link may hold a slash"
    assert {route.partition(" ")[2].partition("{")[0] for _, route, _ in events.ROUTES if "{token" in route} == set(
        LINKS
    )


def _broken_twice(inside: str, token: str) -> str:
    return f"{token[:40]}{inside}{token[40:-9]}{inside}{token[-9:]}"


def _broken_in_brackets(inside: str, token: str) -> str:
    return f"<{token[:60]}{inside}{token[60:]}>."


DAMAGES: Final[list[Callable[[str], str]]] = [
    *(around.format for around in AROUND),
    *(partial(damage, inside) for damage in (_broken_twice, _broken_in_brackets) for inside in INSIDE),
]


@pytest.mark.parametrize("path", LINKS)
def test_a_damaged_link_opens_its_page(world: World, path: str) -> None:
    token = world.token(LINKS[path].purpose)
    whole = world.get(path + token)
    assert whole.status == LINKS[path].opened
    for damage in DAMAGES:
        opened = world.get(path + damage(token))
        assert (opened.status, opened.page.heading) == (whole.status, whole.page.heading), damage(token)


@pytest.mark.parametrize("path", LINKS)
def test_a_damaged_link_does_what_it_does(world: World, path: str) -> None:
    """Each damage at one of the routes: what repairs it is one for all, as the pages above show."""
    link = LINKS[path]
    for number, damage in enumerate(DAMAGES[list(LINKS).index(path) :: len(LINKS)]):
        email = f"person-{number}@example.com"
        link.before(world, email)
        url = path + damage(world.token(link.purpose, email))
        assert link.act(world, url).status == 200, url
        assert link.done(world, email), url


@pytest.mark.parametrize("path", LINKS)
def test_what_cannot_be_undone_gets_the_page_that_says_so_and_changes_nothing(world: World, path: str) -> None:
    link = LINKS[path]
    link.before(world, "ann@example.com")
    before = world.items()
    token = world.token(link.purpose)
    for name, damage in BEYOND_REPAIR.items():
        url = path + damage(token)
        answers = [world.post(url, form) for form in ({}, {"scope": "all", "answer": "yes", "reason": "too_many"})]
        answers += [world.get(url), world.send("HEAD", url)] if link.opened == 200 else []
        for answer in answers:
            assert answer.status == 404, name
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answers[0].page.heading == "This link doesn’t work"
        assert "Some email apps break long links in two" in answers[0].page.text
    assert world.items() == before


@pytest.mark.parametrize("path", LINKS)
def test_a_damaged_link_is_still_a_link_to_one_page_alone(world: World, path: str) -> None:
    _subscribed(world, "ann@example.com")
    before = world.items()
    for purpose in Purpose:
        if purpose is not LINKS[path].purpose:
            token = world.token(purpose)
            assert world.post(f"{path}{token[:50]}=\n{token[50:]}>", {"scope": "all"}).status == 404
    assert world.items() == before


def test_the_page_of_a_damaged_link_leads_on_by_the_whole_one(world: World) -> None:
    token = world.token(Purpose.UNSUBSCRIBE)
    page = world.get(f"/u/{token[:50]}%20{token[50:]})").page
    assert {form.action for form in page.forms} == {f"/u/page/{token}"}


def test_a_query_that_was_added_to_a_damaged_link_is_passed_over_but_for_the_language(world: World) -> None:
    token = world.token(Purpose.UNSUBSCRIBE)
    assert world.get(f"/u/{token}>?utm_source=a&utm_campaign=b%20c&fbclid=x&lang=de").page.language == "de"
    assert world.post(f"/u/{token}/?utm_source=a&mc_eid=[UNIQID]", body="").status == 200
    assert world.status() == "unsubscribed"
