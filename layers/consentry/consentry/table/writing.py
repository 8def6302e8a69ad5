"""Writing: what is to be written of an event, by what is held of the person, and as which operations. Pure.

The store sends the operations, and asks again with the item that made a condition fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, EVERY_TOPIC, Consent, Status
from consentry.rules.ledger import Actor, Channel, Event, Kind, hash_event, hash_evidence
from consentry.table import schema
from consentry.table.schema import AGAIN, STATE, SUSPECTED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consentry.rules.ledger import Evidence
    from consentry.table.gateway import Item, Operation
    from consentry.table.schema import Taken

SUPPRESSED_COOLDOWN_MS: Final = DAY_MS
"""At most one email to an address after a complaint or a permanent bounce, counted from it."""
AHEAD_MS: Final = 60_000
"""A register that is later than now by more than this is the fault of a clock."""
_UNDONE_WITHIN_MS: Final = 2 * 3600 * 1000
"""An opt-out of the page can be taken back for an hour, by whatever clock."""
_SMALL: Final = 8
"""Parts of an effect that an expression has room for, with a condition on each."""
_SEES: Final = 20
"""Topics that an opt-out from everything can be compared with in an expression."""
_OUT: Final = rules.opt_out("")
_BACK: Final = (rules.opt_in, rules.kept, rules.ask)
"""The registers of a topic that an opt-out has to be as late as, to be in force."""
_BRINGS_BACK: Final = (rules.opt_in(""), rules.claim(""), rules.kept(""))


class Writing(NamedTuple):
    """An event, and all that is to be written with it."""

    event: Event
    evidence: Evidence | None = None
    evidence_days: int = 0
    extra: Mapping[str, dict[str, Operation]] = {}
    """Other operations of the same transaction, by name."""
    burst: Operation | None = None
    form: str = ""
    sees: Collection[str] | None = None
    cooling: bool = False
    """Whether a complaint or bounce of the last day keeps it out."""
    asking: bool = False
    """Whether it is a request, which cooldowns and budgets keep out."""
    erasing: bool = False
    moved_to: str = ""
    trail: tuple[str, ...] = ()
    """The ids that it has followed the person from."""

    @property
    def is_small(self) -> bool:
        """Whether it can be written without a read."""
        registers, choices = self.event.effect
        if self.erasing or self.moved_to or len(registers) + len(choices) > _SMALL or self.opts_in_by_form:
            return False
        if rules.opt_out(EVERY_TOPIC) in registers and len(self.sees or ()) > _SEES:
            return False
        return all(map(schema.is_plain, registers))

    @property
    def opts_in_by_form(self) -> bool:
        """Whether it opts in, or renews, as of the showing of a form: what was left since then is to be looked for."""
        return self.event.kind in {Kind.PREFERENCES, Kind.KEPT} and any(
            name.startswith(_BRINGS_BACK) for name in self.event.effect.registers
        )

    @property
    def follows(self) -> bool:
        """Whether it follows a person who has another address now."""
        registers = {} if self.erasing else self.event.effect.registers
        return rules.COMPLAINT in registers or any(name.startswith(_OUT) for name in registers)

    def suspected(self) -> Writing:
        """The same, of too many at once."""
        return self._replace(burst=None, event=self.event._replace(suspected_automation=True))

    def without(self, names: Collection[str]) -> Writing:
        """The same without its `form`, or without some of the `extra` operations."""
        extra = {name: each for name, each in self.extra.items() if name not in names}
        return self._replace(extra=extra, form="" if "form" in names else self.form)

    @property
    def is_act(self) -> bool:
        """Whether its form does one thing, which is done again if it no longer stands; not a form of many settings."""
        return (
            self.event.channel is not Channel.PREFERENCES or rules.opt_out(EVERY_TOPIC) in self.event.effect.registers
        )


class Plan(NamedTuple):
    """What is to be written of an event, or why nothing is."""

    event: Event
    known: Consent = Consent()
    outcome: str = ""
    """Not empty: nothing is to be written, and why: `duplicate`, `superseded` or `throttled`."""
    again: Consent = Consent()
    """Opt-outs that change nothing, since others are in force: to be remembered, as those may be taken back."""


def plan(writing: Writing, state: Item, again: Item) -> Plan:
    """What is to be written, given the items `STATE` and `AGAIN`; empty where there is none."""
    event, known, others = writing.event, schema.consent(state), schema.again(again)
    if writing.cooling and cooling(event, known):
        return Plan(event, known, "throttled")
    if writing.moved_to and schema.text(state, "moved_to") == writing.moved_to:
        return Plan(event, known, "duplicate")
    effect = event.effect if writing.sees is None else _past_doubt(event, rules.after(known, event.effect), state)
    if writing.erasing:  # later than whatever anybody could take back
        everything = rules.opt_out(EVERY_TOPIC)
        latest = max(event.occurred_at, known.registers.get(everything, 0) + 1)
        effect = rules.after(known, Consent({everything: latest}))
    standing = {} if writing.erasing else _standing(writing, event, effect, state)
    beaten = {name for name, at in effect.registers.items() if _beaten(others, name, at)}
    if event.kind is Kind.KEPT:  # nothing to prolong
        beaten |= {rules.kept(each) for each in event.topics if rules.status(known, each) is not Status.SUBSCRIBED}
    counts = {name: at for name, at in effect.registers.items() if name not in standing and name not in beaten}
    left = rules.news(known, effect._replace(registers=counts))
    again_too = _later(standing, known, others)
    erased = writing.asking and schema.integer(state, "erased_at") >= event.occurred_at
    is_nothing = left == Consent({}, {}) and event.effect != Consent({}, {})
    if erased or (is_nothing and not writing.erasing and not writing.moved_to):
        late = writing.sees is None and bool(standing)
        found = not (erased or beaten or late) and _contains(known, effect._replace(registers=counts))
        return Plan(event, known, "duplicate" if found else "superseded", again_too)
    return Plan(_narrowed(event, left), known, "", again_too)


def cooling(event: Event, known: Consent) -> bool:
    """Whether a complaint or bounce is too recent for a request that anybody can make."""
    newest = max(known.registers.get(rules.COMPLAINT, 0), known.registers.get(rules.BOUNCE, 0))
    return newest > event.arrived_at - SUPPRESSED_COOLDOWN_MS


def following(effect: Consent) -> Consent:
    """What of an effect follows a person to another address: what ends mail. A bounce is the old mailbox's own."""
    return Consent(
        {name: at for name, at in effect.registers.items() if name.startswith(_OUT) or name == rules.COMPLAINT}
    )


