"""What others report: the API's events, webhooks and imports, turned into consent.

A `Report` is what a platform or a mail provider says happened. It never lifts a recipient's opt-out: the only
opt-in that it can make is a claim. The same report, however often and under whatever ids it comes, is recorded once:
registers grow to an instant only once, and a ledger event is named by what it says.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.actions.spool import Spooled
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.consent import EVERY_TOPIC, Choice, Consent
from consentry.rules.instants import SECOND_MS
from consentry.rules.ledger import Actor, Channel, Event, Kind, event_id_of, new_event_id
from consentry.table import writing
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consentry.actions.spool import Recorder
    from consentry.rules.brands import Brand
    from consentry.table.store import Store

_FEW: Final = 8
"""So many people are done one after the other: threads would cost more than they save."""
_AT_ONCE: Final = 10
"""The table's client has as many connections."""
_OUT: Final = rules.opt_out("")
_UNHEARD: Final = frozenset({Channel.WEBHOOK, Channel.FEEDBACK})
"""Ways on which nobody reads what became of a report."""


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
    """Epoch ms; later than now, by a second or more, counts as now. 0: nobody says when, so that its arrival counts."""
    email: str = ""
    subscriber_id: str = ""
    """Instead of `email`."""
    topics: tuple[str, ...] = ()
    """None: an opt-out is from every topic; a claim must name some."""
    reference: str = ""
    """One that may hold an address is left out, and the rest counts."""
    event_id: str = ""
    """The reporter's own. It distinguishes complaints and bounces of which nobody says when; else what a report says
    does."""
    expires_at: int = 0
    """Of a claim, when it ends, epoch ms; 0: it says of no end."""


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
    note: str = ""
    """What was passed over or made up for it, although it counts; repeats no address."""
    nobody: bool = False
    """It is invalid because it names nobody: whoever it is about goes on getting email."""


class InvalidReportError(ValueError):
    """The report can't be understood; says why, without repeating an address."""


class NobodyError(InvalidReportError):
    """The report names nobody that can be found."""


class Understood(NamedTuple):
    """What a report makes."""

    event: Event
    note: str
    """What was passed over or made up for it; empty where nothing was."""


