"""Jobs over millions of people: an import, the screening of an audience, an export; a step at a time, many at once.

A state machine (`template.yaml`) drives the function `bulk` through three steps: `plan` looks at the input once and
writes down where its parts are, `part` does one of them, `finish` counts. What goes through the state machine, and
stays in its history, is the name of the run, numbers of parts and places in a file: no row, no address. All else lies
in the bucket:

    inputs/…                      what somebody put there; in any form that `consentry.actions.bulk.rows` reads
    runs/<run>/plan.json          the job, its instant, the input's ETag and header
    runs/<run>/parts.json         where the parts are: what the state machine hands out
    runs/<run>/result/00000.csv   what came of a part: decisions, or consents or events
    runs/<run>/report/00000.csv   the lines of a part that want a look: line, result, reason
    runs/<run>/counts/00000.json  what came of a part, counted. Whoever wrote it has done the part
    runs/<run>/summary.json       all of it, counted

A step that is done twice does no harm. The plan follows from the input and the run's instant alone; events are named
by what they say; objects are written over by their like; and a part whose counts are there isn't done again.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, Self

from consentry.actions.bulk import exporting, importing, presets
from consentry.actions.bulk.encodings import UTF_8
from consentry.actions.bulk.importing import DryRun, Interpreter, Writers
from consentry.actions.bulk.job import EXPORT, IMPORT, SCREEN, Job, job_from, job_of, mapped, preset_of, who
from consentry.actions.bulk.parts import Cutter, Part
from consentry.actions.bulk.recipients import Recipients
from consentry.actions.bulk.rows import (
    COMMA,
    CSV,
    Malformed,
    Reader,
    UnusableInputError,
    UnusableRowError,
    Writer,
    text_of,
)
from consentry.actions.bulk.screening import ADDED, screen
from consentry.actions.reports import InvalidReportError, Reports
from consentry.actions.spool import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from consentry.actions.bulk.rows import Row
    from consentry.aws.object_store import ObjectStore
    from consentry.links.keyring import Keyring
    from consentry.rules.brands import Brand, Brands
    from consentry.table.store import Store

SEGMENT_BYTES: Final = 64 << 20
"""How much of the table a part of an export reads, about."""
FEWEST_SEGMENTS: Final = 4
MOST_SEGMENTS: Final = 100_000
_BATCH: Final = 1_000
_RUN: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


class _Plan(NamedTuple):
    """What every part must know."""

    job: Mapping[str, Any]
    started_at: int
    """Epoch ms: the instant of rows that have none, of every event's arrival, and of exported consents."""
    parts: int
    etag: str = ""
    """The input as it was planned; another is refused."""
    columns: tuple[str, ...] = ()
    form: str = ""
    """What the input turned out to be."""
    separator: str = COMMA
    encoding: str = UTF_8


