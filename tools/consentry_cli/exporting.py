"""`consentry export`: every consent, or every event, of a brand."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import click

from consentry import platforms
from consentry.ledger import Evidence
from consentry_cli import deployment
from consentry_cli.errors import plain_errors
from consentry_cli.options import format_option, output_option
from consentry_cli.progress import progress
from consentry_cli.records import CSV, Writer, form_of, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from consentry.brands import Brand
    from consentry.store import Store

_WAITING: Final = 1_000
"""Rows read ahead of what is written."""
_PER_TOPIC: Final = ("status", "allowed", "reason", "since", "frequency")
_PER_PERSON: Final = ("paused_until", "suppressed", "locale")
_PER_EVENT: Final = (
    *("brand", "subscriber_id", "event_id", "kind", "topics", "occurred_at", "arrived_at", "actor", "channel"),
    *("suspected_automation", "registers", "evidence"),
)


@click.command("export")
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option(
    "--what", type=click.Choice(("consents", "ledger")), default="consents", show_default=True, help="What to export."
)
@click.option(
    "--segments",
    type=click.IntRange(1, deployment.WRITERS),
    default=4,
    show_default=True,
    help="How many parts of the table are read at once.",
)
@format_option
@output_option
def export(
    brand_id: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    what: str,
    segments: int,
    form: str | None,
    output: str,
) -> None:
    """Write every consent, or every ledger event, of a brand. There are no addresses in it.

    Rows come in no order. What changes while the export runs may be in it or not.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        store = deployment.store(table, deployment.keyring(secret_id))
        form = form_of(output, form)
        rows = _consents if what == "consents" else _events
        columns = _columns(brand) if what == "consents" else _PER_EVENT
        now = time.time_ns() // 1_000_000
        with writing(output) as out, progress("rows") as show:
            writer = Writer(out, form, columns)
            found = _Together(rows(store, brand, now, part, segments) for part in range(segments))
            for count, row in enumerate(found, 1):
                writer.row(_flat(row) if form == CSV else row)
                show(count)


def every_event(store: Store, brand: Brand, segments: int = 4) -> Iterator[dict[str, Any]]:
    """The events of a brand as `--what ledger` writes them, in no order; `segments` parts of the table at once."""
    return iter(_Together(_events(store, brand, 0, part, segments) for part in range(segments)))


def _consents(store: Store, brand: Brand, now: int, segment: int, segments: int) -> Iterator[dict[str, Any]]:
    for subscriber_id, consent in store.consents(brand.id, segment=segment, segments=segments):
        yield platforms.view(brand, subscriber_id, consent, now)


def _events(store: Store, brand: Brand, _now: int, segment: int, segments: int) -> Iterator[dict[str, Any]]:
    for held in store.everyone(brand.id, segment=segment, segments=segments):
        for event in held.events:
            told = platforms.event_view(event, held.evidences.get(event.evidence_key, Evidence()))
            yield {
                "brand": brand.id,
                "subscriber_id": held.subscriber_id,
                **told,
                "registers": dict(event.effect.registers),
            }


def _columns(brand: Brand) -> list[str]:
    return ["subscriber_id", *(f"{topic}.{name}" for topic in brand.topics for name in _PER_TOPIC), *_PER_PERSON]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
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
