"""What CloudFormation would say of a template: answers, conditions, circles, schemas. Each refuses what is broken."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import __main__ as audit
from audit import cases, cloudformation, graph, linting
from audit.cases import Case

PAGES_ALARMS = "[!Ref NewPagesFailAlarm, !Ref NewPagesFaultsAlarm]"
ALL_ALARMS = "[!Ref NewPagesFailAlarm, !Ref NewPagesFaultsAlarm, !Ref NewWorkersFailAlarm]"


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_cases_meet_and_miss_every_condition_of_the_template(rehearsed: list[Case]) -> None:
    assert cases.check(rehearsed).found == []
    assert [case.name for case in rehearsed] == [*cases.ANSWERS]


def test_what_is_expanded_is_what_aws_gets(rehearsed: list[Case]) -> None:
    for case in rehearsed:
        kinds = {resource["Type"] for resource in case.expanded["Resources"].values()}
        assert "AWS::IAM::Role" in kinds
        assert not [kind for kind in kinds if kind.startswith("AWS::Serverless::")]


def test_the_translator_is_told_of_the_answers(rehearsed: list[Case]) -> None:
    """`Enabled` of a deployment preference is decided while SAM expands: all at once needs no CodeDeploy."""
    groups = {
        case.name: sum(
            each["Type"] == "AWS::CodeDeploy::DeploymentGroup" for each in case.resolved["Resources"].values()
        )
        for case in rehearsed
    }
    assert groups["all at once"] == 0
    assert min(count for name, count in groups.items() if name != "all at once") >= 14, "one for each function"


def test_a_condition_that_no_case_meets_is_told(rehearsed: list[Case]) -> None:
    few = [case for case in rehearsed if case.name != "without archive"]
    assert cases.check(few).found == ["HasArchive is true in every case: add one to ANSWERS where it isn't"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x"}, "the rule ACertificateHasADomain"),
        ({"LogLevel": "LOUD"}, "LogLevel doesn't take LOUD"),
        ({"DomainName": "https://links.example"}, "DomainName doesn't take"),
        ({"BulkConcurrency": "1001"}, "BulkConcurrency doesn't take 1001"),
        ({"SenderAddresses": "hello@meadow.example,nobody"}, "SenderAddresses doesn't take"),
        ({"Colour": "green"}, "there is no parameter Colour"),
        ({"PublicUrl": f"https://{'x' * 100}"}, "PublicUrl doesn't take"),
    ],
)
def test_answers_that_cloudformation_would_refuse_are_told(
    case: Callable[..., Case], answer: dict[str, str], why: str
) -> None:
    given = case()
    refused = cases.refused(given.expanded, given.values | answer)
    assert any(each.startswith(why) for each in refused), refused
    assert cases.refused(given.expanded, given.values) == []


def test_a_template_that_sam_refuses_fails_the_check(
    template: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = template(("      CodeUri: functions/confirm\n", ""))
    monkeypatch.setattr(audit, "ROOT", broken.parent)
    assert audit.main() == 1
    assert "SAM's translator refuses it" in capsys.readouterr().out


def test_a_template_that_can_not_be_repeated_fails_the_check(
    template: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = template(("[Spool, Mail, Feedback, Notification, Inbound, Stream]", "[Spool, Spool]"))
    monkeypatch.setattr(audit, "ROOT", broken.parent)
    assert audit.main() == 1
    assert "template.yaml: Error transforming template: Duplicate Spool" in capsys.readouterr().out


def test_what_stands_below_foreach_is_repeated_and_parameters_stay(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(REPEATED)
    read = cloudformation.read(file)
    assert read["Transform"] == ["AWS::Serverless-2016-10-31"]
    assert read["Resources"] == {
        "Other": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": OF_A_PARAMETER}},
        "FirstQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Size"}, "DelaySeconds": 1}},
        "SecondQueue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Size"}, "DelaySeconds": 2}},
    }
    assert read["Outputs"] == {f"{name}Url": {"Value": {"Ref": f"{name}Queue"}} for name in ("First", "Second")}


def test_a_check_that_can_not_be_made_is_a_finding() -> None:
    def gone() -> Any:
        raise subprocess.CalledProcessError(2, ["cfn-lint"], stderr="no such file")

    assert "no such file" in audit._verdict(gone).found[0]


OF_A_PARAMETER = {"Fn::FindInMap": ["Delays", {"Ref": "Size"}, "Seconds"]}
REPEATED = """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters:
  Size: { Type: String, Default: First, AllowedValues: [First, Second] }
Mappings:
  Delays: { First: { Seconds: 1 }, Second: { Seconds: 2 } }
