"""`consentry brands snippet`: the form to paste into a brand's own site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages.pofile import read_po
from click.testing import CliRunner

from consentry.http import embed
from consentry.rules import brands
from consentry_build import locales
from consentry_build.brandfile import compile_folder
from consentry_cli.main import main
from consentry_cli.snippet import form
from dev.preview.forms import forms_in

if TYPE_CHECKING:
    from consentry.rules.brands import Brand

BRANDS = Path(__file__).parents[2] / "brands"
BASE = "https://links.example.com"


@pytest.fixture(scope="module")
def demo() -> Brand:
    """The demonstration brand."""
    return next(brand for each in compile_folder(BRANDS) if (brand := brands.from_json(each)).id == "demo")


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner(env={"BASE": None, **environment}).invoke(main, ["brands", "snippet", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("nobody", "--brands", str(BRANDS)), "has no brand nobody"),
        (("demo", "--brands", str(BRANDS), "--language", "tlh"), "demo speaks en, de, fr, es, ar"),
        ((), "Missing argument"),
    ],
)
def test_what_cant_be_printed_is_said(arguments: tuple[str, ...], because: str) -> None:
    status, said = run(*arguments)
    assert (status, because in said) == (2, True)


def test_a_brand_without_anything_to_ask_for_has_no_form(tmp_path: Path) -> None:
    text = (BRANDS / "other.yaml").read_text(encoding="utf-8").replace("opt_in", "opt_out")
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    status, said = run("other", "--brands", str(tmp_path))
    assert (status, "none of its topics is opt_in" in said) == (2, True)


def test_the_deployment_is_the_options_the_shells_or_an_example() -> None:
    arguments = ("other", "--brands", str(BRANDS))
    assert 'action="https://links.example.com/s/other"' in run(*arguments)[1]
    assert 'action="http://127.0.0.1:8080/s/other"' in run(*arguments, BASE="http://127.0.0.1:8080")[1]
    assert 'action="https://x.example/s/other"' in run(*arguments, "--base-url", "https://x.example/")[1]


def test_the_form_asks_what_the_page_asks(demo: Brand) -> None:
    [asked] = forms_in(form(demo, "de", BASE))
    assert (asked.action, asked.method) == (f"{BASE}/s/demo", "post")
    assert dict(asked.fields) == {"lang": "de", "email": "", "website": ""}
    assert asked.offered["topics"] == {"news", "offers"}


def test_the_form_brings_the_script_and_its_hash(demo: Brand) -> None:
    text = form(demo, "en", BASE)
    assert f'src="{BASE}/s/demo/embed.js?v={embed.LATEST}" integrity="{embed.integrity()}"' in text
    assert 'crossorigin="anonymous"' in text


def test_what_a_brand_is_called_is_text_and_never_markup(demo: Brand) -> None:
    odd = demo._replace(names={"en": '"><script>'}, privacy_urls={"en": 'https://x.example/"><script>'})
    text = form(odd, "en", BASE)
    assert text.count("<script") == 1
    assert "&quot;&gt;&lt;script&gt;" in text


@pytest.mark.parametrize("language", locales.languages())
def test_the_form_speaks_every_language_as_the_page_does(demo: Brand, language: str) -> None:
    text = form(demo._replace(languages=(language,)), language, BASE)
    assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in text
    assert ("Your email address" in text) == (language == "en")
    assert "%" not in text.partition("<script")[0]


@pytest.mark.parametrize("language", locales.languages()[1:])
def test_the_catalogue_says_what_babel_reads_in_it(language: str) -> None:
    with (locales.LOCALES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file)
    wanted = {str(each.id): str(each.string) for each in catalogue if each.id and not each.pluralizable}
    assert locales.texts(language) == {"": locales.texts(language)[""], **wanted}
