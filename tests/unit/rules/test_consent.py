"""The consent rules: whatever happens, in whatever order, people get the email that they want and no other."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent, Mode, Reason, Status

TOPICS = ("news", "offers")
INSTANTS = st.integers(1, 12)
"""Few enough that ties are common."""
CLOCKS = (0, 1, 6, 12, 13, 10**13)

REGISTERS = st.sampled_from(
    [
        *(
            make(topic)
            for make in (rules.ask, rules.opt_in, rules.claim, rules.kept, rules.opt_out)
            for topic in TOPICS
        ),
        rules.opt_out(rules.EVERY_TOPIC),
        rules.COMPLAINT,
        rules.BOUNCE,
    ]
)
UNDOS = st.dictionaries(
    st.tuples(st.sampled_from([*TOPICS, rules.EVERY_TOPIC]), INSTANTS), st.integers(0, 12), max_size=3
).map(lambda said: Consent({rules.undone(topic, at): before for (topic, at), before in said.items()}))
"""Opt-outs that were taken back, also of instants at which there was none, and what is said to stand without them."""
CHOICES = {
    rules.PAUSE: st.sampled_from(["0", "4", "9"]),
    rules.LOCALE: st.sampled_from(["en", "de"]),
    rules.frequency("news"): st.sampled_from(rules.FREQUENCIES),
    rules.until("news"): st.sampled_from(["3", "6", "11"]),
}
LASTS = (0, 4)
"""How long an opt-in lasts."""


@st.composite
def changes(draw: st.DrawFn) -> Consent:
    """What one event sets: some registers, some choices."""
    registers = draw(st.dictionaries(REGISTERS, INSTANTS, max_size=4))
    choices = {
        name: Choice(draw(INSTANTS), draw(st.sampled_from("abc")), draw(CHOICES[name]))
        for name in draw(st.sets(st.sampled_from(list(CHOICES)), max_size=2))
    }
    return Consent(registers, choices)


def split(change: Consent) -> list[Consent]:
    """The same change, as one event for each thing that it sets."""
    return [Consent({name: at}) for name, at in change.registers.items()] + [
        Consent({}, {name: choice}) for name, choice in change.choices.items()
    ]


def everything_said(consent: Consent) -> list[object]:
    """Every answer that the rules can give about a consent."""
    return (
        [
            (rules.status(consent, topic, now, lasts), rules.decide(consent, topic, mode, now, lasts))
            for topic in (*TOPICS, "deleted")
            for mode in Mode
            for now in CLOCKS
            for lasts in LASTS
        ]
        + [rules.pause_end(consent, now) for now in CLOCKS]
        + [rules.suppressed(consent), consent.chosen(rules.LOCALE)]
    )


def decide(registers: dict[str, int], mode: Mode = Mode.OPT_IN, now: int = 1_000, **choices: Choice) -> rules.Decision:
    return rules.decide(Consent(registers, choices), "news", mode, now)


# --- order and repetition don't matter -----------------------------------------------------------------------------


@given(
    st.lists(st.one_of(changes(), UNDOS), max_size=6).flatmap(
        lambda each: st.tuples(st.just(each), st.permutations(each))
    )
)
def test_events_in_any_order_end_in_the_same_state(orders: tuple[list[Consent], list[Consent]]) -> None:
    one, other = orders
    assert rules.join(one) == rules.join(other)


@given(st.lists(st.one_of(changes(), UNDOS), max_size=5), st.data())
def test_events_delivered_again_change_nothing(events: list[Consent], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    assert rules.join([*events, *repeats]) == rules.join(events)


@given(st.lists(st.one_of(changes(), UNDOS), max_size=5), st.randoms(use_true_random=False))
def test_an_event_that_arrives_in_pieces_counts_the_same(events: list[Consent], random: object) -> None:
    pieces = [piece for event in events for piece in split(event)]
    random.shuffle(pieces)  # type: ignore[attr-defined]
    assert rules.join(pieces) == rules.join(events)


@given(changes(), changes(), changes())
def test_joining_is_commutative_associative_and_idempotent(a: Consent, b: Consent, c: Consent) -> None:
    assert a | b == b | a
    assert (a | b) | c == a | (b | c)
    assert a | a == a
    assert a | Consent() == a


@given(changes(), UNDOS, st.sampled_from(Mode))
def test_what_is_said_to_decide_on_a_topic_does(change: Consent, undos: Consent, mode: Mode) -> None:
    consent = change | undos
    for topic in TOPICS:
        names = rules.deciding(topic)
        read = Consent(
            *({name: held for name, held in each.items() if name.partition("@")[0] in names} for each in consent)
        )
        for now in CLOCKS:
            assert rules.decide(read, topic, mode, now, 4) == rules.decide(consent, topic, mode, now, 4)


def test_joining_leaves_what_it_joins_alone() -> None:
    """Two subscribers that we never heard of must not come to share one state."""
    nobody = Consent()
    joined = nobody | Consent({rules.COMPLAINT: 5}, {rules.LOCALE: Choice(5, "a", "de")})
    assert joined.registers
    assert nobody == Consent({}, {})
    assert Consent() == Consent({}, {})


def test_two_choices_of_one_instant_are_told_apart_by_their_event() -> None:
    earlier, later = Choice(5, "a", "de"), Choice(5, "b", "en")
    for order in permutations([earlier, later]):
        joined = rules.join(Consent({}, {rules.LOCALE: each}) for each in order)
        assert joined.chosen(rules.LOCALE) == "en"


# --- news: what a change could still alter -------------------------------------------------------------------------


@given(changes(), changes(), st.lists(changes(), max_size=3))
def test_what_is_left_out_as_old_could_never_have_mattered(now: Consent, change: Consent, later: list[Consent]) -> None:
    """Neither at once nor after whatever else may follow."""
    filtered = now | rules.news(now, change)
    whole = now | change
    assert everything_said(filtered) == everything_said(whole)
    further = rules.join(later)
    assert everything_said(filtered | further) == everything_said(whole | further)


@given(changes(), changes())
def test_a_change_is_only_news_once(now: Consent, change: Consent) -> None:
    assert rules.news(now | rules.news(now, change), change) == Consent({}, {})


@given(changes(), changes())
def test_a_later_opt_out_is_always_news(now: Consent, change: Consent) -> None:
    news = rules.news(now, change)
    for name, at in change.registers.items():
        if name.startswith("out.") and at > now.registers.get(name, 0):
            assert news.registers[name] == at


@given(changes(), UNDOS, changes())
def test_a_later_opt_out_than_any_that_was_taken_back_is_always_news(
    now: Consent, undos: Consent, late: Consent
) -> None:
    known = now | undos
    outs = {name: at + 12 for name, at in late.registers.items() if name.startswith("out.")}
    after = known | rules.news(known, Consent(outs))
    for name, at in outs.items():
        assert rules.left_at(after, rules.topic_of(name)) == at


def test_a_claim_after_an_opt_out_is_no_news() -> None:
    out = Consent({rules.opt_out("*"): 5})
    assert rules.news(out, Consent({rules.claim("news"): 9})) == Consent({}, {})


def test_an_opt_in_that_an_opt_out_has_beaten_is_no_news() -> None:
    out = Consent({rules.opt_out("news"): 5})
    assert rules.news(out, Consent({rules.opt_in("news"): 5})) == Consent({}, {})
    assert rules.news(out, Consent({rules.opt_in("news"): 6})) == Consent({rules.opt_in("news"): 6}, {})


def test_a_claim_yields_to_any_opt_out_and_an_opt_in_to_a_later_one() -> None:
    assert rules.rivals("in.news") == rules.rivals("claim.news") == rules.rivals("kept.news") == ("out.news", "out.*")
    assert rules.rivals("ask.news") == rules.rivals("out.news") == rules.rivals(rules.COMPLAINT) == ()
    assert rules.yields_to_any_opt_out("claim.news")
    assert not rules.yields_to_any_opt_out("in.news")


# --- taking an opt-out back ----------------------------------------------------------------------------------------


class Acts:
    """Somebody's acts, one after another, recorded as the store does it."""

    def __init__(self) -> None:
        self.known = Consent()
        self.history: list[Consent] = []
        self.others = Consent()

    def happens(self, change: Consent) -> None:
        """What an opt-out beats that stands is remembered, since that one may be taken back."""
        outs = {name: at for name, at in change.registers.items() if name.startswith("out.")}
        beaten = {name: at for name, at in outs.items() if at < rules.left_at(self.known, rules.topic_of(name))}
        self.others |= Consent(beaten)
        written = rules.news(self.known, change)
        self.history.append(written)
        self.known |= written

    def undoes(self, topic: str, at: int) -> None:
        self.happens(rules.undo(self.known, self.history, self.others, [topic], at))


