"""Pages: in the reader's language, under a policy that fits them exactly, whatever a brand's texts hold."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pytest

from consentry.http import web
from consentry.rules.consent import LOCALE, Choice, Consent
from consentry_build import catalogues
from support import events, people
from support.page import FAULTS, renderer

if TYPE_CHECKING:
    from consentry.http.web import Request
    from consentry.rules.brands import Brand

ROOT = Path(__file__).parents[3]
LOGO = '<svg viewBox="0 0 1 1"><path fill="currentColor" d="M0 0"/></svg>'


def request(query: str = "", accept: str = "") -> Request:
    return web.read(events.http("GET", f"/u/token?{query}", headers={"accept-language": accept}), web.Site())


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A function's own templates: one page and an email's text."""
    (tmp_path / "page.html").write_text(
        '{% extends "layout.html" %}{% block title %}T{% endblock %}{% block content %}{{ said }}{% endblock %}'
    )
    (tmp_path / "mail.txt").write_text("{{ said }} {{ brand.name(lang) }} {{ direction }}")
    (tmp_path / "mail.html").write_text("{{ said }} {{ brand.name(lang) }}")
    return tmp_path


# --- what a page can't do ------------------------------------------------------------------------------------------


def test_a_page_that_names_something_unknown_is_a_fault_not_a_gap(templates: Path) -> None:
    with pytest.raises(jinja2.UndefinedError):
        renderer().render(templates, "page.html", people.brand(), "en")


def test_what_a_brand_or_person_wrote_stays_text(templates: Path) -> None:
    evil = '<script>alert(1)</script>"onload=x'
    brand = people.brand(names={"en": evil}, postal_addresses={"en": evil}, privacy_urls={"en": 'https://x"><script>'})
    body = renderer().render(templates, "page.html", brand, "en", said=evil).body
    assert "<script" not in body
    assert body.count("&lt;script&gt;alert(1)") >= 3
    assert 'https://x"' not in body


@pytest.mark.parametrize("accent", ["#2f6b3c", "#000000"])
@pytest.mark.parametrize("brand", [True, False])
def test_the_policy_lets_in_the_pages_own_style_and_nothing_else(templates: Path, brand: bool, accent: str) -> None:
    theme = {"accent": accent, "accent_dark": "#8fd6a0", "logo": LOGO}
    answer = renderer().render(templates, "page.html", people.brand(theme=theme) if brand else None, "en", said="x")
    [style] = re.findall("<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(each.strip().partition(" ")[::2] for each in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert (accent in style) == brand
    assert ("<svg" in answer.body) == brand
    assert not re.search(r"<script|<img|<link|\sstyle=|\son\w+=|@import|url\(", answer.body)


# --- pages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", catalogues.languages())
@pytest.mark.parametrize("code", FAULTS)
def test_every_fault_is_explained_in_every_language(code: str, lang: str) -> None:
    answer = renderer().problem(request(f"lang={lang}"), 404, code)
    assert answer.status == 404
    assert answer.headers["content-language"] == lang
    assert f'<html lang="{lang}" dir="{"rtl" if lang == "ar" else "ltr"}">' in answer.body
    assert "<h1></h1>" not in answer.body
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_each_fault_has_words_of_its_own() -> None:
    said = {code: re.findall("<h1>(.*?)</h1>", renderer().problem(request(), 404, code).body)[0] for code in FAULTS}
    assert said.pop("no_keys") == said["unavailable"], "what is unavailable is nothing to a person"
    assert len({*said.values()}) == len(said)


def test_every_fault_that_is_raised_is_among_them() -> None:
    sources = [*ROOT.glob("functions/*/handler.py"), *ROOT.glob("layers/consentry/consentry/**/*.py")]
    raised = {
        code
        for source in sources
        for code in re.findall(
            r'(?:web\.ProblemError\(|problem, request, |problem\(request, )\d+, "(\w+)"', source.read_text()
        )
    }
    assert raised | {code for _, code in web._PROBLEMS.values()} == set(FAULTS)


def test_a_brands_fault_page_is_in_its_colours_and_languages() -> None:
    answer = renderer().problem(request("lang=fr", "de"), 410, "expired", people.brand())
    assert answer.headers["content-language"] == "de"
    assert "Meadow &amp; Finch" in answer.body
    assert "#2f6b3c" in answer.body


def test_a_mails_text_is_not_escaped_and_its_html_is(templates: Path) -> None:
    brand = people.brand()
    assert renderer().render_text(templates, "mail.txt", brand, "en", said="<&>") == "<&> Meadow & Finch ltr"
    assert renderer().render_text(templates, "mail.html", brand, "en", said="<&>") == "&lt;&amp;&gt; Meadow &amp; Finch"


# --- which language ------------------------------------------------------------------------------------------------

CHOSE_GERMAN = Consent({}, {LOCALE: Choice(5, "a", "de")})


@pytest.mark.parametrize(
    ("shown", "query", "consent", "accept", "found"),
    [
        ("", "", None, "", "en"),
        ("", "", None, "de", "de"),
        ("", "", CHOSE_GERMAN, "en", "de"),
        ("", "lang=en", CHOSE_GERMAN, "de", "en"),
        ("en", "lang=de", CHOSE_GERMAN, "de", "en"),
        ("tlh", "lang=tlh", Consent({}, {LOCALE: Choice(5, "a", "tlh")}), "de", "de"),
        ("", "lang=", Consent(), "", "en"),
    ],
)
def test_the_language_of_the_page_before_then_the_link_then_the_person_then_the_browser(
    shown: str, query: str, consent: Consent | None, accept: str, found: str
) -> None:
    assert renderer().language(request(query, accept), people.brand(), consent, shown=shown) == found


def test_a_page_of_no_brand_is_in_the_visitors_language() -> None:
    assert renderer().language(request(accept="ja, de;q=0.5"), None) == "ja"


def test_a_page_of_no_brand_speaks_every_language_that_there_are_texts_in() -> None:
    spoken = [renderer().language(request(f"lang={each}"), None) for each in catalogues.languages()]
    assert spoken == list(catalogues.languages())
    assert renderer().language(request("lang=tlh"), None) == "en"


def test_a_brand_without_a_logo_or_links_has_none_on_its_page(templates: Path) -> None:
    plain: Brand = people.brand(postal_addresses={}, privacy_urls={}, languages=["en"])
    body = renderer().render(templates, "page.html", plain, "en", said="x").body
    assert "<svg" not in body
    assert "<a " not in body
