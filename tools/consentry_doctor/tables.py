"""The table: protected, recoverable, and fast enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry_doctor.deployed import is_gone
from consentry_doctor.findings import Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_doctor.deployed import Deployed
    from consentry_doctor.findings import Ill

_THROTTLES: Final = ("ReadThrottleEvents", "WriteThrottleEvents")


def shape(deployed: Deployed) -> Generator[Ill, None, str]:
    """Active, on demand, with its stream, protected from deletion."""
    try:
        told = deployed.client("dynamodb").describe_table(TableName=_name(deployed))["Table"]
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault(
            "The table is gone. Opt-outs go to the spool, for 14 days.",
            "Restore it from point-in-time recovery, under its own name.",
        )
        return ""
    if told["TableStatus"] != "ACTIVE":
        yield warning(f"The table is {told['TableStatus']}.", "Ask again when that is over.")
    if told.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
        yield warning(
            "The table isn't on demand: a campaign's clicks may be throttled.",
            "aws dynamodb update-table --billing-mode PAY_PER_REQUEST",
        )
    stream = told.get("StreamSpecification", {})
    if not stream.get("StreamEnabled") or stream.get("StreamViewType") != "NEW_AND_OLD_IMAGES":
        yield fault(
            "The table has no stream of new and old images: no confirmation mail goes out, and no platform is told.",
            "Deploy the stack anew.",
        )
    if not told.get("DeletionProtectionEnabled"):
        yield warning(
            "The table can be deleted: nothing protects it.",
            "aws dynamodb update-table --deletion-protection-enabled",
        )
    return "The table is active, on demand, streamed and protected."


def recovery(deployed: Deployed) -> Generator[Ill, None, str]:
    """What is lost can be brought back."""
    told = deployed.client("dynamodb").describe_continuous_backups(TableName=_name(deployed))
    recovery = told["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield fault(
            "Point-in-time recovery is off: opt-outs that are lost stay lost.",
            "aws dynamodb update-continuous-backups",
        )
    return "Point-in-time recovery is on."


def expiry(deployed: Deployed) -> Generator[Ill, None, str]:
    """What is kept for a time alone goes."""
    told = deployed.client("dynamodb").describe_time_to_live(TableName=_name(deployed))["TimeToLiveDescription"]
    if told.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"} or told.get("AttributeName") != "expires_at":
        yield fault(
            "TTL on `expires_at` is off: budgets and evidence are kept for longer than was promised.",
            "aws dynamodb update-time-to-live",
        )
    return "TTL is on."


def throttles(deployed: Deployed) -> Generator[Ill, None, str]:
    """DynamoDB kept up."""
    found = deployed.last_hour("AWS/DynamoDB", "TableName", _THROTTLES, [_name(deployed)])
    if found:
        yield warning(
            f"The table was throttled {number(sum(found.values()), 'time')} within the last hour.",
            "Opt-outs were spooled or tried again. If it lasts: look at the table's and the account's limits.",
        )
    return "The table wasn't throttled within the last hour."


def _name(deployed: Deployed) -> str:
    return deployed.outputs.get("TableName") or deployed.physical("Table")


_KEPT: Final = "docs/deploying.md#what-a-deployment-keeps"
CHECKS = (
    Check("table", shape, _KEPT),
    Check("table-recovery", recovery, _KEPT),
    Check("table-expiry", expiry, _KEPT),
    Check("table-throttles", throttles, "docs/deploying.md#alarms"),
)
