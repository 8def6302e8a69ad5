"""`consentry import`: what other systems know of people's consent.

What rows say, and how they count, is in `consentry.actions.bulk.importing`.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import click

from consentry.actions.bulk.importing import COUNTED, MALFORMED, DryRun, Interpreter, Writers, take, understood
from consentry.actions.bulk.rows import Malformed
from consentry.actions.reports import Reports
from consentry.actions.spool import Recorder
from consentry.table.gateway import StoreUnavailableError
from consentry_cli import deployment
from consentry_cli.errors import CanNotRunError, because, plain_errors
from consentry_cli.journal import Journal, Progress
from consentry_cli.options import input_argument, report_option
from consentry_cli.progress import progress
from consentry_cli.records import STANDARD, Complaints
from consentry_cli.rejected import Rejected
from consentry_cli.rows import Rows, rows_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.actions.bulk.importing import Fact
    from consentry.actions.bulk.presets import Meaning
    from consentry.actions.bulk.rows import Reader

BATCH: Final = 1_000
"""Rows between two notes in the journal."""


def _share(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    number, percent, rest = value.partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share <= 1:
        raise click.BadParameter("a share, such as 2% or 0.02")
    return share


@click.command("import")
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--dry-run", is_flag=True, help="Write nothing; count what would come of it.")
@report_option
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the rows that can't be used, as they stand in INPUT: mend them there, and import it.",
)
@click.option(
    "--max-malformed",
    "most",
    metavar="SHARE",
    callback=_share,
    help="Write nothing if more of the rows can't be used, as in 2%; INPUT is read twice.",
)
@click.option("--restart", is_flag=True, help="Forget how far an earlier import of INPUT came.")
@click.option(
    "--journal",
    "journal_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to note how far the import came.  [default: INPUT.consentry-journal]",
)
@rows_options
@input_argument
def import_(
    brand_id: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    dry_run: bool,
    report: Path | None,
    rejected: Path | None,
    most: float | None,
    restart: bool,
    journal_file: Path | None,
    rows: Rows,
    source: str,
) -> None:
    """Take opt-outs, complaints, bounces and subscribers from another system's export.

    An opt-out that is imported counts; a subscriber is a claim, which no opt-out yields to. An import that was
    interrupted goes on where it ended when the same command is given again.
    """
    if source == STANDARD and (rejected or most is not None):
        raise click.UsageError("--rejected and --max-malformed read INPUT twice: give a file")
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        deployment.check_topics(brand, rows.topics)
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        with ExitStack() as stack:
            reader, meaning = stack.enter_context(rows.of(source))  # before a journal says that something was begun
            journal = None
            begun = Progress(deployment.now(secret_id))
            reports = Reports(store, keys.pepper, Recorder(store))

            def interpreter_of(reader: Reader, meaning: Meaning | None) -> Interpreter:
                at = begun.started_at
                return Interpreter(reports, brand, rows.chosen, reader, meaning, rows.topics, at, rows.ignored)

            if most is not None:
                _see_how_many_are_malformed(rows, source, interpreter_of, most)
            if not dry_run and source != STANDARD:
                settings: dict[str, Any] = {"brand": brand_id, "table": table, "preset": rows.preset}
                settings |= {"status": rows.status, "topics": list(rows.topics)}
                said = {
                    "words": rows.words,
                    "columns": rows.mapped,
                    "ignored": list(rows.ignored),
                    "encoding": rows.encoding,
                }
                journal = Journal(source, journal_file, settings | {name: each for name, each in said.items() if each})
                begun = journal.restart(begun.started_at) if restart else journal.resume(begun.started_at)
            if begun.complete:
                click.echo(f"{source} was imported before; --restart imports it again", err=True)
                _tell(begun.counts)
                return
            if begun.line:
                click.echo(f"going on after line {begun.line}", err=True)
            interpreter = interpreter_of(reader, meaning)
            noted = stack.enter_context(_Report(report, begun.line))
            aside = stack.enter_context(Rejected(rejected, source, rows, reader, begun=bool(begun.line)))
            show = stack.enter_context(progress("rows"))
            apply: Any = DryRun(store) if dry_run else stack.enter_context(Writers(store, deployment.WRITERS))
            run = _Run(interpreter, apply, noted, aside, journal, begun)
            try:
                run.take(reader, show)
            except (StoreUnavailableError, KeyboardInterrupt) as exc:
                why = "interrupted" if isinstance(exc, KeyboardInterrupt) else because(exc)
                again = "; give the same command again to go on" if journal else ""
                raise CanNotRunError(f"{why}; done up to line {run.line}{again}") from exc
        _tell(run.counts)
        run.complaints.finish()


def _see_how_many_are_malformed(
    rows: Rows, source: str, interpreter_of: Callable[[Reader, Meaning | None], Interpreter], most: float
) -> None:
    """Read everything once, and write nothing.

    Raises:
        CanNotRunError: more rows than are allowed can't be used; the first of them have been named.
    """
    named: list[str] = []
    complaints, read = Complaints(named.append), 0
    with rows.of(source) as (reader, meaning):
        interpreter = interpreter_of(reader, meaning)
        for row in reader:
            read += 1
            if isinstance(fact := understood(row, interpreter), Malformed):
                complaints.add(fact)
    if complaints.count > most * read:
        for line in named:
            click.echo(line, err=True)
        raise CanNotRunError(
            f"{complaints.count:,} of {read:,} rows can't be used, more than --max-malformed allows ({most:.2%});"
            " nothing was written"
        )


def _tell(counts: Any) -> None:
    for name in COUNTED:
        click.echo(f"{name}: {counts.get(name, 0)}")


class _Run:
    """One run over the rows: batch after batch, each noted when it is done."""

    def __init__(
        self,
        interpreter: Interpreter,
        apply: Callable[[list[Fact]], list[str]],
        noted: _Report,
        aside: Rejected,
        journal: Journal | None,
        begun: Progress,
    ) -> None:
        self._interpreter = interpreter
        self._apply = apply
        self._noted = noted
        self._aside = aside
        self._journal = journal
        self.line = begun.line
        self.counts = Counter(begun.counts)
        self.complaints = Complaints()
        self.complaints.count = self.counts[MALFORMED]

    def take(self, reader: Reader, show: Callable[[int], None]) -> None:
        """Take every row that isn't done yet."""
        rows = (row for row in reader if row.line > self.line)
        read = 0
        while batch := list(islice(rows, BATCH)):
            take(batch, self._interpreter, self._apply, self.counts, self._complain, self._noted)
            self.line = batch[-1].end
            self._noted.flush()
            self._aside.flush()
            if self._journal:
                self._journal.note(self.line, self.counts)
            read += len(batch)
            show(read)
        if self._journal:
            self._journal.note(self.line, self.counts, complete=True)

    def _complain(self, malformed: Malformed) -> None:
        self.complaints.add(malformed)
        self._aside(malformed)


class _Report:
    """The lines that want a look, in a file if any; of those that an interrupted import reported, the done ones."""

    def __init__(self, path: Path | None, done: int) -> None:
        if path is not None:
            part = path.with_name(f".{path.name}.part")
            with part.open("w", encoding="utf-8", newline="") as stream:
                stream.write("line,result,reason\n")
                if done and path.exists():
                    with path.open(encoding="utf-8", newline="") as kept:
                        stream.writelines(
                            text for text in kept if (at := text.partition(",")[0]).isdecimal() and int(at) <= done
                        )
            part.replace(path)
        self._stream = (path or Path(os.devnull)).open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._stream, lineterminator="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __call__(self, line: int, result: str, reason: str) -> None:
        self._writer.writerow([line, result, reason])

    def flush(self) -> None:
        """Put what was reported before the batch is noted as done."""
        self._stream.flush()
