"""The page by which people keep what ends."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.links.tokens import Purpose
from consentry.rules.ledger import Kind
from support.ending import claimed, decided, with_topic
from support.leaving import undo_url
from support.world import DAY, SECOND, Answer, World

YEAR = 365 * DAY


def keep_url(world: World, **of: Any) -> str:
    return f"/k/{world.token(Purpose.KEEP, **of)}"


def press(world: World, url: str, *, after: int = 5 * SECOND, **how: Any) -> Answer:
    """Open the page, read it, and press its first button."""
    form = world.get(url).page.forms[0]
    world.now += after
    return world.post(url, dict(form.fields), **how)


def test_whoever_keeps_a_claim_before_its_end_keeps_it_until_they_leave(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    asked = world.get(keep_url(world)).page
    assert asked.heading == "Keep getting these emails?"
    assert "ends on 16 January 2027" in asked.text
    kept = press(world, keep_url(world))
    assert (kept.status, kept.page.heading) == (200, "You’ll keep getting these emails")
    world.now += YEAR
    assert decided(world) == {"allowed": True, "reason": "subscribed", "status": "subscribed", "expires_at": None}
    assert world.intact()


def test_where_a_topic_wants_renewal_it_is_kept_until_the_next_end(world: World) -> None:
    world.subscribed("news")
    with_topic(world, renew_after_days=30)
    world.now += 31 * DAY
    assert decided(world)["reason"] == "expired"
    assert "ended on 13 February 2027" in world.get(keep_url(world)).page.text
    assert "until 17 March 2027" in press(world, keep_url(world)).page.text
    assert decided(world)["status"] == "subscribed"
    world.now += 30 * DAY
    assert decided(world)["reason"] == "expired"


def test_the_ledger_says_that_it_was_kept_by_whom_and_through_whose_link(world: World) -> None:
    claimed(world, ends=world.now - SECOND)
    press(world, keep_url(world, reference="spring"))
    found = world.deployment.store.history("demo", world.subscriber_id())[-1]
    assert (found.kind, found.actor, found.channel, found.link) == (Kind.KEPT, "recipient", "page", "platform")
    assert (found.reference, found.topics, found.notice != "") == ("spring", ("news",), True)


def test_a_page_that_is_opened_or_a_form_that_is_sent_again_changes_nothing(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    url = keep_url(world)
    before = world.people()
    form = dict(world.get(url).page.forms[0].fields)
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        world.send(method, url)
    assert world.people() == before
    world.now += 2 * SECOND
    assert world.post(url, form).page.heading == "You’ll keep getting these emails"
    after = world.people()
    world.now += DAY
    assert world.post(url, form).page.heading == "You’ll keep getting these emails"
    assert world.people() == after


@pytest.mark.parametrize("how", ["without a stamp", "too fast", "a scanner", "another form's stamp"])
def test_what_no_person_can_have_read_keeps_nothing(world: World, how: str) -> None:
    claimed(world, ends=world.now + DAY)
    url = keep_url(world)
    before = world.people()
    if how == "without a stamp":
        answer = world.post(url, {})
    elif how == "too fast":
        answer = press(world, url, after=SECOND - 1)
    elif how == "a scanner":
        answer = press(world, url, headers={"user-agent": "Barracuda Sentinel (EE)"})
    else:
        stamp = dict(world.get(world.leave_url()).page.forms[0].fields)["stamp"]
        world.now += 5 * SECOND
        answer = world.post(url, {"stamp": stamp})
    assert answer.status == 200
    assert "Nothing has changed yet" in answer.page.text
    assert world.people() == before


def test_it_lifts_nothing_that_was_left(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    form = dict(world.get(keep_url(world)).page.forms[0].fields)
    world.now += 2 * SECOND
    world.happened({"out.news": world.now}, kind=Kind.UNSUBSCRIBED)
    answer = world.post(keep_url(world), form)
    assert (answer.status, answer.page.heading) == (409, "You’re unsubscribed")
    assert world.status() == "unsubscribed"
    shown = world.get(keep_url(world)).page
    assert (shown.heading, shown.forms) == ("You’re unsubscribed", [])


@pytest.mark.parametrize("register", ["complaint", "bounce"])
def test_it_lifts_no_complaint_and_no_bounce(world: World, register: str) -> None:
    claimed(world, ends=world.now + DAY)
    form = dict(world.get(keep_url(world)).page.forms[0].fields)
    world.happened({register: world.now}, kind=Kind.COMPLAINED)
    world.now += 2 * SECOND
    answer = world.post(keep_url(world), form)
    assert (answer.status, answer.page.heading) == (409, "These emails have stopped")
    assert decided(world)["reason"] == register
    world.now += 2 * DAY
    assert world.get(keep_url(world)).page.heading == "These emails have stopped"


@pytest.mark.parametrize("registers", [{}, {"ask.news": 1}])
def test_where_there_is_nothing_to_prolong_nothing_is_written(world: World, registers: dict[str, int]) -> None:
    if registers:
        world.happened({"ask.news": world.now - DAY}, kind=Kind.ASKED)
    before = world.people()
    answer = press(world, keep_url(world))
    assert (answer.status, answer.page.heading) == (409, "There’s nothing to keep")
    assert world.people() == before


def test_the_page_offers_to_leave_after_keeping_and_that_can_be_undone(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    keep, leave = world.get(keep_url(world)).page.forms
    assert (keep.action, leave.action.startswith("/u/page/")) == ("", True)
    world.now += 2 * SECOND
    left = world.post(leave.action, dict(leave.fields))
    assert world.status() == "unsubscribed"
    world.post(undo_url(left))
    assert decided(world)["expires_at"] == "2027-01-16T08:00:00.000Z"


def test_while_the_table_is_unavailable_nothing_is_called_kept(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    form = dict(world.get(keep_url(world)).page.forms[0].fields)
    world.now += 2 * SECOND
    with world.table_unavailable():
        assert world.get(keep_url(world)).page.heading == "Keep getting these emails?"
        answer = world.post(keep_url(world), form)
    assert answer.status == 503
    assert "retry-after" in answer.headers


def test_whoever_presses_all_day_writes_no_more_than_a_days_budget(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    for _ in range(25):
        assert press(world, keep_url(world), after=90 * SECOND).status == 200
    assert sum(each.kind is Kind.KEPT for each in world.deployment.store.history("demo", world.subscriber_id())) == 20


def test_a_platform_gets_a_link_to_keep_where_it_asks_for_one(world: World) -> None:
    claimed(world, ends=world.now + DAY)
    mailing = {"topic": "news", "recipients": [{"email": "ann@example.com"}]}
    key = world.api_key()
    (plain,), (link,) = (
        world.api("POST", "/v1/links", {**mailing, **more}, key=key).json["links"] for more in ({}, {"keep": True})
    )
    assert set(link) - set(plain) == {"keep_url"}
    assert "/k/" in link["keep_url"]
    assert "/k/" not in link["headers"]["List-Unsubscribe"]
    assert (
        press(world, "/k/" + link["keep_url"].rpartition("/k/")[2]).page.heading == "You’ll keep getting these emails"
    )
