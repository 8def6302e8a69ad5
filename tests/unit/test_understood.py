"""The page on what is understood says what the code understands, and all of it."""

from __future__ import annotations

import codecs
import re
import tomllib
from typing import Final

import pytest

from consentry.actions.bulk import encodings, exports, presets
from consentry.actions.bulk import rows as reading
from consentry.actions.bulk.meanings import BOUNCED, CLAIMED, COMPLAINED, NOTHING, OUT, OUT_EVERYWHERE, WORDS, Meaning
from consentry.actions.bulk.presets import PLAIN, PRESETS
from consentry.actions.bulk.records import Names, Row, UnusableInputError
from consentry.links.repair import find
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.providers import NAMES
from consentry_build import catalogues
from consentry_cli.lint import visible, words
from support.damage import AROUND, BEYOND_REPAIR, INSIDE
from support.documents import ROOT, page, quoted, rows, section, tables

PAGE: Final = page("docs/understood.md")
SEPARATORS, ENCODINGS, READ, REFUSED = tables(section(PAGE, "Files"))
READ_BY, MEANINGS, _ = tables(section(PAGE, "Exports"))
SAYS: Final = {
    "a claim": CLAIMED,
    "an opt-out": OUT,
    "an opt-out from every topic": OUT_EVERYWHERE,
    "a complaint": COMPLAINED,
    "a bounce": BOUNCED,
    "nothing": NOTHING,
}
MAPS: Final = {
    (None, "status"): WORDS,
    ("listmonk", "status"): presets._LISTMONK,
    ("listmonk", "subscription_status"): presets._LISTMONK_SUBSCRIPTION,
    ("postmark", "SuppressionReason"): presets._POSTMARK,
    ("klaviyo", "Email Marketing Consent"): exports._KLAVIYO,
    ("kit", "state"): exports._KIT,
    ("activecampaign", "Status"): exports._ACTIVECAMPAIGN,
    ("keila", "Status"): exports._KEILA,
    ("beehiiv", "status"): exports._BEEHIIV,
    ("ses", "Reason"): exports._SES,
}
"""The words of presets that go by words alone."""
VALUES: Final = [
    (preset.strip("`"), column.strip("`"), value, becomes)
    for preset, column, values, becomes in MEANINGS[1:]
    for value in quoted(values) or [""]
]


def said(preset: str, column: str, value: str) -> Meaning:
    """What a row with one column says, by the code."""
    column = column.removesuffix(" …") + (" News" if column.endswith("…") else "")
    values = {column: value}
    if column == "subscription_status":
        values["status"] = "enabled"
    if preset == "hubspot" and column == "Portal Unsubscribe":
        values["Portal Bounce"] = ""
    if column == "Email Marketing Consent":
        values["Email Suppressions"] = ""
    row = Row(1, 1, values, names=Names(values))
    return (PRESETS[preset] if preset != "none" else PLAIN).meaning(row, None)


def test_a_reader_finds_every_separator() -> None:
    names = {"\t": "tab", "|": "bar"}
    found, by_line = (quoted(row[0]) for row in SEPARATORS[1:])
    assert set(found) - {"U+007C"} == {names.get(each, each) for each in reading._SEPARATORS}
    (class_,) = re.findall(r"sep=\(\[(.+?)\]\)", reading._SEP.pattern)
    allowed = {names.get(each, each) for each in class_.replace("\\t", "\t")}
    assert set(by_line) == allowed - set(found)


def test_a_reader_finds_every_encoding_that_is_found_without_being_told() -> None:
    *found, last = [quoted(row[0]) for row in ENCODINGS[1:]]
    assert {name for names in found for name in names} == {name for _, name in encodings._MARKS}
    assert [codecs.lookup(name).name for name in last] == last
    assert "--encoding" in ENCODINGS[-1][1]


@pytest.mark.parametrize("magic", [magic for magic, _ in encodings._OTHERS])
def test_a_reader_finds_every_kind_of_file_that_is_refused_by_name(magic: bytes) -> None:
    with pytest.raises(UnusableInputError) as told:
        encodings.encoding_of(magic + b"x" * 100)
    names = [name for row in REFUSED[1:] for name in (*quoted(row[0]), "Excel")]
    assert any(name in str(told.value) for name in names)


def test_a_reader_finds_every_preset_and_the_columns_that_it_goes_by() -> None:
    told = {row[0].strip("`"): quoted(row[1]) for row in READ_BY[1:]}
    assert set(told) == set(PRESETS)
    for name, preset in PRESETS.items():
        assert {*preset.speaks} <= {*told[name]}, name
        assert not preset.begins or preset.begins in {each.casefold() for each in told[name]}


@pytest.mark.parametrize(("preset", "column", "value", "becomes"), VALUES)
def test_a_value_becomes_what_the_page_says(preset: str, column: str, value: str, becomes: str) -> None:
    assert said(preset, column, value or "2024-01-15 abuse") == SAYS[re.split("[;,]", becomes)[0]]


@pytest.mark.parametrize(("preset", "column"), MAPS)
def test_every_word_of_a_preset_is_on_the_page(preset: str | None, column: str) -> None:
    told = {value.casefold() for name, where, value, _ in VALUES if (name, where) == (preset or "none", column)}
    assert told == set(filter(None, MAPS[preset, column]))


def test_every_column_of_a_preset_has_its_values_on_the_page() -> None:
    told = {(preset, column) for preset, column, *_ in VALUES}
    for name, preset in PRESETS.items():
        # One of Brevo's two spellings and one of Kit's stand for both.
        assert not preset.speaks or any((name, column) in told for column in preset.speaks), name
    assert {name for name, column, *_ in VALUES if name != "none"} == set(PRESETS) - {"sendgrid", "mailgun"}


def test_a_reader_finds_every_provider_with_a_link_to_its_table() -> None:
    table = rows(section(PAGE, "Webhooks"))
    assert [row[0].strip("`") for row in table] == list(NAMES)
    for name, events, nobody, _ in table:
        assert f"webhooks/{name.strip('`')}.md#every-kind-of-event" in events
        assert nobody


class Bare:
    """Keys without a keyring."""

    def signing_keys(self, brand: str) -> tuple[bytes, ...]:
        return (b"a key",)


TOKEN: Final = Tokens(Bare()).sign(Link(Purpose.UNSUBSCRIBE, "demo", "K9Xdq1X4AVefMXC3P9olGg", ("news",)))
ENDS: Final = (TOKEN[:40], TOKEN[40:])
DAMAGES: Final = {
    "something around the token": [each.format(TOKEN) for each in AROUND],
    "a break in it": [each.join(ENDS) for each in INSIDE],
    "characters that nobody sees": [each.join(ENDS) for each in "\u00ad\u200b\u200d\u200e\u2060\ufeff"],
    "percent-encoding": [TOKEN.replace(".", each) for each in ("%2E", "%252E", "%25252E", "%2525252E", "=2E")],
    "dots doubled": [TOKEN.replace(".", "..")],
    "cut at": [cut(TOKEN) for name, cut in BEYOND_REPAIR.items() if name.startswith(("cut", "without"))],
    "another case": [TOKEN.lower(), TOKEN.upper()],
    "a character changed": [change(TOKEN) for name, change in BEYOND_REPAIR.items() if "character" in name],
    "a word run on": [run_on(TOKEN) for name, run_on in BEYOND_REPAIR.items() if name.startswith("a word")],
}
"""Examples of each kind of damage, by how its row begins."""


def test_each_kind_of_damage_is_repaired_or_not_as_the_page_says() -> None:
    table = rows(section(PAGE, "Links"))
    assert len(table) == len(DAMAGES)
    for (damage, repaired, _), (begins, examples) in zip(table, DAMAGES.items(), strict=True):
        assert damage.startswith(begins)
        assert examples
        assert {find(each) == TOKEN for each in examples} == {repaired == "yes"}, damage


def test_a_reader_finds_the_languages_in_which_lint_knows_the_words() -> None:
    told = section(PAGE, "Lint").partition("parted (")[2]
    assert set(quoted(told)) == set(words._STEMS) - {"others"} == set(catalogues.languages())
    assert f"within {visible._NEAR} characters" in section(PAGE, "Lint")


def test_each_thing_is_understood_since_a_version_of_the_changelog() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    versions = set(re.findall(r"^## (\d+\.\d+\.\d+)", page("CHANGELOG.md"), re.MULTILINE))
    assert version in versions
    since = [row[-1] for table in tables(PAGE) if table[0][-1] == "since" for row in table[1:]]
    assert since
    assert set(since) - {""} <= versions


def test_every_heading_of_the_page_is_in_its_first_table() -> None:
    listed = re.findall(r"^\| \[?.*?\]\(#([a-z-]+)\)", PAGE, re.MULTILINE)
    headings = [each.lower().replace(" ", "-") for each in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)]
    assert listed[: len(headings)] == headings
    assert (ROOT / "docs/understood.md").exists()
