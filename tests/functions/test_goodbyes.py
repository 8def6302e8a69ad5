"""A goodbye for whoever left, where the brand wants it."""

from __future__ import annotations

import json
import re
from email.message import EmailMessage
from typing import Any

import pytest

from dev.emulator.streams import passes
from support.mailroom import ANN, BASE, HEARS, Mailroom, keeping, text_of
from support.world import DAY, HOUR, SECOND


@pytest.fixture
def polite(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> Mailroom:
    """A mailroom whose brand says goodbye; Ann confirmed news and offers a day ago."""
    keeping(mailroom.world, monkeypatch, goodbye_mail=True)
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    mailroom.world.now += 5 * SECOND
    link = re.findall(rf"{BASE}(/c/\S+)", text_of(mailroom.sent[0]))[0]
    fields = mailroom.world.get(link).page.forms[0].fields
    mailroom.world.now += 5 * SECOND
    mailroom.world.post(link, fields)
    assert mailroom.world.status() == "subscribed"
    mailroom.world.now += DAY
    return mailroom


def leaving(mailroom: Mailroom, *how: Any, **more: Any) -> dict[str, Any]:
    """Ann does something with a link; the stream's record of it."""
    (before,) = [each for each in mailroom.world.items() if each["sk"]["S"] == "STATE"]
    assert mailroom.world.post(*how, **more).status == 200
    (after,) = [each for each in mailroom.world.items() if each["sk"]["S"] == "STATE"]
    record = mailroom.record()
    record["eventName"] = "MODIFY"
    record["dynamodb"] |= {
        "Keys": {"pk": after["pk"], "sk": after["sk"]},
        "OldImage": before,
        "NewImage": after,
    }
    return record


def goodbyes(mailroom: Mailroom, record: dict[str, Any]) -> list[EmailMessage]:
    """What goes out when the stream tells of that, and of the email that it makes due."""
    so_far = len(mailroom.sent)
    assert mailroom.stream(record) == []
    for image in [each for each in mailroom.world.items() if each["sk"]["S"] == "GOODBYE"]:
        due = mailroom.record()
        due["dynamodb"] |= {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image}
        assert mailroom.stream(due) == []
    sent = mailroom.sent[so_far:]
    assert passes(record, HEARS) or not sent, "Lambda would have kept it from the courier"
    return sent


def test_who_leaves_by_one_click_is_told_once_where_the_brand_wants_it(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    (mail,) = goodbyes(polite, record)
    assert mail["Subject"] == "You’ve unsubscribed from Meadow & Finch emails"
    text = text_of(mail)
    assert "Newsletter" in text
    assert "Offers" not in text
    assert goodbyes(polite, record) == [], "the stream tells everything twice now and then"
    polite.world.now += SECOND
    again = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    assert goodbyes(polite, again) == [], "who has left can't leave"


def test_who_leaves_everything_among_their_preferences_is_told_so(polite: Mailroom) -> None:
    (mail,) = goodbyes(polite, leaving(polite, polite.world.choose_url(), {"scope": "all"}))
    assert "no longer get newsletters" in text_of(mail)


def test_who_leaves_everything_is_told_so_and_another_goodbye_waits_for_a_day(polite: Mailroom) -> None:
    (mail,) = goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"}))
    assert "no longer get newsletters" in text_of(mail)
    polite.world.now += HOUR
    polite.world.happened({"in.news": polite.world.now})
    polite.world.now += HOUR
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    assert goodbyes(polite, record) == []
    polite.world.now += DAY
    polite.world.happened({"in.news": polite.world.now})
    polite.world.now += HOUR
    assert len(goodbyes(polite, leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click"))) == 1


def test_who_left_by_mistake_can_sign_up_again_at_once(polite: Mailroom) -> None:
    """A goodbye doesn't count as a request: the email to confirm comes without waiting for a cooldown."""
    goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"}))
    polite.world.now += SECOND
    polite.stream(polite.ask())
    assert "Please confirm" in polite.sent[-1]["Subject"]


def test_who_came_back_before_the_goodbye_went_out_gets_none(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    polite.world.happened({"in.news": polite.world.now + 1})
    assert goodbyes(polite, record) == []


def test_a_brand_that_does_not_want_it_sends_no_goodbye(polite: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(polite.world, monkeypatch, goodbye_mail=False)
    assert goodbyes(polite, leaving(polite, polite.world.leave_url(), {"scope": "all"})) == []


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("complained", "feedback"),
        ("bounced", "feedback"),
        ("unsubscribed", "webhook"),
        ("unsubscribed", "import"),
        ("unsubscribed", "api"),
        ("unsubscribed", "mailto"),
        ("erased", "api"),
    ],
)
def test_what_was_no_press_of_a_button_is_never_answered(polite: Mailroom, kind: str, channel: str) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    record["dynamodb"]["NewImage"]["last_event"]["M"] |= {"kind": {"S": kind}, "channel": {"S": channel}}
    assert goodbyes(polite, record) == []


def test_a_goodbye_that_cannot_be_noted_holds_up_no_other_mail(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    with polite.world.table_unavailable():
        assert polite.stream(record) == []
    assert len(polite.sent) == 1


def test_a_goodbye_that_ses_refuses_waits_in_the_queue_without_an_address(polite: Mailroom) -> None:
    record = leaving(polite, polite.world.leave_url(), body="List-Unsubscribe=One-Click")
    with polite.refusing("TooManyRequestsException"):
        assert goodbyes(polite, record) == []
    (waiting,) = polite.waiting()
    assert json.loads(waiting["Body"])[3] == "GOODBYE"
    assert "@" not in waiting["Body"]
    polite.retry()
    assert len(polite.sent) == 2
