"""Brand files: whoever writes one is told what is wrong, on which line, and how to fix it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings

from consentry.rules import brands
from consentry_build import brandfile
from consentry_build.brandfile import Fault, FaultyBrandsError, compile_folder, contrast, faults_of
from support import odd

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]

GOOD = """\
name: {en: Meadow, de: Wiese}
languages: [en, de]
sender: hello@meadow.example
reply_to: people@meadow.example
inbound_domain: reply.meadow.example
list_domain: lists.meadow.example
postal_address: 12 Orchard Lane, Bath
privacy_url: https://meadow.example/privacy
keeps_address: true
evidence_days: 30
theme:
  accent: "#2f6b3c"
  accent_dark: "#8fd6a0"
  logo: '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>'
topics:
  news:
    mode: opt_in
    name: {en: News, de: Neues}
    description: {en: What is new., de: Was es Neues gibt.}
    frequencies: [every, weekly]
  product:
    mode: opt_out
    name: {en: Product, de: Produkt}
"""
NO_ORIGINS = [
    "https://a.example/",
    "https://a.example/form",
    "https://a.example:0",
    "https://A.example",
    "https://*.a.example",
    "https://a.example, https://b.example",
    "http://a.example",
    "http://localhost.a.example",
    "https://localhost",
    "a.example",
    "null",
    "*",
]

NO_PAGES = [
    "http://a.example/thanks",
    "//a.example",
    "/thanks",
    "https://a.example@b.example/",
    "https://a.example\\\\@b.example/",
    "https://a.example?thanks",
    "https://a.example/th anks",
    "https://a.example/;\\r\\nSet-Cookie: a=b",
    "https://a.example/danke-schön",
    "https://a.example; script-src *",
    "https://a.example/<",
    "javascript:alert(1)",
    "data:text/html,x",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "meadow.yaml"


def faults(file: Path, text: str) -> list[Fault]:
    """What is wrong with a brand file that says `text`."""
    file.write_text(text, encoding="utf-8")
    return faults_of(file)


def changed(line: int, text: str) -> str:
    """The good file with one line replaced."""
    lines = GOOD.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "where", "what"),
    [
        (1, 'name: ""', "name", "must be one line of 1 to 300 characters"),
        (1, "name: 5", "name", "must be one line"),
        (1, f"name: {'x' * 301}", "name", "must be one line of 1 to 300"),
        (1, 'name: "a\\nb"', "name", "must be one line"),
        (1, 'name: "a\\n"', "name", "must be one line"),
        (1, 'name: "a\\u2028b"', "name", "must be one line"),
        (1, 'name: "a\\u0085b"', "name", "must be one line"),
        (1, 'name: "  "', "name", "must be one line"),
        (1, 'name: "a\\u202eb"', "name", "without control or direction characters"),
        (1, "name: {}", "name", "must be one text for each language"),
        (1, "name: {en: Meadow}", "name", "has no text for de"),
        (1, 'name: {en: Meadow, de: ""}', "name.de", "must be one line"),
        (1, "name: {en: Meadow, de: Wiese, English: x}", "name.English", "must be a language tag"),
        (2, "languages: []", "languages", "must be a list of languages, each once, such as [en, de]"),
        (2, "languages: [en, de, en]", "languages", "must be a list of languages, each once"),
        (2, "languages: [en, de, no]", "languages.2", "must be a language tag (BCP 47), such as en or pt-BR"),
        (2, "languages: [en, de, Deutsch]", "languages.2", "must be a language tag"),
        (2, "languages: [en, de, fr]", "name", "has no text for fr, which `languages` names"),
        (3, "sender: Meadow <hello@meadow.example>", "sender", "must be an email address without a name, at a whole"),
        (3, "sender: hello..x@meadow.example", "sender", "must be an email address"),
        (3, "sender: .hello@meadow.example", "sender", "must be an email address"),
        (3, "sender: hello@localhost", "sender", "must be an email address"),
        (3, 'sender: "hello@meadow.example\\n"', "sender", "must be an email address"),
        (3, f"sender: {'x' * 65}@meadow.example", "sender", "must be an email address"),
        (4, "reply_to: people", "reply_to", "such as hello@example.com"),
        (5, "inbound_domain: https://x.example", "inbound_domain", "must be a domain in lower case"),
        (5, 'inbound_domain: "x.example\\n"', "inbound_domain", "must be a domain"),
        (6, "list_domain: Meadow.Example", "list_domain", "such as mail.example.com"),
        (7, "postal_address: Bath", "postal_address", "must be an address of 10 to 400 characters"),
        (7, "postal_address: {en: 12 Orchard Lane}", "postal_address", "has no text for de"),
        (7, "postal_address: {en: 12 Orchard Lane, de: Bath}", "postal_address.de", "must be an address of 10"),
        (8, "privacy_url: {en: 'https://a.example', de: http://a.example}", "privacy_url.de", "must be an https"),
        (8, "privacy_url: {en: 'https://a.example'}", "privacy_url", "has no text for de"),
        (8, "privacy_url: http://meadow.example", "privacy_url", "must be an https address"),
        (8, "privacy_url: javascript:alert(1)", "privacy_url", "must be an https address"),
        (9, "keeps_address: sometimes", "keeps_address", "must be true or false"),
        (10, "evidence_days: -1", "evidence_days", "must be a whole number of days from 0 to 3650"),
        (10, "evidence_day: 30", "evidence_day", "unknown field; allowed: name, languages, sender"),
        (12, "  accent: green", "theme.accent", 'must be a colour in quotes, such as "#1f4e79"'),
        (10, "limits: {mails_a_minute: 0}", "limits.mails_a_minute", "must be a whole number from 1"),
        (10, "limits: {requests_an_hour: -1}", "limits.requests_an_hour", "must be a whole number from 1"),
        (10, "limits: {requests_an_hour: 1.5}", "limits.requests_an_hour", "must be a whole number"),
        (10, "limits: {requests_an_hour_per_ip: many}", "limits.requests_an_hour_per_ip", "must be a whole number"),
        (10, "limits: {mails_an_hour: 9}", "limits.mails_an_hour", "unknown field; allowed: requests_an"),
        (10, "limits: 5", "limits", "must be a mapping of limits"),
        (10, "retired_topics: [letters, news]", "retired_topics.1", "is one of `topics`"),
        (10, "retired_topics: [letters, letters]", "retired_topics", "must be a list of at most 200 ids, each once"),
        (10, "retired_topics: [Letters]", "retired_topics.0", "must be an id of at most 16"),
        (10, "retired_topics: letters", "retired_topics", "must be a list"),
        *((10, f"origins: ['{each}']", "origins.0", "must be scheme and host as browsers") for each in NO_ORIGINS),
        (10, "origins: [https://a.example, https://a.example]", "origins", "must be a list of at most 20 origins"),
        (10, "origins: https://a.example", "origins", "must be a list of at most 20 origins"),
        *((10, f'pages: {{left: "{each}"}}', "pages.left", "must be an https address of ASCII") for each in NO_PAGES),
        (10, "pages: {thanks: https://a.example}", "pages.thanks", "unknown field; allowed: asked, confirmed, left"),
        (10, f"texts: {{subscribe_title: {'x' * 81}}}", "texts.subscribe_title", "plain text, of 1 to 80"),
        (10, f"texts: {{confirm_subject: {{de: {'x' * 81}}}}}", "texts.confirm_subject.de", "plain text, of 1 to 80"),
        (10, f"texts: {{subscribe_intro: {'x' * 301}}}", "texts.subscribe_intro", "of 1 to 300"),
        (10, 'texts: {confirm_intro: ""}', "texts.confirm_intro", "of 1 to 300"),
        (10, 'texts: {confirm_intro: "  "}', "texts.confirm_intro", "of 1 to 300"),
        (10, 'texts: {confirm_subject: "a\\r\\nBcc: b@example.com"}', "texts.confirm_subject", "must be one line"),
        (10, "texts: {left_note: Write to <b>us</b>}", "texts.left_note", "must be one line of plain text"),
        (10, "texts: {left_note: {fr: Au revoir}}", "texts.left_note.fr", "shown to nobody: `languages` doesn't name"),
        (10, "texts: Bye", "texts", "must be a mapping of sentences"),
        (10, "pages: https://a.example", "pages", "must be a mapping of pages"),
        (10, "texts: {left_notes: Bye}", "texts.left_notes", "unknown field; allowed: subscribe_title"),
        (10, "texts: {en: {left_note: Bye}}", "texts.en", "unknown field; allowed: subscribe_title"),
        (12, "  accent: #2f6b3c", "theme.accent", "must be a colour in quotes"),
        (12, '  accent: "#fff000"', "theme.accent", "has a contrast of 1."),
        (12, '  colour: "#2f6b3c"', "theme.colour", "unknown field; allowed: accent, accent_dark, logo"),
        (13, '  accent_dark: "#1f4e79"', "theme.accent_dark", "with the dark page; text needs 4.5"),
        (11, "theme: {accent: #2f6b3c}", "file", 'put colours in quotes: "#2f6b3c"'),
        (14, "  logo: <svg", "theme.logo", "is not well-formed SVG"),
        (17, "    mode: optin", "topics.news.mode", "must be opt_in (only who asked gets it) or opt_out"),
        (17, "    modus: opt_in", "topics.news.modus", "unknown field; allowed: mode, name"),
        (19, "    description: {en: What is new.}", "topics.news.description", "has no text for de"),
        (20, "    frequencies: [every]", "topics.news.frequencies", "must be a list of at least two"),
        (20, "    frequencies: [every, hourly]", "topics.news.frequencies.1", "must be one of every, daily"),
        (21, "  Product News:", "topics.Product News", "must be an id of at most 16 characters: a-z, 0-9, - and _"),
        (21, "  a-topic-of-17-char:", "topics.a-topic-of-17-char", "must be an id of at most 16"),
        (21, '  "product\\n":', "topics.product\n", "must be an id"),
        (21, "  news:", "news", "stands there twice"),
        (23, "    mode: opt_in", "mode", "stands there twice"),
        (21, "  product: [", "file", "can't be read as YAML"),
        (22, "\tmode: opt_out", "file", "can't be read as YAML"),
    ],
)  # fmt: skip
def test_a_fault_names_its_line_its_field_and_its_cure(file: Path, line: int, text: str, where: str, what: str) -> None:
    found = faults(file, changed(line, text))
    concerned = [fault for fault in found if fault.where == where]
    assert concerned, found
    at = 1 if where == "name" and line == 2 else line
    if where == "file":
        assert concerned[0].line >= line
    else:
        assert concerned[0].line == at
    assert what in concerned[0].what
    assert str(concerned[0]) == f"{file}:{concerned[0].line}: {where}: {concerned[0].what}"


def test_a_name_that_yaml_takes_for_something_else_is_told_at_the_field_that_holds_it(file: Path) -> None:
    """`no` is False to YAML: what was written there is lost before anybody can point to it."""
    [fault] = faults(file, changed(21, "  no:"))
    assert (fault.where, fault.line) == ("topics.False", 15)


@pytest.mark.parametrize("field", ["name", "languages", "sender", "postal_address", "topics"])
def test_what_is_missing_is_named(file: Path, field: str) -> None:
    text = re.sub(rf"^{field}:.*\n(?: .*\n)*", "", GOOD, flags=re.MULTILINE)
    [fault] = faults(file, text)
    assert (fault.where, fault.line) == (field, 1)
    assert fault.what.startswith("is missing; it must be ")


def test_a_topic_without_a_mode_is_told_at_the_topic(file: Path) -> None:
    """Whether mail needs a confirmed request is never guessed."""
    [fault] = faults(file, GOOD.replace("    mode: opt_in\n", ""))
    assert (fault.where, fault.line) == ("topics.news.mode", 16)
    assert fault.what.startswith("is missing; it must be opt_in")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a list\n", "just text\n", "5\n"])
def test_a_file_that_holds_no_brand_is_told_so(file: Path, text: str) -> None:
    [fault] = faults(file, text)
    assert fault.where == "file"
    assert fault.what == "must be a mapping of fields, the first of them name"


def test_a_file_that_is_no_text_is_told_so(file: Path) -> None:
    file.write_bytes(b"name: \xff\xfe")
    [fault] = faults_of(file)
    assert "can't be read as YAML" in fault.what


@pytest.mark.parametrize(
    "name", ["Meadow.yaml", "meadow finch.yaml", "a-brand-of-17-char.yaml", "-x.yaml", "mead|ow.yaml"]
)
def test_a_files_name_that_is_no_id_is_told_so(tmp_path: Path, name: str) -> None:
    [fault] = faults(tmp_path / name, GOOD)
    assert "the file's name is the brand's id" in fault.what
    assert str(fault) == f"{tmp_path / name}: {fault.what}"


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(changed(3, "sender: x").replace("mode: opt_out", "mode: x"))
    (tmp_path / "two.yaml").write_text(changed(8, "privacy_url: x"))
    (tmp_path / "good.yaml").write_text(GOOD)
    with pytest.raises(FaultyBrandsError) as caught:
        compile_folder(tmp_path)
    assert [fault.where for fault in caught.value.faults] == ["sender", "topics.product.mode", "privacy_url"]
    assert len(str(caught.value).splitlines()) == 3


def test_what_a_schema_cannot_see_is_found_beside_what_it_sees(file: Path) -> None:
    text = changed(3, "sender: x").replace("#2f6b3c", "#ffff00").replace("de: Neues", "fr: Nouvelles")
    assert [fault.where for fault in faults(file, text)] == ["sender", "topics.news.name", "theme.accent"]


@pytest.mark.parametrize(
    ("colour", "background"), [("#ffff00", "#ffffff"), ("#777777", "#ffffff"), ("#000000", "#1b1d20")]
)
def test_the_colour_that_is_offered_instead_can_be_read(colour: str, background: str) -> None:
    assert contrast(colour, background) < 4.5 <= contrast(brandfile.readable(colour, background), background)


def test_a_privacy_page_and_postal_address_may_differ_by_language(tmp_path: Path) -> None:
    text = changed(7, "postal_address: {en: 12 Orchard Lane, de: Obstweg 12}")
    brand = brands.from_json(compiled(tmp_path, text))
    assert (brand.postal_address("en"), brand.postal_address("de")) == ("12 Orchard Lane", "Obstweg 12")
    assert brand.privacy_url("en") == brand.privacy_url("de") == "https://meadow.example/privacy"


def test_a_file_of_another_suffix_is_named(tmp_path: Path) -> None:
    (tmp_path / "meadow.yml").write_text(GOOD)
    with pytest.raises(FaultyBrandsError, match=r"holds no brand file \(\*\.yaml\); rename meadow\.yml to \*\.yaml"):
        compile_folder(tmp_path)


def test_a_folder_without_a_brand_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyBrandsError, match="holds no brand file"):
        compile_folder(tmp_path)


# --- contrast ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#000000", 21.0),
        ("#2f6b3c", "#2F6B3C", 1.0),
        ("#767676", "#ffffff", 4.54),  # the well-known last grey that passes
        ("#777777", "#ffffff", 4.48),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)


def test_the_last_grey_that_can_be_read_passes_and_the_next_doesnt(file: Path) -> None:
    assert faults(file, changed(12, '  accent: "#767676"')) == []
    [fault] = faults(file, changed(12, '  accent: "#777777"'))
    assert "4.48" in fault.what
    assert fault.what.endswith('the nearest that has it is "#767676"')


def test_colours_are_measured_against_the_pages_own_background() -> None:
    sheet = (ROOT / "layers/consentry/consentry/templates/style.css").read_text()
    light, dark = re.findall(r"--paper:(#\w+)", sheet)
    assert contrast(light.replace("#fff", "#ffffff"), brandfile._LIGHT) == 1.0
    assert contrast(dark, brandfile._DARK) == 1.0


# --- logos ---------------------------------------------------------------------------------------------------------


def svg(inside: str = "", attributes: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inside}</svg>'


@pytest.mark.parametrize(
    "logo",
    [
        svg("<script>alert(1)</script>"),
        svg("<SCRIPT>alert(1)</SCRIPT>"),
        svg('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>'),
        svg(attributes='onload="alert(1)"'),
        svg('<path onclick="alert(1)"/>'),
        svg("<foreignObject><p>x</p></foreignObject>"),
        svg('<a href="https://evil.example"><path/></a>'),
        svg('<use href="#x"/>'),
        svg('<use xlink:href="data:x" xmlns:xlink="http://www.w3.org/1999/xlink"/>'),
        svg('<image href="https://evil.example/x.png"/>'),
        svg('<path href="x"/>'),
        svg("<style>*{display:none}</style>"),
        svg('<path style="fill:red"/>'),
        svg('<path class="main"/>'),
        svg('<path fill="url(javascript:alert(1))"/>'),
        svg('<path fill="url(https://evil.example/a#b)"/>'),
        svg('<path fill="url(//evil.example/a#b)"/>'),
        svg("<path fill=\"URL( '//evil.example/a#b')\"/>"),
        svg('<path fill="url(a.svg#b)"/>'),
        svg('<path fill="\\75rl(//evil.example)"/>'),
        svg('<path fill="javascript&#58;alert(1)"/>'),
        svg('<path id="http://www.w3.org/x"/>'),
        svg('<animate attributeName="d"/>'),
        svg('<set attributeName="onload" to="x"/>'),
        svg("<!-- comment -->"),
        svg("<![CDATA[<script>]]>"),
        '<!DOCTYPE svg [<!ENTITY x "y">]>' + svg("&x;"),
        '<?xml version="1.0"?>' + svg(),
        svg("<?php x ?>"),
        svg("&nbsp;"),
        svg("<path>"),
        svg("</svg><script>alert(1)</script><svg>"),
        svg() + svg(),
        "<title/>",
        '<g><path d="M0 0"/></g>',
        '<x:svg xmlns:x="http://www.w3.org/2000/svg"><title/></x:svg>',
        "just text",
        svg('<path xml:base="x"/>'),
        svg('<path formaction="x"/>'),
        svg('<path data-x="1"/>'),
        svg('<path widths="1"/>'),
    ],
)
def test_a_logo_may_only_draw(file: Path, logo: str) -> None:
    """It stands in every page as it is."""
    found = faults(file, changed(14, "  logo: '" + logo.replace("'", "''") + "'"))
    assert found
    assert {(fault.where, fault.line) for fault in found} == {("theme.logo", 14)}
    assert all(re.search("may only draw|may not hold|not well-formed|must be one <svg>", fault.what) for fault in found)


@pytest.mark.parametrize(
    "logo",
    [
        svg('<path fill="currentColor" d="M16 2c6 5 9 10 9 15"/>', 'viewBox="0 0 32 32" width="32" aria-hidden="true"'),
        svg('<title>Meadow &amp; Finch: a tree</title><g transform="rotate(45)"><circle cx="1" cy="1" r="1"/></g>'),
        svg('<defs><linearGradient id="a"><stop offset="0"/></linearGradient></defs><rect fill="url(#a)"/>'),
        '  <svg viewBox="0 0 1 1"/>',
    ],
)  # fmt: skip
def test_a_logo_that_draws_is_welcome(file: Path, logo: str) -> None:
    assert faults(file, changed(14, f"  logo: '{logo}'")) == []


# --- what comes out ------------------------------------------------------------------------------------------------


def compiled(tmp_path: Path, text: str = GOOD) -> dict[str, Any]:
    (tmp_path / "meadow.yaml").write_text(text, encoding="utf-8")
    [brand] = compile_folder(tmp_path)
    return brand


def test_a_brand_arrives_in_the_functions_as_it_was_written(tmp_path: Path) -> None:
    brand = brands.from_json(compiled(tmp_path))
    assert (brand.id, brand.name("de"), brand.languages) == ("meadow", "Wiese", ("en", "de"))
    assert (brand.sender, brand.reply_to) == ("hello@meadow.example", "people@meadow.example")
    assert (brand.inbound_domain, brand.list_domain) == ("reply.meadow.example", "lists.meadow.example")
    assert (brand.keeps_address, brand.evidence_days) == (True, 30)
    assert list(brand.topics) == ["news", "product"]
    assert brand.topic_description("news", "de") == "Was es Neues gibt."
    assert brand.topics["news"].frequencies == ("every", "weekly")
    assert brand.theme.accent == "#2f6b3c"


def test_a_small_brand_gets_what_it_left_out(tmp_path: Path) -> None:
    small = """\
