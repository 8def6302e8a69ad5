"""Store and limits, in memory: what their rules come to when nothing goes wrong and nobody else writes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Evidence
from consentry.table import schema, writing
from consentry.table.gateway import StoreUnavailableError
from consentry.table.outbox import Claim
from consentry.table.schema import CONTACT, Change, Contact
from consentry.table.sent_mails import SentMail
from consentry.table.store import Address, LedgerPage, Outcome, Recorded
from consentry.table.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consentry.rules.ledger import Event
    from consentry.table.outbox import MailDue


class MemoryStore:
    """Keeps events and addresses of one brand's subscribers; `unavailable` makes it unavailable."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.states: dict[str, dict[str, Any]] = {}
        self.again: dict[str, dict[str, Any]] = {}
        self.forms: dict[str, dict[str, Any]] = {}
        self.contacts: dict[str, Contact] = {}
        self.returns: dict[str, Contact] = {}
        self.goodbyes: dict[str, tuple[tuple[str, ...], int]] = {}
        self.evidence: dict[str, tuple[Evidence | None, int]] = {}
        self.settled: list[Address | None] = []
        self.spent: dict[str, str] = {}
        self.unavailable = False
        self.throttled = False

    def record(self, event: Event, **how: Any) -> Recorded:
        self.settled.append(how.pop("address", None))
        how.pop("burst", None)
        return self._write(Writing(event, **how))

    def _write(self, wanted: Writing) -> Recorded:
        self.reach()
        event = wanted.event
        state, again = self.states.get(event.subscriber_id, {}), self.again.get(event.subscriber_id, {})
        plan = writing.plan(wanted, state, again)
        if wanted.form and (form := self.forms.get(wanted.form)):
            taken = schema.taken(form)
            if not wanted.is_act or writing.stands(state, taken):
                return Recorded(Outcome.REPEATED, plan.known, Consent(), taken)
            wanted = wanted._replace(form="")
        if plan.again.registers:
            self.again[event.subscriber_id] = again | schema.attributes(plan.again, {})
        if plan.outcome:
            return Recorded(Outcome(plan.outcome), plan.known)
        made = writing.operations(wanted, plan, b"key", "attempt", "", state, None)
        self.states[event.subscriber_id] = made["state"]["Put"]["Item"]
        self.events[event.subscriber_id].append(plan.event)
        self.evidence[event.event_id] = (wanted.evidence, wanted.evidence_days)
        if wanted.form:
            self.forms[wanted.form] = made["form"]["Put"]["Item"]
        return Recorded(Outcome.APPLIED, plan.known, plan.event.effect)

    def request(
        self,
        event: Event,
        contact: Contact,
        *,
        to: str = CONTACT,
        evidence: Evidence | None = None,
        evidence_days: int = 0,
        budgets: Any = (),
    ) -> Recorded:
        if self.throttled:
            return Recorded(Outcome.THROTTLED, Consent())
        (self.contacts if to == CONTACT else self.returns)[event.subscriber_id] = contact
        return self._write(Writing(event, evidence, evidence_days, asking=True))

    def undo(self, event: Event, topics: Any, at: int, **how: Any) -> Recorded:
        history = [each.effect for each in self.history(event.brand, event.subscriber_id)]
        known = self.read(event.brand, event.subscriber_id)
        again = schema.again(self.again.get(event.subscriber_id, {}))
        return self._write(Writing(event._replace(effect=rules.undo(known, history, again, topics, at)), **how))

    def move(self, event: Event, new_id: str) -> Recorded:
        return self._write(Writing(event, moved_to=new_id))

    def read(self, brand: str, subscriber_id: str) -> Consent:
        self.reach()
        return schema.consent(self.states.get(subscriber_id, {}))

    def read_many(self, brand: str, subscriber_ids: Iterable[str], topic: str = "") -> dict[str, Consent]:
        return {each: self.read(brand, each) for each in subscriber_ids}

    def ledger(self, brand: str, subscriber_id: str, *, limit: int = 1_000, start: str | None = None) -> LedgerPage:
        events = [event for event in self.history(brand, subscriber_id) if event.evidence_key > (start or "")]
        shown = [(event, self.evidence[event.event_id][0] or Evidence()) for event in events[:limit]]
        return LedgerPage(shown, True, events[limit - 1].evidence_key if events[limit:] else None)

    def erase(self, event: Event) -> None:
        self._write(Writing(event, erasing=True))
        self.contacts.pop(event.subscriber_id, None)

    def spend(self, name: str, said: str, now: int, seconds: int) -> bool:
        self.reach()
        return self.spent.setdefault(name, said) == said

    def history(self, brand: str, subscriber_id: str) -> list[Event]:
        self.reach()
        return sorted(self.events[subscriber_id], key=lambda event: event.sort_key)

    def contact(self, brand: str, subscriber_id: str) -> Contact | None:
        self.reach()
        return self.contacts.get(subscriber_id)

    def read_with_contact(
        self, brand: str, subscriber_id: str, *, due: str = schema.CONTACT
    ) -> tuple[Consent, Contact | None]:
        found = self.contact(brand, subscriber_id)
        if due == schema.RETURN:
            found = self.returns.get(subscriber_id)
        if found and due == schema.GOODBYE and subscriber_id in self.goodbyes:
            topics, at = self.goodbyes[subscriber_id]
            found = found._replace(topics=topics, asked_at=at)
        return self.read(brand, subscriber_id), found

    def reach(self) -> None:
        if self.unavailable:
            raise StoreUnavailableError("unavailable")


