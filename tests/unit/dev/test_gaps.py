"""What the embedded stack makes of a deployed template."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from dev.emulator import gaps
from dev.emulator.deploy import Deployment
from dev.emulator.inside import options_to_routes, over_tls, specificity


def integration(function: str) -> dict[str, Any]:
    uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${%sAliaslive}/invocations"
    return {gaps.INTEGRATION: {"type": "aws_proxy", "uri": {"Fn::Sub": uri % function}}}


def deployment(paths: dict[str, Any]) -> Deployment:
    api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {"paths": paths}}}
    return Deployment(
        outputs={"ApiId": "a1"},
        resources={"LinkFunctionAliaslive": "arn:of:link:live", "HealthFunctionAliaslive": "arn:of:health:live"},
        template={"Resources": {"HttpApi": api, "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}}}},
    )


def test_every_path_of_the_body_becomes_a_route_to_its_function() -> None:
    routes = gaps.routes_of(
        deployment(
            {
                "/u/{token}": {gaps.ANY_METHOD: integration("LinkFunction")},
                "/healthz": {"get": integration("HealthFunction"), "parameters": {}},
            }
        )
    )
    assert [(route.key, route.function) for route in routes] == [
        ("ANY /u/{token}", "arn:of:link:live"),
        ("GET /healthz", "arn:of:health:live"),
    ]


def test_a_full_match_comes_before_a_greedy_one_and_a_method_before_any() -> None:
    routes = [("ANY", "/u/{token+}"), ("POST", "/u/{token+}"), ("ANY", "/u/undo/{token}"), ("POST", "/u/undo/{token}")]
    for order in permutations(routes):
        assert sorted(order, key=lambda route: specificity(*route)) == routes


def test_an_options_request_is_one_that_the_emulator_does_not_know() -> None:
    seen: list[Any] = []

    async def execute(*call: Any) -> None:
        seen.append(call)

    apis = {"plain": {}, "cors": {"corsConfiguration": {"allowOrigins": ["*"]}}}
    executed = options_to_routes(execute, apis)
    for api, method in (("plain", "OPTIONS"), ("plain", "GET"), ("cors", "OPTIONS"), ("none", "OPTIONS")):
        asyncio.run(executed(api, "$default", "/x", method, {}))
    assert [call[3] == "OPTIONS" for call in seen] == [False, False, True, False]
    assert [json.dumps(call[3]) for call in seen] == ['"OPTIONS"', '"GET"', '"OPTIONS"', '"OPTIONS"']


def test_a_policy_that_asks_for_tls_is_content() -> None:
    resolve = over_tls(lambda key, call: f"{key} of {call}")
    assert resolve("aws:SecureTransport", "a call") == "true"
    assert resolve("aws:SourceIp", "a call") == "aws:SourceIp of a call"


def test_a_handlers_exception_stays_inside() -> None:
    leaked = b'{"errorMessage": "the secret is 42", "errorType": "Runtime.HandlerError"}'
    assert gaps.as_api_gateway_answers(502, leaked) == (500, b'{"message":"Internal Server Error"}')


def test_what_a_function_answers_is_left_alone() -> None:
    assert gaps.as_api_gateway_answers(200, b'{"errorType": "a word"}') == (200, b'{"errorType": "a word"}')
    assert gaps.as_api_gateway_answers(502, b"upstream is unavailable") == (502, b"upstream is unavailable")


def sent(recipient: str, **otherwise: Any) -> list[dict[str, Any]]:
    request = {
        "FromEmailAddress": "hello@meadow.example",
        "Destination": {"ToAddresses": [recipient]},
        "ConfigurationSetName": "set",
        "EmailTags": [{"Name": "brand", "Value": "demo"}],
        **otherwise,
    }
    return gaps.events_of(request, "message-1", datetime(2026, 11, 23, 14, 5, 6, 789000, tzinfo=UTC))


@pytest.mark.parametrize("recipient", ["bounce@simulator.amazonses.com", "Bounce+one@Simulator.amazonses.com"])
def test_a_mail_to_the_simulators_bounce_bounces(recipient: str) -> None:
    [event] = sent(recipient)
    assert (event["eventType"], event["bounce"]["bounceType"]) == ("Bounce", "Permanent")
    assert [each["emailAddress"] for each in event["bounce"]["bouncedRecipients"]] == [recipient]
    assert event["bounce"]["timestamp"] == "2026-11-23T14:05:06.789Z"
    assert event["mail"]["tags"] == {"ses:configuration-set": ["set"], "brand": ["demo"]}


def test_a_mail_to_the_simulators_complaint_is_complained_of() -> None:
    [event] = sent("complaint@simulator.amazonses.com")
    assert (event["eventType"], event["complaint"]["complaintFeedbackType"]) == ("Complaint", "abuse")


@pytest.mark.parametrize(
    "recipient", ["ann@example.com", "bounce@example.com", "success@simulator.amazonses.com", "bounce"]
)
def test_of_other_mails_nothing_is_told(recipient: str) -> None:
    assert sent(recipient) == []


def test_of_a_mail_without_a_configuration_set_nothing_is_told() -> None:
    request = {"FromEmailAddress": "a@b.example", "Destination": {"ToAddresses": ["bounce@simulator.amazonses.com"]}}
    assert gaps.events_of(request, "message-1", datetime.now(UTC)) == []
