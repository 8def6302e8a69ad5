"""What the template asks for, and what follows from the answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.template import FUNCTIONS, GLOBAL, PARAMETERS, RESOURCES, ROOT, TEMPLATE, flat, of_type


@pytest.mark.parametrize("name", PARAMETERS)
def test_whoever_deploys_is_told_what_a_parameter_is_for_and_what_it_takes(name: str) -> None:
    asked = PARAMETERS[name]
    assert asked["Description"].endswith(".")
    assert "Default" in asked or name == "SenderAddresses", (
        "one question has to be answered, for the rest Enter will do"
    )
    limits = {"AllowedPattern", "MinValue", "MaxValue", "MinLength", "MaxLength"} & set(asked)
    assert "AllowedValues" in asked or limits, "anything goes"
    assert ("ConstraintDescription" in asked) == bool(limits), "values are listed by CloudFormation itself"


def test_the_console_asks_for_every_parameter_once_in_the_templates_order() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name for group in groups for name in group["Parameters"]] == list(PARAMETERS)
    assert all(group["Label"]["default"] for group in groups)


def holds(node: Any, values: dict[str, str]) -> Any:
    """What a rule's expression comes to."""
    if isinstance(node, dict):
        ((name, of),) = node.items()
        parts = [holds(each, values) for each in flat(of)]
        if name == "Ref":
            return values[of]
        return {
            "Fn::Not": lambda: not parts[0],
            "Fn::Equals": lambda: parts[0] == parts[1],
            "Fn::Contains": lambda: parts[1] in parts[0],
        }[name]()
    return [holds(each, values) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, ""),
        ({"DomainName": "links.example.com"}, "ADomainHasACertificate"),
        ({"CertificateArn": "arn"}, "ACertificateHasADomain"),
        ({"HostedZoneId": "Z1"}, "AZoneHasADomain"),
        ({"DomainName": "links.example.com", "CertificateArn": "arn"}, ""),
        ({"DomainName": "links.example.com", "CertificateArn": "arn", "HostedZoneId": "Z1"}, ""),
        ({"StartMode": "snapstart"}, ""),
        ({"StartMode": "snapstart", "PythonRuntime": "python3.11"}, "SnapshotsNeedANewPython"),
        ({"StartMode": "provisioned"}, "NewAccountsKeepNothingRunning"),
        ({"OneClickReservedConcurrency": "100"}, "NewAccountsKeepNothingRunning"),
        ({"StartMode": "provisioned", "OneClickReservedConcurrency": "100", "AccountConcurrency": "1000"}, ""),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, dict) else part,
)
def test_answers_that_do_not_go_together_are_refused_before_anything_is_made(
    given: dict[str, str], refused: str
) -> None:
    values = {name: str(each.get("Default", "")) for name, each in PARAMETERS.items()} | given
    broken = [
        name
        for name, rule in TEMPLATE["Rules"].items()
        if holds(rule["RuleCondition"], values)
        and not all(holds(each["Assert"], values) for each in rule["Assertions"])
    ]
    assert broken == ([refused] if refused else [])


def test_a_domain_speaks_tls_1_2_and_leads_to_the_api_at_its_root() -> None:
    (configuration,) = RESOURCES["Domain"]["Properties"]["DomainNameConfigurations"]
    assert configuration["SecurityPolicy"] == "TLS_1_2"
    assert "ApiMappingKey" not in RESOURCES["DomainMapping"]["Properties"]
    conditions = [RESOURCES[name]["Condition"] for name in ("Domain", "DomainMapping", "DomainRecord")]
    assert conditions == ["HasDomain", "HasDomain", "HasHostedZone"]


def test_links_to_the_apis_own_address_go_on_working_beside_a_domain() -> None:
    """They are in emails that lie in inboxes for years."""
    for api in of_type("AWS::Serverless::HttpApi").values():
        assert "DisableExecuteApiEndpoint" not in api


def test_links_lead_to_the_domain_unless_another_url_is_given() -> None:
    by_domain = {"Fn::Sub": "https://${DomainName}"}
    for value in (
        GLOBAL["Environment"]["Variables"]["PUBLIC_URL"],
        FUNCTIONS["CourierFunction"]["Environment"]["Variables"]["PUBLIC_URL"],
        TEMPLATE["Outputs"]["Url"]["Value"],
    ):
        condition, given, rest = value["Fn::If"]
        assert (condition, given) == ("HasPublicUrl", {"Ref": "PublicUrl"})
        assert rest["Fn::If"][:2] == ["HasDomain", by_domain]


def test_the_template_is_ascii() -> None:
    """CloudFormation shows anything else as a question mark."""
    assert (ROOT / "template.yaml").read_text("utf-8").isascii()


def test_cloudformation_reads_the_template_without_aliases() -> None:
    """It refuses YAML's."""
    assert not re.search(r"(?m)[:-] [&*][a-z]", (ROOT / "template.yaml").read_text())
