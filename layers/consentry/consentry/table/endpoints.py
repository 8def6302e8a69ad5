"""Endpoints: whether a platform's endpoint takes notifications, as all containers of the notifier know it.

An endpoint that refuses several notifications in a row, none of which it refused before, counts as unavailable: for a
while nothing new is sent to it, then one call, and only that one, tries it again. So a dead endpoint costs a call now
and then, however many notifications wait for it, and holds up nobody else's.

An item each, written by compare and swap and only when something changes. While the table is unavailable, every
endpoint counts as working: a notification needs the table for nothing but this.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.table import schema
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.table.gateway import Gateway, Item

REFUSALS: Final = 5
"""In a row; then an endpoint is unavailable."""
PAUSES_S: Final = (30, 120, 300, 900)
"""Until the next call that tries, after the first refusal that made it away, the second, and so on."""
_FRESH_MS: Final = 5_000
"""A container believes so long what it read."""
_KEPT_S: Final = 30 * schema.DAY_S
_AWAY: Final = "AWAY"


class Standing(NamedTuple):
    """How an endpoint stands."""

    refusals: int = 0
    """Calls that it didn't take, one after the other; what only tries counts as refused until it is taken."""
    until: int = 0
    """It is unavailable, and isn't called before this instant, epoch ms; 0: it is called."""
    well_since: int = 0
    """When it took a call after it had been unavailable, epoch ms; 0: it never was unavailable."""
    writes: int = 0
    """Of this item: who has read another number writes nothing."""

    def refused(self, now: int) -> Standing:
        """After another call that it didn't take."""
        refusals = self.refusals + 1
        if refusals < REFUSALS:
            return self._replace(refusals=refusals)
        pause = PAUSES_S[min(refusals - REFUSALS, len(PAUSES_S) - 1)]
        return self._replace(refusals=refusals, until=now + 1000 * pause)

    def took(self, now: int) -> Standing:
        """After one that it took."""
        return self._replace(refusals=0, until=0, well_since=now if self.until else self.well_since)


class Endpoints:
    """The endpoints of all brands."""

    def __init__(self, gateway: Gateway, unavailable: Callable[[Exception], None]) -> None:
        """`unavailable` is called with why the table couldn't be read or written."""
        self._gateway = gateway
        self._unavailable = unavailable
        self._read: dict[tuple[str, str], tuple[int, Standing]] = {}

    def standing(self, brand: str, endpoint: str, now: int) -> Standing:
        """How an endpoint stands, as read within the last seconds."""
        read_at, standing = self._read.get((brand, endpoint), (0, Standing()))
        if now - read_at < _FRESH_MS:
            return standing
        with self._or_well(brand, endpoint, now):
            self._look(brand, endpoint, now)
        return self._read[brand, endpoint][1]

    def claim(self, brand: str, endpoint: str, now: int) -> bool:
        """Whether this caller is the one to try an endpoint whose pause is over.

        The pause after that is begun with the claim: a function that dies in the call leaves nothing open.
        """
        claimed = False
        with self._or_well(brand, endpoint, now):
            standing = self._look(brand, endpoint, now)
            if 0 < standing.until <= now:
                claimed = self._replace(brand, endpoint, standing, standing.refused(now), now)
        return claimed

    def refused(self, brand: str, endpoint: str, now: int) -> bool:
        """Count a call that wasn't taken, of an endpoint that counted as well. True if it is unavailable with that."""
        unavailable = False
        with self._or_well(brand, endpoint, now):
            for _ in range(REFUSALS):  # of many that are refused at once, at least one counts in each round
                standing = self._look(brand, endpoint, now)
                if standing.until:
                    break
                after = standing.refused(now)
                if self._replace(brand, endpoint, standing, after, now):
                    unavailable = bool(after.until)
                    break
        return unavailable

    def took(self, brand: str, endpoint: str, now: int) -> None:
        """Note a call that was taken; nothing is written for an endpoint that was known to be well."""
        if not self.standing(brand, endpoint, now).refusals:
            return
        with self._or_well(brand, endpoint, now):
            for _ in range(REFUSALS):
                standing = self._look(brand, endpoint, now)
                if not standing.refusals or self._replace(brand, endpoint, standing, standing.took(now), now):
                    return

    @contextmanager
    def _or_well(self, brand: str, endpoint: str, now: int) -> Iterator[None]:
        """If the table can't be read or written, say so, and take the endpoint for well; don't try again."""
        try:
            yield
        except (StoreUnavailableError, PermanentFaultError) as exc:
            self._unavailable(exc)
            self._read[brand, endpoint] = now, Standing()

    def _look(self, brand: str, endpoint: str, now: int) -> Standing:
        item = self._gateway.get(_key(brand, endpoint))
        standing = Standing(*(schema.integer(item, name) for name in _NAMES))
        self._read[brand, endpoint] = now, standing
        return standing

    def _replace(self, brand: str, endpoint: str, was: Standing, after: Standing, now: int) -> bool:
        after = after._replace(writes=was.writes + 1)
        values = {f":{name}": schema.number(value) for name, value in zip(_NAMES, after, strict=True)}
        instead = self._gateway.update(
            {
                "Key": _key(brand, endpoint),
                "UpdateExpression": f"SET {', '.join(f'{name} = :{name}' for name in _NAMES)}, expires_at = :end",
                "ConditionExpression": "writes = :was" if was.writes else "attribute_not_exists(writes)",
                "ExpressionAttributeValues": {
                    **values,
                    ":end": schema.number(now // 1000 + _KEPT_S),
                    **({":was": schema.number(was.writes)} if was.writes else {}),
                },
            }
        )
        if instead is None:
            self._read[brand, endpoint] = now, after
        return instead is None


_NAMES: Final = ("refusals", "away_until", "well_since", "writes")
"""A standing's fields, as the item spells them."""


def _key(brand: str, endpoint: str) -> Item:
    return schema.key(f"L#endpoint#{brand}#{endpoint}", _AWAY)