class MemoryOutbox:
    """Who holds which email, and which went out; away with the store."""

    def __init__(self, store: MemoryStore) -> None:
        self.claims: dict[tuple[str, int], str] = {}
        self.gone_out: set[tuple[str, int]] = set()
        self.letters: list[SentMail] = []
        self._store = store

    def request_link(self, *_: object) -> None:
        self._store.reach()

    def say_goodbye(self, change: Change, topics: Iterable[str]) -> None:
        self._store.reach()
        self._store.goodbyes[change.subscriber_id] = (tuple(topics), change.event["occurred_at"])

    def claim(self, due: MailDue, claimant: str, now: int) -> Claim:
        self._store.reach()
        if due[1:3] in self.gone_out:
            return Claim.NOT_NEEDED
        holder = self.claims.setdefault(due[1:3], claimant)
        return Claim.TAKEN if holder == claimant else Claim.HELD

    def release(self, due: MailDue, claimant: str) -> None:
        self._store.reach()
        assert self.claims.pop(due[1:3]) == claimant

    def sent(self, due: MailDue, claimant: str, mail: SentMail, *, forget: int | None = None) -> None:
        self._store.reach()
        self.letters.append(mail)
        if forget is not None:
            del self._store.contacts[due.subscriber_id]
        assert self.claims[due[1:3]] == claimant
        self.gone_out.add(due[1:3])


class MemoryLimits:
    """Lets everybody in, until told otherwise; notes who joins a burst."""

    def __init__(self) -> None:
        self.admitting = True
        self.opting_in = True
        self.bursts: list[tuple[str, int]] = []

    def admits(self, brand: Any, ip: str, now: int) -> bool:
        return self.admitting

    def admits_visitor(self, brand: Any, ip: str, now: int) -> bool:
        return self.admitting

    def mail_to(self, brand: Any, address: Any, now: int, *, anonymous: bool = True) -> list[Any]:
        return []

    def domain_budget(self, address: Any, now: int) -> str:
        return ""

    def confirmed(self, brand: str, subscriber_id: str, asked_at: int) -> None:
        """Nothing was counted."""

    def opt_ins(self, brand: Any, subscriber_id: str, now: int) -> bool:
        return self.opting_in

    def take(self, operations: Any) -> None:
        """Nothing is counted."""

    def burst(self, brand: str, subscriber_id: str, ip: str, most: int, now: int) -> dict[str, Any]:
        self.bursts.append((ip, most))
        return {"most": most}

    def has_room(self, burst: Any) -> bool:
        return True


class MemoryBreaker:
    """Holds emails back as long as it is told to, in ms."""

    def __init__(self) -> None:
        self.held = 0
        self.complaints: list[str] = []
        self.refusals: list[str] = []

    def holds(self, brand: Any, now: int) -> int:
        return self.held

    def complained(self, brand: str, now: int) -> None:
        self.complaints.append(brand)

    def refused(self, brand: str, now: int) -> None:
        self.refusals.append(brand)


def contact_image(event: Event, contact: Contact) -> dict[str, Any]:
    """The contact item, as the first request makes it."""
    update = schema.request_update(event, contact, CONTACT)
    values = update["ExpressionAttributeValues"]
    return {**update["Key"], **{name: values[f":{name}"] for name in update["ExpressionAttributeNames"].values()}}
