"""`consentry decide`: may these people be mailed on a topic now?"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from consentry.actions.bulk.recipients import Recipients
from consentry.actions.bulk.rows import Reader, Writer, form_of
from consentry.actions.bulk.screening import ADDED, screen
from consentry_cli import deployment
from consentry_cli.errors import plain_errors
from consentry_cli.options import encoding_option, format_option, input_argument, output_option, spreadsheets_option
from consentry_cli.progress import progress
from consentry_cli.records import Complaints, reading, writing

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@deployment.brand_option
@deployment.topic_option
@click.option(
    "--ending-before",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    metavar="YYYY-MM-DD",
    help="Only people whose opt-in or claim ends before that (UTC), or has ended, and who can be asked to keep it.",
)
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@encoding_option
@spreadsheets_option
@format_option
@input_argument
@output_option
def decide(
    brand_id: str,
    topic: str,
    ending_before: datetime | None,
    table: str,
    secret_id: str,
    folder: Path | None,
    encoding: str,
    for_spreadsheets: bool,
    form: str | None,
    source: str,
    output: str,
) -> None:
    """Add to each row of INPUT whether that person may be mailed on a topic now, and why.

    INPUT has a column email or subscriber_id. Rows that can't be used are left out and reported.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        deployment.check_topics(brand, (topic,))
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        form = form_of(source, form)
        complaints = Complaints()
        with reading(source, encoding) as stream, progress("decisions") as show:
            reader = Reader(stream, form)
            recipients = Recipients(reader, lambda: keys.pepper(brand_id))
            with writing(output) as out:
                writer, done = Writer(out, form, reader.columns, ADDED, for_spreadsheets=for_spreadsheets), 0
                rows = complaints.sift(reader)
                clock = partial(deployment.now, secret_id)
                before = int(ending_before.replace(tzinfo=UTC).timestamp() * 1000) if ending_before else 0
                for screened in screen(rows, recipients, store, brand, topic, clock, complaints.add, before):
                    for row in screened:
                        writer.row(row)
                    done += len(screened)
                    show(done)
        complaints.finish()
