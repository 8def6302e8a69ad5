"""`consentry notifications`: what platforms are sent of consent changes."""

from __future__ import annotations

import click

from consentry.aws import keyring_document
from consentry_cli import deployment, queues
from consentry_cli.errors import plain_errors

_endpoint = click.argument("endpoint")


@click.group("notifications")
def group() -> None:
    """Secrets of endpoints, and notifications that were given up."""


@group.command("add-secret")
@deployment.keyring_option
@deployment.brand_option
@_endpoint
def add_secret(secret_id: str, brand_id: str, endpoint: str) -> None:
    """Make a new signing secret for ENDPOINT and print it.

    The one before it signs too, so that the receiver can change over at leisure; then drop it with drop-old-secret.
    """
    with plain_errors():
        click.echo(
            keyring_document.add_notification_secret(deployment.client("secretsmanager"), secret_id, brand_id, endpoint)
        )


@group.command("drop-old-secret")
@deployment.keyring_option
@deployment.brand_option
@_endpoint
def drop_old_secret(secret_id: str, brand_id: str, endpoint: str) -> None:
    """Let ENDPOINT's newest secret alone sign from now on."""
    with plain_errors():
        client = deployment.client("secretsmanager")
        if not keyring_document.drop_old_notification_secret(client, secret_id, brand_id, endpoint):
            click.echo(f"{endpoint} has no older secret", err=True)
            raise SystemExit(1)


group.add_command(
    queues.redrive(
        queue="NotificationQueueUrl",
        dead_letters="NotificationDeadLettersUrl",
        doc="Try once more, from the start, every notification that was given up.",
    )
)
