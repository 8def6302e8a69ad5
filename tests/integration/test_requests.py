"""Requests, their cooldowns and addresses, and the one email of each, over moto and over DynamoDB Local."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from consentry.actions.circumstances import Circumstances
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose
from consentry.rules.addresses import parse, subscriber_id
from consentry.rules.brands import Brand
from consentry.rules.consent import Consent, Status
from consentry.rules.ledger import Channel
from consentry.table import sent_mails
from consentry.table.gateway import StoreUnavailableError
from consentry.table.outbox import Claim
from consentry.table.store import COOLDOWN_MS, THREE_MAILS_MS, Address, Outcome, Recorded
from consentry.table.writing import SUPPRESSED_COOLDOWN_MS
from support import people
from support.acts import Acts
from support.calls import answering, counted, sent_twice
from support.store_events import (
    DAY,
    DUE,
    HOUR,
    LETTER,
    NOW,
    VARIANT,
    asked,
    event,
    opted_in,
    opted_out,
    status,
)
from support.tables import ANN, BOB, Table

# --- requests: cooldown, address --------------------------------------------------------------------------------------


def test_a_second_request_within_ten_minutes_writes_nothing(table: Table) -> None:
    table.store.request(*asked(NOW))
    before = table.items()
    for later in (1, COOLDOWN_MS - 1):
        assert table.store.request(*asked(NOW + later)) == Recorded(Outcome.THROTTLED, Consent())
    assert table.items() == before


def test_a_request_ten_minutes_later_makes_a_mail_due_again(table: Table) -> None:
    table.store.request(*asked(NOW))
    table.outbox.claim(DUE, "me", NOW)
    table.outbox.sent(DUE, "me", LETTER)
    assert table.store.request(*asked(NOW + COOLDOWN_MS)).outcome is Outcome.APPLIED
    assert table.item("CONTACT")["mail"] == {"S": "due"}
    contact = table.store.contact("demo", ANN)
    assert contact
    assert contact.asked_at == NOW + COOLDOWN_MS
    assert table.kinds().count("E") == 2


def test_the_cooldown_outlives_the_address(table: Table) -> None:
    table.store.request(*asked(NOW))
    table.store.record(opted_out("*", at=NOW + 1), address=Address.FORGET)
    before = table.items()
    assert table.store.request(*asked(NOW + 2)).outcome is Outcome.THROTTLED
    assert table.items() == before


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_no_mail_is_due_within_a_day_of_a_complaint_or_bounce(table: Table, suppression: str) -> None:
    table.store.record(event({suppression: NOW}))
    before = table.items()
    for later in (0, 1, SUPPRESSED_COOLDOWN_MS - 1):
        assert table.store.request(*asked(NOW + later)).outcome is Outcome.THROTTLED
    assert table.items() == before


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_a_day_after_a_complaint_or_bounce_one_can_ask_again(table: Table, suppression: str) -> None:
    table.store.record(event({suppression: NOW}))
    assert table.store.request(*asked(NOW + SUPPRESSED_COOLDOWN_MS)).outcome is Outcome.APPLIED
    assert table.kinds().count("CONTACT") == 1


def test_asking_after_leaving_is_a_fresh_request(table: Table) -> None:
    table.store.record(opted_out("*", at=NOW))
    assert table.store.request(*asked(NOW + 1)).outcome is Outcome.APPLIED
    assert status(table.store) is Status.PENDING


def test_consent_and_address_are_read_in_one_call(table: Table) -> None:
    assert table.store.read_with_contact("demo", ANN) == (Consent(), None)
    table.store.request(*asked())
    with counted(table.client) as seen:
        found = table.store.read_with_contact("demo", ANN)
    assert found == (table.store.read("demo", ANN), table.store.contact("demo", ANN))
    assert all(found)
    assert seen == ["BatchGetItem"]


def test_the_address_is_held_until_nothing_can_need_it(table: Table) -> None:
    request, contact = asked()
    table.store.request(request, contact)
    assert table.store.contact("demo", ANN) == contact
    assert int(table.item("CONTACT")["expires_at"]["N"]) == NOW // 1000 + 37 * 86_400
    assert contact.address not in str(table.item("STATE")) + str(table.item("E"))


def test_an_address_that_nothing_needs_any_more_goes_with_the_flip(table: Table) -> None:
    table.store.request(*asked())
    with counted(table.client) as calls:
        table.store.record(opted_in(), address=Address.FORGET)
    assert calls == ["TransactWriteItems"]
    assert table.store.contact("demo", ANN) is None
    assert "ann@example.com" not in str(table.items())


def test_a_confirmed_address_that_the_platform_wants_no_longer_expires(table: Table) -> None:
    table.store.request(*asked())
    table.store.record(opted_in(), address=Address.KEEP)
    assert table.store.contact("demo", ANN)
    assert "expires_at" not in table.item("CONTACT")


def test_a_strangers_request_gives_a_kept_address_no_end(table: Table) -> None:
    table.store.request(*asked())
    table.store.record(opted_in(), address=Address.KEEP)
    table.store.request(*asked(NOW + HOUR))
    assert int(table.item("CONTACT")["expires_at"]["N"]) > NOW // 1000 + 1_000 * 365 * 86_400
    table.store.record(opted_out("*", at=NOW + 2 * HOUR), address=Address.FORGET)
    table.store.request(*asked(NOW + DAY))
    assert int(table.item("CONTACT")["expires_at"]["N"]) == (NOW + DAY) // 1000 + 37 * 86_400, "nor for ever"


def test_forgetting_an_address_that_we_never_held_does_no_harm(table: Table) -> None:
    assert table.store.record(opted_out("*"), address=Address.FORGET).outcome is Outcome.APPLIED
    assert table.store.contact("demo", ANN) is None


# --- emails: one is sent once -----------------------------------------------------------------------------------------


def test_there_is_no_mail_to_claim_for_somebody_who_never_asked(table: Table) -> None:
    assert table.outbox.claim(DUE, "me", NOW) is Claim.NOT_NEEDED
    table.outbox.release(DUE, "me")
    table.outbox.sent(DUE, "me", LETTER)
    assert table.items() == []


def test_a_claimed_mail_is_not_anothers(table: Table) -> None:
    table.store.request(*asked())
    assert table.outbox.claim(DUE, "first", NOW) is Claim.TAKEN
    with counted(table.client) as calls:
        assert table.outbox.claim(DUE, "second", NOW + 1) is Claim.HELD
    assert calls == ["UpdateItem"]
    assert table.outbox.claim(DUE, "first", NOW + 2) is Claim.TAKEN


def test_a_dead_claimants_mail_can_be_taken_after_the_cooldown_and_not_before(table: Table) -> None:
    table.store.request(*asked())
    table.outbox.claim(DUE, "dead", NOW)
    assert table.outbox.claim(DUE, "second", NOW + COOLDOWN_MS - 1) is Claim.HELD
    assert table.outbox.claim(DUE, "second", NOW + COOLDOWN_MS) is Claim.TAKEN
    assert table.outbox.claim(DUE, "dead", NOW + COOLDOWN_MS) is Claim.HELD


def test_a_released_mail_can_be_taken_at_once(table: Table) -> None:
    table.store.request(*asked())
    table.outbox.claim(DUE, "first", NOW)
    table.outbox.release(DUE, "first")
    assert table.outbox.claim(DUE, "second", NOW) is Claim.TAKEN


def test_only_who_holds_a_mail_can_release_it_or_say_that_it_was_sent(table: Table) -> None:
    table.store.request(*asked())
    table.outbox.claim(DUE, "first", NOW)
    before = table.items()
    table.outbox.release(DUE, "second")
    table.outbox.sent(DUE, "second", LETTER)
    assert table.items() == before


def test_a_sent_mail_is_never_taken_again(table: Table) -> None:
    table.store.request(*asked())
    table.outbox.claim(DUE, "first", NOW)
    table.outbox.sent(DUE, "first", LETTER)
    for who in ("first", "second"):
        assert table.outbox.claim(DUE, who, NOW + DAY) is Claim.NOT_NEEDED


def test_the_mail_of_an_older_request_is_not_needed(table: Table) -> None:
    table.store.request(*asked(NOW))
    table.outbox.claim(DUE, "first", NOW)
    table.store.request(*asked(NOW + HOUR))
    before = table.items()
    assert table.outbox.claim(DUE, "first", NOW + HOUR) is Claim.NOT_NEEDED
    table.outbox.sent(DUE, "first", LETTER)
    assert table.items() == before


def test_of_many_who_race_for_a_mail_one_gets_it(real_table: Table) -> None:
    real_table.store.request(*asked())
    together = threading.Barrier(6)

    def race(name: int) -> Claim:
        together.wait(300)
        return real_table.outbox.claim(DUE, f"claimant-{name}", NOW)

    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(race, range(6)))
    assert sorted(claims) == [*[Claim.HELD] * 5, Claim.TAKEN]


def test_a_mail_is_not_claimed_for_another_person(table: Table) -> None:
    table.store.request(*asked(who=BOB))
    assert table.outbox.claim(DUE, "me", NOW) is Claim.NOT_NEEDED
    assert table.item("CONTACT", BOB)["mail"] == {"S": "due"}


# --- requests: three a day, and one mailbox behind many addresses -----------------------------------------------------


def test_a_fourth_mail_within_a_day_is_not_due(table: Table) -> None:
    first, second, third = NOW, NOW + HOUR, NOW + 2 * HOUR
    for at in (first, second, third):
        assert table.store.request(*asked(at)).outcome is Outcome.APPLIED
    before = table.items()
    for at in (third + COOLDOWN_MS, third + 12 * HOUR, first + THREE_MAILS_MS - 1):
        assert table.store.request(*asked(at)) == Recorded(Outcome.THROTTLED, Consent())
    assert table.items() == before


def test_a_day_after_the_last_but_two_a_mail_is_due_again(table: Table) -> None:
    """The day is any 24 hours, not one of the calendar."""
    instants = [NOW, NOW + HOUR, NOW + 2 * HOUR, NOW + DAY, NOW + DAY + HOUR, NOW + DAY + 2 * HOUR]
    assert [table.store.request(*asked(at)).outcome for at in instants] == [Outcome.APPLIED] * 6
    assert table.store.request(*asked(NOW + DAY + 3 * HOUR)).outcome is Outcome.THROTTLED


def test_a_request_that_was_throttled_counts_for_nothing(table: Table) -> None:
    for at in (NOW, NOW + 1, NOW + 2, NOW + COOLDOWN_MS, NOW + COOLDOWN_MS + 1, NOW + 2 * COOLDOWN_MS):
        table.store.request(*asked(at))
    assert table.kinds().count("E") == 3
    assert table.store.request(*asked(NOW + 3 * COOLDOWN_MS)).outcome is Outcome.THROTTLED


@pytest.mark.parametrize("address", [Address.FORGET, Address.KEEP])
def test_three_a_day_holds_for_somebody_who_confirms_each_time(table: Table, address: Address) -> None:
    for at in (NOW, NOW + HOUR, NOW + 2 * HOUR):
        assert table.store.request(*asked(at)).outcome is Outcome.APPLIED
        table.store.record(opted_in(at=at), address=address)
    assert table.store.request(*asked(NOW + 3 * HOUR)).outcome is Outcome.THROTTLED
    if address is Address.FORGET:
        assert "ann@example.com" not in str(table.items())


def test_an_address_that_was_forgotten_leaves_instants_until_they_count_for_nothing(table: Table) -> None:
    for at in (NOW, NOW + HOUR, NOW + 2 * HOUR):
        table.store.request(*asked(at))
    table.store.record(opted_out("*", at=NOW + 3 * HOUR), address=Address.FORGET)
    expires_at = int(table.item("CONTACT")["expires_at"]["N"]) * 1000
    assert expires_at >= NOW + 2 * HOUR + DAY
    assert table.store.request(*asked(NOW + DAY)).outcome is Outcome.APPLIED


def test_what_a_table_of_an_older_version_holds_is_counted_from_then_on(table: Table) -> None:
    """Such an item has one instant."""
    table.store.request(*asked(NOW))
    item = table.item("CONTACT")
    table.put({name: value for name, value in item.items() if name not in {"asked_2", "asked_3"}})
    outcomes = [table.store.request(*asked(NOW + hours * HOUR)).outcome for hours in (1, 2, 3)]
    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.THROTTLED]


def test_a_new_request_takes_a_mail_from_whoever_claimed_the_one_before(table: Table) -> None:
    table.store.request(*asked(NOW))
    table.outbox.claim(DUE, "first", NOW)
    table.store.request(*asked(NOW + COOLDOWN_MS))
    item = table.item("CONTACT")
    assert item["mail"] == {"S": "due"}
    assert not {"claimed_by", "claim_ends"} & set(item)
    assert table.outbox.claim(DUE._replace(asked_at=NOW + COOLDOWN_MS), "second", NOW + COOLDOWN_MS) is Claim.TAKEN


def test_a_request_that_botocore_sends_twice_counts_once(table: Table) -> None:
    budgets = table.limits.mail_to(people.brand(), VARIANT, NOW)
    with sent_twice(table.client, "TransactWriteItems"):
        request, contact = asked(NOW)
        assert table.store.request(request, contact, budgets=budgets).outcome is Outcome.APPLIED
    item = table.item("CONTACT")
    assert [item[name]["N"] for name in ("asked_at", "asked_2", "asked_3")] == [str(NOW), "0", "0"]
    assert [each["spent"]["N"] for each in table.items() if each["sk"]["S"] == "BUDGET"] == ["1"]


# --- emails a day, of a mailbox and of a domain -----------------------------------------------------------------------


KEYS: Final = Keyring(lambda: '{"root": "not so random"}')
DEMO: Final = people.brand()


def subscribe(actions: Acts, email: str, at: int = NOW, brand: Brand = DEMO) -> bool:
    """Whether an email follows from somebody's asking."""
    address = parse(email)
    how = Circumstances(at, Channel.API)  # no visitor is counted
    who = subscriber_id(KEYS.pepper(brand.id), address)
    return actions.opt_ins.subscribe(brand, who, address, ["news"], how) is Outcome.APPLIED


