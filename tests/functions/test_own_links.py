"""Whoever lost their emails gets their link, and nobody else learns anything."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import pytest

from consentry.table.outbox import MailDue
from consentry.table.schema import LINK
from dev.emulator.streams import passes
from support import calls
from support.mailroom import BASE, HEARS, Mailroom, text_of
from support.world import DAY, SECOND, World

MINUTE = 60 * SECOND
ASKED = {"action": "manage", "email": "ann@example.com"}


def due(world: World) -> list[dict[str, Any]]:
    return [item for item in world.items() if item["sk"]["S"] == LINK]


def test_everybody_is_answered_the_same_by_the_same_calls(world: World) -> None:
    answers, made = [], []
    for email in ("ann@example.com", "bob@example.com"):
        if email.startswith("ann"):
            world.subscribed("news")
        with calls.counted(world.table_client) as counted:
            answers.append(world.post("/s/demo", {"action": "manage", "email": email}))
        made.append(list(counted))
    known, unknown = (each.body.replace("ann@", "x@").replace("bob@", "x@") for each in answers)
    assert {each.status for each in answers} == {200}
    assert known == unknown
    assert made[0] == made[1]


def test_asking_changes_no_consent_and_leaves_no_event(world: World) -> None:
    answer = world.post("/s/demo", ASKED)
    assert (answer.status, answer.page.heading) == (200, "Check your inbox")
    assert world.events() == []
    assert world.consent().registers == {}
    (item,) = due(world)
    assert int(item["expires_at"]["N"]) == world.now // 1000 + DAY // 1000


def test_a_second_one_within_ten_minutes_is_none_and_says_so_to_nobody(world: World) -> None:
    first = world.post("/s/demo", ASKED)
    (before,) = due(world)
    world.now += 10 * MINUTE - 1
    assert world.post("/s/demo", ASKED).body == first.body
    assert due(world) == [before]
    world.now += 1
    world.post("/s/demo", ASKED)
    assert due(world)[0]["asked_at"]["N"] == str(world.now)


def test_a_mailbox_gets_three_a_day_that_anybody_can_ask_for(world: World) -> None:
    asked = set()
    for _ in range(5):
        assert world.post("/s/demo", ASKED).status == 200
        asked.add(due(world)[0]["asked_at"]["N"])
        world.now += 11 * MINUTE
    assert len(asked) == 3


@pytest.mark.parametrize("email", ["", "ann@", "ann"])
def test_an_address_that_is_none_is_said_to_be(world: World, email: str) -> None:
    answer = world.post("/s/demo", {"action": "manage", "email": email})
    assert answer.status == 400
    assert due(world) == []


def test_what_a_program_fills_in_everywhere_asks_for_nothing(world: World) -> None:
    assert world.post("/s/demo", {**ASKED, "website": "x"}).status == 200
    assert due(world) == []


def test_a_script_asks_in_json(world: World) -> None:
    answer = world.post("/s/demo", body='{"action": "manage", "email": "ann@example.com"}')
    assert (answer.status, answer.json) == (200, {"status": "accepted"})
    assert len(due(world)) == 1


# --- the email --------------------------------------------------------------------------------------------------------


def announced(mailroom: Mailroom) -> list[EmailMessage]:
    """What goes out once the stream tells of what was asked for."""
    so_far = len(mailroom.sent)
    record = mailroom.record(sk=LINK)
    assert passes(record, HEARS), "Lambda would keep it from the courier"
    assert mailroom.stream(record) == []
    assert mailroom.stream(record) == []
    return mailroom.sent[so_far:]


def test_who_is_known_gets_one_email_and_its_link_opens_their_choices(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    mailroom.world.post("/s/demo", ASKED)
    (sent,) = announced(mailroom)
    assert sent["Subject"] == "Your link to manage emails from Meadow & Finch"
    (link,) = re.findall(rf"{BASE}(/p/\S+)", text_of(sent))
    page = mailroom.world.get(link)
    assert (page.status, page.page.heading) == (200, "Manage your emails")
    assert all("address" not in item for item in due(mailroom.world))


def test_of_whom_nothing_is_known_gets_nothing(mailroom: Mailroom) -> None:
    mailroom.world.post("/s/demo", ASKED)
    assert announced(mailroom) == []


@pytest.mark.parametrize("register", ["complaint", "bounce"])
def test_a_mailbox_that_complained_or_bounced_is_left_in_peace(mailroom: Mailroom, register: str) -> None:
    mailroom.world.subscribed("news")
    mailroom.world.happened({register: mailroom.world.now})
    mailroom.world.post("/s/demo", ASKED)
    assert announced(mailroom) == []


def test_who_left_gets_the_link_all_the_same(mailroom: Mailroom) -> None:
    mailroom.world.happened({"out.*": mailroom.world.now})
    mailroom.world.post("/s/demo", ASKED)
    assert len(announced(mailroom)) == 1


def test_opening_the_form_asks_for_nothing(world: World) -> None:
    assert world.get("/s/demo?action=manage&email=ann@example.com").status == 200
    assert world.items() == []


def test_a_reference_to_one_that_was_deferred_is_read_back() -> None:
    waiting = MailDue("demo", "x" * 22, 1, LINK)
    assert MailDue.from_json(f'["demo", "{"x" * 22}", 1, "LINK"]') == waiting
