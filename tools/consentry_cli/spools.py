"""`consentry spool`: what was accepted while the table was unavailable, and could not be recorded since."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from consentry.actions.replay import NOT_OURS
from consentry.links import sealed_log
from consentry.links.sealed_log import BrokenSealError
from consentry.rules.consent import DAY_MS
from consentry_cli import deployment, queues
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNREADABLE: Final = "unreadable"
_DRY: Final = "would be replayed"


@click.group("spool")
def group() -> None:
    """Opt-outs and reports that wait to be recorded."""


group.add_command(
    queues.redrive(
        queue="SpoolQueueUrl",
        dead_letters="SpoolDeadLettersUrl",
        doc="Bring back to the spool what could not be recorded for days. It is sent anew, so its 14 days begin again.",
    )
)


@group.command()
@click.argument("logs", nargs=-1, type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--log-group", "log_groups", multiple=True, help="A log group to read from; can be repeated.")
@click.option(
    "--days", default=14, show_default=True, type=click.IntRange(1, 3650), help="How far back in the log groups."
)
@deployment.table_option
@deployment.keyring_option
@click.option("--dry-run", is_flag=True, help="Write nothing; say how many there are.")
def replay(
    logs: tuple[Any, ...], log_groups: tuple[str, ...], days: int, table: str, secret_id: str, dry_run: bool
) -> None:
    """Record the opt-outs that, for want of table and queue, only a log could keep.

    LOGS are files in any form in which CloudWatch exports log lines, - is standard input. Each opt-out counts as of
    its own instant; doing this again changes nothing. Exit status 1: some could not be read, or are none of ours.
    """
    if not logs and not log_groups:
        raise CanNotRunError("name a file of log lines, or a --log-group")
    with plain_errors():
        keys = deployment.keyring(secret_id)
        key = keys.dead_letter_key()
        replays = deployment.replay(table, keys)
        counts: Counter[str] = Counter()
        since = deployment.now(secret_id) - days * DAY_MS
        for letter in _letters([*logs, *(_read(each, since) for each in log_groups)]):
            try:
                text = sealed_log.unseal(key, letter)
                counts[_DRY if dry_run else replays.apply(text)] += 1
            except (BrokenSealError, ValueError, TypeError, KeyError):
                counts[_UNREADABLE] += 1
        click.echo(", ".join(f"{number} {what}" for what, number in sorted(counts.items())) or "nothing found")
        if counts[_UNREADABLE] or counts[NOT_OURS]:
            raise SystemExit(FOUND)


def _letters(sources: Iterable[Iterable[str]]) -> Iterator[str]:
    """Each letter once: a log may be given twice, and a line name one twice."""
    seen = set()
    for source in sources:
        for line in source:
            for letter in sealed_log.find(line):
                if letter not in seen:
                    seen.add(letter)
                    yield letter


def _read(log_group: str, since: int) -> Iterator[str]:
    pages = (
        deployment.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=log_group, filterPattern='"dead_letter"', startTime=since)
    )
    for page in pages:
        for event in page["events"]:
            yield event["message"]
