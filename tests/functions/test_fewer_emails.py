"""Getting fewer emails instead of leaving."""

from __future__ import annotations

import re

import pytest

from support.leaving import send, undo_url
from support.world import SECOND, Answer, World


def options(answer: Answer) -> list[str]:
    """The frequencies that the page offers."""
    select = answer.body.partition('name="frequency"')[2].partition("</select>")[0]
    return re.findall(r'<option value="(\w+)"', select)


@pytest.mark.parametrize("frequency", ["", "every", "daily", "hourly", "<b>", "weekly "])
def test_a_frequency_that_the_topic_does_not_have_changes_nothing_and_the_page_comes_again(
    world: World, frequency: str
) -> None:
    world.subscribed("news")
    before = world.items()
    answer = world.post(world.leave_url(), {"scope": "frequency", "frequency": frequency, "lang": "de"})
    assert (answer.status, answer.page.language) == (400, "de")
    assert 'role="alert"' in answer.body
    assert [dict(form.fields)["scope"] for form in answer.page.forms] == ["topic", "all", "pause", "frequency"]
    assert world.items() == before
    world.now += 5 * SECOND
    assert world.post(world.leave_url(), dict(answer.page.form(scope="topic").fields)).status == 200
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize(
    ("topics", "brand"), [(("retired",), "demo"), (("news", "retired"), "demo"), (("news",), "gone")]
)
def test_no_frequency_is_offered_where_the_brand_has_none(world: World, topics: tuple[str, ...], brand: str) -> None:
    url = world.leave_url(topics, brand=brand)
    assert options(world.get(url)) == []
    answer = world.post(url, {"scope": "frequency", "frequency": "weekly"})
    assert answer.status == 400
    assert world.items() == []


def test_only_what_is_slower_than_now_is_offered(world: World) -> None:
    url = world.leave_url()
    assert options(world.get(url)) == ["weekly", "monthly"]
    send(world, url, scope="frequency", frequency="weekly")
    assert options(world.get(url)) == ["monthly"]
    send(world, url, scope="frequency", frequency="monthly")
    assert options(world.get(url)) == []
    assert options(world.get(world.leave_url(("news", "product")))) == []


def test_several_topics_can_be_had_as_rarely_as_all_of_them_can(world: World) -> None:
    url = world.leave_url(("news", "product"))
    assert options(world.get(url)) == ["monthly"]
    answer = send(world, url, scope="frequency", frequency="monthly")
    assert answer.page.heading == "You’ll get fewer emails"
    assert [world.consent().chosen(f"frequency.{topic}") for topic in ("news", "offers", "product")] == [
        "monthly",
        None,
        "monthly",
    ]


def test_who_asks_for_fewer_mails_stays_subscribed_and_can_see_it_in_the_preferences(world: World) -> None:
    world.subscribed("news", "offers")
    answer = send(world, world.leave_url(), scope="frequency", frequency="weekly")
    assert answer.page.heading == "You’ll get fewer emails"
    assert "once a week at most" in answer.page.text
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "subscribed")
    assert dict(world.get(world.choose_url()).page.forms[0].fields)["frequency.news"] == "weekly"
    event = world.events()[-1]
    assert (event["kind"]["S"], event["channel"]["S"]) == ("preferences_saved", "page")
    assert world.intact()


def test_fewer_mails_asked_for_twice_is_said_to_be_done(world: World) -> None:
    for _ in range(2):
        answer = world.post(world.leave_url(), {"scope": "frequency", "frequency": "weekly"})
        assert (answer.status, answer.page.heading) == (200, "You’ll get fewer emails")
        world.now += SECOND


@pytest.mark.parametrize("before", [None, "every", "weekly"])
def test_undo_of_fewer_mails_gives_back_how_often_they_came(world: World, before: str | None) -> None:
    world.subscribed("news")
    if before:
        world.post(world.choose_url(), {"topics": "news", "frequency.news": before})
        world.now += SECOND
    answer = send(world, world.leave_url(), scope="frequency", frequency="monthly")
    for _ in range(2):
        assert world.post(undo_url(answer)).page.heading == "Undone"
        world.now += SECOND
    assert (world.consent().chosen("frequency.news") or None) == before
    assert world.status() == "subscribed"
    assert world.intact()
    assert [event["kind"]["S"] for event in world.events()].count("undone") == 1


def test_undo_of_fewer_mails_leaves_a_later_choice(world: World) -> None:
    answer = send(world, world.leave_url(), scope="frequency", frequency="monthly")
    world.post(world.choose_url(), {"topics": "product", "frequency.news": "weekly"})
    world.now += SECOND
    world.post(undo_url(answer))
    assert world.consent().chosen("frequency.news") == "weekly"


def test_an_undone_frequency_is_told_to_nobody_as_one(world: World) -> None:
    world.subscribed("news")
    world.post(undo_url(send(world, world.leave_url(), scope="frequency", frequency="monthly")))
    key = world.api_key()
    found = world.api("POST", "/v1/decisions", {"emails": ["ann@example.com"], "topic": "news"}, key=key)
    assert found.json["decisions"][0].get("frequency") is None
