"""Imports, screenings and exports of many, through the deployed state machine, from the command line."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from consentry.actions.bulk.rows import unguarded
from consentry_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from support.stack import Stack

PEOPLE = 12_000
"""Three parts."""


def told(stack: Stack) -> dict[str, str]:
    """Where the stack's AWS is, and as whom to call it."""
    return {
        "AWS_ENDPOINT_URL": stack.told["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": stack.told["region"],
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "local",
        "CONSENTRY_STACK": "consentry",
    }


def client(stack: Stack, service: str) -> Any:
    given = told(stack)
    return boto3.client(
        service,
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name=given["AWS_DEFAULT_REGION"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
    )


def bulk(stack: Stack, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of whoever came first
        return CliRunner().invoke(main, ["bulk", *arguments], env=told(stack))


def test_an_audience_of_thousands_is_screened_after_an_import_and_nobodys_address_stays_in_the_history(
    stack: Stack, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex[:8]
    leaving = tmp_path / "leaving.csv"
    leaving.write_text(
        "email,status,topics\n" + "".join(f"{mark}-{each}@example.com,unsubscribed,all\n" for each in range(40))
    )
    imported = bulk(stack, "import", "--brand", "demo", str(leaving))
    assert imported.exit_code == 0, imported.output
    assert "new opt-outs: 40" in imported.stderr

    audience, screened, report = tmp_path / "audience.csv", tmp_path / "screened.csv", tmp_path / "report.csv"
    audience.write_text(
        'email,"na\nme"\n' + "".join(f"{mark}-{each}@example.com,{each}\n" for each in range(PEOPLE)) + "nobody,x\n"
    )
    arguments = ["--brand", "demo", "--topic", "product", str(audience), "-o", str(screened), "--report", str(report)]
    done = bulk(stack, "screen", *arguments)
    assert done.exit_code == 1, "one line can't be used"
    assert f"allowed: {PEOPLE - 40}\n" in done.stderr
    assert "malformed lines: 1" in done.stderr
    rows = list(csv.DictReader(io.StringIO(screened.read_text(), newline="")))
    assert [row["na\nme"] for row in rows] == [str(each) for each in range(PEOPLE)]
    assert [each for each, row in enumerate(rows) if row["allowed"] == "false"] == [*range(40)]
    assert report.read_text().splitlines()[1].startswith(f"{PEOPLE + 3},malformed,")

    exported = bulk(stack, "export", "--brand", "demo", "--no-wait", "-o", "x.ndjson")
    run = exported.stderr.strip()
    machines = client(stack, "stepfunctions")
    (machine,) = [
        each["stateMachineArn"] for each in machines.list_state_machines()["stateMachines"] if "Bulk" in each["name"]
    ]
    ours = [unguarded(rows[each]["subscriber_id"]) for each in range(40)]
    try:
        kept = ""
        for execution in machines.list_executions(stateMachineArn=machine)["executions"]:
            arn = execution["executionArn"]
            kept += json.dumps(machines.describe_execution(executionArn=arn), default=str)
            kept += json.dumps(machines.get_execution_history(executionArn=arn), default=str)
            for each in machines.list_map_runs(executionArn=arn)["mapRuns"]:
                for child in machines.list_executions(mapRunArn=each["mapRunArn"])["executions"]:
                    kept += json.dumps(machines.describe_execution(executionArn=child["executionArn"]), default=str)
        assert "runs" in kept or "part" in kept
        assert "example.com" not in kept
        assert not [each for each in ours if each in kept]
    finally:
        while "running" in (status := bulk(stack, "status", run)).output:
            pass
    assert status.exit_code == 0, status.output
    people = tmp_path / "people.ndjson"
    fetched = bulk(stack, "fetch", "--remove", "-o", str(people), run)
    assert fetched.exit_code == 0, fetched.output
    assert set(ours) <= {json.loads(line)["subscriber_id"] for line in people.read_text().splitlines()}
    held = client(stack, "s3").list_objects_v2(Bucket=stack.told["bulk_bucket"], Prefix=f"runs/{run}/")
    assert held.get("KeyCount", 0) == 0


def test_a_job_that_cant_be_done_says_why_in_one_line(stack: Stack, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("name\nAnn\n")
    refused = bulk(stack, "screen", "--brand", "demo", "--topic", "news", str(people))
    assert refused.exit_code == 2
    assert "the header has neither email nor subscriber_id" in refused.stderr
    assert "Traceback" not in refused.output
