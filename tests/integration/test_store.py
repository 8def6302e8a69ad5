"""The store, over moto and over Amazon's DynamoDB Local: the same expectations of both."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.actions.circumstances import Circumstances
from consentry.links.tokens import Link, Purpose
from consentry.rules import consent as rules
from consentry.rules.addresses import Address as Mailbox
from consentry.rules.brands import Brand
from consentry.rules.consent import Consent, Mode, Status
from consentry.rules.ledger import Channel, Event, Evidence, Kind
from consentry.rules.preferences import Wishes
from consentry.table.gateway import Gateway, PermanentFaultError, StoreUnavailableError
from consentry.table.outbox import Claim, Outbox
from consentry.table.store import Address, Outcome, Recorded, Store
from support.acts import Acts
from support.calls import answer_lost, answering, cancelled, counted, just_before, sent_twice
from support.store_events import (
    DAY,
    DUE,
    HOUR,
    LETTER,
    NOW,
    SOMEWHERE,
    VARIANT,
    asked,
    claimed,
    event,
    intact,
    opted_in,
    opted_out,
    status,
)
from support.tables import ANN, BOB, Table

# --- a flip and its evidence are one write ----------------------------------------------------------------------------


def test_a_flip_is_not_made_when_its_event_cannot_be_recorded(table: Table) -> None:
    leave = opted_out()
    table.put({"pk": {"S": leave.partition_key}, "sk": {"S": leave.sort_key}, "arrived_at": {"N": "1"}})
    before = table.items()

    assert table.store.record(leave).outcome is Outcome.DUPLICATE
    assert table.items() == before


def test_no_event_is_recorded_for_a_flip_that_is_not_made(table: Table) -> None:
    table.store.record(opted_out(at=NOW))
    before = table.items()

    assert table.store.record(opted_in(at=NOW - 1)).outcome is Outcome.SUPERSEDED
    assert table.items() == before


def test_no_evidence_or_address_change_survives_a_flip_that_is_not_made(table: Table) -> None:
    table.store.request(*asked(NOW - HOUR))
    table.store.record(opted_out(at=NOW))
    before = table.items()

    recorded = table.store.record(opted_in(at=NOW - HOUR), evidence=SOMEWHERE, evidence_days=30, address=Address.FORGET)

    assert recorded.outcome is Outcome.SUPERSEDED
    assert table.items() == before


def test_a_mail_is_not_due_for_a_request_that_is_not_recorded(table: Table) -> None:
    request, contact = asked()
    table.put({"pk": {"S": request.partition_key}, "sk": {"S": request.sort_key}, "arrived_at": {"N": "1"}})
    before = table.items()

    table.store.request(request, contact)

    assert table.items() == before


def test_a_flip_leaves_the_new_state_and_one_event(table: Table) -> None:
    assert table.store.record(opted_in()).outcome is Outcome.APPLIED
    assert table.kinds() == ["E", "STATE"]
    assert status(table.store) is Status.SUBSCRIBED
    assert intact(table.store)


def test_evidence_is_kept_apart_from_the_event_and_expires(table: Table) -> None:
    table.store.record(opted_in(), evidence=SOMEWHERE, evidence_days=30)

    assert table.kinds() == ["E", "STATE", "V"]
    assert int(table.item("V")["expires_at"]["N"]) == NOW // 1000 + 30 * 86_400
    assert "expires_at" not in table.item("E")
    assert SOMEWHERE.ip not in str(table.item("E"))


@pytest.mark.parametrize(("evidence", "days"), [(SOMEWHERE, 0), (Evidence(), 30), (None, 30)])
def test_no_evidence_item_where_there_is_nothing_to_keep(table: Table, evidence: Evidence | None, days: int) -> None:
    table.store.record(opted_in(), evidence=evidence, evidence_days=days)
    assert table.kinds() == ["E", "STATE"]


# --- one round trip, and no read --------------------------------------------------------------------------------------


ADDRESS: Final = Mailbox("ann@example.com", "ann@example.com")
LEAVE: Final = Link(Purpose.UNSUBSCRIBE, "demo", ANN, ("news",))
CONFIRM: Final = Link(Purpose.CONFIRM, "demo", ANN, ("news", "offers"), at=NOW - HOUR)
HOW: Final = Circumstances(NOW, Channel.PAGE, SOMEWHERE, "en")


def test_every_act_of_a_person_is_one_write_without_a_read(table: Table, actions: Acts, brand: Brand) -> None:
    platform = HOW._replace(channel=Channel.API)
    table.store.record(opted_in("news", at=CONFIRM.at))
    table.store.record(opted_in("offers", at=CONFIRM.at))
    acts = {
        "subscribe": lambda: actions.opt_ins.subscribe(
            brand, ANN, ADDRESS, ["news"], platform._replace(now=NOW - HOUR)
        ),
        "confirm again": lambda: actions.opt_ins.confirm(brand, CONFIRM, HOW),
        "unsubscribe": lambda: actions.opt_outs.unsubscribe(brand, LEAVE, HOW),
        "unsubscribe from everything": lambda: actions.opt_outs.unsubscribe(brand, LEAVE, HOW, everything=True),
        "pause": lambda: actions.opt_outs.pause(brand, LEAVE, 30, HOW),
        "throttled request": lambda: actions.opt_ins.subscribe(
            brand, ANN, ADDRESS, ["news"], platform._replace(now=NOW - HOUR + 1)
        ),
        "request of a variant": lambda: actions.opt_ins.subscribe(brand, BOB, VARIANT, ["news"], platform),
        "throttled request of a variant": lambda: actions.opt_ins.subscribe(
            brand, BOB, VARIANT, ["news"], platform._replace(now=NOW + 1)
        ),
    }
    for name, act in acts.items():
        with counted(table.client) as calls:
            act()
        assert calls == ["TransactWriteItems"], name


def test_an_opt_out_that_is_in_force_already_is_remembered_without_a_read(
    table: Table, actions: Acts, brand: Brand
) -> None:
    actions.opt_outs.unsubscribe(brand, LEAVE, HOW)
    before = table.items()
    for at in (1, 2):
        with counted(table.client) as calls:
            assert actions.opt_outs.unsubscribe(brand, LEAVE, HOW._replace(now=NOW + at)) is None
        assert calls == ["TransactWriteItems"] * 2
    assert [item for item in table.items() if item["sk"]["S"] == "STATE" or item["sk"]["S"].startswith("E#")] == [
        item for item in before if item["sk"]["S"] == "STATE" or item["sk"]["S"].startswith("E#")
    ]


def test_a_first_confirmation_gives_its_domains_budget_an_email_back_afterwards(
    table: Table, actions: Acts, brand: Brand
) -> None:
    """Two calls more, once: its write isn't made to wait for a budget that others write to."""
    actions.opt_ins.subscribe(brand, ANN, ADDRESS, ["news", "offers"], HOW._replace(now=CONFIRM.at))
    with counted(table.client) as calls:
        actions.opt_ins.confirm(brand, CONFIRM, HOW)
        actions.opt_ins.confirm(brand, CONFIRM, HOW)
    assert calls == ["TransactWriteItems", "GetItem", "UpdateItem", "TransactWriteItems"]


