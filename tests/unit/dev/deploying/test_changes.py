"""What a change set is taken to do, and what it may not do by accident."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dev.audit import cloudformation
from dev.deploying import changes
from dev.deploying.changes import PROTECTED, ChangeSet

TEMPLATE: dict[str, Any] = cloudformation.read(Path(__file__).parents[4] / "template.yaml")
KINDS = {name: each["Type"] for name, each in TEMPLATE["Resources"].items()}


def change(name: str, action: str, **more: Any) -> dict[str, Any]:
    return {"LogicalResourceId": name, "ResourceType": KINDS.get(name, "AWS::SQS::Queue"), "Action": action, **more}


def found(*resources: dict[str, Any], before: dict[str, str] | None = None, **after: str) -> ChangeSet:
    return ChangeSet(before=before or {}, after=after, resources=resources)


def detail(recreation: str, source: str, entity: str = "") -> dict[str, Any]:
    return {"Target": {"RequiresRecreation": recreation}, "ChangeSource": source, "CausingEntity": entity}


# --- what is protected ----------------------------------------------------------------------------------------------


def test_every_name_that_is_protected_is_one_of_the_template() -> None:
    assert {name for _, names in PROTECTED.values() for name in names} <= KINDS.keys()


def test_what_outlives_the_stack_and_what_links_and_mails_lead_to_is_protected() -> None:
    protected = {name for _, names in PROTECTED.values() for name in names}
    retained = {name for name, each in TEMPLATE["Resources"].items() if "Retain" in each.get("DeletionPolicy", "")}
    led_to = ("AWS::ApiGatewayV2::", "AWS::Serverless::HttpApi", "AWS::Route53::", "AWS::SES::ReceiptRule")
    assert retained <= protected
    assert {name for name, kind in KINDS.items() if kind == "AWS::SQS::Queue"} <= protected, "what waits is lost"
    assert {name for name, kind in KINDS.items() if kind.startswith(led_to)} <= protected


def test_the_guide_has_every_word_that_lets_something_go() -> None:
    guide = (Path(__file__).parents[4] / "docs/deploying.md").read_text()
    rows = re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \| (?:the|SES's) ", guide, re.MULTILINE)
    assert sorted(word for row in rows for word in re.findall(r"`([a-z]+)`", row)) == sorted(PROTECTED)


@pytest.mark.parametrize("fate", [{"action": "Remove"}, {"action": "Modify", "Replacement": "True"}])
@pytest.mark.parametrize(
    ("word", "name"), [(word, name) for word, (_, names) in PROTECTED.items() for name in sorted(names)]
)
def test_it_is_seen_when_something_protected_goes(word: str, name: str, fate: dict[str, str]) -> None:
    assert found(change(name, **fate)).losses() == {word: [name]}


@pytest.mark.parametrize("fate", [{"action": "Add"}, {"action": "Modify", "Replacement": "False"}])
def test_a_protected_thing_that_comes_or_is_changed_in_place_is_no_loss(fate: dict[str, str]) -> None:
    assert found(*(change(name, **fate) for _, names in PROTECTED.values() for name in names)).losses() == {}


def test_other_things_may_go() -> None:
    assert found(change("DrainLogs", "Remove"), change("Dashboard", "Modify", Replacement="True")).losses() == {}


# --- "Conditional" --------------------------------------------------------------------------------------------------


def test_a_new_certificate_is_no_loss_of_the_domain() -> None:
    """The mapping's name refers to the domain, which stays: CloudFormation says "Conditional" all the same."""
    certificate = change("Domain", "Modify", Replacement="False", Details=[detail("Never", "ParameterReference")])
    mapping = change("DomainMapping", "Modify", Replacement="Conditional",
                     Details=[detail("Always", "ResourceReference", "Domain"),
                              detail("Never", "ResourceReference", "HttpApi")])  # fmt: skip
    assert found(certificate, mapping).losses() == {}
    assert "replaced" not in "".join(found(certificate, mapping).lines())


def test_another_domain_takes_its_mapping_along() -> None:
    domain = change(
        "Domain", "Modify", Replacement="True", Details=[detail("Always", "ParameterReference", "DomainName")]
    )
    mapping = change("DomainMapping", "Modify", Replacement="Conditional",
                     Details=[detail("Always", "ResourceReference", "Domain")])  # fmt: skip
    assert found(domain, mapping).losses() == {"domain": ["Domain", "DomainMapping"]}


@pytest.mark.parametrize(
    "details",
    [[], [detail("Conditionally", "DirectModification")], [detail("Always", "ResourceAttribute", "Other.Arn")]],
)
def test_what_may_be_replaced_counts_as_replaced(details: list[dict[str, Any]]) -> None:
    other = change("Other", "Modify", Replacement="False")
    assert found(other, change("Table", "Modify", Replacement="Conditional", Details=details)).losses() == {
        "table": ["Table"]
    }


# --- domains --------------------------------------------------------------------------------------------------------


