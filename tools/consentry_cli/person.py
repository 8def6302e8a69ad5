"""`consentry person`: how somebody stands, why, and what happened, in sentences."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from consentry.actions import story
from consentry.rules import addresses
from consentry.rules.addresses import MalformedAddressError
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.wording import number

if TYPE_CHECKING:
    from pathlib import Path

WHOLE_LEDGER: Final = 1_000_000
"""Events; nobody has so many."""


@click.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--subscriber-id", help="Who, by id; the address is read from standard input otherwise.")
def person(brand_id: str, table: str, secret_id: str, folder: Path | None, subscriber_id: str | None) -> None:
    """Say how somebody stands to each topic and why, what happened, and what may still be emailed.

    The address comes from standard input, so that no list of processes and no shell history has it. It isn't printed.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        keys = deployment.keyring(secret_id)
        who = subscriber_id or named(keys.pepper(brand_id))
        if not addresses.is_subscriber_id(who):
            raise CanNotRunError("--subscriber-id: 22 characters of base64url")
        store, now = deployment.store(table, keys), deployment.now(secret_id)
        consent, page = store.read(brand_id, who), store.ledger(brand_id, who, limit=WHOLE_LEDGER)
        click.echo(f"{who} of {brand_id}\n")
        for line in story.standing(brand, consent, now):
            click.echo(line)
        click.echo("\nWhat happened (UTC)")
        for event, _ in page.events:
            click.echo(f"  {story.moment(event.occurred_at)}  {story.sentence(brand, event)}")
        click.echo("" if page.events else "  nothing that is on record\n", nl=bool(page.events))
        intact = "intact" if page.intact else "NOT intact: `consentry ledger verify` says what is wrong"
        click.echo(f"The ledger has {number(len(page.events), 'event')} and is {intact}.")
        click.echo(
            "Whether a platform asked for a decision before it sent an email isn't recorded: its own log has to say so."
        )
        if not page.intact:
            raise SystemExit(FOUND)


def named(pepper: bytes, email: str | None = None) -> str:
    """The subscriber id of an address; of the one that standard input names, if none is given."""
    if email is None:
        email = click.prompt("Address", err=True) if sys.stdin.isatty() else sys.stdin.read()
        where = "standard input"
    else:
        where = "--email"
    try:
        return addresses.subscriber_id(pepper, addresses.identify(email).address)
    except MalformedAddressError as exc:
        raise CanNotRunError(f"{where}: one address is needed, or --subscriber-id ({exc})") from None
