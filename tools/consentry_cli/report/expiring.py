"""Whose consent ends when: how many people, by topic and period. Nobody is named."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from consentry.rules import preferences
from consentry.table.scan import Scan
from consentry_cli.report.periods import By, begin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from consentry.rules.brands import Brand
    from consentry.table.store import Store

COLUMNS: Final = ("topic", "from", "ending", "ended")


def rows(
    store: Store, brand: Brand, now: int, by: By, zone: tzinfo, *, first: date | None, last: date | None
) -> Iterator[dict[str, Any]]:
    """How many people's consent ends, or has ended, in each period, by topic, of those who can keep it.

    `now` is in epoch ms; `first` and `last` are days that count.

    Raises:
        StoreUnavailableError: the table can't be read.
    """
    counts: Counter[tuple[str, date, bool]] = Counter()
    for _, consent in Scan(store.gateway).consents(brand.id):
        for topic in brand.topics:
            if end := preferences.can_be_kept_after(consent, topic, brand, now):
                day = datetime.fromtimestamp(end / 1000, UTC).astimezone(zone).date()
                if (first or date.min) <= day <= (last or date.max):
                    counts[topic, begin(day, by), end <= now] += 1
    for topic, period in sorted({(topic, period) for topic, period, _ in counts}):
        of_period = counts[topic, period, False], counts[topic, period, True]
        yield dict(zip(COLUMNS, (topic, period.isoformat(), *of_period), strict=True))