def test_the_form_counts_twice_before_its_one_write(table: Table, actions: Acts, brand: Brand) -> None:
    """The same calls for everybody: whatever is known of an address, and whether or not it is throttled."""
    table.store.record(opted_in("news", at=NOW - HOUR, who=BOB))
    for who, later in ((ANN, 0), (ANN, 1), (BOB, 2)):
        with counted(table.client) as calls:
            actions.opt_ins.subscribe(brand, who, ADDRESS, ["news"], HOW._replace(now=NOW + later))
        assert calls == ["UpdateItem", "UpdateItem", "TransactWriteItems"]


def test_saved_preferences_are_one_read_and_one_write(table: Table, actions: Acts, brand: Brand) -> None:
    wishes = Wishes(["news"], list(brand.topics), {"news": "weekly"}, 30, "de")
    with counted(table.client) as calls:
        actions.choices.save(brand, LEAVE, wishes, HOW)
    assert calls == ["GetItem", "TransactWriteItems"]


def test_preferences_saved_as_they_were_write_nothing(table: Table, actions: Acts, brand: Brand) -> None:
    wishes = Wishes(["product"], list(brand.topics), {}, None, None)
    with counted(table.client) as calls:
        actions.choices.save(brand, LEAVE, wishes, HOW)
    assert calls == ["GetItem"]
    assert table.items() == []


