"""What somebody asks for, and confirms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.rules import consent as rules
from consentry.rules.consent import Consent, Status
from consentry.rules.ledger import Kind
from consentry.table.store import Address, Outcome
from support import people

if TYPE_CHECKING:
    pass
from support.recipient import Ann


def test_nobody_is_subscribed_by_asking_alone(ann: Ann) -> None:
    ann.asks("news", "offers")
    assert ann.outcome is Outcome.APPLIED
    assert rules.status(ann.consent, "news") is rules.status(ann.consent, "offers") is Status.PENDING
    assert not ann.allowed("news")


def test_a_request_keeps_where_its_mail_goes(ann: Ann) -> None:
    link = ann.asks("news")
    contact = ann.store.contacts[people.SUBSCRIBER]
    assert contact[:4] == ("Ann@example.com", "de", ("news",), link.at)
    assert contact.event_id == ann.events[0].event_id
    assert ann.consent.chosen(rules.LOCALE) == "de"


def test_a_request_in_no_particular_language_gets_the_brands_first(ann: Ann) -> None:
    ann.asks("news", locale="")
    assert ann.store.contacts[people.SUBSCRIBER].locale == "en"
    assert ann.consent.chosen(rules.LOCALE) is None


def test_a_request_too_soon_after_another_leaves_everything_as_it_was(ann: Ann) -> None:
    ann.store.throttled = True
    ann.asks("news")
    assert ann.outcome is Outcome.THROTTLED
    assert ann.consent == Consent({}, {})


def test_a_confirmation_opts_in_and_a_second_click_still_says_so(ann: Ann) -> None:
    link = ann.asks("news", "offers")
    assert ann.confirms(link) == ("news", "offers")
    assert ann.confirms(link) == ("news", "offers")
    assert ann.allowed("news")
    assert ann.allowed("offers")
    assert [event.kind for event in ann.events] == [Kind.ASKED, Kind.CONFIRMED]
    assert ann.consent.registers[rules.opt_in("news")] == link.at


def test_an_opt_out_after_the_request_beats_its_confirmation(ann: Ann) -> None:
    link = ann.asks("news", "offers")
    ann.leaves("news")
    assert ann.confirms(link) == ("offers",)
    ann.leaves(everything=True)
    assert ann.confirms(link) == ()
    assert not ann.allowed("offers")


@pytest.mark.parametrize(("keeps", "settled"), [(True, Address.KEEP), (False, Address.FORGET)])
def test_the_address_is_kept_after_a_confirmation_only_where_the_platform_wants_it(
    keeps: bool, settled: Address
) -> None:
    ann = Ann(people.brand(keeps_address=keeps))
    ann.subscribes("news")
    assert ann.store.settled[-1] is settled
    ann.leaves(everything=True)
    assert ann.store.settled[-1] is (None if keeps else Address.FORGET)
    ann.leaves("news")
    assert ann.store.settled[-1] is None


def test_an_expired_mail_can_be_asked_for_again_while_the_address_is_held(ann: Ann) -> None:
    old = ann.asks("news", "offers")
    how = ann.how()
    assert ann.actions.opt_ins.ask_again(ann.brand, old._replace(topics=("news",)), how)
    contact = ann.store.contacts[people.SUBSCRIBER]
    assert contact[:4] == ("Ann@example.com", "de", ("news",), how.now)
    assert contact.event_id == ann.events[-1].event_id
    ann.store.contacts.clear()
    assert not ann.actions.opt_ins.ask_again(ann.brand, old, ann.how())
