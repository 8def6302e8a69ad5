"""`consentry export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consentry.actions.bulk.rows import unguarded
from consentry.actions.reports import ReportKind
from support.deployments import Deployment, rows_of

EXPORT = ("export", "--brand", "demo")


def fill(deployment: Deployment) -> None:
    deployment.report("ann@example.com", ReportKind.CLAIMED, 1_704_067_200_000, ("news",))
    deployment.report("bob@example.com", ReportKind.UNSUBSCRIBED, 1_704_067_200_000)
    deployment.report("bob@example.com", ReportKind.COMPLAINED, 1_704_067_201_000)


@pytest.mark.parametrize("segments", ["1", "5"])
def test_every_consent_is_a_row(deployment: Deployment, segments: str) -> None:
    fill(deployment)
    done = deployment.run(*EXPORT, "--segments", segments)
    assert done.exit_code == 0
    rows = {unguarded(row["subscriber_id"]): row for row in rows_of(done.stdout)}
    assert set(rows) == {deployment.id_of("ann@example.com"), deployment.id_of("bob@example.com")}
    ann, bob = rows[deployment.id_of("ann@example.com")], rows[deployment.id_of("bob@example.com")]
    assert (ann["news.status"], ann["news.allowed"], ann["news.since"]) == (
        "subscribed",
        "true",
        "2024-01-01T00:00:00.000Z",
    )
    assert (ann["offers.status"], ann["offers.since"], ann["suppressed"]) == ("none", "", "false")
    assert (bob["product.status"], bob["product.allowed"], bob["suppressed"]) == ("unsubscribed", "false", "true")


def test_every_event_is_a_row(deployment: Deployment) -> None:
    fill(deployment)
    done = deployment.run(*EXPORT, "--what", "ledger", "-o", "ledger.ndjson")
    assert (done.exit_code, done.stdout) == (0, "")
    rows = [json.loads(line) for line in Path("ledger.ndjson").read_text().splitlines()]
    assert sorted(row["kind"] for row in rows) == ["claimed", "complained", "unsubscribed"]
    bob = [row for row in rows if row["subscriber_id"] == deployment.id_of("bob@example.com")]
    assert [row["occurred_at"] for row in bob] == ["2024-01-01T00:00:00.000Z", "2024-01-01T00:00:01.000Z"]
    assert rows_of(deployment.run(*EXPORT, "--what", "ledger").stdout)[0]["event_id"]


def test_an_events_row_says_in_csv_what_it_says_in_ndjson(deployment: Deployment) -> None:
    fill(deployment)
    [line, *_] = deployment.run(*EXPORT, "--what", "ledger", "--format", "ndjson").stdout.splitlines()
    [header, *_] = deployment.run(*EXPORT, "--what", "ledger").stdout.splitlines()
    assert set(header.split(",")) == {*json.loads(line), "expires_at"}  # which only a claim with an end has


def test_there_are_no_addresses_and_nobody_of_another_brand(deployment: Deployment) -> None:
    fill(deployment)
    item = next(each for each in deployment.items() if each["sk"]["S"] == "STATE")
    deployment.dynamodb.put_item(TableName="consentry-test", Item={**item, "pk": {"S": "S#demo2#" + "A" * 22}})
    for what in ("consents", "ledger"):
        for form in ("csv", "ndjson"):
            text = deployment.run(*EXPORT, "--what", what, "--format", form).stdout
            assert "@" not in text
            assert "A" * 22 not in text


def test_a_brand_that_nobody_is_on_record_of_gives_a_header(deployment: Deployment) -> None:
    done = deployment.run(*EXPORT)
    assert done.exit_code == 0
    assert done.stdout.startswith("subscriber_id,news.status,")
    assert len(done.stdout.splitlines()) == 1


def test_an_export_that_fails_leaves_no_file(deployment: Deployment) -> None:
    done = deployment.run(*EXPORT, "--table", "gone", "-o", "out.csv")
    assert done.exit_code == 2
    assert "ResourceNotFoundException" in done.stderr
    assert not Path("out.csv").exists()