LEFT = st.sampled_from([*TOPICS, rules.EVERY_TOPIC])


@given(st.lists(changes(), max_size=4), LEFT, st.sampled_from(Mode))
def test_an_opt_out_that_is_taken_back_counts_as_if_it_had_never_been(
    before: list[Consent], left: str, mode: Mode
) -> None:
    acts = Acts()
    for change in before:
        acts.happens(change)
    was = acts.known
    acts.happens(Consent({rules.opt_out(left): 13}))
    acts.undoes(left, 13)
    for topic in (*TOPICS, "to come"):
        for now in CLOCKS:
            assert rules.decide(acts.known, topic, mode, now, 4) == rules.decide(was, topic, mode, now, 4)


@given(st.lists(st.tuples(LEFT, INSTANTS), min_size=1, max_size=5), st.data())
def test_what_is_taken_back_is_that_opt_out_alone_in_whatever_order_they_came(
    outs: list[tuple[str, int]], data: st.DataObject
) -> None:
    left, at = data.draw(st.sampled_from(outs))
    acts = Acts()
    for topic, instant in outs:
        acts.happens(Consent({rules.opt_out(topic): instant}))
    acts.undoes(left, at)
    for topic in (*TOPICS, rules.EVERY_TOPIC):
        others = [instant for each, instant in outs if each == topic and (each, instant) != (left, at)]
        assert rules.left_at(acts.known, topic) == max(others, default=0)


