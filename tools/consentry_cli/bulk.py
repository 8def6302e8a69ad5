"""`consentry bulk`: imports, screenings and exports of millions, done by the deployment."""

from __future__ import annotations

import csv
import json
import secrets
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import click
from botocore.exceptions import ClientError

from consentry.actions.bulk import presets
from consentry.actions.bulk.exporting import CONSENTS, WHAT
from consentry.actions.bulk.importing import MALFORMED
from consentry.actions.bulk.job import EXPORT, IMPORT, INPUTS, MOST_AT_ONCE, SCREEN
from consentry.actions.bulk.rows import CSV, form_of, text_of
from consentry.aws.object_store import ObjectStore
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.options import encoding_option, format_option, output_option, report_option, spreadsheets_option
from consentry_cli.progress import progress
from consentry_cli.records import reading, writing
from consentry_cli.rows import Rows, rows_options

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERY_S: Final = 2.0
"""How often a run is looked at while somebody waits for it."""
_CHUNK: Final = 1 << 20
_RUNNING: Final = "RUNNING"
_SUCCEEDED: Final = "SUCCEEDED"


class _Stack(NamedTuple):
    """Where jobs are done."""

    s3: Any
    states: Any
    bucket: str
    machine: str

    def execution(self, run: str) -> str:
        """The ARN of a run."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"

    def keys(self, prefix: str) -> list[str]:
        """What lies below, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    @property
    def objects(self) -> ObjectStore:
        """The bucket, to read from."""
        return ObjectStore(self.s3, self.bucket)


def _stack(name: str) -> _Stack:
    stacks = deployment.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", ())}
    try:
        bucket, machine = outputs["BulkBucketName"], outputs["BulkStateMachineArn"]
    except KeyError:
        raise CanNotRunError(f"the stack {name} has no bulk jobs: deploy a newer template") from None
    s3, states = (deployment.client(each) for each in ("s3", "stepfunctions"))
    return _Stack(s3, states, bucket, machine)


