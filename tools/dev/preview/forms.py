"""The forms of a page, as a browser would fill and send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLOSED = frozenset({"hidden", "radio", "submit", "checkbox"})
"""Inputs that can only have the values that the page gives them."""


@dataclass
class Form:
    """One form."""

    action: str = ""
    """Where it is sent; empty: to the page's own address."""
    method: str = "get"
    button: str = ""
    """What stands on its button."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """What is sent if nobody touches it."""
    offered: dict[str, set[str] | None] = field(default_factory=dict)
    """By name, the values to choose from; None where anything can be typed."""

    def takes(self, values: Mapping[str, str | Sequence[str]]) -> bool:
        """Whether a person could enter these values."""
        for name, wanted in values.items():
            if name not in self.offered:
                return False
            choices = self.offered[name]
            if choices is not None and not set([wanted] if isinstance(wanted, str) else wanted) <= choices:
                return False
        return True

    def with_values(self, values: Mapping[str, str | Sequence[str]]) -> list[tuple[str, str]]:
        """What is sent once these values are entered. A sequence is of ticked boxes; an empty one unticks them all."""
        kept = [(name, value) for name, value in self.fields if name not in values]
        for name, wanted in values.items():
            kept += [(name, each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
        return kept


class _Reader(HTMLParser):
    """Collects forms. Pages of ours have no `<textarea>`, and nest nothing oddly."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside: set[str] = set()
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"form", "button", "select"}:
            self._inside.add(tag)
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        if "form" not in self._inside:
            return
        form, name, value = self.forms[-1], given.get("name", ""), given.get("value", "")
        if tag in {"input", "button"} and name:
            kind = given.get("type", "text") if tag == "input" else "submit"
            choices = form.offered.setdefault(name, set() if kind in _CLOSED else None)
            if choices is not None:
                choices.add(value)
            if kind not in {"radio", "checkbox", "submit"} or "checked" in given:
                form.fields.append((name, value))
        elif tag == "select":
            self._select, form.offered[name] = name, set()
        elif tag == "option" and "select" in self._inside:
            choices = form.offered[self._select] or set()
            if not choices or "selected" in given:  # the first one, if none is
                form.fields = [each for each in form.fields if each[0] != self._select] + [(self._select, value)]
            form.offered[self._select] = {*choices, value}

    def handle_endtag(self, tag: str) -> None:
        self._inside.discard(tag)

    def handle_data(self, data: str) -> None:
        if {"form", "button"} <= self._inside:
            self.forms[-1].button += data


def forms_in(page: str) -> list[Form]:
    """Every form of a page, in its order."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms
