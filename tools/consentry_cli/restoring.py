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
from consentry.rules.ledger import Channel, Event, Fault, Holding, faults, hash_event, partition_key
from consentry.table import schema
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
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would be merged.")
def merge(copy: str, brand_id: str, table: str, secret_id: str, dry_run: bool) -> None:
    """Merge a copy of the table into the table: neither loses an event, and no consent goes back in time.

    Both must be of the same keyring. It can be done while people click, in any order and any number of times. A person
    whose ledger isn't intact, here or there, is left as they are and told of. Exit status 1: there are such.
    """
    if copy == table:
        raise CanNotRunError("--from-table and --table name the same table")
    with plain_errors():
        keys = deployment.keyring(secret_id)
        merging = Merging(
            source=deployment.store(copy, keys),
            target=deployment.store(table, keys),
            client=deployment.client("dynamodb"),
            tables=(copy, table),
            key=keys.ledger_key(brand_id),
            brand=brand_id,
            dry_run=dry_run,
        )
        counts: Counter[Merged] = Counter()
        persons = (held.subscriber_id for held in merging.source.everyone(brand_id))
        with progress("persons") as show, ThreadPoolExecutor(deployment.WRITERS) as pool:
            while batch := list(islice(persons, _BATCH)):
                for subscriber_id, outcome in zip(batch, pool.map(merging.person, batch), strict=True):
                    counts[outcome] += 1
                    show(counts.total())
                    if outcome not in {Merged.SAME, Merged.MERGED}:
                        click.echo(f"{subscriber_id}\t{outcome}")
        told = ", ".join(f"{counts[each]} {each}" for each in Merged if counts[each]) or "nobody in the copy"
        click.echo(f"{told}{'; nothing was written' if dry_run else ''}", err=True)
        if set(counts) - {Merged.SAME, Merged.MERGED}:
            raise SystemExit(FOUND)


class Merging:
    """One table's events into another, a person at a time.

    An event that the table lacks is put as it is, and its effect joined to the state, in one transaction. The state
    counts its events, and whatever changes it adds one: so the count is what the transaction's condition looks at.
    """

    def __init__(
        self,
        *,
        source: Store,
        target: Store,
        client: Any,
        tables: tuple[str, str],
        key: bytes,
        brand: str,
        dry_run: bool = False,
    ) -> None:
        """`tables` are the names of the copy and of the table; `key` is the brand's ledger key."""
        self.source = source
        self._target = target
        self._client = client
        self._copy, self._table = tables
        self._key = key
        self._brand = brand
        self._dry_run = dry_run

    def person(self, subscriber_id: str) -> Merged:
        """Merge one person.

        Raises:
            StoreUnavailableError, botocore's errors: a table can't be read or written. What was merged stays merged.
        """
        there = self.source.holding(self._brand, subscriber_id)
        if faults(self._key, there):
            return Merged.FAULTY_COPY
        outcome = Merged.SAME
        for attempt in range(_TRIES):
            here = self._target.holding(self._brand, subscriber_id)
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

    def _adds_up(self, here: Holding, lacking: Sequence[Event]) -> bool:
        """Whether what is lacking is what the state has counted: then it was lost, and is put back."""
        together = [*here.events, *lacking]
        digest = sum(hash_event(self._key, event) for event in together)
        return (len(together), digest) == (here.ledger_count, here.ledger_digest)

    def _write(self, here: Holding, there: Holding, lacking: Sequence[Event], *, counted: bool) -> bool:
        """Put all that is lacking; False if somebody else wrote in between."""
        lost, consent = here.consent is None, here.consent or Consent()
        state = self._state(self._target, here.subscriber_id)
        if schema.integer(state, "ledger_count") != here.ledger_count:
            return False
        if lost:  # what the state says beside consent, such as when the person was erased
            state = {name: value for name, value in self._state(self.source, here.subscriber_id).items()
                     if name not in {"ledger_count", "ledger_digest"}}  # fmt: skip
        for at in range(0, len(lacking), _A_WRITE):
            part = lacking[at : at + _A_WRITE]
            consent |= rules.join(event.effect for event in part)
            grown = self._grown(here.subscriber_id, state, consent, part)
            first = self._still(here) if counted else self._put_over(grown, schema.integer(state, "ledger_count"))
            puts = [put for event in part for put in self._puts(event, there, evidence=lost)]
            try:
                self._client.transact_write_items(TransactItems=[first, *puts])
            except self._client.exceptions.TransactionCanceledException:
                return False
            state = grown
        if lost:
            self._put_contact(there)
        return True

    def _state(self, store: Store, subscriber_id: str) -> dict[str, Any]:
        return store.gateway.get(schema.key(partition_key(self._brand, subscriber_id), STATE))

    def _still(self, here: Holding) -> dict[str, Any]:
        """That the state is as it was read. It has counted what is put back."""
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": schema.key(partition_key(self._brand, here.subscriber_id), STATE),
                "ConditionExpression": "ledger_count = :count",
                "ExpressionAttributeValues": {":count": schema.number(here.ledger_count)},
            }
        }

    def _grown(
        self, subscriber_id: str, state: dict[str, Any], joined: Consent, part: Sequence[Event]
    ) -> dict[str, Any]:
        """The state with some events more."""
        # Platforms are notified as of any change. An import's makes no email that says goodbye.
        newest = max(part, key=lambda event: event.evidence_key)._replace(channel=Channel.IMPORT)
        digest = schema.integer(state, "ledger_digest") + sum(hash_event(self._key, event) for event in part)
        return {
            **state,
            **schema.key(partition_key(self._brand, subscriber_id), STATE),
            **schema.attributes(joined, {}),
            "last_event": schema.last_event(newest),
            "ledger_count": schema.number(schema.integer(state, "ledger_count") + len(part)),
            "ledger_digest": schema.number(digest),
        }

    def _put_over(self, item: dict[str, Any], count: int) -> dict[str, Any]:
        """The state in place of one that had so many events: whatever changes a state adds to its count."""
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if count:
            put["ConditionExpression"] = "ledger_count = :count"
            put["ExpressionAttributeValues"] = {":count": schema.number(count)}
        return {"Put": put}

    def _puts(self, event: Event, there: Holding, *, evidence: bool) -> Iterator[dict[str, Any]]:
        """The event, and what is still held of its evidence where nothing was held of the person."""
        put = {"TableName": self._table, "ConditionExpression": "attribute_not_exists(pk)"}
        yield {"Put": {**put, "Item": schema.event_item(event)}}
        if evidence and event.evidence_key in there.evidences:
            key = schema.key(event.partition_key, f"V#{event.evidence_key}")
            found = self._client.get_item(TableName=self._copy, Key=key, ConsistentRead=True).get("Item")
            if found:
                yield {"Put": {"TableName": self._table, "Item": found}}

    def _put_contact(self, there: Holding) -> None:
        """The address, of somebody of whom nothing was held. A mail that was due then is not due any more."""
        key = schema.key(partition_key(self._brand, there.subscriber_id), CONTACT)
        found = self._client.get_item(TableName=self._copy, Key=key, ConsistentRead=True).get("Item")
        if found is None:
            return
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**found, "mail": schema.string("sent")},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # they asked again in the meantime
