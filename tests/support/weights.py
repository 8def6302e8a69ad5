"""Aliases that lead to two versions, whose weights the emulator keeps and doesn't heed. Runs in its own process.

https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Turns:
    """Which of two versions is called next. Deterministic: a tenth of the calls is each tenth call."""

    _calls: dict[tuple[str, str], float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def version(self, function: str, alias: Mapping[str, Any]) -> str:
        """The version that gets the next call of an alias."""
        for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
            with self._lock:
                due = self._calls.get((function, version), 0.0) + weight
                taken = due >= 1 - 1e-9
                self._calls[function, version] = due - taken
            if taken:
                return str(version)
        return str(alias["FunctionVersion"])


def install() -> None:
    """Heed the weights from now on."""
    from ministack.services import lambda_svc

    turns, execute = Turns(), lambda_svc._execute_function_dispatch

    def executed(func: dict[str, Any], config: dict[str, Any], *rest: Any) -> Any:
        function = lambda_svc._functions.get(config["FunctionName"]) or {}
        for alias in list(function.get("aliases", {}).values()):
            if alias["FunctionVersion"] != config.get("Version"):
                continue
            if (version := turns.version(config["FunctionName"], alias)) != config["Version"]:
                chosen = function["versions"][version]
                config = {**chosen["config"], "FunctionArn": config["FunctionArn"]}
                func = {**chosen, "config": config}
                break
        return execute(func, config, *rest)

    lambda_svc._execute_function_dispatch = executed
