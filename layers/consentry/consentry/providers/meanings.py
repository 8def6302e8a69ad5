"""What an event of a provider may mean. Each provider's module has a table `EVENTS` of every kind that it publishes.

The provider's page in docs/webhooks/ shows the same table; a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions.reports import ReportKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consentry.actions.reports import Report


class Several(StrEnum):
    """Meanings that are more than one report of one kind."""

    CHOICES = "opt-outs and claims"
    """What the person wants and what not, topic by topic."""
    MOVED = "another address"
    """The person's address changed: opt-outs follow."""
    ERASED = "an erasure"


class Nothing(NamedTuple):
    """It means nothing for consent."""

    why: str
    """The reason, as the provider's page has it."""


class UnclearError(Exception):
    """An event that ought to say something of somebody, and of which isn't clear what, or of whom."""

    def __init__(self, reports: Iterable[Report] = ()) -> None:
        """`reports`: what of it can be told."""
        super().__init__()
        self.reports = list(reports)


class UnknownKindError(Exception):
    """An event of a kind that the provider's table doesn't have."""


if TYPE_CHECKING:
    Meaning = ReportKind | Several | Nothing

_SAYS: Final = {
    ReportKind.UNSUBSCRIBED: "an opt-out",
    ReportKind.CLAIMED: "a claim",
    ReportKind.COMPLAINED: "a complaint",
    ReportKind.BOUNCED: "a permanent bounce",
}


def of(events: Mapping[str, Meaning], *names: str) -> Meaning:
    """The meaning of an event, by the first of its names that the table has.

    Raises:
        UnknownKindError: it has none of them.
    """
    for name in names:
        if name in events:
            return events[name]
    raise UnknownKindError


def kind(meaning: Meaning) -> ReportKind | None:
    """The kind of report that it is; None for all others."""
    return meaning if isinstance(meaning, ReportKind) else None


def words(meaning: Meaning) -> str:
    """A meaning as the provider's page has it."""
    if isinstance(meaning, Nothing):
        return f"nothing: {meaning.why}"
    return _SAYS[meaning] if isinstance(meaning, ReportKind) else meaning.value


def nothing(why: str, *names: str) -> dict[str, Any]:
    """Entries of a table for events that mean nothing, for the same reason."""
    return dict.fromkeys(names, Nothing(why))