def ahead(known: Consent, now: int) -> int:
    """By how many milliseconds a register is later than now, epoch ms; 0: by no more than right clocks differ."""
    latest = max(known.registers.values(), default=0)
    return latest - now if latest > now + AHEAD_MS else 0


def stands(state: Item, taken: Taken) -> bool:
    """Whether what a form did is still the last word."""
    known = schema.consent(state)
    return all(
        rules.left_at(known, rules.topic_of(name)) == taken.at
        if name.startswith(_OUT)
        else name in known.choices and known.choices[name].at == taken.at
        for name in taken.names
    )


def _standing(writing: Writing, event: Event, effect: Consent, state: Item) -> dict[str, int]:
    """The opt-outs of the event that change nothing, since others are in force, at the instants to remember.

    A person's who acts now is later than what is in force; but if that looked like a machine's, it is no repetition: it
    is the proof that a person wanted it. What has its own instant is written if it is later, so that order doesn't
    matter; what is earlier is beaten, and remembered while what beats it can be taken back.
    """
    known = schema.consent(state)
    standing = {}
    for name, at in effect.registers.items():
        if not name.startswith(_OUT):
            continue
        topic = rules.topic_of(name)
        if writing.sees is None:
            if at < (left := rules.left_at(known, topic)) and left > event.arrived_at - _UNDONE_WITHIN_MS:
                standing[name] = at
        elif (out := rules.in_force(known, topic)) and not _is_doubtful(event, state, topic, out):
            standing[name] = max(at, out + 1)
    return standing


