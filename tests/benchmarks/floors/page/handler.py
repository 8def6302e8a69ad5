"""The bare work of showing preferences: one BatchGetItem, by boto3."""

from __future__ import annotations

import os
from typing import Any

import boto3

client = boto3.client("dynamodb")
table = os.environ["TABLE_NAME"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`event` has a partition key."""
    keys = [{"pk": {"S": event["pk"]}, "sk": {"S": kind}} for kind in ("STATE", "CONTACT")]
    answer = client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    return {"statusCode": 200, "body": str(len(answer["Responses"][table]))}
