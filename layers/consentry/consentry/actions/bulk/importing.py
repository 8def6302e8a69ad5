"""What other systems know of people's consent, made to count: rows become events.

They are the same events as reports to the API, and count the same: an opt-out counts, a subscriber is a claim, and
nothing lifts what a person decided. Every event is named by what it says, so that a row that is read again writes
nothing new. `consentry import` and the function `bulk` do it with this module.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from botocore.exceptions import ClientError

from consentry.actions.bulk import presets
from consentry.actions.bulk.recipients import SUBSCRIBER_ID, address_in
from consentry.actions.bulk.records import Malformed, Names, UnusableRowError, listed
from consentry.actions.reports import InvalidReportError, Report, ReportKind
from consentry.links.tokens import is_reference
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Channel, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection

    from consentry.actions.bulk.presets import Meaning, Preset
    from consentry.actions.bulk.rows import Reader, Row
    from consentry.actions.reports import Reports
    from consentry.rules.brands import Brand
    from consentry.rules.ledger import Event
    from consentry.table.store import Store

PATIENCE: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further attempt at a table that can't be reached."""
_IN_VAIN: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidSignatureException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""AWS's answers that waiting doesn't change."""
_NEW: Final = {
    Kind.CLAIMED: "new claims",
    Kind.UNSUBSCRIBED: "new opt-outs",
    Kind.COMPLAINED: "new complaints",
    Kind.BOUNCED: "new bounces",
}
KNOWN: Final = "already known"
CONFLICT: Final = "claims that an opt-out beats"
NOTHING: Final = "rows that say nothing"
MALFORMED: Final = "malformed lines"
COUNTED: Final = (*_NEW.values(), KNOWN, CONFLICT, NOTHING, MALFORMED)
"""What an import counts, in the order in which it is told."""
_Answer = TypeVar("_Answer")


class Fact(NamedTuple):
    """What one row says."""

    row: Row
    event: Event
    note: str
    """What was passed over or made up for it, if anything; for the report."""


def take(
    batch: list[Row | Malformed],
    interpreter: Interpreter,
    apply: Callable[[list[Fact]], list[str]],
    counts: Counter[str],
    complain: Callable[[Malformed], None],
    noted: Callable[[int, str, str], None],
) -> None:
    """Make a batch of rows count, and add to `counts` what came of each.

    Args:
        batch: rows, in the order in which they are told.
        interpreter: says what they mean.
        apply: a `DryRun` or `Writers`.
        counts: by `COUNTED`.
        complain: called with each line that can't be used.
        noted: called with lines that want a look: line, result, reason.

    Raises:
        StoreUnavailableError: not all of them are recorded; the same batch again records the rest.
    """
    facts = []
    for row in batch:
        fact = understood(row, interpreter)
        if isinstance(fact, Malformed):
            counts[MALFORMED] += 1
            complain(fact)
            noted(fact.line, "malformed", fact.reason)
        elif fact:
            facts.append(fact)
        else:
            counts[NOTHING] += 1
    for fact, verdict in zip(facts, apply(facts), strict=True):
        counts[verdict] += 1
        if verdict == CONFLICT:
            noted(fact.row.line, "conflict", "an opt-out is on record")
        elif fact.note:
            noted(fact.row.line, "note", fact.note)


def understood(row: Row | Malformed, interpreter: Interpreter) -> Fact | Malformed | None:
    """What a row says; None if it says nothing of consent."""
    try:
        return row if isinstance(row, Malformed) else interpreter.fact(row)
    except (UnusableRowError, InvalidReportError) as exc:
        return Malformed(row.line, row.end, str(exc))


def check(preset: Preset, reader: Reader, of_file: Meaning | None, ignored: Collection[str]) -> None:
    """See that an input can be imported; the arguments are as for `Interpreter`.

    Raises:
        UnusableInputError: rows can't say whom they are about, or what they say isn't certain.
    """
    remedy = f"say which it is with --column email=NAME{presets.like(reader.names, preset)}"
    reader.need(*preset.email, SUBSCRIBER_ID, remedy=remedy)
    presets.certain(preset, of_file, reader.names if reader.first else Names(), ignored)


class Interpreter:
    """Reads what rows say."""

    def __init__(
        self,
        reports: Reports,
        brand: Brand,
        preset: Preset,
        reader: Reader,
        of_file: Meaning | None,
        topics: tuple[str, ...],
        started_at: int,
        ignored: Collection[str] = (),
    ) -> None:
        """Of one input.

        Args:
            reports: makes events.
            brand: whose subscribers they are.
            preset: how the export is read.
            reader: its rows.
            of_file: what every row says that doesn't speak for itself.
            topics: of rows that name none.
            started_at: epoch ms; the instant of rows that have none.
            ignored: columns that sound of consent, and that the operator waves away.

        Raises:
            UnusableInputError: rows can't say whom they are about, or what they say isn't certain.
        """
        self._reports = reports
        self._brand = brand
        self._preset = preset
        self._of_file = of_file
        self._topics = topics
        self._started_at = started_at
        self._ignored = ignored
        self._seen = Names()
        self._unread: list[str] = []
        self._sounding: list[str] = []
        check(preset, reader, of_file, ignored)

    def fact(self, row: Row) -> Fact | None:
        """What a row says; None if it says nothing about consent.

        Raises:
            UnusableRowError, InvalidReportError: it can't be understood.
            StoreUnavailableError: whether the person has a topic that the brand never had isn't known.
        """
        if not row.says_something():
            return None
        meaning = self._preset.meaning(row, self._of_file)
        if meaning.kind is None:
            return None
        if meaning.kind is ReportKind.CLAIMED:
            self._sure(row)
        topics = () if meaning.everywhere else presets.topics_of(row.value("topics")) or self._topics
        if meaning.kind is ReportKind.CLAIMED and not topics:
            raise UnusableRowError("topics: a claim names the topics that it is about: say --topic, or add the column")
        occurred_at, note = self._instant(row, meaning.kind)
        expires_at = _end(row, occurred_at) if meaning.kind is ReportKind.CLAIMED else 0
        reference = row.text(self._preset.reference) if self._preset.reference else ""
        if not is_reference(reference) or addresses.may_stand_in(reference):
            why = "the reference can't be kept: at most 64 characters, printable ASCII, and no address"
            reference, note = "", note or why
        subscriber_id = row.id(SUBSCRIBER_ID)
        report = Report(
            meaning.kind,
            occurred_at,
            email="" if subscriber_id else address_in(row, self._preset.email),
            subscriber_id=subscriber_id,
            topics=topics,
            reference=reference,
            expires_at=expires_at,
        )
        event, passed_over = _patiently(
            lambda: self._reports.event(self._brand, report, Channel.IMPORT, self._started_at), threading.Event()
        )
        return Fact(row, event, "; ".join(filter(None, (row.note, note, passed_over))))

    def _sure(self, row: Row) -> None:
        """See that a claim is one.

        Raises:
            UnusableRowError: its row is cut short, or has what no other row had, and what may say that somebody left.
        """
        if not row.whole:
            raise UnusableRowError(f"{row.note}: a subscriber needs a whole row")
        if row.names is not self._seen:
            if row.names.twice & self._preset.reads():
                raise UnusableRowError("more than one name is the same but for its case")
            self._seen, self._unread = row.names, presets.unread(row.names, self._preset, self._ignored)
            self._sounding = presets.sounding(self._unread)
        itself = self._of_file is not presets.WORDS["subscribed"]
        doubtful = presets.doubts(row, self._unread, itself=itself) if itself or not self._sounding else self._sounding
        if doubtful:
            raise UnusableRowError(
                f"{listed(doubtful)} may say that somebody left, and isn't read: say which column counts with --column"
                " status=NAME, or --ignore-column NAME"
            )

    def _instant(self, row: Row, kind: ReportKind) -> tuple[int, str]:
        """When it happened; where the row doesn't say, the import's beginning."""
        claimed = kind is ReportKind.CLAIMED
        texts = (row.text(column) for column in (self._preset.instants if claimed else self._preset.left_at))
        text = next((text for text in texts if text and not text.startswith(_UNSET)), "")
        if not text:
            return self._started_at, ""
        try:
            at = presets.instant(text)
        except (ValueError, OverflowError):
            if claimed:
                raise UnusableRowError(
                    "occurred_at: must be a date-time such as 2026-11-30T09:00:00Z, or Unix seconds"
                ) from None
            # Whatever its date, an opt-out counts.
            return self._started_at, "the instant can't be read: taken as of the import's beginning"
        return (at if claimed else at.last), ""


def _end(row: Row, begun: int) -> int:
    """When a claim ends, epoch ms, at the first that it can mean; 0 where the row doesn't say.

    Raises:
        UnusableRowError: it can't be read, or isn't after the claim.
    """
    text = row.text("expires_at")
    if not text or text.startswith(_UNSET):
        return 0
    try:
        ends = int(presets.instant(text))
    except (ValueError, OverflowError):
        raise UnusableRowError(
            "expires_at: must be a date-time such as 2026-11-30T09:00:00Z, or Unix seconds"
        ) from None
    if ends <= begun:
        raise UnusableRowError("expires_at: must be after the claim was made (occurred_at)")
    return ends


_UNSET: Final = ("0001-01-01", "0000-00-00")
"""How Go and MySQL write that there is no instant."""


class DryRun:
    """Computes what would come of events, and writes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, facts: list[Fact]) -> list[str]:
        if not facts:
            return []
        brand = facts[0].event.brand
        wanted = [fact.event.subscriber_id for fact in facts]
        consents = _patiently(lambda: self._store.read_many(brand, wanted), threading.Event())
        verdicts = []
        for _, event, _ in facts:
            known = consents[event.subscriber_id]
            if rules.news(known, event.effect) != Consent():
                consents[event.subscriber_id] = known | event.effect
                verdicts.append(_verdict(event, Outcome.APPLIED, known))
            else:
                verdicts.append(_verdict(event, Outcome.SUPERSEDED, known))
        return verdicts