def test_a_mail_to_a_thousand_people_is_decided_in_ten_reads(table: Table) -> None:
    table.store.record(opted_in(who=f"{999:022d}"))
    people = [f"{number:022d}" for number in range(1_000)]
    with counted(table.client) as calls:
        found = table.store.read_many("demo", people)
    assert calls == ["BatchGetItem"] * 10
    assert list(found) == people
    assert [who for who, consent in found.items() if consent.registers] == [f"{999:022d}"]


def test_what_decides_on_a_topic_is_read_and_nothing_else(table: Table) -> None:
    table.store.record(opted_in())
    table.store.record(opted_in("offers"))
    table.store.record(event({"complaint": NOW - DAY}, {"pause": (NOW, "1"), "frequency.news": (NOW, "weekly")}))
    whole = table.store.read("demo", ANN)
    found = table.store.read_many("demo", [ANN], "news")[ANN]
    assert set(found.registers) == {"in.news", "complaint"}
    assert set(found.choices) == {"pause", "frequency.news"}
    assert rules.decide(found, "news", Mode.OPT_IN, NOW) == rules.decide(whole, "news", Mode.OPT_IN, NOW)


def test_somebody_who_is_asked_about_twice_is_read_once(table: Table) -> None:
    table.store.record(opted_in())
    with counted(table.client) as calls:
        found = table.store.read_many("demo", [ANN, BOB, ANN])
    assert calls == ["BatchGetItem"]
    assert set(found) == {ANN, BOB}
    assert found[ANN].registers == {"in.news": NOW}


def test_deciding_for_nobody_reads_nothing(table: Table) -> None:
    with counted(table.client) as calls:
        assert table.store.read_many("demo", []) == {}
    assert calls == []


# --- law 3 and law 4: what beats what ---------------------------------------------------------------------------------


def test_a_confirmation_of_an_older_request_does_not_undo_an_opt_out(table: Table) -> None:
    table.store.record(opted_out(at=NOW))
    recorded = table.store.record(opted_in(at=NOW - 1))
    assert recorded == Recorded(Outcome.SUPERSEDED, Consent({"out.news": NOW}))
    assert status(table.store) is Status.UNSUBSCRIBED


def test_a_tie_goes_to_the_opt_out(table: Table) -> None:
    table.store.record(opted_out("*", at=NOW))
    assert table.store.record(opted_in(at=NOW)).outcome is Outcome.SUPERSEDED
    assert status(table.store) is Status.UNSUBSCRIBED


def test_a_later_confirmation_of_ones_own_lifts_an_opt_out(table: Table) -> None:
    table.store.record(opted_out("*", at=NOW))
    assert table.store.record(opted_in(at=NOW + 1)).outcome is Outcome.APPLIED
    assert status(table.store) is Status.SUBSCRIBED


@pytest.mark.parametrize("left", ["news", "*"])
def test_a_platforms_claim_never_lifts_an_opt_out_however_old(table: Table, left: str) -> None:
    table.store.record(opted_out(left, at=NOW - 1_000 * DAY))
    assert table.store.record(claimed(at=NOW)).outcome is Outcome.SUPERSEDED
    assert status(table.store) is Status.UNSUBSCRIBED
    assert table.kinds() == ["E", "STATE"]


def test_an_opt_out_that_arrives_late_still_ends_a_claim(table: Table) -> None:
    table.store.record(claimed(at=NOW))
    assert table.store.record(opted_out(at=NOW - DAY)).outcome is Outcome.APPLIED
    assert status(table.store) is Status.UNSUBSCRIBED


def test_a_claim_of_somebody_who_never_left_counts(table: Table) -> None:
    table.store.record(opted_out("offers", at=NOW - DAY))
    assert table.store.record(claimed("news", at=NOW)).outcome is Outcome.APPLIED
    assert status(table.store) is Status.SUBSCRIBED


def test_an_opt_out_of_one_brand_is_none_of_another(table: Table) -> None:
    table.store.record(opted_in())
    table.store.record(opted_out(at=NOW + 1)._replace(brand="other"))
    assert status(table.store) is Status.SUBSCRIBED


def test_the_same_event_again_is_told_from_its_first_arrival(table: Table) -> None:
    leave = opted_out()
    table.store.record(leave)
    before = table.items()
    assert table.store.record(leave._replace(arrived_at=NOW + DAY)).outcome is Outcome.DUPLICATE
    assert table.items() == before


def test_another_event_that_says_the_same_is_a_duplicate(table: Table) -> None:
    table.store.record(opted_out())
    before = table.items()
    assert table.store.record(opted_out()).outcome is Outcome.DUPLICATE
    assert table.items() == before


