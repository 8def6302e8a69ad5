"""The stand-in for CodeDeploy in the emulator, with one function; tests/e2e/test_upgrade.py has the whole stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from dev.emulator import build
from support import codedeploy
from support.emulated import Emulated, emulated
from support.waiting import eventually

TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
WORKS: Final = "def handler(event, context):\n    return context.function_version\n"
CRASHES: Final = "def handler(event, context):\n    raise TypeError\n"


def template(number: int, code: str, **more: Any) -> dict[str, Any]:
    """A function's `number`th version, as SAM would write it."""
    version = f"Version{number}"
    errors = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [
            {"Name": "FunctionName", "Value": {"Ref": "Function"}},
            {"Name": "Resource", "Value": {"Fn::Sub": "${Function}:live"}},
            {"Name": "ExecutedVersion", "Value": {"Fn::GetAtt": [version, "Version"]}},
        ],
    }
    alarm = {
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "all", "Expression": "SUM(METRICS())"},
            {"Id": "errors", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": errors}},
        ],
    }
    function = {
        "Handler": "index.handler",
        "Runtime": build.runtime(),
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": code},
    }
    group = {
        "ApplicationName": {"Ref": "Application"},
        "DeploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
        "AlarmConfiguration": {"Enabled": True, "Alarms": [{"Name": {"Ref": "Alarm"}}]},
        "AutoRollbackConfiguration": {"Enabled": True, "Events": ["DEPLOYMENT_STOP_ON_ALARM"]},
    }
    alias = {
        "Name": "live",
        "FunctionName": {"Ref": "Function"},
        "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
    }
    policy = {"ApplicationName": {"Ref": "Application"}, "DeploymentGroupName": {"Ref": "Group"}}
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        version: {
            "Type": "AWS::Lambda::Version",
            "DeletionPolicy": "Retain",
            "Properties": {"FunctionName": {"Ref": "Function"}},
        },
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm},
        "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}},
        "Group": {"Type": "AWS::CodeDeploy::DeploymentGroup", "Properties": group},
        "Alias": {
            "Type": "AWS::Lambda::Alias",
            "UpdatePolicy": {"CodeDeployLambdaAliasUpdate": policy},
            "Properties": alias,
        },
        **more,
    }


@pytest.fixture(scope="module")
def emulator_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with emulated(tmp_path_factory.mktemp("deploying"), codedeploy.PROGRAM) as running:
        yield running


class Deployed:
    """A stack with one function."""

    def __init__(self, at: Emulated, name: str) -> None:
        self.name = name
        self._at = at
        assert at.stack(name, template(1, WORKS)) == "CREATE_COMPLETE"
        self.function = at.resource(name, "Function")

    def update(self, resources: dict[str, Any]) -> None:
        self._at.client("cloudformation").update_stack(
            StackName=self.name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
        )

    def call(self) -> Any:
        answer = self._at.client("lambda").invoke(FunctionName=self.function, Qualifier="live", Payload=b"{}")
        return json.load(answer["Payload"]) if "FunctionError" not in answer else "crashed"

    def leads_to(self) -> tuple[str, dict[str, float]]:
        """The alias's version, and what is beside it."""
        alias = self._at.client("lambda").get_alias(FunctionName=self.function, Name="live")
        return alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def ended(self) -> str:
        cloudformation = self._at.client("cloudformation")
        return str(
            eventually(
                lambda: cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"],
                lambda status: not status.endswith("_IN_PROGRESS"),
            )
        )

    def alarm(self) -> str:
        name = self._at.resource(self.name, "Alarm")
        (found,) = self._at.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(found["StateValue"])


def test_a_version_that_works_gets_each_tenth_call_and_then_all(emulator_: Emulated) -> None:
    stack, hold = Deployed(emulator_, "good"), emulator_.folder / codedeploy.HOLD
    hold.touch()
    stack.update(template(2, WORKS + "\n"))
    eventually(stack.leads_to, lambda found: found == ("1", {"2": 0.1}))
    assert [stack.call() for _ in range(20)] == (["1"] * 9 + ["2"]) * 2
    hold.unlink()
    assert stack.ended() == "UPDATE_COMPLETE"
    assert stack.leads_to() == ("2", {})
    assert stack.alarm() == "OK"


def test_a_version_that_crashes_is_taken_back_by_its_alarm(emulator_: Emulated) -> None:
    stack, hold = Deployed(emulator_, "crashing"), emulator_.folder / codedeploy.HOLD
    hold.touch()
    stack.update(template(2, CRASHES))
    eventually(stack.leads_to, lambda found: found == ("1", {"2": 0.1}))
    assert [stack.call() for _ in range(10)] == ["1"] * 9 + ["crashed"]
    hold.unlink()
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.leads_to() == ("1", {})
    assert stack.alarm() == "ALARM"
    assert {stack.call() for _ in range(10)} == {"1"}


def test_an_update_that_fails_elsewhere_takes_the_calls_back(emulator_: Emulated) -> None:
    stack = Deployed(emulator_, "failing")
    impossible = {"Type": "AWS::CloudWatch::Alarm", "DependsOn": "Alias", "Properties": {"MetricName": "of nobody"}}
    second = template(2, WORKS + "\n", Impossible=impossible)
    second["ZAlias"] = {**second["Alias"], "DependsOn": "Impossible"}  # the last alias, which waits for all
    second["ZAlias"]["Properties"] = {**second["Alias"]["Properties"], "Name": "later"}
    stack.update(second)
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.leads_to() == ("1", {})


def test_a_circle_through_an_update_policy_is_refused(emulator_: Emulated) -> None:
    circle = template(1, WORKS)
    circle["Alarm"]["Properties"]["AlarmDescription"] = {"Ref": "Alias"}
    assert emulator_.stack("circle", circle) in {"refused", "CREATE_FAILED"}