@given(st.permutations([("out", 5), ("out", 9), ("undo", 9), ("undo", 9)]))
def test_an_opt_out_that_arrives_after_its_own_undo_is_undone_and_an_earlier_one_stands(
    order: list[tuple[str, int]],
) -> None:
    acts = Acts()
    for what, at in order:
        if what == "out":
            acts.happens(Consent({rules.opt_out("news"): at}))
        else:
            acts.undoes("news", at)
    assert rules.left_at(acts.known, "news") == 5


def test_an_opt_out_that_changed_nothing_when_it_came_counts_once_the_other_is_taken_back() -> None:
    acts = Acts()
    acts.happens(Consent({rules.opt_out("*"): 5}))
    acts.others = Consent({rules.opt_out("news"): 7})
    acts.undoes("*", 5)
    assert rules.opted_out_at(acts.known, "news") == 7
    assert rules.opted_out_at(acts.known, "offers") == 0


def test_taking_it_back_opts_nobody_in() -> None:
    acts = Acts()
    acts.happens(Consent({rules.opt_out("news"): 5}))
    acts.undoes("news", 5)
    assert acts.known.registers == {"out.news": 5, "undo.news@5": 0}
    assert rules.decide(acts.known, "news", Mode.OPT_IN, 50)[:3] == (False, Reason.NONE, Status.NONE)


# --- consent can end -----------------------------------------------------------------------------------------------


def ending(at: int, ends: int, by: str = "a") -> Consent:
    """A claim that names its end."""
    return Consent({rules.claim("news"): at}, {rules.until("news"): Choice(at, by, str(ends))})


def test_a_claim_that_ended_lets_nobody_be_mailed() -> None:
    claimed = ending(100, 500)
    before, after = (rules.decide(claimed, "news", Mode.OPT_IN, now) for now in (499, 500))
    assert (before.allowed, before.status, before.since, before.expires_at) == (True, Status.SUBSCRIBED, 100, 500)
    assert after[:4] == (False, Reason.EXPIRED, Status.EXPIRED, 500)
    assert after.expires_at == 500


def test_an_opt_out_topic_may_be_mailed_after_a_claim_ended_as_before() -> None:
    assert rules.decide(ending(100, 500), "news", Mode.OPT_OUT, 900)[:3] == (True, Reason.OPT_OUT_TOPIC, Status.EXPIRED)