def test_of_a_change_to_several_topics_only_what_still_counts_is_written(table: Table) -> None:
    table.store.record(opted_out("news", at=NOW))
    both = event({"in.news": NOW - 1, "in.offers": NOW - 1}, at=NOW, kind=Kind.CONFIRMED)

    with counted(table.client) as calls:
        recorded = table.store.record(both)

    assert recorded == Recorded(Outcome.APPLIED, Consent({"out.news": NOW}), Consent({"in.offers": NOW - 1}))
    assert calls == ["TransactWriteItems"] * 2
    assert status(table.store, "news") is Status.UNSUBSCRIBED
    assert status(table.store, "offers") is Status.SUBSCRIBED
    written = table.store.history("demo", ANN)[-1]
    assert (written.topics, written.effect) == (("offers",), Consent({"in.offers": NOW - 1}))
    assert intact(table.store)


def test_an_opt_out_from_everything_leaves_the_topics_name(table: Table) -> None:
    table.store.record(opted_out("news", at=NOW))
    table.store.record(event({"out.news": NOW, "out.*": NOW}, kind=Kind.UNSUBSCRIBED))
    assert table.store.history("demo", ANN)[-1].topics == ("*",)


def test_the_later_of_two_choices_counts_and_a_tie_has_one_winner(table: Table) -> None:
    choices = [
        event(choices={"frequency.news": (NOW, "weekly")}, event_id="a"),
        event(choices={"frequency.news": (NOW, "monthly")}, event_id="b"),
        event(choices={"frequency.news": (NOW - 1, "daily")}, event_id="c"),
    ]
    for who, order in zip((ANN, BOB), (choices, choices[::-1]), strict=True):
        for each in order:
            table.store.record(each._replace(subscriber_id=who))
        assert table.store.read("demo", who).chosen("frequency.news") == "monthly"
        assert intact(table.store, who)


_subscribers: Final = itertools.count(1)
TOPICS: Final = ("news", "offers", "product")
INSTANTS: Final = st.integers(1, 12).map(lambda step: NOW + step)
REGISTERS: Final = st.sampled_from(
    ["complaint", "bounce", "out.*", *(f"{kind}.{topic}" for kind in ("ask", "in", "claim", "out") for topic in TOPICS)]
)
CHOICES: Final = st.dictionaries(
    st.sampled_from(["pause", "locale", "frequency.news", "frequency.offers"]),
    st.tuples(INSTANTS, st.sampled_from([str(NOW + DAY), "0"])),
    max_size=2,
)
EVENTS: Final = st.lists(st.tuples(st.dictionaries(REGISTERS, INSTANTS, max_size=4), CHOICES, INSTANTS), max_size=5)


@pytest.mark.hypothesis
def test_events_in_any_order_any_number_of_times_end_in_the_same_consent(table: Table) -> None:
    examples = 8 if table.is_mock else 40  # moto copies all that it holds at every transaction

    @settings(max_examples=examples)
    @given(data=st.data())
    def in_any_order(data: st.DataObject) -> None:
        _join_in_any_order(table, data)

    in_any_order()


def _join_in_any_order(table: Table, data: st.DataObject) -> None:
    who = f"{next(_subscribers):022d}"
    events = [
        event(registers, choices, at=at, who=who)
        for registers, choices, at in data.draw(EVENTS)
        if registers or choices
    ]
    again = data.draw(st.lists(st.sampled_from(events), max_size=2)) if events else []
    arrivals = [each._replace(arrived_at=NOW + DAY) for each in again] + events
    for each in data.draw(st.permutations(arrivals)):
        table.store.record(each)

    meant, held = rules.join(each.effect for each in events), table.store.read("demo", who)
    for topic in TOPICS:
        assert rules.status(held, topic) == rules.status(meant, topic)
        for mode in Mode:
            for now in (NOW, NOW + 2 * DAY):
                decided, expected = rules.decide(held, topic, mode, now), rules.decide(meant, topic, mode, now)
                assert decided == expected
    assert intact(table.store, who)


# --- many at once -----------------------------------------------------------------------------------------------------


