"""The unsubscribe page, and what its forms do."""

from __future__ import annotations

import pytest

from support import calls
from support.leaving import ONE_CLICK, send
from support.page import Page
from support.world import DAY, HOUR, SECOND, World


def test_the_page_offers_the_topic_everything_a_pause_fewer_mails_and_the_preferences(world: World) -> None:
    page = world.get(world.leave_url()).page
    assert [dict(form.fields)["scope"] for form in page.forms] == ["topic", "all", "pause", "frequency"]
    assert "Newsletter" in page.forms[0].button
    (choose,) = [link for link in page.links if link.startswith("/p/")]
    assert world.get(choose).status == 200


def test_the_page_looks_the_same_for_known_and_unknown_people(world: World) -> None:
    world.subscribed("news", email="bob@example.com")
    unknown, known = (
        world.get(world.leave_url(email=email)).page.text for email in ("ann@example.com", "bob@example.com")
    )
    assert unknown == known


def scopes(page: Page) -> list[str]:
    """What the page's buttons do."""
    return [dict(form.fields)["scope"] for form in page.forms]


def test_who_is_out_is_shown_since_when_what_is_still_on_and_the_way_back(world: World) -> None:
    world.subscribed("offers")
    url = world.leave_url()
    world.post(url, body=ONE_CLICK)
    page = world.get(url).page
    assert page.heading == "You’re unsubscribed"
    assert "since" in page.text
    assert "15" in page.text
    still = page.text.partition("You still get")[2]
    assert "Offers" in still
    assert scopes(page) == ["all", "pause"]
    assert len([link for link in page.links if link.startswith("/p/")]) == 2
    send(world, url, scope="all")
    page = world.get(url).page
    assert (page.heading, scopes(page)) == ("You’re unsubscribed", ["all"])


@pytest.mark.parametrize("back", ["in.news", "ask.news"])
@pytest.mark.parametrize("topics", [("news",), ("news", "offers")])
def test_who_left_and_is_in_again_or_asked_to_be_can_leave_again(
    world: World, back: str, topics: tuple[str, ...]
) -> None:
    url = world.leave_url(topics)
    world.post(url, body=ONE_CLICK)
    world.now += SECOND
    world.happened({back: world.now})
    page = world.get(url).page
    assert page.heading == "Unsubscribe or pause emails"
    assert scopes(page)[:2] == ["topic", "all"]
    world.now += SECOND
    send(world, url, scope="topic")
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize("brand", ["demo", "gone"])
def test_a_link_to_leave_everything_offers_to_until_that_is_done(world: World, brand: str) -> None:
    url = world.leave_url((), brand=brand)
    assert world.get(url).page.heading == "Unsubscribe or pause emails"
    send(world, url, scope="all")
    page = world.get(url).page
    assert (page.heading, scopes(page)) == ("You’re unsubscribed", ["all"])


def test_leaving_a_topic_by_the_page_leaves_that_topic(world: World) -> None:
    world.subscribed("news", "offers")
    answer = send(world, world.leave_url(), scope="topic")
    assert answer.page.heading == "You’re unsubscribed"
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    recorded = world.events()[-1]
    assert (recorded["channel"]["S"], "suspected_automation" in recorded) == ("page", False)
    assert recorded["locale"] == {"S": "en"}


def test_who_left_a_topic_sees_what_they_still_get_and_can_leave_all_of_it_there(world: World) -> None:
    world.subscribed("news", "offers")
    url = world.leave_url()
    left = send(world, url, scope="topic").page
    assert "You still get these emails" in left.text
    assert left.text.index("Undo") < left.text.index("Offers") < left.text.index("Product updates")
    (everything,) = [form for form in left.forms if ("scope", "all") in form.fields]
    world.now += 5 * SECOND
    assert world.post(everything.action, everything.fields).page.heading == "You’re unsubscribed"
    assert {topic: world.status(topic=topic) for topic in ("news", "offers", "product")} == dict.fromkeys(
        ("news", "offers", "product"), "unsubscribed"
    )
    assert not any(event.get("suspected_automation") for event in world.events())