Resources:
  Fn::ForEach::Queues:
    - Name
    - [First, Second]
    - ${Name}Queue:
        Type: AWS::SQS::Queue
        Properties: { QueueName: !Ref Size, DelaySeconds: !FindInMap [Delays, !Ref Name, Seconds] }
  Other: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: !FindInMap [Delays, !Ref Size, Seconds] } }
Outputs:
  Fn::ForEach::Urls:
    - Name
    - [First, Second]
    - ${Name}Url: { Value: { Ref: !Sub "${Name}Queue" } }
"""


# --- what there is ----------------------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "Parameters": {"Size": {"Type": "Number"}, "Names": {"Type": "CommaDelimitedList"}, "Stage": {"Type": "String"}},
    "Mappings": {"Sizes": {"test": {"Big": "9"}, "live": {"Big": "8"}}},
    "Conditions": {
        "IsBig": {"Fn::Equals": [{"Ref": "Size"}, {"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Big"]}]},
        "Both": {"Fn::And": [{"Condition": "IsBig"}, {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "live"]}]}]},
        "Either": {"Fn::Or": [{"Condition": "IsBig"}, {"Fn::Equals": [{"Ref": "Stage"}, "live"]}]},
    },
    "Resources": {
        "Kept": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "If": {"Fn::If": ["IsBig", {"Ref": "Size"}, "small"]},
                "Gone": {"Fn::If": ["IsBig", {"Ref": "AWS::NoValue"}, "here"]},
                "Names": {"Ref": "Names"},
                "Second": {"Fn::Select": ["1", {"Fn::Split": [",", "a,b"]}]},
                "Sub": {"Fn::Sub": ["${Stage}-${own}-${Other.Arn}-${AWS::Region}-${!kept}", {"own": {"Ref": "Size"}}]},
                "Join": {"Fn::Join": ["/", ["${kept}", {"Ref": "Stage"}, {"Fn::GetAtt": ["Other", "Arn"]}]]},
                "Plain": {"Fn::Sub": "${Stage}${!kept}"},
            },
        },
        "Other": {"Type": "AWS::SQS::Queue", "Condition": "Both"},
        "Never": {"Type": "AWS::SQS::Queue", "Condition": "Unmet"},
    },
    "Outputs": {"Never": {"Condition": "Unmet", "Value": "x"}, "Size": {"Value": {"Ref": "Size"}}},
}


def test_a_resolved_template_holds_what_cloudformation_makes_of_it() -> None:
    template = {**SMALL, "Conditions": {**SMALL["Conditions"], "Unmet": {"Fn::Equals": ["a", "b"]}}}
    made = cloudformation.resolved(template, {"Size": "9", "Names": "x, y", "Stage": "test"})
    assert [*made["Resources"]] == ["Kept", "Other"]
    assert made["Outputs"] == {"Size": {"Value": "9"}}
    assert made["Resources"]["Kept"]["Properties"] == {
        "If": "9",
        "Names": ["x", "y"],
        "Second": "b",
        "Sub": {"Fn::Sub": "test-9-${Other.Arn}-${AWS::Region}-${!kept}"},
        "Join": {"Fn::Sub": "${!kept}/test/${Other.Arn}"},
        "Plain": "test${kept}",
    }


@pytest.mark.parametrize(
    ("size", "stage", "met"),
    [
        ("9", "test", {"IsBig", "Both", "Either"}),
        ("8", "live", {"IsBig", "Either"}),
        ("9", "live", {"Either"}),
        ("8", "test", set()),
    ],
)
def test_conditions_are_decided_by_the_answers(size: str, stage: str, met: set[str]) -> None:
    decided = cloudformation.conditions(SMALL, {"Size": size, "Stage": stage})
    assert {name for name, holds in decided.items() if holds} == met


def test_an_expression_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="not known here"):
        cloudformation.holds({"Fn::EachMemberIn": [[], []]}, SMALL, {})


# --- order ------------------------------------------------------------------------------------------------------------


def only(template: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """A template with some of its resources: cfn-lint takes a while over each, and says of them what it said before."""
    resources = {name: each for name, each in template["Resources"].items() if name in names}
    return template | {"Resources": resources, "Outputs": {}}


def test_the_template_can_be_carried_out_in_some_order(rehearsed: list[Case]) -> None:
    assert graph.check(rehearsed).found == []


def test_a_circle_by_way_of_the_alarms_of_a_deployment_is_told_with_its_way(template: Callable[..., Path]) -> None:
    """Each alias names its deployment group in its `UpdatePolicy`, that its alarms, a worker's alarm the courier."""
    file = template((PAGES_ALARMS, ALL_ALARMS))
    broken = cases.cases(
        file,
        {"defaults": {}, "with a domain": cases.ANSWERS["everything on"], "all at once": cases.ANSWERS["all at once"]},
    )
    (found,) = graph.check(broken).found
    names, _, way = found.partition(": circular dependency: ")
    assert names == "defaults, with a domain"
    steps = way.split(" -> ")
    assert steps[0].split()[0] == steps[-1]
    assert {"NewWorkersFailAlarm (Metrics)", "CourierFunction (Environment)", "HttpApi (Body)"} <= set(steps)
    assert [step for step in steps if re.fullmatch(r"\w+FunctionAliaslive \(UpdatePolicy\)", step)]
    circle = {step.split()[0] for step in steps}
    (told, *_) = [each for each in linting.matches({"it": only(broken[0].expanded, circle)}) if each[0] == "E3004"]
    assert "Circular" in told[2]


