"""What a reader sees of an HTML part: its text, and the links in it.

By one walk after the tokenizer of HTML (https://html.spec.whatwg.org/multipage/parsing.html#tokenization). The
standard library's parser reads the rest of a text anew at each tag that doesn't end.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final, NamedTuple

from consentry_cli.lint.words import plain

_TAG: Final = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"[\s/]*([^\s/>][^\s/>=]*)(\s*=\s*)?")
_UNQUOTED: Final = re.compile(r"[^\s>]*")
_REST: Final = re.compile(r"[\s/]*")
_UNSEEN: Final = frozenset({"script", "style", "title", "template"})
"""What holds text that isn't shown, to its end tag."""
_NUMBER: Final = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
"""A character reference of no character; the library would make a number of it, however long."""
_SAYING: Final = ("title", "alt", "aria-label", "value")
"""Attributes that say what a link is for."""
_LINKS: Final = {"a": "href", "area": "href", "form": "action"}


class Link(NamedTuple):
    """A link, or a form that is sent."""

    href: str
    said: str
    """What it says of itself, as `words.plain` has it: its text, titles, and texts of its pictures."""
    start: int
    end: int
    """Where in the text it stands."""


class Seen(NamedTuple):
    """An HTML part as it is seen."""

    text: str
    """As `words.plain` has it."""
    links: tuple[Link, ...]


def seen(html: str) -> Seen:
    """What is seen of an HTML part, well-formed or not."""
    walk = _Walk()
    at, most = 0, len(html)
    folded = html.translate(_LOWER)
    while at < most:
        tag = html.find("<", at)
        if tag < 0:
            tag = most
        walk.text(html[at:tag])
        at = _markup(html, folded, tag, walk)
    walk.end()
    return Seen("".join(walk.pieces), tuple(walk.links))


_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class _Walk:
    """What was seen so far."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.links: list[Link] = []
        self._length = 0
        self._begun: tuple[str, str, int, list[str]] | None = None
        """The link that was begun: its tag, where it leads, where it stands, what it says."""

    def text(self, raw: str) -> None:
        """Text as it stands in the file."""
        if raw:
            self._add(plain(_decoded(raw)))

    def _add(self, piece: str) -> None:
        self.pieces.append(piece)
        self._length += len(piece)
        if self._begun:
            self._begun[3].append(piece)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """A tag."""
        says = [plain(attributes[name]) for name in _SAYING if attributes.get(name)]
        if tag in _LINKS and _LINKS[tag] in attributes:
            self.end()
            self._begun = tag, attributes[_LINKS[tag]].strip(), self._length, says
            if tag == "area":
                self.end()
        elif tag in {"img", "input", "button"} and attributes.get("type", "").lower() != "hidden":
            for each in says:
                self._add(f" {each} ")
        elif tag not in _WITHIN_WORDS:
            self._add(" ")

    def end(self, tag: str = "") -> None:
        """A tag's end; without a name the end of whatever link was begun."""
        if self._begun and tag in {"", self._begun[0]}:
            _, href, start, says = self._begun
            self._begun = None
            self.links.append(Link(href, " ".join(says), start, self._length))
        elif tag and tag not in _WITHIN_WORDS and tag not in _LINKS:
            self._add(" ")


_WITHIN_WORDS: Final = frozenset(
    {"a", "abbr", "b", "big", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u", "wbr"}
)
"""Tags that part no words."""


def _markup(html: str, folded: str, at: int, walk: _Walk) -> int:
    """Take up the markup at a `<`, or the `<` that is none; where it ends."""
    if html.startswith("<!--", at):
        end = html.find("-->", at + 2)
        return len(html) if end < 0 else end + 3
    if html.startswith(("<!", "<?"), at):
        end = html.find(">", at)
        return len(html) if end < 0 else end + 1
    tag = _TAG.match(html, at)
    if not tag:
        walk.text(html[at : at + 1])
        return at + 1
    name = tag[1].lower()
    attributes, end = _attributes(html, tag.end())
    if html.startswith("</", at):
        walk.end(name)
        return end
    walk.begin(name, attributes)
    if name in _UNSEEN:
        found = folded.find(f"</{name}", end)
        return len(html) if found < 0 else found
    return end


def _attributes(html: str, at: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag, the first of a name, and where the tag ends: with the text, if nothing ends it."""
    found: dict[str, str] = {}
    while (name := _ATTRIBUTE.match(html, at)) is not None:
        at, value = name.end(), ""
        if name[2]:
            quote = html[at : at + 1]
            if quote in {'"', "'"}:
                end = html.find(quote, at + 1)
                if end < 0:
                    return found, len(html)
                value, at = html[at + 1 : end], end + 1
            elif unquoted := _UNQUOTED.match(html, at):
                value, at = unquoted[0], unquoted.end()
        found.setdefault(name[1].lower(), _decoded(value))
    rest = _REST.match(html, at)
    at = rest.end() if rest else at
    return found, min(at + 1, len(html))


def _decoded(text: str) -> str:
    return unescape(_NUMBER.sub("\ufffd", text)) if "&" in text else text
