"""`consentry restore`: bring what a copy of the table has into the table."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Channel, Event, Fault, Record, faults, hash_event, partition_key
from consentry.table import schema
from consentry.table.gateway import StoreUnavailableError
from consentry.table.scan import Scan
from consentry.table.schema import CONTACT, STATE
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consentry.table.store import Store

_A_WRITE: Final = 40
"""Events in one transaction; with their evidence and the state these are at most 81 of DynamoDB's 100 items."""
_TRIES: Final = 6
_BATCH: Final = 500
_PATIENCE_S: Final = 10.0
"""For so long a transaction that meets those of others is tried again."""


class Merged(StrEnum):
    """What became of one person."""

    SAME = "had all of it"
    MERGED = "merged"
    FAULTY_COPY = "not intact in the copy"
    FAULTY = "not intact in the table"
    BUSY = "written to by others all the time"


@click.group("restore")
def group() -> None:
    """Bring back what was lost."""


@group.command()
@click.option(
    "--from-table", "copy", required=True, help="The table to read from, such as one restored to a point in time."
)
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be merged.")
def merge(copy: str, brand_id: str, table: str, secret_id: str, dry_run: bool) -> None:
    """Merge a copy of the table into the table: neither loses an event, and no consent goes back in time.

    Both must be of the same keyring. It can be done while people click, in any order and any number of times. A person
    whose ledger isn't intact, here or there, is left as they are and reported. Exit status 1: there are such.
    """
    if copy == table:
        raise CanNotRunError("--from-table and --table name the same table")
    with plain_errors():
        keys = deployment.keyring(secret_id)
        merging = Merging(
            source=deployment.store(copy, keys),
            target=deployment.store(table, keys),
            key=keys.ledger_key(brand_id),
            brand=brand_id,
            dry_run=dry_run,
        )
        counts: Counter[Merged] = Counter()
        persons = (held.subscriber_id for held in Scan(merging.source.gateway).everyone(brand_id))
        with progress("persons") as show, ThreadPoolExecutor(deployment.WRITERS) as pool:
            while batch := list(islice(persons, _BATCH)):
                for subscriber_id, outcome in zip(batch, pool.map(merging.person, batch), strict=True):
                    counts[outcome] += 1
                    show(counts.total())
                    if outcome not in {Merged.SAME, Merged.MERGED}:
                        click.echo(f"{subscriber_id}\t{outcome}")
        summary = ", ".join(f"{counts[each]} {each}" for each in Merged if counts[each]) or "nobody in the copy"
        click.echo(f"{summary}{'; nothing was written' if dry_run else ''}", err=True)
        if set(counts) - {Merged.SAME, Merged.MERGED}:
            raise SystemExit(FOUND)


