"""The stack as AWS would be asked for it: `template.yaml`, expanded by SAM, with the answers that were given."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from dev.audit import cases, cloudformation
from dev.places import ROOT

_HIGH_RESOLUTION_S: Final = 60
"""Below it an alarm is a high-resolution one, which costs more."""
LARGE: Final = "1000"
"""The `AccountConcurrency` that a billion emails a day need; a new account has 10."""


@cache
def _read() -> dict[str, Any]:
    return cases.cases(ROOT / "template.yaml", {"defaults": {}})[0].expanded


@cache
def deployed(**answers: str) -> Template:
    """What is deployed with these answers, read once."""
    return Template(**answers)


class Template:
    """What is deployed with the answers of a first deployment: the defaults, but for those that are given here."""

    def __init__(self, **answers: str) -> None:
        read = _read()
        self._answers = {name: str(each.get("Default", "")) for name, each in read["Parameters"].items()} | answers
        self._resources: dict[str, dict[str, Any]] = cloudformation.resolved(read, self._answers)["Resources"]

    def answer(self, parameter: str) -> int:
        """A number that a parameter has."""
        return int(self._answers[parameter])

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of a type's resources, by logical id."""
        return {name: each["Properties"] for name, each in self._resources.items() if each["Type"] == kind}

    def count(self, kind: str) -> int:
        """How many resources of a type there are."""
        return len(self.of_type(kind))

    @property
    def memory_gb(self) -> float:
        """What each function has that people wait for."""
        return float(self.of_type("AWS::Lambda::Function")["OneClickFunction"]["MemorySize"]) / 1024

    def alarm_metrics(self, *, high_resolution: bool = False) -> int:
        """How many metrics the alarms watch together: each is paid for, also those that one alarm adds up.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html
        """
        periods = [
            period
            for alarm in self.of_type("AWS::CloudWatch::Alarm").values()
            for period in (
                [each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each]
                if "Metrics" in alarm
                else [alarm["Period"]]
            )
        ]
        return sum((int(period) < _HIGH_RESOLUTION_S) == high_resolution for period in periods)

    def dashboards(self) -> dict[str, int]:
        """How many metrics each dashboard names, by logical id. What its searches find isn't among them."""
        return {
            name: len({_named(row) for widget in _widgets(each) for row in widget.get("metrics", ())} - {()})
            for name, each in self.of_type("AWS::CloudWatch::Dashboard").items()
        }

    def sources(self, kind: str) -> dict[str, dict[str, Any]]:
        """What Lambda reads for functions: queues (`sqs`), or the table's stream (`dynamodb`), by logical id."""
        queues = set(self.of_type("AWS::SQS::Queue"))
        return {
            name: each
            for name, each in self.of_type("AWS::Lambda::EventSourceMapping").items()
            if (each["EventSourceArn"]["Fn::GetAtt"][0] in queues) == (kind == "sqs")
        }

    def snapshots_gb(self) -> float:
        """The memory of all functions of which Lambda keeps a snapshot, for each version."""
        functions = self.of_type("AWS::Lambda::Function").values()
        kept = [each for each in functions if each.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"]
        return sum(float(each["MemorySize"]) for each in kept) / 1024

    def provisioned_gb(self) -> float:
        """The memory of everything that is kept running."""
        functions = self.of_type("AWS::Lambda::Function")
        return sum(
            float(functions[alias["FunctionName"]["Ref"]]["MemorySize"])
            / 1024
            * float(alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"])
            for alias in self.of_type("AWS::Lambda::Alias").values()
            if "ProvisionedConcurrencyConfig" in alias
        )


def _widgets(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The properties of a dashboard's widgets; `${…}` stays as it is."""
    return [each["properties"] for each in json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]]


def _named(row: list[Any]) -> tuple[str, ...]:
    """The metric that a row of a widget names; the same one in another statistic is no other."""
    return tuple(each for each in row if isinstance(each, str))
