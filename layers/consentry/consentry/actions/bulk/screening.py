"""An audience, screened: may these people be mailed on a topic now?

`consentry decide` and the function `bulk` do it with this module.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from consentry.actions import platforms
from consentry.actions.bulk.rows import UnusableRowError
from consentry.rules.preferences import can_be_kept_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from consentry.actions.bulk.recipients import Recipients
    from consentry.actions.bulk.rows import Malformed, Row
    from consentry.rules.brands import Brand
    from consentry.table.store import Store

ADDED: Final = ("subscriber_id", "allowed", "reason", "status", "frequency", "paused_until", "expires_at")
"""The columns that a decision adds to a row."""
_BATCH: Final = 1_000


def screen(
    rows: Iterable[Row],
    recipients: Recipients,
    store: Store,
    brand: Brand,
    topic: str,
    clock: Callable[[], int],
    complain: Callable[[Malformed], None],
    ending_before: int = 0,
) -> Iterator[list[dict[str, Any]]]:
    """Each row with its decision, some at a time; rows that name nobody are left out and reported.

    Args:
        rows: whom to mail.
        recipients: says whom a row is about.
        store: the table.
        brand: whose subscribers they are.
        topic: what the email is about.
        clock: the time, epoch ms; read once a batch.
        complain: called with each row that is left out.
        ending_before: epoch ms; only people whose opt-in or claim ends before, or ended, and who can keep it; 0: all.

    Raises:
        StoreUnavailableError: the table can't be read.
    """
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        known = []
        for row in batch:
            try:
                known.append((row, recipients.of(row)))
            except UnusableRowError as exc:
                complain(row.malformed(str(exc)))
        consents = store.read_many(brand.id, [who for _, who in known], topic)
        now = clock()
        yield [
            {
                **row.values,
                **platforms.decision(who, brand.decide(consents[who], topic, now)),
            }
            for row, who in known
            if not ending_before or 0 < can_be_kept_after(consents[who], topic, brand, now) < ending_before
        ]
