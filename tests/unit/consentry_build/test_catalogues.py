"""Translations are complete, fit their sources, and come out as files that Python's own gettext reads."""

from __future__ import annotations

import gettext
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import babel.dates
import pytest

from consentry.rules import languages
from consentry_build import catalogues, locales

TEXT = "Someone, probably you, asked for these emails from %(brand)s:"
DAYS = "For %(days)s day"
MONTHS = "January, February, March, April, May, June, July, August, September, October, November, December"


@pytest.fixture(scope="module")
def compiled() -> Path:
    """All catalogues, as the layer's build has compiled them."""
    return Path(os.environ["CONSENTRY_COMPILED"]) / "locales"


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The German catalogue alone, in a place where a test may damage it."""
    copy = tmp_path / "de.po"
    copy.write_bytes((locales.LOCALES / "de.po").read_bytes())
    monkeypatch.setattr(locales, "LOCALES", tmp_path)
    return copy


def damage(path: Path, text: str, translation: str) -> None:
    catalogue = catalogues._read(path.stem)
    message = catalogue.get(text)
    assert message is not None
    message.string = translation
    path.write_bytes(catalogues._written(catalogue))


@pytest.mark.parametrize(
    ("text", "translation", "fault"),
    [
        (TEXT, "", "not translated"),
        (TEXT, "Jemand hat gebeten:", "other placeholders"),
        (TEXT, "%(brand)s und %(topic)s", "other placeholders"),
        (TEXT, "<b>%(brand)s</b>", "holds <, >, & or %"),
        (TEXT, "%(brand)s 100%", "holds <, >, & or %"),
        (TEXT, "%(brand)s ", "begins or ends with a space"),
        (MONTHS, "Januar, Februar", "needs twelve months"),
    ],
)
def test_a_translation_that_would_break_a_page_is_found(german: Path, text: str, translation: str, fault: str) -> None:
    damage(german, text, translation)

    assert [line for line in catalogues.check() if fault in line]


def test_a_translation_that_is_only_guessed_is_found(german: Path) -> None:
    text = german.read_text(encoding="utf-8")
    german.write_text(text.replace(f'msgid "{TEXT}"', f'#, fuzzy\nmsgid "{TEXT}"'), encoding="utf-8")

    assert catalogues.check() == [f"de: fuzzy: {TEXT!r}"]


def test_a_missing_plural_form_is_found(german: Path) -> None:
    catalogue = catalogues._read("de")
    catalogue.get(DAYS).string = ("Für %(days)s Tage",)  # type: ignore[union-attr] # it is there
    german.write_bytes(catalogues._written(catalogue))

    assert len(catalogues.check()) == 1


def test_a_text_that_no_source_has_any_more_is_found(german: Path) -> None:
    with german.open("a", encoding="utf-8") as file:
        file.write('\nmsgid "Gone"\nmsgstr "Weg"\n')

    assert catalogues.check() == ["de: no longer used: 'Gone'"]


def test_nothing_is_compiled_from_a_faulty_catalogue(german: Path, tmp_path: Path) -> None:
    damage(german, TEXT, "")

    with pytest.raises(catalogues.CatalogueError, match="de: not translated"):
        catalogues.compile_to(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_tells_what_is_wrong(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(german, TEXT, "")

    assert catalogues.main(["check"]) == 1
    assert "not translated" in capsys.readouterr().out
    assert catalogues.main(["compile"]) == 2


def test_an_update_keeps_translations_drops_what_is_unused_and_changes_nothing_twice(german: Path) -> None:
    before = german.read_bytes()
    with german.open("a", encoding="utf-8") as file:
        file.write('\nmsgid "Gone"\nmsgstr "Weg"\n')

    assert catalogues.main(["update"]) == 0

    assert german.read_bytes() == before


def test_an_update_starts_a_catalogue_for_a_new_language(german: Path) -> None:
    catalogues.update("sv")

    assert catalogues.languages() == ("en", "de", "sv")
    assert any(line.startswith("sv: not translated") for line in catalogues.check())


def test_every_catalogue_is_complete_and_in_step_with_the_sources() -> None:
    assert catalogues.check() == []


def test_every_language_has_a_name_of_its_own() -> None:
    assert [each for each in catalogues.languages() if languages.own_name(each) == each] == []


def test_compiled_catalogues_are_read_by_gettext(compiled: Path) -> None:
    german = gettext.translation("consentry", compiled, ["de"])
    polish = gettext.translation("consentry", compiled, ["pl"])
    assert german.gettext(TEXT).startswith("Jemand, vermutlich Sie")
    assert polish.ngettext(DAYS, "For %(days)s days", 30) == "Na %(days)s dni"


@pytest.mark.parametrize("language", catalogues.languages())
@pytest.mark.parametrize("month", range(1, 13))
def test_dates_are_those_of_unicodes_locale_data(compiled: Path, language: str, month: int) -> None:
    """Babel has that data; the layer doesn't carry it, as the catalogues hold what little of it is needed."""
    day = datetime(2027, month, 23, tzinfo=UTC)
    locale = {"en": "en_GB", "pt": "pt_PT"}.get(language, language)
    expected = babel.dates.format_date(day, "long", locale)
    assert languages.format_date(day, languages.texts(compiled, language)) == expected


@pytest.mark.parametrize(
    ("language", "day", "moment"),
    [
        ("en", "3 March 2027", "3 March 2027 at 14:05 UTC"),
        ("de", "3. März 2027", "3. März 2027 um 14:05 Uhr UTC"),
        ("fr", "3 mars 2027", "3 mars 2027 à 14:05 UTC"),
        ("es", "3 de marzo de 2027", "3 de marzo de 2027 a las 14:05 UTC"),
        ("ar", "3 مارس 2027", "3 مارس 2027، 14:05 بالتوقيت العالمي UTC"),
        ("pl", "3 marca 2027", "3 marca 2027, 14:05 UTC"),
        ("ja", "2027年3月3日", "2027年3月3日 14:05（UTC）"),
    ],
)
def test_dates_read_as_people_write_them(compiled: Path, language: str, day: str, moment: str) -> None:
    texts = languages.texts(compiled, language)
    when = datetime(2027, 3, 3, 14, 5, tzinfo=UTC)

    assert languages.format_date(when, texts) == day
    assert languages.format_date(int(when.timestamp() * 1000), texts) == day
    assert languages.format_moment(when, texts) == moment


def test_a_deployment_without_changes_brings_no_new_layer(german: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled catalogues are the same whenever they are compiled."""
    compiled = []
    for hours in (0, 5):
        monkeypatch.setattr("babel.messages.catalog.LOCALTZ", timezone(timedelta(hours=hours)))
        catalogues.compile_to(german.parent / str(hours))
        compiled.append((german.parent / str(hours) / "locales/de/LC_MESSAGES/consentry.mo").read_bytes())
    assert compiled[0] == compiled[1]
