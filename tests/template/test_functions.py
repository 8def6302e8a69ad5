"""Functions: code, log groups, layers, time-outs and environment."""

from __future__ import annotations

import ast
import re
from typing import Any, Final

import pytest

from consentry.settings import Settings
from support.template import (
    DAY_S,
    FOLDERS,
    FUNCTIONS,
    GLOBAL,
    PARAMETERS,
    QUEUES,
    RESOURCES,
    ROOT,
    TEMPLATE,
    flat,
    of_type,
    sources,
    texts,
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_writes_to_a_log_group_of_its_own_that_expires(name: str) -> None:
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]
    assert RESOURCES[group]["Type"] == "AWS::Logs::LogGroup"
    users = [each for each, function in FUNCTIONS.items() if function["LoggingConfig"]["LogGroup"]["Ref"] == group]
    assert users == [name]


def test_every_log_group_expires() -> None:
    assert of_type("AWS::Logs::LogGroup")
    for name, group in of_type("AWS::Logs::LogGroup").items():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    shortest = min(PARAMETERS["LogRetentionDays"]["AllowedValues"])
    assert shortest * DAY_S >= max(queue["MessageRetentionPeriod"] for queue in QUEUES.values()), "sealed opt-outs"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_code_exists_and_has_the_handler(name: str) -> None:
    folder = ROOT / FUNCTIONS[name]["CodeUri"]
    module, _, function = FUNCTIONS[name].get("Handler", GLOBAL["Handler"]).partition(".")
    tree = ast.parse((folder / f"{module}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {ast.unparse(target) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    assert function in defined | assigned
    assert FUNCTIONS[name]["Description"]


def test_every_folder_of_code_is_deployed_once() -> None:
    deployed = sorted(ROOT / function["CodeUri"] for function in FUNCTIONS.values())
    assert deployed == FOLDERS


LEADS_ON: Final = {"sqs:SendMessage", "sns:Publish", "s3:PutObject", "lambda:InvokeFunction"}
"""What Lambda can follow from a function to the next, by way of SQS, SNS and S3; not by a table and its stream:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""


def leads(resources: dict[str, Any]) -> dict[str, set[str]]:
    """What each resource leads to: from a function to what it may send to, from that to who takes it."""
    found: dict[str, set[str]] = {name: set() for name in resources}

    def named(node: Any) -> set[str]:
        return {name for text in texts(node) for name in re.findall(r"\w+", text) if name in resources}

    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            for policy in properties.get("Policies", ()):
                for each in policy["Statement"]:
                    statement = each["Fn::If"][1] if "Fn::If" in each else each
                    if LEADS_ON & set(flat(statement["Action"])):
                        found[name] |= named(statement["Resource"])
            for event in properties.get("Events", {}).values():
                if event["Type"] in {"SQS", "SNS", "S3"}:
                    for source in named({key: event["Properties"].get(key) for key in ("Queue", "Topic", "Bucket")}):
                        found[source].add(name)
        elif resource["Type"] == "AWS::SNS::Subscription":
            for topic in named(properties["TopicArn"]):
                found[topic] |= named(properties["Endpoint"])
        elif resource["Type"] == "AWS::S3::Bucket":
            found[name] |= named(properties.get("NotificationConfiguration", {}))
    return found


def round_again(resources: dict[str, Any]) -> set[str]:
    """The functions that what they send comes back to, by way of whatever else."""
    follows = leads(resources)
    looping = set()
    for name, resource in resources.items():
        seen: set[str] = set()
        ahead = list(follows[name])
        while ahead:
            if (each := ahead.pop()) not in seen:
                seen.add(each)
                ahead += follows[each]
        if resource["Type"] == "AWS::Serverless::Function" and name in seen:
            looping.add(name)
    return looping


def test_a_function_that_sends_to_its_own_queue_may_and_no_other() -> None:
    """Lambda ends what it takes for an endless loop after some 16 rounds."""
    allowed = {name for name, function in FUNCTIONS.items() if "RecursiveLoop" in function}
    assert {FUNCTIONS[name]["RecursiveLoop"] for name in allowed} == {"Allow"}
    assert round_again(RESOURCES) == allowed == {"CourierFunction", "ArchiveFunction", "NotifierFunction"}


def test_a_loop_by_way_of_others_is_found_too() -> None:
    def function(sends: str, to: str, **event: str) -> dict[str, Any]:
        statement = {"Action": [sends], "Resource": {"Fn::Sub": f"${{{to}.Arn}}/*"}}
        (kind,) = event
        events = {"E": {"Type": {"Queue": "SQS", "Topic": "SNS"}[kind], "Properties": {kind: {"Ref": event[kind]}}}}
        return {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Policies": [{"Statement": [statement]}], "Events": events},
        }

    notified = {"QueueConfigurations": [{"Queue": {"Fn::GetAtt": ["B", "Arn"]}}]}
    resources: dict[str, Any] = {
        "A": {"Type": "AWS::SQS::Queue"},
        "B": {"Type": "AWS::SQS::Queue"},
        "C": {"Type": "AWS::SQS::Queue"},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"NotificationConfiguration": notified}},
        "Follows": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": {"Ref": "Topic"}, "Endpoint": {"Fn::GetAtt": ["A", "Arn"]}},
        },
        "First": function("s3:PutObject", "Bucket", Queue="A"),
        "Second": function("sns:Publish", "Topic", Queue="B"),
        "Reader": function("s3:GetObject", "Bucket", Queue="C"),
        "Sender": function("sqs:SendMessage", "A", Topic="Topic"),
    }
    assert round_again(resources) == {"First", "Second", "Sender"}
    del resources["Follows"]
    assert round_again(resources) == {"First", "Second", "Sender"}, "the topic leads to another function"
    del resources["Bucket"]["Properties"]
    assert round_again(resources) == set()


def test_whatever_reads_a_queue_or_the_stream_counts_how_old_what_fails_is() -> None:
    for function in FUNCTIONS.values():
        if {"SQS", "DynamoDB"} & {event["Type"] for event in function.get("Events", {}).values()}:
            handler = ROOT / function["CodeUri"] / "handler.py"
            assert "return batches.process(event, " in handler.read_text(), handler


def test_what_lies_beside_a_handler_is_only_what_ships() -> None:
    for folder in FOLDERS:
        for path in folder.rglob("*"):
            if path.is_file():
                assert path.name == "handler.py" or path.parent.name == "templates", path


def test_there_are_two_layers_and_every_function_has_both() -> None:
    layers = of_type("AWS::Serverless::LayerVersion")
    assert sorted(layer["ContentUri"] for layer in layers.values()) == ["layers/consentry", "layers/vendor"]
    assert sorted(each["Ref"] for each in GLOBAL["Layers"]) == sorted(layers)
    for name, function in FUNCTIONS.items():
        assert "Layers" not in function, name
    for name in layers:
        folder = ROOT / layers[name]["ContentUri"]
        assert RESOURCES[name]["Metadata"] == {"BuildMethod": "makefile"}
        assert f"build-{name}:" in (folder / "Makefile").read_text()


def test_every_function_ends_in_time() -> None:
    for name, function in FUNCTIONS.items():
        timeout = function.get("Timeout", GLOBAL["Timeout"])
        web = any(event["Type"] == "HttpApi" for event in function.get("Events", {}).values())
        assert 0 < timeout <= (29 if web else 900), name  # an HTTP API gives up after 30 s


def test_no_secret_is_in_an_environment() -> None:
    for name, function in {"Globals": GLOBAL, **FUNCTIONS}.items():
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            assert not [text for text in texts(value) if "{{resolve:" in text or "SecretString" in text], name
            if re.search(r"SECRET|KEY|TOKEN|PASSWORD", variable):
                assert variable.endswith("_ARN"), (name, variable)
                assert isinstance(value, dict), (name, variable)


def test_no_parameter_asks_for_a_secret() -> None:
    assert not [
        name for name in TEMPLATE["Parameters"] if re.search(r"secret|password|token|apikey", name, re.IGNORECASE)
    ]


def test_everything_that_the_code_asks_of_its_environment_is_in_the_template() -> None:
    wanted = set(map(str.upper, Settings._fields))
    for path in (ROOT / "layers/consentry/consentry/telemetry.py", *(path for path, _ in sources())):
        wanted |= set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', path.read_text()))
    given = set(GLOBAL["Environment"]["Variables"])
    for function in FUNCTIONS.values():
        given |= set(function.get("Environment", {}).get("Variables", {}))
    assert (
        wanted - given - {"CONSENTRY_COMPILED", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_INITIALIZATION_TYPE"} == set()
    )
