"""How commands word what they found."""

from __future__ import annotations

import textwrap

import click


def number(count: float, what: str, many: str = "") -> str:
    """`1 queue`, `2 queues`, `31,391 rows`."""
    shown = f"{count:,}" if isinstance(count, int) else f"{count:,g}"
    return f"{shown} {what if count == 1 else many or what + 's'}"


def tell(heading: str, *lines: str) -> None:
    """Print a finding, and what there is to say of it below."""
    click.echo(f"\n{heading}")
    for line in lines:
        click.echo(
            textwrap.fill(
                line, 100, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
        )
