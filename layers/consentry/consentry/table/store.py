"""The store: consent in DynamoDB, each change one conditional transaction. `consentry.items` says what lies there.

A change is one `TransactWriteItems`: the state's registers grow and the event is put, or neither. Nothing is read
before. The condition says that every register in the change is greater than what is there; when it fails,
DynamoDB answers the old item in the same trip, and from it follows what was already known, what an opt-out has
beaten, and what is left to write.
"""

from __future__ import annotations

import time
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from consentry import consent as rules
from consentry.consent import DAY_MS, Consent
from consentry.ledger import (
    Event,
    Evidence,
    Fault,
    Holding,
    faults,
    hash_event,
    hash_evidence,
    new_event_id,
    partition_key,
)
from consentry.table import schema
from consentry.table.gateway import PATIENCE_S, StoreUnavailableError, attempts, batches
from consentry.table.schema import CONTACT, DAY_S, GOODBYE, STATE, Contact, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from consentry.table.gateway import Gateway, Operation

COOLDOWN_MS: Final = 10 * 60 * 1000
"""At most one confirmation mail to an address in this time."""
THREE_MAILS_MS: Final = DAY_MS
"""At most three confirmation mails to an address in this time."""
SUPPRESSED_COOLDOWN_MS: Final = DAY_MS
"""At most one to an address after a complaint or a permanent bounce, counted from it."""

_BATCHES_AT_ONCE: Final = 10
_ITEMS_A_PAGE: Final = 1_000
"""Of a scan. Without it a page is a mebibyte, and tens of them in memory once it is parsed."""


