"""All tables, by the name that stands in the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from capacity import cost_tables, scale_tables

if TYPE_CHECKING:
    from collections.abc import Callable

_SCALE: Final = (
    *("items", "rates", "breaks", "heat", "at_once", "workers", "starts", "streams", "waiting", "growth", "archived"),
)
_COSTS: Final = (
    *("answers", "services", "nothing", "choices", "sooner", "own_metrics", "combinations"),
    *("billion", "others", "even", "price_list", "other_prices", "assumptions"),
)
TABLES: Final[dict[str, Callable[[], str]]] = {
    **{name: getattr(scale_tables, name) for name in _SCALE},
    **{name: getattr(cost_tables, name) for name in _COSTS},
}