def _past_doubt(event: Event, effect: Consent, state: Item) -> Consent:
    """The effect with its opt-outs later than those in force that looked like a machine's: taken back, these stand."""
    known = schema.consent(state)
    outs = {name: at for name, at in effect.registers.items() if name.startswith(_OUT)}
    in_force = {name: rules.in_force(known, rules.topic_of(name)) for name in outs}
    doubts = [out + 1 for name, out in in_force.items() if _is_doubtful(event, state, rules.topic_of(name), out)]
    return effect._replace(
        registers={**effect.registers, **dict.fromkeys(outs, max([*doubts, *outs.values()], default=0))}
    )


def _is_doubtful(event: Event, state: Item, topic: str, out: int) -> bool:
    """Whether what is in force looked like a machine's, and the event is a person's."""
    person = event.actor is Actor.RECIPIENT and not event.suspected_automation
    return person and out > 0 and out in {schema.integer(state, f"{SUSPECTED}{each}") for each in (topic, EVERY_TOPIC)}


def _later(standing: Mapping[str, int], known: Consent, others: Consent) -> Consent:
    """Of opt-outs that change nothing, those that aren't the very one which stands, nor remembered already."""
    return Consent(
        {
            name: at
            for name, at in standing.items()
            if at != known.registers.get(name) and at > others.registers.get(name, 0)
        }
    )


def _beaten(others: Consent, name: str, at: int) -> bool:
    """Whether an opt-out that is remembered beats an opt-in."""
    topics = (rules.topic_of(name), EVERY_TOPIC)
    return name.startswith(_BRINGS_BACK) and any(
        others.registers.get(rules.opt_out(topic), 0) >= at for topic in topics
    )


def _contains(known: Consent, change: Consent) -> bool:
    """Whether every register and choice of a change is there just as it says."""
    return all(known.registers.get(name) == at for name, at in change.registers.items()) and all(
        known.choices.get(name) == choice for name, choice in change.choices.items()
    )


def _narrowed(event: Event, left: Consent) -> Event:
    """The event with what is left of its effect, and the topics which that concerns."""
    if left == event.effect:
        return event
    concerned = {rules.topic_of(name) for part in left for name in part}
    return event._replace(effect=left, topics=tuple(each for each in event.topics if each in concerned))


# --- operations -------------------------------------------------------------------------------------------------------


def operations(
    writing: Writing, plan: Plan, key: bytes, attempt: str, correlation_id: str, state: Item | None, again: Item | None
) -> dict[str, dict[str, Operation]]:
    """The transaction that writes an event, by name: the state, the event, and what comes with it.

    Args:
        writing: what the event is part of.
        plan: what is left of it.
        key: the brand's ledger key.
        attempt: names this try, to distinguish its own event from another's.
        correlation_id: of the request.
        state: the item that is to be written over, empty if there is none; None: not read.
        again: the item `AGAIN` as it was found, empty if there is none; None: not read.
    """
    event = plan.event
    kept = writing.evidence if writing.evidence and any(writing.evidence) and writing.evidence_days > 0 else None
    if kept and state and schema.integer(state, "erased_at") >= event.arrived_at:
        kept = None
    if kept:
        event = event._replace(evidence_hash=hash_evidence(key, event.event_id, kept))
    share = hash_event(key, event)
    last = schema.last_event(event, correlation_id)
    grown = _grown(writing, event, share, last) if state is None else _replaced(writing, event, share, last, state)
    made = {
        "state": grown,
        "event": _put({**schema.event_item(event), "attempt": schema.string(attempt)}),
        **writing.extra,
    }
    if kept:
        made["evidence"] = {"Put": {"Item": schema.evidence_item(event, kept, writing.evidence_days)}}
    if writing.form:
        made["form"] = _put(schema.form_item(event, writing.form))
    if again is not None or plan.again.registers:
        made["again"] = _remembered(plan, again)
    return made


