"""The figures of the model, read from docs/costs.md: list prices, quotas and assumptions."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dev.places import ROOT


class Figure(NamedTuple):
    """A number that isn't computed."""

    value: float
    source: str
    """A page, in angle brackets, or "assumption" with the reason for it."""
    per: str = ""
    """What a price is for."""


def _rows(head: str) -> list[list[str]]:
    """The rows of the page's tables that begin with this one."""
    page = (ROOT / "docs/costs.md").read_text("utf-8")
    tables = re.findall(rf"^{re.escape(head)}\n\|[-| ]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [line.strip("| ").split(" | ") for table in tables for line in table.splitlines()]


PRICES: Final = {
    what: Figure(float(dollars), source, per)
    for what, dollars, per, source, _ in _rows("| price | dollars | for a | source | of |")
}
"""US dollars, us-east-1, without free tiers, discounts, credits and taxes."""
GIVEN: Final = {
    what: Figure(float(figure.replace(",", "")), source) for what, figure, source in _rows("|  | figure | from |")
}


def given(what: str) -> float:
    """A quota or an assumption."""
    return GIVEN[what].value


def price(what: str) -> float:
    """Dollars for one; what is sold by the million, for one of that."""
    found = PRICES[what]
    return found.value / 1e6 if found.per.startswith("million") else found.value
