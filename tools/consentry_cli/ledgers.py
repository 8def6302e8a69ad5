"""`consentry ledger`: whether what is on record is what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from consentry import addresses
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.progress import progress

if TYPE_CHECKING:
    from consentry.ledger import Fault
    from consentry.store import Store

_LOOKS: Final = 3
"""How often a subscriber is looked at before anything is said of them: somebody may be writing."""


@click.group("ledger")
def group() -> None:
    """Work with the ledger."""


@group.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@click.option("--subscriber-id", help="One person alone.")
def verify(brand_id: str, table: str, secret_id: str, subscriber_id: str | None) -> None:
    """Check that no event of a brand's ledger was changed, removed, slipped in or moved, and no consent either.

    Prints the id of each person whose ledger isn't intact and what is wrong with it.
    """
    with plain_errors():
        store = deployment.store(table, deployment.keyring(secret_id))
        if subscriber_id is None:
            faulty, checked = _verify_all(store, brand_id)
        elif addresses.is_subscriber_id(subscriber_id):
            faulty, checked = _tell(subscriber_id, store.verify(brand_id, subscriber_id)), 1
        else:
            raise CanNotRunError("--subscriber-id: 22 characters of base64url")
        click.echo(f"{checked} ledgers checked, {faulty} not intact", err=True)
        if faulty:
            raise SystemExit(FOUND)


def _verify_all(store: Store, brand_id: str) -> tuple[int, int]:
    """How many aren't intact, and how many there are.

    A scan answers a person's items together and in order, mostly: DynamoDB may keep them in several places, and a
    write may come between two pages. So whoever doesn't add up is read again, alone and consistently, and that counts.
    Whoever has a part elsewhere doesn't add up there.
    """
    told: set[str] = set()
    checked = 0
    with progress("ledgers") as show:
        for held in store.everyone(brand_id):
            checked += 1
            show(checked)
            if held.subscriber_id in told or not store.faults(brand_id, held):
                continue
            found: list[Fault] = []
            for _ in range(_LOOKS):
                found = store.verify(brand_id, held.subscriber_id)
                if not found:
                    break
            if _tell(held.subscriber_id, found):
                told.add(held.subscriber_id)
    return len(told), checked


def _tell(subscriber_id: str, found: list[Fault]) -> int:
    if found:
        click.echo(f"{subscriber_id}\t{'; '.join(found)}")
    return 1 if found else 0