def confirm(actions: Acts, email: str, asked_at: int = NOW, brand: Brand = DEMO) -> None:
    """The person presses the button of the email that was asked for then."""
    who = subscriber_id(KEYS.pepper(brand.id), parse(email))
    link = Link(Purpose.CONFIRM, brand.id, who, ("news",), at=asked_at)
    actions.opt_ins.confirm(brand, link, Circumstances(asked_at + HOUR, Channel.PAGE))


def test_a_mailbox_gets_three_emails_a_day_over_all_variants_and_brands(table: Table, actions: Acts) -> None:
    """Of a company that hosts its email with whom it likes, too."""
    other = people.brand(id="other")
    assert subscribe(actions, "ann@company.example")
    assert subscribe(actions, "ann@company.example", brand=other)
    assert subscribe(actions, "ann+1@company.example", brand=other)
    before = table.items()
    for email, brand in (("ann+2@company.example", other), ("ann@company.example", people.brand(id="third"))):
        assert not subscribe(actions, email, NOW + 2 * COOLDOWN_MS, brand)
    assert [each for each in table.items() if each["pk"]["S"].startswith("S#")] == [
        each for each in before if each["pk"]["S"].startswith("S#")
    ]
    assert subscribe(actions, "ann+2@company.example", NOW + DAY, other)
    assert "ann" not in str([each["pk"] for each in table.items()])


