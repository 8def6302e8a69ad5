"""Brands: read once from what the build compiled; their names come in the reader's language."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from consentry.rules import brands
from consentry.rules.brands import Brands
from consentry.rules.consent import Mode
from support import people


@pytest.mark.parametrize("content", ["", "not json", '[{"id": "demo"}]', '[{"topics": [{"id": "news"}]}]'])
def test_a_layer_that_was_built_wrongly_serves_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "brands.json"
    file.write_text(content)
    with pytest.raises((ValueError, KeyError)):
        brands.load(file)


def test_a_layer_without_brands_serves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"brands\.json"):
        brands.load(tmp_path / "brands.json")


def test_the_compiled_brands_are_all_there() -> None:
    found = brands.load(Path(os.environ["CONSENTRY_COMPILED"]) / "brands.json")
    assert [brand.id for brand in found] == ["demo", "other"]
    demo = found.get("demo")
    assert demo is not None
    assert list(demo.topics) == ["news", "offers", "product"]
    assert [topic.id for topic in demo.asked_for()] == ["news", "offers"]
    assert demo.mode("product") is Mode.OPT_OUT
    assert found.get("nobody") is None


def test_compiled_fields_arrive_as_written(tmp_path: Path) -> None:
    compiled = json.loads((Path(os.environ["CONSENTRY_COMPILED"]) / "brands.json").read_text())[0]
    found = brands.from_json(compiled)
    for field in (
        "sender",
        "reply_to",
        "inbound_domain",
        "list_domain",
        "postal_addresses",
        "privacy_urls",
        "evidence_days",
    ):
        assert getattr(found, field) == compiled[field]
    assert found.languages == tuple(compiled["languages"])
    assert found.theme.accent == compiled["theme"]["accent"]
    assert found.topics["news"].frequencies == ("every", "weekly", "monthly")


# --- names ---------------------------------------------------------------------------------------------------------


def test_names_come_in_the_readers_language_or_the_nearest_there_is() -> None:
    brand = people.brand(names={"en": "Meadow", "de": "Wiese"}, languages=["de", "en"])
    assert brand.name("en") == "Meadow"
    assert brand.name("de") == "Wiese"
    assert brand.name("fr") == "Wiese"  # the brand's first
    assert people.brand(names={"ja": "牧場"}, languages=["en"]).name("en") == "牧場"
    assert people.brand(names={}).name("en") == ""


def test_a_topic_that_was_deleted_is_called_by_its_id() -> None:
    brand = people.brand()
    assert brand.topic_name("news", "de") == "Rundbrief"
    assert brand.topic_name("gone", "de") == "gone"
    assert brand.topic_description("gone", "de") == ""


def test_a_topic_that_was_deleted_may_not_be_mailed_without_an_opt_in() -> None:
    assert people.brand().mode("gone") is Mode.OPT_IN


def test_mail_outlives_the_brand_that_sent_it() -> None:
    """A verified token of a brand whose file is gone can still opt out; nothing of the person is kept for it."""
    gone = Brands([]).even_if_gone("gone")
    assert gone.id == gone.name("de") == "gone"
    assert (gone.topics, gone.evidence_days, gone.keeps_address, gone.inbound_domain) == ({}, 0, False, "")
    here = people.brand()
    assert Brands([here]).even_if_gone("demo") is here
