"""The archive, through the deployed stack: written by its function, locked, and compared from the command line."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from consentry.actions import archive
from consentry.rules import notices
from consentry_cli.main import main
from support import archives
from support.stack import Stack
from support.waiting import eventually


def client(stack: Stack, service: str) -> Any:
    """A client of the stack's AWS, as its account."""
    told = stack.told
    credentials = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "local"}
    return boto3.client(service, endpoint_url=told["aws_endpoint_url"], region_name=told["region"], **credentials)


def consentry(stack: Stack, *arguments: str) -> Result:
    environment = {
        "TABLE_NAME": stack.told["table_name"],
        "KEYRING_SECRET_ARN": stack.told["keyring_secret_arn"],
        "ARCHIVE_QUEUE_URL": stack.told["archive_queue_url"],
        "AWS_ENDPOINT_URL": stack.told["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": stack.told["region"],
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of whoever came first
        return CliRunner().invoke(main, arguments, env=environment)


def leaves(stack: Stack) -> str:
    """Somebody new opts out; their id."""
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    (link,) = stack.api("POST", "/v1/links", {"topic": "news", "recipients": [{"email": email}]}).json()["links"]
    assert stack.call("POST", link["unsubscribe_url"], form={"List-Unsubscribe": "One-Click"}).status == 200
    return str(link["subscriber_id"])


def archived(stack: Stack, runs: int) -> dict[str, bytes]:
    """What the bucket holds once so many runs are complete."""
    s3, bucket = client(stack, "s3"), stack.told["archive_bucket"]
    return dict(
        eventually(lambda: archives.objects(s3, bucket), lambda held: len(archives.manifests(held)) >= runs, 180)
    )


def test_what_is_archived_is_locked_and_whoever_is_removed_from_the_table_is_found(stack: Stack) -> None:
    ann, bob = leaves(stack), leaves(stack)
    month = f"{datetime.now(UTC):%Y-%m}"
    functions = client(stack, "lambda")
    (name,) = [
        each["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for each in page["Functions"]
        if "ArchiveFunction" in each["FunctionName"]
    ]
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"month": month}).encode())
    assert json.load(answer["Payload"])["month"] == month
    held = archived(stack, 1)
    assert {ann, bob} <= {line["subscriber_id"] for line in archives.lines(held)}
    assert {ann, bob} <= {line["subscriber_id"] for line in archives.lines(held, "head")}

    s3, bucket = client(stack, "s3"), stack.told["archive_bucket"]
    # The emulator is told of the lock once the stack is made, when the words of notices are there already.
    for key in (each for each in held if each.startswith(archive.PREFIX)):
        told = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        assert told["ObjectLockMode"] == "GOVERNANCE"
        assert (told["ObjectLockRetainUntilDate"] - datetime.now(UTC)).days > 5 * 365
        assert told["ChecksumSHA256"]
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=key, VersionId=told["VersionId"])

    verify = ("ledger", "verify", "--brand", "demo", "--archive", f"s3://{bucket}")
    done = consentry(stack, *verify)
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    kept = stack.items(ann)
    for item in kept:
        stack.dynamodb.delete_item(TableName=stack.told["table_name"], Key={each: item[each] for each in ("pk", "sk")})
    done = consentry(stack, *verify)
    assert done.exit_code == 1
    assert done.stdout == f"{ann}\tarchived events are missing; the consent is gone\n"

    for item in kept:
        stack.dynamodb.put_item(TableName=stack.told["table_name"], Item=item)
    assert consentry(stack, "ledger", "archive", "--month", month, "--segments", "2").exit_code == 0
    archived(stack, 2)
    assert consentry(stack, *verify).exit_code == 0
    assert os.environ.get("AWS_ENDPOINT_URL") is None


def test_the_words_of_a_notice_are_locked_before_anybody_reads_them_and_a_platform_gets_them(stack: Stack) -> None:
    person = leaves(stack)
    (event,) = stack.api("GET", f"/v1/subscribers/{person}/ledger").json()["events"]
    held = archives.objects(client(stack, "s3"), stack.told["archive_bucket"])
    text = held[notices.key(event["notice"])]
    assert notices.version_of(text) == event["notice"]
    answer = stack.api("GET", f"/v1/notices/{event['notice']}")
    assert answer.status == 200
    assert answer.json() == {"version": event["notice"], **json.loads(text)}
    assert stack.api("GET", f"/v1/notices/{'0' * 32}").status == 404


def test_a_proof_has_the_words_out_of_the_stacks_own_archive(stack: Stack) -> None:
    person = leaves(stack)
    found = stack.api("GET", f"/v1/subscribers/{person}/proof").json()
    assert (found["verified"], found["checks"]["notices"]["missing"]) == (True, [])
    assert found["acts"][0]["says"] == (
        "The recipient unsubscribed from “Newsletter”, by the button of a mail program (one click)"
    )
    brands = str(Path(__file__).parents[2] / "brands")
    done = consentry(stack, "proof", "--brand", "demo", "--brands", brands, "--subscriber-id", person, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["checks"]["notices"] == {"missing": [], "before": [], "asked": True}
    assert told["acts"] == found["acts"]
