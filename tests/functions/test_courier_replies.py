"""Who gets the emails already, and who comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from consentry.rules.ledger import Kind
from support.mailroom import ANN, BASE, Mailroom, keeping, text_of
from support.world import DAY, HOUR, SECOND


def test_somebody_who_asks_for_what_they_get_is_told_so_and_is_asked_nothing(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news", "offers")
    assert mailroom.stream(mailroom.ask(ANN, "news")) == []
    (mail,) = mailroom.sent
    assert mail["Subject"] == "You already get these emails from Meadow & Finch"
    text = text_of(mail)
    assert "/c/" not in text + text_of(mail, "html")
    (link,) = re.findall(rf"{BASE}(/p/\S+)", text)
    assert mailroom.world.get(link).status == 200
    assert mailroom.world.status() == "subscribed"


def test_what_the_visitor_sees_is_the_same_for_who_gets_mails_and_who_does_not(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    form = {"topics": "news"}
    known = mailroom.world.post("/s/demo", form | {"email": ANN})
    unknown = mailroom.world.post("/s/demo", form | {"email": "bob@example.com"})
    assert (known.status, known.body.replace(ANN, "")) == (unknown.status, unknown.body.replace("bob@example.com", ""))


def test_who_asks_for_one_topic_more_confirms_all_of_them(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    assert "Please confirm" in mailroom.sent[0]["Subject"]


@pytest.mark.parametrize("register", ["complaint", "bounce"])
def test_who_complained_or_bounced_since_confirms_anew(mailroom: Mailroom, register: str) -> None:
    """What they agreed to before doesn't count any more: nothing would be sent to them."""
    mailroom.world.now += 3 * DAY
    mailroom.world.happened({"in.news": mailroom.world.now - 3 * DAY})
    mailroom.world.happened({register: mailroom.world.now - 2 * DAY}, kind=Kind.COMPLAINED)
    mailroom.stream(mailroom.ask())
    assert "Please confirm" in mailroom.sent[0]["Subject"]


def test_who_was_signed_up_by_a_platform_alone_confirms_by_themselves(mailroom: Mailroom) -> None:
    mailroom.world.happened({"claim.news": mailroom.world.now - DAY}, kind=Kind.CLAIMED)
    mailroom.stream(mailroom.ask())
    assert "Please confirm" in mailroom.sent[0]["Subject"]


def test_the_address_is_forgotten_once_that_mail_is_sent_and_three_a_day_still_holds(mailroom: Mailroom) -> None:
    mailroom.world.subscribed("news")
    for _ in range(5):
        mailroom.stream(mailroom.ask())
        assert ANN not in json.dumps(mailroom.world.people())
        mailroom.world.now += HOUR
    assert len(mailroom.sent) == 3


def test_a_mail_that_waited_while_its_request_was_confirmed_does_not_go_out_as_another(
    mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping(mailroom.world, monkeypatch)
    with mailroom.refusing("TooManyRequestsException"):
        mailroom.stream(mailroom.ask())
    mailroom.world.happened({"in.news": mailroom.world.now})
    assert mailroom.retry() == []
    assert mailroom.sent == []


def come_back(mailroom: Mailroom, email: str = ANN) -> dict[str, Any]:
    """Ann ticks what she left, by a platform's link, and types an address; the stream's record of it."""
    url = mailroom.world.choose_url()
    form = mailroom.world.get(url).page.forms[0]
    fields = [*form.with_values({"topics": ["news", "product"]}), ("email", email)]
    assert mailroom.world.post(url, fields).page.heading == "Check your inbox"
    return mailroom.record(sk="RETURN")


@pytest.mark.parametrize("register", ["out.news", "complaint", "bounce"])
def test_who_wants_back_what_ended_gets_the_link_that_brings_it_back(mailroom: Mailroom, register: str) -> None:
    """Also a moment after a complaint: it takes a link of the person's, and the address is theirs."""
    world = mailroom.world
    world.subscribed("news")
    world.happened({register: world.now - SECOND}, kind=Kind.UNSUBSCRIBED)
    assert mailroom.stream(come_back(mailroom)) == []
    (mail,) = mailroom.sent
    assert mail["To"] == ANN
    assert mail["Subject"] == "Please confirm that you want Meadow & Finch emails again"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert world.decision() != "subscribed", "asking is no proof"
    (link,) = re.findall(rf"{BASE}(/c/\S+)", text_of(mail))
    form = world.get(link).page.forms[0]
    world.now += 5 * SECOND
    assert world.post(link, form.fields).status == 200
    assert world.decision() == "subscribed"
    assert world.intact()


def test_a_way_back_that_was_asked_for_twice_is_one_mail_and_a_confirmation_has_a_cooldown_of_its_own(
    mailroom: Mailroom,
) -> None:
    world = mailroom.world
    world.happened({"out.news": world.now - DAY}, kind=Kind.UNSUBSCRIBED)
    for _ in range(2):
        assert mailroom.stream(come_back(mailroom)) == []
        world.now += SECOND
    assert len(mailroom.sent) == 1
    assert mailroom.stream(mailroom.ask()) == []
    assert [mail["Subject"] for mail in mailroom.sent][1:] == ["Please confirm your subscription to Meadow & Finch"]


def test_who_left_again_before_the_way_back_went_out_gets_none(mailroom: Mailroom) -> None:
    world = mailroom.world
    world.happened({"out.news": world.now - DAY}, kind=Kind.UNSUBSCRIBED)
    record = come_back(mailroom)
    world.now += SECOND
    world.post(world.leave_url(), body="List-Unsubscribe=One-Click")
    assert mailroom.stream(record) == []
    assert mailroom.sent == []
