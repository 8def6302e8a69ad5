"""Undo, by the page that says that somebody left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from consentry.links.tokens import Purpose
from consentry.table import limits
from support.leaving import ONE_CLICK, assert_left_by_one_click, reason_form, send, undo_url
from support.world import DAY, HOUR, SECOND, World


def test_an_hour_later_nothing_is_undone(world: World) -> None:
    world.subscribed("news")
    url = undo_url(send(world, world.leave_url(), scope="topic"))
    world.now += HOUR - SECOND
    before = world.items()
    answer = world.post(url)
    assert (answer.status, answer.page.heading) == (410, "It’s too late to undo this")
    assert "/s/demo?lang=en" in answer.page.links
    assert "mailto:privacy@meadow.example" in answer.page.links
    assert world.items() == before
    world.now -= 1
    assert world.post(url).status == 200
    assert world.status() == "subscribed"


@pytest.mark.parametrize("scope", ["topic", "all", "pause"])
def test_undo_puts_everything_back_as_it_was(world: World, scope: str) -> None:
    world.subscribed("news")
    world.happened({"out.offers": world.now - DAY})
    topics = ("news", "offers", "product")
    before = [world.decision(topic) for topic in topics]
    assert before == ["subscribed", "unsubscribed", "opt_out_topic"]

    left = send(world, world.leave_url(), scope=scope)
    assert [world.decision(topic) for topic in topics] != before
    answer = world.post(undo_url(left))

    assert answer.page.heading == "Undone"
    after = [world.decision(topic) for topic in topics]
    assert [reason.replace("opt_out_topic", "subscribed") for reason in after] == [
        reason.replace("opt_out_topic", "subscribed") for reason in before
    ]
    assert world.intact()


@pytest.mark.parametrize("scope", ["topic", "all", "pause"])
def test_undo_pressed_twice_changes_nothing_more(world: World, scope: str) -> None:
    world.subscribed("news")
    url = undo_url(send(world, world.leave_url(), scope=scope))
    world.post(url)
    before = world.people()
    world.now += SECOND
    assert world.post(url).page.heading == "Undone"
    assert world.people() == before


def test_undo_of_an_opt_out_topic_lets_its_mail_flow_again(world: World) -> None:
    left = send(world, world.leave_url(("product",)), scope="topic")
    assert world.decision("product") == "unsubscribed"
    world.post(undo_url(left))
    assert world.decision("product") in {"subscribed", "opt_out_topic"}
    assert world.decision("news") == "none"


def test_undo_signs_nobody_up_who_was_not(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    assert world.post(undo_url(left)).page.heading == "Undone"
    assert (world.status(), world.decision()) == ("none", "none")


def test_what_was_left_before_is_left_all_the_same_and_nothing_is_offered_to_undo(world: World) -> None:
    world.subscribed("news")
    world.happened({"out.news": world.now - HOUR})
    page = world.post(world.leave_url(), {"scope": "topic"}).page
    assert page.heading == "You’re unsubscribed"
    assert not [form for form in page.forms if form.action.startswith(("/u/undo/", "/u/reason/"))]
    assert world.consent().registers["out.news"] == world.now - HOUR


def test_undo_of_everything_keeps_what_was_left_before_also_for_topics_to_come(world: World) -> None:
    world.happened({"out.*": world.now - 2 * DAY})
    world.happened({"in.news": world.now - HOUR})
    topics = ("news", "offers", "product", "future")
    before = [world.status(topic=topic) for topic in topics]
    answer = world.post(undo_url(send(world, world.leave_url(), scope="all")))
    assert answer.page.heading == "Undone"
    assert [world.status(topic=topic) for topic in topics] == before == ["subscribed", *["unsubscribed"] * 3]
    assert "You’re still unsubscribed from" in answer.page.text


def test_one_click_between_an_opt_out_of_the_page_and_its_undo_stands(world: World) -> None:
    """Who minted the link presses the page's buttons; the click is the person's, and its mail program's answer true."""
    world.happened({"claim.news": world.now - DAY})
    left = send(world, world.leave_url(), scope="topic")
    assert_left_by_one_click(world, world.post(world.leave_url(), body=ONE_CLICK))
    world.now += SECOND
    answer = world.post(undo_url(left))
    assert answer.page.heading == "This couldn’t be undone"
    assert world.status() == "unsubscribed"
    assert world.intact()


