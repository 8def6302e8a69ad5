"""The documents: what they say is so, and their links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from babel import Locale

from consentry.http import admission
from consentry.links.tokens import Purpose
from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent, Mode, Reason, Status
from consentry_build import brandfile, catalogues
from consentry_cli.main import main as consentry
from dev.audit import cloudformation
from support.documents import ROOT, page, rows, section

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
TEMPLATE: Any = cloudformation.read(ROOT / "template.yaml")
SCHEMA = json.loads((ROOT / "tools/consentry_build/brand.schema.json").read_text("utf-8"))
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", text)


def commands(text: str) -> str:
    """What a page tells one to type, a command a line."""
    blocks = [body for _, language, body in FENCE.findall(text) if language == "sh"]
    return "\n".join(blocks).replace("\\\n", " ")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- every page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_never_follows_a_link_to_nowhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text("utf-8"))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(there.read_text("utf-8")), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_is_told_only_commands_that_exist(path: Path) -> None:
    typed = commands(path.read_text("utf-8"))
    targets = set(re.findall(r"^([a-z]+):.*## ", page("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", typed)) <= targets
    for name, word in re.findall(r"\bconsentry ([a-z-]+) (\S+)", typed):
        found: Any = consentry.resolve_command(click.Context(consentry), [name])[1]
        assert word in getattr(found, "commands", [word]), f"{name} {word}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_finds_every_file_that_is_named(path: Path) -> None:
    named = re.findall(r"`((?:brands|docs|functions|layers|tests|tools)/[^`\s{}…]*)`", path.read_text("utf-8"))
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_a_diagram_is_of_a_kind_that_is_drawn() -> None:
    kinds = [body.split()[0] for path in PAGES for _, language, body in FENCE.findall(path.read_text("utf-8"))
             if language == "mermaid"]  # fmt: skip
    assert set(kinds) == {"flowchart", "sequenceDiagram", "stateDiagram-v2"}


# --- README --------------------------------------------------------------------------------------------------------


@pytest.fixture
def api_calls(load_function: Callable[[str], ModuleType]) -> set[tuple[str, str]]:
    """Method and path of every call that the API answers."""
    function = load_function("api")
    paths = function.app.get_openapi_schema(title="", version="").paths or {}
    methods = ("get", "post", "delete")
    told = {(method, path) for path, item in paths.items() for method in methods if getattr(item, method)}
    return told | {("get", admission.OPENAPI_PATH)}


def test_a_newcomer_can_copy_an_example_of_every_call_of_the_api(api_calls: set[tuple[str, str]]) -> None:
    shown = set()
    for line in commands(page("README.md")).splitlines():
        for path in re.findall(r'"\$BASE(/v1/[^"]*)"', line):
            method = "delete" if " -X DELETE " in line else "post" if " -d " in line else "get"
            shown.add((method, path.replace("$ID", "{subscriber_id}").replace("$NOTICE", "{version}")))
    assert shown == api_calls


def test_a_newcomer_is_sent_only_to_pages_that_are_deployed() -> None:
    deployed = {
        event["Properties"].get("Path", "$default")
        for resource in TEMPLATE["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    urls = re.findall(r"http://127\.0\.0\.1:8080(/[^\s`]*)", page("README.md"))
    named = {re.sub(r"/s/\w+", "/s/{brand}", url) for url in urls if not url.startswith("/_local/")}
    assert named
    assert named <= deployed


def test_a_newcomer_can_read_the_readme_in_one_go() -> None:
    assert len(page("README.md").splitlines()) < 250


# --- consent -------------------------------------------------------------------------------------------------------


def first_cells(text: str) -> set[str]:
    return {row[0].strip("`") for row in rows(text)}


def test_a_platform_finds_every_reason_and_what_to_do_about_it() -> None:
    table = rows(section(page("docs/consent.md"), "Decisions"))
    assert {row[0].strip("`") for row in table} == {reason.value for reason in Reason}
    assert {row[0].strip("`") for row in table if row[1] == "yes"} == {"subscribed", "opt_out_topic"}


def test_a_reader_finds_every_status_in_the_table_and_in_the_picture() -> None:
    text = section(page("docs/consent.md"), "Status")
    drawn = {state for pair in re.findall(r"^  (\w+) --> (\w+)", text, re.MULTILINE) for state in pair}
    assert first_cells(text) == drawn == {status.value for status in Status}


def test_a_reader_finds_every_register_and_choice() -> None:
    text = section(page("docs/consent.md"), "Registers")
    topics = [make("<topic>") for make in (rules.ask, rules.opt_in, rules.claim, rules.kept, rules.opt_out)]
    assert first_cells(text) == {*topics, rules.opt_out(rules.EVERY_TOPIC), rules.COMPLAINT, rules.BOUNCE}
    for name in (rules.PAUSE, rules.LOCALE, rules.frequency("<topic>"), rules.until("<topic>"), *rules.FREQUENCIES):
        assert f"`{name}`" in text


@pytest.mark.parametrize("row", rows(section(page("docs/consent.md"), "Worked examples")), ids=" ".join)
def test_a_worked_example_comes_out_as_the_page_says(row: list[str]) -> None:
    held, mode, at, status, allowed, reason = (cell.strip("`") for cell in row)
    known = {name: int(instant) for name, instant in re.findall(r"([a-z*.]+)=(\d+)", held)}
    pause = known.pop("pause", None)
    until = known.pop("until.news", None)
    choices = {rules.PAUSE: Choice(1, "event", str(pause))} if pause else {}
    choices |= {rules.until("news"): Choice(known["claim.news"], "event", str(until))} if until else {}
    decided = rules.decide(Consent(known, choices), "news", Mode(mode), int(at))
    assert (decided.status, "yes" if decided.allowed else "no", decided.reason) == (status, allowed, reason)


# --- the rest ------------------------------------------------------------------------------------------------------


def test_a_reader_finds_every_purpose_of_a_token() -> None:
    assert first_cells(section(page("docs/tokens.md"), "Purposes")) == {each.name.lower() for each in Purpose}


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("The brand", SCHEMA),
        ("Topics", SCHEMA["properties"]["topics"]["additionalProperties"]),
        ("Theme", SCHEMA["properties"]["theme"]),
        ("Limits", SCHEMA["properties"]["limits"]),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_an_operator_finds_every_field_of_a_brand_file(heading: str, fields: dict[str, Any]) -> None:
    table = rows(section(page("docs/brands.md"), heading))
    assert {row[0].strip("`") for row in table} == set(fields["properties"])
    assert {row[0].strip("`") for row in table if row[1] == "yes"} == set(fields.get("required", ()))


def test_the_first_brand_file_of_a_brand_owner_has_no_fault(tmp_path: Path) -> None:
    [text] = [body for _, language, body in FENCE.findall(page("docs/your-brand.md")) if language == "yaml"]
    file = tmp_path / "nordlicht.yaml"
    file.write_text(text, "utf-8")
    assert brandfile.faults_of(file) == []


def test_an_operator_is_told_the_languages_that_there_are() -> None:
    told = section(page("docs/brands.md"), "Text")
    names = {Locale(language).get_language_name("en") for language in catalogues.languages()}
    assert set(re.findall(r"\b[A-Z][a-z]+\b", told.partition("own texts come in ")[2].partition(".")[0])) == names


def test_an_operator_is_told_of_every_parameter_and_output() -> None:
    text = page("docs/deploying.md")
    assert [name for name in (*TEMPLATE["Parameters"], *TEMPLATE["Outputs"]) if f"`{name}`" not in text] == []


def test_an_operator_is_told_of_everything_that_outlives_the_stack() -> None:
    kept = {name for name, each in TEMPLATE["Resources"].items() if each.get("UpdateReplacePolicy") == "Retain"}
    assert kept == {"Table", "Keyring", "ArchiveBucket", "Notices"}, "what the last one put is in the archive"
    told = section(page("docs/deploying.md"), "What a deployment keeps")
    assert {"the table", "the keyring", "the archive"} <= first_cells(told)


def test_an_operator_is_told_how_often_a_function_has_no_authentication() -> None:
    routes = [
        event
        for resource in TEMPLATE["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    ]
    numbers = dict(
        enumerate(("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"), 12)
    )
    assert f"yes, {numbers[len(routes)]} times" in page("docs/deploying.md")


FAKE_AWS = """#!/bin/sh
case "$*" in
  *list-stack-resources*) printf 'stack-Page\\tstack-Worker\\n' ;;
  *get-alias*stack-Page*) echo 10 ;;
  *get-alias*stack-Worker*) echo 1 ;;
  *list-versions*stack-Page*) printf '$LATEST\\t2\\t8\\t9\\n10\\t11\\n' ;;
  *list-versions*stack-Worker*) printf '$LATEST\\t1\\n' ;;
  *delete-function*) echo "$*" >> "$DELETED" ;;