def test_a_later_claim_without_an_end_has_none_in_whatever_order_they_come() -> None:
    for order in permutations([ending(100, 500), Consent({rules.claim("news"): 200})]):
        known = Consent()
        for each in order:
            known |= rules.news(known, each)
        assert rules.decide(known, "news", Mode.OPT_IN, 900).allowed
        assert rules.end(known, "news", 0) is None


def test_of_two_claims_the_later_ones_end_counts_though_it_is_sooner() -> None:
    for order in permutations([ending(100, 900), ending(200, 500)]):
        assert rules.end(rules.join(order), "news", 0) == 500


def test_an_end_that_is_reported_after_its_claim_counts() -> None:
    known = Consent({rules.claim("news"): 100})
    assert rules.news(known, ending(100, 500)) == Consent({}, ending(100, 500).choices)


@pytest.mark.parametrize(
    ("registers", "ends"),
    [
        ({"in.news": 100}, 150),
        ({"in.news": 100, "kept.news": 130}, 180),
        ({"claim.news": 100}, 150),
        ({"claim.news": 100, "kept.news": 130}, 180),
        ({"in.news": 100, "out.news": 110, "kept.news": 130}, None),
        ({"in.news": 120, "out.news": 110, "kept.news": 105}, 170),
        ({"kept.news": 130}, None),
        ({"claim.news": 100, "out.*": 1, "kept.news": 130}, None),
    ],
)
def test_a_topic_that_asks_for_renewal_ends_so_long_after_the_latest(registers: dict[str, int], ends: int) -> None:
    assert rules.end(Consent(registers), "news", 50) == ends


def test_the_latest_end_counts() -> None:
    assert rules.end(ending(100, 900) | Consent({"in.news": 300}), "news", 50) == 900
    assert rules.end(ending(100, 310) | Consent({"in.news": 300}), "news", 50) == 350
    assert rules.end(ending(100, 310) | Consent({"in.news": 300}), "news", 0) is None
    assert rules.end(ending(100, 310) | Consent({"kept.news": 300}), "news", 50) == 350
    assert rules.end(ending(100, 310) | Consent({"kept.news": 300}), "news", 0) is None


def test_whoever_keeps_what_expired_gets_it_again_and_whoever_left_it_does_not() -> None:
    kept = Consent({rules.kept("news"): 700})
    assert rules.decide(ending(100, 500) | kept, "news", Mode.OPT_IN, 720, 50)[:2] == (True, Reason.SUBSCRIBED)
    left = ending(100, 500) | Consent({rules.opt_out("news"): 600})
    assert rules.decide(left | kept, "news", Mode.OPT_IN, 720, 50)[:2] == (False, Reason.UNSUBSCRIBED)


def test_keeping_lifts_no_complaint() -> None:
    known = Consent({"in.news": 5, "kept.news": 9, rules.COMPLAINT: 7})
    assert rules.decide(known, "news", Mode.OPT_IN, 10).reason is Reason.COMPLAINT


def test_an_opt_out_comes_after_what_was_kept_by_a_clock_that_was_ahead() -> None:
    known = Consent({"in.news": 5, "kept.news": 90})
    assert rules.after(known, Consent({rules.opt_out("news"): 10})).registers == {rules.opt_out("news"): 90}
    assert rules.in_force(Consent({"in.news": 5, "kept.news": 90, "out.news": 10}), "news") == 0


def test_a_claim_comes_back_with_its_end_when_an_opt_out_is_taken_back() -> None:
    acts = Acts()
    acts.happens(ending(100, 500))
    acts.happens(Consent({rules.opt_out("news"): 200}))
    acts.undoes("news", 200)
    assert [rules.decide(acts.known, "news", Mode.OPT_IN, now).status for now in (300, 500)] == [
        Status.SUBSCRIBED,
        Status.EXPIRED,
    ]


def test_whoever_asks_after_the_end_is_pending_and_whoever_asked_before_it_has_expired() -> None:
    assert rules.status(ending(100, 500) | Consent({"ask.news": 600}), "news", 700) is Status.PENDING
    assert rules.status(ending(100, 500) | Consent({"ask.news": 400}), "news", 700) is Status.EXPIRED


