"""What is counted inside the emulator, and how alarms judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from consentry import telemetry
from dev.emulator import metrics
from support import judging

NOW = 1_700_000_000.0


def of_errors(function: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": function}],
    }
    return {
        "Id": function.lower(),
        "ReturnData": False,
        "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": metric},
    }


def alarm(expression: str = "SUM(METRICS())", **others: Any) -> dict[str, Any]:
    return {
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Metrics": [{"Id": "all", "Expression": expression}, of_errors("A"), of_errors("B")],
        **others,
    }


def counted(*points: tuple[str, float, float]) -> judging.Look:
    """What CloudWatch has: by function, so many seconds ago, of such a value."""

    def look(namespace: str, name: str, dimensions: dict[str, str]) -> Sequence[Mapping[str, Any]]:
        assert (namespace, name) == ("AWS/Lambda", "Errors")
        return [
            {"Timestamp": NOW - ago, "Value": value}
            for function, ago, value in points
            if {"FunctionName": function} == dimensions
        ]

    return look


def test_an_alarm_of_several_metrics_goes_off_for_any_of_them() -> None:
    assert judging.is_breaching(alarm(), NOW, counted(("A", 1, 0), ("B", 1, 1)))
    assert not judging.is_breaching(alarm(), NOW, counted(("A", 1, 0), ("B", 1, 0)))


def test_a_metric_of_other_dimensions_counts_for_nothing() -> None:
    assert not judging.is_breaching(alarm(), NOW, counted(("C", 1, 1)))


def test_where_nothing_is_counted_the_alarm_says_what_that_means() -> None:
    assert not judging.is_breaching(alarm(), NOW, counted())
    assert judging.is_breaching(alarm(TreatMissingData="breaching"), NOW, counted())


def test_an_alarm_looks_as_far_back_as_it_says_and_no_further() -> None:
    assert judging.is_breaching(alarm(), NOW, counted(("A", 299, 1)))
    assert not judging.is_breaching(alarm(), NOW, counted(("A", 301, 1)))


def test_as_many_periods_have_to_breach_as_the_alarm_says() -> None:
    two_of_five = alarm(DatapointsToAlarm=2)
    assert not judging.is_breaching(two_of_five, NOW, counted(("A", 1, 1), ("A", 2, 1)))
    assert judging.is_breaching(two_of_five, NOW, counted(("A", 1, 1), ("A", 61, 1)))
    assert not judging.is_breaching(alarm(DatapointsToAlarm=None), NOW, counted(("A", 1, 1), ("A", 61, 1)))


def test_an_alarm_of_one_metric_is_judged_alike() -> None:
    stat = of_errors("A")["MetricStat"]
    plain = {**alarm(), **stat["Metric"], "Statistic": "Sum", "Period": 60, "Metrics": None}
    assert judging.is_breaching(plain, NOW, counted(("A", 1, 1)))
    assert not judging.is_breaching(plain, NOW, counted(("B", 1, 1)))


@pytest.mark.parametrize(
    ("expression", "values", "result"),
    [
        ("SUM(METRICS())", [1, None, 2], 3),
        ("MAX(METRICS())", [1, None, 2], 2),
        ("MIN(FILL(METRICS(), 0))", [1, None, 2], 0),
        ("SUM(METRICS())", [None, None], None),
        ("SUM(FILL(METRICS(), 0))", [None, None], 0),
    ],
)
def test_expressions_over_all_metrics(expression: str, values: list[float | None], result: float | None) -> None:
    assert judging.evaluate(expression, values) == result


def test_an_expression_that_cannot_be_judged_is_no_silent_ok() -> None:
    with pytest.raises(ValueError, match="RATE"):
        judging.evaluate("RATE(METRICS())", [1])


def test_what_our_functions_write_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "unsubscribe")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    telemetry.fault("TypeError", permanent=False)
    written = f"START\n{capsys.readouterr().out}{{not json\nEND"
    found = {name: (value, unit, dimensions) for _, name, value, unit, dimensions in metrics.in_lines(written)}
    assert found["VersionFaults"] == (1.0, "Count", {"function": "unsubscribe", "version": "7"})
    assert set(found) == {"Faults", "VersionFaults"}


def test_lambda_counts_by_version_while_an_alias_leads_to_two_and_only_then() -> None:
    weights = {"AdditionalVersionWeights": {"8": 0.1}}
    leading_to_two = {"live": {"Name": "live", "FunctionVersion": "7", "RoutingConfig": weights}}
    dimensions = {"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": "8"}
    config = {"FunctionName": "f", "Version": "8"}
    assert judging.of_an_invocation(config, leading_to_two, failed=True) == [
        ("AWS/Lambda", "Invocations", 1.0, "Count", dimensions),
        ("AWS/Lambda", "Errors", 1.0, "Count", dimensions),
    ]
    assert judging.of_an_invocation({**config, "Version": "6"}, leading_to_two, failed=True) == []
    leading_to_one = {"live": {"Name": "live", "FunctionVersion": "8"}}
    assert judging.of_an_invocation(config, leading_to_one, failed=True) == []


def test_the_emulator_takes_an_alarm_of_several_metrics_as_one_of_the_first() -> None:
    several = {
        "Threshold": 2,
        "Metrics": [{"Id": "all", "Expression": "SUM(METRICS())"}, of_errors("A"), of_errors("B")],
    }
    assert metrics.of_its_first_metric(several) == {
        "Threshold": 2,
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "A"}],
        "Statistic": "Sum",
        "Period": 60,
    }
    plain = {"Threshold": 2, "MetricName": "5xx"}
    assert metrics.of_its_first_metric(plain) == plain
