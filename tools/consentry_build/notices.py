"""Notices: the words that people read, page by page and language by language, as a brand shows them.

The pages' and emails' own templates are rendered here when the layer is built, as they come to somebody of whom nothing
is known. What only a person has (a date, a link) stands there by its name: `{date}`. Of a page its visible text is
kept; what can be pressed is in square brackets, what can be ticked has a box in front of it, which is empty here too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import html5lib
from jinja2 import ChainableUndefined, Environment, FileSystemLoader, select_autoescape

from consentry.rules import brands, languages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from consentry.rules.brands import Brand

_ROOT: Final = Path(__file__).parents[2]
_SHARED: Final = _ROOT / "layers/consentry/consentry/templates"
_PAGES: Final = {
    "form": _ROOT / "functions/subscribe/templates/subscribe.html",
    "page": _ROOT / "functions/confirm/templates/confirm.html",
    "preferences": _ROOT / "functions/preferences/templates/preferences.html",
    "unsubscribe": _SHARED / "leaving/unsubscribe.html",
    "left": _SHARED / "leaving/left.html",
    "keep": _ROOT / "functions/preferences/templates/keep.html",
}
_SHOWN: Final = {"keep": {"state": "ask", "end": "{date}"}}
"""What else a page is told, where it comes in several kinds."""
_MAILS: Final = {"mail": "confirmation", "return_mail": "return"}
"""Those that can opt in, by their place in a notice and their templates' name."""
_INLINE: Final = frozenset({"a", "b", "bdi", "small", "span", "strong", "svg", "path"})
"""What makes no line of its own."""


class _Named(ChainableUndefined):
    """What only a person has: stands there by its name, and is false where a template asks."""

    def __str__(self) -> str:
        return f"{{{self._undefined_name}}}"


def notice(compiled: dict[str, Any], out: Path) -> dict[str, Any]:
    """The notice of a compiled brand; `out` has the catalogues and the emails' templates, compiled."""
    brand = brands.from_json(compiled)
    return {"brand": brand.id, "languages": {language: _in(language, brand, out) for language in brand.languages}}


def _in(language: str, brand: Brand, out: Path) -> dict[str, Any]:
    offered = tuple(topic.id for topic in brand.asked_for()) or tuple(brand.topics)
    values = {
        "brand": brand,
        "lang": language,
        "direction": languages.direction(language),
        "own_name": languages.own_name,
        "topics": offered,
        "ticked": (),
        "rows": [{"topic": topic, "on": False} for topic in brand.topics.values()],
        "state": "shown",
        "held": None,
        "email": "",
        "locale": "",
        "days": (),
        "scope": "topic",
        "undo": "{undo}",
    }
    return {
        "brand": {
            "name": brand.name(language),
            "postal_address": brand.postal_address(language),
            "privacy_url": brand.privacy_url(language),
            "privacy_contact": brand.privacy_contact,
        },
        "topics": {
            topic.id: {
                "name": brand.topic_name(topic.id, language),
                "description": brand.topic_description(topic.id, language),
                "mode": topic.mode.value,
                "basis": topic.basis,
                "frequencies": list(topic.frequencies),
            }
            for topic in brand.topics.values()
        },
        **{
            name: visible(_rendered(path, language, out, values | _SHOWN.get(name, {})))
            for name, path in _PAGES.items()
        },
        **{
            name: {
                part: _tidy(_rendered(out / "mails" / f"{template}.{suffix}", language, out, values))
                for part, suffix in (("subject", "subject.txt"), ("text", "txt"))
            }
            for name, template in _MAILS.items()
        },
    }


def _rendered(template: Path, language: str, out: Path, values: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader([template.parent, _SHARED]),
        autoescape=select_autoescape(("html",), ("txt",), default=True),
        undefined=_Named,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters["date"] = environment.filters["moment"] = lambda _: "{date}"
    catalogue = languages.texts(out / "locales", language)
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # the i18n extension's
    return environment.get_template(template.name).render(**values)


def visible(page: str) -> str:
    """The text of a page as its readers see it, a line for each block."""
    body = html5lib.parse(page, namespaceHTMLElements=False).find("body")
    return _tidy("".join(_said(body)))


def _said(element: Element) -> Iterator[str]:
    if element.tag in {"style", "script"} or element.get("aria-hidden") == "true" or element.get("type") == "hidden":
        return
    apart = "" if element.tag in _INLINE else "\n"
    box = "[x] " if "checked" in element.attrib else "[ ] "
    yield apart
    yield from {
        "button": ("[ ",),
        "option": ("( ) ",),
        "li": ("- ",),
        "input": (box if element.get("type") == "checkbox" else "[____]",),
    }.get(element.tag, ())
    yield _run(element.text)
    for child in element:
        yield from _said(child)
        yield _run(child.tail)
    target = element.get("href", "")
    if target.startswith("https://"):
        yield f" <{target}>"
    yield " ]" if element.tag == "button" else ""
    yield "" if element.get("type") == "checkbox" else apart


def _run(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()