def remembering(plan: Plan, state: Item, again: Item | None) -> dict[str, dict[str, Operation]]:
    """The transaction that only remembers opt-outs, while others are in force; none if none is new."""
    if not plan.again.registers:
        return {}
    still = _still(schema.key(plan.event.partition_key, STATE), "ledger_count", state)
    return {"state": still, "again": _remembered(plan, again)}


def _remembered(plan: Plan, again: Item | None) -> dict[str, Operation]:
    """That `AGAIN` is as it was found, if it was read, and the opt-outs that are to be remembered from now on."""
    key = schema.key(plan.event.partition_key, AGAIN)
    if not plan.again.registers:
        return _still(key, "times", again or {})
    words, sets, conditions = _Words(), [], []
    for register, at in plan.again.registers.items():
        name, value = words.name(register), words.value(schema.number(at))
        sets.append(f"{name} = {value}")
        conditions.append(f"NOT {name} >= {value}")
    if again is not None:
        conditions.append(f"times = {words.value(again['times'])}" if again else "attribute_not_exists(pk)")
    update = {
        "Key": key,
        "UpdateExpression": f"SET {', '.join(sets)} ADD times {words.value(schema.number(1))}",
        "ConditionExpression": " AND ".join(conditions),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **words.attributes(),
    }
    return {"Update": update}


class _Words:
    """The names and values that an expression refers to."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#{len(self._names)}")

    def value(self, value: Any) -> str:
        mark = f":{len(self._values)}"
        self._values[mark] = value
        return mark

    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {"ExpressionAttributeValues": self._values}
        if self._names:
            found["ExpressionAttributeNames"] = {mark: attribute for attribute, mark in self._names.items()}
        return found


def _grown(writing: Writing, event: Event, share: int, last: dict[str, Any]) -> dict[str, Operation]:
    """The state's update without a read, on the condition that all of the effect is news.

    Comparing with an attribute that isn't there is false: `NOT a >= :b` also holds where there is no `a`.
    """
    words = _Words()
    sets = [f"last_event = {words.value(last)}"]
    conditions: list[str] = []
    for register, at in event.effect.registers.items():
        name, value = words.name(register), words.value(schema.number(at))
        sets.append(f"{name} = {value}")
        conditions.append(f"NOT {name} >= {value}")
        for rival in map(words.name, rules.rivals(register)):
            any_does = rules.yields_to_any_opt_out(register)
            conditions.append(f"attribute_not_exists({rival})" if any_does else f"NOT {rival} >= {value}")
        if register.startswith(
            _OUT
        ):  # what stands without one that was taken back is said there, and the item shows it
            conditions.append(f"attribute_not_exists({words.name(schema.taken_back(rules.topic_of(register)))})")
        if register.startswith(_OUT) and event.suspected_automation:
            sets.append(f"{words.name(SUSPECTED + rules.topic_of(register))} = {value}")
        if register in {rules.COMPLAINT, rules.BOUNCE}:
            conditions += [f"NOT {words.name(rules.opt_in(topic))} > {value}" for topic in writing.sees or ()]
        if register.startswith(_OUT) and writing.sees is not None:
            conditions += _not_in_force(words, rules.topic_of(register))
            conditions += _seen(words, register, value, writing.sees)
    for choice_name, choice in event.effect.choices.items():
        name = words.name(choice_name)
        sets.append(f"{name} = {words.value(schema.choice_value(choice))}")
        conditions.append(f"NOT {name}[0] >= {words.value(schema.number(choice.at))}")
    conditions += _allowed(writing, event, words)
    one, more = words.value(schema.number(1)), words.value(schema.number(share))
    update: dict[str, Any] = {
        "Key": schema.key(event.partition_key, STATE),
        "UpdateExpression": f"SET {', '.join(sets)} ADD ledger_count {one}, ledger_digest {more}",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **words.attributes(),
    }
    if conditions:  # an event that sets nothing has none
        update["ConditionExpression"] = " AND ".join(conditions)
    return {"Update": update}


def _allowed(writing: Writing, event: Event, words: _Words) -> list[str]:
    """What has to hold beside registers and choices."""
    conditions = []
    if writing.cooling:
        calm = words.value(schema.number(event.arrived_at - SUPPRESSED_COOLDOWN_MS))
        conditions += [f"NOT {name} > {calm}" for name in (rules.COMPLAINT, rules.BOUNCE)]
    if writing.asking or any(writing.evidence or ()):
        conditions.append(f"NOT erased_at >= {words.value(schema.number(event.occurred_at))}")
    if writing.follows:
        conditions.append("attribute_not_exists(moved_to)")
    return conditions


def _not_in_force(words: _Words, topic: str) -> list[str]:
    """That an opt-out isn't in force already (but one that was taken back also seems so: then the item tells)."""
    everything = words.name(rules.opt_out(EVERY_TOPIC))
    if topic == EVERY_TOPIC:
        return [f"attribute_not_exists({everything})"]
    back = [words.name(register(topic)) for register in _BACK]
    return [
        f"(attribute_not_exists({out}) OR {' OR '.join(f'{out} < {each}' for each in back)})"
        for out in (words.name(rules.opt_out(topic)), everything)
    ]


