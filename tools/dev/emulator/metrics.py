"""What CloudWatch counts and takes, and the emulator doesn't. Runs in the emulator's own process; see `inside`.

Metrics in the functions' log lines (the embedded metric format), and alarms of several metrics. Standard library and
emulator alone: its own Python loads this file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Metric = tuple[str, str, float, str, dict[str, str]]
"""Namespace, name, value, unit and dimensions, as the emulator records it."""


def install() -> None:
    """Count and take from now on."""
    from ministack.services import cloudwatch, lambda_svc  # only the emulator's own Python has it
    from ministack.services.cloudformation import provisioners

    emit_logs, record = lambda_svc._emit_lambda_logs, provisioners._cw_metric_alarm_record

    def count(func: dict[str, Any], request_id: str, text: str, *rest: Any, **named: Any) -> None:
        for metric in in_lines(text):
            cloudwatch.record_metric(*metric)
        emit_logs(func, request_id, text, *rest, **named)

    def keep(name: str, alarm: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = record(name, of_its_first_metric(alarm))
        return {**kept, "Metrics": alarm["Metrics"]} if "Metrics" in alarm else kept

    lambda_svc._emit_lambda_logs, provisioners._cw_metric_alarm_record = count, keep


def of_its_first_metric(alarm: dict[str, Any]) -> dict[str, Any]:
    """An alarm's properties, of one metric where CloudFormation would take several."""
    stats = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    if not stats:
        return alarm
    plain = {name: value for name, value in alarm.items() if name != "Metrics"}
    return {**plain, **stats[0]["Metric"], "Statistic": stats[0]["Stat"], "Period": stats[0]["Period"]}


def in_lines(text: str) -> Iterator[Metric]:
    """The metrics in a function's log lines.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for written in text.splitlines():
        if '"_aws"' not in written:
            continue
        try:
            line = json.loads(written[written.index("{") :])
        except ValueError:  # also for want of a brace
            continue
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(line[name]) for name in names}
                for metric in directive["Metrics"]:
                    value = float(line[metric["Name"]])
                    yield directive["Namespace"], metric["Name"], value, metric.get("Unit", "None"), dimensions