def test_a_domain_gets_twenty_emails_a_day_that_nobody_confirmed(table: Table, actions: Acts) -> None:
    """However its owner names mailboxes, and over all brands."""
    brands = [people.brand(), people.brand(id="other")]
    due = [subscribe(actions, f"p{at}@{'mail.' * (at % 3)}company.example", brand=brands[at % 2]) for at in range(23)]
    assert due == [True] * 20 + [False] * 3
    assert subscribe(actions, "ann@gmail.com")
    assert subscribe(actions, "ann@neighbour.example")
    assert subscribe(actions, "p22@company.example", NOW + DAY)
    assert "company" not in str([each["pk"] for each in table.items()])


def test_a_domain_where_people_confirm_never_spends_its_budget(actions: Acts) -> None:
    two = people.brand(limits={"mails_a_day_per_domain": 2})
    for at in range(8):
        assert subscribe(actions, f"p{at}@company.example", brand=two)
        confirm(actions, f"p{at}@company.example")
    due = [subscribe(actions, f"q{at}@company.example", brand=two) for at in range(3)]
    assert due == [True, True, False]


def test_a_request_gives_back_one_email_and_no_more(table: Table, actions: Acts) -> None:
    """Not by a second click, and not for a request that a newer one has taken the place of."""

    def counted_at(day: int) -> str:
        pk = table.limits.domain_budget(parse("ann@company.example"), day)
        return next((each["spent"]["N"] for each in table.items() if each["pk"]["S"] == pk), "none")

    later = NOW + 2 * COOLDOWN_MS
    for email in ("ann@company.example", "bob@company.example"):
        subscribe(actions, email)
    subscribe(actions, "ann@company.example", later)
    assert counted_at(NOW) == "3"
    confirm(actions, "ann@company.example", NOW)
    assert counted_at(NOW) == "3"
    for _ in range(3):
        confirm(actions, "ann@company.example", later)
    assert counted_at(NOW) == "2"


