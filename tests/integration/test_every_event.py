"""Every event can be written, however much it says, on the engine that enforces sizes and operators; and what was
acknowledged takes effect, whatever was there before and whoever acts in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.actions.circumstances import Circumstances
from consentry.actions.forms import Form
from consentry.actions.opting_out import Undone
from consentry.actions.spool import Recorder
from consentry.links import tokens
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose
from consentry.rules import consent as rules
from consentry.rules.brands import Brand, Topic
from consentry.rules.consent import EVERY_TOPIC, FREQUENCIES, Choice, Consent, Mode, Status
from consentry.rules.ledger import Channel, Kind
from consentry.rules.preferences import Wishes
from consentry.table.gateway import PermanentFaultError
from consentry.table.schema import STATE, key
from consentry.table.store import Address, Outcome
from support.acts import Acts
from support.calls import counted
from support.store_events import DAY, HOUR, NOW, SOMEWHERE, asked, event, intact, opted_in, opted_out
from support.tables import ANN, BOB, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST: Final = 50
"""Topics that a brand file may have."""
NAMES: Final = tuple(f"{'a-long-name-of-a-topic-'}{at:02d}" for at in range(MOST))
HOW: Final = Circumstances(NOW, Channel.PREFERENCES, SOMEWHERE, "en")
MINUTE: Final = 60_000


@pytest.fixture
def large(brand: Brand) -> Brand:
    """A brand with as many topics as it may have, each with every frequency."""
    topics = {
        name: Topic(name, Mode.OPT_OUT if at % 3 == 0 else Mode.OPT_IN, {"en": name}, {}, FREQUENCIES)
        for at, name in enumerate(NAMES)
    }
    return brand._replace(topics=topics)


@pytest.fixture
def acts(real_table: Table) -> Acts:
    """What a person can do, on DynamoDB Local; nothing is spooled."""
    keys = Keyring(lambda: '{"root": "not so random"}')
    return Acts.over(real_table.store, tokens.Tokens(keys), Recorder(real_table.store), real_table.limits)


def ours(now: int = NOW) -> Link:
    return Link(Purpose.PREFERENCES, "demo", ANN, at=now, ours=True)


def wishes(on: Iterable[str], was_on: Iterable[str], shown_at: int, frequencies: Mapping[str, str] = {}) -> Wishes:
    return Wishes(tuple(on), NAMES, frequencies, 30, "de", tuple(was_on), shown_at)


# --- as much as a brand has -------------------------------------------------------------------------------------------


def test_a_confirmation_of_fifty_topics_is_written(real_table: Table, acts: Acts, large: Brand) -> None:
    confirm = Link(Purpose.CONFIRM, "demo", ANN, NAMES, at=NOW - MINUTE, ours=True)
    assert acts.opt_ins.confirm(large, confirm, HOW) == NAMES
    assert intact(real_table.store)


def test_one_form_leaves_forty_nine_and_sets_fifty_frequencies(real_table: Table, acts: Acts, large: Brand) -> None:
    acts.opt_ins.confirm(large, Link(Purpose.CONFIRM, "demo", ANN, NAMES, at=NOW - HOUR, ours=True), HOW)
    kept = NAMES[-1]
    form = wishes([kept], NAMES, NOW - MINUTE, dict.fromkeys(NAMES, "monthly"))
    acts.choices.save(large, ours(), form, HOW)
    known = real_table.store.read("demo", ANN)
    assert [name for name in NAMES if rules.status(known, name) is Status.SUBSCRIBED] == [kept]
    assert {known.chosen(rules.frequency(name)) for name in NAMES} == {"monthly"}
    assert intact(real_table.store)


def test_one_form_ticks_fifty_topics_and_leaves_none_out(real_table: Table, acts: Acts, large: Brand) -> None:
    acts.choices.save(large, ours(), wishes(NAMES, (), NOW - MINUTE, dict.fromkeys(NAMES, "weekly")), HOW)
    known = real_table.store.read("demo", ANN)
    assert all(rules.status(known, name) is not Status.UNSUBSCRIBED for name in NAMES)
    assert sum(rules.status(known, name) is Status.SUBSCRIBED for name in NAMES) == sum(
        topic.mode is Mode.OPT_IN for topic in large.topics.values()
    )
    assert intact(real_table.store)


def test_an_undo_brings_fifty_topics_back(real_table: Table, acts: Acts, large: Brand) -> None:
    acts.opt_ins.confirm(large, Link(Purpose.CONFIRM, "demo", ANN, NAMES, at=NOW - HOUR, ours=True), HOW)
    before = real_table.store.read("demo", ANN)
    leave = Link(Purpose.UNSUBSCRIBE, "demo", ANN, NAMES)
    undo = acts.opt_outs.unsubscribe(large, leave, HOW._replace(channel=Channel.PAGE, now=NOW + 1))
    assert undo
    assert all(rules.status(real_table.store.read("demo", ANN), name) is Status.UNSUBSCRIBED for name in NAMES)
    undone = acts.opt_outs.undo(large, undo, HOW._replace(now=NOW + MINUTE))
    assert undone.done
    assert not undone.still_out
    after = real_table.store.read("demo", ANN)
    assert [rules.decide(after, name, large.mode(name), NOW + DAY) for name in NAMES] == [
        rules.decide(before, name, large.mode(name), NOW + DAY) for name in NAMES
    ]
    assert intact(real_table.store)


def test_everything_can_be_left_whatever_the_state_holds(real_table: Table, acts: Acts, large: Brand) -> None:
    """All registers and choices of fifty topics, and of fifty that the brand had before."""
    former = tuple(f"former-{name}" for name in NAMES)
    for names in (NAMES, former):
        registers = {f"{kind}.{name}": NOW - HOUR for kind in ("ask", "in", "claim", "kept", "out") for name in names}
        choices = {f"frequency.{name}": (NOW - HOUR, "weekly") for name in names}
        choices |= {f"until.{name}": (NOW - HOUR, str(NOW + DAY)) for name in names}
        real_table.store.record(event({**registers, "complaint": NOW - DAY}, choices, at=NOW - HOUR))
    acts.opt_outs.unsubscribe(large, Link(Purpose.UNSUBSCRIBE, "demo", ANN), HOW)
    known = real_table.store.read("demo", ANN)
    assert all(rules.status(known, name) is Status.UNSUBSCRIBED for name in (*NAMES, *former))
    assert intact(real_table.store)


def test_a_claim_of_fifty_topics_is_written_with_its_end_and_comes_back_with_it(
    real_table: Table, acts: Acts, large: Brand
) -> None:
    registers = {rules.claim(name): NOW - HOUR for name in NAMES}
    ends = {rules.until(name): (NOW - HOUR, str(NOW + DAY)) for name in NAMES}
    said = event(registers, ends, at=NOW - HOUR)
    assert [real_table.store.record(each).outcome for each in (said, said)] == [Outcome.APPLIED, Outcome.DUPLICATE]
    undo = acts.opt_outs.unsubscribe(
        large, Link(Purpose.UNSUBSCRIBE, "demo", ANN, NAMES), HOW._replace(channel=Channel.PAGE, now=NOW + 1)
    )
    assert undo
    assert acts.opt_outs.undo(large, undo, HOW._replace(now=NOW + MINUTE)).done
    known = real_table.store.read_many("demo", [ANN], NAMES[7])[ANN]
    assert rules.end(known, NAMES[7], 0) == NOW + DAY
    assert intact(real_table.store)


@pytest.mark.parametrize(("topics", "left"), [(20, 0), (8, 8)])
def test_the_largest_act_that_is_one_call_fits_an_expression(
    real_table: Table, acts: Acts, large: Brand, topics: int, left: int
) -> None:
    """Each topic is looked at for an opt-in, a renewal and a request that the opt-out has to be later than."""
    brand = large._replace(topics={name: large.topics[name] for name in NAMES[:topics]})
    with counted(real_table.client) as calls:
        link = Link(Purpose.UNSUBSCRIBE, "demo", ANN, NAMES[:left])
        acts.opt_outs.unsubscribe(brand, link, HOW._replace(channel=Channel.ONE_CLICK))
    assert calls == ["TransactWriteItems"]
    assert rules.in_force(real_table.store.read("demo", ANN), NAMES[0])


def test_a_small_act_is_one_call_for_a_brand_of_any_size(real_table: Table, acts: Acts, large: Brand) -> None:
    real_table.store.record(opted_in(NAMES[0], at=NOW - HOUR))
    with counted(real_table.client) as calls:
        acts.opt_outs.unsubscribe(
            large, Link(Purpose.UNSUBSCRIBE, "demo", ANN, NAMES[:2]), HOW._replace(channel=Channel.ONE_CLICK)
        )
    assert calls == ["TransactWriteItems"]


def test_what_the_table_can_never_take_is_a_fault_and_no_outage(real_table: Table) -> None:
    too_large = opted_out()._replace(source="x" * 400 * 1024)
    with pytest.raises(PermanentFaultError):
        real_table.store.record(too_large)
    assert real_table.items() == []


KINDS: Final = ("ask", "in", "claim", "out")
PARTS: Final = st.dictionaries(
    st.sampled_from(
        [f"{kind}.{name}" for kind in ("ask", "in", "claim", "out") for name in NAMES] + ["out.*", "bounce"]
    ),
    st.integers(NOW - HOUR, NOW),
    max_size=220,
)
SETTINGS: Final = st.dictionaries(
    st.sampled_from([f"frequency.{name}" for name in NAMES] + ["pause", "locale"]),
    st.tuples(st.integers(NOW - HOUR, NOW), st.sampled_from(FREQUENCIES)),
    max_size=52,
)
SAID: Final = st.lists(st.tuples(PARTS, SETTINGS, st.booleans()), min_size=1, max_size=3)


@pytest.mark.hypothesis
def test_whatever_an_event_says_up_to_the_limits_is_written_and_counts(real_table: Table) -> None:
    """Registers and choices of any number of topics, in any states, by persons and others."""
    people = iter(range(1_000))

    @settings(max_examples=40)
    @given(SAID)
    def written(said: list[tuple[dict[str, int], dict[str, tuple[int, str]], bool]]) -> None:
        who = f"{next(people):022d}"
        for registers, choices, present in said:
            made = event(registers, choices, who=who, kind=Kind.UNSUBSCRIBED, arrived=NOW)
            real_table.store.record(made, sees=NAMES if present else None)
        known = real_table.store.read("demo", who)
        meant = rules.join(
            Consent(registers, {name: Choice(at, "", value) for name, (at, value) in choices.items()})
            for registers, choices, _ in said
        )
        for name in NAMES:
            if rules.status(meant, name) is Status.UNSUBSCRIBED:
                assert rules.status(known, name) in {Status.UNSUBSCRIBED, Status.PENDING}
        assert intact(real_table.store, who)

    written()


# --- what was acknowledged takes effect -------------------------------------------------------------------------------

LEAVE: Final = Link(Purpose.UNSUBSCRIBE, "demo", ANN, ("news",))


def page(now: int, **more: Any) -> Circumstances:
    return Circumstances(now, Channel.PAGE, SOMEWHERE, "en", **more)


def click(now: int) -> Circumstances:
    return Circumstances(now, Channel.ONE_CLICK)


@pytest.mark.parametrize("behind", [0, 1, 3 * MINUTE])
def test_an_opt_out_by_a_clock_that_is_behind_still_counts(
    table: Table, actions: Acts, brand: Brand, behind: int
) -> None:
    """The container that opted in was ahead, or the one that opts out is behind."""
    for topic in ("news", "offers"):
        table.store.record(opted_in(topic, at=NOW + 1))
    actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW - behind))
    assert rules.status(table.store.read("demo", ANN), "news") is Status.UNSUBSCRIBED
    actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW - behind), everything=True)
    assert rules.status(table.store.read("demo", ANN), "offers") is Status.UNSUBSCRIBED
    assert intact(table.store)


def test_an_opt_out_while_a_request_is_ahead_beats_its_confirmation(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(event({"ask.news": NOW + 2 * MINUTE}, at=NOW, kind=Kind.ASKED))
    actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW + 1))
    confirm = Link(Purpose.CONFIRM, "demo", ANN, ("news",), at=NOW + 2 * MINUTE, ours=True)
    assert actions.opt_ins.confirm(brand, confirm, HOW._replace(now=NOW + 3 * MINUTE)) == ()


def test_six_clicks_are_one_event(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    for second in range(6):
        actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW + second * 1_000))
    assert table.kinds().count("E") == 2
    assert table.store.read("demo", ANN).registers["out.news"] == NOW


def test_a_persons_opt_out_after_a_machines_is_recorded(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW, suspected_automation=True))
    actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW + 1))
    actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW + 2))
    history = table.store.history("demo", ANN)
    assert [each.suspected_automation for each in history] == [False, True, False]


def test_a_click_of_the_person_stands_when_somebody_else_takes_theirs_back(
    table: Table, actions: Acts, brand: Brand
) -> None:
    """Whoever holds the link leaves by the page, and undoes it; between the two, the person pressed the button."""
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    assert actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW + MINUTE)) is None
    undone = actions.opt_outs.undo(brand, undo, page(NOW + 2 * MINUTE))
    assert not undone.done
    assert undone.still_out == ("news",)
    assert rules.status(table.store.read("demo", ANN), "news") is Status.UNSUBSCRIBED
    assert intact(table.store)


def test_a_click_on_one_topic_stands_when_everything_is_taken_back(table: Table, actions: Acts, brand: Brand) -> None:
    for topic in ("news", "offers"):
        table.store.record(opted_in(topic, at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW), everything=True)
    assert undo
    actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW + MINUTE))
    undone = actions.opt_outs.undo(brand, undo, page(NOW + 2 * MINUTE))
    known = table.store.read("demo", ANN)
    assert rules.status(known, "news") is Status.UNSUBSCRIBED
    assert rules.status(known, "offers") is Status.SUBSCRIBED
    assert undone == Undone(done=True, still_out=("news",))
    assert intact(table.store)


@pytest.mark.parametrize("late", [False, True])
def test_an_opt_out_that_waited_stands_when_a_later_one_is_taken_back(
    table: Table, actions: Acts, brand: Brand, *, late: bool
) -> None:
    """It is older than the one that is undone, and drained before the undo, or after."""
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    waited = opted_out(at=NOW - MINUTE, arrived=NOW - MINUTE)
    if not late:
        table.store.record(waited)
    actions.opt_outs.undo(brand, undo, page(NOW + MINUTE))
    if late:
        table.store.record(waited)
    known = table.store.read("demo", ANN)
    assert rules.status(known, "news") is Status.UNSUBSCRIBED
    assert rules.opted_out_at(known, "news") == NOW - MINUTE
    assert intact(table.store)


def test_what_is_undone_before_it_is_drained_is_undone(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    undo = Link(Purpose.UNDO, "demo", ANN, ("news",), at=NOW)
    actions.opt_outs.undo(brand, undo, page(NOW + MINUTE))
    table.store.record(opted_out(at=NOW, arrived=NOW))
    assert rules.status(table.store.read("demo", ANN), "news") is Status.SUBSCRIBED
    assert intact(table.store)


def test_what_was_left_before_stays_left_also_for_topics_to_come(table: Table, actions: Acts, brand: Brand) -> None:
    """Everything was left once, and one topic had again; leaving everything once more is taken back."""
    table.store.record(opted_out(EVERY_TOPIC, at=NOW - DAY))
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW), everything=True)
    assert undo
    assert actions.opt_outs.undo(brand, undo, page(NOW + 1)).done
    known = table.store.read("demo", ANN)
    assert rules.status(known, "news") is Status.SUBSCRIBED
    assert rules.status(known, "product") is Status.UNSUBSCRIBED
    assert not rules.decide(known, "a topic to come", Mode.OPT_OUT, NOW + 2).allowed
    assert intact(table.store)


def test_a_claim_comes_back_as_a_claim(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(event({"claim.news": NOW - DAY}, at=NOW - DAY, kind=Kind.CLAIMED))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    actions.opt_outs.undo(brand, undo, page(NOW + 1))
    known = table.store.read("demo", ANN)
    assert "in.news" not in known.registers
    assert rules.decide(known, "news", Mode.OPT_IN, NOW + 2)[2:4] == (Status.SUBSCRIBED, NOW - DAY)


def test_an_undo_pressed_again_changes_nothing(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    actions.opt_outs.undo(brand, undo, page(NOW + 1))
    events = table.kinds().count("E")
    assert actions.opt_outs.undo(brand, undo, page(NOW + 2)).done
    assert table.kinds().count("E") == events


def test_the_same_form_gets_the_same_answer_and_does_nothing_again(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    first = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW, form="form"))
    again = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW + MINUTE, form="form"))
    other = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW + MINUTE, form="another"))
    assert first == again
    assert other is None
    assert table.kinds().count("E") == 2


def test_the_same_form_opts_out_again_once_it_was_taken_back(table: Table, actions: Acts, brand: Brand) -> None:
    """Back, and the button once more: the page says that they left, and so they have."""
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW, form="form"))
    assert undo
    actions.opt_outs.undo(brand, undo, page(NOW + 1))
    again = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW + MINUTE, form="form"))
    assert again
    assert again.at == NOW + MINUTE
    assert rules.status(table.store.read("demo", ANN), "news") is Status.UNSUBSCRIBED
    assert intact(table.store)


def test_a_stale_form_opts_nobody_in_who_left_since(table: Table, actions: Acts, brand: Brand) -> None:
    shown_at = NOW
    table.store.record(opted_out(at=NOW - HOUR))
    actions.opt_outs.unsubscribe(
        brand, LEAVE, click(NOW + MINUTE)
    )  # in force already, and said once more after the showing
    form = Wishes(("news",), tuple(brand.topics), {}, None, None, (), shown_at)
    actions.choices.save(brand, ours(), form, HOW._replace(now=NOW + 2 * MINUTE))
    assert rules.status(table.store.read("demo", ANN), "news") is Status.UNSUBSCRIBED


def test_a_form_of_ours_opts_in_as_of_its_showing(table: Table, actions: Acts, brand: Brand) -> None:
    table.store.record(opted_out(at=NOW - HOUR))
    form = Wishes(("news",), tuple(brand.topics), {}, None, None, (), NOW)
    saved = actions.choices.save(brand, ours(), form, HOW._replace(now=NOW + MINUTE, form="form"))
    assert rules.status(saved.consent, "news") is Status.SUBSCRIBED
    assert table.store.read("demo", ANN).registers["in.news"] == NOW
    actions.opt_outs.unsubscribe(brand, LEAVE, click(NOW + 2 * MINUTE))
    again = actions.choices.save(brand, ours(), form, HOW._replace(now=NOW + 3 * MINUTE, form="form"))
    assert again.repeated or rules.status(again.consent, "news") is Status.UNSUBSCRIBED
    assert rules.status(table.store.read("demo", ANN), "news") is Status.UNSUBSCRIBED


# --- erasing and moving -----------------------------------------------------------------------------------------------


def erased(at: int) -> Any:
    return event({"out.*": at}, at=at, kind=Kind.ERASED)


def test_what_waited_brings_no_evidence_back_to_somebody_erased(table: Table) -> None:
    table.store.record(opted_in(at=NOW - HOUR))
    table.store.erase(erased(NOW))
    table.store.record(opted_out(at=NOW - MINUTE, arrived=NOW - MINUTE), evidence=SOMEWHERE, evidence_days=30)
    assert "V" not in table.kinds()
    assert intact(table.store)


def test_a_request_from_before_an_erasure_brings_no_address_back(table: Table) -> None:
    table.store.record(opted_in("offers", at=NOW - HOUR))
    table.store.erase(erased(NOW))
    request, contact = asked(NOW - 1)
    assert table.store.request(request, contact).outcome is Outcome.SUPERSEDED
    assert not {"CONTACT", "V"} & set(table.kinds())


def test_an_erasure_by_a_clock_that_is_behind_leaves_neither_address_nor_evidence(table: Table) -> None:
    request, contact = asked(NOW)
    table.store.request(request, contact, evidence=SOMEWHERE, evidence_days=30)
    table.store.erase(erased(NOW - 2_000))
    assert not {"CONTACT", "V"} & set(table.kinds())
    late, again = event({"ask.offers": NOW - 1_000}, at=NOW - 1_000, kind=Kind.ASKED), contact._replace(asked_at=NOW)
    assert table.store.request(late, again).outcome is Outcome.SUPERSEDED
    assert not {"CONTACT", "V"} & set(table.kinds())
    assert intact(table.store)


@pytest.mark.parametrize("moved_first", [False, True])
def test_an_opt_out_follows_to_another_address_in_any_order(table: Table, *, moved_first: bool) -> None:
    table.store.record(opted_in(at=NOW - DAY, who=BOB))
    moved = event(at=NOW, kind=Kind.MOVED)
    late = opted_out(at=NOW - MINUTE, arrived=NOW - MINUTE)
    if moved_first:
        table.store.move(moved, BOB)
        table.store.record(late)
    else:
        table.store.record(late)
        table.store.move(moved, BOB)
        table.store.record(event({"out.news": NOW - MINUTE}, at=NOW - MINUTE, kind=Kind.UNSUBSCRIBED, who=BOB))
    assert rules.status(table.store.read("demo", BOB), "news") is Status.UNSUBSCRIBED
    assert intact(table.store)
    assert intact(table.store, BOB)


def test_what_is_undone_is_undone_for_the_new_address_too(table: Table, actions: Acts, brand: Brand) -> None:
    for who in (ANN, BOB):
        table.store.record(opted_in(at=NOW - DAY, who=who))
    table.store.move(event(at=NOW - HOUR, kind=Kind.MOVED), BOB)
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    assert rules.status(table.store.read("demo", BOB), "news") is Status.UNSUBSCRIBED
    assert actions.opt_outs.undo(brand, undo, page(NOW + 1)).done
    for who in (ANN, BOB):
        assert rules.status(table.store.read("demo", who), "news") is Status.SUBSCRIBED
        assert intact(table.store, who)


def test_an_erased_address_erases_nobody_at_the_next(table: Table) -> None:
    table.store.record(opted_in(at=NOW - DAY, who=BOB))
    table.store.move(event(at=NOW - HOUR, kind=Kind.MOVED), BOB)
    table.store.erase(erased(NOW))
    assert [each.kind for each in table.store.history("demo", BOB)] == [Kind.CONFIRMED]


def test_two_addresses_that_name_each_other_end(table: Table) -> None:
    table.store.move(event(at=NOW, kind=Kind.MOVED), BOB)
    table.store.move(event(at=NOW, kind=Kind.MOVED, who=BOB), ANN)
    table.store.record(opted_out(at=NOW + 1))
    for who in (ANN, BOB):
        assert rules.status(table.store.read("demo", who), "news") is Status.UNSUBSCRIBED


def test_a_state_that_is_read_has_no_register_under_another_name(table: Table, actions: Acts, brand: Brand) -> None:
    """A decision can ask for it by its name."""
    table.store.record(opted_in(at=NOW - HOUR))
    undo = actions.opt_outs.unsubscribe(brand, LEAVE, page(NOW))
    assert undo
    actions.opt_outs.undo(brand, undo, page(NOW + 1))
    item = table.client.get_item(TableName=table.name, Key=key(f"S#demo#{ANN}", STATE))["Item"]
    assert item["undo.news"] == {"M": {str(NOW): {"N": "0"}}}
    assert table.store.read_many("demo", [ANN], "news")[ANN].registers[f"undo.news@{NOW}"] == 0


def test_a_form_needs_the_showing_that_it_claims(actions: Acts) -> None:
    link = ours()
    stamp = actions.forms.stamp(Form.PREFERENCES, link, NOW)
    assert actions.forms.shown_at(Form.PREFERENCES, link, stamp, NOW + 1) == NOW
    assert actions.forms.shown_at(Form.UNSUBSCRIBE, link, stamp, NOW + 1) == 0
    assert actions.forms.shown_at(Form.PREFERENCES, link._replace(subscriber_id=BOB), stamp, NOW + 1) == 0
    assert actions.forms.shown_at(Form.PREFERENCES, link, "nonsense", NOW + 1) == 0


# --- the address ------------------------------------------------------------------------------------------------------


def test_a_confirmation_leaves_the_address_to_a_request_that_came_since(
    table: Table, actions: Acts, brand: Brand
) -> None:
    """The second email is still due: it is not dropped in silence."""
    request, contact = asked(NOW - HOUR)
    table.store.request(request, contact)
    later, due = event({"ask.offers": NOW}, at=NOW, kind=Kind.ASKED), contact._replace(topics=("offers",), asked_at=NOW)
    assert table.store.request(later, due).outcome is Outcome.APPLIED
    actions.opt_ins.confirm(brand, Link(Purpose.CONFIRM, "demo", ANN, ("news",), at=NOW - HOUR, ours=True), HOW)
    held = table.store.contact("demo", ANN)
    assert held
    assert (held.address, held.topics) == ("ann@example.com", ("offers",))
    actions.opt_ins.confirm(
        brand, Link(Purpose.CONFIRM, "demo", ANN, ("offers",), at=NOW, ours=True), HOW._replace(now=NOW + MINUTE)
    )
    assert table.store.contact("demo", ANN) is None


def test_an_opt_out_that_waited_leaves_the_address_to_a_request_that_came_since(table: Table) -> None:
    request, contact = asked(NOW)
    table.store.request(request, contact)
    waited = opted_out(EVERY_TOPIC, at=NOW - MINUTE, arrived=NOW - MINUTE)
    assert table.store.record(waited, address=Address.FORGET).outcome is Outcome.APPLIED
    assert table.store.contact("demo", ANN) is not None
