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


def installed(tmp_path: Path, text: str) -> Brands:
    source, layer = tmp_path / "brands", tmp_path / "layer"
    compiled = layer / "python" / "consentry" / "compiled"
    source.mkdir()
    compiled.mkdir(parents=True)
    (source / "meadow.yaml").write_text(text, "utf-8")
    brandfiles.install(source, tmp_path / "changed", layer, "http://127.0.0.1:9/notifications")
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