def test_nothing_is_lost_when_many_flip_one_subscriber_at_once(real_table: Table) -> None:
    store = Store(real_table.gateway, real_table.store._ledger_key)
    events = [
        *(opted_out("news", at=NOW + at) for at in range(12)),
        *(opted_in("offers", at=NOW + at) for at in range(12)),
        *(event(choices={"frequency.news": (NOW + at, "weekly")}, at=NOW + at) for at in range(12)),
    ]
    together = threading.Barrier(6)

    def flip(mine: list[Event]) -> list[Outcome]:
        together.wait(300)
        return [_record_until_it_works(store, each) for each in mine]

    with ThreadPoolExecutor(6) as pool:
        outcomes = [each for part in pool.map(flip, [events[at::6] for at in range(6)]) for each in part]

    assert len(outcomes) == len(events)
    state = real_table.item("STATE")
    applied = outcomes.count(Outcome.APPLIED)
    assert int(state["ledger_count"]["N"]) == applied == real_table.kinds().count("E")
    assert store.read("demo", ANN) == rules.join(each.effect for each in events)
    assert intact(store)


def _record_until_it_works(store: Store, each: Event) -> Outcome:
    for _ in range(20):
        try:
            return store.record(each).outcome
        except StoreUnavailableError:  # so many at once wear out our retries; a caller comes again, as this does
            continue
    raise AssertionError("never written")


def test_of_two_requests_at_the_same_moment_one_mail_is_due(real_table: Table) -> None:
    together = threading.Barrier(4)
    store = Store(real_table.gateway, real_table.store._ledger_key)

    def ask(at: int) -> Outcome:
        request = asked(NOW + at)
        together.wait(300)
        return store.request(*request).outcome

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(ask, range(4)))

    assert outcomes.count(Outcome.APPLIED) == 1
    assert set(outcomes) <= {Outcome.APPLIED, Outcome.THROTTLED, Outcome.SUPERSEDED}
    assert real_table.kinds() == ["CONTACT", "E", "STATE"]


# --- the table misbehaves ---------------------------------------------------------------------------------------------


