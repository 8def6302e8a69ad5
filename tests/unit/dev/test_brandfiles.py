"""What the embedded stack makes of brand files."""

from __future__ import annotations

from pathlib import Path

from consentry.rules import brands
from consentry.rules.brands import Bounds, Brands
from dev.emulator import brandfiles

SMALL = """\
name: Meadow
languages: [en]
sender: hello@meadow.example
postal_address: 12 Orchard Lane
topics: {news: {mode: opt_in, name: News}}
"""


SITE = "http://127.0.0.1:8"


def installed(tmp_path: Path, text: str, name: str = "meadow") -> Brands:
    source, layer = tmp_path / "brands", tmp_path / "layer"
    compiled = layer / "python" / "consentry" / "compiled"
    source.mkdir()
    compiled.mkdir(parents=True)
    (source / f"{name}.yaml").write_text(text, "utf-8")
    brandfiles.install(source, tmp_path / "changed", layer, "http://127.0.0.1:9/notifications", SITE)
    return brands.load(compiled / "brands.json")


def test_visitors_who_all_share_this_machine_have_limits_wide_enough_to_try_things(tmp_path: Path) -> None:
    meadow = installed(tmp_path, SMALL).get("meadow")
    assert meadow
    assert meadow.limits == Bounds(
        requests_an_hour_per_ip=300, requests_an_hour=2_000, mails_a_minute=300, mails_a_day_per_domain=1_000_000
    )
    assert [each.id for each in meadow.notifications] == ["local"]


def test_a_limit_that_the_brand_file_sets_holds_here_too(tmp_path: Path) -> None:
    meadow = installed(tmp_path, SMALL + "limits: {mails_a_day_per_domain: 2}\n").get("meadow")
    assert meadow
    assert meadow.limits == Bounds(
        requests_an_hour_per_ip=300, requests_an_hour=2_000, mails_a_minute=300, mails_a_day_per_domain=2
    )


def test_the_site_may_post_the_form_of_the_first_brand_and_of_no_other(tmp_path: Path) -> None:
    found = installed(tmp_path, f"{SMALL}origins: [https://meadow.example]\n")
    assert {brand.id: brand.origins for brand in found} == {"meadow": ("https://meadow.example", SITE)}


def test_beside_demo_a_brand_of_the_sites_own_shows_pages_and_sentences(tmp_path: Path) -> None:
    found = installed(tmp_path, SMALL, "demo")
    demo, juniper = found.get("demo"), found.get("juniper")
    assert demo
    assert juniper
    assert (demo.origins, demo.pages, demo.texts) == ((SITE,), {}, {})
    assert juniper.pages == {page: f"{SITE}/juniper/{page}" for page in ("asked", "confirmed", "left")}
    assert juniper.origins == ()
    which = ("subscribe_title", "subscribe_intro", "confirm_subject", "confirm_intro", "left_note")
    assert all(juniper.text(each, language) for each in which for language in ("en", "de", "ar"))
