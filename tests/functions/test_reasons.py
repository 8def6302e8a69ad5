"""Why somebody left, if they say so."""

from __future__ import annotations

import pytest

from consentry.actions import opting_out
from support.leaving import reason_form, send, undo_url
from support.world import DAY, SECOND, World


def test_nobody_is_asked_why_before_they_have_left(world: World) -> None:
    assert "/u/reason/" not in world.get(world.leave_url()).body
    assert "/u/reason/" not in send(world, world.leave_url(), scope="pause", days="30").body
    assert "/u/reason/" not in send(world, world.leave_url(), scope="frequency", frequency="weekly").body


@pytest.mark.parametrize("said", ["x", "too_many ", "<script>", "x" * 60_000])
def test_a_reason_that_is_not_offered_is_not_kept(world: World, said: str) -> None:
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    answer = world.post(reason_form(left).action, {"reason": said})
    assert (answer.status, answer.page.heading) == (400, "You don’t have to say why")
    assert "<script" not in answer.body
    assert world.items() == before


def test_a_reason_left_open_is_fine(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    form = reason_form(left)
    assert dict(form.fields) == {"lang": "en"}, "nothing is picked beforehand"
    assert world.post(form.action, form.fields).status == 200
    assert world.items() == before


@pytest.mark.parametrize("scope", ["topic", "all"])
@pytest.mark.parametrize("reason", opting_out.REASONS)
def test_a_reason_is_noted_beside_the_opt_out_and_changes_nothing(world: World, scope: str, reason: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope=scope)
    before, opted_out = world.consent(), world.events()[-1]
    answer = world.post(reason_form(left).action, {"reason": reason, "lang": "de"})
    assert (answer.status, answer.page.language) == (200, "de")
    (event,) = [event for event in world.events() if event["kind"]["S"] == "reason_given"]
    assert event["source"] == {"S": reason}
    assert (event["topics"], event["occurred_at"]) == (opted_out["topics"], opted_out["occurred_at"])
    assert event["registers"] == {"M": {}}
    assert world.consent() == before
    assert world.intact()


def test_one_reason_counts_for_each_time_of_leaving(world: World) -> None:
    first = reason_form(send(world, world.leave_url(), scope="topic")).action
    for reason in ("too_many", "other", "too_many"):
        assert world.post(first, {"reason": reason}).page.heading == "Thanks for telling us"
        world.now += SECOND
    world.happened({"in.news": world.now})
    second = reason_form(send(world, world.leave_url(), scope="topic")).action
    world.post(second, {"reason": "never_asked"})
    given = [event["source"]["S"] for event in world.events() if event["kind"]["S"] == "reason_given"]
    assert given == ["too_many", "never_asked"]
    assert world.intact()


def test_a_reason_after_an_undo_is_no_opt_out(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    world.now += SECOND
    world.post(reason_form(left).action, {"reason": "other", "scope": "all", "List-Unsubscribe": "One-Click"})
    assert world.status() == "subscribed"
    assert world.intact()


def test_undo_works_after_a_reason(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="all")
    world.post(reason_form(left).action, {"reason": "other"})
    world.post(undo_url(left))
    assert world.status() == "subscribed"
    assert world.intact()


def test_a_day_later_nobody_asks_for_a_reason(world: World) -> None:
    url = reason_form(send(world, world.leave_url(), scope="topic")).action
    before = world.items()
    world.now += DAY
    answer = world.post(url, {"reason": "other"})
    assert (answer.status, answer.page.heading) == (410, "It’s too late to tell us why")
    assert world.items() == before


def test_whoever_says_why_while_the_table_is_away_is_thanked(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    with world.table_unavailable():
        answer = world.post(reason_form(left).action, {"reason": "other"})
    assert (answer.status, answer.page.heading) == (200, "Thanks for telling us")


def test_a_reason_is_in_the_ledger_that_platforms_see_and_names_no_device(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    world.post(reason_form(left).action, {"reason": "too_many"})
    person = f"/v1/subscribers/{world.subscriber_id()}"
    found = world.api("GET", f"{person}/ledger", key=world.api_key()).json
    (told,) = [event for event in found["events"] if event["kind"] == "reason_given"]
    assert told["source"] == "too_many"
    assert told["evidence"] == {}
    assert found["intact"] is True
    assert world.api("GET", f"{person}/record", key=world.api_key()).status == 200
