"""`consentry import`: what other systems know of people's consent.

Rows become the same events as reports to the API, and count the same: an opt-out counts, a subscriber is a claim,
and nothing lifts what a person decided. Every event is named by what it says, so that a row that is read again
writes nothing new.
"""

from __future__ import annotations

import csv
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import click

from consentry import addresses
from consentry import consent as rules
from consentry.consent import Consent
from consentry.intake import Intake, InvalidReportError, Report, ReportKind
from consentry.ledger import Channel, Kind
from consentry.spool import Recorder
from consentry.store import Outcome, StoreUnavailableError
from consentry.tokens import is_reference
from consentry_cli import deployment, presets
from consentry_cli.errors import CanNotRunError, aws_code, because, plain_errors
from consentry_cli.journal import Journal, Progress
from consentry_cli.options import format_option, input_argument
from consentry_cli.progress import progress
from consentry_cli.recipients import SUBSCRIBER_ID
from consentry_cli.records import STANDARD, Complaints, Malformed, Reader, UnusableRowError, form_of, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.brands import Brand
    from consentry.ledger import Event
    from consentry.store import Store
    from consentry_cli.presets import Preset
    from consentry_cli.records import Row

BATCH: Final = 1_000
"""Rows between two notes in the journal."""
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
_KNOWN, _CONFLICT = "already known", "claims that an opt-out beats"
_NOTHING, _MALFORMED = "rows that say nothing", "malformed lines"
_COUNTED: Final = (*_NEW.values(), _KNOWN, _CONFLICT, _NOTHING, _MALFORMED)
_Answer = TypeVar("_Answer")


class Fact(NamedTuple):
    """What one row says."""

    row: Row
    event: Event
    note: str
    """What was made up for it, if anything; for the report."""


@click.command("import")
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--preset", type=click.Choice(tuple(presets.PRESETS)), help="Whose export INPUT is.")
@click.option(
    "--status",
    type=click.Choice(tuple(presets.WORDS)),
    help="What every row says, where the file doesn't say it itself.",
)
@deployment.topics_option
@click.option("--dry-run", is_flag=True, help="Write nothing; count what would come of it.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the lines that are malformed, beaten or noteworthy, as CSV: line, result, reason.",
)
@click.option("--restart", is_flag=True, help="Forget how far an earlier import of INPUT came.")
@click.option(
    "--journal",
    "journal_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to note how far the import came.  [default: INPUT.consentry-journal]",
)
@format_option
@input_argument
def import_(
    brand_id: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    preset: str | None,
    status: str | None,
    topics: tuple[str, ...],
    dry_run: bool,
    report: Path | None,
    restart: bool,
    journal_file: Path | None,
    form: str | None,
    source: str,
) -> None:
    """Take opt-outs, complaints, bounces and subscribers from another system's export.

    An opt-out that is imported counts; a subscriber is a claim, which no opt-out yields to. An import that was
    interrupted goes on where it ended when the same command is given again.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        deployment.check_topics(brand, topics)
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        journal = None
        begun = Progress(time.time_ns() // 1_000_000)
        if not dry_run and source != STANDARD:
            settings = {"brand": brand_id, "table": table, "preset": preset, "status": status, "topics": topics}
            journal = Journal(source, journal_file, {**settings, "topics": list(topics)})
            begun = journal.restart(begun.started_at) if restart else journal.resume(begun.started_at)
        if begun.complete:
            click.echo(f"{source} was imported before; --restart imports it again", err=True)
            _tell(begun.counts)
            return
        if begun.line:
            click.echo(f"going on after line {begun.line}", err=True)
        with ExitStack() as stack:
            stream = stack.enter_context(reading(source))
            reader = Reader(stream, form_of(source, form))
            chosen = presets.PRESETS[preset] if preset else presets.PLAIN
            interpreter = _Interpreter(
                Intake(store, keys.pepper, Recorder(store)),
                brand,
                chosen,
                reader,
                presets.of_file(chosen, source, reader.columns, status),
                topics,
                begun.started_at,
            )
            noted: _Report | _NoReport = _Report(report, begun.line) if report else _NoReport()
            stack.enter_context(noted)
            show = stack.enter_context(progress("rows"))
            apply: Any = _Weigher(store) if dry_run else stack.enter_context(_Writers(store))
            run = _Run(interpreter, apply, noted, journal, begun)
            try:
                run.take(reader, show)
            except (StoreUnavailableError, KeyboardInterrupt) as exc:
                why = "interrupted" if isinstance(exc, KeyboardInterrupt) else because(exc)
                again = "; give the same command again to go on" if journal else ""
                raise CanNotRunError(f"{why}; done up to line {run.line}{again}") from exc
        _tell(run.counts)
        run.complaints.finish()


def _tell(counts: Any) -> None:
    for name in _COUNTED:
        click.echo(f"{name}: {counts.get(name, 0)}")


class _Run:
    """One run over the rows: batch after batch, each noted when it is done."""

    def __init__(
        self,
        interpreter: _Interpreter,
        apply: Callable[[list[Fact]], list[str]],
        noted: _Report | _NoReport,
        journal: Journal | None,
        begun: Progress,
    ) -> None:
        self._interpreter = interpreter
        self._apply = apply
        self._noted = noted
        self._journal = journal
        self.line = begun.line
        self.counts = Counter(begun.counts)
        self.complaints = Complaints()
        self.complaints.count = self.counts[_MALFORMED]

    def take(self, reader: Reader, show: Callable[[int], None]) -> None:
        """Take every row that isn't done yet."""
        rows = (row for row in reader if row.line > self.line)
        read = 0
        while batch := list(islice(rows, BATCH)):
            facts = list(self._facts(batch))
            for fact, verdict in zip(facts, self._apply(facts), strict=True):
                self.counts[verdict] += 1
                if verdict == _CONFLICT:
                    self._noted(fact.row.line, "conflict", "an opt-out is on record")
                elif fact.note:
                    self._noted(fact.row.line, "note", fact.note)
            self.counts[_MALFORMED] = self.complaints.count
            self.line = batch[-1].end
            self._noted.flush()
            if self._journal:
                self._journal.note(self.line, self.counts)
            read += len(batch)
            show(read)
        if self._journal:
            self._journal.note(self.line, self.counts, complete=True)

    def _facts(self, batch: list[Row | Malformed]) -> Iterator[Fact]:
        for row in batch:
            if isinstance(row, Malformed):
                self._complain(row)
                continue
            try:
                fact = self._interpreter.fact(row)
            except (UnusableRowError, InvalidReportError) as exc:
                self._complain(row.malformed(str(exc)))
                continue
            if fact:
                yield fact
            else:
                self.counts[_NOTHING] += 1

    def _complain(self, malformed: Malformed) -> None:
        self.complaints.add(malformed)
        self._noted(malformed.line, "malformed", malformed.reason)


