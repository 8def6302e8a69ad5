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