@given(
    st.lists(st.tuples(INSTANTS, st.sampled_from([0, 3, 6, 20])), min_size=1, max_size=4),
    st.lists(st.one_of(changes(), UNDOS), max_size=3),
    st.randoms(use_true_random=False),
)
def test_claims_with_and_without_ends_decide_alike_in_any_order(
    claims: list[tuple[int, int]], others: list[Consent], random: object
) -> None:
    """As the store writes them: what is no news is left out."""
    said = [ending(at, ends, f"{at} {ends}") if ends else Consent({rules.claim("news"): at}) for at, ends in claims]
    joined = rules.join([*others, *said])
    events = [*said, *said]
    random.shuffle(events)  # type: ignore[attr-defined]
    known = rules.join(others)
    for event in events:
        known |= rules.news(known, event)
    assert everything_said(known) == everything_said(joined)


# --- an opt-out of a person who acts now ---------------------------------------------------------------------------


@given(changes(), UNDOS, LEFT, INSTANTS)
def test_it_comes_after_all_that_it_can_see_whatever_the_clock_says(
    now: Consent, undos: Consent, left: str, at: int
) -> None:
    known = now | undos
    change = rules.after(known, Consent({rules.opt_out(left): at}))
    after = known | rules.news(known, change)
    for topic in TOPICS if left == rules.EVERY_TOPIC else (left,):
        assert rules.status(after, topic) is Status.UNSUBSCRIBED
    assert rules.in_force(after, left)


@given(changes(), UNDOS, LEFT)
def test_what_is_in_force_stands_against_all_that_could_bring_the_mail_back(
    now: Consent, undos: Consent, left: str
) -> None:
    known = now | undos
    if rules.in_force(known, left):
        for topic in TOPICS if left == rules.EVERY_TOPIC else (left,):
            assert rules.status(known, topic) is Status.UNSUBSCRIBED


def test_a_request_that_waits_for_its_confirmation_is_not_held_off_by_what_was_left_before_it() -> None:
    known = Consent({rules.opt_out("news"): 5, rules.ask("news"): 6})
    assert (rules.in_force(known, "news"), rules.in_force(known, "offers")) == (0, 0)
    assert rules.in_force(Consent({rules.opt_out("*"): 5, rules.ask("news"): 6}), "offers") == 5


def test_a_choice_of_now_is_later_than_the_one_that_it_replaces() -> None:
    known = Consent({}, {rules.PAUSE: Choice(90, "a", "100")})
    change = rules.after(known, Consent({}, {rules.PAUSE: Choice(5, "b", "0")}))
    assert (known | change).chosen(rules.PAUSE) == "0"


# --- only the person can opt back in -------------------------------------------------------------------------------

PLATFORM_REGISTERS = st.sampled_from(
    [
        *(make(topic) for make in (rules.ask, rules.claim) for topic in TOPICS),
        rules.COMPLAINT,
        rules.BOUNCE,
    ]
)
PLATFORM_EVENTS = st.dictionaries(PLATFORM_REGISTERS, st.integers(1, 10**14), max_size=4).map(Consent)


@given(
    changes(),
    st.sampled_from([*TOPICS, rules.EVERY_TOPIC]),
    st.lists(PLATFORM_EVENTS, max_size=5),
    st.sampled_from(Mode),
    st.integers(0, 10**14),
)
def test_nothing_that_a_platform_sends_lifts_an_opt_out(
    before: Consent, left: str, events: list[Consent], mode: Mode, now: int
) -> None:
    """Not an import, a webhook, a subscribe request or feedback, with whatever instant they claim."""
    out = before | Consent({rules.opt_out(left): 12})  # no earlier than anything in `before`
    after = out | rules.join(events)
    for topic in TOPICS if left == rules.EVERY_TOPIC else (left,):
        decision = rules.decide(after, topic, mode, now)
        assert decision.status in {Status.UNSUBSCRIBED, Status.PENDING}
        assert not decision.allowed


def test_the_persons_own_later_act_lifts_their_opt_out() -> None:
    assert decide({rules.opt_out("news"): 5, rules.opt_in("news"): 6})[:3] == (
        True,
        Reason.SUBSCRIBED,
        Status.SUBSCRIBED,
    )
    assert decide({rules.opt_out("*"): 5, rules.opt_in("news"): 6}).allowed


