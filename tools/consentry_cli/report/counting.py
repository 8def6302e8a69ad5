"""What a report counts, one exported event at a time.

Nothing is kept of a person: only numbers, by day. How long a request took to be confirmed needs no list of requests
either: a confirmation sets `in.<topic>` to the instant of the request that it confirms.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules.consent import DAY_MS
from consentry.rules.ledger import Actor, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DELAYS: Final = (
    ("under 1 minute", MINUTE_MS),
    ("1 to 5 minutes", 5 * MINUTE_MS),
    ("5 to 60 minutes", HOUR_MS),
    ("1 to 6 hours", 6 * HOUR_MS),
    ("6 to 24 hours", DAY_MS),
    ("1 to 3 days", 3 * DAY_MS),
    ("3 days or more", None),
)
"""How long people take to confirm: what to call it, and the first millisecond that is longer."""
MANY: Final = 300
"""Names of one sort (topics, kinds, …) that are distinguished; what else a file names is counted together."""
OTHERS: Final = "(others)"
PAUSE: Final = "(pause)"
"""Stands for a topic where a pause was undone."""
_NAME: Final = re.compile(r"[^@\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS: Final = 9_999_999_999_999
"""The last instant that a ledger can hold: 13 digits."""


class NotAnEventError(ValueError):
    """A row that isn't an exported event; says why, and repeats nothing of it."""


class Count(StrEnum):
    """What is counted, each by a name."""

    KIND = "kind"
    """Events, by kind."""
    BRAND = "brand"
    """Events, by brand."""
    OPT_IN = "opt_in"
    """Opt-ins by a person's own act, by topic. One act can be about several topics."""
    OPT_IN_ACT = "opt_in_act"
    """Events that opt in to anything; the name is empty."""
    OPT_OUT = "opt_out"
    """Opt-outs, by topic; `*` is every topic. An erasure is none."""
    WAY = "way"
    """Events that opt out of anything, by channel."""
    ASKED = "asked"
    """Requests; the name is empty."""
    CONFIRMED = "confirmed"
    """Requests that were confirmed, at any time, on the day of the request; the name is how long it took."""
    BY_PERSON = "by_person"
    """Events that recipients made; the name is empty."""
    SUSPECTED = "suspected"
    """Those of them that looked like a machine's doing, by kind."""
    UNDONE = "undone"
    """What was undone, by topic, or `PAUSE`."""
    UNDOING = "undoing"
    """Events that undo anything; the name is empty."""
    REASON = "reason"
    """Reasons that were given after leaving, by their codes."""


class Seen(NamedTuple):
    """One event, as far as it is counted."""

    brand: str
    kind: str
    channel: str
    actor: str
    occurred_at: int
    """Epoch ms."""
    suspected: bool
    registers: Mapping[str, int]
    reason: str