def of(resources: dict[str, Any]) -> str:
    return graph.circle_in({"Resources": {name: {"Type": "T", **each} for name, each in resources.items()}})


@pytest.mark.parametrize(
    "first",
    [
        {"Properties": {"X": {"Ref": "B"}}},
        {"Properties": {"X": [{"Fn::GetAtt": ["B", "Arn"]}]}},
        {"Properties": {"X": {"Fn::GetAtt": "B.Arn"}}},
        {"Properties": {"X": {"Fn::Sub": "x ${B.Arn}"}}},
        {"Properties": {"X": {"Fn::Sub": ["${own}", {"own": {"Ref": "B"}}]}}},
        {"Properties": {"X": {"Fn::If": ["Never", {"Ref": "B"}, "x"]}}},
        {"UpdatePolicy": {"CodeDeployLambdaAliasUpdate": {"DeploymentGroupName": {"Ref": "B"}}}},
        {"DependsOn": "B"},
        {"DependsOn": ["C", "B"]},
    ],
)
def test_a_circle_is_found_however_a_resource_names_another(first: dict[str, Any]) -> None:
    circle = of({"A": first, "B": {"Properties": {"Y": {"Ref": "A"}}}, "C": {}})
    assert re.fullmatch(r"A \(.+\) -> B \(Y\) -> A|B \(Y\) -> A \(.+\) -> B", circle)


@pytest.mark.parametrize(
    "first",
    [
        {"Metadata": {"X": {"Ref": "B"}}},
        {"Properties": {"X": {"Fn::Sub": "${!B}"}}},
        {"Properties": {"X": {"Fn::Sub": ["${B}", {"B": "own"}]}}},
        {"Properties": {"Ref": "B", "X": 1}},
    ],
)
def test_what_names_nothing_makes_no_circle(first: dict[str, Any]) -> None:
    assert of({"A": first, "B": {"Properties": {"Y": {"Ref": "A"}}}}) == ""


def test_what_names_something_that_its_condition_leaves_out_is_told(case: Callable[..., Case]) -> None:
    def change(expanded: dict[str, Any]) -> None:
        expanded["Resources"]["Table"]["Properties"]["X"] = {"Fn::Sub": "${Domain.RegionalDomainName}"}
        expanded["Outputs"]["Rules"] = {"Value": {"Ref": "InboundRules"}}

    assert graph.check([case(change)]).found == [
        "defaults: Table names Domain, which isn't made",
        "defaults: output Rules names InboundRules, which isn't made",
    ]
    assert graph.check([case(change, "everything on")]).found == []


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_a_rule_of_cfn_lint_is_told_with_the_cases_that_break_it(case: Callable[..., Case]) -> None:
    def change(expanded: dict[str, Any]) -> None:
        expanded["Resources"]["Table"]["Properties"]["BillingMode"] = "FREE"

    broken = only(case(change).resolved, {"Table"})
    found = linting.verdict(linting.matches({"one": broken, "another": broken}), 2).found
    assert any(
        re.fullmatch(r"E3030 Resources/Table/Properties/BillingMode: 'FREE' .* \(.*one.*\)", each) for each in found
    )


def test_reasons_for_rules_of_cfn_lint_are_needed_and_given() -> None:
    kept = [(rule, "defaults", "…") for rule in linting.LEFT_ASIDE]
    assert linting.verdict(kept, 1).found == []
    assert linting.verdict(kept[1:], 1).found == [f"{kept[0][0]} is kept everywhere: take it out of LEFT_ASIDE"]
    assert all(len(reason) > 20 for reason in linting.LEFT_ASIDE.values())


def test_cfn_lint_is_asked_once_about_what_several_cases_share(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(linting, "matches", lambda templates: asked.extend(templates) or [])
    linting.check([case(), case(), case(name="provisioned")])
    assert asked == ["defaults, expanded", "defaults", "provisioned"]


def test_a_linter_that_fails_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting.sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        linting.matches({"it": SMALL})
