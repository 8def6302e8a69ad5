"""Arguments that several commands share."""

from __future__ import annotations

import codecs
from pathlib import Path

import click

from consentry.actions.bulk.rows import CSV, NDJSON
from consentry_cli.records import STANDARD

input_argument = click.argument(
    "source", metavar="INPUT", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
output_option = click.option(
    "-o",
    "--output",
    default=STANDARD,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The file to write; standard output unless given.",
)
format_option = click.option(
    "--format", "form", type=click.Choice((CSV, NDJSON)), help="What rows are written in; else INPUT's suffix says it."
)


def _encoding(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        "email".encode(value or "utf-8")  # codecs that aren't of text can't
        return codecs.lookup(value).name if value else ""
    except (LookupError, ValueError):
        raise click.BadParameter("no encoding of this name is known; utf-8, cp1252 and shift_jis are") from None


encoding_option = click.option(
    "--encoding",
    default="",
    callback=_encoding,
    help="How INPUT is encoded, such as cp1252.  [default: UTF-8; UTF-16 and UTF-32 are found]",
)
spreadsheets_option = click.option(
    "--for-spreadsheets",
    is_flag=True,
    help="In CSV, put an apostrophe before every text that a spreadsheet would compute, in INPUT's columns too.",
)
report_option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the lines that want a look, as CSV: line, result, reason.",
)
