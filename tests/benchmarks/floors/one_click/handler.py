"""The bare work of a one-click opt-out: read a token, write two items in one transaction."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import boto3
from botocore.config import Config
from itsdangerous import URLSafeSerializer

tokens = URLSafeSerializer(os.environ["FLOOR_KEY"], signer_kwargs={"digest_method": hashlib.sha256})
client = boto3.client("dynamodb", config=Config(tcp_keepalive=True))
writes = json.loads(os.environ["FLOOR_WRITES"])
"""What the real function sends, of a subscriber who is exchanged for each event's own."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`event` has a token that holds a subscriber's partition key."""
    who = {"S": tokens.loads(event["token"])}
    for write in writes:
        (what,) = write.values()
        (what["Key"] if "Key" in what else what["Item"])["pk"] = who
    client.transact_write_items(TransactItems=writes)
    return {"statusCode": 200, "body": "You are unsubscribed."}
