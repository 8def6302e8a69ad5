"""Which domain an email counts for, held against the public suffix list."""

from __future__ import annotations

from typing import Final

import pytest
from publicsuffixlist import PublicSuffixList

from consentry.rules.mailbox_providers import _REGISTRIES, LARGE, one_owners

PUBLIC: Final = PublicSuffixList(only_icann=True)
SUFFIXES: Final = sorted(
    each for each in PUBLIC._publicsuffix if "*" not in each and not each.startswith("!") and each.isascii()
)


@pytest.mark.parametrize(
    ("domain", "owners"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("mail.example.co.uk", "example.co.uk"),
        ("students.example.ac.jp", "example.ac.jp"),
        ("example.de", "example.de"),
        ("mail.xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("web.example.com", "example.com"),
        ("x.gmail.com", "gmail.com"),
        ("localhost", "localhost"),
    ],
)
def test_all_names_of_one_owner_count_together(domain: str, owners: str) -> None:
    assert one_owners(domain) == owners


@pytest.mark.parametrize("domain", ["gmail.com", "hotmail.co.uk", "web.de", "docomo.ne.jp", "poczta.onet.pl"])
def test_people_at_a_large_provider_share_nothing(domain: str) -> None:
    assert one_owners(domain) == ""


def test_no_owner_gets_a_second_budget_by_a_subdomain_whatever_the_suffix() -> None:
    assert len(SUFFIXES) > 6_000
    split = [each for each in SUFFIXES if one_owners(f"x.orchard.{each}") != one_owners(f"y.z.orchard.{each}")]
    assert split == []


def test_neighbours_under_the_suffixes_that_most_countries_have_share_nothing() -> None:
    known = [each for each in SUFFIXES if each.count(".") == 1 and len(each) - each.index(".") == 3]
    common = [each for each in known if each.partition(".")[0] in _REGISTRIES]
    assert len(common) > 800
    assert [each for each in common if one_owners(f"orchard.{each}") != f"orchard.{each}"] == []


def test_each_large_provider_is_a_name_under_which_people_have_addresses() -> None:
    assert [each for each in LARGE if PUBLIC.privatesuffix(each) is None] == []