FAULTS: Final = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "InternalServerError",
    ConnectTimeoutError(endpoint_url="http://table"),
    ReadTimeoutError(endpoint_url="http://table"),
    EndpointConnectionError(endpoint_url="http://table"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "an answer was garbled on its way"),
    ResponseParserError("so was this"),
]
CALLS: Final = [
    ("TransactWriteItems", lambda table: table.store.record(opted_out())),
    ("TransactWriteItems", lambda table: table.store.request(*asked())),
    ("GetItem", lambda table: table.store.read("demo", ANN)),
    ("GetItem", lambda table: table.store.contact("demo", ANN)),
    ("BatchGetItem", lambda table: table.store.read_many("demo", [ANN])),
    ("BatchGetItem", lambda table: table.store.read_many("demo", [f"{number:022d}" for number in range(300)])),
    ("Query", lambda table: table.store.ledger("demo", ANN)),
    ("Query", lambda table: table.store.history("demo", ANN)),
    ("UpdateItem", lambda table: table.outbox.claim(DUE, "me", NOW)),
    ("UpdateItem", lambda table: table.outbox.release(DUE, "me")),
    ("UpdateItem", lambda table: table.outbox.sent(DUE, "me", LETTER)),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_whatever_the_table_suffers_from_is_one_error_of_ours(table: Table, fault: str | Exception) -> None:
    for operation, call in CALLS:
        with answering(table.client, operation, fault), pytest.raises(StoreUnavailableError) as raised:
            call(table)
        assert raised.value.__cause__ is not None, operation


def test_a_table_that_is_not_there_is_unavailable(table: Table) -> None:
    table.store = Store(Gateway(table.client, "no-such-table"), table.store._ledger_key)
    table.outbox = Outbox(Gateway(table.client, "no-such-table"))
    for _, call in CALLS:
        with pytest.raises(StoreUnavailableError):
            call(table)


def test_what_the_table_can_never_take_is_no_outage(table: Table) -> None:
    refused = cancelled("ValidationError", "None")
    with answering(table.client, "TransactWriteItems", refused), pytest.raises(PermanentFaultError):
        table.store.record(opted_out())


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_write_that_collides_with_another_is_tried_again_after_a_random_wait(table: Table, code: str) -> None:
    twice = [cancelled(code, "None"), cancelled("None", code)]
    with answering(table.client, "TransactWriteItems", *twice) as left:
        assert table.store.record(opted_out()).outcome is Outcome.APPLIED
    assert left == []
    first, second = table.slept
    assert 0.01 <= first <= 0.05
    assert 0.02 <= second <= 0.1
    assert table.kinds() == ["E", "STATE"]


def test_the_waits_of_two_who_collide_differ(table: Table) -> None:
    for who in (ANN, BOB):
        with answering(table.client, "TransactWriteItems", *[cancelled("TransactionConflict", "None")] * 4):
            table.store.record(opted_out(who=who))
    assert len(set(table.slept)) == 8


def test_a_condition_that_fails_beside_a_collision_settles_nothing(table: Table) -> None:
    mixed = cancelled("ConditionalCheckFailed", "TransactionConflict")
    with answering(table.client, "TransactWriteItems", mixed):
        assert table.store.record(opted_out()).outcome is Outcome.APPLIED


def test_a_write_that_keeps_colliding_is_given_up_in_the_end(table: Table) -> None:
    endless = [cancelled("TransactionConflict", "None")] * 50
    with (
        answering(table.client, "TransactWriteItems", *endless) as left,
        pytest.raises(StoreUnavailableError),
    ):
        table.store.record(opted_out())
    assert len(left) == 45
    assert table.items() == []


def test_a_write_that_collides_slowly_is_given_up_while_somebody_still_waits(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(NOW // 1000, 0.6)
    monkeypatch.setattr("consentry.table.gateway.time.monotonic", lambda: next(ticks))
    endless = [cancelled("TransactionConflict", "None")] * 5
    with (
        answering(table.client, "TransactWriteItems", *endless) as left,
        pytest.raises(StoreUnavailableError),
    ):
        table.store.record(opted_out())
    assert len(left) == 3


def test_a_change_is_measured_against_what_another_wrote_a_moment_before(table: Table) -> None:
    def leave() -> None:
        table.store.record(opted_out(at=NOW))

    with just_before(table.client, "TransactWriteItems", leave):
        assert table.store.record(claimed(at=NOW)).outcome is Outcome.SUPERSEDED
    assert status(table.store) is Status.UNSUBSCRIBED
    assert intact(table.store)


def test_an_opt_out_whose_answer_got_lost_is_applied_once_and_told_so(table: Table) -> None:
    with sent_twice(table.client, "TransactWriteItems"):
        recorded = table.store.record(opted_out(), evidence=SOMEWHERE, evidence_days=30)
    assert recorded.outcome is Outcome.APPLIED
    assert table.kinds() == ["E", "STATE", "V"]
    assert int(table.item("STATE")["ledger_count"]["N"]) == 1
    assert intact(table.store)


def test_an_opt_out_that_is_sent_again_because_its_answer_got_lost_is_applied_once(table: Table) -> None:
    leave = opted_out()
    gone = ConnectionClosedError(endpoint_url="http://table")
    with answer_lost(table.client, "TransactWriteItems", gone), pytest.raises(StoreUnavailableError):
        table.store.record(leave, evidence=SOMEWHERE, evidence_days=30)
    assert table.store.record(leave, evidence=SOMEWHERE, evidence_days=30).outcome is Outcome.DUPLICATE
    assert table.kinds() == ["E", "STATE", "V"]
    assert int(table.item("STATE")["ledger_count"]["N"]) == 1
    assert intact(table.store)


def test_a_request_whose_answer_got_lost_is_one_request_and_one_mail(table: Table) -> None:
    with sent_twice(table.client, "TransactWriteItems"):
        assert table.store.request(*asked()).outcome is Outcome.APPLIED
    assert table.kinds() == ["CONTACT", "E", "STATE"]
    assert int(table.item("STATE")["ledger_count"]["N"]) == 1


def test_a_claim_of_a_mail_whose_answer_got_lost_is_held(table: Table) -> None:
    table.store.request(*asked())
    with sent_twice(table.client, "UpdateItem"):
        assert table.outbox.claim(DUE, "me", NOW) is Claim.TAKEN


def test_people_whom_a_busy_table_leaves_out_are_asked_about_again(table: Table) -> None:
    table.store.record(opted_in(who=ANN))
    table.store.record(opted_in(who=BOB))
    keys = [{"pk": table.item("STATE", who)["pk"], "sk": {"S": "STATE"}} for who in (ANN, BOB)]
    partly = {
        "Responses": {table.name: [table.item("STATE", ANN)]},
        "UnprocessedKeys": {table.name: {"Keys": keys[1:], "ConsistentRead": True}},
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    nothing = {
        "Responses": {},
        "UnprocessedKeys": {table.name: {"Keys": keys[1:], "ConsistentRead": True}},
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    with answering(table.client, "BatchGetItem", partly, nothing):
        found = table.store.read_many("demo", [ANN, BOB])
    assert [consent.registers for consent in found.values()] == [{"in.news": NOW}] * 2
    assert len(table.slept) == 2


def test_nobody_is_decided_on_while_the_table_answers_only_in_part(table: Table) -> None:
    key = {"pk": {"S": f"S#demo#{ANN}"}, "sk": {"S": "STATE"}}
    nothing = {
        "Responses": {},
        "UnprocessedKeys": {table.name: {"Keys": [key], "ConsistentRead": True}},
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    with answering(table.client, "BatchGetItem", *[nothing] * 9), pytest.raises(StoreUnavailableError):
        table.store.read_many("demo", [ANN])


# --- leaving together -------------------------------------------------------------------------------------------------


def leave_together(table: Table, who: str, at: int = NOW, **more: Any) -> Recorded:
    burst = table.limits.burst("demo", who, "203.0.113.7", 3, at)
    return table.store.record(opted_out(at=at, who=who), burst=burst, **more)


def marked(table: Table, who: str) -> bool:
    return "suspected_automation" in table.item("E", who)


def test_the_fourth_of_those_who_leave_together_leaves_and_is_marked(table: Table) -> None:
    everybody = [f"{number:022d}" for number in range(5)]
    with counted(table.client) as calls:
        for who in everybody[:3]:
            assert leave_together(table, who).outcome is Outcome.APPLIED
    assert calls == ["TransactWriteItems"] * 3
    for who in everybody[3:]:
        assert leave_together(table, who, evidence=SOMEWHERE, evidence_days=30).outcome is Outcome.APPLIED
    assert [marked(table, who) for who in everybody] == [False, False, False, True, True]
    assert {status(table.store, who=who) for who in everybody} == {Status.UNSUBSCRIBED}
    assert all(intact(table.store, who) for who in everybody)


def test_whoever_is_in_the_burst_already_can_leave_again(table: Table) -> None:
    for who in (ANN, BOB, f"{3:022d}"):
        leave_together(table, who)
    burst = table.limits.burst("demo", ANN, "203.0.113.7", 3, NOW)
    table.store.record(opted_out("offers", who=ANN), burst=burst)
    assert not any("suspected_automation" in each for each in table.items())


def test_a_second_later_there_is_a_new_burst(table: Table) -> None:
    everybody = [f"{number:022d}" for number in range(6)]
    for at, who in enumerate(everybody):
        leave_together(table, who, at=NOW + 1_000 * (at // 3))
    assert not any(marked(table, who) for who in everybody)


def test_a_full_burst_changes_nothing_of_what_was_known_before(table: Table) -> None:
    leave_together(table, ANN, at=NOW - HOUR)
    for number in range(3):
        leave_together(table, f"{number:022d}")
    with counted(table.client) as calls:
        late = table.limits.burst("demo", ANN, "203.0.113.7", 3, NOW)
        recorded = table.store.record(opted_out(at=NOW - HOUR - 1), burst=late)
    assert recorded.outcome is Outcome.SUPERSEDED
    assert set(calls) == {"TransactWriteItems"}
    assert table.kinds().count("E") == 4


def test_many_who_leave_in_the_same_second_all_leave(real_table: Table) -> None:
    """The burst's item is the one thing that they share; it holds nobody up."""
    everybody = [f"{number:022d}" for number in range(24)]
    together = threading.Barrier(8)

    def leave(mine: list[str]) -> list[Outcome]:
        together.wait(300)
        return [leave_together(real_table, who).outcome for who in mine]

    with ThreadPoolExecutor(8) as pool:
        outcomes = [each for part in pool.map(leave, [everybody[at::8] for at in range(8)]) for each in part]
    assert set(outcomes) == {Outcome.APPLIED}
    assert {status(real_table.store, who=who) for who in everybody} == {Status.UNSUBSCRIBED}
    (burst,) = [each for each in real_table.items() if each["sk"]["S"] == "BURST"]
    assert len(burst["who"]["SS"]) <= 3


def test_a_burst_that_others_keep_writing_is_left_out_of_an_opt_out(table: Table) -> None:
    conflicts = [cancelled("None", "None", "TransactionConflict")] * 2
    with answering(table.client, "TransactWriteItems", *conflicts):
        assert leave_together(table, ANN).outcome is Outcome.APPLIED
    assert table.kinds() == ["E", "STATE"]
