"""What a row of an export says, and how an export is described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.actions.bulk.records import UnusableRowError, folded
from consentry.actions.reports import ReportKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from consentry.actions.bulk.records import Row


class Meaning(NamedTuple):
    """What a status word means."""

    kind: ReportKind | None
    """None: it says nothing about consent."""
    everywhere: bool = False
    """An opt-out from every topic, whichever the row or the command line names."""


CLAIMED: Final = Meaning(ReportKind.CLAIMED)
OUT: Final = Meaning(ReportKind.UNSUBSCRIBED)
OUT_EVERYWHERE: Final = Meaning(ReportKind.UNSUBSCRIBED, everywhere=True)
COMPLAINED: Final = Meaning(ReportKind.COMPLAINED)
BOUNCED: Final = Meaning(ReportKind.BOUNCED)
NOTHING: Final = Meaning(None)

WORDS: Final[Mapping[str, Meaning]] = {
    "subscribed": CLAIMED,
    "claimed": CLAIMED,
    "unsubscribed": OUT,
    "complained": COMPLAINED,
    "bounced": BOUNCED,
}
"""What `--status` and the plain form's `status` may say."""


_SHOWN: Final = frozenset(
    [
        "active",
        "inactive",
        "enabled",
        "disabled",
        "pending",
        "confirmed",
        "unconfirmed",
        "cleaned",
        "archived",
        "blocked",
        "blocklisted",
        "blacklisted",
        "deleted",
        "removed",
        "suppressed",
        "bounce",
        "complaint",
        "complained",
        "bounced",
        "subscribed",
        "unsubscribed",
        "cancelled",
        "canceled",
        "transactional",
        "nonsubscribed",
        "unsubscribe",
        "subscribe",
        "opted-in",
        "opted-out",
        "optin",
        "optout",
        "invalid",
        "spam",
        "yes",
        "no",
        "true",
        "false",
        "0",
        "1",
        "2",
        "3",
    ]
)
"""Words that messages may repeat: whatever else stands there may be somebody's name."""


class Preset(NamedTuple):
    """How one system exports."""

    email: tuple[str, ...]
    """Columns with the address; the first that there is counts."""
    meaning: Callable[[Row, Meaning | None], Meaning]
    """What a row says, given what its file says."""
    of_file: Callable[[str, Collection[str]], Meaning | None]
    """What every row says, by the file's name and header; None if rows speak for themselves."""
    instants: tuple[str, ...]
    """Columns with the instant of a claim; the first that is filled counts."""
    left_at: tuple[str, ...]
    """The same for opt-outs, complaints and bounces."""
    reference: str = ""
    speaks: tuple[str, ...] = ()
    """Columns by which rows speak for themselves; without any of them, and without a word on the file, nothing is
    certain."""
    knows: tuple[str, ...] = ()
    """Columns that sound of consent, and are taken into account, or say nothing of it."""
    begins: str = ""
    """How the names of further columns begin by which rows speak for themselves, folded; none if empty."""
    suppressions: bool = False
    """It lists who isn't to be mailed, and nobody else: no row of it is a claim."""

    def who(self) -> tuple[str, ...]:
        """The columns, one of which says whom a row is about."""
        return (*self.email, "subscriber_id")

    def reads(self) -> frozenset[str]:
        """Every column that counts, folded."""
        named = (*self.email, *self.instants, *self.left_at, self.reference, *self.speaks, *self.knows)
        return frozenset(name.casefold() for name in named) | {"subscriber_id", "topics", "expires_at"}

    def further(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Those of some columns whose names begin as `begins` says."""
        return tuple(each for each in columns if self.begins and folded(each).startswith(self.begins))


def unspoken(_name: str, _columns: Collection[str]) -> Meaning | None:
    """Of an export in which rows speak for themselves."""
    return None


def said(row: Row, column: str, meanings: Mapping[str, Meaning], of_file: Meaning | None) -> Meaning:
    """What a column's word means; where it is empty, what the file says.

    Raises:
        UnusableRowError: nothing that is known.
    """
    return of_file if of_file and not row.word(column) else one_of(row, column, meanings)


def one_of(row: Row, column: str, meanings: Mapping[str, Meaning]) -> Meaning:
    """What a column's word means.

    Raises:
        UnusableRowError: nothing that is known.
    """
    word = row.word(column)
    found = meanings.get(word)
    if found is None:
        shown = f", but {word}" if word in _SHOWN else ", but empty" if not word else ""
        known = ", ".join(filter(None, meanings))
        raise UnusableRowError(f"{column}: must be one of {known}{shown}; --status-map WORD=STATUS takes other words")
    return found
