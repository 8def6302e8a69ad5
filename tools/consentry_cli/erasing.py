"""`consentry erase`: forget persons."""

from __future__ import annotations

import io
import sys
from itertools import count, islice
from typing import TYPE_CHECKING, Final

import click

from consentry.actions.bulk.encodings import Text
from consentry.actions.bulk.recipients import Recipients
from consentry.actions.bulk.records import WHO
from consentry.actions.bulk.rows import (
    CSV,
    NDJSON,
    Malformed,
    Reader,
    UnusableInputError,
    UnusableRowError,
    form_of,
    unguarded,
)
from consentry.actions.reports import Reports
from consentry.actions.spool import Recorder
from consentry.rules import addresses
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.brands import Brands
from consentry.rules.consent import Consent
from consentry.rules.ledger import Channel
from consentry_cli import deployment
from consentry_cli.errors import CanNotRunError, plain_errors
from consentry_cli.options import encoding_option, format_option
from consentry_cli.records import STANDARD, Complaints, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BATCH: Final = 1_000
_MAX_LINE: Final = 1 << 20


@click.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@click.option("--subscriber-id", "ids", multiple=True, help="Whom to forget, by id; can be repeated.")
@click.option("--dry-run", is_flag=True, help="Erase nothing; say who is known.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@encoding_option
@format_option
@click.argument(
    "source", metavar="[FILE]", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
def erase(
    brand_id: str,
    table: str,
    secret_id: str,
    ids: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    encoding: str,
    form: str | None,
    source: str | None,
) -> None:
    """Forget persons: their address and the evidence go, their opt-outs stay in force.

    FILE, or standard input, has an address or a subscriber id on each line, or rows with a column email or
    subscriber_id. Addresses are no arguments: those stay in
    the shell's history.
    """
    with plain_errors():
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        brand = Brands([]).even_if_gone(brand_id)
        reports = Reports(store, keys.pepper, Recorder(store))
        complaints = Complaints()
        if unspelled := [each for each in ids if not addresses.is_subscriber_id(each)]:
            raise CanNotRunError(f"--subscriber-id: {len(unspelled)} of {len(ids)} are not 22 characters of base64url")
        named: Iterator[str] = iter(ids)
        if source or not ids:
            named = _named(source or STANDARD, form, encoding, complaints, lambda: keys.pepper(brand_id))
        persons = 0
        if sys.stdin.isatty() and not (yes or dry_run):
            # To ask how many there are, they must be counted: so all ids are held, 22 characters each.
            everybody = list(dict.fromkeys(named))
            noun = "person" if len(everybody) == 1 else "persons"
            click.confirm(f"Forget {len(everybody)} {noun} of {brand_id}? This can't be undone.", abort=True, err=True)
            named = iter(everybody)
        while batch := list(islice(named, _BATCH)):
            known, now = store.read_many(brand_id, batch), deployment.now(secret_id)
            for subscriber_id, consent in known.items():
                persons += 1
                if not dry_run:
                    reports.erase(brand, subscriber_id, Channel.API, now)
                verb = "known" if consent != Consent() else "unknown"
                click.echo(f"{subscriber_id}\t{verb if dry_run else 'erased'}")
        click.echo(f"{persons} {'found, none erased' if dry_run else 'erased'}", err=True)
        complaints.finish()


def _named(
    source: str, form: str | None, encoding: str, complaints: Complaints, pepper: Callable[[], bytes]
) -> Iterator[str]:
    """The ids of a list, or of a table: rows whose header says which column says who."""
    with reading(source, encoding) as stream:
        text = Text(stream)
        form = _table(text.ahead(), form_of(source, form))
        if form:
            reader = Reader(text, form)
            recipients = Recipients(reader, pepper)
            for row in complaints.sift(reader):
                try:
                    yield recipients.of(row)
                except UnusableRowError as exc:
                    complaints.add(row.malformed(str(exc)))
            return
        for line in count(1):
            listed = text.readline(_MAX_LINE)
            if not listed:
                return
            name = unguarded(listed.strip())
            if not name:
                continue
            if addresses.is_subscriber_id(name):
                yield name
                continue
            try:
                yield addresses.subscriber_id(pepper(), addresses.identify(name).address)
            except MalformedAddressError as exc:
                complaints.add(Malformed(line, line, str(exc)))


def _table(beginning: str, form: str) -> str:
    """The form of rows, where these are rows; empty where it is a list of addresses and ids, one a line."""
    if form == NDJSON or beginning.lstrip()[:1] in {"{", "["}:
        return NDJSON
    try:
        names = Reader(io.StringIO(beginning, newline=""), CSV).names
    except UnusableInputError:
        return ""
    return CSV if any(name in names for name in WHO) else ""
