"""What a function's policy doesn't allow is refused, also if its code asked for it: tried with the roles themselves."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dev.emulator.aws import ACCOUNT, SECRET
from support.stack import Stack

REFUSED = {"AccessDenied", "AccessDeniedException"}


def client(stack: Stack, service: str, key: str = ACCOUNT, secret: str = SECRET, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=stack.told["aws_endpoint_url"],
        region_name=stack.told["region"],
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def acting_as(stack: Stack, function: str, service: str) -> Any:
    """A client with the credentials that Lambda gives to a function."""
    roles = client(stack, "iam").list_roles()["Roles"]
    (arn,) = [role["Arn"] for role in roles if f"{function}Role" in role["RoleName"]]
    given = client(stack, "sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return client(stack, service, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        ("SubscribeFunction", "get_item"),
        ("SubscribeFunction", "delete_item"),
        ("OneClickFunction", "query"),
        ("OneClickFunction", "delete_item"),
        ("UnsubscribeFunction", "delete_item"),
        ("ConfirmFunction", "query"),
        ("DrainFunction", "query"),
        ("NotifierFunction", "put_item"),
        ("CourierFunction", "delete_item"),
        ("PreferencesFunction", "scan"),
        ("ApiFunction", "scan"),
    ],
)
def test_a_function_may_not_do_to_the_table_what_its_work_doesnt_need(
    stack: Stack, function: str, operation: str
) -> None:
    key = {"pk": {"S": "S#demo#AAAAAAAAAAAAAAAAAAAAAA"}, "sk": {"S": "STATE"}}
    arguments: dict[str, Any] = {
        "get_item": {"Key": key},
        "delete_item": {"Key": key},
        "put_item": {"Item": key},
        "scan": {},
        "query": {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": key["pk"]}},
    }[operation]
    with pytest.raises(ClientError) as refused:
        getattr(acting_as(stack, function, "dynamodb"), operation)(TableName=stack.told["table_name"], **arguments)
    assert refused.value.response["Error"]["Code"] in REFUSED


def test_what_its_work_needs_a_function_may_do(stack: Stack) -> None:
    key = {"pk": {"S": "S#demo#AAAAAAAAAAAAAAAAAAAAAA"}, "sk": {"S": "STATE"}}
    found = acting_as(stack, "ConfirmFunction", "dynamodb").get_item(TableName=stack.told["table_name"], Key=key)
    assert "Item" not in found


def test_a_function_that_sends_no_mail_may_not(stack: Stack) -> None:
    with pytest.raises(ClientError) as refused:
        acting_as(stack, "UnsubscribeFunction", "sesv2").send_email(
            FromEmailAddress="hello@meadow.example",
            Destination={"ToAddresses": ["nobody@example.com"]},
            Content={"Raw": {"Data": b"Subject: x\r\n\r\n"}},
        )
    assert refused.value.response["Error"]["Code"] in REFUSED


def test_a_function_may_not_change_the_keyring(stack: Stack) -> None:
    with pytest.raises(ClientError) as refused:
        acting_as(stack, "ApiFunction", "secretsmanager").put_secret_value(
            SecretId=stack.told["keyring_secret_arn"], SecretString="{}"
        )
    assert refused.value.response["Error"]["Code"] in REFUSED
