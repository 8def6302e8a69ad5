"""Requests, their cooldowns and addresses, and the one mail of each, over moto and over DynamoDB Local."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from consentry.addresses import Address as Mailbox
from consentry.consent import Consent, Status
from consentry.table.outbox import Claim
from consentry.table.store import COOLDOWN_MS, SUPPRESSED_COOLDOWN_MS, THREE_MAILS_MS, Address, Outcome, Recorded
from support import people
from support.calls import counted, sent_twice
from support.happenings import (
    DAY,
    DUE,
    HOUR,
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
    table.outbox.sent(DUE, "me")
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
        assert table.store.request(*asked(NOW + later)) == Recorded(Outcome.THROTTLED, Consent())
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


# --- mails: one is sent once ------------------------------------------------------------------------------------------


def test_there_is_no_mail_to_claim_for_somebody_who_never_asked(table: Table) -> None:
    assert table.outbox.claim(DUE, "me", NOW) is Claim.NOT_NEEDED
    table.outbox.release(DUE, "me")
    table.outbox.sent(DUE, "me")
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
    table.outbox.sent(DUE, "second")
    assert table.items() == before


def test_a_sent_mail_is_never_taken_again(table: Table) -> None:
    table.store.request(*asked())
    table.outbox.claim(DUE, "first", NOW)
    table.outbox.sent(DUE, "first")
    for who in ("first", "second"):
        assert table.outbox.claim(DUE, who, NOW + DAY) is Claim.NOT_NEEDED


def test_the_mail_of_an_older_request_is_not_needed(table: Table) -> None:
    table.store.request(*asked(NOW))
    table.outbox.claim(DUE, "first", NOW)
    table.store.request(*asked(NOW + HOUR))
    before = table.items()
    assert table.outbox.claim(DUE, "first", NOW + HOUR) is Claim.NOT_NEEDED
    table.outbox.sent(DUE, "first")
    assert table.items() == before


def test_of_many_who_race_for_a_mail_one_gets_it(real_table: Table) -> None:
    real_table.store.request(*asked())
    together = threading.Barrier(6)

    def race(name: int) -> Claim:
        together.wait(60)
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
    budget = table.limits.mail_to(people.brand(), VARIANT, NOW)
    with sent_twice(table.client, "TransactWriteItems"):
        request, contact = asked(NOW)
        assert table.store.request(request, contact, budget=budget).outcome is Outcome.APPLIED
    item = table.item("CONTACT")
    assert [item[name]["N"] for name in ("asked_at", "asked_2", "asked_3")] == [str(NOW), "0", "0"]
    assert [each["spent"]["N"] for each in table.items() if each["sk"]["S"] == "BUDGET"] == ["1"]


def test_variants_of_a_mailbox_have_three_mails_a_day_together(table: Table) -> None:
    outcomes = []
    for at in range(5):
        address = Mailbox(f"ann+{at}@gmail.com", f"ann+{at}@gmail.com")
        request, contact = asked(NOW + at, who=f"{at:022d}", address=address.deliverable)
        budget = table.limits.mail_to(people.brand(), address, NOW + at)
        outcomes.append(table.store.request(request, contact, budget=budget).outcome)
    assert outcomes == [Outcome.APPLIED] * 3 + [Outcome.THROTTLED] * 2
    assert table.kinds().count("CONTACT") == 3
    assert "ann" not in str([each["pk"] for each in table.items()])