def test_what_is_confirmed_on_a_later_day_is_given_back_to_nobody_else(table: Table, actions: Acts) -> None:
    subscribe(actions, "ann@company.example")
    (gone,) = [each for each in table.items() if "#domain#" in each["pk"]["S"]]
    table.remove(gone)  # TTL
    subscribe(actions, "bob@company.example", NOW + DAY)
    confirm(actions, "ann@company.example")
    assert [each["spent"]["N"] for each in table.items() if "#domain#" in each["pk"]["S"]] == ["1"]


def test_a_confirmation_counts_though_its_domain_cant_be_given_an_email_back(table: Table, actions: Acts) -> None:
    subscribe(actions, "ann@company.example")
    with answering(table.client, "GetItem", "InternalServerError"):
        confirm(actions, "ann@company.example")
    who = subscriber_id(KEYS.pepper("demo"), parse("ann@company.example"))
    assert status(table.store, who=who) is Status.SUBSCRIBED


def test_when_any_budget_is_spent_nothing_is_written_and_the_others_keep_theirs(table: Table) -> None:
    def ask(email: str, who: str, limit: int) -> Outcome:
        address = parse(email)
        brand = people.brand(limits={"mails_a_day_per_domain": limit})
        budgets = table.limits.mail_to(brand, address, NOW)
        with counted(table.client) as calls:
            outcome = table.store.request(*asked(NOW, who=who, address=email), budgets=budgets).outcome
        assert calls == ["TransactWriteItems"], "whatever is known or spent"
        return outcome

    assert ask("ann@company.example", ANN, 1) is Outcome.APPLIED
    before = table.items()
    assert ask("bob@company.example", BOB, 1) is Outcome.THROTTLED
    assert table.items() == before
    assert ask("bob@company.example", BOB, 2) is Outcome.APPLIED


