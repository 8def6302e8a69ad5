"""A foreign engine's stream, as functions see it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from embedded.streams import as_lambda_sees, passes


def record(**image: dict[str, str]) -> dict[str, Any]:
    return {"eventName": "MODIFY", "dynamodb": {"Keys": {"sk": {"S": "CONTACT"}}, "NewImage": image}}


def mapping(*patterns: dict[str, Any]) -> dict[str, Any]:
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}}


def test_without_filters_everything_passes() -> None:
    assert passes(record(), {})
    assert passes(record(), {"FilterCriteria": {"Filters": []}})


@pytest.mark.parametrize(
    ("pattern", "passing"),
    [
        ({"dynamodb": {"NewImage": {"mail": {"S": ["due"]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": ["sent", "due"]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": ["sent"]}}}}, False),
        ({"dynamodb": {"NewImage": {"other": {"S": ["due"]}}}}, False),
        ({"dynamodb": {"NewImage": {"other": {"S": [{"exists": False}]}}}}, True),
        ({"dynamodb": {"NewImage": {"mail": {"S": [{"exists": True}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "CON"}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": ["STATE"]}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": "CONTACT"}]}}}}, False),
        ({"eventName": ["MODIFY"], "dynamodb": {"Keys": {"sk": {"S": ["STATE"]}}}}, False),
    ],
)
def test_a_filter_lets_through_what_lambda_would(pattern: dict[str, Any], passing: bool) -> None:
    assert passes(record(mail={"S": "due"}), mapping(pattern)) is passing


def test_one_fitting_filter_suffices() -> None:
    assert passes(record(), mapping({"eventName": ["INSERT"]}, {"eventName": ["MODIFY"]}))


def test_a_record_is_plain_json_for_the_function() -> None:
    seen = as_lambda_sees(
        {
            "eventID": "1",
            "eventName": "INSERT",
            "awsRegion": "ddblocal",
            "dynamodb": {
                "ApproximateCreationDateTime": datetime(2026, 11, 23, tzinfo=UTC),
                "NewImage": {"b": {"B": b"\x00\xff"}, "l": {"L": [{"N": "1"}]}},
                "SequenceNumber": "7",
            },
        }
    )
    assert json.loads(json.dumps(seen)) == seen
    assert seen["eventSource"] == "aws:dynamodb"
    assert seen["dynamodb"]["ApproximateCreationDateTime"] == 1795392000
    assert seen["dynamodb"]["NewImage"] == {"b": {"B": "AP8="}, "l": {"L": [{"N": "1"}]}}