@pytest.mark.parametrize("out", ["news", rules.EVERY_TOPIC])
def test_a_tie_goes_to_the_opt_out(out: str) -> None:
    decision = decide({rules.opt_in("news"): 5, rules.opt_out(out): 5})
    assert decision[:3] == (False, Reason.UNSUBSCRIBED, Status.UNSUBSCRIBED)


def test_an_old_confirmation_mail_cant_undo_a_later_unsubscribe() -> None:
    """A confirm counts with the instant of its request, whichever of the two is applied first."""
    request, unsubscribe = Consent({rules.opt_in("news"): 100}), Consent({rules.opt_out("news"): 200})
    for order in permutations([request, unsubscribe]):
        assert rules.status(rules.join(order), "news") is Status.UNSUBSCRIBED


def test_a_claim_before_the_opt_out_doesnt_count_after_it() -> None:
    assert decide({rules.claim("news"): 9, rules.opt_out("*"): 1}).status is Status.UNSUBSCRIBED


# --- statuses ------------------------------------------------------------------------------------------------------


def test_of_somebody_unknown_nothing_is_assumed() -> None:
    assert decide({}) == (False, Reason.NONE, Status.NONE, None, None, None, None)


def test_a_request_waits_for_its_confirmation() -> None:
    assert decide({rules.ask("news"): 5})[:4] == (False, Reason.PENDING, Status.PENDING, 5)
    assert decide({rules.ask("news"): 5, rules.opt_in("news"): 5})[:4] == (
        True,
        Reason.SUBSCRIBED,
        Status.SUBSCRIBED,
        5,
    )


def test_who_left_and_asks_again_is_pending_until_they_confirm() -> None:
    left = {rules.opt_out("news"): 5}
    assert decide({**left, rules.ask("news"): 5}).status is Status.UNSUBSCRIBED
    assert decide({**left, rules.ask("news"): 6}).status is Status.PENDING


def test_a_request_of_somebody_subscribed_changes_nothing() -> None:
    assert decide({rules.opt_in("news"): 5, rules.ask("news"): 9}).status is Status.SUBSCRIBED


def test_a_platforms_claim_counts_as_long_as_nobody_opted_out() -> None:
    assert decide({rules.claim("news"): 5})[:4] == (True, Reason.SUBSCRIBED, Status.SUBSCRIBED, 5)


def test_a_status_says_since_when_it_is() -> None:
    assert decide({rules.opt_in("news"): 3, rules.claim("news"): 7}).since == 3
    assert decide({rules.opt_out("news"): 3, rules.opt_out("*"): 8}).since == 8


def test_leaving_one_topic_leaves_the_others_alone() -> None:
    consent = Consent({rules.opt_in("news"): 3, rules.opt_in("offers"): 3, rules.opt_out("news"): 4})
    assert rules.status(consent, "news") is Status.UNSUBSCRIBED
    assert rules.status(consent, "offers") is Status.SUBSCRIBED


def test_leaving_everything_holds_for_topics_that_come_later() -> None:
    consent = Consent({rules.opt_out(rules.EVERY_TOPIC): 4})
    for mode in Mode:
        assert rules.decide(consent, "brand-new", mode, 9)[:3] == (False, Reason.UNSUBSCRIBED, Status.UNSUBSCRIBED)


def test_a_topic_that_was_deleted_still_has_its_opt_out() -> None:
    """Registers aren't bound to a brand's present topics: should it come back, the person is still out."""
    consent = Consent({rules.opt_in("gone"): 3, rules.opt_out("gone"): 4})
    assert rules.status(consent, "gone") is Status.UNSUBSCRIBED


# --- decisions -----------------------------------------------------------------------------------------------------


def test_an_opt_out_topic_may_be_mailed_until_the_person_says_no() -> None:
    assert decide({}, Mode.OPT_OUT)[:3] == (True, Reason.OPT_OUT_TOPIC, Status.NONE)
    assert decide({rules.ask("news"): 3}, Mode.OPT_OUT)[:3] == (True, Reason.OPT_OUT_TOPIC, Status.PENDING)
    assert decide({rules.opt_out("news"): 3}, Mode.OPT_OUT)[:2] == (False, Reason.UNSUBSCRIBED)
    assert decide({rules.opt_out("*"): 3}, Mode.OPT_OUT)[:2] == (False, Reason.UNSUBSCRIBED)


