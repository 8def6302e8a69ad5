"""`consentry api-keys`: who may call the API."""

from __future__ import annotations

from typing import Any

import click

from consentry.aws import keyring_document
from consentry.links import keyring
from consentry_cli import deployment
from consentry_cli.errors import plain_errors


@click.group("api-keys")
def group() -> None:
    """Create, list and revoke API keys."""


@group.command()
@deployment.keyring_option
@deployment.brand_option
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(keyring.SCOPES),
    default=("read", "write"),
    show_default=True,
    help="What the key may do; can be repeated.",
)
def create(secret_id: str, brand_id: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it: the only time that it can be seen."""
    with plain_errors():
        click.echo(keyring_document.issue_api_key(_secrets(), secret_id, brand_id, scopes))


@group.command("list")
@deployment.keyring_option
@deployment.brand_option
def list_(secret_id: str, brand_id: str) -> None:
    """Print the id and scopes of each of a brand's keys."""
    with plain_errors():
        for key_id, scopes in keyring_document.api_keys(_secrets(), secret_id, brand_id):
            click.echo(f"{key_id}\t{','.join(scopes)}")


@group.command()
@deployment.keyring_option
@deployment.brand_option
@click.argument("key_id")
def revoke(secret_id: str, brand_id: str, key_id: str) -> None:
    """End a key. It is refused everywhere within five minutes."""
    with plain_errors():
        if not keyring_document.revoke_api_key(_secrets(), secret_id, brand_id, key_id):
            click.echo(f"{brand_id} has no key {key_id}", err=True)
            raise SystemExit(1)


def _secrets() -> Any:
    return deployment.client("secretsmanager")
