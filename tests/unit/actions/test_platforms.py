"""What platforms are told: links to put into emails, whom they may mail, and what is on record."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions import platforms
from consentry.links import unsubscribe_addresses
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import consent as rules
from consentry.rules.brands import Brands
from consentry.rules.consent import Choice, Consent, Mode
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.store import LedgerPage
from support import people

NOW = people.NOW
BASE = "https://links.example.com"


def tokens() -> Tokens:
    return Tokens(Keyring(lambda: '{"root": "r"}'))


def event(**otherwise: object) -> Event:
    return Event(
        event_id="event-1",
        kind=Kind.CONFIRMED,
        brand="demo",
        subscriber_id=people.SUBSCRIBER,
        occurred_at=NOW,
        arrived_at=NOW + 1,
        actor=Actor.RECIPIENT,
        channel=Channel.PAGE,
        effect=Consent({"in.news": NOW}),
        topics=("news",),
    )._replace(**otherwise)


# --- links ---------------------------------------------------------------------------------------------------------


def test_a_reference_that_cant_travel_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        platforms.mint(tokens(), people.brand(), people.SUBSCRIBER, "news", BASE, "x" * 65)


def test_minted_links_leave_the_mails_topic_and_open_the_persons_choices() -> None:
    minted = platforms.mint(tokens(), people.brand(), people.SUBSCRIBER, "news", BASE, "spring-2027")
    leave = tokens().read(Purpose.UNSUBSCRIBE, minted.unsubscribe_url.removeprefix(f"{BASE}/u/"), NOW)
    choose = tokens().read(Purpose.PREFERENCES, minted.preferences_url.removeprefix(f"{BASE}/p/"), NOW)
    assert (leave.subscriber_id, leave.topics, leave.reference) == (people.SUBSCRIBER, ("news",), "spring-2027")
    assert (choose.subscriber_id, choose.topics, choose.reference) == (people.SUBSCRIBER, (), "spring-2027")
    assert minted.subscriber_id == people.SUBSCRIBER


def test_the_headers_fit_into_a_mail() -> None:
    brand = people.brand(id="b" * 16)
    minted = platforms.mint(tokens(), brand, people.SUBSCRIBER, "t" * 16, BASE, "r" * 64)
    assert minted.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    line = f"List-Unsubscribe: {minted.headers['List-Unsubscribe']}"
    assert line.startswith(f"List-Unsubscribe: <{minted.unsubscribe_url}>, <mailto:unsubscribe-")
    assert len(line) <= 998


def test_the_header_offers_an_address_that_opts_this_person_out_of_this_topic() -> None:
    brand = people.brand(id="other")
    minted = platforms.mint(tokens(), brand, people.SUBSCRIBER, "offers", BASE, "spring-2027")
    header = minted.headers["List-Unsubscribe"]
    (mailto,) = re.findall("<(mailto:[^>]*)>", header)
    local, _, end = mailto.removeprefix("mailto:").partition("@")
    assert end == "reply.meadow.example?subject=unsubscribe"
    assert len(local) <= 64
    (code,) = unsubscribe_addresses.find(header)
    left = unsubscribe_addresses.read(tokens(), Brands([people.brand(), brand]), code)
    assert left == Link(Purpose.UNSUBSCRIBE, "other", people.SUBSCRIBER, ("offers",))


def test_a_brand_without_an_inbound_domain_offers_no_address() -> None:
    minted = platforms.mint(tokens(), people.brand(inbound_domain=""), people.SUBSCRIBER, "news", BASE)
    assert minted.headers["List-Unsubscribe"] == f"<{minted.unsubscribe_url}>"


# --- decisions -----------------------------------------------------------------------------------------------------


def test_a_decision_about_somebody_unknown_names_no_more_than_it_knows() -> None:
    told = platforms.decision(people.SUBSCRIBER, rules.decide(Consent(), "news", Mode.OPT_IN, NOW))
    assert told == {"subscriber_id": people.SUBSCRIBER, "allowed": False, "reason": "none", "status": "none"}


def test_a_decision_tells_of_frequency_and_pause() -> None:
    choices = {
        rules.PAUSE: Choice(NOW, "a", str(NOW + 1_000)),
        rules.frequency("news"): Choice(NOW, "a", "weekly"),
    }
    consent = Consent({rules.opt_in("news"): NOW}, choices)
    assert platforms.decision(people.SUBSCRIBER, rules.decide(consent, "news", Mode.OPT_IN, NOW)) == {
        "subscriber_id": people.SUBSCRIBER,
        "allowed": False,
        "reason": "paused",
        "status": "subscribed",
        "frequency": "weekly",
        "paused_until": "2027-01-15T08:00:01.000Z",
    }


def test_a_view_shows_every_topic_of_the_brand_also_for_somebody_unknown() -> None:
    told = platforms.view(people.brand(), people.SUBSCRIBER, Consent(), NOW)
    nothing = {"status": "none", "allowed": False, "reason": "none", "since": None, "frequency": None}
    assert told == {
        "subscriber_id": people.SUBSCRIBER,
        "topics": {
            "news": nothing,
            "offers": nothing,
            "product": {**nothing, "allowed": True, "reason": "opt_out_topic"},
        },
        "paused_until": None,
        "suppressed": False,
        "locale": None,
    }


def test_a_view_leaves_out_topics_that_the_brand_no_longer_has() -> None:
    consent = Consent(
        {rules.opt_in("gone"): 1, rules.opt_out("news"): NOW, rules.BOUNCE: 2}, {rules.LOCALE: Choice(1, "a", "de")}
    )
    told = platforms.view(people.brand(), people.SUBSCRIBER, consent, NOW)
    assert "gone" not in told["topics"]
    assert told["topics"]["news"]["since"] == "2027-01-15T08:00:00.000Z"
    assert (told["suppressed"], told["locale"]) == (True, "de")


# --- the ledger ----------------------------------------------------------------------------------------------------

EVERYTHING = event(
    locale="de", notice="1234567890ab", reference="spring", source="shop", suspected_automation=True, link="ours"
)  # fmt: skip


def test_an_event_is_told_with_its_evidence() -> None:
    page = LedgerPage([(EVERYTHING, Evidence("203.0.113.7", "Mozilla")), (event(), Evidence())], intact=True, next=None)
    told = platforms.ledger(page)
    assert told["intact"] is True
    assert "next" not in told
    assert told["events"][0] == {
        "event_id": "event-1",
        "kind": "confirmed",
        "topics": ["news"],
        "occurred_at": "2027-01-15T08:00:00.000Z",
        "arrived_at": "2027-01-15T08:00:00.001Z",
        "actor": "recipient",
        "channel": "page",
        "suspected_automation": True,
        "link": "ours",
        "notice": "1234567890ab",
        "locale": "de",
        "reference": "spring",
        "source": "shop",
        "evidence": {"ip": "203.0.113.7", "user_agent": "Mozilla"},
    }
    assert told["events"][1]["evidence"] == {}
    assert told["events"][1].keys() == told["events"][0].keys()


def test_a_ledger_that_was_tampered_with_says_so_and_a_long_one_goes_on() -> None:
    assert platforms.ledger(LedgerPage([], intact=False, next="there")) == {
        "events": [],
        "intact": False,
        "next": "there",
    }


# --- consent records -----------------------------------------------------------------------------------------------


def test_a_record_exists_for_what_was_ever_decided_on() -> None:
    page = LedgerPage([(EVERYTHING, Evidence("203.0.113.7", ""))], intact=True, next=None)
    consent = Consent({rules.opt_in("news"): NOW})
    told = platforms.record(people.brand(), people.SUBSCRIBER, consent, page, NOW)
    assert (told["schema_version"], told["intact"]) == ("ISO/IEC TS 27560:2023", True)
    [record] = told["records"]
    assert record["record_id"] == f"{people.SUBSCRIBER}/news"
    assert record["pii_controllers"] == ["Meadow & Finch"]
    assert record["status"] == "subscribed"
    assert record["privacy_notice"] == "https://meadow.example/privacy"
    assert (record["purposes"][0]["purpose"], record["purposes"][0]["lawful_basis"]) == ("Newsletter", "consent")
    [noted] = record["events"]
    assert noted["event_state"] == "consent given"
    assert noted["event_type"] == "explicit"
    assert (noted["notice_version"], noted["notice_language"]) == ("1234567890ab", "de")
    assert noted["evidence"]["ip"] == "203.0.113.7"


def test_leaving_everything_is_in_the_record_of_every_topic() -> None:
    left = event(kind=Kind.UNSUBSCRIBED, topics=("*",), effect=Consent({"out.*": NOW}), actor=Actor.PLATFORM)
    consent = Consent({rules.opt_out("*"): NOW})
    page = LedgerPage([(left, Evidence())], intact=False, next=None)
    told = platforms.record(people.brand(), people.SUBSCRIBER, consent, page, NOW)
    assert told["intact"] is False
    assert [each["purposes"][0]["purpose_id"] for each in told["records"]] == ["news", "offers", "product"]
    assert {each["status"] for each in told["records"]} == {"unsubscribed"}
    assert told["records"][2]["purposes"][0]["lawful_basis"] == "legitimate_interest"
    assert {each["events"][0]["event_type"] for each in told["records"]} == {"implicit"}
    assert {each["events"][0]["notice_language"] for each in told["records"]} == {"en"}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_event_has_its_name_in_a_record(kind: Kind) -> None:
    page = LedgerPage([(event(kind=kind), Evidence())], intact=True, next=None)
    [record] = platforms.record(people.brand(), people.SUBSCRIBER, Consent(), page, NOW)["records"]
    assert record["events"][0]["event_state"]


# --- times ---------------------------------------------------------------------------------------------------------


def test_no_instant_has_no_time() -> None:
    assert platforms.rfc3339(None) is None


@given(st.integers(0, 7_258_118_399_999))
def test_times_are_utc_and_exact_to_the_millisecond_until_the_year_2200(instant: int) -> None:
    told = platforms.rfc3339(instant)
    assert told is not None
    assert told.endswith("Z")
    assert len(told) == len("2027-01-15T08:00:00.000Z")
    since = datetime.fromisoformat(told) - datetime(1970, 1, 1, tzinfo=UTC)
    assert since == timedelta(milliseconds=instant)
