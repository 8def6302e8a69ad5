"""`consentry export`: every consent, or every event, of a brand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from consentry.actions.bulk.exporting import WHAT, columns_of, flat, together
from consentry.actions.bulk.rows import CSV, Writer, form_of
from consentry_cli import deployment
from consentry_cli.errors import plain_errors
from consentry_cli.options import format_option, output_option
from consentry_cli.progress import progress
from consentry_cli.records import writing

if TYPE_CHECKING:
    from pathlib import Path


@click.command("export")
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--what", type=click.Choice(WHAT), default="consents", show_default=True, help="What to export.")
@click.option(
    "--segments",
    type=click.IntRange(1, deployment.READERS),
    default=4,
    show_default=True,
    help="How many parts of the table are read at once.",
)
@format_option
@output_option
def export(
    brand_id: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    what: str,
    segments: int,
    form: str | None,
    output: str,
) -> None:
    """Write every consent, or every ledger event, of a brand. There are no addresses in it.

    Rows come in no order. What changes while the export runs may be in it or not.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        store = deployment.store(table, deployment.keyring(secret_id))
        form = form_of(output, form)
        now = deployment.now(secret_id)
        with writing(output) as out, progress("rows") as show:
            writer = Writer(out, form, (), columns_of(brand, what))
            for count, row in enumerate(together(store, brand, what, now, segments), 1):
                writer.row(flat(row) if form == CSV else row)
                show(count)