class Counts:
    """Numbers by day, in a time zone, of one brand or of all that the rows are of."""

    def __init__(
        self, zone: tzinfo = UTC, *, first: date | None = None, last: date | None = None, brand: str | None = None
    ) -> None:
        """`first` and `last` are days that still count."""
        self._zone = zone
        self._first = first or date.min
        self._last = last or date.max
        self._brand = brand
        self._known: defaultdict[Count, set[str]] = defaultdict(set)
        self.days: dict[date, Counter[tuple[Count, str]]] = {}
        """What was counted on each day that something was."""
        self.events = 0
        self.outside = 0
        """Events that don't count: before the first day, after the last, or of another brand."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of `consentry export --what ledger`.

        Raises:
            NotAnEventError: it is none; nothing was counted.
        """
        seen = read(row)
        if self._brand is not None and seen.brand != self._brand:
            self.outside += 1
            return
        day = self._day(seen.occurred_at)
        requested_at = _requested_at(seen)
        if requested_at is not None:
            self._count(self._day(requested_at), Count.CONFIRMED, _delay(seen.occurred_at - requested_at))
        if not self._first <= day <= self._last:
            self.outside += 1
            return
        self.events += 1
        self._count(day, Count.KIND, seen.kind)
        self._count(day, Count.BRAND, seen.brand)
        if seen.kind == Kind.ASKED:
            self._count(day, Count.ASKED)
        if seen.actor == Actor.RECIPIENT:
            self._count(day, Count.BY_PERSON)
            if seen.suspected:
                self._count(day, Count.SUSPECTED, seen.kind)
        if seen.reason:
            self._count(day, Count.REASON, seen.reason)
        self._registers(day, seen)

    def _registers(self, day: date, seen: Seen) -> None:
        into = _topics(seen.registers, "in.")
        out = _topics(seen.registers, "out.") if seen.kind != Kind.ERASED else []
        for topic in into:
            self._count(day, Count.OPT_IN, topic)
        for topic in out:
            self._count(day, Count.OPT_OUT, topic)
        if into:
            self._count(day, Count.OPT_IN_ACT)
        if out:
            self._count(day, Count.WAY, seen.channel)
        if seen.kind == Kind.UNDONE:
            self._count(day, Count.UNDOING)
            for topic in into or [PAUSE]:
                self._count(day, Count.UNDONE, topic)

    def _count(self, day: date, what: Count, name: str = "") -> None:
        if not self._first <= day <= self._last:
            return
        known = self._known[what]
        if name not in known:
            if len(known) >= MANY:
                name = OTHERS
            else:
                known.add(name)
        self.days.setdefault(day, Counter())[what, name] += 1

    def _day(self, at: int) -> date:
        return (_EPOCH + timedelta(milliseconds=at)).astimezone(self._zone).date()


def read(row: Mapping[str, Any]) -> Seen:
    """A row of an export as an event.

    Raises:
        NotAnEventError: it isn't one.
    """
    return Seen(
        brand=_name(row, "brand"),
        kind=_name(row, "kind"),
        channel=_name(row, "channel"),
        actor=_name(row, "actor"),
        occurred_at=_instant(row.get("occurred_at")),
        suspected=_truth(row.get("suspected_automation")),
        registers=_read_registers(row.get("registers")),
        reason=_reason(row),
    )


def _name(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise NotAnEventError(f"{column}: missing, or no name")
    return value


def _instant(value: Any) -> int:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise NotAnEventError("occurred_at: not an instant") from None
    if at.tzinfo is None:
        raise NotAnEventError("occurred_at: without an offset")
    return _possible((at - _EPOCH) // timedelta(milliseconds=1), "occurred_at")


def _possible(at: int, what: str) -> int:
    if not 0 <= at <= _LATEST_MS:
        raise NotAnEventError(f"{what}: no instant that a ledger can hold")
    return at


def _truth(value: Any) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise NotAnEventError("suspected_automation: neither true nor false")


def _read_registers(value: Any) -> dict[str, int]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise NotAnEventError("registers: not JSON") from None
    if not isinstance(value, dict):
        raise NotAnEventError("registers: missing, or not an object")
    for name, at in value.items():
        if not _NAME.fullmatch(name) or not isinstance(at, int) or isinstance(at, bool):
            raise NotAnEventError("registers: not names with instants")
        _possible(at, "registers")
    return value


def _reason(row: Mapping[str, Any]) -> str:
    """What was picked from the list after leaving. What isn't such a code may name somebody, and isn't looked at."""
    if row.get("kind") != Kind.REASON:
        return ""
    value = row.get("source")
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _topics(registers: Mapping[str, int], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in registers if name.startswith(prefix)]


def _requested_at(seen: Seen) -> int | None:
    """When what is confirmed was asked for, epoch ms; None for what confirms nothing."""
    if seen.kind != Kind.CONFIRMED:
        return None
    return min((at for name, at in seen.registers.items() if name.startswith("in.")), default=None)


def _delay(took_ms: int) -> str:
    return next(name for name, limit in DELAYS if limit is None or took_ms < limit)
