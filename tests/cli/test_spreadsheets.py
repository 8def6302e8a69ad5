"""What a command writes as CSV may be opened in a spreadsheet, and read back by every command."""

from __future__ import annotations

import csv
import io
import json
from itertools import count
from pathlib import Path

import pytest

from consentry.actions.bulk.rows import CSV, NDJSON, Reader, Row, Writer
from consentry.actions.reports import ReportKind
from support.deployments import Deployment, rows_of

MINT = ("links", "mint", "--brand", "demo", "--topic", "news", "--base-url", "https://links.example.com")


@pytest.fixture
def dash(deployment: Deployment) -> str:
    """The first address whose subscriber id begins with `-`."""
    return next(email for n in count() if deployment.id_of(email := f"p{n}@example.com").startswith("-"))


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--brand", "demo"),
        ("export", "--brand", "demo", "--what", "ledger"),
        ("decide", "--brand", "demo", "--topic", "news", "people.csv"),
        (*MINT, "people.csv"),
    ],
    ids=["consents", "ledger", "decide", "mint"],
)
def test_no_cell_of_a_commands_own_is_a_formula(deployment: Deployment, dash: str, command: tuple[str, ...]) -> None:
    deployment.report(dash, ReportKind.UNSUBSCRIBED, 1_000, ("news",))
    deployment.write("people.csv", f"email\n{dash}\n")
    done = deployment.run(*command)
    assert done.exit_code == 0
    assert [cell for cell in cells(done.stdout) if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert [row["subscriber_id"] for row in rows_of(done.stdout)] == [f"'{deployment.id_of(dash)}"]


def test_an_export_is_read_back_by_every_command(deployment: Deployment, dash: str) -> None:
    deployment.report(dash, ReportKind.CLAIMED, 1_000, ("news",))
    assert deployment.run("export", "--brand", "demo", "-o", "people.csv").exit_code == 0
    assert f"\n'{deployment.id_of(dash)}," in Path("people.csv").read_text()
    decided = deployment.run("decide", "--brand", "demo", "--topic", "news", "people.csv")
    assert [(row["subscriber_id"], row["allowed"]) for row in rows_of(decided.stdout)] == [
        (f"'{deployment.id_of(dash)}", "true")
    ]
    assert deployment.run(*MINT, "people.csv").exit_code == 0
    assert deployment.run("import", "--brand", "demo", "--status", "unsubscribed", "people.csv").exit_code == 0
    assert deployment.status(dash) == "unsubscribed"
    erased = deployment.run("erase", "--brand", "demo", "-", stdin=f"'{deployment.id_of(dash)}\n")
    assert (erased.exit_code, erased.stdout) == (0, f"{deployment.id_of(dash)}\terased\n")


def test_ids_in_ndjson_are_as_they_are(deployment: Deployment, dash: str) -> None:
    deployment.report(dash, ReportKind.CLAIMED, 1_000, ("news",))
    done = deployment.run("export", "--brand", "demo", "--format", "ndjson")
    assert [json.loads(line)["subscriber_id"] for line in done.stdout.splitlines()] == [deployment.id_of(dash)]


def test_a_platforms_own_columns_pass_through_as_they_are(deployment: Deployment, dash: str) -> None:
    deployment.write("people.csv", f"email,phone,balance\n{dash},+49 30 1234,-5\n")
    [row] = rows_of(deployment.run("decide", "--brand", "demo", "--topic", "news", "people.csv").stdout)
    assert (row["phone"], row["balance"]) == ("+49 30 1234", "-5")


@pytest.mark.parametrize("command", [("decide", "--brand", "demo", "--topic", "news"), MINT], ids=["decide", "mint"])
def test_for_a_spreadsheet_no_cell_is_a_formula(deployment: Deployment, dash: str, command: tuple[str, ...]) -> None:
    deployment.write("people.csv", f"email;=name;note\n{dash};=HYPERLINK(A1);-5\n+a@example.com;@x;+1\n")
    done = deployment.run(*command, "--for-spreadsheets", "people.csv")
    assert done.exit_code == 0
    assert [cell for cell in cells(done.stdout) if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    first, second = rows_of(done.stdout)
    assert (first["'=name"], first["note"], second["email"]) == ("'=HYPERLINK(A1)", "'-5", "'+a@example.com")
    again = deployment.run("decide", "--brand", "demo", "--topic", "news", "-", stdin=done.stdout)
    assert [row["subscriber_id"] for row in rows_of(again.stdout)] == [first["subscriber_id"], second["subscriber_id"]]


@pytest.mark.parametrize(
    "text", ["-dash", "=1+1", "+plus", "@at", "\ttab", "\n=line", "\uff1d1", "\uff0d1", "plain", "'quoted", "", "a-b"]
)
@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_an_id_is_read_as_it_was_written(text: str, form: str) -> None:
    out = io.StringIO(newline="")
    Writer(out, form, ["name"], ["id"]).row({"name": text, "id": text})
    [row] = Reader(io.StringIO(out.getvalue(), newline=""), form)
    assert isinstance(row, Row)
    assert (row.values["name"], row.id("id").strip()) == (text, text.strip())
    assert form == NDJSON or not str(row.values["id"]).startswith(("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0d"))


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_column_that_a_command_writes_is_there_once_whatever_its_case(deployment: Deployment, form: str) -> None:
    source = deployment.write(
        f"people.{form}",
        {
            "csv": "Email,Subscriber_ID,ALLOWED\nann@example.com,,true\n",
            "ndjson": '{"Email": "ann@example.com", "Subscriber_ID": "", "ALLOWED": true}\n',
        }[form],
    )
    decided = deployment.run("decide", "--brand", "demo", "--topic", "news", source)
    assert decided.exit_code == 0
    assert "true" not in decided.stdout.lower()
    again = deployment.run(*MINT, "--format", form, "-", stdin=decided.stdout)
    assert (again.exit_code, again.stdout.lower().count("subscriber_id")) == (0, 1)