class _Interpreter:
    """Reads what rows say."""

    def __init__(
        self,
        intake: Intake,
        brand: Brand,
        preset: Preset,
        reader: Reader,
        of_file: presets.Meaning | None,
        topics: tuple[str, ...],
        started_at: int,
    ) -> None:
        self._intake = intake
        self._brand = brand
        self._preset = preset
        self._of_file = of_file
        self._topics = topics
        self._started_at = started_at
        self._email, self._id = reader.named(preset.email), reader.named(SUBSCRIBER_ID)
        if reader.columns and not {self._email, self._id} & set(reader.columns):
            raise CanNotRunError(f"the header has no column {preset.email}")

    def fact(self, row: Row) -> Fact | None:
        """What a row says; None if it says nothing about consent.

        Raises:
            UnusableRowError, InvalidReportError: it can't be understood.
        """
        meaning = self._preset.meaning(row, self._of_file)
        if meaning.kind is None:
            return None
        topics = () if meaning.everywhere else presets.topics_of(row.values.get("topics")) or self._topics
        occurred_at, note = self._instant(row, meaning.kind)
        reference = row.text(self._preset.reference) if self._preset.reference else ""
        if not is_reference(reference) or addresses.may_stand_in(reference):
            why = "the reference can't be kept: at most 64 characters, printable ASCII, and no address"
            reference, note = "", note or why
        if unknown := [topic for topic in topics if topic not in self._brand.topics and topic != rules.EVERY_TOPIC]:
            note = note or f"the brand has no topic {unknown[0]}"
        subscriber_id = row.text(self._id)
        report = Report(
            meaning.kind,
            occurred_at,
            email="" if subscriber_id else row.text(self._email),
            subscriber_id=subscriber_id,
            topics=topics,
            reference=reference,
        )
        return Fact(row, self._intake.event(self._brand, report, Channel.IMPORT, self._started_at), note)

    def _instant(self, row: Row, kind: ReportKind) -> tuple[int, str]:
        """When it happened; where the row doesn't tell, the import's beginning."""
        claimed = kind is ReportKind.CLAIMED
        texts = (row.text(column) for column in (self._preset.instants if claimed else self._preset.left_at))
        text = next((text for text in texts if text and not text.startswith(_UNSET)), "")
        if not text:
            return self._started_at, ""
        try:
            return presets.instant(text), ""
        except (ValueError, OverflowError):
            if claimed:
                raise UnusableRowError("occurred_at: an instant as in RFC 3339, or since 1970") from None
            # Whatever its date, an opt-out counts.
            return self._started_at, "the instant can't be read: taken as of the import's beginning"


_UNSET: Final = ("0001-01-01", "0000-00-00")
"""How Go and MySQL write that there is no instant."""


class _Weigher:
    """Tells what would come of events, and writes nothing."""

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


class _Writers:
    """Records events, many at once; those of one person one after the other, in the order of their rows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(deployment.WRITERS)
        self._stop = threading.Event()
        self._why: StoreUnavailableError | None = None
        """What failed first; the rest were only told to stop."""

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
    return _CONFLICT if beaten else _KNOWN


def _patiently(attempt: Callable[[], _Answer], stop: threading.Event) -> _Answer:
    for pause in PATIENCE:
        if stop.is_set():
            break
        try:
            return attempt()
        except StoreUnavailableError as exc:
            if aws_code(exc) in _IN_VAIN:
                raise
            stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
    if stop.is_set():
        raise StoreUnavailableError("stopped")
    return attempt()


class _Report:
    """The lines that want a look, in a file; of those that an interrupted import told of, the ones that are done."""

    def __init__(self, path: Path, done: int) -> None:
        part = path.with_name(f".{path.name}.part")
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write("line,result,reason\n")
            if done and path.exists():
                with path.open(encoding="utf-8", newline="") as kept:
                    stream.writelines(
                        text for text in kept if (at := text.partition(",")[0]).isdecimal() and int(at) <= done
                    )
        part.replace(path)
        self._stream = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._stream, lineterminator="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __call__(self, line: int, result: str, reason: str) -> None:
        self._writer.writerow([line, result, reason])

    def flush(self) -> None:
        """Put what was told before the batch is noted as done."""
        self._stream.flush()


class _NoReport:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, line: int, result: str, reason: str) -> None: ...

    def flush(self) -> None: ...
