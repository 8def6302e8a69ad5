"""JSON documents: what an API answers, with a list of people somewhere in it.

`{"Suppressions": [{…}, {…}]}` and `[{…}, {…}]` are rows, one an object of the list. The list is read object by object,
whatever its length. A row is named by its place in the list: a document may be one line.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions.bulk.records import Malformed, UnusableInputError, folded, listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from consentry.actions.bulk.encodings import Text

MAX_ITEM: Final = 1 << 20
"""Characters of one object; nothing longer is held in memory."""
_CHUNK: Final = 1 << 16
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_NEXT: Final = re.compile(r"\}\s*,\s*(?=\{|\Z)")
"""Where an object after a broken one begins."""
_BETWEEN: Final = " \t\r\n,"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which a name that is there twice stays twice: with a blank, without which names are compared."""
    values = dict(pairs)
    if len(values) != len(pairs):
        values = {}
        for name, value in pairs:
            while name in values:
                name += " "  # noqa: PLW2901 - the name that it gets
            values[name] = value
    return values


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)
_UNREADABLE: Final = object()


class Item(NamedTuple):
    """One object of the list."""

    place: int
    """Counted from 1."""
    values: dict[str, Any]


class Place(NamedTuple):
    """Where the rows of a document are."""

    start: int
    """The first character after the list's bracket."""
    columns: tuple[str, ...]
    """What its first object has; empty where the list is empty."""


def list_in(beginning: str, who: AbstractSet[str]) -> Place | None:
    """Where the list of people is in a document that begins so; None if it is rows of NDJSON.

    Args:
        beginning: of the input.
        who: folded names of columns, of which objects of the list have one.

    Raises:
        UnusableInputError: it is a document, and none of its lists is of people.
    """
    at = len(beginning) - len(beginning.lstrip())
    if beginning[at : at + 1] not in {"{", "["}:
        return None
    values, alone = _decoded(beginning, at)
    if isinstance(values, dict) and (not alone or who & _keys(values)):
        return None
    places = list(_lists(beginning, at))
    people = next((place for place in places if who & {folded(name) for name in place.columns}), None)
    if people or not places:
        if people is None and beginning[at] == "[":
            raise UnusableInputError("the list of the document isn't one of objects: write one object a person")
        return people
    if all(not place.columns for place in places):
        return places[0]
    has = "; ".join(listed(place.columns) for place in places if place.columns)
    raise UnusableInputError(
        f"the objects of the document have {has}, and none of {', '.join(sorted(who))}:"
        " rename the column of addresses to email; or say, for an import, whose export it is with --preset, or which"
        " column it is with --column email=NAME"
    )


def _decoded(text: str, at: int) -> tuple[Any, bool]:
    """What stands there, if it is whole, and whether it is all there is."""
    try:
        values, end = DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, True
    return values, not text[end:].strip()


def _keys(values: dict[str, Any]) -> set[str]:
    return {folded(name) for name in values}


def _lists(text: str, at: int) -> Iterator[Place]:
    """The lists of objects, and empty ones, that no other list holds."""
    within: list[str] = []
    for token in _TOKEN.finditer(text, at):
        mark = token[0]
        if mark == "[" and "[" not in within:
            rest = text[token.end() : token.end() + MAX_ITEM].lstrip()
            if rest[:1] == "]":
                yield Place(token.end(), ())
            elif rest[:1] == "{":
                values, _ = _decoded(rest, 0)
                yield Place(token.end(), tuple(values) if isinstance(values, dict) else ())
        if mark in {"{", "["}:
            within.append(mark)
        elif mark in {"}", "]"}:
            if not within:
                return
            within.pop()


class Document:
    """The objects of the list that a text goes on with."""

    def __init__(self, text: Text, who: AbstractSet[str], after: int) -> None:
        """Read on from behind the list's bracket, or from behind one of its objects.

        Args:
            text: the rest of the input.
            who: as for `list_in`.
            after: how many objects come before.
        """
        self._text = text
        self._who = who
        self._place = after
        self._held = ""
        self._ended = False

    @property
    def at(self) -> int:
        """Bytes of the input up to the end of the last object."""
        return self._text.at - self._text.size(self._held)

    def __iter__(self) -> Iterator[Item | Malformed]:
        while self._begin():
            self._place += 1
            values = self._value()
            if isinstance(values, dict):
                yield Item(self._place, values)
            elif values is _UNREADABLE:
                yield self._broken()
            else:
                yield Malformed(self._place, self._place, f"object {self._place} of the list: not an object")
        self._end()

    def _fill(self) -> bool:
        more = self._text.read(_CHUNK)
        self._held += more
        return bool(more)

    def _begin(self) -> bool:
        """Go to where the next object begins; False at the list's end."""
        while True:
            self._held = self._held.lstrip(_BETWEEN)
            if self._held:
                return self._held[0] != "]"
            if not self._fill():
                return False

    def _value(self) -> Any:
        """What stands next; `_UNREADABLE` if it isn't JSON."""
        while True:
            try:
                values, end = DECODER.raw_decode(self._held)
            except (ValueError, RecursionError):
                end = 0
            # A number, or a word, may go on where what is held ends.
            if 0 < end < len(self._held) or (end and not self._fill()):
                self._held = self._held[end:]
                return values
            if not end and (len(self._held) >= MAX_ITEM or not self._fill()):
                return _UNREADABLE

    def _broken(self) -> Malformed:
        """Go on behind what can't be read, where another object begins; else there is no more."""
        reason = f"object {self._place} of the list: not JSON, or longer than a mebibyte"
        while True:
            if after := _NEXT.search(self._held):
                self._held = self._held[after.end() :]
                return Malformed(self._place, self._place, reason)
            self._held = self._held[-_CHUNK:]
            if not self._fill():
                self._held = ""
                rest = "; what comes after it can't be found: write one object a line, as `jq -c '.[]'` does"
                return Malformed(self._place, self._place, reason + rest)

    def _end(self) -> None:
        """See that no other list of people comes.

        Raises:
            UnusableInputError: one does.
        """
        held = self._held
        while more := self._text.read(_CHUNK):
            held = held[-MAX_ITEM:] + more
            self._see(held)
        self._see(held)
        self._held = ""

    def _see(self, rest: str) -> None:
        for start in re.finditer(r"\[\s*(?=\{)", rest):
            values, _ = _decoded(rest, start.end())
            if isinstance(values, dict) and self._who & _keys(values):
                raise UnusableInputError("the document has another list of people: give each list a file of its own")
