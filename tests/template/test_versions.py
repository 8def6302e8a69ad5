"""Versions of functions, and how calls move from one to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support.template import (
    ALARMS,
    FUNCTIONS,
    GLOBAL,
    PARAMETERS,
    RESOURCES,
    TEMPLATE,
    WAITED_FOR,
    flat,
    of_type,
)


def referred(node: Any) -> Iterator[str]:
    """Every name that a part of the template refers to, conditions and what they refer to included."""
    if isinstance(node, list):
        for each in node:
            yield from referred(each)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "Ref":
            yield value
        elif name == "Fn::Sub":
            yield from re.findall(r"\$\{(\w+)\}", flat(value)[0])
        if name == "Fn::If":
            yield from referred(TEMPLATE["Conditions"].get(value[0]))
        yield from referred(value)


LAYERS_ARE_BUILT_FOR: Final = {"PythonRuntime", "Architecture"}
"""Whoever changes these changes the layers, and with them the versions."""
ON_THE_ALIAS: Final = {"ProvisionedConcurrency"}
OF_ALL_VERSIONS: Final = {"OneClickReservedConcurrency"}
NO_PART_OF_A_FUNCTION: Final = {"Policies", "Events", "DeploymentPreference", "VersionDescription"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_new_answer_to_a_question_reaches_the_version_that_calls_go_to(name: str) -> None:
    """SAM makes a new version when the template changes, and not when a parameter's value does (its issue 3820).

    Lambda refuses a new version of a function that hasn't changed, so the values are in the environment as well.
    """
    function = FUNCTIONS[name]
    parts = {part: each for part, each in {**GLOBAL, **function}.items() if part not in NO_PART_OF_A_FUNCTION}
    parts["Environment"] = [GLOBAL["Environment"], function.get("Environment")]
    asked = set(referred(parts)) & set(PARAMETERS) - LAYERS_ARE_BUILT_FOR - ON_THE_ALIAS - OF_ALL_VERSIONS
    assert asked <= set(referred(function["VersionDescription"]))
    assert function["VersionDescription"] == GLOBAL["Environment"]["Variables"]["DEPLOYED_WITH"]


def test_a_versions_description_is_never_too_long_for_lambda() -> None:
    longest = 0
    for name in referred(GLOBAL["Environment"]["Variables"]["DEPLOYED_WITH"]):
        values = PARAMETERS[name].get("AllowedValues") or [PARAMETERS[name].get("MaxValue", "")]
        longest += 1 + PARAMETERS[name].get("MaxLength", max(len(str(each)) for each in values))
    assert longest <= 256


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_changed_layer_reaches_the_version_that_calls_go_to(name: str) -> None:
    assert GLOBAL["AutoPublishAlias"] == "live"
    assert FUNCTIONS[name]["AutoPublishAliasAllProperties"] is True
    for layer in of_type("AWS::Serverless::LayerVersion").values():
        assert layer["PublishLambdaVersion"] is True


BY_VERSION: Final = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html, while an alias leads to two
    "Errors": lambda function: {
        "FunctionName": {"Ref": function},
        "Resource": {"Fn::Sub": f"${{{function}}}:live"},
        "ExecutedVersion": {"Fn::GetAtt": [function, "Version.Version"]},
    },
    "VersionFaults": lambda function: {
        "function": {"Ref": function},
        "version": {"Fn::GetAtt": [function, "Version.Version"]},
    },
}
"""How what goes wrong in a new version is told apart, by metric."""


def watched_by(alarm: str) -> Iterator[tuple[str, str]]:
    """Each function that an alarm of a deployment watches, and the metric by which it does."""
    for at, metric in enumerate(ALARMS[alarm]["Metrics"]):
        condition, found, _ = metric.get("Fn::If", (None, metric, None))
        if at == 0:
            assert (found["Expression"], found["ReturnData"]) == ("SUM(METRICS())", True)
            continue
        measure = found["MetricStat"]["Metric"]
        dimensions = {each["Name"]: each["Value"] for each in measure["Dimensions"]}
        (function,) = (name for name in FUNCTIONS if {"Ref": name} in dimensions.values())
        assert dimensions == BY_VERSION[measure["MetricName"]](function)
        assert RESOURCES[function].get("Condition") == condition
        assert found["ReturnData"] is False
        yield function, measure["MetricName"]


def test_every_new_version_is_watched_while_it_is_introduced() -> None:
    for name, function in FUNCTIONS.items():
        (_, alarms, otherwise) = (
            function.get("DeploymentPreference", {}).get("Alarms") or GLOBAL["DeploymentPreference"]["Alarms"]
        )["Fn::If"]
        assert otherwise == []
        watched = [metric for alarm in alarms for each, metric in watched_by(alarm["Ref"]) if each == name]
        assert sorted(watched) == sorted(BY_VERSION), name


def test_what_undoes_a_deployment_sees_what_is_counted_late_and_nothing_of_an_older_version() -> None:
    alarms = [name for name in ALARMS if re.fullmatch(r"New\w+Alarm", name)]
    functions = [function for alarm in alarms for function, metric in watched_by(alarm) if metric == "Errors"]
    assert sorted(functions) == sorted(FUNCTIONS)
    for name in alarms:
        assert RESOURCES[name]["Condition"] == "MovesGradually"
        assert (ALARMS[name]["Threshold"], ALARMS[name]["DatapointsToAlarm"]) == (0, 1)
        assert ALARMS[name]["EvaluationPeriods"] == 5


def test_an_alarm_that_fills_gaps_looks_further_back_than_the_last_period() -> None:
    """What comes late would find its gap filled, and never ring. FILL, in
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """
    filling = {name: alarm for name, alarm in ALARMS.items() if "FILL(" in json.dumps(alarm.get("Metrics", ()))}
    assert filling
    for name, alarm in filling.items():
        assert alarm["DatapointsToAlarm"] < alarm["EvaluationPeriods"], name


def test_calls_move_gradually_unless_somebody_wants_them_all_at_once() -> None:
    strategies = PARAMETERS["DeploymentStrategy"]
    gradual = {name: each["Gradual"] for name, each in TEMPLATE["Mappings"]["Strategies"].items()}
    assert set(gradual) == set(strategies["AllowedValues"])
    assert {name for name, each in gradual.items() if each == "false"} == {"AllAtOnce"}
    assert gradual[strategies["Default"]] == "true"


def test_what_people_wait_for_can_start_sooner_and_nothing_else_costs_money_while_idle() -> None:
    for name, function in FUNCTIONS.items():
        waited_for = name in WAITED_FOR
        assert ("SnapStart" in function) == ("ProvisionedConcurrencyConfig" in function) == waited_for, name
    assert PARAMETERS["StartMode"]["Default"] == "none"
    apply_on = {"Fn::If": ["StartsFromSnapshots", "PublishedVersions", "None"]}
    assert all(FUNCTIONS[name]["SnapStart"]["ApplyOn"] == apply_on for name in WAITED_FOR)


def test_no_function_lies_in_a_vpc() -> None:
    assert not [name for name, function in {"Globals": GLOBAL, **FUNCTIONS}.items() if "VpcConfig" in function]