esac
"""
"""Two functions; a deployment of one's version 11 was undone."""


def test_deleting_old_versions_leaves_the_live_one_and_the_one_before_it(tmp_path: Path) -> None:
    [commands] = [found[3] for found in FENCE.finditer(section(page("docs/deploying.md"), "Starting sooner"))]
    fake, deleted = tmp_path / "aws", tmp_path / "deleted"
    fake.write_text(FAKE_AWS)
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DELETED": str(deleted)}
    subprocess.run(["sh", "-eu", "-c", commands], env=environment, check=True)  # noqa: S603, S607 - the guide's own
    assert deleted.read_text().splitlines() == [
        f"lambda delete-function --function-name stack-Page --qualifier {version}" for version in (2, 8)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_in_the_list_and_says_what_was_given_up(path: Path) -> None:
    assert f"[{path.name[:4]}]({path.name})" in page("docs/decisions/README.md")
    text = path.read_text("utf-8")
    assert re.match(rf"# {int(path.name[:4])}\. .+\n\n\d{{4}}-\d\d-\d\d\n", text)
    for heading in ("Context", "Choice", "Given up"):
        assert section(text, heading).strip()


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def missing_tests(text: str) -> list[str]:
    """The tests that a page names, and that don't exist where it says."""
    named = re.findall(r"\[`(test_\w+)`\]\((?:\.\./)?(tests/[^)]+)\)", text)
    assert named
    assert len(named) == len(re.findall(r"`test_\w+`", text)), "each test is named with a link to its file"
    return [f"{file}::{test}" for test, file in named if not re.search(rf"^def {test}\(", page(file), re.MULTILINE)]


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/compliance.md"])
def test_every_claim_about_security_and_compliance_names_a_test_that_exists(name: str) -> None:
    assert missing_tests(page(name)) == []


def test_every_rule_of_the_compliance_page_names_a_test_or_says_that_nothing_here_shows_it() -> None:
    text = page("docs/compliance.md")
    sources = re.findall(r"^## (.+)$", text, re.MULTILINE)[:-1]
    assert len(sources) == 10
    for source in sources:
        rules = rows(section(text, source))
        assert len(rules) >= 3, source
        for asked, does, _, shown in rules:
            assert asked, source
            assert does, asked
            assert "test_" in shown or shown == "*yours*", asked


def test_every_threat_is_answered_or_said_to_be_open() -> None:
    text = page("SECURITY.md")
    headings = (
        *("Links", "Pages", "Emails and the API", "Webhooks and notifications", "Feedback of SES", "Storage"),
        "The deployment",
    )
    threats = [row for heading in headings for row in rows(section(text, heading))]
    assert threats
    assert [row[0] for row in threats if "test_" not in row[2] and "not covered" not in row[2]] == []
