"""Notices: the words that people read, under a version that is theirs alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from consentry.rules import notices as rules
from consentry_build import notices
from consentry_build.brandfile import compile_folder

BRAND = """\
name: {en: Meadow, de: Wiese}
languages: [en, de]
sender: hello@meadow.example
postal_address: 12 Orchard Lane, Bath
privacy_url: https://meadow.example/privacy
evidence_days: 30
theme: {accent: "#2f6b3c"}
topics:
  news: {mode: opt_in, name: {en: News, de: Neues}, description: {en: What is new., de: Was es Neues gibt.}}
  offers: {mode: opt_in, name: Offers}
"""


def notice(folder: Path, *replaced: tuple[str, str]) -> dict[str, Any]:
    """The notice of the brand above, its file changed."""
    text = BRAND
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (folder / "meadow.yaml").write_text(text, encoding="utf-8")
    (compiled,) = compile_folder(folder)
    return notices.notice(compiled, Path(os.environ["CONSENTRY_COMPILED"]))


def version(folder: Path, *replaced: tuple[str, str]) -> str:
    return rules.write(notice(folder, *replaced))[0]


def test_a_notice_has_what_people_read_in_each_language_of_the_brand(tmp_path: Path) -> None:
    made = notice(tmp_path)
    assert made["brand"] == "meadow"
    assert list(made["languages"]) == ["en", "de"]
    german = made["languages"]["de"]
    assert german["brand"]["name"] == "Wiese"
    assert german["topics"]["news"]["description"] == "Was es Neues gibt."
    assert german["form"].splitlines()[:7] == [
        "Wiese",
        "Unsere E-Mails abonnieren",
        "E-Mails von Wiese – nur wenn Sie es möchten.",
        "Ihre E-Mail-Adresse",
        "[____]",
        "Welche E-Mails möchten Sie erhalten?",
        "[ ] Neues Was es Neues gibt.",
    ]
    assert "[ Link per E-Mail senden ]" in german["form"]
    assert german["mail"]["subject"] == "Bitte bestätigen Sie Ihre Anmeldung bei Wiese"
    assert "Angefordert am {date}.\nJa, ich möchte diese E-Mails:\n{link}\n" in german["mail"]["text"]
    assert "[ Ja, ich möchte diese E-Mails ]" in german["page"]
    assert "Wiese" in german["return_mail"]["text"]
    assert "[ Unsubscribe from everything ]" in made["languages"]["en"]["unsubscribe"]
    assert "läuft am {date} ab" in german["keep"]
    assert "[ Weiterhin erhalten ]" in german["keep"]
    assert "For 30 days" in made["languages"]["en"]["preferences"]


def test_a_notice_says_that_no_box_was_ticked_and_hides_what_people_do_not_see(tmp_path: Path) -> None:
    form = notice(tmp_path)["languages"]["en"]["form"]
    assert form.count("[ ] ") == 2
    assert "[x]" not in form
    assert "Leave this empty" not in form


def test_a_ticked_box_a_line_and_a_script_are_seen_for_what_they_are() -> None:
    page = (
        "<style>p {}</style><script>1</script><p>One\n  two<br>three</p><input type=hidden value=x>"
        "<label><input type=checkbox checked> Yes</label>"
    )
    assert notices.visible(page) == "One two\nthree\n[x] Yes"


def test_the_version_changes_with_what_people_read_and_with_nothing_else(tmp_path: Path) -> None:
    same = [
        ("evidence_days: 30", "evidence_days: 30\nlimits: {mails_a_minute: 600}"),
        ("evidence_days: 30", "evidence_days: 30\nretired_topics: [letters]"),
        ("#2f6b3c", "#000000"),
        (
            "topics:",
            "texts: {}\npages: {asked: https://meadow.example/asked}\norigins: [https://meadow.example]\ntopics:",
        ),
    ]
    other = [
        ("de: Wiese", "de: Aue"),
        ("12 Orchard Lane", "14 Orchard Lane"),
        ("example/privacy", "example/notice"),
        ("evidence_days: 30", "evidence_days: 60"),
        ("offers: {mode: opt_in", "offers: {mode: opt_out"),
        ("en: News", "en: Letters"),
        ("en: What is new.", "en: Something else."),
    ]
    first = version(tmp_path)
    assert {version(tmp_path, each) for each in same} == {first}
    assert len({first, *(version(tmp_path, each) for each in other)}) == 1 + len(other)


@pytest.mark.parametrize(
    "which", ["subscribe_title", "subscribe_intro", "confirm_subject", "confirm_intro", "left_note"]
)
def test_a_sentence_of_the_brands_own_is_part_of_the_notice(tmp_path: Path, which: str) -> None:
    texts = ("{en: Hello}", "{en: Hello, de: Hallo}", "{de: Hello}")
    versions = {version(tmp_path, ("topics:", f"texts: {{{which}: {text}}}\ntopics:")) for text in texts}
    assert len({version(tmp_path), *versions}) == 4


def test_the_build_writes_each_brands_notice_under_the_version_that_its_events_name() -> None:
    compiled = Path(os.environ["CONSENTRY_COMPILED"])
    brands = {each["id"]: each["notice"] for each in json.loads((compiled / "brands.json").read_text("utf-8"))}
    written = {path.stem: path.read_bytes() for path in (compiled / rules.FOLDER).iterdir()}
    assert sorted(written) == sorted(brands.values())
    for version_, text in written.items():
        assert rules.version_of(text) == version_
        assert brands[json.loads(text)["brand"]] == version_


@pytest.mark.parametrize("version_", ["", "1234567890ab", "g" * 32, "0" * 31, "0" * 33, "A" * 32])
def test_what_is_no_version_of_kept_words_is_seen_to_be_none(version_: str) -> None:
    assert not rules.is_version(version_)
    assert rules.is_version("0" * 32)
