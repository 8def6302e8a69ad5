"""`consentry report`."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.actions.reports import ReportKind
from support.deployments import Deployment

EXPORT = ("export", "--brand", "demo", "--what", "ledger")


def fill(deployment: Deployment) -> None:
    deployment.report("ann@example.com", ReportKind.UNSUBSCRIBED, 1_704_067_200_000, ("news",))
    deployment.report("bob@example.com", ReportKind.BOUNCED, 1_704_153_600_000)


@pytest.mark.parametrize("name", ["ledger.csv", "ledger.ndjson"])
def test_a_file_gives_the_same_page_as_the_deployment(deployment: Deployment, name: str) -> None:
    fill(deployment)
    assert deployment.run(*EXPORT, "-o", name).exit_code == 0
    done = deployment.run("report", "--brand", "demo", name, "-o", "report.html")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "2024-01-01 to 2024-01-02, by day" in Path("report.html").read_text()
    assert deployment.run("report", "--brand", "demo").stdout == Path("report.html").read_text()


def test_a_broken_line_is_told_by_its_number_and_spoils_nothing(deployment: Deployment) -> None:
    fill(deployment)
    text = deployment.run(*EXPORT, "--format", "ndjson").stdout
    done = deployment.run("report", "--format", "ndjson", "-", stdin=f'{{"kind": "ann@example.com"}}\nnot json\n{text}')
    assert done.exit_code == 1
    assert "line 1: " in done.stderr
    assert "line 2: not JSON" in done.stderr
    assert "2 events counted; 2 lines" in done.stdout
    assert "@example" not in done.output


def test_an_export_of_nothing_gives_a_page_that_says_so(deployment: Deployment) -> None:
    done = deployment.run("report", "--brand", "demo")
    assert done.exit_code == 0
    assert "nothing on record" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--timezone", "Mars/Olympus"),
        ("--timezone", "../etc/passwd"),
        ("--from", "2026-02-02", "--to", "2026-01-01"),
        ("--from", "yesterday"),
        (),
        ("--brand", "demo", "people.csv"),
    ],
)
def test_what_cant_be_reported_is_said(deployment: Deployment, wrong: tuple[str, ...]) -> None:
    deployment.write("people.csv", "email\nann@example.com\n")
    done = deployment.run("report", *wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr


def test_how_many_peoples_consent_ends_when_is_a_table(deployment: Deployment) -> None:
    ends = {"a": "2024-02-01", "b": "2024-02-20", "c": "2099-02-05", "d": "2100-01-01", "left": "2024-02-01"}
    rows = "email,status,topics,occurred_at,expires_at\n"
    rows += "".join(f"{who}@example.com,subscribed,news,2024-01-01,{end}\n" for who, end in ends.items())
    rows += "left@example.com,unsubscribed,news,2024-01-02,\n"
    deployment.run("import", "--brand", "demo", deployment.write("people.csv", rows))
    report = ("report", "--expiring", "--brand", "demo")
    assert deployment.run(*report, "--to", "2099-12-31").stdout.splitlines() == [
        "topic,from,ending,ended",
        "news,2024-02-01,0,2",
        "news,2099-02-01,1,0",
    ]
    daily = deployment.run(*report, "--by", "day", "--from", "2024-02-02", "--format", "ndjson").stdout
    assert '"from":"2024-02-20","ending":0,"ended":1' in daily
    assert daily.count("\n") == 3
    refused = deployment.run(*report, "people.csv")
    assert refused.exit_code == 2
    assert "--expiring" in refused.stderr
