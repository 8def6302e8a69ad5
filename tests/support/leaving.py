"""Leaving by the page, as a person in a browser does."""

from __future__ import annotations

from typing import Final

from support.page import Form
from support.world import SECOND, Answer, World

ONE_CLICK: Final = "List-Unsubscribe=One-Click"


def assert_left_by_one_click(world: World, answer: Answer) -> None:
    """The answer and the record of a one-click opt-out from `news`."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == "You are unsubscribed.\n"
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert world.status() == "unsubscribed"


def send(world: World, url: str, wait: int = 5 * SECOND, **choice: str) -> Answer:
    """Open the page and, after a while, press one of its buttons."""
    form = world.get(url).page.form(scope=choice.pop("scope"))
    world.now += wait
    answer = world.post(url, dict(form.fields) | choice)
    world.now += SECOND
    return answer


def undo_url(answer: Answer) -> str:
    """Where the page's undo button leads."""
    (form,) = (form for form in answer.page.forms if form.action.startswith("/u/undo/"))
    return form.action


def reason_form(answer: Answer) -> Form:
    """The form that asks why."""
    (form,) = (form for form in answer.page.forms if form.action.startswith("/u/reason/"))
    return form
