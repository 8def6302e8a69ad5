"""What others report: the API's events, webhooks and imports, turned into consent.

A `Report` is what a platform or a mail provider says happened. It never lifts a recipient's opt-out: the only
opt-in that it can make is a claim. The same report, however often and under whatever ids it comes, is recorded once:
registers grow to an instant only once, and a ledger event is named by what it says.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry import addresses
from consentry import consent as rules
from consentry.consent import EVERY_TOPIC, Consent
from consentry.instants import SECOND_MS
from consentry.ledger import Actor, Channel, Event, Kind, event_id_of, new_event_id
from consentry.spool import Spooled
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consentry.brands import Brand
    from consentry.spool import Recorder
    from consentry.table.store import Store

_FEW: Final = 8
"""So many people are done one after the other: threads would cost more than they save."""
_AT_ONCE: Final = 10
"""The table's client has as many connections."""
_OUT: Final = rules.opt_out("")


class ReportKind(StrEnum):
    """What can be reported."""

    UNSUBSCRIBED = "unsubscribed"
    CLAIMED = "claimed"
    COMPLAINED = "complained"
    BOUNCED = "bounced"


class Report(NamedTuple):
    """One thing that somebody else says happened to one person."""

    kind: ReportKind
    occurred_at: int
    """Epoch ms; later than now, by a second or more, counts as now."""
    email: str = ""
    subscriber_id: str = ""
    """Instead of `email`."""
    topics: tuple[str, ...] = ()
    """None: an opt-out is from every topic; a claim must name some."""
    reference: str = ""
    """One that may hold an address is left out, and the rest counts."""
    event_id: str = ""
    """The reporter's own, echoed in the result; what counts is what the report says."""


class Result(StrEnum):
    """What became of a report."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    SPOOLED = "spooled"
    INVALID = "invalid"


class Receipt(NamedTuple):
    """The result of one report."""

    result: Result
    error: str = ""
    """Why it is invalid; repeats no address."""


class InvalidReportError(ValueError):
    """The report can't be understood; says why, without repeating an address."""