def test_the_same_form_again_gets_the_same_undo_and_the_same_question(world: World) -> None:
    """A reload of the answer. Anybody else's repetition is told that they left, too, and gets neither."""
    world.subscribed("news")
    url = world.leave_url()
    form = world.get(url).page.form(scope="topic")
    world.now += 5 * SECOND
    first = world.post(form.action, form.fields)
    events = world.events()
    for _ in range(2):
        world.now += SECOND
        again = world.post(form.action, form.fields)
        assert (undo_url(again), reason_form(again).action) == (undo_url(first), reason_form(first).action)
    assert world.events() == events
    world.post(undo_url(first))
    assert world.status() == "subscribed"


@pytest.mark.parametrize("scope", ["topic", "all", "pause"])
def test_a_page_that_is_reloaded_when_its_hour_is_over_offers_no_undo(world: World, scope: str) -> None:
    world.subscribed("news")
    form = world.get(world.leave_url()).page.form(scope=scope)
    world.now += 5 * SECOND
    said = dict(form.fields) | ({"days": "30"} if scope == "pause" else {})
    undo = undo_url(world.post(form.action, said))
    world.now += HOUR - 1
    assert undo_url(world.post(form.action, said)) == undo
    world.now += 1
    late = world.post(form.action, said)
    assert (late.status, "Undo" in late.body) == (200, False)
    assert "one hour" not in late.page.text


def test_a_page_that_is_reloaded_says_the_same_end_of_a_pause(world: World) -> None:
    world.subscribed("news")
    form = world.get(world.leave_url()).page.form(scope="pause")
    world.now += 5 * SECOND
    said = dict(form.fields) | {"days": "30"}
    first = world.post(form.action, said).page.text
    until = first.partition("until ")[2].partition(".")[0]
    world.now += 2 * DAY
    assert until
    assert f"until {until}." in world.post(form.action, said).page.text


