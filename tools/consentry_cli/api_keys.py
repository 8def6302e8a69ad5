"""`consentry api-keys`: who may call the API."""

from __future__ import annotations

from typing import Any

import click

from consentry.links import keyring
from consentry_cli import deployment
from consentry_cli.errors import plain_errors

keyring_option = click.option(
    "--keyring",
    "secret_id",
    envvar="KEYRING_SECRET_ARN",
    required=True,
    help="The keyring's secret: the stack's output KeyringSecretArn.",
)
brand_option = click.option("--brand", required=True, help="Whose key it is: the name of the brand's file.")


@click.group("api-keys")
def group() -> None:
    """Create, list and revoke API keys."""


@group.command()
@keyring_option
@brand_option
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(keyring.SCOPES),
    default=("read", "write"),
    show_default=True,
    help="What the key may do; can be repeated.",
)
def create(secret_id: str, brand: str, scopes: tuple[str, ...]) -> None:
    """Make a key and print it: the only time that it can be seen."""
    with plain_errors():
        click.echo(keyring.issue_api_key(_secrets(), secret_id, brand, scopes))


@group.command("list")
@keyring_option
@brand_option
def list_(secret_id: str, brand: str) -> None:
    """Print the id and scopes of each of a brand's keys."""
    with plain_errors():
        for key_id, scopes in keyring.api_keys(_secrets(), secret_id, brand):
            click.echo(f"{key_id}\t{','.join(scopes)}")


@group.command()
@keyring_option
@brand_option
@click.argument("key_id")
def revoke(secret_id: str, brand: str, key_id: str) -> None:
    """End a key. It is refused everywhere within five minutes."""
    with plain_errors():
        if not keyring.revoke_api_key(_secrets(), secret_id, brand, key_id):
            click.echo(f"{brand} has no key {key_id}", err=True)
            raise SystemExit(1)


def _secrets() -> Any:
    return deployment.client("secretsmanager")
