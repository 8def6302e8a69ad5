"""`consentry report`: a page with plots on what happened to consent."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from consentry.actions.bulk.exporting import every_event
from consentry.actions.bulk.rows import CSV, Reader, Writer, form_of
from consentry_cli import deployment
from consentry_cli.errors import CanNotRunError, plain_errors
from consentry_cli.options import format_option, output_option
from consentry_cli.progress import progress
from consentry_cli.records import Complaints, reading, writing
from consentry_cli.report import expiring as ending
from consentry_cli.report.counting import Counts, NotAnEventError
from consentry_cli.report.periods import By, TooManyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NEEDED = ("brand", "kind", "occurred_at", "actor", "channel", "suspected_automation", "registers")


def _zone(_context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, tzinfo]:
    try:
        return value, UTC if value == "UTC" else ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise click.BadParameter(
            "no time zone that this machine knows; such as Europe/Berlin", param=parameter
        ) from None


def _day(_context: click.Context, _parameter: click.Parameter, value: datetime | None) -> date | None:
    return value.date() if value else None


_DATE = click.DateTime(formats=["%Y-%m-%d"])


@click.command("report")
@click.argument(
    "sources", metavar="[INPUT]...", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@deployment.brand_option_if_any
@click.option("--from", "first", type=_DATE, callback=_day, metavar="YYYY-MM-DD", help="The first day that counts.")
@click.option("--to", "last", type=_DATE, callback=_day, metavar="YYYY-MM-DD", help="The last day that counts.")
@click.option("--by", type=click.Choice([each.value for each in By]), help="A period; else what fits.")
@click.option(
    "--timezone", "zone", default="UTC", show_default=True, callback=_zone, help="Whose days, such as Europe/Berlin."
)
@click.option("--expiring", is_flag=True, help="Instead: how many people's consent ends when, as CSV or NDJSON.")
@deployment.table_option_if_any
@deployment.keyring_option_if_any
@deployment.brands_option
@format_option
@output_option
def report(
    sources: tuple[str, ...],
    brand_id: str | None,
    first: date | None,
    last: date | None,
    by: str | None,
    zone: tuple[str, tzinfo],
    expiring: bool,
    table: str | None,
    secret_id: str | None,
    folder: Path | None,
    form: str | None,
    output: str,
) -> None:
    """Make a page with plots of who opted in and out, when and which way.

    INPUT is what `consentry export --what ledger` wrote; - is standard input. Without any, the events of --brand are
    read from the deployment. The page is one HTML file that loads nothing, and names nobody.
    """
    if first and last and first > last:
        raise click.UsageError("--from is after --to")
    if expiring:
        if sources or not (brand_id and table and secret_id):
            raise click.UsageError("--expiring reads the deployment: give --brand, --table and --keyring, and no input")
        with plain_errors():
            brand = deployment.brand(folder, brand_id)
            store, now = deployment.store(table, deployment.keyring(secret_id)), deployment.now(secret_id)
            period = By(by) if by else By.MONTH
            with writing(output) as out:
                writer = Writer(out, form_of(output, form), (), ending.COLUMNS)
                for row in ending.rows(store, brand, now, period, zone[1], first=first, last=last):
                    writer.row(row)
        return
    counts = Counts(zone[1], first=first, last=last, brand=brand_id)
    complaints = Complaints()
    with plain_errors():
        try:
            from consentry_cli.report.page import render  # noqa: PLC0415 - its libraries are an extra
        except ImportError:
            raise CanNotRunError("a report needs what draws it: pip install 'consentry[report]'") from None
        with progress("events") as show:
            if sources:
                _count_files(sources, form, counts, complaints, show)
            elif brand_id and table and secret_id:
                known = deployment.brand(folder, brand_id)
                held = deployment.store(table, deployment.keyring(secret_id))
                for number, row in enumerate(every_event(held, known), 1):
                    counts.add(row)
                    show(number)
            else:
                raise click.UsageError("name an export, or the deployment with --brand, --table and --keyring")
        try:
            page = render(
                counts, by=By(by) if by else None, first=first, last=last, zone=zone[0], brand=brand_id,
                malformed=complaints.count,
            )  # fmt: skip
        except TooManyError as exc:
            raise CanNotRunError(str(exc)) from None
        with writing(output) as out:
            out.write(page)
    complaints.finish()


def _count_files(
    sources: tuple[str, ...], form: str | None, counts: Counts, complaints: Complaints, show: Callable[[int], None]
) -> None:
    number = 0
    for source in sources:
        with reading(source) as stream:
            for row in complaints.sift(_reader(stream, form_of(source, form))):
                try:
                    counts.add(row.values)
                except NotAnEventError as exc:
                    complaints.add(row.malformed(str(exc)))
                number += 1
                show(number)


def _reader(stream: Any, form: str) -> Iterator[Any]:
    reader = Reader(stream, form)
    if form == CSV and (missing := [name for name in _NEEDED if name not in reader.columns]):
        raise CanNotRunError(f"no export of a ledger: it has no column {', '.join(missing)}; export with --what ledger")
    return iter(reader)
