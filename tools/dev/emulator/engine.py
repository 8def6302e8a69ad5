"""Another DynamoDB for the functions: a fault proxy in front of the emulator, or another engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dev.emulator.aws import client
from dev.terminal import complain

if TYPE_CHECKING:
    from collections.abc import Mapping

SAME_FOR_BOTH = ("AttributeDefinitions", "KeySchema", "StreamSpecification")
"""What a table needs to serve the functions, as ``DescribeTable`` and ``CreateTable`` both tell it."""


def prepare(endpoint: str, emulator: str, table: str) -> bool:
    """Make sure that ``table`` exists at ``endpoint``; True when that is an engine of its own.

    Functions find it in the environment that they inherit, so nothing else changes. Where nothing answers (an
    outage, on purpose), this says so and leaves it at that.
    """
    deployed = client("dynamodb", emulator).describe_table(TableName=table)["Table"]
    other = client("dynamodb", endpoint)
    try:
        found = _describe(other, table)
        if found is None:
            other.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                **{name: deployed[name] for name in SAME_FOR_BOTH if name in deployed},
            )
            other.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
            _expire_alike(client("dynamodb", emulator), other, table)
    except (BotoCoreError, ClientError) as exc:
        complain(f"warning: no table at DYNAMODB_ENDPOINT_URL={endpoint}: {exc}")
        return False
    return found is None or found.get("TableId") != deployed.get("TableId")


def _describe(dynamodb: Any, table: str) -> Mapping[str, Any] | None:
    """The table's description, or None when there is no such table."""
    try:
        description: Mapping[str, Any] = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return None
    return description


def _expire_alike(deployed: Any, other: Any, table: str) -> None:
    """Give the new table the deployed one's TTL attribute."""
    expiry = deployed.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if "AttributeName" in expiry:
        other.update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={"AttributeName": expiry["AttributeName"], "Enabled": True},
        )
