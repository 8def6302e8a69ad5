"""`consentry links`: links and headers for the emails of a platform."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from consentry.actions import platforms
from consentry.actions.bulk.recipients import Recipients
from consentry.actions.bulk.rows import Reader, UnusableRowError, Writer, form_of
from consentry.links.tokens import Tokens
from consentry.rules.brands import Brands
from consentry_cli import deployment, key_files
from consentry_cli.errors import CanNotRunError, plain_errors
from consentry_cli.options import encoding_option, format_option, input_argument, output_option, spreadsheets_option
from consentry_cli.progress import progress
from consentry_cli.records import Complaints, reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.links.tokens import LinkSigner
    from consentry.rules.brands import Brand

KEEP_URL: Final = "keep_url"
ADDED: Final = ("subscriber_id", "unsubscribe_url", "preferences_url", "list_unsubscribe", "list_unsubscribe_post")
_BASE_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


@click.group("links")
def group() -> None:
    """Make links for emails."""


@group.command()
@deployment.brand_option
@deployment.topic_option
@click.option("--base-url", required=True, help="Where links lead: scheme and host, the stack's output Url.")
@deployment.keyring_option_if_any
@click.option(
    "--keys",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of `consentry keys export`: nothing is asked of AWS.",
)
@click.option(
    "--reference-column", default="reference", show_default=True, help="Your own mark for the mail, kept in its links."
)
@click.option("--keep", is_flag=True, help="Also a link to renew what ends, in the column keep_url.")
@deployment.brands_option
@encoding_option
@spreadsheets_option
@format_option
@input_argument
@output_option
def mint(
    brand_id: str,
    topic: str,
    base_url: str,
    secret_id: str | None,
    key_file: Path | None,
    reference_column: str,
    keep: bool,
    folder: Path | None,
    encoding: str,
    for_spreadsheets: bool,
    form: str | None,
    source: str,
    output: str,
) -> None:
    """Add to each row of INPUT the links and headers for an email to that person.

    INPUT has a column email or subscriber_id. Rows that can't be used are left out and reported.
    """
    with plain_errors():
        url = base_url.rstrip("/")
        if not _BASE_URL.fullmatch(url):
            raise CanNotRunError("--base-url: scheme and host, as in https://links.example.com")
        brand = _brand(folder, brand_id, topic)
        signer, pepper = _signer(key_file, secret_id, brand_id, keep=keep)
        form = form_of(source, form)
        complaints = Complaints()
        with reading(source, encoding) as stream, progress("links") as show:
            reader = Reader(stream, form)
            recipients = Recipients(reader, pepper)
            reference = reader.named(reference_column)
            with writing(output) as out:
                columns = (*ADDED, KEEP_URL) if keep else ADDED
                writer = Writer(out, form, reader.columns, columns, for_spreadsheets=for_spreadsheets)
                for count, row in enumerate(complaints.sift(reader), 1):
                    show(count)
                    try:
                        who, mark = recipients.of(row), row.text(reference)
                        minted = platforms.mint(signer, brand, who, topic, url, mark, keep=keep)
                    except UnusableRowError as exc:
                        complaints.add(row.malformed(str(exc)))
                    except ValueError as exc:
                        complaints.add(row.malformed(f"{reference_column}: {exc}"))
                    else:
                        values = (*minted[:3], *minted.headers.values(), *([minted.keep_url] if keep else []))
                        writer.row({**row.values, **dict(zip(columns, values, strict=True))})
        complaints.finish()


def _brand(folder: Path | None, brand_id: str, topic: str) -> Brand:
    known = deployment.brand_if_known(folder, brand_id)
    if known is None:
        click.echo("note: no brand files here, so headers have no mailto: link; --brands names their folder", err=True)
        return Brands([]).even_if_gone(brand_id)
    deployment.check_topics(known, (topic,))
    return known


def _signer(
    key_file: Path | None, secret_id: str | None, brand_id: str, *, keep: bool
) -> tuple[LinkSigner, Callable[[], bytes]]:
    """What signs the brand's links, and its pepper. What is wrong with the keys is said before anything is written."""
    if key_file:
        held = key_files.load(key_file, brand_id)
        if keep and not held.keeps:
            raise CanNotRunError(f"{key_file} has no key for links to keep: make it anew with `consentry keys export`")
        return held, lambda: held.pepper
    if secret_id:
        keyring = deployment.keyring(secret_id)
        keyring.signing_keys(brand_id)
        return Tokens(keyring), lambda: keyring.pepper(brand_id)
    raise CanNotRunError("say --keyring, or --keys to work without AWS")
