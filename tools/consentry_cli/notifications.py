"""`consentry notifications`: what platforms are told of consent changes."""

from __future__ import annotations

from typing import Any

import boto3
import click

from consentry import keyring
from consentry_cli.api_keys import brand_option, keyring_option, plain_errors

_endpoint = click.argument("endpoint")


@click.group("notifications")
def group() -> None:
    """Secrets of endpoints, and notifications that were given up."""


@group.command("add-secret")
@keyring_option
@brand_option
@_endpoint
def add_secret(secret_id: str, brand: str, endpoint: str) -> None:
    """Make a new signing secret for ENDPOINT and print it.

    The one before it signs too, so that the receiver can change over at leisure; then drop it with drop-old-secret.
    """
    with plain_errors():
        click.echo(keyring.add_notification_secret(boto3.client("secretsmanager"), secret_id, brand, endpoint))


@group.command("drop-old-secret")
@keyring_option
@brand_option
@_endpoint
def drop_old_secret(secret_id: str, brand: str, endpoint: str) -> None:
    """Let ENDPOINT's newest secret alone sign from now on."""
    with plain_errors():
        client = boto3.client("secretsmanager")
        if not keyring.drop_old_notification_secret(client, secret_id, brand, endpoint):
            click.echo(f"{endpoint} has no older secret", err=True)
            raise SystemExit(1)


@group.command()
@click.option("--dead-letters", required=True, help="The stack's output NotificationDeadLettersUrl.")
@click.option("--queue", required=True, help="The stack's output NotificationQueueUrl.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
def redrive(dead_letters: str, queue: str, dry_run: bool) -> None:
    """Try once more, from the start, every notification that was given up."""
    with plain_errors():
        sqs = boto3.client("sqs")
        if dry_run:
            attributes = sqs.get_queue_attributes(
                QueueUrl=dead_letters, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]
            click.echo(f"{attributes['ApproximateNumberOfMessages']} waiting (about)")
            return
        click.echo(f"{_move_all(sqs, dead_letters, queue)} moved")


def _move_all(sqs: Any, source: str, target: str) -> int:
    """Each message is put into the target before it leaves the source: better told twice than not at all."""
    moved = 0
    while messages := sqs.receive_message(
        QueueUrl=source, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["MessageGroupId"]
    ).get("Messages"):
        for message in messages:
            group_id = message.get("Attributes", {}).get("MessageGroupId")
            sqs.send_message(
                QueueUrl=target, MessageBody=message["Body"], **({"MessageGroupId": group_id} if group_id else {})
            )
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved
