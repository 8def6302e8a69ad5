"""`consentry webhooks`: what the calls of marketing platforms and mail providers are verified with."""

from __future__ import annotations

import sys
from typing import Any

import click

from consentry import providers
from consentry.aws import keyring_document
from consentry_cli import deployment
from consentry_cli.errors import plain_errors

_provider = click.argument("provider", type=click.Choice(providers.NAMES))


@click.group("webhooks")
def group() -> None:
    """Set and list the secrets of webhooks."""


@group.command("set")
@deployment.keyring_option
@deployment.brand_option
@click.option("--keep-old", is_flag=True, help="Let the value that is set now count too, while you change over.")
@click.option("--add", is_flag=True, help="Let all values that are set count too: for several webhooks of a provider.")
@click.option("--alone", is_flag=True, help="Drop the provider's other secrets, where it has several.")
@click.option("--insecure", is_flag=True, help="Take NAME=VALUE as well: for values that are no secret.")
@_provider
@click.argument("values", nargs=-1, metavar="NAME=-...")
def set_(
    secret_id: str,
    brand_id: str,
    keep_old: bool,
    add: bool,
    alone: bool,
    insecure: bool,
    provider: str,
    values: tuple[str, ...],
) -> None:
    """Store PROVIDER's secrets; they count everywhere within five minutes.

    NAME=- reads a line from standard input, which keeps the value out of the shell's history and the list of
    processes. docs/webhooks/ says which names a provider has, and where it shows the values.
    """
    given = _given(provider, values, insecure=insecure)
    with plain_errors():
        keyring_document.set_webhook_secrets(
            _secrets(), secret_id, brand_id, provider, given, keep_old=keep_old, keep_all=add, keep_others=not alone
        )
    click.echo(f"{brand_id} {provider}: {', '.join(given)} set", err=True)


@group.command("list")
@deployment.keyring_option
def list_(secret_id: str) -> None:
    """Print brand, provider and the names of secrets that are set; never a value."""
    with plain_errors():
        for brand, provider, names in keyring_document.webhook_names(_secrets(), secret_id):
            said = ",".join(name if count == 1 else f"{name}({count})" for name, count in names.items())
            click.echo(f"{brand}\t{provider}\t{said}")


def _given(provider: str, values: tuple[str, ...], *, insecure: bool) -> dict[str, str]:
    wanted = providers.provider(provider).SECRETS
    if not wanted:
        raise click.UsageError(f"{provider} has no secret: the brand file says who may call")
    given = dict(each.partition("=")[::2] for each in values)
    any_of_them = provider in providers.ONE_IS_ENOUGH and bool(given) and set(given) <= set(wanted)
    if not (any_of_them or set(given) == set(wanted)) or len(given) != len(values):
        said = " or ".join if provider in providers.ONE_IS_ENOUGH else " ".join
        raise click.UsageError(f"{provider} takes {said(f'{name}=-' for name in wanted)}")
    if not insecure and any(value != "-" for value in given.values()):
        raise click.UsageError(
            f"{' '.join(f'{name}=-' for name in given)} reads standard input: a value that stands here stays in the "
            "shell's history. If it is a secret, exchange it; if it isn't, say --insecure"
        )
    for name, value in given.items():
        given[name] = sys.stdin.readline().strip() if value == "-" else value
        if len(given[name].split()) != 1:
            raise click.UsageError(f"{name} is empty, or holds a space")
    return given


def _secrets() -> Any:
    return deployment.client("secretsmanager")
