"""The archive: last month is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry.actions.archive import MANIFEST, PREFIX
from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill

_DUE_DAYS: Final = 3
"""Begun on the second, at 03:20 UTC; by then even a large table has been read."""


def month(deployed: Deployed) -> Generator[Ill, None, str]:
    """Last month's ledger has its manifest."""
    bucket = deployed.outputs.get("ArchiveBucketName")
    if not bucket:
        return "The stack keeps no archive (ArchiveEnabled is false)."
    now = deployed.now().astimezone(UTC)
    begun = datetime(now.year, now.month, 1, tzinfo=UTC)
    due = begun + timedelta(days=_DUE_DAYS)
    if now < due:
        begun = (begun - timedelta(days=1)).replace(day=1)
        due = begun + timedelta(days=_DUE_DAYS)
    last = f"{begun - timedelta(days=1):%Y-%m}"
    created = deployed.stack.get("CreationTime")
    if created and created.astimezone(UTC) > begun + timedelta(days=1, hours=3):
        return f"The stack is younger than the archive's next run; {last} wasn't its to keep."
    pages = deployed.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}{last}/")
    try:
        runs = sum(each["Key"].endswith(f"/{MANIFEST}") for page in pages for each in page.get("Contents", ()))
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault("The archive's bucket is gone.", "Find out who could delete it; deploy the stack anew.")
        return ""
    if not runs:
        yield fault(
            f"The ledger of {last} isn't in the archive: no run of it came to its end.",
            f"Read the log of the archive's function, then: consentry ledger archive --month {last}",
        )
    return f"The ledger of {last} is in the archive."


CHECKS = (Check("archive", month, "docs/deploying.md#the-archive"),)