def _seen(words: _Words, register: str, value: str, sees: Collection[str]) -> list[str]:
    """That no opt-in, renewal or request is there which is later than the opt-out of a person who acts now."""
    topics = sees if register == rules.opt_out(EVERY_TOPIC) else (rules.topic_of(register),)
    return [f"NOT {words.name(of(topic))} > {value}" for topic in topics for of in _BACK]


def _replaced(writing: Writing, event: Event, share: int, last: dict[str, Any], state: Item) -> dict[str, Operation]:
    """The state with the effect joined, in place of what was read."""
    item = {
        **state,
        **schema.key(event.partition_key, STATE),
        **schema.attributes(event.effect, state),
        "last_event": last,
        "ledger_count": schema.number(schema.integer(state, "ledger_count") + 1),
        "ledger_digest": schema.number(schema.integer(state, "ledger_digest") + share),
    }
    if event.suspected_automation:
        outs = {name: at for name, at in event.effect.registers.items() if name.startswith(_OUT)}
        item |= {f"{SUSPECTED}{rules.topic_of(name)}": schema.number(at) for name, at in outs.items()}
    if writing.erasing:
        item["erased_at"] = schema.number(event.effect.registers.get(rules.opt_out(EVERY_TOPIC), event.occurred_at))
    if writing.moved_to:
        item["moved_to"] = schema.string(writing.moved_to)
    put: dict[str, Any] = {"Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if state:
        put["ConditionExpression"] = "ledger_count = :count"
        put["ExpressionAttributeValues"] = {":count": state["ledger_count"]}
    else:
        put["ConditionExpression"] = "attribute_not_exists(pk)"
    return {"Put": put}


def _put(item: Item) -> dict[str, Operation]:
    """A put of what is written once."""
    return {
        "Put": {
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _still(key: Item, version: str, item: Item) -> dict[str, Operation]:
    """That an item is as it was found: there isn't one, or nobody has written it since."""
    check: dict[str, Any] = {
        "Key": key,
        "ConditionExpression": f"{version} = :was" if item else "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if item:
        check["ExpressionAttributeValues"] = {":was": item[version]}
    return {"ConditionCheck": check}
