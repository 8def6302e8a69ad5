"""A page as a person without JavaScript has it: text, language, links, and forms to fill in."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from consentry.http.pages import Pages
from consentry.links.keyring import Keyring
from consentry.links.tokens import Tokens
from consentry.rules.brands import Brands
from dev.preview.forms import Form, forms_in

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


def renderer() -> Pages:
    """Renders without a deployment, in every language there is."""
    locales = Path(os.environ["CONSENTRY_COMPILED"]) / "locales"
    return Pages(locales, Tokens(Keyring(lambda: json.dumps({"root": "r"}))), Brands(()))


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
        self.forms = forms_in(html)
        self._inside: list[str] = []
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

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if "style" in self._inside:
            return
        self.text += data
        if "h1" in self._inside:
            self.heading += data
