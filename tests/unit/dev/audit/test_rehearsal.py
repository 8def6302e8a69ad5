"""What CloudFormation would say of a template: answers, conditions, circles, schemas. Each refuses what is broken."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.audit import __main__ as audit
from dev.audit import cases, cloudformation, others
from dev.audit.cases import Case

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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = REPEATED.replace("[First, Second]\n    - ${Name}Queue", "[First, First]\n    - ${Name}Queue")
    (tmp_path / "template.yaml").write_text(twice)
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    assert audit.main() == 1
    assert "Duplicate First" in capsys.readouterr().out


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
        raise FileNotFoundError("no such file")

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
    values = {"Size": size, "Stage": stage}
    assert {name for name in SMALL["Conditions"] if cloudformation.holds({"Condition": name}, SMALL, values)} == met


def test_an_expression_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="not known here"):
        cloudformation.holds({"Fn::EachMemberIn": [[], []]}, SMALL, {})


# --- what cfn-lint is asked -------------------------------------------------------------------------------------------


def test_a_circle_by_way_of_the_alarms_of_a_deployment_is_told(template: Callable[..., Path]) -> None:
    """Each alias names its deployment group in its `UpdatePolicy`, that its alarms, a worker's alarm the courier."""
    broken = cases.cases(template((PAGES_ALARMS, ALL_ALARMS)), {"defaults": {}})
    summary = [text for rule, text in others.linted({"it": broken[0].expanded}) if rule == "E3004"]
    assert [
        each for each in summary if re.match(r"E3004 Resources/\w+FunctionAliaslive.*: Circular Dependencies", each)
    ]


def test_what_names_something_that_its_condition_leaves_out_is_told(case: Callable[..., Case]) -> None:
    def change(expanded: dict[str, Any]) -> None:
        topic = {"DisplayName": {"Fn::Sub": "${Domain.RegionalDomainName}"}}
        expanded["Resources"] = {name: expanded["Resources"][name] for name in ("Domain", "InboundRules")}
        expanded["Resources"]["Told"] = {"Type": "AWS::SNS::Topic", "Properties": topic, "DependsOn": "Domain"}
        expanded["Outputs"] = {"Rules": {"Value": {"Ref": "InboundRules"}}}

    without, with_all = case(change).resolved, case(change, "everything on").resolved
    summary = [(rule, text) for rule, text in others.linted({"defaults": without, "all": with_all}) if rule[0] == "E"]
    assert {rule for rule, _ in summary} == {"E1019", "E3005", "E6101"}
    assert all("(defaults)" in text for _, text in summary)


def test_a_rule_of_cfn_lint_is_told_once_with_the_cases_that_break_it(case: Callable[..., Case]) -> None:
    table = {"Resources": {"Table": copy.deepcopy(case().resolved["Resources"]["Table"])}}
    table["Resources"]["Table"]["Properties"]["BillingMode"] = "FREE"
    found = [text for rule, text in others.linted({"one": table, "another": table}) if rule == "E3030"]
    assert len(found) == 1
    assert re.fullmatch(r"E3030 Resources/Table/Properties/BillingMode: 'FREE' .* \(one, another\)", found[0])


def test_cfn_lint_is_asked_once_about_what_several_cases_share(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(others, "linted", lambda templates: asked.extend(templates) or [])
    others.cfn_lint([case(), case(), case(name="provisioned")])
    assert asked == ["defaults, expanded", "defaults", "provisioned"]


def test_a_linter_that_fails_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others.sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="nowhere"):
        others.linted({"it": SMALL})
    with pytest.raises(ValueError, match="ls failed: "):
        others._read(others._asked(["ls", "nowhere"], {}))
