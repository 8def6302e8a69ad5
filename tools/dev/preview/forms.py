"""The forms of a page, as a browser would fill and send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLOSED = frozenset({"hidden", "radio", "checkbox"})
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
        self._form: Form | None = None
        self._in_button = False
        self._select = ""
        self._first_option = ""
        self._chosen: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        if self._form is None:
            return
        self._in_button = self._in_button or tag == "button"
        if tag == "input" and given.get("name"):
            self._take_input(self._form, given)
        elif tag == "select":
            self._select, self._first_option, self._chosen = given.get("name", ""), "", None
            self._form.offered[self._select] = set()
        elif tag == "option" and self._select:
            self._take_option(self._form, given)

    def _take_input(self, form: Form, given: Mapping[str, str]) -> None:
        name, kind, value = given["name"], given.get("type", "text"), given.get("value", "")
        if kind in _CLOSED:
            choices = form.offered.setdefault(name, set())
            if choices is not None:
                choices.add(value)
        else:
            form.offered[name] = None
        if kind not in {"radio", "checkbox"} or "checked" in given:
            form.fields.append((name, value))

    def _take_option(self, form: Form, given: Mapping[str, str]) -> None:
        value, choices = given.get("value", ""), form.offered[self._select]
        if choices is not None:
            if not choices:
                self._first_option = value
            choices.add(value)
        if "selected" in given:
            self._chosen = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._in_button = False
        elif tag == "select" and self._form is not None and self._select:
            chosen = self._first_option if self._chosen is None else self._chosen
            self._form.fields.append((self._select, chosen))
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._in_button and self._form is not None:
            self._form.button += data


def forms_in(page: str) -> list[Form]:
    """Every form of a page, in its order."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms
