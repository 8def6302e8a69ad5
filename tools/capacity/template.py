"""What `template.yaml` says that matters for cost and capacity."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what stands behind them."""


def _tagged(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _tagged)


def _mentions(node: Any, name: str) -> int:
    """How often a key stands in a part of the template."""
    if isinstance(node, dict):
        return sum((key == name) + _mentions(each, name) for key, each in node.items())
    return sum(_mentions(each, name) for each in node) if isinstance(node, list) else 0


@cache
def _read() -> dict[str, Any]:
    text = (ROOT / "template.yaml").read_text("utf-8")
    read: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return read


class Template:
    """The stack as it is declared."""

    def __init__(self) -> None:
        self._read = _read()

    def default(self, parameter: str) -> int:
        """A number that is set if nobody chooses another."""
        return int(self._read["Parameters"][parameter]["Default"])

    @property
    def memory_gb(self) -> float:
        """What each function has."""
        return float(self._read["Globals"]["Function"]["MemorySize"]) / 1024

    def count(self, kind: str) -> int:
        """How many resources of a type there are."""
        return sum(each["Type"] == kind for each in self._read["Resources"].values())

    @property
    def alarm_metrics(self) -> int:
        """How many metrics all alarms watch together: each is paid for, also those that one alarm adds up."""
        alarms = [each for each in self._read["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
        return sum(max(1, _mentions(each["Properties"], "MetricStat")) for each in alarms)

    def sources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Event sources of a type (`SQS`, `DynamoDB`), by `Function.Event`."""
        functions = {
            name: each for name, each in self._read["Resources"].items() if each["Type"].endswith("::Function")
        }
        return {
            f"{name}.{event}": source["Properties"]
            for name, function in functions.items()
            for event, source in function["Properties"].get("Events", {}).items()
            if source["Type"] == kind
        }
