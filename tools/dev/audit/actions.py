"""Which of IAM's actions stand behind a call."""

from __future__ import annotations

from typing import Final

SIGNED_AS: Final = {"sesv2": "ses"}
"""Services whose actions begin otherwise."""
PARTS: Final = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
"""Whoever writes in a transaction needs leave to do each of its operations:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html"""
OTHERWISE: Final[dict[str, tuple[str, ...]]] = {
    "TransactWriteItems": (),
    # An email that is handed over whole: https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
    "SendEmail": ("ses:SendEmail", "ses:SendRawEmail"),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html and the like
    "HeadBucket": (),
    "HeadObject": ("s3:GetObject",),
    "ListObjectsV2": ("s3:ListBucket",),
    "SendMessageBatch": ("sqs:SendMessage",),
}
"""Operations that are allowed under another name, or several. `HeadBucket` is botocore's own, and may be refused."""


def needed(service: str, operation: str) -> tuple[str, ...]:
    """The actions that a service's operation needs; for those of a transaction, see `PARTS`."""
    return OTHERWISE.get(operation, (f"{SIGNED_AS.get(service, service)}:{operation}",))
