"""The archive: what is kept of the ledger where nobody can change it, and how it is proved later.

Whoever can write the table can put a person back as they were, or remove all of them; what is left adds up. So each
month the events are copied to a bucket whose objects can't be changed or deleted for years:

    ledger/<month>/<run>/<segment>-<step>-<hash>.ndjson.gz   events and heads, a line each
    ledger/<month>/<run>/manifest.json                       every part of a run that came to its end, signed

What lies there can't be erased, so it names nobody: no address, no evidence, and none of the texts that a platform
may put into an event (`reference`, `source`). The event's keyed hash covers those too; whoever has the event can show
that it is the one.

Nor does it help anybody to take events out of a ledger. Its hashes are made with the archive's key and not the
ledger's: an event's share of the digest, or two digests whose difference is one, can't be had from them.
"""

from __future__ import annotations

import hmac
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions.platforms import event_view, rfc3339
from consentry.rules.consent import DAY_MS
from consentry.rules.ledger import Evidence, partition_key, text_of
from consentry.table.checkpoints import Part
from consentry.table.schema import Head

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from consentry.rules.ledger import Event, Record

PREFIX: Final = "ledger/"
MANIFEST: Final = "manifest.json"
LATE_MS: Final = 28 * DAY_MS
"""How long an event that was accepted may wait before it is on record: 14 days in the spool and among its dead letters,
which count from the spool's beginning, and as long again once somebody has sent it on from there."""
_FORMAT: Final = 1
_MONTH: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_HASH_DIGITS: Final = 20
"""80 bits: nobody can search for another event with the same hash without the key."""
_WITHHELD: Final = ("reference", "source")


class Window(NamedTuple):
    """The events of a run, by when they arrived."""

    since: int
    """Epoch ms, the first that counts: `LATE_MS` before the month, for what was recorded after that month's run."""
    until: int
    """Epoch ms, the first that doesn't."""


class Loss(StrEnum):
    """What a ledger has lost of what the archive has."""

    MISSING = "archived events are missing"
    CHANGED = "archived events were changed"
    GONE = "the consent is gone"
    BACK = "the ledger went back in time"
    OTHER = "the ledger is another one"


class UnprovenError(Exception):
    """It isn't a manifest that we signed."""


def window(month: str) -> Window:
    """The window of a month, `yyyy-mm`, in UTC.

    Raises:
        ValueError: it isn't a month.
    """
    return Window(_begins(month) - LATE_MS, _begins(following(month)))


def following(month: str) -> str:
    """The month after."""
    year, number = _month(month)
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def month_of(now: int) -> str:
    """The month of an instant, epoch ms."""
    return f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m}"


def month_before(now: int) -> str:
    """The last month that is over, epoch ms."""
    return month_of(_begins(month_of(now)) - 1)


def is_whole(month: str, run: str) -> bool:
    """Whether a run began after its month was over; one of a month that is running lacks the rest of it."""
    return run[:8] >= f"{following(month).replace('-', '')}01"


def event_line(key: bytes, event: Event) -> dict[str, Any]:
    """An event as the archive has it: as `consentry export` writes it, and what it set, but nothing personal.

    `key` is the archive's.
    """
    content = event_view(event._replace(reference="", source=""), Evidence())
    if event.evidence_hash:
        content["evidence"]["evidence_hash"] = event.evidence_hash
    return {
        "line": "event",
        "brand": event.brand,
        "subscriber_id": event.subscriber_id,
        **content,
        "registers": event.effect.registers,
        "choices": {name: list(choice) for name, choice in event.effect.choices.items()},
        "withheld": [name for name in _WITHHELD if getattr(event, name)],
        "hash": _hash(key, "event", text_of(event)),
    }


def head_line(key: bytes, head: Head) -> dict[str, Any]:
    """A head as the archive has it. `key` is the archive's."""
    return {
        "line": "head",
        "brand": head.brand,
        "subscriber_id": head.subscriber_id,
        "ledger_count": head.ledger_count,
        "hash": _hash_head(key, head),
    }


def manifest(key: bytes, month: str, run: str, segments: int, parts: Iterable[Part]) -> bytes:
    """The manifest of a run, signed: the same bytes for the same run, whoever writes it."""
    since, until = window(month)
    listed = sorted(parts)
    content: dict[str, Any] = {
        "format": _FORMAT,
        "month": month,
        "run": run,
        "arrived_since": rfc3339(since),
        "arrived_before": rfc3339(until),
        "segments": segments,
        "events": sum(part.events for part in listed),
        "heads": sum(part.heads for part in listed),
        "parts": [part._asdict() for part in listed],
    }
    return json.dumps({**content, "signature": _signature(key, content)}, indent=1).encode()


def parts_of(key: bytes, text: bytes) -> tuple[str, str, list[Part]]:
    """Month, run and parts of a manifest.

    Raises:
        UnprovenError: it isn't ours, or was changed.
    """
    try:
        content = json.loads(text)
        signature = str(content.pop("signature"))
        genuine = hmac.compare_digest(signature.encode(), _signature(key, content).encode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        genuine = False
    if not genuine:
        raise UnprovenError("not a manifest of this archive")
    return content["month"], content["run"], [Part(**part) for part in content["parts"]]


def losses(key: bytes, held: Record, lines: Iterable[Mapping[str, Any]]) -> list[Loss]:
    """What a subscriber's ledger has lost of what the archive has; nothing, if it is all there.

    Args:
        key: the archive's.
        held: what the table holds now.
        lines: the subscriber's, of one part.
    """
    hashes = {_hash(key, "event", text_of(event)) for event in held.events}
    ids = {event.event_id for event in held.events}
    found = {_loss(key, held, hashes, ids, line) for line in lines}
    return [each for each in Loss if each in found]


def _loss(
    key: bytes, held: Record, hashes: Container[str], ids: Container[str], line: Mapping[str, Any]
) -> Loss | None:
    if line["line"] == "event":
        if line["hash"] in hashes:
            return None
        return Loss.CHANGED if line["event_id"] in ids else Loss.MISSING
    # Events are only ever added: a ledger with fewer, or with as many but others, was put back.
    if held.consent is None:
        return Loss.GONE
    if held.ledger_count < line["ledger_count"]:
        return Loss.BACK
    if held.ledger_count > line["ledger_count"]:
        return None
    now = Head(line["brand"], line["subscriber_id"], held.ledger_count, held.ledger_digest)
    return None if _hash_head(key, now) == line["hash"] else Loss.OTHER


def person(line: Mapping[str, Any]) -> str:
    """Whose line it is."""
    return partition_key(line["brand"], line["subscriber_id"])


def _month(month: str) -> tuple[int, int]:
    if not _MONTH.fullmatch(month):
        raise ValueError("a month is yyyy-mm")
    return int(month[:4]), int(month[5:])


def _begins(month: str) -> int:
    year, number = _month(month)
    return int(datetime(year, number, 1, tzinfo=UTC).timestamp()) * 1000


def _hash_head(key: bytes, head: Head) -> str:
    return _hash(key, "head", json.dumps(head))


def _hash(key: bytes, kind: str, text: str) -> str:
    return hmac.digest(key, f"{kind} {text}".encode(), "sha256").hex()[:_HASH_DIGITS]


def _signature(key: bytes, content: Mapping[str, Any]) -> str:
    message = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return hmac.digest(key, message.encode(), "sha256").hex()
