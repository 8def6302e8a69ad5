"""`consentry decide`: may these people be mailed on a topic now?"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from consentry import consent as rules
from consentry import platforms
from consentry_cli import deployment
from consentry_cli.errors import plain_errors
from consentry_cli.options import format_option, input_argument, output_option
from consentry_cli.progress import progress
from consentry_cli.recipients import Recipients
from consentry_cli.records import Complaints, Reader, UnusableRowError, Writer, form_of, reading, writing

if TYPE_CHECKING:
    from pathlib import Path

ADDED: Final = ("subscriber_id", "allowed", "reason", "status", "frequency", "paused_until")
_BATCH: Final = 1_000


@click.command()
@deployment.brand_option
@deployment.topic_option
@deployment.table_option
@deployment.keyring_option
@deployment.brands_option
@format_option
@input_argument
@output_option
def decide(
    brand_id: str,
    topic: str,
    table: str,
    secret_id: str,
    folder: Path | None,
    form: str | None,
    source: str,
    output: str,
) -> None:
    """Add to each row of INPUT whether that person may be mailed on a topic now, and why.

    INPUT has a column email or subscriber_id. Rows that can't be used are left out and told of.
    """
    with plain_errors():
        brand = deployment.brand(folder, brand_id)
        deployment.check_topics(brand, (topic,))
        keys = deployment.keyring(secret_id)
        store = deployment.store(table, keys)
        form = form_of(source, form)
        complaints = Complaints()
        with reading(source) as stream, progress("decisions") as show:
            reader = Reader(stream, form)
            recipients = Recipients(reader, lambda: keys.pepper(brand_id))
            with writing(output) as out:
                writer = Writer(out, form, [*reader.columns, *ADDED])
                rows, done = complaints.sift(reader), 0
                while batch := list(islice(rows, _BATCH)):
                    known = []
                    for row in batch:
                        try:
                            known.append((row, recipients.of(row)))
                        except UnusableRowError as exc:
                            complaints.add(row.malformed(str(exc)))
                    consents = store.read_many(brand_id, [who for _, who in known], topic)
                    now = time.time_ns() // 1_000_000
                    for row, who in known:
                        decided = rules.decide(consents[who], topic, brand.mode(topic), now)
                        writer.row({**row.values, **platforms.decision(who, decided)})
                    done += len(batch)
                    show(done)
        complaints.finish()