class Outcome(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """All of it was there before."""
    SUPERSEDED = "superseded"
    """Something later is there already, or an opt-out beats it."""
    THROTTLED = "throttled"
    """Mails to this address are too recent or too many; nothing was written."""
    SPOOLED = "spooled"
    """The table is away; it waits in a queue, and will be written."""


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


class Recording(TypedDict, total=False):
    """How an event is recorded: the arguments of `Store.record` beside the event, for who hands them on."""

    evidence: Evidence | None
    evidence_days: int
    address: Address | None
    crowd: dict[str, Any] | None


class LedgerPage(NamedTuple):
    """Some of a subscriber's events, oldest first, and whether the whole ledger adds up."""

    events: list[tuple[Event, Evidence]]
    intact: bool
    next: str | None
    """Where the next page starts; None on the last."""


class Swept(NamedTuple):
    """A page of a scan over everybody's ledger."""

    found: list[Event | Head]
    """In the order of the scan: a subscriber's events, and then how their ledger stands."""
    next: Mapping[str, Any] | None
    """The key after which the next page starts; None on the last."""


class Store:
    """One DynamoDB table."""

    def __init__(
        self,
        gateway: Gateway,
        ledger_key: Callable[[str], bytes],
        noted: Callable[[Event, Outcome], None] | None = None,
        correlation_id: Callable[[], str] = str,
    ) -> None:
        """`ledger_key` answers a brand's key.

        `noted` is told of every act, and what became of it; `correlation_id` names the request that is worked on.
        """
        self.gateway = gateway
        self._ledger_key = ledger_key
        self._noted = noted
        self._correlation_id = correlation_id

    def record(
        self,
        event: Event,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        address: Address | None = None,
        crowd: dict[str, Any] | None = None,
    ) -> Recorded:
        """Apply an event's effect and put it in the ledger, in one write.

        Args:
            event: what happened.
            evidence: kept for `evidence_days`, apart from the event.
            evidence_days: 0 keeps none.
            address: what to do, in the same write, with the address that we may hold; None leaves it.
            crowd: what `Limits.crowd` answered. A crowd that is full marks the event as `suspected_automation`, and
                never keeps it out.

        Raises:
            StoreUnavailableError: try again later; nothing is lost by doing so.
        """
        extra = [self._settle(event, address)] if address else []
        return self._told(event, self._record(event, evidence, evidence_days, extra, crowd=crowd))

    def request(
        self,
        event: Event,
        contact: Contact,
        *,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        budgets: Sequence[Operation] = (),
    ) -> Recorded:
        """Record a subscribe request, and that a mail is due, in one write.

        Answers `THROTTLED`, having written nothing, while the last mail to this address is younger than
        `COOLDOWN_MS`, the last but two younger than `THREE_MAILS_MS`, or a complaint or bounce younger than
        `SUPPRESSED_COOLDOWN_MS`; and when any of `budgets`, what `Limits.mail_to` answered, is spent.

        Raises:
            StoreUnavailableError: see `record`.
        """
        mail = schema.contact_update(event, contact, self._correlation_id())
        # The mail before this one has cooled down (or there was none), and so has the third before it.
        mail["ConditionExpression"] = (
            "(attribute_not_exists(asked_at) OR asked_at <= :cooled)"
            " AND (attribute_not_exists(asked_3) OR asked_3 <= :a_day_ago)"
        )
        mail["ExpressionAttributeValues"] |= {
            ":cooled": schema.number(event.arrived_at - COOLDOWN_MS),
            ":a_day_ago": schema.number(event.arrived_at - THREE_MAILS_MS),
        }
        extra = [{"Update": each} for each in (mail, *budgets)]
        return self._told(event, self._record(event, evidence, evidence_days, extra, cooling=True))

    def erase(self, event: Event) -> None:
        """Remove address and evidence of a subscriber, and record that it was done.

        What stays is what keeps opt-outs in force and the ledger whole: registers and events under an id from which
        no address can be found. Doing it again does no harm. Somebody that we never heard of leaves no trace.

        Raises:
            StoreUnavailableError: perhaps not all is gone yet; do it again.
        """
        held = list(self._partition(event.brand, event.subscriber_id))
        for item in held:
            if item["sk"]["S"] in {CONTACT, GOODBYE} or item["sk"]["S"].startswith("V#"):
                key = {name: item[name] for name in ("pk", "sk")}
                self.gateway.delete(key)
        if held:
            self.record(event)

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
        """A page of the subscriber's events; the whole ledger is read to tell whether it is intact.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        held = self.holding(brand, subscriber_id)
        page = [event for event in held.events if not start or event.evidence_key > start]
        shown = [(event, held.evidences.get(event.evidence_key, Evidence())) for event in page[:limit]]
        more = page[limit - 1].evidence_key if len(page) > limit else None
        return LedgerPage(shown, not self.faults(brand, held), more)

    def holding(self, brand: str, subscriber_id: str) -> Holding:
        """All that proves the subscriber's consent.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        found = self._partition(brand, subscriber_id)
        return schema.holding(partition_key(brand, subscriber_id), found, _now_s())

    def verify(self, brand: str, subscriber_id: str) -> list[Fault]:
        """What is wrong with the subscriber's ledger; nothing, if it is intact.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        return self.faults(brand, self.holding(brand, subscriber_id))

    def faults(self, brand: str, held: Holding) -> list[Fault]:
        """What is wrong with a ledger that was read before."""
        return faults(self._ledger_key(brand), held)

    def everyone(self, brand: str, *, segment: int = 0, segments: int = 1) -> Iterator[Holding]:
        """What is held on each subscriber of the brand, in no order, one at a time in memory.

        The answers are eventually consistent. A subscriber that DynamoDB keeps in several places comes in several
        parts, and one that is written to meanwhile may come half old, half new: ask `verify` before anything is
        held against one.

        Args:
            brand: whose subscribers.
            segment: which part of the table, from 0.
            segments: how many parts there are.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        scanned = self._scan(brand, segment, segments)
        for pk, part in groupby(scanned, key=lambda item: str(item["pk"]["S"])):
            yield schema.holding(pk, part, _now_s())

    def consents(self, brand: str, *, segment: int = 0, segments: int = 1) -> Iterator[tuple[str, Consent]]:
        """`subscriber_id` and consent of everybody who has one, as `everyone` does.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        for item in self._scan(brand, segment, segments, only=STATE):
            yield item["pk"]["S"].rpartition("#")[2], schema.consent(item)

    def sweep(self, since: int, until: int, *, segment: int, segments: int, start: Mapping[str, Any] | None) -> Swept:
        """A page of the events that arrived from `since` and before `until`, of all brands, and of everybody's head.

        Addresses and evidence don't leave the table. The answers are eventually consistent.

        Args:
            since: epoch ms.
            until: epoch ms.
            segment: which part of the table, from 0.
            segments: how many parts there are.
            start: the key after which to go on; None at the beginning.

        Raises:
            StoreUnavailableError: the table can't be read.
        """
        request: dict[str, Any] = {
            "Segment": segment,
            "TotalSegments": segments,
            "Limit": _ITEMS_A_PAGE,
            "FilterExpression": "begins_with(pk, :person) AND (sk = :state"
            " OR (begins_with(sk, :event) AND arrived_at >= :since AND arrived_at < :until))",
            "ExpressionAttributeValues": {
                ":person": schema.string("S#"),
                ":state": schema.string(STATE),
                ":event": schema.string("E#"),
                ":since": schema.number(since),
                ":until": schema.number(until),
            },
        }
        if start is not None:
            request["ExclusiveStartKey"] = start
        scanned, following = self.gateway.page("scan", **request)
        found: list[Event | Head] = []
        for item in scanned:
            try:
                found.append(schema.head(item) if item["sk"]["S"] == STATE else schema.event(item))
            except (KeyError, ValueError, TypeError):
                continue  # something else wrote it, and that is for `faults` to tell
        return Swept(found, following)

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
        contact = schema.contact(held | found.get(due, {})) if "address" in held else None
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

    def _told(self, event: Event, recorded: Recorded) -> Recorded:
        if self._noted:
            self._noted(event, recorded.outcome)
        return recorded

    # --- writing -----------------------------------------------------------------------------------------------

    def _record(
        self,
        event: Event,
        evidence: Evidence | None,
        evidence_days: int,
        extra: list[dict[str, Any]],
        *,
        cooling: bool = False,
        crowd: dict[str, Any] | None = None,
    ) -> Recorded:
        attempt = new_event_id()
        key = self._ledger_key(event.brand)
        keeps = evidence is not None and any(evidence) and evidence_days > 0
        if keeps and evidence is not None:
            event = event._replace(evidence_hash=hash_evidence(key, event.event_id, evidence))
            extra = [*extra, self._put_evidence(event, evidence, evidence_days)]
        wanted = event.effect
        current = Consent()
        until = time.monotonic() + PATIENCE_S
        for _ in attempts(until):
            operations = [
                self._grow(event, hash_event(key, event), cooling=cooling),
                self._put_event(event, attempt),
                *extra,
            ]
            joining = [{"Update": crowd}] if crowd else []
            reasons = self.gateway.transact([*operations, *joining], until, optional=len(joining))
            if reasons is None:
                return Recorded(Outcome.APPLIED, current)
            if crowd and reasons.old(len(operations)) is not None:
                event, crowd = event._replace(suspected_automation=True), None
                if reasons.failed == 1:
                    continue
            state, written = reasons.old(0), reasons.old(1)
            if written is not None:
                # Ours if it says so: then the answer of our own first try was lost on the way.
                same = schema.text(written, "attempt") == attempt
                return Recorded(Outcome.APPLIED if same else Outcome.DUPLICATE, schema.consent(state or {}))
            if cooling and (state is None or _cooling(state, event)):
                return Recorded(Outcome.THROTTLED, Consent())
            if state is None:
                raise StoreUnavailableError("a transaction was cancelled for a reason that we don't know")
            current = schema.consent(state)
            left = rules.news(current, event.effect)
            if left == Consent({}, {}):
                known = _contains(current, wanted)
                return Recorded(Outcome.DUPLICATE if known else Outcome.SUPERSEDED, current)
            event = _narrowed(event, left)
        raise StoreUnavailableError("the item kept changing under us")

    def _grow(self, event: Event, share: int, *, cooling: bool) -> dict[str, Any]:
        """The state's update: every register and choice of the effect, each with its own condition."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {
            ":one": schema.number(1),
            ":share": schema.number(share),
            ":last": schema.last_event(event, self._correlation_id()),
        }
        sets, conditions = ["last_event = :last"], []
        for at, (register, instant) in enumerate(event.effect.registers.items()):
            names[f"#r{at}"] = register
            values[f":r{at}"] = schema.number(instant)
            sets.append(f"#r{at} = :r{at}")
            conditions.append(f"(attribute_not_exists(#r{at}) OR #r{at} < :r{at})")
            for rival_at, rival in enumerate(rules.rivals(register)):
                name = f"#r{at}o{rival_at}"
                names[name] = rival
                beaten = "" if rules.yields_to_any_opt_out(register) else f" OR {name} < :r{at}"
                conditions.append(f"(attribute_not_exists({name}){beaten})")
        for at, (choice_name, choice) in enumerate(event.effect.choices.items()):
            names[f"#c{at}"] = choice_name
            values[f":c{at}"] = schema.choice_value(choice)
            values[f":c{at}at"], values[f":c{at}by"] = schema.number(choice.at), schema.string(choice.by)
            sets.append(f"#c{at} = :c{at}")
            conditions.append(
                f"(attribute_not_exists(#c{at}) OR #c{at}[0] < :c{at}at"
                f" OR (#c{at}[0] = :c{at}at AND #c{at}[1] < :c{at}by))"
            )
        if cooling:
            values[":calm"] = schema.number(event.arrived_at - SUPPRESSED_COOLDOWN_MS)
            conditions += [
                f"(attribute_not_exists({name}) OR {name} <= :calm)" for name in (rules.COMPLAINT, rules.BOUNCE)
            ]
        update: dict[str, Any] = {
            "Key": schema.key(event.partition_key, STATE),
            "UpdateExpression": f"SET {', '.join(sets)} ADD ledger_count :one, ledger_digest :share",
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if conditions:  # an event that sets nothing has none
            update["ConditionExpression"] = " AND ".join(conditions)
        if names:
            update["ExpressionAttributeNames"] = names
        return {"Update": update}

    def _put_event(self, event: Event, attempt: str) -> dict[str, Any]:
        return {
            "Put": {
                "Item": {**schema.event_item(event), "attempt": schema.string(attempt)},
                # Append only: what was recorded is never written over.
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _put_evidence(self, event: Event, evidence: Evidence, days: int) -> dict[str, Any]:
        item = {
            **schema.key(event.partition_key, f"V#{event.evidence_key}"),
            "ip": schema.string(evidence.ip),
            "user_agent": schema.string(evidence.user_agent),
            "expires_at": schema.number(event.arrived_at // 1000 + days * DAY_S),
        }
        return {"Put": {"Item": item}}

    def _settle(self, event: Event, address: Address) -> dict[str, Any]:
        update: dict[str, Any] = {
            "Key": schema.key(event.partition_key, CONTACT),
            # What keeps it also keeps it when a later request, which anybody may make, would set it an end.
            "UpdateExpression": "SET kept_until = :ever REMOVE expires_at",
            "ExpressionAttributeValues": {":ever": schema.number(schema.EVER_S)},
        }
        if address is Address.FORGET:
            # The instant of the last request stays for its cooldown, the address doesn't.
            update["UpdateExpression"] = "SET expires_at = :soon REMOVE address, kept_until"
            update["ExpressionAttributeValues"] = {":soon": schema.number(event.arrived_at // 1000 + DAY_S)}
        return {"Update": update}

    # --- reading -----------------------------------------------------------------------------------------------

    def _item(self, brand: str, subscriber_id: str, sk: str) -> dict[str, Any]:
        return self.gateway.get(schema.key(partition_key(brand, subscriber_id), sk))

    def _read_batch(self, brand: str, subscriber_ids: list[str], topic: str) -> dict[str, Consent]:
        keys = (schema.key(partition_key(brand, each), STATE) for each in subscriber_ids)
        found = self.gateway.get_many(keys, ("pk", *rules.deciding(topic)) if topic else ())
        return {item["pk"]["S"].rpartition("#")[2]: schema.consent(item) for item in found}

    def _scan(self, brand: str, segment: int, segments: int, only: str = "") -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "Segment": segment,
            "TotalSegments": segments,
            "Limit": _ITEMS_A_PAGE,
            "FilterExpression": "begins_with(pk, :brand)",
            "ExpressionAttributeValues": {":brand": schema.string(partition_key(brand, ""))},
        }
        if only:
            request["FilterExpression"] += " AND sk = :only"
            request["ExpressionAttributeValues"][":only"] = schema.string(only)
        return self.gateway.scan(**request)

    def _partition(self, brand: str, subscriber_id: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": schema.string(partition_key(brand, subscriber_id))},
            "ConsistentRead": True,
        }
        return self.gateway.query(**request)


def _now_s() -> int:
    return time.time_ns() // 1_000_000_000


def _narrowed(event: Event, left: Consent) -> Event:
    """The event with what is left of its effect, and the topics which that concerns."""
    concerned = {name.partition(".")[2] for part in left for name in part}
    return event._replace(effect=left, topics=tuple(each for each in event.topics if each in concerned))


def _contains(current: Consent, change: Consent) -> bool:
    """Whether every register and choice of a change is there just as it says."""
    return all(current.registers.get(name) == at for name, at in change.registers.items()) and all(
        current.choices.get(name) == choice for name, choice in change.choices.items()
    )


def _cooling(state: Mapping[str, Any], event: Event) -> bool:
    newest = max(schema.integer(state, rules.COMPLAINT), schema.integer(state, rules.BOUNCE))
    return newest > event.arrived_at - SUPPRESSED_COOLDOWN_MS
