"""What docs/costs.md and docs/scale.md count with was measured: by DynamoDB Local, on items that our own code makes.

It answers 4 units for any transaction of small items, whatever their number, so units aren't asked of it, but sizes.
"""

from __future__ import annotations

import gzip
import json
import random
import string
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from consentry.actions import archive
from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.schema import Contact, Head
from consentry.table.store import Address
from support.tables import Table

RECORDED: Final = Path(__file__).parents[2] / "tools/dev/capacity/measured.json"
AT: Final = 1_795_500_000_000
AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
KEPT: Final[dict[str, Any]] = {"evidence": Evidence("2001:db8:85a3::8a2e:370:7334", AGENT), "evidence_days": 365}
CONTACT: Final = Contact("somebody.or.other@mail.example.com", "en", ("news",), AT, "8sK2mPq0Zx7Lw4R0")
CALL: Final = "before-parameter-build.dynamodb.TransactWriteItems"
PARTS: Final = {"S": "state", "C": "contact", "E": "event", "V": "evidence"}


def event(kind: Kind, channel: Channel, later: int, effect: Consent, *, reference: str = "", source: str = "") -> Event:
    """Something that one person did, so many ms later than the first."""
    at = AT + later
    return Event(
        event_id=f"8sK2mPq0Zx7Lw4R{later}",
        kind=kind,
        brand="example",
        subscriber_id="Zq3vT9x0bS2mKc7LdYw1Ng",
        occurred_at=at,
        arrived_at=at,
        actor=Actor.RECIPIENT,
        channel=channel,
        effect=effect,
        topics=("news",),
        locale="en",
        notice="2026-01",
        reference=reference,
        source=source,
    )


ASKED: Final = event(Kind.ASKED, Channel.PAGE, 0, Consent({rules.ask("news"): AT}), source="landing-page")
CONFIRMED: Final = event(Kind.CONFIRMED, Channel.PAGE, 1, Consent({rules.opt_in("news"): AT}))
LEFT: Final = event(
    Kind.UNSUBSCRIBED, Channel.ONE_CLICK, 2, Consent({rules.opt_out("news"): AT + 2}), reference="c-2026-11-24"
)


class Watched:
    """A table, and what each transaction leaves in it."""

    def __init__(self, client: Any) -> None:
        self.table, self._alone = Table(client), Table(client)
        self._client = client
        self._written: list[str] = []
        client.meta.events.register(CALL, self._asked, unique_id=self.table.name)

    def _asked(self, params: dict[str, Any], **_: Any) -> None:
        given = [each for operation in params["TransactItems"] for each in operation.values()]
        self._written = [(each.get("Item") or each["Key"])["sk"]["S"] for each in given]

    def last(self) -> dict[str, int]:
        """Bytes of each item of the last transaction."""
        items = {each["sk"]["S"]: each for each in self._client.scan(TableName=self.table.name)["Items"]}
        return {PARTS[sk[0]]: self._bytes(items[sk]) for sk in self._written}

    def _bytes(self, item: dict[str, Any]) -> int:
        """As DynamoDB Local has them of a table in which it is alone."""
        self._client.put_item(TableName=self._alone.name, Item=item)
        size: int = self._client.describe_table(TableName=self._alone.name)["Table"]["TableSizeBytes"]
        self._client.delete_item(TableName=self._alone.name, Key={name: item[name] for name in ("pk", "sk")})
        return size

    def close(self) -> None:
        """Watch no longer, and keep nothing."""
        self._client.meta.events.unregister(CALL, unique_id=self.table.name)
        for table in (self.table, self._alone):
            self._client.delete_table(TableName=table.name)


@pytest.fixture
def watch(dynamodb_local_client: Any) -> Iterator[Callable[[], Watched]]:
    """Makes empty tables, which are watched."""
    with ExitStack() as made:
        yield lambda: made.enter_context(closing(Watched(dynamodb_local_client)))


def test_what_is_recorded_is_what_dynamodb_says(watch: Callable[[], Watched]) -> None:
    recorded = json.loads(RECORDED.read_text())
    measured: dict[str, Any] = {"a line of the archive": pytest.approx(archived_bytes(), rel=0.02)}
    for said, kept in (("", KEPT), (", without evidence", {})):
        seen, new = watch(), watch()
        seen.table.store.request(ASKED, CONTACT, **kept)
        measured[f"asked{said}"] = seen.last()
        seen.table.store.record(CONFIRMED, address=Address.FORGET, **kept)
        measured[f"confirmed{said}"] = seen.last()
        seen.table.store.record(LEFT, **kept)
        measured[f"left{said}"] = seen.last()
        new.table.store.record(LEFT, **kept)
        measured[f"left, never seen before{said}"] = new.last()
    assert recorded == measured, f"write down in {RECORDED}: {measured}"


def archived_bytes() -> float:
    """Of an event with the head of its person's ledger, compressed: each of somebody else."""
    dice, count = random.Random(20261130), 2_000  # noqa: S311 - repeatable on purpose

    def drawn(length: int) -> str:
        return "".join(dice.choices(string.ascii_letters + string.digits, k=length))

    lines = []
    for number in range(count):
        left = event(Kind.UNSUBSCRIBED, Channel.ONE_CLICK, 1000 * number, Consent({"out.news": number}))
        left = left._replace(event_id=drawn(16), subscriber_id=drawn(22))
        head = Head(left.brand, left.subscriber_id, 3, dice.getrandbits(80))
        lines += [archive.event_line(b"key", left), archive.head_line(b"key", head)]
    text = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in lines)
    return len(gzip.compress(text.encode(), mtime=0)) / count
