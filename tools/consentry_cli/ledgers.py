"""`consentry ledger`: whether what is on record is what was recorded."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import click

from consentry.actions import archive, archiving
from consentry.rules import addresses, notices
from consentry.table.scan import Scan
from consentry_cli import archives, deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.progress import progress
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.actions.archive import Loss
    from consentry.rules.ledger import Fault
    from consentry.table.store import Store
    from consentry_cli.archives import Archive

_LOOKS: Final = 3
"""How often a subscriber is looked at before anything is said of them: somebody may be writing."""


@click.group("ledger")
def group() -> None:
    """Work with the ledger."""


@group.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@click.option("--subscriber-id", help="One person alone.")
@click.option(
    "--archive",
    "where",
    metavar="PLACE",
    help="Also check that nothing is gone that the archive has: s3://BUCKET, or a folder with a copy of it.",
)
def verify(brand_id: str, table: str, secret_id: str, subscriber_id: str | None, where: str | None) -> None:
    """Check that no event of a brand's ledger was changed, removed, slipped in or moved, and no consent either.

    Prints the id of each person whose ledger isn't intact and what is wrong with it.
    """
    with plain_errors():
        if subscriber_id is not None and not addresses.is_subscriber_id(subscriber_id):
            raise CanNotRunError("--subscriber-id: 22 characters of base64url")
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        kept = archives.open_archive(where, keys.archive_key(), deployment.now(secret_id)) if where else None
        named: set[str] = set()
        if subscriber_id is None:
            faulty, checked = _verify_all(store, brand_id, named)
        else:
            faulty, checked = _tell(subscriber_id, store.verify(brand_id, subscriber_id)), 1
            named.update(event.notice for event in store.read_record(brand_id, subscriber_id).events)
        verdict = f"{faulty:,} not intact" if faulty else "all intact"
        click.echo(f"{number(checked, 'ledger')} checked, {verdict}", err=True)
        if kept is not None:
            faulty += _compare(store, brand_id, keys.archive_key(), kept, subscriber_id)
        faulty += _find_words(named - {""}, kept)
        if faulty:
            raise SystemExit(FOUND)


@group.command("archive")
@click.option(
    "--queue",
    "queue_url",
    envvar="ARCHIVE_QUEUE_URL",
    required=True,
    help="The stack's output ArchiveQueueUrl. [env: ARCHIVE_QUEUE_URL]",
)
@click.option("--month", help="yyyy-mm, UTC; last month unless given.")
@click.option(
    "--segments",
    type=click.IntRange(1, archiving.MOST_SEGMENTS),
    default=8,
    show_default=True,
    help="How many parts of the table are read at once.",
)
def archive_now(queue_url: str, month: str | None, segments: int) -> None:
    """Copy a month's ledger to the archive now, and not only on the second of the month after.

    It is done in the deployment, and done when the run has a manifest. A month can be archived any number of times.
    """
    with plain_errors():
        queue = deployment.client("sqs")
        # The run's name says whether its month was over.
        now = deployment.instant_of(queue.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"]))
        month = month or archive.month_before(now)

        def send(text: str) -> None:
            queue.send_message(QueueUrl=queue_url, MessageBody=text)

        try:
            run = archiving.start(send, month, segments, now)
        except ValueError as exc:
            raise CanNotRunError(f"--month: {exc}") from exc
        click.echo(f"{archive.PREFIX}{month}/{run}/")
        click.echo(f"{segments} segments begun; the run is complete when {archive.MANIFEST} is there", err=True)


def _compare(store: Store, brand_id: str, key: bytes, kept: Archive, only: str | None) -> int:
    """How many persons the table has lost something of, and how much is wrong with the archive itself.

    Somebody may be in several parts, with something to report in each.
    """
    compared = 0
    lost: set[str] = set()
    reported: set[tuple[str, Loss]] = set()
    with progress("archived ledgers") as show:
        for lines in kept.ledgers(brand_id):
            first = next(lines)
            if only not in {None, first["subscriber_id"]}:
                continue
            compared += 1
            show(compared)
            held = store.read_record(brand_id, first["subscriber_id"])
            found = archive.losses(key, held, chain([first], lines))
            news = [each for each in found if (held.subscriber_id, each) not in reported]
            if _tell(held.subscriber_id, news):
                lost.add(held.subscriber_id)
                reported.update((held.subscriber_id, each) for each in news)
    for fault in kept.faults:
        click.echo(f"archive\t{fault}")
    months = f"{kept.months[0]} to {kept.months[-1]}" if kept.months else "no month that is over"
    click.echo(f"{compared} archived ledgers of {months} compared, {len(lost)} not intact", err=True)
    return len(lost) + len(kept.faults)


def _find_words(named: set[str], kept: Archive | None) -> int:
    """How many notices events name whose words nobody has."""
    wanted = sorted(filter(notices.is_version, named))
    if old := len(named) - len(wanted):
        click.echo(f"{number(old, 'notice')} of before words were kept: they are named, and not held", err=True)
    if kept is None:
        if wanted:
            click.echo(f"{number(len(wanted), 'notice')} named; --archive looks for their words", err=True)
        return 0
    lost = [version for version in wanted if kept.notice(version) is None]
    for version in lost:
        click.echo(f"notice {version}\tnobody has its words")
    click.echo(
        f"{number(len(wanted), 'notice')} named, the words of {len(wanted) - len(lost)} are in the archive", err=True
    )
    return len(lost)


def _verify_all(store: Store, brand_id: str, named: set[str]) -> tuple[int, int]:
    """How many aren't intact, and how many there are; `named` gets the notices that their events name.

    A scan answers a person's items together and in order, mostly: DynamoDB may keep them in several places, and a
    write may come between two pages. So whoever doesn't add up is read again, alone and consistently, and that counts.
    Whoever has a part elsewhere doesn't add up there.
    """
    reported: set[str] = set()
    checked = 0
    with progress("ledgers") as show:
        for held in Scan(store.gateway).everyone(brand_id):
            checked += 1
            show(checked)
            named.update(event.notice for event in held.events)
            if held.subscriber_id in reported or not store.faults(brand_id, held):
                continue
            found: list[Fault] = []
            for _ in range(_LOOKS):
                found = store.verify(brand_id, held.subscriber_id)
                if not found:
                    break
            if _tell(held.subscriber_id, found):
                reported.add(held.subscriber_id)
    return len(reported), checked


def _tell(subscriber_id: str, found: Sequence[str]) -> int:
    if found:
        click.echo(f"{subscriber_id}\t{'; '.join(found)}")
    return 1 if found else 0