stack_option = click.option(
    "--stack", "stack_name", envvar="CONSENTRY_STACK", required=True, help="The stack's name. [env: CONSENTRY_STACK]"
)
_wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Stay until it is done, and fetch what came of it."
)
_concurrency_option = click.option(
    "--concurrency",
    type=click.IntRange(1, MOST_AT_ONCE),
    help="How many parts are done at once.  [default: the stack's BulkConcurrency]",
)
_file_argument = click.argument("source", metavar="INPUT", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("bulk")
def group() -> None:
    """Imports, screenings and exports of millions, done by the deployment."""


@group.command("import")
@stack_option
@deployment.brand_option
@click.option("--dry-run", is_flag=True, help="Write nothing to the table; count what would come of it.")
@_concurrency_option
@report_option
@_wait_option
@rows_options
@_file_argument
def import_(
    stack_name: str,
    brand_id: str,
    dry_run: bool,
    concurrency: int | None,
    report: Path | None,
    wait: bool,
    rows: Rows,
    source: Path,
) -> None:
    """Take opt-outs, complaints, bounces and subscribers from another system's export, as `consentry import` does."""
    with plain_errors():
        stack = _stack(stack_name)
        form = form_of(str(source), rows.form)
        job = {"topics": list(rows.topics), "preset": rows.preset or "", "dry_run": dry_run, "form": form}
        job |= {"columns": [f"{name}={column}" for name, column in rows.mapped.items()]}
        if rows.words:
            job["status_map"] = [f"{word}={status}" for word, status in rows.words.items()]
        job |= {"status": _status(rows, source), "ignore_columns": list(rows.ignored), "concurrency": concurrency or 0}
        _done(stack, _begin(stack, IMPORT, brand_id, job, source, rows.encoding), None, report, wait=wait)


@group.command("screen")
@stack_option
@deployment.brand_option
@deployment.topic_option
@_concurrency_option
@report_option
@_wait_option
@encoding_option
@spreadsheets_option
@format_option
@_file_argument
@output_option
def screen(
    stack_name: str,
    brand_id: str,
    topic: str,
    concurrency: int | None,
    report: Path | None,
    wait: bool,
    encoding: str,
    for_spreadsheets: bool,
    form: str | None,
    source: Path,
    output: str,
) -> None:
    """Add to each row of INPUT whether that person may be mailed on a topic, and why, as `consentry decide` does."""
    with plain_errors():
        stack = _stack(stack_name)
        job = {"topics": [topic], "form": form_of(str(source), form), "concurrency": concurrency or 0}
        if for_spreadsheets:
            job["for_spreadsheets"] = True
        _done(stack, _begin(stack, SCREEN, brand_id, job, source, encoding), output, report, wait=wait)


@group.command("export")
@stack_option
@deployment.brand_option
@click.option("--what", type=click.Choice(WHAT), default=CONSENTS, show_default=True, help="What to export.")
@_concurrency_option
@_wait_option
@format_option
@output_option
def export(
    stack_name: str, brand_id: str, what: str, concurrency: int | None, wait: bool, form: str | None, output: str
) -> None:
    """Write every consent, or every ledger event, of a brand, as `consentry export` does."""
    with plain_errors():
        stack = _stack(stack_name)
        job = {"what": what, "form": form_of(output, form), "concurrency": concurrency or 0}
        _done(stack, _begin(stack, EXPORT, brand_id, job, None), output, None, wait=wait)


@group.command("status")
@stack_option
@click.argument("run")
def status(stack_name: str, run: str) -> None:
    """How far a run is. Exit status 1: it failed."""
    with plain_errors():
        stack = _stack(stack_name)
        described = _described(stack, run)
        done, parts = _far(stack, run)
        click.echo(f"{described['status'].lower()}: {done} of {parts if parts is not None else '?'} parts")
        if described["status"] not in {_RUNNING, _SUCCEEDED}:
            click.echo(_why(described), err=True)
            raise SystemExit(FOUND)


@group.command("fetch")
@stack_option
@report_option
@click.option("--remove", is_flag=True, help="Then remove the run's objects from the bucket, and its input.")
@output_option
@click.argument("run")
def fetch(stack_name: str, report: Path | None, remove: bool, output: str, run: str) -> None:
    """Write what came of a run. Exit status 1: there were lines that can't be used."""
    with plain_errors():
        stack = _stack(stack_name)
        described = _described(stack, run)
        if described["status"] != _SUCCEEDED:
            raise CanNotRunError(f"the run is {described['status'].lower()}")
        counts = _written(stack, run, output, report)
        if remove:
            given = json.loads(described["input"]).get("input")
            for key in [*stack.keys(f"runs/{run}/"), *([given] if given else [])]:
                stack.s3.delete_object(Bucket=stack.bucket, Key=key)
        _tell(counts)


def _status(rows: Rows, source: Path) -> str:
    """The word for what a file says of all its rows; empty if it says nothing.

    Its name may say it, which stays here: it may also say whose they are.
    """
    with rows.of(str(source)) as (_, meaning):
        return next((word for word, each in presets.WORDS.items() if each == meaning), "")


def _begin(
    stack: _Stack, work: str, brand_id: str, job: dict[str, Any], source: Path | None, encoding: str = ""
) -> str:
    run = f"{work}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    described = {"work": work, "brand": brand_id, **job}
    if source is not None:
        described["input"] = f"{INPUTS}{run}.{job['form']}"
        _upload(stack, source, described["input"], encoding)
    stack.states.start_execution(stateMachineArn=stack.machine, name=run, input=json.dumps(described))
    click.echo(run, err=True)
    return run


def _upload(stack: _Stack, source: Path, key: str, encoding: str) -> None:
    """Put a file where jobs find it. In another encoding than jobs find out by themselves, it goes as UTF-8."""
    if not encoding:
        stack.s3.upload_file(str(source), stack.bucket, key)
        return
    with tempfile.TemporaryFile() as copy, reading(str(source), encoding) as text:
        while some := text.read(_CHUNK):
            copy.write(some.encode("utf-8", "surrogateescape"))
        copy.seek(0)
        stack.s3.upload_fileobj(copy, stack.bucket, key)


def _done(stack: _Stack, run: str, output: str | None, report: Path | None, *, wait: bool) -> None:
    """If somebody waits: stay until a run is done, and fetch what came of it."""
    if not wait:
        return
    with progress("parts") as show:
        while (described := _described(stack, run))["status"] == _RUNNING:
            show(_far(stack, run)[0])
            time.sleep(_EVERY_S)
    if described["status"] != _SUCCEEDED:
        raise CanNotRunError(_why(described))
    _tell(_written(stack, run, output, report))


def _described(stack: _Stack, run: str) -> dict[str, Any]:
    try:
        return dict(stack.states.describe_execution(executionArn=stack.execution(run)))
    except ClientError as exc:
        if exc.response["Error"]["Code"] in {"ExecutionDoesNotExist", "InvalidArn"}:
            raise CanNotRunError("there is no run of this name") from exc
        raise


def _why(described: dict[str, Any]) -> str:
    error, cause = described.get("error", ""), described.get("cause", "")
    with suppress(ValueError, TypeError, KeyError):
        cause = json.loads(cause)["errorMessage"]  # Lambda's own; what it says names nobody
    return f"the run {described['status'].lower()}: {error}: {cause}; docs/bulk.md says how it goes on"


def _far(stack: _Stack, run: str) -> tuple[int, int | None]:
    """How many parts are done; how many there are, once that is known."""
    plan = stack.objects.get(f"runs/{run}/plan.json")
    if plan is None:
        return 0, None
    return len(stack.keys(f"runs/{run}/counts/")), int(json.loads(plan)["parts"])


def _written(stack: _Stack, run: str, output: str | None, report: Path | None) -> dict[str, int]:
    """Write the files of a run, and answer what came of it, counted."""
    if report is not None:
        with writing(str(report)) as out:
            out.write("line,result,reason\n")
            for line in _joined(stack, f"runs/{run}/report/", CSV, header=False):
                out.write(line)
    results = f"runs/{run}/result/"
    if output is not None and (keys := stack.keys(results)):
        with writing(output) as out:
            for line in _joined(stack, results, form_of(keys[0], None), header=True):
                out.write(line)
    return dict(json.loads(stack.objects.need(f"runs/{run}/summary.json"))["counts"])


def _joined(stack: _Stack, prefix: str, form: str, *, header: bool) -> Iterator[str]:
    """The lines of all parts, in order; the header of the first alone."""
    for key in stack.keys(prefix):
        with text_of(stack.objects.open(key)[1], whole=False) as text:
            lines: IO[str] = text
            if form == CSV:
                first = _record(lines)
                if header:
                    yield from first
                    header = False
            yield from lines


def _record(lines: IO[str]) -> list[str]:
    """The lines of the first record: a header's names may hold line breaks."""
    taken: list[str] = []

    def taking() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    next(csv.reader(taking()), None)
    return taken


def _tell(counts: dict[str, int]) -> None:
    for name, count in counts.items():
        click.echo(f"{name}: {count}", err=True)
    if counts.get(MALFORMED):
        raise SystemExit(FOUND)