name: Meadow
languages: [de]
sender: hello@meadow.example
postal_address: 12 Orchard Lane
topics: {news: {mode: opt_in, name: Neues}}
"""
    brand = brands.from_json(compiled(tmp_path, small))
    assert brand.name("de") == brand.name("en") == "Meadow"
    assert brand.list_domain == "meadow.example"
    assert (brand.reply_to, brand.inbound_domain, brand.privacy_url("de"), brand.theme.logo) == ("", "", "", "")
    assert (brand.keeps_address, brand.evidence_days) == (False, 0)
    assert brand.topic_description("news", "de") == ""
    for colour, background in ((brand.theme.accent, "#ffffff"), (brand.theme.accent_dark, brandfile._DARK)):
        assert contrast(colour, background) >= 4.5


def test_limits_that_a_brand_sets_replace_the_defaults_one_by_one(tmp_path: Path) -> None:
    brand = brands.from_json(compiled(tmp_path, changed(10, "limits: {mails_a_minute: 600}")))
    assert brand.limits == brands.Bounds(mails_a_minute=600)
    assert brands.from_json(compiled(tmp_path)).limits == brands.Bounds(30, 2_000, 120)


def test_a_topic_has_the_legal_basis_that_its_file_names_or_the_usual_one_of_its_mode(tmp_path: Path) -> None:
    plain = brands.from_json(compiled(tmp_path)).topics
    assert (plain["news"].basis, plain["product"].basis) == ("consent", "legitimate_interest")
    for basis in ("consent", "contract", "legitimate_interest"):
        named = GOOD.replace("mode: opt_out", f"mode: opt_out\n    basis: {basis}")
        assert brands.from_json(compiled(tmp_path, named)).topics["product"].basis == basis


def test_a_brand_remembers_the_topics_that_it_had(tmp_path: Path) -> None:
    brand = brands.from_json(compiled(tmp_path, changed(10, "retired_topics: [letters, tips]")))
    assert brand.retired_topics == ("letters", "tips")
    assert "letters" not in brand.topics
    assert brands.from_json(compiled(tmp_path)).retired_topics == ()


def test_a_sentence_is_shown_in_its_own_language_alone(tmp_path: Path) -> None:
    """In the others ours stands, which is translated."""
    texts = "texts: {subscribe_title: Garden letters, left_note: {de: Schade}}\n"
    brand = brands.from_json(compiled(tmp_path, GOOD + texts))
    assert [brand.text("subscribe_title", each) for each in ("en", "de")] == ["Garden letters", ""]
    assert [brand.text("left_note", each) for each in ("en", "de")] == ["", "Schade"]
    assert brand.text("confirm_intro", "en") == ""


def test_the_brands_of_the_repository_are_without_fault() -> None:
    for file in (*(ROOT / "brands").glob("*.yaml"), *(ROOT / "tests/brands").glob("*.yaml")):
        assert faults_of(file) == []


@pytest.mark.parametrize(
    "text",
    [
        "name: 2001-99-99",
        "name: !!int x",
        "name: !!int ",
        "name: !!bool x",
        "name: !!timestamp x",
        "a: !!float x",
        "[" * 300,
        "a: &a [*a]",
        "? [b]",
    ],
)
def test_what_yaml_can_not_make_sense_of_is_a_fault_of_the_file(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path / "demo.yaml", text)


@pytest.mark.hypothesis
def test_a_good_file_with_anything_in_place_of_something_is_told_of_or_can_be_used(tmp_path: Path) -> None:
    @settings(max_examples=150)
    @given(odd.changed(yaml.safe_load(GOOD)))
    def holds(data: dict[str, Any]) -> None:
        if not faults(tmp_path / "demo.yaml", yaml.safe_dump(data)):
            (compiled,) = compile_folder(tmp_path)
            assert brands.from_json(json.loads(json.dumps(compiled, ensure_ascii=False).encode())).topics

    holds()


def test_only_a_topic_that_needs_no_opt_in_can_be_for_claims_only(file: Path) -> None:
    text = GOOD.replace("    mode: opt_in\n", "    mode: opt_in\n    claims_only: true\n    renew_after_days: 0\n")
    file.write_text(text, encoding="utf-8")
    assert [fault.where for fault in faults_of(file)] == ["topics.news.renew_after_days"]
    file.write_text(text.replace("    renew_after_days: 0\n", ""), encoding="utf-8")
    assert [fault.where for fault in faults_of(file)] == ["topics.news.claims_only"]


def test_what_a_topic_says_of_its_end_arrives_in_the_functions(tmp_path: Path) -> None:
    fields = "    mode: opt_out\n    claims_only: true\n    renew_after_days: 730\n"
    (tmp_path / "meadow.yaml").write_text(GOOD.replace("    mode: opt_out\n", fields), encoding="utf-8")
    product = brands.from_json(compile_folder(tmp_path)[0]).topics["product"]
    assert (product.claims_only, product.renew_after_days) == (True, 730)


def test_a_goodbye_needs_an_address_that_is_kept(file: Path) -> None:
    assert faults(file, GOOD + "goodbye_mail: true\n") == []
    (fault,) = faults(file, GOOD.replace("keeps_address: true\n", "") + "goodbye_mail: true\n")
    assert fault.where == "goodbye_mail"
    assert "keeps_address" in fault.what


def test_every_rule_of_the_schema_says_what_to_write() -> None:
    def silent(schema: Any, where: str) -> Iterator[str]:
        if isinstance(schema, dict):
            rules = {"type", "enum", "pattern", "anyOf"} & set(schema)
            if rules and "description" not in schema and not isinstance(schema.get("type"), dict):
                yield where
            for key, each in schema.items():
                yield from silent(each, f"{where}/{key}")
        elif isinstance(schema, list):
            for at, each in enumerate(schema):
                yield from silent(each, f"{where}/{at}")

    assert list(silent(brandfile.SCHEMA, "")) == []
