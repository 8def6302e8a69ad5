"""The tables of docs/scale.md and docs/costs.md: each stands between comments that name its macro in `tables.jinja`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Macro

from consentry import telemetry
from consentry.actions import notifications
from consentry.actions.waiting import LONGEST_DELAY_S
from consentry.rules.brands import Bounds
from dev.capacity import archiving, costs, load, metrics, sizes
from dev.capacity.figures import given, price
from dev.capacity.template import LARGE, deployed
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES: Final = (ROOT / "docs/scale.md", ROOT / "docs/costs.md")
_PLACE: Final = re.compile(r"(<!-- capacity: (\w+) -->\n).*?(<!-- /capacity -->)", re.DOTALL)


def count(number: float) -> str:
    """A number, with a decimal where it says something."""
    return f"{number:.1f}".removesuffix(".0") if 0 < number < 10 else f"{number:,.0f}"  # noqa: PLR2004 - see above


def large(number: float) -> str:
    """A number of which the size matters."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}"


def dollars(number: float) -> str:
    """An amount."""
    return f"${number:,.0f}" if number >= 1_000 else f"${number:,.2f}"  # noqa: PLR2004 - cents of thousands say nothing


def _tables() -> dict[str, Callable[[], str]]:
    environment = Environment(
        autoescape=False,  # noqa: S701 - Markdown of our own
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, large=large, dollars=dollars, whole="{:,.0f}".format)
    known: dict[str, Any] = {
        "METRICS": telemetry.METRICS,
        "LARGE": LARGE,
        "archiving": archiving,
        "bounds": Bounds(),
        "costs": costs,
        "deployed": deployed,
        "given": given,
        "load": load,
        "metrics": metrics,
        "price": price,
        "sizes": sizes,
        "longest_delay_s": LONGEST_DELAY_S,
        "span_s": notifications.SPAN_MS // 1000,
    }
    module = environment.get_template("tables.jinja", globals=known).module
    return {name: each for name, each in vars(module).items() if isinstance(each, Macro)}


TABLES: Final = _tables()
"""All tables, by the name that stands in the pages."""


def computed(page: Path) -> str:
    """The page with its tables as the model has them now.

    Raises:
        KeyError: the page names a table that there isn't.
    """
    return _PLACE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]().strip()}\n\n{found[3]}", page.read_text("utf-8"))


def named(page: Path) -> list[str]:
    """The tables that the page shows."""
    return [found[1] for found in _PLACE.findall(page.read_text("utf-8"))]
