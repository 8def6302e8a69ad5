"""Every consent, or every event, of a brand, as rows. There are no addresses in them.

`consentry export` and the function `bulk` write them.
"""

from __future__ import annotations

import json
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from consentry.actions import platforms
from consentry.rules.ledger import Evidence
from consentry.table.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consentry.rules.brands import Brand
    from consentry.table.store import Store

CONSENTS: Final = "consents"
LEDGER: Final = "ledger"
WHAT: Final = (CONSENTS, LEDGER)
_WAITING: Final = 1_000
"""Rows read ahead of what is written."""
_PER_TOPIC: Final = ("status", "allowed", "reason", "since", "frequency", "expires_at")
_PER_PERSON: Final = ("paused_until", "suppressed", "locale")
_PER_EVENT: Final = (
    *("brand", "subscriber_id", "event_id", "kind", "topics", "occurred_at", "arrived_at", "actor", "channel"),
    *("suspected_automation", "link", "notice", "locale", "reference", "source", "expires_at", "registers", "evidence"),
)


def rows_of(store: Store, brand: Brand, what: str, now: int, segment: int, segments: int) -> Iterator[dict[str, Any]]:
    """The rows of one part of the table, in no order: consents as of `now` (epoch ms), or events.

    Raises:
        StoreUnavailableError: the table can't be read.
    """
    read = _consents if what == CONSENTS else _events
    return read(store, brand, now, segment, segments)


def together(store: Store, brand: Brand, what: str, now: int, segments: int) -> Iterator[dict[str, Any]]:
    """The rows of the whole table; so many parts of it are read at once."""
    return iter(_Together(rows_of(store, brand, what, now, part, segments) for part in range(segments)))


def every_event(store: Store, brand: Brand, segments: int = 4) -> Iterator[dict[str, Any]]:
    """The events of a brand as `--what ledger` writes them, in no order; `segments` parts of the table at once."""
    return together(store, brand, LEDGER, 0, segments)


def _consents(store: Store, brand: Brand, now: int, segment: int, segments: int) -> Iterator[dict[str, Any]]:
    for subscriber_id, consent in Scan(store.gateway).consents(brand.id, segment=segment, segments=segments):
        yield platforms.view(brand, subscriber_id, consent, now)


def _events(store: Store, brand: Brand, _now: int, segment: int, segments: int) -> Iterator[dict[str, Any]]:
    for held in Scan(store.gateway).everyone(brand.id, segment=segment, segments=segments):
        for event in held.events:
            view = platforms.event_view(event, held.evidences.get(event.evidence_key, Evidence()))
            yield {
                "brand": brand.id,
                "subscriber_id": held.subscriber_id,
                **view,
                "registers": dict(event.effect.registers),
            }


def columns_of(brand: Brand, what: str) -> list[str]:
    """The header of a CSV."""
    if what == LEDGER:
        return [*_PER_EVENT]
    return ["subscriber_id", *(f"{topic}.{name}" for topic in brand.topics for name in _PER_TOPIC), *_PER_PERSON]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for CSV: a column for each fact of each topic; lists with spaces between, what else is nested as JSON."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "topics" and isinstance(value, dict):
            flat |= {f"{topic}.{fact}": each for topic, facts in value.items() for fact, each in facts.items()}
        elif isinstance(value, list):
            flat[name] = " ".join(value)
        else:
            flat[name] = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
    return flat


class _Together:
    """What several sources yield, read at once, a few rows ahead of whoever takes them."""

    def __init__(self, sources: Iterable[Iterator[dict[str, Any]]]) -> None:
        self._rows: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in sources]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for thread in self._threads:
            thread.start()
        try:
            ended = 0
            while ended < len(self._threads):
                row = self._rows.get()
                if isinstance(row, Exception):
                    raise row
                if row is None:
                    ended += 1
                else:
                    yield row
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _read(self, source: Iterator[dict[str, Any]]) -> None:
        try:
            for row in source:
                if not self._put(row):
                    return
            self._put(None)
        except Exception as exc:  # noqa: BLE001 - raised again where the rows are taken
            self._put(exc)

    def _put(self, item: dict[str, Any] | Exception | None) -> bool:
        """Wait for room; False if nobody takes rows any more."""
        while not self._stop.is_set():
            try:
                self._rows.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False