def test_a_sender_that_is_no_longer_allowed_is_a_loss() -> None:
    before = {"SenderAddresses": "news@one.example, Hello@two.example"}
    assert found(before=before, SenderAddresses="news@one.example").losses() == {"senders": ["hello@two.example"]}
    assert found(before=before, SenderAddresses="hello@two.example,news@one.example,new@three.example").losses() == {}


def test_a_domain_that_gets_no_mail_any_more_is_a_loss_though_the_rule_stays() -> None:
    rule = change("InboundRule", "Modify", Replacement="False")
    before = {"InboundDomains": "old.example,both.example"}
    assert found(rule, before=before, InboundDomains="both.example,new.example").losses() == {
        "inbound": ["old.example"]
    }
    assert found(rule, before=before, InboundDomains="new.example,both.example,old.example").losses() == {}


LINKS = {"DomainName": "links.example", "PublicUrl": "", "HostedZoneId": ""}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({"DomainName": "", "PublicUrl": ""}, {}, True),  # at once
        ({"DomainName": "", "PublicUrl": ""}, {"PublicUrl": "https://api.example"}, False),  # the first step
        ({"DomainName": "links.example", "PublicUrl": "https://api.example"}, {}, True),  # the second, too early
        ({"DomainName": "links.example", "PublicUrl": ""}, {}, False),  # it is so already
        ({"DomainName": "other.example", "PublicUrl": ""}, {}, True),  # an exchange
        ({}, {}, True),  # a first deployment
        ({"DomainName": "", "PublicUrl": ""}, {"HostedZoneId": "Z1"}, False),  # this one makes the record
        ({"DomainName": "links.example", "PublicUrl": ""}, {"DomainName": ""}, False),
    ],
)
def test_links_lead_to_no_name_that_nobody_finds(before: dict[str, str], after: dict[str, str], refused: bool) -> None:
    wanted = found(before=before, **LINKS | after)
    assert wanted.leads_nowhere(lambda _: False) == ("links.example" if refused else None)
    assert wanted.leads_nowhere(lambda name: name == "links.example") is None


# --- what is shown --------------------------------------------------------------------------------------------------


def test_a_person_sees_each_parameter_and_what_comes_and_goes() -> None:
    shown = found(
        change("Table", "Modify", Replacement="False"),
        *(change(f"Queue{number}", "Add") for number in range(4)),
        change("InboundRule", "Remove"),
        before={"LogLevel": "INFO", "PublicUrl": "https://x.example", "DomainName": "", "StartMode": "none"},
        LogLevel="DEBUG", PublicUrl="", DomainName="", StartMode="none", NewOne="x",
    )  # fmt: skip
    assert list(shown.lines()) == [
        "  LogLevel: INFO -> DEBUG",
        "  NewOne: (empty) -> x",
        "  PublicUrl: https://x.example -> (empty)",
        "  added     AWS::SQS::Queue: 4",
        "  changed   AWS::DynamoDB::Table: Table",
        "  removed   AWS::SES::ReceiptRule: InboundRule",
    ]


# --- CloudFormation -------------------------------------------------------------------------------------------------

STACK = {"StackName": "s", "CreationTime": "2026-11-30T00:00:00Z"}


@pytest.fixture
def cloudformation() -> Any:
    return boto3.client("cloudformation", region_name="us-east-1")


def parameter(name: str, value: str | None) -> dict[str, Any]:
    return {"ParameterKey": name, **({"UsePreviousValue": True} if value is None else {"ParameterValue": value})}


def test_a_change_set_of_several_pages_is_read_whole_and_previous_values_stay(cloudformation: Any) -> None:
    before = [parameter("LogLevel", "INFO"), parameter("PublicUrl", "https://x.example")]
    page = {"Parameters": [parameter("LogLevel", "DEBUG"), parameter("PublicUrl", None)]}
    with Stubber(cloudformation) as stub:
        stub.add_response(
            "describe_stacks", {"Stacks": [{**STACK, "StackStatus": "UPDATE_COMPLETE", "Parameters": before}]}
        )
        for name, more in (("Table", {"NextToken": "2"}), ("Keyring", {})):
            one = {"Type": "Resource", "ResourceChange": change(name, "Modify", Replacement="False")}
            stub.add_response("describe_change_set", {**page, "Changes": [one], **more})
        read = changes.read(cloudformation, "arn", "s")
        stub.assert_no_pending_responses()
    assert read.after == {"LogLevel": "DEBUG", "PublicUrl": "https://x.example"}
    assert [each["LogicalResourceId"] for each in read.resources] == ["Table", "Keyring"]


def test_a_stack_that_is_only_being_looked_at_has_no_parameters_yet(cloudformation: Any) -> None:
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", {"Stacks": [{**STACK, "StackStatus": "REVIEW_IN_PROGRESS"}]})
        assert changes.deployed(cloudformation, "s") == ("", {})


def test_no_stack_is_no_fault_and_every_other_error_is(cloudformation: Any) -> None:
    with Stubber(cloudformation) as stub:
        stub.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
        assert changes.deployed(cloudformation, "s") == ("", {})
        stub.add_client_error("describe_stacks", "AccessDenied", "no")
        with pytest.raises(cloudformation.exceptions.ClientError):
            changes.deployed(cloudformation, "s")
