"""Lambda's metrics of each version while an alias leads to two, and how alarms judge metrics.

The emulator does neither. Runs in the emulator's own process; see `upgradable`.
"""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dev.emulator.metrics import Metric

_COMPARISONS: Final = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_ALL_OF_THEM: Final = re.compile(r"(SUM|MAX|MIN)\((?:METRICS\(\)|FILL\(METRICS\(\), *(\d+)\))\)")
"""The expressions that can be judged: one function over all metrics, with or without a value for what is missing."""
_STATISTICS: Final[dict[str, Callable[[list[float]], float]]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
}
_FUNCTIONS: Final[dict[str, Callable[[list[float]], float]]] = {"SUM": sum, "MAX": max, "MIN": min}
Look = Callable[[str, str, dict[str, str]], Sequence[Mapping[str, Any]]]
"""The points that a metric has, by namespace, name and dimensions, as the emulator keeps them."""


def install() -> None:
    """Count by version from now on."""
    from ministack.services import cloudwatch, lambda_svc

    emit_logs = lambda_svc._emit_lambda_logs

    def count(func: dict[str, Any], request_id: str, text: str, error: bool, *rest: Any, **named: Any) -> None:
        config = func.get("config") or func
        function = lambda_svc._functions.get(config["FunctionName"]) or {}
        for metric in of_an_invocation(config, function.get("aliases", {}), failed=error):
            cloudwatch.record_metric(*metric)
        emit_logs(func, request_id, text, error, *rest, **named)

    lambda_svc._emit_lambda_logs = count


def of_an_invocation(
    config: Mapping[str, Any], aliases: Mapping[str, Mapping[str, Any]], *, failed: bool
) -> list[Metric]:
    """What Lambda counts of an invocation of a version while an alias leads to two of them.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    counted: list[Metric] = []
    for alias in list(aliases.values()):
        added = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        if added and version in {alias["FunctionVersion"], *added}:
            dimensions = {"FunctionName": name, "Resource": f"{name}:{alias['Name']}", "ExecutedVersion": version}
            counted.append(("AWS/Lambda", "Invocations", 1.0, "Count", dimensions))
            counted.append(("AWS/Lambda", "Errors", float(failed), "Count", dimensions))
    return counted


def goes_off(name: str) -> bool:
    """Whether an alarm is in ALARM, judged now by its own definition; its state in the emulator follows."""
    from ministack.services import cloudwatch

    def points(namespace: str, metric: str, dimensions: dict[str, str]) -> Sequence[Mapping[str, Any]]:
        return list(cloudwatch._metrics.get((namespace, metric, cloudwatch._dims_key(dimensions))) or ())

    alarm = cloudwatch._alarms[name]
    state = "ALARM" if is_breaching(alarm, time.time(), points) else "OK"
    before = alarm["StateValue"]
    if state != before:
        reason = f"Threshold Crossed: {alarm['ComparisonOperator']} {alarm['Threshold']}"
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(name, before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    return state == "ALARM"


def is_breaching(alarm: Mapping[str, Any], now: float, points: Look) -> bool:
    """Whether enough of the latest periods breach, as DatapointsToAlarm of EvaluationPeriods has it.

    Periods end now rather than with the minute, so that nothing falls between two looks.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """
    queries = alarm.get("Metrics") or [
        {"MetricStat": {"Metric": alarm, "Stat": alarm["Statistic"], "Period": alarm["Period"]}}
    ]
    of_metrics = [each["MetricStat"] for each in queries if "MetricStat" in each]
    (expression,) = [each["Expression"] for each in queries if "Expression" in each] or ["SUM(METRICS())"]
    period = max(int(each["Period"]) for each in of_metrics)
    periods = int(alarm["EvaluationPeriods"])
    breaches = _COMPARISONS[alarm["ComparisonOperator"]]
    found = 0
    for back in range(periods):
        until = now - back * period
        value = evaluate(expression, [_value(each, until - period, until, points) for each in of_metrics])
        missing = alarm.get("TreatMissingData") == "breaching"
        found += missing if value is None else breaches(value, float(alarm["Threshold"]))
    return found >= int(alarm.get("DatapointsToAlarm") or periods)


def _value(query: Mapping[str, Any], since: float, until: float, points: Look) -> float | None:
    """A metric's statistic over a time (seconds since 1970); None where nothing was counted."""
    metric = query["Metric"]
    dimensions = {each["Name"]: str(each["Value"]) for each in metric.get("Dimensions") or ()}
    found = points(metric["Namespace"], metric["MetricName"], dimensions)
    values = [float(each["Value"]) for each in found if since < each["Timestamp"] <= until]
    return _STATISTICS[query["Stat"]](values) if values else None


def evaluate(expression: str, values: Sequence[float | None]) -> float | None:
    """The value of a metric-math expression over all metrics; None where nothing was counted.

    Raises:
        ValueError: an expression that this doesn't know.
    """
    known = _ALL_OF_THEM.fullmatch(expression)
    if known is None:
        raise ValueError(f"an alarm that undoes a deployment has an expression that can't be judged: {expression}")
    function, filled = known.groups()
    counted = [float(filled) if value is None and filled else value for value in values]
    present = [value for value in counted if value is not None]
    return _FUNCTIONS[function](present) if present else None
