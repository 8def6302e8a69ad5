"""The dashboard shows what is counted, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from consentry import telemetry
from support.template import ALARMS, FILTERED, FUNCTIONS, GLOBAL, RESOURCES, measured, of_type

BODY, ON_CONDITION = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
"""What the dashboard always has, and its parts that are there on a condition, by name."""


def whole_body() -> str:
    """The dashboard's body where every condition holds; `${…}` of a resource stays as it is."""
    text: str = BODY
    for name, part in ON_CONDITION.items():
        text = text.replace(f"${{{name}}}", part["Fn::If"][1]["Fn::Sub"])
    return text


def dashboard() -> list[dict[str, Any]]:
    """The widgets' properties; `${…}` stays as it is."""
    return [each["properties"] for each in json.loads(whole_body())["widgets"]]


def searches() -> Iterator[str]:
    """Every search of the dashboard."""
    for widget in dashboard():
        yield from (metric[0]["expression"] for metric in widget.get("metrics", ()) if isinstance(metric[0], dict))


def shown() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Namespace, name and dimensions of every metric on the dashboard."""
    for expression in searches():
        found = re.fullmatch(
            r"""SEARCH\('\{"?([^",]+)"?,([A-Za-z,]+)\} MetricName="(\w+)"(?: \("\$\{\w+\}"(?: OR "\$\{\w+\}")*\))?', """
            r"""'(?:Sum|Maximum)', 300\)""",
            expression,
        )
        assert found, expression
        yield found[1], found[3], tuple(found[2].split(","))
    for plain in plainly_shown():
        yield plain[0], plain[1], tuple(plain[2::2])


def plainly_shown() -> list[list[str]]:
    """What the dashboard names, row by row: namespace, name, and names and values of dimensions."""
    metrics = [metric for widget in dashboard() for metric in widget.get("metrics", ())]
    return [[each for each in metric if isinstance(each, str)] for metric in metrics if isinstance(metric[0], str)]


def test_the_dashboard_shows_every_metric_of_ours_and_none_that_nothing_counts() -> None:
    ours = {(name, dimensions) for namespace, name, dimensions in shown() if not namespace.startswith("AWS/")}
    assert ours == {(name, each.dimensions) for name, each in telemetry.METRICS.items()} | {
        (name, ()) for name in FILTERED
    }
    namespace = GLOBAL["Environment"]["Variables"]["METRICS_NAMESPACE"]["Fn::Sub"]
    assert {each for each, _, _ in shown() if not each.startswith("AWS/")} == {namespace}


AWS_METRICS: Final = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": {"Count", "4xx", "5xx", "IntegrationLatency", "Latency"},
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": {"Errors", "Throttles", "IteratorAge"},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS/DynamoDB": {
        *("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"),
        *("TransactionConflict", "SystemErrors"),
    },
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": {"ExecutionsFailed"},
}


def test_what_is_watched_of_aws_is_something_that_aws_measures() -> None:
    alarms = [(each["Namespace"], each["MetricName"]) for each in ALARMS.values() if "MetricName" in each]
    alarms += [(each["Namespace"], each["MetricName"]) for alarm in ALARMS.values() for each in measured(alarm)]
    for namespace, name in [*[(namespace, name) for namespace, name, _ in shown()], *alarms]:
        if isinstance(namespace, str) and namespace.startswith("AWS/"):
            assert name in AWS_METRICS[namespace]


def named_in(body: str) -> set[str]:
    """What a part of the dashboard's body names."""
    return set(re.findall(r"\$\{([A-Za-z]\w*)[.}]", body))


def test_the_dashboard_names_only_what_is_there() -> None:
    always = named_in(BODY) - set(ON_CONDITION)
    assert named_in(BODY) - always == set(ON_CONDITION)
    assert always <= {name for name, each in RESOURCES.items() if "Condition" not in each}
    for part in ON_CONDITION.values():
        condition, there, otherwise = part["Fn::If"]
        assert {RESOURCES[name]["Condition"] for name in named_in(there["Fn::Sub"])} == {condition}
        assert otherwise == ""


def test_the_dashboard_shows_every_alarm_and_every_function_that_is_always_there() -> None:
    always = {name for name in FUNCTIONS if "Condition" not in RESOURCES[name]}
    assert {name for name in named_in(whole_body()) if name in {**ALARMS, **FUNCTIONS}} == {*ALARMS, *always}
    (listed,) = [each["alarms"] for each in dashboard() if "alarms" in each]
    assert sorted(listed) == sorted(f"${{{name}.Arn}}" for name in ALARMS)


def test_the_dashboard_names_no_more_metrics_than_a_free_one_may() -> None:
    """https://aws.amazon.com/cloudwatch/pricing/: three dashboards of up to 50 metrics each."""
    assert len(of_type("AWS::CloudWatch::Dashboard")) <= 3
    assert len(plainly_shown()) <= 50


def test_a_search_is_never_too_long_for_cloudwatch() -> None:
    """1,024 characters: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html."""
    for expression in searches():
        filled = expression.replace("${AWS::StackName}", 128 * "s")
        assert len(re.sub(r"\$\{\w+\}", 64 * "f", filled)) <= 1024, expression


def test_both_widgets_of_functions_show_every_one_that_is_always_there() -> None:
    always = {name for name in FUNCTIONS if "Condition" not in RESOURCES[name]}
    for name in ("Errors", "Throttles"):
        found = [each for each in searches() if f'MetricName="{name}"' in each]
        assert {function for each in found for function in re.findall(r"\$\{(\w+)\}", each)} == always


def test_widgets_lie_side_by_side() -> None:
    places = [
        (each["x"] + right, each["y"] + down)
        for each in json.loads(whole_body())["widgets"]
        for right in range(each["width"])
        for down in range(each["height"])
    ]
    assert len(places) == len(set(places))
    assert {x for x, _ in places} == set(range(24)), "CloudWatch's own width"
