"""The functions' tests would notice a call that AWS refuses: by the function's policy, or by what the service takes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from support import permissions
from support.calls import answering

ANSWER = {"ResponseMetadata": {"HTTPStatusCode": 200}}


def asking(function: str, operation: str, **parameters: Any) -> None:
    """A handler that makes one call, by a client that doesn't look at parameters, as that of clicks."""
    config = Config(parameter_validation=False)
    client = permissions.watched(botocore.session.get_session().create_client("sqs", "us-east-1", config=config))
    module = ModuleType("function")
    name = "send_message" if operation == "SendMessage" else "purge_queue"
    module.handler = lambda *_: getattr(client, name)(**parameters)  # type: ignore[attr-defined]  # as a function's module
    with answering(client, operation, ANSWER):
        permissions.obedient(function, module).handler({}, None)


def test_a_call_that_is_allowed_and_whole_passes() -> None:
    asking("oneclick", "SendMessage", QueueUrl="https://q", MessageBody="x")


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"QueueUrl": "https://q"}, 'Missing required parameter in input: "MessageBody"'),
        ({"QueueUrl": "https://q", "MessageBody": "x", "DelaySeconds": "5"}, "Invalid type for parameter DelaySeconds"),
        (
            {"QueueUrl": "https://q", "MessageBody": "x", "MessageAttributes": {"a": {"StringValue": "x"}}},
            'Missing required parameter in MessageAttributes.a: "DataType"',
        ),
    ],
)
def test_a_call_that_the_service_would_not_take_fails(parameters: dict[str, Any], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        asking("oneclick", "SendMessage", **parameters)


def test_a_call_that_the_policy_does_not_allow_fails() -> None:
    with pytest.raises(AssertionError, match="oneclick may not sqs:PurgeQueue"):
        asking("oneclick", "PurgeQueue", QueueUrl="https://q")
