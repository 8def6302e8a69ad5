"""Tables in pages: each stands between two comments that name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dev.capacity import cost_tables, scale_tables
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES: Final = (ROOT / "docs/scale.md", ROOT / "docs/costs.md")
TABLES: Final[dict[str, Callable[[], str]]] = {
    name: each
    for module in (scale_tables, cost_tables)
    for name, each in vars(module).items()
    if getattr(each, "__module__", "") == module.__name__ and not name.startswith("_")
}
"""All tables, by the name that stands in the pages."""
_PLACE: Final = re.compile(r"(<!-- capacity: (\w+) -->\n).*?(<!-- /capacity -->)", re.DOTALL)


def computed(page: Path) -> str:
    """The page with its tables as the model has them now.

    Raises:
        KeyError: the page names a table that there isn't.
    """
    return _PLACE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", page.read_text("utf-8"))


def named(page: Path) -> list[str]:
    """The tables that the page shows."""
    return [found[1] for found in _PLACE.findall(page.read_text("utf-8"))]