def test_asking_again_doesnt_reopen_an_opt_out_topic_before_the_confirmation() -> None:
    decision = decide({rules.opt_out("news"): 3, rules.ask("news"): 4}, Mode.OPT_OUT)
    assert decision[:3] == (False, Reason.PENDING, Status.PENDING)


@pytest.mark.parametrize(("register", "reason"), [(rules.COMPLAINT, Reason.COMPLAINT), (rules.BOUNCE, Reason.BOUNCE)])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_complaint_or_bounce_stops_mail_on_every_topic(register: str, reason: Reason, mode: Mode) -> None:
    consent = Consent({rules.opt_in("news"): 5, rules.claim("offers"): 5, register: 5})
    assert rules.decide(consent, "news", mode, 9)[:2] == (False, reason)
    assert rules.decide(consent, "offers", mode, 9)[:2] == (False, reason)
    assert rules.suppressed(consent)


def test_a_complaint_is_named_before_a_bounce() -> None:
    assert decide({rules.opt_in("news"): 5, rules.COMPLAINT: 6, rules.BOUNCE: 7}).reason is Reason.COMPLAINT


@pytest.mark.parametrize(("register", "reason"), [(rules.COMPLAINT, Reason.COMPLAINT), (rules.BOUNCE, Reason.BOUNCE)])
def test_a_fresh_opt_in_lifts_a_complaint_for_its_own_topic_only(register: str, reason: Reason) -> None:
    consent = Consent({register: 5, rules.opt_in("news"): 6, rules.claim("offers"): 6})
    assert rules.decide(consent, "news", Mode.OPT_IN, 9)[:2] == (True, Reason.SUBSCRIBED)
    assert rules.decide(consent, "offers", Mode.OPT_IN, 9)[:2] == (False, reason)
    assert rules.decide(consent, "product", Mode.OPT_OUT, 9)[:2] == (False, reason)


def test_an_opt_in_after_the_complaint_doesnt_outlive_a_second_complaint() -> None:
    assert decide({rules.COMPLAINT: 7, rules.opt_in("news"): 6}).reason is Reason.COMPLAINT


def test_a_pause_stops_mail_and_ends_by_itself() -> None:
    subscribed, pause = {rules.opt_in("news"): 5}, Choice(6, "a", "100")
    assert decide(subscribed, now=99, pause=pause)[:2] == (False, Reason.PAUSED)
    assert decide(subscribed, now=99, pause=pause).paused_until == 100
    assert decide(subscribed, now=100, pause=pause)[:2] == (True, Reason.SUBSCRIBED)
    assert decide(subscribed, now=100, pause=pause).paused_until is None


def test_a_pause_that_was_ended_early_is_over() -> None:
    consent = Consent({}, {rules.PAUSE: Choice(6, "a", "100")}) | Consent({}, {rules.PAUSE: Choice(7, "b", "0")})
    assert rules.pause_end(consent, 8) is None


def test_a_pause_is_not_the_reason_where_mail_may_not_flow_anyway() -> None:
    pause = Choice(6, "a", "100")
    assert decide({}, now=50, pause=pause)[:2] == (False, Reason.NONE)
    assert decide({rules.opt_in("news"): 1, rules.BOUNCE: 2}, now=50, pause=pause).reason is Reason.BOUNCE


def test_a_decision_tells_how_often_the_person_wants_the_topic() -> None:
    consent = Consent({}, {rules.frequency("news"): Choice(6, "a", "weekly")})
    assert rules.decide(consent, "news", Mode.OPT_IN, 9).frequency == "weekly"
    assert rules.decide(consent, "offers", Mode.OPT_IN, 9).frequency is None


def test_every_reason_can_be_reached() -> None:
    reached = {
        decide(registers, mode, 50, **choices).reason
        for mode in Mode
        for registers in (
            {},
            {rules.ask("news"): 5},
            {rules.opt_in("news"): 5},
            {rules.opt_out("news"): 5},
            {rules.opt_in("news"): 5, rules.COMPLAINT: 5},
            {rules.opt_in("news"): 5, rules.BOUNCE: 5},
            {rules.claim("news"): 5},
        )
        for choices in ({}, {"pause": Choice(6, "a", "100")}, {"until.news": Choice(5, "a", "7")})
    }
    assert reached == set(Reason)


