"""Dead letters of a queue, and their way back."""

from __future__ import annotations

from typing import Any

import click

from consentry_cli import deployment
from consentry_cli.errors import plain_errors


def redrive(*, queue: str, dead_letters: str, doc: str) -> click.Command:
    """The command that brings dead letters back.

    Args:
        queue: the output of the stack that names the queue.
        dead_letters: the output that names its dead letters.
        doc: what the command says of itself.
    """

    @click.command("redrive", help=doc)
    @click.option("--dead-letters", required=True, help=f"The stack's output {dead_letters}.")
    @click.option("--queue", required=True, help=f"The stack's output {queue}.")
    @click.option("--dry-run", is_flag=True, help="Only say how many there are.")
    def command(dead_letters: str, queue: str, dry_run: bool) -> None:
        with plain_errors():
            sqs = deployment.client("sqs")
            if dry_run:
                attributes = sqs.get_queue_attributes(
                    QueueUrl=dead_letters, AttributeNames=["ApproximateNumberOfMessages"]
                )["Attributes"]
                click.echo(f"{attributes['ApproximateNumberOfMessages']} waiting (about)")
                return
            click.echo(f"{_move_all(sqs, dead_letters, queue)} moved")

    return command


def _move_all(sqs: Any, source: str, target: str) -> int:
    """Each message is put into the target before it leaves the source: better done twice than not at all."""
    moved = 0
    while messages := sqs.receive_message(
        QueueUrl=source,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["MessageGroupId"],
        MessageAttributeNames=["correlation_id"],
    ).get("Messages"):
        for message in messages:
            group_id = message.get("Attributes", {}).get("MessageGroupId")
            kept = {"MessageGroupId": group_id} if group_id else {}
            if "MessageAttributes" in message:
                kept["MessageAttributes"] = message["MessageAttributes"]
            sqs.send_message(QueueUrl=target, MessageBody=message["Body"], **kept)
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved
