"""The store: consent in DynamoDB, each change one conditional transaction. `table.schema` says what lies there.

A change is one `TransactWriteItems`: the state's registers grow and the event is put, or neither. A small one is
written without a read. Its condition says that the change is news: every register is greater than what is there,
nothing beats it, and an opt-out isn't in force already. When the condition fails, DynamoDB answers the old item in the
same trip.

From the item follows what is left of the change; that is joined to it, and the item put in place of the old one, if
nobody wrote in between (whoever changes a state adds to `ledger_count`). So are changes of many parts from the
beginning: conditions on each would be more than an expression may hold (300 operators, 4 KiB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html), and an item that is put has none.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, Consent
from consentry.rules.ledger import Event, Evidence, Fault, Record, event_id_of, faults, new_event_id, partition_key
from consentry.table import schema, writing
from consentry.table.gateway import PATIENCE_S, StoreUnavailableError, attempts, batches
from consentry.table.schema import AGAIN, CONTACT, DAY_S, FORM, STATE, Contact
from consentry.table.writing import Plan, Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from consentry.table.gateway import Gateway, Item, Operation
    from consentry.table.schema import Taken

COOLDOWN_MS: Final = 10 * 60 * 1000
"""At most one email of a kind to an address in this time."""
THREE_MAILS_MS: Final = DAY_MS
"""At most three emails of a kind to an address in this time."""
_BATCHES_AT_ONCE: Final = 10
_SWEEPS: Final = 10
_MOST_MOVES: Final = 8
"""New addresses of one person that an act follows them to, one after the other: each costs a call or two."""
_MOST_UNDONE: Final = 200
"""Opt-outs that one person can take back, ever: each stays in their state."""


class Outcome(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """All of it was there before."""
    SUPERSEDED = "superseded"
    """Something later is there already, or an opt-out beats it."""
    REPEATED = "repeated"
    """The same form was taken before, and what it did then still stands."""
    THROTTLED = "throttled"
    """Emails to this address are too recent or too many; nothing was written."""
    SPOOLED = "spooled"
    """The table is unavailable; it waits in a queue, and will be written."""


class Address(StrEnum):
    """What a change means for the address that we hold."""

    KEEP = "keep"
    """It was confirmed, and the brand's platform wants it: it no longer expires."""
    FORGET = "forget"
    """Nothing needs it any more."""


class Recorded(NamedTuple):
    """What became of a change."""

    outcome: Outcome
    known: Consent
    """What was there already and kept (part of) the change out; empty if nothing did."""
    effect: Consent = Consent()
    """What was written."""
    taken: Taken | None = None
    """What the same form did before, if it was `REPEATED`."""


class Recording(TypedDict, total=False):
    """How an event is recorded: the arguments of `Store.record` beside the event."""

    evidence: Evidence | None
    evidence_days: int
    address: Address | None
    burst: Operation | None
    form: str
    sees: Collection[str] | None


class _ChangedError(Exception):
    """What a change was made of is no longer what is there."""


class UnknownPageError(ValueError):
    """No page of this ledger ends there."""


class LedgerPage(NamedTuple):
    """Some of a subscriber's events, oldest first, and whether the whole ledger adds up."""

    events: list[tuple[Event, Evidence]]
    intact: bool
    next: str | None
    """Where the next page starts; None on the last."""


class Store:
    """Consent in one DynamoDB table."""

    def __init__(
        self,
        gateway: Gateway,
        ledger_key: Callable[[str], bytes],
        noted: Callable[[Event, Outcome], None] | None = None,
        correlation_id: Callable[[], str] = str,
        ahead: Callable[[str, int], object] | None = None,
    ) -> None:
        """`ledger_key` answers a brand's key.

        `noted` is given every act, and what became of it; `correlation_id` names the request that is worked on; `ahead`
        is given a brand, and by how many milliseconds something was found to be later than now.
        """
        self.gateway = gateway
        self._ledger_key = ledger_key
        self._noted = noted
        self._correlation_id = correlation_id
        self._ahead = ahead

    def record(
        self,
        event: Event,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        address: Address | None = None,
        burst: Operation | None = None,
        form: str = "",
        sees: Collection[str] | None = None,
    ) -> Recorded:
        """Apply an event's effect and put it in the ledger, in one write.

        A person's opt-out writes nothing where one is in force already, unless that looked like a machine's and this
        doesn't; but it is remembered, since what is in force may be taken back.

        Args:
            event: what happened.
            evidence: kept for `evidence_days`, apart from the event.
            evidence_days: 0 keeps none.
            address: what to do, in the same write, with the address that we may hold; None leaves it.
            burst: what `Limits.burst` answered. A burst that is full marks the event as `suspected_automation`, and
                never keeps it out.
            form: names the form that said it; the same form does nothing again.
            sees: the brand's topics, if a person acts now: then an opt-out comes after all that it can see, whatever
                the clocks say. None: what is recorded keeps its own instant.

        Raises:
            StoreUnavailableError: try again later; nothing is lost by doing so.
            PermanentFaultError: it can never be recorded as it is; a fault of ours.
        """
        extra = {"address": _settled(event, address)} if address else {}
        return self._record(Writing(event, evidence, evidence_days, extra, burst, form, sees))

    def request(
        self,
        event: Event,
        contact: Contact,
        *,
        to: str = CONTACT,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        budgets: Sequence[Operation] = (),
    ) -> Recorded:
        """Record a subscribe request, and that an email is due, in one write.

        Answers `THROTTLED`, having written nothing, while the last email of its kind to this address is younger than
        `COOLDOWN_MS`, the last but two younger than `THREE_MAILS_MS`, or, of a request that anybody can make, a
        complaint or bounce younger than `SUPPRESSED_COOLDOWN_MS`; and when one of `budgets`, what `Limits.mail_to`
        answered, is spent.

        Args:
            event: the request.
            contact: where the email goes.
            to: the item by which it is due: `CONTACT`, or `RETURN` if it was asked for by a link of the person's.
            evidence: see `record`.
            evidence_days: see `record`.
            budgets: what it takes from.

        Raises:
            StoreUnavailableError, PermanentFaultError: see `record`.
        """
        mail = schema.request_update(event, contact, to, self._correlation_id())
        # The email before this one has cooled down (or there was none), and so has the third before it.
        mail["ConditionExpression"] = "NOT asked_at > :cooled AND NOT asked_3 > :a_day_ago"
        mail["ExpressionAttributeValues"] |= {
            ":cooled": schema.number(event.arrived_at - COOLDOWN_MS),
            ":a_day_ago": schema.number(event.arrived_at - THREE_MAILS_MS),
        }
        extra = {"mail": {"Update": mail}}
        if to != CONTACT:
            extra["held"] = {"Update": schema.address_update(event, contact)}
        extra |= {f"budget {at}": {"Update": each} for at, each in enumerate(budgets)}
        return self._record(Writing(event, evidence, evidence_days, extra, cooling=to == CONTACT, asking=True))

    def undo(
        self,
        event: Event,
        topics: Collection[str],
        at: int,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        trail: tuple[str, ...] = (),
    ) -> Recorded:
        """Take the opt-outs of an instant back, and put `event` in the ledger, with that as its effect.

        Opt-outs that came since, also those that changed nothing then, stand.

        Args:
            event: the undoing.
            topics: what was left: topics, or `EVERY_TOPIC`.
            at: when, epoch ms.
            evidence: see `record`.
            evidence_days: see `record`.
            trail: the ids that it has followed the person from: opt-outs do, and so does what takes them back.

        Raises:
            StoreUnavailableError, PermanentFaultError: see `record`.
        """
        until = time.monotonic() + PATIENCE_S
        for _ in attempts(until):
            found = list(self._partition(event.brand, event.subscriber_id))
            history = [schema.event(item).effect for item in found if item["sk"]["S"].startswith("E#")]
            held = {item["sk"]["S"]: item for item in found}
            state, again = held.get(STATE, {}), held.get(AGAIN, {})
            known = schema.consent(state)
            if sum(not schema.is_plain(name) for name in known.registers) >= _MOST_UNDONE:
                return Recorded(Outcome.SUPERSEDED, known)
            new_id = schema.text(state, "moved_to")
            if new_id and new_id not in trail and len(trail) < _MOST_MOVES:
                self.undo(_moved(event, new_id), topics, at, trail=(*trail, event.subscriber_id))
            made = event._replace(effect=rules.undo(known, history, schema.again(again), topics, at))
            try:
                return self._record(Writing(made, evidence, evidence_days), (state, again))
            except _ChangedError:
                continue
        raise StoreUnavailableError("the item kept changing under us")

    def move(self, event: Event, new_id: str) -> Recorded:
        """Record that a person goes on under another id; what they leave or complain about under this one follows them.

        Doing it again does no harm.

        Raises:
            StoreUnavailableError, PermanentFaultError: see `record`.
        """
        return self._record(Writing(event, moved_to=new_id))

    def erase(self, event: Event) -> None:
        """Record that a subscriber is erased, and remove address and evidence until nothing is left of them.

        It is recorded first: from then on nothing that happened before can bring either back. What stays is what keeps
        opt-outs in force and the ledger whole: registers and events under an id from which no address can be found.
        Doing it again does no harm. Somebody that we never heard of leaves no trace.

        Raises:
            StoreUnavailableError: perhaps not all is gone yet; do it again.
        """
        if next(self._partition(event.brand, event.subscriber_id), None) is None:
            return
        self._record(Writing(event, erasing=True))
        for sweep in range(_SWEEPS):
            # What is there now goes, whatever clock it was written by; after that, what comes from before the erasure.
            until = None if sweep == 0 else event.occurred_at
            held = self._partition(event.brand, event.subscriber_id)
            found = [each for each in held if _identifies(each, until)]
            if not found:
                return
            for item in found:
                self.gateway.delete(schema.key(item["pk"]["S"], item["sk"]["S"]))
        raise StoreUnavailableError("what is to be erased keeps coming back")

    def read(self, brand: str, subscriber_id: str) -> Consent:
        """What we know of a subscriber; nothing, for somebody that we never heard of.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        return schema.consent(self._item(brand, subscriber_id, STATE))

    def read_many(self, brand: str, subscriber_ids: Iterable[str], topic: str = "") -> dict[str, Consent]:
        """`read` for many: as few calls as DynamoDB allows, in parallel, what it leaves undone asked again.

        Args:
            brand: whose subscribers.
            subscriber_ids: which of them.
            topic: read only what decides on this one; empty reads all. To take apart what nobody asked for would be
                most of the work.

        Raises:
            StoreUnavailableError: some could not be read; then none are answered.
        """
        wanted = list(dict.fromkeys(subscriber_ids))
        parts = batches(wanted)
        found = dict.fromkeys(wanted, Consent())
        if len(parts) == 1:
            found.update(self._read_batch(brand, parts[0], topic))
        elif parts:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a click reads one person at most

            with ThreadPoolExecutor(min(len(parts), _BATCHES_AT_ONCE)) as pool:
                for part in pool.map(lambda batch: self._read_batch(brand, batch, topic), parts):
                    found.update(part)
        return found

    def ledger(self, brand: str, subscriber_id: str, *, limit: int = 1_000, start: str | None = None) -> LedgerPage:
        """A page of the subscriber's events; the whole ledger is read to know whether it is intact.

        Raises:
            StoreUnavailableError: the table can't be read.
            UnknownPageError: no page ends where `start` says.
        """
        held = self.read_record(brand, subscriber_id)
        if start and all(event.evidence_key != start for event in held.events):
            raise UnknownPageError
        page = [event for event in held.events if not start or event.evidence_key > start]
        shown = [(event, held.evidences.get(event.evidence_key, Evidence())) for event in page[:limit]]
        more = page[limit - 1].evidence_key if len(page) > limit else None
        return LedgerPage(shown, not self.faults(brand, held), more)

    def read_record(self, brand: str, subscriber_id: str) -> Record:
        """All that proves the subscriber's consent.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        found = self._partition(brand, subscriber_id)
        return schema.record(partition_key(brand, subscriber_id), found, _now_s())

    def verify(self, brand: str, subscriber_id: str) -> list[Fault]:
        """What is wrong with the subscriber's ledger; nothing, if it is intact.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        return self.faults(brand, self.read_record(brand, subscriber_id))

    def faults(self, brand: str, held: Record) -> list[Fault]:
        """What is wrong with a ledger that was read before."""
        return faults(self._ledger_key(brand), held)

    def history(self, brand: str, subscriber_id: str) -> list[Event]:
        """Every event of the subscriber, oldest first.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        held = self._partition(brand, subscriber_id)
        return [schema.event(item) for item in held if item["sk"]["S"].startswith("E#")]

    def contact(self, brand: str, subscriber_id: str) -> Contact | None:
        """The address, if it is still held.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        item = self._item(brand, subscriber_id, CONTACT)
        return schema.contact(item) if "address" in item else None

    def read_with_contact(
        self, brand: str, subscriber_id: str, *, due: str = CONTACT
    ) -> tuple[Consent, Contact | None]:
        """`read` and `contact` in one call; the contact says what is due to it by the item `due`.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        pk = partition_key(brand, subscriber_id)
        found = {
            item["sk"]["S"]: item for item in self.gateway.get_many(schema.key(pk, sk) for sk in {STATE, CONTACT, due})
        }
        held = found.get(CONTACT, {})
        said = held | found.get(due, {})
        contact = schema.contact(said) if "address" in said else None
        return schema.consent(found.get(STATE, {})), contact

    def spend(self, name: str, said: str, now: int, seconds: int) -> bool:
        """Take a name that may stand for one thing only; False if it stands for another already.

        Taking it again for the same thing succeeds: what failed half-way can be done again.

        Args:
            name: what is taken; kept as a key, so it names nobody.
            said: what it stands for.
            now: epoch ms.
            seconds: how long it is kept.

        Raises:
            StoreUnavailableError: the table can't be written; it may be taken or not.
        """
        item = {
            **schema.key(f"L#{name}", "SPENT"),
            "said": schema.string(said),
            "expires_at": schema.number(now // 1000 + seconds),
        }
        # Free, ours, or left over: TTL deletes late.
        condition = "attribute_not_exists(pk) OR said = :said OR expires_at <= :now"
        values = {":said": schema.string(said), ":now": schema.number(now // 1000)}
        return self.gateway.put(item, condition, values) is None

    # --- writing -----------------------------------------------------------------------------------------------

    def _record(self, wanted: Writing, held: tuple[Item, Item] | None = None) -> Recorded:
        """Write it, and count what became of it; `held` is what it was made of, if that must not have changed."""
        recorded = self._written(wanted, held)
        if self._noted:
            self._noted(wanted.event, recorded.outcome)
        return recorded

    def _written(self, wanted: Writing, held: tuple[Item, Item] | None) -> Recorded:
        attempt, until = new_event_id(), time.monotonic() + PATIENCE_S
        state, again = held or ((None, None) if wanted.is_small else self._held(wanted.event))
        for _ in attempts(until):
            plan = Plan(wanted.event)
            if state is not None:
                self._follow(wanted, state)
                plan = self._planned(wanted, state, again)
                if plan.outcome and (done := self._repeated(wanted, state)):
                    return done
            checked = again if held or wanted.opts_in_by_form else None
            made = self._operations(wanted, plan, attempt, state, checked)
            joining = [{"Update": wanted.burst}] if wanted.burst and not plan.outcome else []
            reasons = self.gateway.transact([*made.values(), *joining], until, optional=len(joining)) if made else None
            if reasons is None:
                outcome = Outcome(plan.outcome or Outcome.APPLIED)
                return Recorded(outcome, plan.known, Consent() if plan.outcome else plan.event.effect)
            failed = {name: old for at, name in enumerate(made) if (old := reasons.old(at)) is not None}
            if done := _ended(failed, plan, attempt, changed=held is not None):
                return done
            if joining and reasons.old(len(made)) is not None:
                wanted = wanted.suspected()
            state, again = failed.get("state", state), failed.get("again", again)
            if "form" in failed:
                if state is None:
                    state, again = self._held(wanted.event)
                if done := _repeated(wanted, state, failed["form"]):
                    return done
            wanted = wanted.without(failed.keys() & {"form", "address"})
        raise StoreUnavailableError("the item kept changing under us")

    def _planned(self, wanted: Writing, state: Item, again: Item | None) -> Plan:
        plan = writing.plan(wanted, state, again or {})
        ahead = writing.ahead(plan.known, wanted.event.arrived_at) if wanted.sees is not None else 0
        if ahead and self._ahead:
            self._ahead(wanted.event.brand, ahead)
        return plan

    def _operations(
        self, wanted: Writing, plan: Plan, attempt: str, state: Item | None, again: Item | None
    ) -> dict[str, dict[str, Operation]]:
        if plan.outcome:
            return writing.remembering(plan, state or {}, again)
        key = self._ledger_key(plan.event.brand)
        return writing.operations(wanted, plan, key, attempt, self._correlation_id(), state, again)

    def _held(self, event: Event) -> tuple[Item, Item]:
        """The items `STATE` and `AGAIN`; empty where there is none."""
        keys = [schema.key(event.partition_key, sk) for sk in (STATE, AGAIN)]
        found = {item["sk"]["S"]: item for item in self.gateway.get_many(keys)}
        return found.get(STATE, {}), found.get(AGAIN, {})

    def _repeated(self, wanted: Writing, state: Item) -> Recorded | None:
        if not wanted.form:
            return None
        form = self.gateway.get(schema.key(wanted.event.partition_key, FORM + wanted.form))
        return _repeated(wanted, state, form) if form else None

    def _follow(self, wanted: Writing, state: Item) -> None:
        """Record what ends mail also under the id under which the person goes on, first: nothing is lost in between."""
        event, new_id = wanted.event, schema.text(state, "moved_to")
        if wanted.follows and new_id and new_id not in wanted.trail and len(wanted.trail) < _MOST_MOVES:
            copy = _moved(event, new_id)._replace(effect=writing.following(event.effect))
            self._record(Writing(copy, sees=wanted.sees, trail=(*wanted.trail, event.subscriber_id)))

    # --- reading -----------------------------------------------------------------------------------------------

    def _item(self, brand: str, subscriber_id: str, sk: str) -> dict[str, Any]:
        return self.gateway.get(schema.key(partition_key(brand, subscriber_id), sk))

    def _read_batch(self, brand: str, subscriber_ids: list[str], topic: str) -> dict[str, Consent]:
        keys = (schema.key(partition_key(brand, each), STATE) for each in subscriber_ids)
        found = self.gateway.get_many(keys, ("pk", *rules.deciding(topic)) if topic else ())
        return {item["pk"]["S"].rpartition("#")[2]: schema.consent(item) for item in found}

    def _partition(self, brand: str, subscriber_id: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": schema.string(partition_key(brand, subscriber_id))},
            "ConsistentRead": True,
        }
        return self.gateway.query(**request)


def _now_s() -> int:
    return time.time_ns() // 1_000_000_000


def _moved(event: Event, new_id: str) -> Event:
    """The same event, under the id under which the person goes on."""
    return event._replace(
        subscriber_id=new_id,
        event_id=event_id_of("moved", event.event_id, new_id),
        source=f"{event.source} from {event.subscriber_id}".lstrip(),
    )


def _ended(failed: Mapping[str, Item], plan: Plan, attempt: str, *, changed: bool) -> Recorded | None:
    """What became of an event whose transaction was cancelled, if there is nothing more to try.

    Raises:
        _ChangedError: what it was made of has changed, if that matters.
    """
    if changed and failed.keys() & {"state", "again"}:
        raise _ChangedError
    if "event" in failed:
        # Ours if it says so: then the answer of our own first try was lost on the way.
        ours = schema.text(failed["event"], "attempt") == attempt
        known = schema.consent(failed.get("state", {}))
        return Recorded(Outcome.APPLIED if ours else Outcome.DUPLICATE, known, plan.event.effect if ours else Consent())
    if any(name == "mail" or name.startswith("budget") for name in failed):
        return Recorded(Outcome.THROTTLED, Consent())
    return None


def _repeated(wanted: Writing, state: Item, form: Item) -> Recorded | None:
    """What the same form did before; None if it is to be done again, as that no longer stands."""
    taken = schema.taken(form)
    if wanted.is_act and not writing.stands(state, taken):
        return None
    return Recorded(Outcome.REPEATED, schema.consent(state), Consent(), taken)


def _settled(event: Event, address: Address) -> dict[str, Operation]:
    """What becomes of the address that we may hold."""
    update: dict[str, Any] = {
        "Key": schema.key(event.partition_key, CONTACT),
        # What keeps it also keeps it when a later request, which anybody may make, would set it an end.
        "UpdateExpression": "SET kept_until = :ever REMOVE expires_at",
        "ExpressionAttributeValues": {":ever": schema.number(schema.EVER_S)},
    }
    if address is Address.FORGET:
        # The instant of the last request stays for its cooldown; the address doesn't, unless a later request needs it.
        update["UpdateExpression"] = "SET expires_at = :soon REMOVE address, kept_until"
        update["ConditionExpression"] = "NOT held_for > :about"
        update["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        update["ExpressionAttributeValues"] = {
            ":soon": schema.number(event.arrived_at // 1000 + DAY_S),
            ":about": schema.number(max(event.effect.registers.values(), default=event.occurred_at)),
        }
    return {"Update": update}


def _identifies(item: Item, until: int | None) -> bool:
    """Whether an item is about who the person is, and not from after an instant, epoch ms, if there is one."""
    sk = item["sk"]["S"]
    if sk.startswith("V#"):
        return until is None or int(sk.split("#")[1]) <= until
    return sk in schema.IDENTIFYING and (until is None or schema.integer(item, "held_for") <= until)