@pytest.mark.parametrize("register", ["complaint", "bounce"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_undo_does_not_promise_emails_that_stay_stopped(world: World, register: str, when: str) -> None:
    world.subscribed("news")
    if when == "before":
        world.happened({register: world.now + 1})
        world.now += 2
    left = send(world, world.leave_url(), scope="topic")
    if when == "after":
        world.happened({register: world.now})
    answer = world.post(undo_url(left))
    assert (answer.status, answer.page.heading) == (200, "Undone")
    assert "stay stopped, because one was reported as spam or couldn’t be delivered" in answer.page.text
    assert "back to how they were" not in answer.page.text


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (compatible; BarracudaSentinel/1.0)", "Slackbot-LinkExpanding 1.0"])
def test_a_scanner_undoes_nothing(world: World, agent: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    answer = world.post(undo_url(left), headers={"user-agent": agent})
    assert answer.page.heading == "This couldn’t be undone"
    assert world.items() == before


def test_undo_has_a_days_budget_and_leaving_has_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPT_INS", 2)
    world.subscribed("news")
    for _ in range(2):
        assert world.post(undo_url(send(world, world.leave_url(), scope="topic"))).page.heading == "Undone"
    left = send(world, world.leave_url(), scope="topic")
    assert world.post(undo_url(left)).page.heading == "This couldn’t be undone"
    assert world.status() == "unsubscribed"
    world.now += DAY
    world.happened({"in.news": world.now})
    assert world.post(undo_url(send(world, world.leave_url(), scope="topic"))).page.heading == "Undone"


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_undo_does_not_lift_a_complaint_or_bounce_of_before(world: World, suppression: str) -> None:
    world.subscribed("news")
    world.happened({suppression: world.now - HOUR})
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    assert world.decision() in {"unsubscribed", suppression}


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_undo_does_not_lift_a_complaint_or_bounce_since(world: World, suppression: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.happened({suppression: world.now})
    world.now += SECOND
    for _ in range(2):
        assert world.post(undo_url(left)).status == 200
        assert world.status() == "subscribed"
        assert world.decision() == suppression


def test_undo_works_where_another_machines_clock_is_behind(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.now -= 2 * SECOND
    world.post(undo_url(left))
    assert world.status() == "subscribed"


def test_undo_of_a_pause_returns_to_the_pause_before(world: World) -> None:
    world.subscribed("news")
    send(world, world.leave_url(), scope="pause", days="30")
    first = world.consent().chosen("pause")
    world.now += HOUR
    second = send(world, world.leave_url(), scope="pause", days="90")
    world.post(undo_url(second))
    assert world.consent().chosen("pause") == first


def test_undo_touches_nothing_but_what_it_undoes(world: World) -> None:
    world.subscribed("news", "offers")
    left = send(world, world.leave_url(), scope="topic")
    send(world, world.leave_url(("offers",)), scope="topic")
    world.post(undo_url(left))
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "unsubscribed")


def test_undo_after_a_claim_gives_back_what_the_person_had(world: World) -> None:
    world.happened({"claim.news": world.now - DAY})
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    assert world.status() == "subscribed"
    assert "in.news" not in world.consent().registers, "as a claim, and no opt-in that they never gave"


@pytest.mark.parametrize(
    ("query", "accepted", "lang"),
    [("?lang=de", "ar", "de"), ("", "ar", "ar"), ("", "tlh", "en"), ("?lang=tlh", "", "en")],
)
def test_a_brand_that_is_gone_speaks_the_visitors_language(world: World, query: str, accepted: str, lang: str) -> None:
    url = world.leave_url(("retired",), brand="gone")
    page = world.get(url + query, headers={"accept-language": accepted})
    assert page.status == 200
    assert f'<html lang="{lang}"' in page.body


def test_undo_of_a_brand_that_is_gone_still_answers(world: World) -> None:
    url = world.leave_url(("retired",), brand="gone")
    left = world.post(url, {"scope": "topic"})
    assert world.post(undo_url(left)).status == 200


def test_an_undo_token_says_nothing_to_another_person(world: World) -> None:
    world.subscribed("news")
    world.subscribed("news", email="bob@example.com")
    for email in ("ann@example.com", "bob@example.com"):
        send(world, world.leave_url(email=email), scope="topic")
    undone = world.token(Purpose.UNDO, email="bob@example.com", at=world.now - SECOND)
    world.post(f"/u/undo/{undone}")
    assert world.status("ann@example.com") == "unsubscribed"
    assert world.status("bob@example.com") == "subscribed"


def test_undoing_an_earlier_opt_out_leaves_a_later_one_in_force(world: World) -> None:
    world.subscribed("news", "offers")
    undo_everything = undo_url(send(world, world.leave_url(), scope="all"))
    world.now += SECOND
    world.post(world.leave_url(("offers",)))
    world.now += SECOND
    assert world.post(undo_everything).status == 200
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "unsubscribed")


def test_one_click_loads_no_more_than_it_needs() -> None:
    """A click that wakes a function waits for every import: rendering, emails, reports and schemas come when needed."""
    function = Path(__file__).parents[2] / "functions" / "oneclick" / "handler.py"
    code = f"import runpy, sys; runpy.run_path({str(function)!r}); print(*sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "AWS_LAMBDA_FUNCTION_NAME"}
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    loaded = set(ran.stdout.split())
    assert "consentry.actions.opting_out" in loaded
    assert not loaded & {
        "aws_lambda_powertools",
        "boto3",
        "consentry.actions.choosing",
        "consentry.actions.forms",
        "consentry.actions.mails",
        "consentry.actions.opting_in",
        "consentry.actions.reports",
        "consentry.http.leaving",
        "consentry.http.pages",
        "email_validator",
        "jinja2",
        "pydantic",
        "yaml",
    }