class Intake:
    """Applies reports."""

    def __init__(self, store: Store, pepper: Callable[[str], bytes], recorder: Recorder) -> None:
        """`pepper` answers a brand's pepper; `recorder` keeps reports while the table is away."""
        self._store = store
        self._recorder = recorder
        self._pepper = pepper

    def take(
        self, brand: Brand, report: Report, channel: Channel, now: int, source: str = "", *, away: bool = False
    ) -> Receipt:
        """Apply one report.

        Args:
            brand: whose subscriber it is about.
            report: what is said.
            channel: `API`, `WEBHOOK`, `IMPORT` or `FEEDBACK`.
            now: epoch ms of its arrival.
            source: who says it, such as the provider of a webhook.
            away: the table was just found to be away, by another report of the same call: nobody waits for it again.

        Raises:
            StoreUnavailableError: nothing is lost by reporting it again.
        """
        try:
            event = self.event(brand, report, channel, now, source)
        except InvalidReportError as exc:
            return Receipt(Result.INVALID, str(exc))
        if away:
            self._recorder.keep(Spooled(event))
            return Receipt(Result.SPOOLED)
        outcome = self._recorder.record(event).outcome
        return Receipt(Result(outcome.value) if outcome is not Outcome.THROTTLED else Result.DUPLICATE)

    def take_all(
        self, brand: Brand, reports: Sequence[Report], channel: Channel, now: int, source: str = ""
    ) -> list[Receipt]:
        """Apply many reports: those of one person in their order, different persons side by side.

        A report that is repeated within the batch is written once. The receipts are in the order of the reports.

        Raises:
            StoreUnavailableError: some may be applied, none is lost by reporting all of them again.
        """
        people: dict[str, list[int]] = {}
        away: list[bool] = []
        for at, report in enumerate(reports):
            people.setdefault(report.email or report.subscriber_id, []).append(at)

        def take_one(places: list[int]) -> list[tuple[int, Receipt]]:
            taken: dict[Report, Receipt] = {}
            receipts = []
            for at in places:
                said = reports[at]._replace(event_id="")
                if said in taken:
                    receipts.append((at, _repeated(taken[said])))
                else:
                    taken[said] = self.take(brand, said, channel, now, source, away=bool(away))
                    if taken[said].result is Result.SPOOLED:
                        away.append(True)
                    receipts.append((at, taken[said]))
            return receipts

        if len(people) <= _FEW:
            done = [take_one(places) for places in people.values()]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                futures = [pool.submit(take_one, places) for places in people.values()]
                try:
                    done = [future.result() for future in futures]
                finally:
                    pool.shutdown(cancel_futures=True)  # when one has failed, all of them will come again
        receipts = dict(each for part in done for each in part)
        return [receipts[at] for at in range(len(reports))]

    def move(self, brand: Brand, old: str, new: str, channel: Channel, now: int, source: str = "") -> Receipt:
        """Carry a person's opt-outs and complaint from their old address to the new one.

        They keep their instants, so an opt-in of the new address that is later than them stays in force. What the old
        address agreed to doesn't follow: whoever reads the new mailbox hasn't agreed to anything yet. `DUPLICATE`: the
        new address has all of it, or there was nothing to carry.

        Raises:
            StoreUnavailableError: nothing is lost by doing it again.
        """
        try:
            was, is_now = self._subscriber_id(brand, old), self._subscriber_id(brand, new)
        except InvalidReportError as exc:
            return Receipt(Result.INVALID, str(exc))
        registers = self._store.read(brand.id, was).registers
        # What the person said follows them. A bounce is the old mailbox's own, and often why there is a new one.
        carried = {name: at for name, at in registers.items() if name.startswith(_OUT) or name == rules.COMPLAINT}
        if not carried or was == is_now:
            return Receipt(Result.DUPLICATE)
        topics = tuple(sorted(name.removeprefix(_OUT) for name in carried if name.startswith(_OUT)))
        event = Event(
            event_id=event_id_of(brand.id, is_now, "moved", sorted(carried.items())),
            kind=Kind.UNSUBSCRIBED if topics else Kind.COMPLAINED,
            brand=brand.id,
            subscriber_id=is_now,
            occurred_at=max(carried.values()),
            arrived_at=now,
            actor=Actor.PLATFORM,
            channel=channel,
            effect=Consent(carried),
            topics=topics,
            source=source,
        )
        return Receipt(Result(self._store.record(event).outcome.value))

    def forget(self, brand: Brand, email: str, channel: Channel, now: int) -> Receipt:
        """`erase`, for somebody whose address was told.

        Raises:
            StoreUnavailableError: do it again.
        """
        try:
            subscriber_id = self._subscriber_id(brand, email)
        except InvalidReportError as exc:
            return Receipt(Result.INVALID, str(exc))
        self.erase(brand, subscriber_id, channel, now)
        return Receipt(Result.APPLIED)

    def erase(self, brand: Brand, subscriber_id: str, channel: Channel, now: int) -> None:
        """Forget a person: address and evidence go; from now on no topic may be mailed, until they ask anew.

        Raises:
            StoreUnavailableError: do it again.
        """
        event = Event(
            event_id=new_event_id(),
            kind=Kind.ERASED,
            brand=brand.id,
            subscriber_id=subscriber_id,
            occurred_at=now,
            arrived_at=now,
            actor=Actor.PLATFORM,
            channel=channel,
            effect=Consent({rules.opt_out(EVERY_TOPIC): now}),
            topics=(EVERY_TOPIC,),
        )
        self._store.erase(event)

    def event(self, brand: Brand, report: Report, channel: Channel, now: int, source: str = "") -> Event:
        """The ledger event that a report makes.

        Raises:
            InvalidReportError: it says nothing that can be recorded.
        """
        subscriber_id = self._subscriber_id(brand, report.email, report.subscriber_id)
        # One that is told in seconds may not be over yet. Told again a moment later, it is the same event all the same.
        occurred_at = report.occurred_at if report.occurred_at < now + SECOND_MS else now
        if occurred_at <= 0:
            raise InvalidReportError("occurred_at: before 1970")
        topics = tuple(dict.fromkeys(report.topics))
        effect, topics = _effect(brand, report.kind, topics, occurred_at)
        about_mail = report.kind in {ReportKind.COMPLAINED, ReportKind.BOUNCED}
        provider = channel is Channel.FEEDBACK or (channel is Channel.WEBHOOK and about_mail)
        return Event(
            event_id=event_id_of(brand.id, subscriber_id, report.kind, topics, occurred_at),
            kind=Kind(report.kind.value),
            brand=brand.id,
            subscriber_id=subscriber_id,
            occurred_at=occurred_at,
            arrived_at=max(now, occurred_at),
            actor=Actor.PROVIDER if provider else Actor.PLATFORM,
            channel=channel,
            effect=effect,
            topics=topics,
            reference="" if addresses.may_stand_in(report.reference) else report.reference[:64],
            source=source,
        )

    def _subscriber_id(self, brand: Brand, email: str, subscriber_id: str = "") -> str:
        if bool(email) == bool(subscriber_id):
            raise InvalidReportError("give either email or subscriber_id")
        if subscriber_id:
            if not addresses.is_subscriber_id(subscriber_id):
                raise InvalidReportError("subscriber_id: 22 characters of base64url")
            return subscriber_id
        try:
            return addresses.subscriber_id(self._pepper(brand.id), addresses.parse(email))
        except addresses.MalformedAddressError as exc:
            raise InvalidReportError(f"email: {exc}") from None


def _effect(brand: Brand, kind: ReportKind, topics: tuple[str, ...], at: int) -> tuple[Consent, tuple[str, ...]]:
    if kind is ReportKind.COMPLAINED:
        return Consent({rules.COMPLAINT: at}), ()
    if kind is ReportKind.BOUNCED:
        return Consent({rules.BOUNCE: at}), ()
    if kind is ReportKind.UNSUBSCRIBED:
        # A topic that the brand no longer has can still be left.
        topics = topics or (EVERY_TOPIC,)
        return Consent({rules.opt_out(topic): at for topic in topics}), topics
    if not topics:
        raise InvalidReportError("topics: a claim names the topics that it is about")
    if unknown := [topic for topic in topics if topic not in brand.topics]:
        raise InvalidReportError(f"topics: not of {brand.id}: {len(unknown)} of {len(topics)}")
    return Consent({rules.claim(topic): at for topic in topics}), topics


def _repeated(first: Receipt) -> Receipt:
    """What becomes of a report that says once more what another in the same batch said."""
    return first if first.result is not Result.APPLIED else Receipt(Result.DUPLICATE)