# --- against a model -----------------------------------------------------------------------------------------------


class Happened(NamedTuple):
    """One event, as a person would note it on paper."""

    what: str
    topic: str
    at: int


class Diary:
    """The rules again, told over a list of events instead of registers; written from the design, not the code."""

    def __init__(self) -> None:
        self.events: list[Happened] = []

    def when(self, what: str, *topics: str) -> list[int]:
        return [event.at for event in self.events if event.what == what and event.topic in topics]

    def last(self, what: str, *topics: str) -> int:
        return max(self.when(what, *topics), default=0)

    def status(self, topic: str) -> str:
        left = self.last("left", topic, "all")
        confirmed = self.last("confirmed", topic)
        if confirmed > left:
            return "subscribed"
        if self.when("imported", topic) and not self.when("left", topic, "all"):
            return "subscribed"
        if self.last("asked", topic) > max(confirmed, left):
            return "pending"
        return "unsubscribed" if left else "none"

    def may_mail(self, topic: str, *, needs_opt_in: bool, now: int) -> bool:
        wanted = self.status(topic) == "subscribed"
        tolerated = not needs_opt_in and not self.when("left", topic, "all")
        trouble = max(self.last("complained", "all"), self.last("bounced", "all"))
        paused = self.last_pause() > now
        return (wanted or tolerated) and (not trouble or trouble < self.last("confirmed", topic)) and not paused

    def last_pause(self) -> int:
        pauses = [event for event in self.events if event.what == "paused"]
        return int(max(pauses, key=lambda event: event.at).topic) if pauses else 0


class PeopleAndPlatforms(RuleBasedStateMachine):
    """Events of all kinds come in any order, filtered by what is known, some twice; and the diary agrees."""

    def __init__(self) -> None:
        super().__init__()
        self.consent = Consent()
        self.diary = Diary()
        self.sent: list[Consent] = []
        self.pauses = 0

    def happens(self, change: Consent, *, filtered: bool) -> None:
        self.sent.append(change)
        self.consent |= rules.news(self.consent, change) if filtered else change

    @rule(
        what=st.sampled_from(["asked", "confirmed", "imported", "left"]),
        topic=st.sampled_from(TOPICS),
        at=INSTANTS,
        filtered=st.booleans(),
    )
    def about_a_topic(self, what: str, topic: str, at: int, filtered: bool) -> None:
        registers = {"asked": "ask", "confirmed": "in", "imported": "claim", "left": "out"}
        self.diary.events.append(Happened(what, topic, at))
        self.happens(Consent({f"{registers[what]}.{topic}": at}), filtered=filtered)

    @rule(what=st.sampled_from(["left", "complained", "bounced"]), at=INSTANTS, filtered=st.booleans())
    def about_everything(self, what: str, at: int, filtered: bool) -> None:
        registers = {"left": "out.*", "complained": "complaint", "bounced": "bounce"}
        self.diary.events.append(Happened(what, "all", at))
        self.happens(Consent({registers[what]: at}), filtered=filtered)

    @rule(until=INSTANTS, filtered=st.booleans())
    def a_pause(self, until: int, filtered: bool) -> None:
        self.pauses += 1
        self.diary.events.append(Happened("paused", str(until), self.pauses))
        self.happens(Consent({}, {rules.PAUSE: Choice(self.pauses, "e", str(until))}), filtered=filtered)

    @rule(data=st.data())
    def delivered_again(self, data: st.DataObject) -> None:
        if self.sent:
            self.consent |= data.draw(st.sampled_from(self.sent))

    @invariant()
    def the_diary_agrees(self) -> None:
        for topic in TOPICS:
            assert rules.status(self.consent, topic).value == self.diary.status(topic)
            for mode in Mode:
                for now in (0, 5, 12):
                    allowed = rules.decide(self.consent, topic, mode, now).allowed
                    assert allowed == self.diary.may_mail(topic, needs_opt_in=mode is Mode.OPT_IN, now=now)


TestPeopleAndPlatforms = PeopleAndPlatforms.TestCase
TestPeopleAndPlatforms.settings = settings(max_examples=60, stateful_step_count=25)