class Merging:
    """One table's events into another, a person at a time.

    An event that the table lacks is put as it is, and its effect joined to the state, in one transaction. The state
    counts its events, and whatever changes it adds one: so the count is what the transaction's condition looks at.
    """

    def __init__(self, *, source: Store, target: Store, key: bytes, brand: str, dry_run: bool = False) -> None:
        """`source` is the copy; `key` is the brand's ledger key."""
        self.source = source
        self._target = target
        self._key = key
        self._brand = brand
        self._dry_run = dry_run

    def person(self, subscriber_id: str) -> Merged:
        """Merge one person.

        Raises:
            StoreUnavailableError, botocore's errors: a table can't be read or written. What was merged stays merged.
        """
        there = self.source.read_record(self._brand, subscriber_id)
        if faults(self._key, there):
            return Merged.FAULTY_COPY
        outcome = Merged.SAME
        for attempt in range(_TRIES):
            here = self._target.read_record(self._brand, subscriber_id)
            found = faults(self._key, here)
            known = {event.sort_key for event in here.events}
            lacking = [event for event in there.events if event.sort_key not in known]
            counted = found == [Fault.MISSING] and self._adds_up(here, lacking)
            if found and not counted:
                return Merged.FAULTY
            if not lacking:
                return outcome
            if self._dry_run:
                return Merged.MERGED
            if self._write(here, there, lacking, counted=counted):
                outcome = Merged.MERGED
            else:
                time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311 - jitter, not a secret
        return Merged.BUSY

    def _adds_up(self, here: Record, lacking: Sequence[Event]) -> bool:
        """Whether what is lacking is what the state has counted: then it was lost, and is put back."""
        together = [*here.events, *lacking]
        digest = sum(hash_event(self._key, event) for event in together)
        return (len(together), digest) == (here.ledger_count, here.ledger_digest)

    def _write(self, here: Record, there: Record, lacking: Sequence[Event], *, counted: bool) -> bool:
        """Put all that is lacking; False if somebody else wrote in between."""
        lost, consent = here.consent is None, here.consent or Consent()
        pk = partition_key(self._brand, here.subscriber_id)
        state = self._target.gateway.get(schema.key(pk, STATE))
        if schema.integer(state, "ledger_count") != here.ledger_count:
            return False
        if lost:  # what the state says beside consent, such as when the person was erased
            state = {name: value for name, value in self.source.gateway.get(schema.key(pk, STATE)).items()
                     if name not in {"ledger_count", "ledger_digest"}}  # fmt: skip
        for at in range(0, len(lacking), _A_WRITE):
            part = lacking[at : at + _A_WRITE]
            consent |= rules.join(event.effect for event in part)
            grown = {**self._grown(state, consent, part), **schema.key(pk, STATE)}
            # Whatever changes a state adds to its count; one that has counted what is put back only has to stay.
            still = _still(here.ledger_count if counted else schema.integer(state, "ledger_count"))
            first: dict[str, Any] = {"Put": {"Item": grown, **still}}
            if counted:
                first = {"ConditionCheck": {"Key": schema.key(pk, STATE), **still}}
            puts = [put for event in part for put in self._puts(event, there, evidence=lost)]
            try:
                if self._target.gateway.transact([first, *puts], time.monotonic() + _PATIENCE_S) is not None:
                    return False
            except StoreUnavailableError as exc:
                if exc.__cause__:
                    raise
                return False  # others write there all the time
            state = grown
        if lost and (contact := self.source.gateway.get(schema.key(pk, CONTACT))):
            # An email that was due then is not due any more. If they asked again in the meantime, theirs stays.
            self._target.gateway.put({**contact, "mail": schema.string("sent")}, _NEW["ConditionExpression"])
        return True

    def _grown(self, state: dict[str, Any], joined: Consent, part: Sequence[Event]) -> dict[str, Any]:
        """The state with some events more."""
        # Platforms are notified as of any change. An import's makes no email that says goodbye.
        newest = max(part, key=lambda event: event.evidence_key)._replace(channel=Channel.IMPORT)
        digest = schema.integer(state, "ledger_digest") + sum(hash_event(self._key, event) for event in part)
        return {
            **state,
            **schema.attributes(joined, {}),
            "last_event": schema.last_event(newest),
            "ledger_count": schema.number(schema.integer(state, "ledger_count") + len(part)),
            "ledger_digest": schema.number(digest),
        }

    def _puts(self, event: Event, there: Record, *, evidence: bool) -> Iterator[dict[str, Any]]:
        """The event, and what is still held of its evidence where nothing was held of the person."""
        yield {"Put": {"Item": schema.event_item(event), **_NEW}}
        if evidence and event.evidence_key in there.evidences:
            found = self.source.gateway.get(schema.key(event.partition_key, f"V#{event.evidence_key}"))
            if found:
                yield {"Put": {"Item": found}}


_NEW: Final = {"ConditionExpression": "attribute_not_exists(pk)"}


def _still(count: int) -> dict[str, Any]:
    """The condition that a state has so many events; none: that there is no state."""
    if not count:
        return dict(_NEW)
    return {
        "ConditionExpression": "ledger_count = :count",
        "ExpressionAttributeValues": {":count": schema.number(count)},
    }
