"""A page as a person without JavaScript has it: text, language, links, and forms to fill in."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final, NamedTuple

FAULTS: Final = (
    "not_ours",
    "expired",
    "reason_expired",
    "no_brand",
    "bad_choice",
    "too_large",
    "method",
    "unavailable",
    "no_keys",
    "failed",
)
"""What a page can have to tell that went wrong, by the codes of `problem.html`."""


class Form(NamedTuple):
    """One form, with what it would send if it were sent as it is."""

    action: str
    method: str
    fields: list[tuple[str, str]]
    names: set[str]
    """Every field, ticked or not."""
    button: str


class Page(HTMLParser):
    """What is on a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.language = ""
        self.heading = ""
        self.text = ""
        self.links: list[str] = []
        self.sources: list[str] = []
        """What the page would load by itself."""
        self.forms: list[Form] = []
        self._inside: list[str] = []
        self._select = ""
        self._options: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    def form(self, **fields: str) -> Form:
        """The first form that has these fields with these values."""
        return next(form for form in self.forms if set(fields.items()) <= set(form.fields))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        given = {name: value or "" for name, value in attrs}
        self._inside.append(tag)
        if tag == "html":
            self.language = given["lang"]
        if tag == "a":
            self.links.append(given["href"])
        if tag in {"img", "script", "iframe", "link", "object", "embed", "source", "audio", "video"}:
            self.sources.append(given.get("src") or given.get("href") or tag)
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get"), [], set(), ""))
        if not self.forms:
            return
        form = self.forms[-1]
        if tag == "input":
            form.names.add(given["name"])
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                form.fields.append((given["name"], given.get("value", "")))
        if tag == "select":
            self._select, self._options = given["name"], []
            form.names.add(self._select)
        if tag == "option":
            self._options.append((given["value"], "selected" in given))

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        while self._inside and self._inside.pop() != tag:
            pass
        if tag == "select":
            chosen = [value for value, selected in self._options if selected] or [self._options[0][0]]
            self.forms[-1].fields.append((self._select, chosen[0]))

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if "style" in self._inside:
            return
        self.text += data
        if "h1" in self._inside:
            self.heading += data
        if "button" in self._inside and self.forms:
            self.forms[-1] = self.forms[-1]._replace(button=self.forms[-1].button + data)
