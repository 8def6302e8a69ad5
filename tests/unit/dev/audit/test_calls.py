"""What the code asks of AWS is something that there is, with what it takes."""

from __future__ import annotations

import pytest

from dev.audit import calls


def test_every_call_that_the_code_writes_down_is_one_that_there_is() -> None:
    assert calls.check().found == []


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("boto3.client('sqs').sent_message(QueueUrl='q', MessageBody='x')", ["there is no sent_message of sqs"]),
        ("boto3.client('sqs').send_message(QueueUrl='q', Body='x')", ["takes no Body", "needs MessageBody"]),
        ("deployed.client('s3').get_paginator('list_things').paginate(Bucket='b')", ["there is no list_things of s3"]),
        (
            "deployed.client('s3').get_paginator('list_objects_v2').paginate(Table='b')",
            ["takes no Table", "needs Bucket"],
        ),
        ("sqs: Any = boto3.client('sqs', config=X)\nsqs.send_message(Queue='q', **more)", ["takes no Queue"]),
        ("def f():\n  c = boto3.client('s3')\n  c.put_object(Bucket='b')", ["needs Key"]),
        ("self._client.get_object(Bucket='b', Kye='k')", ["takes no Kye", "needs Key"]),
        ("_queue_client().send_mesage(QueueUrl='q')", ["there is no send_mesage of dynamodb, s3"]),
        ("self._call(self._client.put_object, Kye='k')", ["takes no Kye"]),
        ("self._read('get_item', Key={}, Consistent=True)", ["takes no Consistent"]),
        ("self._gateway.query(KeyCondition='pk = :pk')", ["takes no KeyCondition"]),
        ("lambda: client.describe_table(Name='t')", ["takes no Name", "needs TableName"]),
    ],
)
def test_a_call_that_aws_would_not_take_is_told(source: str, why: list[str]) -> None:
    ((_, found),) = calls.calls(source)
    assert len(found) == len(why)
    for summary, part in zip(found, why, strict=True):
        assert part in summary


@pytest.mark.parametrize(
    "source",
    [
        "boto3.client('sqs').send_message(QueueUrl='q', MessageBody='x')",
        "boto3.client('s3').get_paginator('list_objects_v2').paginate(Bucket='b', PaginationConfig={})",
        "client.transact_write_items(TransactItems=now)",
        "self._write('put_item', Item=item)",
    ],
)
def test_a_call_that_aws_takes_is_not_told(source: str) -> None:
    ((_, found),) = calls.calls(source)
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "client.close()",
        "self._store.query(brand)",
        "Report(kind=Kind.X)",
        "client.meta.events.register('x', f)",
        "f(Key=1)",
    ],
)
def test_what_is_no_call_of_aws_is_passed_over(source: str) -> None:
    assert list(calls.calls(source)) == []
