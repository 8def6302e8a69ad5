"""Languages: people read the one that they asked for, or the nearest that the brand speaks."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentry.rules import languages

OFFERED = ("en", "de", "pt-BR", "zh-Hant", "ar")


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=3), st.text(max_size=80))
@example(["-" * 65_000, "_" * 65_000], ",;" * 30_000)
@example(["../../etc/passwd", "\ud800", "\x00"], ";q=,;;q=q,=;q=1e999,a;q=nan")
def test_whatever_is_asked_for_people_get_a_language_of_the_brand(wishes: list[str | None], header: str) -> None:
    assert languages.negotiate(OFFERED, *wishes, accept_language=header) in OFFERED


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", "en"),
        ("*", "en"),
        ("tlh", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_AT", "de"),
        ("de-CH-1996", "de"),
        ("pt", "en"),
        ("pt-br", "pt-BR"),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hans", "en"),
        ("fr, de", "de"),
        ("ar, de", "ar"),
        ("ar;q=0.5, de", "de"),
        ("ar;q=0.5, de;q=0.9, en;q=0.7", "de"),
        ("ar;Q=0.5, de;Q=0.9", "de"),
        ("ar ; q=0.5 , de ; q=0.9", "de"),
        ("ar;q=0.8, de;q=0.8", "ar"),
        ("de;q=0, ar;q=0.1", "ar"),
        ("de;q=0", "en"),
        ("de;q=-1, ar;q=0.1", "ar"),
        ("de;q=nan, ar", "ar"),
        ("de;q=, ar;q=0.1", "ar"),
        ("de;level=1, ar;q=0.1", "ar"),
        (", , ;q=1, de", "de"),
        ("x" * 499 + ",de", "en"),
    ],
)
def test_the_browser_is_listened_to(header: str, found: str) -> None:
    assert languages.negotiate(OFFERED, accept_language=header) == found


def test_what_is_asked_for_outright_comes_before_the_browser() -> None:
    assert languages.negotiate(OFFERED, "ar", accept_language="de") == "ar"
    assert languages.negotiate(OFFERED, None, "", "tlh", "de-AT", "ar", accept_language="en") == "de"
    assert languages.negotiate(OFFERED, None, "", accept_language="de") == "de"


def test_a_wish_as_long_as_a_form_is_cut_short() -> None:
    """Each of its parts would be tried: 64 KiB of hyphens kept a function busy for half a minute."""
    wish = "-".join("a" * 100)
    assert languages.negotiate(["en", "-".join("a" * 18)], wish) == "-".join("a" * 18)
    assert languages.negotiate(["en", "-".join("a" * 19)], wish) == "en"


def test_arabic_and_hebrew_run_from_right_to_left() -> None:
    assert [languages.direction(each) for each in ("ar", "ar-EG", "he", "en", "de-AT", "arn")] == [
        "rtl",
        "rtl",
        "rtl",
        "ltr",
        "ltr",
        "ltr",
    ]


def test_a_language_is_called_what_its_speakers_call_it() -> None:
    assert languages.own_name("de-AT") == "Deutsch"
    assert languages.own_name("ja") == "日本語"
    assert languages.own_name("sv") == "sv"


# --- texts and dates -----------------------------------------------------------------------------------------------


def locales() -> Path:
    return Path(os.environ["CONSENTRY_COMPILED"]) / "locales"


def test_a_language_without_a_catalogue_reads_in_english(tmp_path: Path) -> None:
    assert languages.texts(locales(), "sv").gettext("Language") == "Language"
    assert languages.texts(tmp_path, "de").gettext("Language") == "Language"


def test_texts_come_in_the_language() -> None:
    assert languages.texts(locales(), "de").gettext("Language") == "Sprache"


MOMENT = 1_804_082_700_000  # 2027-03-03T14:05:00Z


def test_dates_read_as_people_write_them() -> None:
    english, german = languages.texts(locales(), "en"), languages.texts(locales(), "de")
    assert languages.format_date(MOMENT, english) == "3 March 2027"
    assert languages.format_moment(MOMENT, english) == "3 March 2027 at 14:05 UTC"
    assert languages.format_date(MOMENT, german) == "3. März 2027"
    assert "14:05" in languages.format_moment(MOMENT, german)


def test_dates_are_utc_wherever_they_come_from() -> None:
    english = languages.texts(locales(), "en")
    tokyo = datetime(2027, 3, 4, 3, 5, tzinfo=timezone(timedelta(hours=9)))
    assert languages.format_moment(tokyo, english) == "3 March 2027 at 18:05 UTC"
    last_minute = datetime(2027, 12, 31, 23, 59, tzinfo=UTC)
    assert languages.format_moment(last_minute, english) == "31 December 2027 at 23:59 UTC"


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ar"])
def test_every_month_has_a_name(language: str, month: int) -> None:
    catalogue = languages.texts(locales(), language)
    said = languages.format_date(datetime(2027, month, 9, tzinfo=UTC), catalogue)
    assert "2027" in said
    assert "%" not in said
    assert len({languages.format_date(datetime(2027, each, 9, tzinfo=UTC), catalogue) for each in range(1, 13)}) == 12
