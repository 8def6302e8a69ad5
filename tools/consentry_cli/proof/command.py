"""`consentry proof`: the document of `consentry.actions.proof`, with what the archive says, as a page or as JSON."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from consentry.actions import archive
from consentry.actions import proof as proofs
from consentry.rules import addresses
from consentry.table import sent_mails
from consentry_cli import archives, deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.options import output_option
from consentry_cli.person import WHOLE_LEDGER, named
from consentry_cli.progress import progress
from consentry_cli.records import writing

if TYPE_CHECKING:
    from pathlib import Path

    from consentry.table.store import Store

_ITS_OWN: Final = "its own"


@click.command("proof")
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@click.option("--email", help="Who, by address; the shell's history keeps it. Left out: standard input has it.")
@click.option("--subscriber-id", help="Who, by id.")
@output_option
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, as the API answers it.")
@click.option(
    "--archive",
    "where",
    is_flag=False,
    flag_value=_ITS_OWN,
    metavar="[PLACE]",
    help="Also check that nothing is gone that the archive has: the stack's own, s3://BUCKET, or a folder with a copy.",
)
@click.option("--with-address", is_flag=True, help="Have the page name the address, if it is held or was given.")
def proof(
    brand_id: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    email: str | None,
    subscriber_id: str | None,
    output: str,
    as_json: bool,
    where: str | None,
    with_address: bool,
) -> None:
    """Make a page, to print, that proves what somebody agreed to.

    It has what happened, in sentences, the words that the person read, the emails that went out, evidence that is still held, what the ledger's and the archive's check say, and consent records. It loads nothing, and names nobody unless asked to. Exit status 1: something doesn't verify, and the page says so at its top.
    """  # noqa: E501 - click wraps a paragraph
    if email is not None and subscriber_id is not None:
        raise click.UsageError("either --email or --subscriber-id")
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        keys = deployment.keyring(secret_id)
        who = subscriber_id or named(keys.pepper(brand_id), email)
        if not addresses.is_subscriber_id(who):
            raise CanNotRunError("--subscriber-id: 22 characters of base64url")
        store, now = deployment.store(table, keys), deployment.now(secret_id)
        own = deployment.archive_of(table)
        place = own if where in {None, _ITS_OWN} else where
        if where and not place:
            raise CanNotRunError("--archive: the stack keeps none that can be found; name it: s3://BUCKET")
        found = proofs.document(
            brand,
            who,
            store.read(brand_id, who),
            store.ledger(brand_id, who, limit=WHOLE_LEDGER),
            sent_mails.of_person(store.gateway, brand_id, who),
            archives.words_in(place) if place else None,
            now,
            archive=_compared(store, brand_id, who, place, keys.archive_key(), now, own=where == _ITS_OWN)
            if where and place
            else None,
        )
        if with_address:
            contact = store.contact(brand_id, who)
            found["address"] = contact.address if contact and contact.address else (email or "").strip()
        if as_json:
            text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
        else:
            try:
                from consentry_cli.proof.page import render  # noqa: PLC0415 - its library is an extra
            except ImportError:
                raise CanNotRunError("a page needs what draws it: pip install 'consentry[report]'") from None
            text = render(found)
        with writing(output) as out:
            out.write(text)
        if not found["verified"]:
            click.echo("NOT verified: the page says what is wrong at its top", err=True)
            raise SystemExit(FOUND)


def _compared(store: Store, brand_id: str, who: str, place: str, key: bytes, now: int, *, own: bool) -> dict[str, Any]:
    """What the archive's check says of one person; the stack's own has nothing yet in its first month."""
    kept = archives.open_archive(place, key, now, young=own)
    losses: list[str] = []
    compared = 0
    with progress("archived ledgers") as show:
        for lines in kept.ledgers(brand_id):
            first = next(lines)
            if first["subscriber_id"] == who:
                compared += 1
                show(compared)
                losses += archive.losses(key, store.read_record(brand_id, who), chain([first], lines))
    return {
        "intact": not losses and not kept.faults,
        "losses": list(dict.fromkeys(losses)),
        "faults": kept.faults,
        "months": kept.months,
        "parts": compared,
    }
