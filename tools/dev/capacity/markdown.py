"""Tables in Markdown, and how numbers are written in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of numbers, but for its first column."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def words(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of words."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def count(number: float) -> str:
    """A number, with a decimal where it says something."""
    if 0 < number < 10:  # noqa: PLR2004 - below it a decimal says something
        return f"{number:.1f}".removesuffix(".0")
    return f"{number:,.0f}"


def large(number: float) -> str:
    """A number of which the size matters."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}"


def dollars(number: float) -> str:
    """An amount."""
    return f"${number:,.0f}" if number >= 1_000 else f"${number:,.2f}"  # noqa: PLR2004 - cents of thousands say nothing