def test_many_who_ask_at_once_for_one_domain_get_what_it_has_and_no_more(real_table: Table) -> None:
    brand = people.brand(limits={"mails_a_day_per_domain": 5})
    together = threading.Barrier(4)

    def ask(at: int) -> list[Outcome]:
        together.wait(300)
        outcomes = []
        for number in range(at, 24, 4):
            email = f"p{number}@company.example"
            budgets = real_table.limits.mail_to(brand, parse(email), NOW)
            request = asked(NOW, who=f"{number:022d}", address=email)
            try:
                outcomes.append(real_table.store.request(*request, budgets=budgets).outcome)
            except StoreUnavailableError:
                continue  # others kept writing the item; nothing was written
        return outcomes

    with ThreadPoolExecutor(4) as pool:
        outcomes = [each for part in pool.map(ask, range(4)) for each in part]
    (budget,) = [each for each in real_table.items() if "#domain#" in each["pk"]["S"]]
    assert outcomes.count(Outcome.APPLIED) == int(budget["spent"]["N"]) <= 5
    assert real_table.kinds().count("CONTACT") == outcomes.count(Outcome.APPLIED)


def test_what_went_out_is_noted_without_an_address_and_found_again(table: Table) -> None:
    table.store.request(*asked(NOW))
    assert table.outbox.claim(DUE, "me", NOW) is Claim.TAKEN
    letter = LETTER._replace(sent_at=NOW, locale="de", notice="f" * 32, topics=("news", "offers"))
    table.outbox.sent(DUE, "somebody else", LETTER)
    table.outbox.sent(DUE, "me", letter)
    assert sent_mails.of_person(table.store.gateway, DUE.brand, DUE.subscriber_id) == [letter]
    assert sent_mails.of_person(table.store.gateway, DUE.brand, "x" * 22) == []