class Reports:
    """Applies reports."""

    def __init__(self, store: Store, pepper: Callable[[str], bytes], recorder: Recorder) -> None:
        """`pepper` answers a brand's pepper; `recorder` keeps reports while the table is unavailable."""
        self._store = store
        self._recorder = recorder
        self._pepper = pepper

    def take(
        self, brand: Brand, report: Report, channel: Channel, now: int, source: str = "", *, unavailable: bool = False
    ) -> Receipt:
        """Apply one report.

        Args:
            brand: whose subscriber it is about.
            report: what is said.
            channel: `API`, `WEBHOOK`, `IMPORT` or `FEEDBACK`.
            now: epoch ms of its arrival.
            source: who says it, such as the provider of a webhook.
            unavailable: another report of the same call just found the table unavailable: nobody waits for it again.

        Raises:
            StoreUnavailableError: nothing is lost by reporting it again.
        """
        try:
            event, note = self.event(brand, report, channel, now, source, unavailable=unavailable)
        except InvalidReportError as exc:
            return Receipt(Result.INVALID, str(exc), nobody=isinstance(exc, NobodyError))
        if unavailable:
            self._recorder.keep(Spooled(event))
            return Receipt(Result.SPOOLED, note=note)
        # Who doesn't say when says it now, and perhaps again: that is no later opt-out.
        sees = tuple(brand.topics) if report.occurred_at <= 0 else None
        outcome = self._recorder.record(event, sees=sees).outcome
        return Receipt(Result(outcome.value) if outcome is not Outcome.THROTTLED else Result.DUPLICATE, note=note)

    def take_all(
        self, brand: Brand, reports: Sequence[Report], channel: Channel, now: int, source: str = ""
    ) -> list[Receipt]:
        """Apply many reports: those of one person in their order, different persons side by side.

        A report that is repeated within the batch is written once. The receipts are in the order of the reports.

        Raises:
            StoreUnavailableError: some may be applied, none is lost by reporting all of them again.
        """
        people: dict[str, list[int]] = {}
        unavailable: list[bool] = []
        for at, report in enumerate(reports):
            people.setdefault(report.email or report.subscriber_id, []).append(at)

        def take_one(places: list[int]) -> list[tuple[int, Receipt]]:
            taken: dict[Report, Receipt] = {}
            receipts = []
            for at in places:
                said = reports[at]._replace(event_id="") if reports[at].occurred_at else reports[at]
                if said in taken:
                    receipts.append((at, _repeated(taken[said])))
                else:
                    taken[said] = self.take(brand, said, channel, now, source, unavailable=bool(unavailable))
                    if taken[said].result is Result.SPOOLED:
                        unavailable.append(True)
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
        """Have a person's opt-outs and complaint follow them to a new address: those of before, and those to come.

        They keep their instants, so an opt-in of the new address that is later than them stays in force. What the old
        address agreed to doesn't follow: whoever reads the new mailbox hasn't agreed to anything yet. A bounce is the
        old mailbox's own. `DUPLICATE`: it was said before, and there was nothing more to carry.

        Raises:
            StoreUnavailableError: nothing is lost by doing it again.
        """
        try:
            was, is_now = self._subscriber_id(brand, old), self._subscriber_id(brand, new)
        except InvalidReportError as exc:
            return Receipt(Result.INVALID, str(exc))
        if was == is_now:
            return Receipt(Result.DUPLICATE)
        moved = Event(
            event_id=event_id_of(brand.id, was, "moved", is_now, now),
            kind=Kind.MOVED,
            brand=brand.id,
            subscriber_id=was,
            occurred_at=now,
            arrived_at=now,
            actor=Actor.PLATFORM,
            channel=channel,
            effect=Consent(),
            source=f"{source} to {is_now}".lstrip(),
        )
        # Marked first: what comes from now on follows by itself, and what came before is read afterwards.
        outcome = self._store.move(moved, is_now).outcome
        carried = writing.following(self._store.read(brand.id, was)).registers
        if not carried:
            return Receipt(Result(outcome.value))
        topics = tuple(sorted(name.removeprefix(_OUT) for name in carried if name.startswith(_OUT)))
        event = moved._replace(
            event_id=event_id_of(brand.id, is_now, "moved", sorted(carried.items())),
            kind=Kind.UNSUBSCRIBED if topics else Kind.COMPLAINED,
            subscriber_id=is_now,
            occurred_at=max(carried.values()),
            effect=Consent(carried),
            topics=topics,
            source=f"{source} from {was}".lstrip(),
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

    def event(
        self, brand: Brand, report: Report, channel: Channel, now: int, source: str = "", *, unavailable: bool = False
    ) -> Understood:
        """The ledger event that a report makes.

        The table is read only for topics that the brand never had, and for complaints and bounces of which nobody says
        when.

        Raises:
            InvalidReportError: it says nothing that can be recorded.
            StoreUnavailableError: whether the person has a topic that the brand never had isn't known now.
        """
        subscriber_id, note = self._identified(brand, report.email, report.subscriber_id)
        topics, left_out = self._topics(brand, subscriber_id, report, channel, unavailable=unavailable)
        about_mail = report.kind in {ReportKind.COMPLAINED, ReportKind.BOUNCED}
        undated = report.occurred_at <= 0
        # One that is given in seconds may not be over yet. Reported again a moment later, it is the same event all the
        # same.
        occurred_at = now if undated or report.occurred_at >= now + SECOND_MS else report.occurred_at
        ends = (report.expires_at,) if report.kind is ReportKind.CLAIMED and report.expires_at > 0 else ()
        event_id = event_id_of(brand.id, subscriber_id, report.kind, topics, occurred_at, *ends)
        if undated and about_mail and report.event_id:
            event_id = event_id_of(brand.id, subscriber_id, report.kind, "named", report.event_id)
            occurred_at = now if unavailable else self._first_told(brand.id, subscriber_id, event_id, now)
        provider = channel is Channel.FEEDBACK or (channel is Channel.WEBHOOK and about_mail)
        event = Event(
            event_id=event_id,
            kind=Kind(report.kind.value),
            brand=brand.id,
            subscriber_id=subscriber_id,
            occurred_at=occurred_at,
            arrived_at=max(now, occurred_at),
            actor=Actor.PROVIDER if provider else Actor.PLATFORM,
            channel=channel,
            effect=_effect(report.kind, topics, occurred_at, event_id, *ends),
            topics=topics,
            reference="" if addresses.may_stand_in(report.reference) else report.reference[:64],
            source=source,
        )
        arrived = "occurred_at: none that can be read, so it counts as of its arrival" if undated else ""
        return Understood(event, "; ".join(filter(None, (note, left_out, arrived))))

    def _topics(
        self, brand: Brand, subscriber_id: str, report: Report, channel: Channel, *, unavailable: bool
    ) -> tuple[tuple[str, ...], str]:
        """The topics that a report is about, and a note on those that were passed over.

        An opt-out may be from what the brand has or had, or from what the person's own registers name. Where nobody
        reads the result, one that names nothing of that is from everything.
        """
        if report.kind in {ReportKind.COMPLAINED, ReportKind.BOUNCED}:
            return (), ""
        named = tuple(dict.fromkeys(report.topics))
        if report.kind is ReportKind.CLAIMED and not named:
            raise InvalidReportError("topics: a claim names the topics that it is about")
        if not named:
            return (EVERY_TOPIC,), ""
        known = set(brand.topics)
        if report.kind is ReportKind.UNSUBSCRIBED:
            known |= {*brand.retired_topics, EVERY_TOPIC}
            if not known.issuperset(named):
                if unavailable:
                    raise StoreUnavailableError("the table is unavailable")
                known |= {rules.topic_of(name) for name in self._store.read(brand.id, subscriber_id).registers}
        found = tuple(topic for topic in named if topic in known)
        if found == named:
            return found, ""
        unknown = len(named) - len(found)
        why = f"topics: not of {brand.id}: {unknown} of {len(named)}; it has {', '.join(brand.topics)}"
        if report.kind is ReportKind.UNSUBSCRIBED and (found or channel in _UNHEARD):
            return found or (EVERY_TOPIC,), why
        raise InvalidReportError(why)

    def _first_told(self, brand: str, subscriber_id: str, event_id: str, now: int) -> int:
        """When an event without an instant was reported for the first time, epoch ms."""
        try:
            held = self._store.history(brand, subscriber_id)
        except StoreUnavailableError:
            return now  # it will be spooled
        return next((event.occurred_at for event in held if event.event_id == event_id), now)

    def _subscriber_id(self, brand: Brand, email: str) -> str:
        return self._identified(brand, email)[0]

    def _identified(self, brand: Brand, email: str, subscriber_id: str = "") -> tuple[str, str]:
        """Whom a report is about, and a note on what was taken off their address."""
        if not email and not subscriber_id:
            raise NobodyError("give email or subscriber_id")
        if subscriber_id and not addresses.is_subscriber_id(subscriber_id):
            raise NobodyError("subscriber_id: 22 characters of base64url")
        if not email:
            return subscriber_id, ""
        try:
            found = addresses.identify(email)
        except addresses.MalformedAddressError as exc:
            raise NobodyError(f"email: {exc}") from None
        note = f"email: {found.note}" if found.note else ""
        identified = addresses.subscriber_id(self._pepper(brand.id), found.address)
        if subscriber_id not in {"", identified}:
            raise NobodyError("email and subscriber_id are of different people: give one of them")
        return identified, note


def _effect(kind: ReportKind, topics: tuple[str, ...], at: int, event_id: str, *ends: int) -> Consent:
    match kind:
        case ReportKind.COMPLAINED:
            return Consent({rules.COMPLAINT: at})
        case ReportKind.BOUNCED:
            return Consent({rules.BOUNCE: at})
        case ReportKind.UNSUBSCRIBED:
            return Consent({rules.opt_out(topic): at for topic in topics})
        case ReportKind.CLAIMED:
            until = {rules.until(topic): Choice(at, event_id, str(end)) for topic in topics for end in ends}
            return Consent({rules.claim(topic): at for topic in topics}, until)


def _repeated(first: Receipt) -> Receipt:
    """What becomes of a report that says once more what another in the same batch said."""
    return first if first.result is not Result.APPLIED else first._replace(result=Result.DUPLICATE)
