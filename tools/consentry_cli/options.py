"""Arguments that several commands share."""

from __future__ import annotations

import click

from consentry.bulk.rows import CSV, NDJSON
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
