"""Arguments that several commands share."""

from __future__ import annotations

import codecs

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


def _columns(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and column for name, _, column in pairs):
        raise click.BadParameter("NAME=COLUMN, as in email=E-Mail")
    return {name: column for name, _, column in pairs}


encoding_option = click.option(
    "--encoding",
    default="",
    callback=_encoding,
    help="How INPUT is encoded, such as cp1252.  [default: UTF-8; UTF-16 and UTF-32 are found]",
)
column_option = click.option(
    "--column",
    "mapped",
    multiple=True,
    metavar="NAME=COLUMN",
    callback=_columns,
    help="What INPUT calls a column, as in email=E-Mail; can be repeated.",
)
ignore_option = click.option(
    "--ignore-column",
    "ignored",
    multiple=True,
    metavar="COLUMN",
    help="A column that sounds of consent, and says nothing of it; can be repeated.",
)
spreadsheets_option = click.option(
    "--for-spreadsheets",
    is_flag=True,
    help="In CSV, put an apostrophe before every text that a spreadsheet would compute, in INPUT's columns too.",
)