class Jobs:
    """Does the steps of jobs."""

    def __init__(
        self,
        objects: ObjectStore,
        store: Store,
        keys: Keyring,
        brands: Brands,
        *,
        writers: int,
        concurrency: int,
        table_bytes: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        """Over a bucket and a table.

        Args:
            objects: the bucket.
            store: the table, with patience.
            keys: pepper of brands.
            brands: every brand of the deployment.
            writers: how many events of a part are written at once.
            concurrency: how many parts are done at once, unless a job says so.
            table_bytes: how large the table is, about.
            clock: the time, epoch ms.
        """
        self._objects = objects
        self._store = store
        self._keys = keys
        self._brands = brands
        self._writers = writers
        self._concurrency = concurrency
        self._table_bytes = table_bytes
        self._clock = clock

    # --- steps -------------------------------------------------------------------------------------------------

    def plan(self, run: str, document: object, started_at: str) -> dict[str, Any]:
        """Find the parts of a job: how many there are, and how many are to be done at once.

        Args:
            run: its name.
            document: the job; see `job_of`.
            started_at: when it began, RFC 3339. The same for every attempt.

        Raises:
            UnusableInputError: there is nothing to do for it as it is.
            ObjectStoreUnavailableError, StoreUnavailableError: not now; the step is done again.
        """
        _check_run(run)
        job, brand = job_of(document, self._brands)
        at = int(datetime.fromisoformat(started_at).timestamp() * 1000)
        plan = _Plan(job._asdict(), at, 0)
        parts: list[dict[str, int]]
        if job.work == EXPORT:
            segments = min(max(self._table_bytes() // SEGMENT_BYTES, FEWEST_SEGMENTS), MOST_SEGMENTS)
            parts = [{"part": number} for number in range(segments)]
        else:
            etag, binary = self._objects.open(job.input)
            with binary:
                cutter = Cutter(binary, job.form, who=who(job), mapped=mapped(job))
                parts = [part._asdict() for part in cutter.parts(self._look(job, brand, cutter.reader, at))]
            reader = cutter.reader
            plan = plan._replace(
                etag=etag,
                columns=tuple(reader.columns),
                form=reader.form,
                separator=reader.separator,
                encoding=cutter.encoding,
            )
        self._objects.put(f"runs/{run}/plan.json", _json(plan._replace(parts=len(parts))._asdict()))
        self._objects.put(f"runs/{run}/parts.json", _json(parts))
        return {"run": run, "parts": len(parts), "concurrency": job.concurrency or self._concurrency}

    def part(self, run: str, document: Mapping[str, int]) -> dict[str, int]:
        """Do one part, and answer what came of it, counted.

        Raises:
            UnusableInputError: the input is no longer what was planned.
            ObjectStoreUnavailableError, StoreUnavailableError: not now; the step is done again.
        """
        _check_run(run)
        number = int(document["part"])
        done = self._objects.get(f"runs/{run}/counts/{number:05d}.json")
        if done is not None:
            return dict(json.loads(done))
        plan = _Plan(**json.loads(self._objects.need(f"runs/{run}/plan.json")))
        job = job_from(plan.job)
        brand = self._brands.get(job.brand)
        if brand is None:
            raise UnusableInputError("brand: the deployment has none of this name any more")
        report = _Report()
        if job.work == EXPORT:
            result, counts = self._export(job, brand, plan, number)
        else:
            place = Part(**document)
            binary = io.BytesIO(self._objects.piece(job.input, plan.etag, place.start, place.end))
            with text_of(binary, whole=False, encoding=plan.encoding) as text:
                reader = Reader(
                    text,
                    plan.form or job.form,
                    header=plan.columns,
                    after=place.after,
                    separator=plan.separator,
                    who=who(job),
                    mapped=mapped(job),
                )
                act = self._import if job.work == IMPORT else self._screen
                result, counts = act(job, brand, plan, reader, report)
        if result is not None:
            self._objects.put(f"runs/{run}/result/{number:05d}.{job.form}", result)
        if report.lines:
            self._objects.put(f"runs/{run}/report/{number:05d}.csv", report.text())
        self._objects.put(f"runs/{run}/counts/{number:05d}.json", _json(counts))
        return dict(counts)

    def finish(self, run: str) -> dict[str, Any]:
        """Count what came of all parts.

        Raises:
            ObjectStoreUnavailableError: not now, or a part isn't done.
        """
        _check_run(run)
        plan = _Plan(**json.loads(self._objects.need(f"runs/{run}/plan.json")))
        total: Counter[str] = Counter()
        with ThreadPoolExecutor(10) as pool:
            keys = (f"runs/{run}/counts/{number:05d}.json" for number in range(plan.parts))
            for counts in pool.map(self._objects.need, keys):
                total.update(json.loads(counts))
        summary = {"run": run, "work": plan.job["work"], "parts": plan.parts, "counts": dict(sorted(total.items()))}
        self._objects.put(f"runs/{run}/summary.json", _json(summary))
        return summary

    # --- what they do ------------------------------------------------------------------------------------------

    def _look(self, job: Job, brand: Brand, reader: Reader, at: int) -> Callable[[Row], None]:
        """What refuses, at its first row, an input that can't be meant."""
        if job.work == SCREEN:
            Recipients(reader, bytes)
            return lambda _row: None
        interpreter = self._interpreter(job, brand, reader, at)
        seen: list[bool] = []

        def look(row: Row) -> None:
            if not seen:
                seen.append(True)
                try:
                    interpreter.fact(row)
                except (UnusableRowError, InvalidReportError):
                    return  # this row alone; it is reported when its part is done

        return look

    def _interpreter(self, job: Job, brand: Brand, reader: Reader, at: int) -> Interpreter:
        preset = preset_of(job)
        of_file = presets.of_file(preset, "", reader.first, job.status or None)
        reports = Reports(self._store, self._keys.pepper, Recorder(self._store))
        return Interpreter(reports, brand, preset, reader, of_file, job.topics, at, job.ignore_columns)

    def _import(
        self, job: Job, brand: Brand, plan: _Plan, reader: Reader, report: _Report
    ) -> tuple[bytes | None, Counter[str]]:
        counts: Counter[str] = Counter()
        interpreter = self._interpreter(job, brand, reader, plan.started_at)
        rows = iter(reader)
        with Writers(self._store, self._writers) as writers:
            apply = DryRun(self._store) if job.dry_run else writers
            while batch := list(islice(rows, _BATCH)):
                importing.take(batch, interpreter, apply, counts, lambda _malformed: None, report)
        return None, counts

    def _screen(
        self, job: Job, brand: Brand, _plan: _Plan, reader: Reader, report: _Report
    ) -> tuple[bytes | None, Counter[str]]:
        counts: Counter[str] = Counter()

        def complain(malformed: Malformed) -> None:
            counts[importing.MALFORMED] += 1
            report(malformed.line, "malformed", malformed.reason)

        recipients = Recipients(reader, lambda: self._keys.pepper(brand.id))
        rows = _readable(reader, complain)
        with _Text() as out:
            writer = Writer(out.text, job.form, reader.columns, ADDED, for_spreadsheets=job.for_spreadsheets)
            for screened in screen(rows, recipients, self._store, brand, job.topics[0], self._clock, complain):
                for row in screened:
                    writer.row(row)
                    counts["allowed" if row["allowed"] else "not allowed"] += 1
            return out.bytes(), counts

    def _export(self, job: Job, brand: Brand, plan: _Plan, number: int) -> tuple[bytes | None, Counter[str]]:
        counts: Counter[str] = Counter()
        found = exporting.rows_of(self._store, brand, job.what, plan.started_at, number, plan.parts)
        with _Text() as out:
            writer = Writer(out.text, job.form, (), exporting.columns_of(brand, job.what))
            for row in found:
                writer.row(exporting.flat(row) if job.form == CSV else row)
                counts["rows"] += 1
            return out.bytes(), counts


class _Report:
    """The lines of a part that want a look."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._write = csv.writer(self._text, lineterminator="\n").writerow
        self._write(["line", "result", "reason"])
        self.lines = 0

    def __call__(self, line: int, result: str, reason: str) -> None:
        self._write([line, result, reason])
        self.lines += 1

    def text(self) -> bytes:
        return self._text.getvalue().encode()


class _Text:
    """Text that becomes an object: bytes that weren't UTF-8 leave as they came."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self.text: IO[str] = io.TextIOWrapper(self._bytes, encoding="utf-8", errors="surrogateescape", newline="")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.text.close()

    def bytes(self) -> bytes:
        self.text.flush()
        return self._bytes.getvalue()


def _readable(reader: Reader, complain: Callable[[Malformed], None]) -> Iterator[Row]:
    for row in reader:
        if isinstance(row, Malformed):
            complain(row)
        else:
            yield row


def _check_run(run: str) -> None:
    if not _RUN.fullmatch(run):
        raise UnusableInputError("the run's name: letters, digits, - and _, at most 80")


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
