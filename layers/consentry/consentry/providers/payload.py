"""Reading what a provider sent, when any of it may be missing or of another type than documented.

Nothing here raises for a part of a body: what isn't there, or isn't what it should be, is empty, and an item that
lacks what it needs is passed over. Only a body that can't be read at all is an error.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import Report, ReportKind
from consentry.providers import Reading, UnreadableError
from consentry.providers.meanings import UnclearError, UnknownKindError
from consentry.rules import instants
from consentry.rules.instants import Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ON_ARRIVAL: Final = 0
"""Instead of an instant that isn't there: the report counts as of its arrival."""
_EXACT: Final = 2**53
"""From here on JSON's numbers aren't exact."""


def parse(body: bytes) -> Any:
    """A JSON body.

    Raises:
        UnreadableError: it isn't JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise UnreadableError("the body is not JSON") from exc


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON body that is an object.

    Raises:
        UnreadableError: it is something else.
    """
    found = parse(body)
    if not isinstance(found, dict):
        raise UnreadableError("the body is not a JSON object")
    return found


def gather(items: Iterable[Any], read: Callable[[Any], list[Report]]) -> Reading:
    """The reports in a call's items; an item without any is counted as ignored.

    `read` raises `UnclearError` or `UnknownKindError` for an item, which is counted as such, too.
    """
    found: list[Report] = []
    ignored = unclear = unknown = 0
    for item in items:
        part: list[Report] = []
        try:
            part = read(item)
        except UnclearError as exc:
            unclear += 1
            part = exc.reports
        except UnknownKindError:
            unknown += 1
        found += part
        ignored += not part
    return Reading(found, ignored, unclear, unknown)


def reports(kind: ReportKind | None, email: str, at: int, topics: tuple[str, ...] = ()) -> list[Report]:
    """What one event says: nothing where it means nothing (`kind` is None), or is an opt-in to no topic of ours."""
    if kind is None or (kind is ReportKind.CLAIMED and not topics):
        return []
    named = topics if kind in {ReportKind.UNSUBSCRIBED, ReportKind.CLAIMED} else ()
    return [Report(kind, occurred(kind, at), email=email, topics=named)]


def occurred(kind: ReportKind, at: int) -> int:
    """When an event counts of which a provider gives no more than the second: the last of it, if it ends mail."""
    return at.last if isinstance(at, Instant) and kind is not ReportKind.CLAIMED else at


def at(value: object, *path: str) -> Any:
    """What lies at a path of names in nested objects; None if nothing does."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: object, *path: str) -> str:
    """The text or whole number at a path, as text; else empty."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found) if abs(found) < _EXACT else ""
    if not isinstance(found, str):
        return ""
    try:
        found.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and nobody else can
        return ""
    return found.strip()


def texts(value: object, *path: str) -> list[str]:
    """The texts of a list at a path."""
    return [found for each in listed(value, *path) if (found := text(each))]


def listed(value: object, *path: str) -> list[Any]:
    """The list at a path; else empty."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def from_seconds(value: object) -> int:
    """Epoch ms, from epoch seconds as a number or in digits."""
    try:
        return _plausible(instants.from_seconds(_number(value)))
    except (ValueError, OverflowError):
        return ON_ARRIVAL


def from_millis(value: object) -> int:
    """Epoch ms, from the same as a number or in digits."""
    try:
        return _plausible(round(_number(value)))
    except (ValueError, OverflowError):
        return ON_ARRIVAL


def from_iso(value: object) -> int:
    """Epoch ms, from ISO 8601 or RFC 3339; without an offset it is UTC."""
    if not isinstance(value, str):
        return ON_ARRIVAL
    try:
        return _plausible(instants.from_iso(value.strip()))
    except (ValueError, OverflowError):
        return ON_ARRIVAL


def end(kind: ReportKind, value: object) -> int:
    """When a claim ends, epoch ms, from ISO 8601 or RFC 3339; 0: it has none, or it is no claim.

    Raises:
        UnclearError: it says something else; without its end it would count for ever.
    """
    ends = int(from_iso(value))
    if kind is ReportKind.CLAIMED and not ends and value is not None:
        raise UnclearError([])
    return ends if kind is ReportKind.CLAIMED else 0


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _plausible(at: int) -> int:
    return at if 0 < at < _EXACT else ON_ARRIVAL