def test_what_somebody_still_gets_is_not_guessed_while_it_cannot_be_read(world: World) -> None:
    world.subscribed("news", "offers")
    url = world.leave_url()
    page = world.get(url).page
    world.now += 5 * SECOND
    with calls.failing(world.table_client, "InternalServerError", "GetItem", "BatchGetItem"):
        answer = world.post(page.forms[0].action, page.forms[0].fields)
    assert answer.page.heading == "You’re unsubscribed"
    assert "You still get" not in answer.page.text


def test_what_was_left_is_not_called_still_on_while_it_waits_to_be_written(world: World) -> None:
    world.deploy(spool_queue_url=world.sqs.create_queue(QueueName="spool")["QueueUrl"])
    world.subscribed("news", "offers")
    page = world.get(world.leave_url()).page
    world.now += 5 * SECOND
    with calls.failing(world.table_client, "InternalServerError", "TransactWriteItems", "UpdateItem", "PutItem"):
        answer = world.post(page.forms[0].action, page.forms[0].fields)
    assert world.status() == "subscribed"
    still = answer.page.text.partition("You still get")[2]
    assert "Offers" in still
    assert "Newsletter" not in still


def test_who_paused_is_shown_until_when_while_there_is_something_to_pause(world: World) -> None:
    world.subscribed("news")
    url = world.leave_url()
    assert "paused" not in world.get(url).page.text
    send(world, url, scope="pause", days="30")
    assert "Your emails are paused until 14 February 2027." in world.get(url).page.text
    send(world, url, scope="all")
    assert "paused" not in world.get(url).page.text


def test_who_has_left_everything_is_not_asked_first_of_all_to_leave_everything(world: World) -> None:
    world.subscribed("news")
    url = world.leave_url()
    world.post(url, body=ONE_CLICK)
    everything = '<button class="main">Unsubscribe from everything</button>'
    assert everything in world.get(url).body, "product updates are still on"
    send(world, url, scope="all")
    assert 'class="main"' not in world.get(url).body


def test_leaving_everything_leaves_every_topic_there_is_and_will_be(world: World) -> None:
    world.subscribed("news", "offers")
    send(world, world.leave_url(), scope="all")
    assert {world.decision(topic) for topic in ("news", "offers", "product", "future")} == {"unsubscribed"}


def test_a_pause_ends_by_itself(world: World) -> None:
    world.subscribed("news")
    answer = send(world, world.leave_url(), scope="pause", days="60")
    assert answer.page.heading == "Your emails are paused"
    world.now -= SECOND
    assert {world.decision(topic) for topic in ("news", "product")} == {"paused"}
    assert world.status() == "subscribed"
    world.now += 60 * DAY - 1
    assert world.decision() == "paused"
    world.now += 1
    assert world.decision() == "subscribed"


@pytest.mark.parametrize("days", ["30", "60", "90"])
def test_every_pause_that_is_offered_can_be_had(world: World, days: str) -> None:
    answer = send(world, world.leave_url(), scope="pause", days=days)
    assert answer.page.heading == "Your emails are paused"
    assert world.consent().chosen("pause") == str(world.now - SECOND + int(days) * DAY)


def test_a_form_that_comes_back_too_fast_or_unseen_opts_out_and_is_marked(world: World) -> None:
    url = world.leave_url()
    assert send(world, url, wait=SECOND - 1, scope="topic").status == 200
    assert world.status() == "unsubscribed"
    world.post(url, {"scope": "all"})
    assert [event["suspected_automation"] for event in world.events()] == [{"BOOL": True}] * 2


def test_a_stamp_of_another_person_marks_the_opt_out(world: World) -> None:
    stamp = dict(world.get(world.leave_url(email="bob@example.com")).page.forms[0].fields)["stamp"]
    world.now += 5 * SECOND
    world.post(world.leave_url(), {"scope": "topic", "stamp": stamp})
    assert "suspected_automation" in world.events()[0]


def test_the_address_goes_when_everything_is_left(world: World) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    world.now += HOUR
    send(world, world.leave_url(), scope="all")
    assert "ann@example.com" not in str(world.items())