class Writers:
    """Records events, many at once; those of one person one after the other, in the order of their rows."""

    def __init__(self, store: Store, writers: int) -> None:
        """`writers` is how many writes are under way at once."""
        self._store = store
        self._pool = ThreadPoolExecutor(writers)
        self._stop = threading.Event()
        self._why: StoreUnavailableError | None = None
        """What failed first; the rest only had to stop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, facts: list[Fact]) -> list[str]:
        """Answers when all are recorded.

        Raises:
            StoreUnavailableError: some are not; the others are.
        """
        persons: dict[str, list[int]] = {}
        for at, fact in enumerate(facts):
            persons.setdefault(fact.event.subscriber_id, []).append(at)
        verdicts = [""] * len(facts)
        for done in self._pool.map(
            lambda places: [(at, self._record(facts[at].event)) for at in places], persons.values()
        ):
            for at, verdict in done:
                verdicts[at] = verdict
        return verdicts

    def _record(self, event: Event) -> str:
        try:
            recorded = _patiently(lambda: self._store.record(event), self._stop)
        except StoreUnavailableError as exc:
            if not self._stop.is_set():
                self._why = exc
                self._stop.set()
            raise
        return _verdict(event, recorded.outcome, recorded.known)


def _verdict(event: Event, outcome: Outcome, known: Consent) -> str:
    if outcome is Outcome.APPLIED:
        return _NEW[event.kind]
    beaten = outcome is Outcome.SUPERSEDED and any(
        known.registers.get(rival) for register in event.effect.registers for rival in rules.rivals(register)
    )
    return CONFLICT if beaten else KNOWN


def _patiently(attempt: Callable[[], _Answer], stop: threading.Event) -> _Answer:
    for pause in PATIENCE:
        if stop.is_set():
            break
        try:
            return attempt()
        except StoreUnavailableError as exc:
            if _aws_code(exc) in _IN_VAIN:
                raise
            stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
    if stop.is_set():
        raise StoreUnavailableError("stopped")
    return attempt()


def _aws_code(exc: BaseException) -> str:
    """AWS's code for the error that is behind this one; empty where there is none."""
    cause: Any = exc.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
