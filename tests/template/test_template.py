"""Rules over the template: what every function, queue, table and statement of ours must have."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from consentry import telemetry
from consentry.actions import archiving, notifications, replay
from consentry.actions.waiting import LONGEST_DELAY_S
from consentry.http import batches
from consentry.inbound import feedback
from consentry.settings import Settings
from consentry.table import endpoints
from consentry_build.services import SERVICES
from dev.audit import cloudformation
from dev.emulator.inside import specificity
from support import events

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final[dict[str, Any]] = cloudformation.read(ROOT / "template.yaml")
RESOURCES: Final[dict[str, Any]] = TEMPLATE["Resources"]
GLOBAL: Final[dict[str, Any]] = TEMPLATE["Globals"]["Function"]

WIDE_RESOURCES: Final = {
    # SES can't limit who receives; the condition beside it limits who sends.
    ("CourierFunction", "SendMails"),
}
"""Statements whose resource holds a wildcard, each with its reason."""

"""The objects of a folder in a bucket of ours: they can't be named one by one."""

ALLOWED_IMPORTS: Final = {"consentry", "aws_lambda_powertools", "pydantic"}


def of_type(kind: str) -> dict[str, Any]:
    """The properties of every resource of a type, by logical id."""
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


FUNCTIONS: Final = of_type("AWS::Serverless::Function")
QUEUES: Final = of_type("AWS::SQS::Queue")
ALARMS: Final = of_type("AWS::CloudWatch::Alarm")
STATEMENTS: Final = [
    (name, statement)
    for name, function in FUNCTIONS.items()
    for policy in function.get("Policies", ())
    for statement in (policy.get("Statement", [policy]) if isinstance(policy, dict) else [policy])
]
STEPS: Final = RESOURCES["BulkStateMachine"]["Properties"]["Definition"]["States"]
FOLDERS: Final = sorted(path.parent for path in (ROOT / "functions").glob("*/handler.py"))


def flat(value: Any) -> list[Any]:
    """A list, of what may be one thing or several."""
    return value if isinstance(value, list) else [value]


def is_wide(resource: str) -> bool:
    """Whether a resource holds a wildcard, other than for whatever lies in a bucket of ours."""
    return "*" in re.sub(r"^\$\{\w+Bucket\.Arn\}/([a-z]+/)?\*$", "", resource)


def texts(node: Any) -> Iterator[str]:
    """Every string in a part of the template."""
    if isinstance(node, dict):
        for each in node.values():
            yield from texts(each)
    elif isinstance(node, list):
        for each in node:
            yield from texts(each)
    elif isinstance(node, str):
        yield node


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file of every function."""
    for path in sorted((ROOT / "functions").rglob("*.py")):
        yield path, ast.parse(path.read_text())


# --- permissions ------------------------------------------------------------------------------------------------------


def ids(value: Any) -> str:
    """How a statement or function is called in the output."""
    return value if isinstance(value, str) else value.get("Sid", "?") if isinstance(value, dict) else ""


@pytest.mark.parametrize(("function", "statement"), STATEMENTS, ids=ids)
def test_a_statement_allows_named_actions_on_named_resources_and_says_what_for(
    function: str, statement: dict[str, Any]
) -> None:
    assert isinstance(statement, dict), "a managed policy or SAM policy template: write the statement"
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", statement["Sid"])
    assert statement["Effect"] == "Allow"
    for action in flat(statement["Action"]):
        assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action), action
    assert flat(statement["Resource"])
    if (function, statement["Sid"]) not in WIDE_RESOURCES:
        assert not [text for text in texts(statement["Resource"]) if is_wide(text)]


def test_no_statement_is_listed_as_wide_that_is_not() -> None:
    wide = {
        (function, statement["Sid"])
        for function, statement in STATEMENTS
        if any(is_wide(text) for text in texts(statement["Resource"]))
    }
    assert wide == WIDE_RESOURCES
    for function, statement in STATEMENTS:
        if (function, statement["Sid"]) in WIDE_RESOURCES:
            assert statement["Condition"]


def test_the_purposes_of_one_functions_statements_differ() -> None:
    for function in FUNCTIONS:
        sids = [statement["Sid"] for name, statement in STATEMENTS if name == function]
        assert len(sids) == len(set(sids)) > 0, function


def test_no_function_may_do_more_to_the_table_than_its_work_needs() -> None:
    for function, statement in STATEMENTS:
        actions = {each for each in flat(statement["Action"]) if each.startswith("dynamodb:")}
        assert not actions & {"dynamodb:DeleteTable", "dynamodb:UpdateTable"}, function
        scans = {("ArchiveFunction", "ReadEveryLedger"), ("BulkFunction", "Export")}
        assert ("dynamodb:Scan" in actions) == ((function, statement["Sid"]) in scans)


def keys_that_begin_with(prefix: str) -> dict[str, Any]:
    """The condition that a call names partition keys, and none but such."""
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{prefix}*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def conditions(node: Any) -> Iterator[dict[str, Any]]:
    """Every `Condition` of a policy's statement in a part of the template."""
    if isinstance(node, list):
        for each in node:
            yield from conditions(each)
    if isinstance(node, dict):
        if "Effect" in node:
            yield node.get("Condition", {})
        for each in node.values():
            yield from conditions(each)


def test_a_call_that_names_nothing_slips_through_no_condition_over_all_it_names() -> None:
    """`ForAllValues` holds of no values at all:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    over_all = [
        (condition, key)
        for condition in conditions(RESOURCES)
        for operator, keys in condition.items()
        if operator.startswith("ForAllValues:")
        for key in keys
    ]
    assert over_all
    for condition, key in over_all:
        assert condition["Null"][key] == "false"


def test_the_notifier_writes_how_endpoints_stand_and_nothing_else() -> None:
    statements = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "NotifierFunction"}
    assert statements["NoteHowEndpointsStand"]["Condition"] == keys_that_begin_with("L#endpoint#")
    written: list[dict[str, Any]] = []
    table: Any = SimpleNamespace(get=lambda _: {}, update=written.append)
    endpoints.Endpoints(table, lambda _: None).refused("demo", "crm", 1)
    assert [each["Key"]["pk"]["S"] for each in written] == ["L#endpoint#demo#crm"]
    writing = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert [sid for sid, each in statements.items() if writing & {*flat(each["Action"])}] == ["NoteHowEndpointsStand"]


def test_the_archives_function_can_write_no_consent_and_delete_nothing() -> None:
    statements = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "ArchiveFunction"}
    writing = [each for each in statements.values() if {"dynamodb:PutItem", "s3:PutObject"} & {*flat(each["Action"])}]
    assert [each["Sid"] for each in writing] == ["NoteWhereRunsAre", "WriteParts"]
    assert statements["NoteWhereRunsAre"]["Condition"] == keys_that_begin_with("L#archive#")
    actions = {action for each in statements.values() for action in flat(each["Action"])}
    assert {each for each in actions if each.startswith("s3:")} == {"s3:PutObject"}
    assert not [each for each in actions if "Delete" in each or "Bypass" in each or "Update" in each]


def test_the_permissions_are_those_that_the_stores_calls_need() -> None:
    """`TransactWriteItems` is allowed by the actions that it is made of; nothing asks for it by name."""
    recipients = {"SubscribeFunction", "ConfirmFunction", "UnsubscribeFunction", "PreferencesFunction"}
    for function in recipients:
        actions = {each for name, statement in STATEMENTS if name == function for each in flat(statement["Action"])}
        assert actions >= {"dynamodb:PutItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"}, function
        assert not [each for each in actions if each.startswith("ses:")], function


# --- functions --------------------------------------------------------------------------------------------------------


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
                for statement in policy["Statement"]:
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


# --- parameters -------------------------------------------------------------------------------------------------------

PARAMETERS: Final[dict[str, Any]] = TEMPLATE["Parameters"]


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


# --- a domain ---------------------------------------------------------------------------------------------------------


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


# --- versions ---------------------------------------------------------------------------------------------------------


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


WAITED_FOR: Final = {
    name
    for name, function in FUNCTIONS.items()
    if any(event["Type"] == "HttpApi" for event in function.get("Events", {}).values())
}
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


# --- storage ----------------------------------------------------------------------------------------------------------


KEPT: Final = ("RetainExceptOnCreate", "Retain")
"""Nothing is left behind by a first deployment that fails:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""


def test_the_table_survives_mistakes() -> None:
    (table,) = [each for each in RESOURCES.values() if each["Type"] == "AWS::DynamoDB::Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == KEPT
    properties = table["Properties"]
    assert properties["DeletionProtectionEnabled"] == {"Ref": "TableDeletionProtection"}
    assert TEMPLATE["Parameters"]["TableDeletionProtection"]["Default"] == "true"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in properties, "DynamoDB's own key: free, and no opt-out waits for KMS"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_the_attribute_that_expires_is_the_one_that_the_store_writes() -> None:
    store = (ROOT / "layers/consentry/consentry/table/store.py").read_text()
    assert '"expires_at"' in store


def test_the_keyring_survives_the_stack() -> None:
    secrets = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::SecretsManager::Secret"}
    assert secrets
    for name, secret in secrets.items():
        assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == KEPT, name
        assert "SecretString" not in secret["Properties"], name


def test_what_is_archived_can_neither_be_changed_nor_read_by_the_public_nor_go_with_the_stack() -> None:
    name, bucket = "ArchiveBucket", RESOURCES["ArchiveBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == KEPT
    properties = bucket["Properties"]
    assert properties["ObjectLockEnabled"] is True
    retention = properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention == {"Mode": {"Ref": "ArchiveLockMode"}, "Years": {"Ref": "ArchiveLockYears"}}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert [*properties["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert properties["BucketEncryption"]
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert not [each for rule in rules for each in rule if "Expiration" in each], "nothing goes by itself"
    (policy,) = statements("ArchiveBucketPolicy").values()
    assert (policy["Effect"], policy["Principal"], policy["Action"]) == ("Deny", "*", "s3:*")
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


def without(condition: str, node: Any) -> Any:
    """A part of the template as it is where a condition doesn't hold."""
    if isinstance(node, list):
        return [without(condition, each) for each in node]
    if isinstance(node, dict):
        if node.get("Fn::If", [""])[0] == condition:
            return without(condition, node["Fn::If"][2])
        return {name: without(condition, each) for name, each in node.items()}
    return node


def test_without_an_archive_nothing_of_it_is_deployed() -> None:
    parts = {name: each for name, each in RESOURCES.items() if name.startswith("Archive")}
    outputs = {name: each for name, each in TEMPLATE["Outputs"].items() if name.startswith("Archive")}
    assert len(parts) == 8
    for name, each in {**parts, **outputs}.items():
        assert each["Condition"] == "HasArchive", name
    others = without("HasArchive", {name: each for name, each in RESOURCES.items() if name not in parts})
    mentioned = [text.replace("${ArchiveSegments}", "").replace("${OfTheArchive}", "") for text in texts(others)]
    assert not [text for text in mentioned if "Archive" in text]


def test_the_archives_function_has_time_for_a_step_and_what_follows() -> None:
    assert FUNCTIONS["ArchiveFunction"]["Timeout"] >= 2 * archiving.STEP_S
    assert GLOBAL["MemorySize"] << 20 >= archiving.PART_BYTES * 8
    assert TEMPLATE["Parameters"]["ArchiveSegments"]["MaxValue"] == archiving.MOST_SEGMENTS


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted_and_loses_nothing(name: str) -> None:
    queue = QUEUES[name]
    assert queue.get("SqsManagedSseEnabled") is True or queue.get("KmsMasterKeyId")
    assert not re.search(r"\$\{(?!AWS::)", str(queue.get("QueueName", "")))
    if name.endswith("DeadLetters"):
        assert queue["MessageRetentionPeriod"] == 14 * 86_400
        return
    target, _ = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
    assert target in QUEUES
    assert target.endswith("DeadLetters")


DAY_S: Final = 86_400
WAITS: Final = {"SpoolQueue": replay.WAITS.after, "FeedbackQueue": feedback.WAITS.after}
"""Seconds between one try and the next, by their number; elsewhere what failed comes back when it is visible again."""
SENT_ANEW: Final = {"NotificationQueue": "NotificationDeadLetters"}
"""Where the function itself sends what it gives up: a message of its own, whose fourteen days begin then. What it puts
off is a message of its own, too; `maxReceiveCount` is for crashes."""
READERS: Final = {
    event["Properties"]["Queue"]["Fn::GetAtt"][0]: name
    for name, function in FUNCTIONS.items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "SQS"
}
"""The function that reads each queue."""


def wait(queue: str, tries: int) -> int:
    """Seconds from the beginning of a try, the first being 1, to the next at the latest."""
    visibility: int = QUEUES[queue]["VisibilityTimeout"]
    if queue in SENT_ANEW:
        return LONGEST_DELAY_S + visibility
    if queue not in WAITS:
        return visibility
    return max(visibility, WAITS[queue](tries) + FUNCTIONS[READERS[queue]].get("Timeout", GLOBAL["Timeout"]))


def given_up_after(queue: str) -> int:
    """Seconds from the sending of a message to its coming among the dead letters, at the latest."""
    if queue in SENT_ANEW:
        return notifications.SPAN_MS // 1000 + 2 * wait(queue, 1)
    return sum(wait(queue, tries) for tries in range(1, 1 + QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"]))


@pytest.mark.parametrize("queue", [each for each in QUEUES if "RedrivePolicy" in QUEUES[each]])
def test_whoever_is_woken_by_a_dead_letter_has_twelve_days_left(queue: str) -> None:
    """SQS deletes it so long after it was first sent:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
    """
    dead = QUEUES[queue]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    assert QUEUES[queue]["MessageRetentionPeriod"] > given_up_after(queue), "or it is deleted before it is given up"
    left = QUEUES[dead]["MessageRetentionPeriod"]
    if queue in SENT_ANEW:
        assert dead == SENT_ANEW[queue]
        sending = [s for name, s in STATEMENTS if name == READERS[queue] and "sqs:SendMessage" in flat(s["Action"])]
        assert {"Fn::GetAtt": [dead, "Arn"]} in [each["Resource"] for each in sending]
        crashes = QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"]
        assert crashes >= 1 + len(notifications.WAITS.waits_s), "what the version before put off was received so often"
    else:
        left -= given_up_after(queue)
    assert left >= 12 * DAY_S


@pytest.mark.parametrize("queue", WAITS)
def test_what_waits_in_flight_is_visible_again_within_an_hour(queue: str) -> None:
    """While 120,000 are in flight no other is received. These wait for the table, all of them: once it is back, each
    that becomes visible is done, and makes room. Decision 0034.
    """
    assert max(map(WAITS[queue], range(1, 100))) <= 3_600


def test_no_function_keeps_in_flight_what_waits_for_somebody_else() -> None:
    hides = {name for name, each in STATEMENTS if "sqs:ChangeMessageVisibility" in flat(each["Action"])}
    assert hides == {READERS[queue] for queue in WAITS}


def test_an_opt_out_is_tried_for_nearly_two_days_before_it_is_given_up() -> None:
    for queue in ("SpoolQueue", "FeedbackQueue", "InboundQueue"):
        assert 1.75 * DAY_S < given_up_after(queue) <= 2 * DAY_S, queue


@pytest.mark.parametrize("name", [each for each in QUEUES if each.endswith("DeadLetters")])
def test_dead_letters_raise_an_alarm_and_can_be_found(name: str) -> None:
    alarms = [
        each
        for each in ALARMS.values()
        if each.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and each["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}}]
    ]
    assert [each["Threshold"] for each in alarms] == [0]
    assert TEMPLATE["Outputs"][f"{name}Url"]["Value"] == {"Ref": name}


WAKE_SOMEBODY: Final = {
    *("SpoolAgeAlarm", "SpoolDeadLettersAlarm", "OptOutsKeptInLogAlarm", "OptOutsNotKeptAlarm"),
    *("InboundDeadLettersAlarm", "StreamDeadLettersAlarm", "StreamAgeAlarm", "MailDeadLettersAlarm"),
    *("ApiFaultsAlarm", "ApiLatencyAlarm", "BreakerOpenAlarm"),
    *("OptOutsRefusedAlarm", "OptOutThrottlesAlarm", "OneClickErrorsAlarm"),
    *("FeedbackAgeAlarm", "InboundAgeAlarm", "WorkerErrorsAlarm", "FaultsAlarm", "PermanentFaultsAlarm"),
}
"""Opt-outs are at stake, or people are turned away. Whatever else there is can wait for the morning."""
RUNBOOKS: Final = ROOT / "docs/runbooks"
HEADINGS: Final = ["What it means", "Who notices", "What to look at", "What to do"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_and_wakes_somebody_or_waits(name: str) -> None:
    alarm = ALARMS[name]
    told = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    notice = {"Fn::If": ["HasNoticeTopic", [{"Ref": "NoticeTopicArn"}], told]}
    assert alarm["AlarmActions"] == alarm["OKActions"] == (told if name in WAKE_SOMEBODY else notice)
    assert alarm["TreatMissingData"] == "notBreaching", "queues and metrics that nothing happened to have no data"
    assert re.fullmatch(rf".{{20,}}\. docs/runbooks/{name}\.md", alarm["AlarmDescription"])


@pytest.mark.parametrize("name", ALARMS)
def test_whoever_an_alarm_wakes_finds_its_page(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == HEADINGS
    assert re.search(r"^```", page, re.MULTILINE), "something to copy"
    assert len(page.split()) < 350, "it is three in the morning"
    assert f"runbooks/{name}.md" in (ROOT / "docs/deploying.md").read_text("utf-8")
    assert f"({name}.md)" in (RUNBOOKS / "README.md").read_text("utf-8")


def test_no_runbook_is_of_an_alarm_that_is_gone() -> None:
    assert {each.stem for each in RUNBOOKS.glob("*.md")} - {"README"} == set(ALARMS)


def measured(value: Any) -> Iterator[dict[str, Any]]:
    """Every `Metric` of a math alarm."""
    for each in value.get("Metrics", ()):
        on_condition = each["Fn::If"][1] if "Fn::If" in each else each
        if "MetricStat" in on_condition:
            yield on_condition["MetricStat"]["Metric"]


def test_each_function_that_nobody_waits_for_is_watched_for_crashes() -> None:
    """Of the others the API tells: a crash is a 5xx. One with dead letters of its own ends there."""
    behind_queues = {
        name
        for name, function in FUNCTIONS.items()
        if not any(event["Type"] == "HttpApi" for event in function.get("Events", {}).values())
        and "DeadLetterQueue" not in function
        and name not in {"RotationFunction", "BulkFunction"}  # have alarms of their own
    }
    assert ALARMS["BulkFailedAlarm"]["MetricName"] == "ExecutionsFailed"
    assert ALARMS["RotationFailedAlarm"]["Dimensions"][0]["Value"] == {"Ref": "RotationFunction"}
    watched = {
        dimension["Value"]["Ref"] for each in measured(ALARMS["WorkerErrorsAlarm"]) for dimension in each["Dimensions"]
    }
    assert watched == behind_queues


def signs_of_errors(function: str) -> Iterator[tuple[str, str, Any]]:
    """By which metrics a function's errors are seen: namespace, name, and the value of the one dimension."""
    yield "AWS/Lambda", "Errors", {"Ref": function}
    if function in WAITED_FOR:
        yield "AWS/ApiGateway", "5xx", {"Ref": "HttpApi"}
    if f"{function}.Alias" in texts(STEPS):
        yield "AWS/States", "ExecutionsFailed", {"Ref": "BulkStateMachine"}
    if "DeadLetterQueue" in FUNCTIONS[function]:
        (dead, _) = FUNCTIONS[function]["DeadLetterQueue"]["TargetArn"]["Fn::GetAtt"]
        yield "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"Fn::GetAtt": [dead, "QueueName"]}


def test_every_function_is_watched_for_errors() -> None:
    watched = [
        (each["Namespace"], each["MetricName"], each["Dimensions"][0]["Value"])
        for alarm in ALARMS.values()
        for each in (alarm, *measured(alarm))
        if len(each.get("Dimensions", ())) == 1
    ]
    assert [name for name in FUNCTIONS if not any(sign in watched for sign in signs_of_errors(name))] == []


def test_every_queue_is_watched_for_its_age_or_for_dead_letters() -> None:
    """What such an alarm has to measure is held to by the tests beside."""
    dead = {name for name in QUEUES if name.endswith("DeadLetters")}
    assert set(READERS) == set(QUEUES) - dead
    ages = {name.removesuffix("AgeAlarm") for name in ALARMS if name.endswith("AgeAlarm")}
    assert ages - {"Stream"} == {queue.removesuffix("Queue") for queue in READERS}
    assert {name for name in ALARMS if name.endswith("DeadLettersAlarm")} == {f"{name}Alarm" for name in dead}
    redriven = [each["RedrivePolicy"]["deadLetterTargetArn"] for name, each in QUEUES.items() if name in READERS]
    assert dead - {each["Fn::GetAtt"][0] for each in redriven} == {"StreamDeadLetters"}


OPT_OUTS: Final = {"SpoolQueue", "FeedbackQueue", "InboundQueue"}


@pytest.mark.parametrize("queue", READERS)
def test_what_waits_too_long_in_a_queue_is_noticed_whether_it_fails_or_nobody_reads_it(queue: str) -> None:
    """SQS leaves out of its own age what was received three times:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    of_queue = {"Fn::GetAtt": [queue, "QueueName"]}
    watched = {
        name: {
            (each["MetricName"], each["Dimensions"][0]["Name"])
            for each in measured(alarm)
            if each["Dimensions"][0]["Value"] == of_queue
        }
        for name, alarm in ALARMS.items()
        if "Metrics" in alarm
    }
    ((name, metrics),) = ((name, found) for name, found in watched.items() if found)
    assert metrics == {("Waiting", "queue"), ("ApproximateAgeOfOldestMessage", "QueueName")}
    alarm = ALARMS[name]
    (period,) = {each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert {each["MetricStat"]["Stat"] for each in alarm["Metrics"] if "MetricStat" in each} == {"Maximum"}
    longest = max(wait(queue, tries) for tries in range(1, 1 + QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"]))
    assert alarm["DatapointsToAlarm"] == 1
    assert longest < alarm["EvaluationPeriods"] * period, "or it would be in order again between two tries"
    assert alarm["EvaluationPeriods"] * period <= (7 * DAY_S if period >= 3600 else DAY_S), "CloudWatch's own limit"
    assert alarm["Threshold"] < given_up_after(queue), "or it could never ring for what fails"
    if queue in OPT_OUTS:
        assert alarm["Threshold"] <= 300
        assert name in WAKE_SOMEBODY


def test_an_endpoint_that_is_away_keeps_its_alarm_though_it_gets_few_calls() -> None:
    alarm = ALARMS["NotificationsFailingAlarm"]
    assert [(each["MetricName"], each["Dimensions"][0]["Value"]) for each in measured(alarm)] == [
        ("Notifications", "failed"),
        ("EndpointsAway", "consentry"),
    ]
    (period,) = {each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each}
    found = re.search(r"FILL\(away, 0\) > (\d+)", alarm["Metrics"][0]["Expression"])
    assert found
    a_try = endpoints.PAUSES_S[-1] + FUNCTIONS["NotifierFunction"]["Timeout"]
    assert 1 < int(found[1]) < period // a_try, "and one that is back after half a minute rings nothing"


def test_what_holds_up_the_stream_is_noticed() -> None:
    (failing,) = [each for each in measured(ALARMS["StreamAgeAlarm"]) if each["MetricName"] == "Waiting"]
    assert failing["Dimensions"] == [{"Name": "queue", "Value": batches.STREAM}]
    names = {each["MetricName"] for each in measured(ALARMS["StreamAgeAlarm"])}
    assert names == {"Waiting", "IteratorAge"}


@pytest.mark.parametrize("name", ["PermanentFaultsAlarm", "FaultsAlarm"])
def test_faults_wake_somebody_within_minutes(name: str) -> None:
    alarm = ALARMS[name]
    assert name == f"{alarm['MetricName']}Alarm"
    assert alarm["Period"] * alarm["DatapointsToAlarm"] <= 300
    assert ALARMS["PermanentFaultsAlarm"]["Threshold"] == 0, "one is enough"


def test_every_function_is_watched_for_starts_that_lambda_refuses() -> None:
    watched = [
        dimension["Value"]["Ref"]
        for alarm in ALARMS.values()
        for each in measured(alarm)
        if each["MetricName"] == "Throttles"
        for dimension in each["Dimensions"]
    ]
    assert sorted(watched) == sorted(FUNCTIONS)


def test_an_alarm_adds_up_no_more_than_ten_metrics() -> None:
    """CloudWatch takes no more."""
    for name, alarm in ALARMS.items():
        assert len(list(measured(alarm))) <= 10, name


# --- the dashboard ----------------------------------------------------------------------------------------------------


BODY, ON_CONDITION = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
"""What the dashboard always has, and its parts that are there on a condition, by name."""


def whole_body() -> str:
    """The dashboard's body where every condition holds; `${…}` of a resource stays as it is."""
    text: str = BODY
    for name, part in ON_CONDITION.items():
        text = text.replace(f"${{{name}}}", part["Fn::If"][1]["Fn::Sub"])
    return text


def dashboard() -> list[dict[str, Any]]:
    """The widgets' properties; `${…}` stays as it is."""
    return [each["properties"] for each in json.loads(whole_body())["widgets"]]


def searches() -> Iterator[str]:
    """Every search of the dashboard."""
    for widget in dashboard():
        yield from (metric[0]["expression"] for metric in widget.get("metrics", ()) if isinstance(metric[0], dict))


def shown() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Namespace, name and dimensions of every metric on the dashboard."""
    for expression in searches():
        found = re.fullmatch(
            r"""SEARCH\('\{"?([^",]+)"?,([A-Za-z,]+)\} MetricName="(\w+)"(?: \("\$\{\w+\}"(?: OR "\$\{\w+\}")*\))?', """
            r"""'(?:Sum|Maximum)', 300\)""",
            expression,
        )
        assert found, expression
        yield found[1], found[3], tuple(found[2].split(","))
    for plain in plainly_shown():
        yield plain[0], plain[1], tuple(plain[2::2])


def plainly_shown() -> list[list[str]]:
    """What the dashboard names, row by row: namespace, name, and names and values of dimensions."""
    metrics = [metric for widget in dashboard() for metric in widget.get("metrics", ())]
    return [[each for each in metric if isinstance(each, str)] for metric in metrics if isinstance(metric[0], str)]


FILTERED: Final = {
    filtered["MetricTransformations"][0]["MetricName"]: filtered
    for filtered in of_type("AWS::Logs::MetricFilter").values()
}
"""What CloudWatch counts in logs, by metric."""


def test_the_dashboard_shows_every_metric_of_ours_and_none_that_nothing_counts() -> None:
    ours = {(name, dimensions) for namespace, name, dimensions in shown() if not namespace.startswith("AWS/")}
    assert ours == {(name, each.dimensions) for name, each in telemetry.METRICS.items()} | {
        (name, ()) for name in FILTERED
    }
    namespace = GLOBAL["Environment"]["Variables"]["METRICS_NAMESPACE"]["Fn::Sub"]
    assert {each for each, _, _ in shown() if not each.startswith("AWS/")} == {namespace}


AWS_METRICS: Final = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": {"Count", "4xx", "5xx", "IntegrationLatency", "Latency"},
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": {"Errors", "Throttles", "IteratorAge"},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS/DynamoDB": {
        *("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"),
        *("TransactionConflict", "SystemErrors"),
    },
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": {"ExecutionsFailed"},
}


def test_what_is_watched_of_aws_is_something_that_aws_measures() -> None:
    alarms = [(each["Namespace"], each["MetricName"]) for each in ALARMS.values() if "MetricName" in each]
    alarms += [(each["Namespace"], each["MetricName"]) for alarm in ALARMS.values() for each in measured(alarm)]
    for namespace, name in [*[(namespace, name) for namespace, name, _ in shown()], *alarms]:
        if isinstance(namespace, str) and namespace.startswith("AWS/"):
            assert name in AWS_METRICS[namespace]


def named_in(body: str) -> set[str]:
    """What a part of the dashboard's body names."""
    return set(re.findall(r"\$\{([A-Za-z]\w*)[.}]", body))


def test_the_dashboard_names_only_what_is_there() -> None:
    always = named_in(BODY) - set(ON_CONDITION)
    assert named_in(BODY) - always == set(ON_CONDITION)
    assert always <= {name for name, each in RESOURCES.items() if "Condition" not in each}
    for part in ON_CONDITION.values():
        condition, there, otherwise = part["Fn::If"]
        assert {RESOURCES[name]["Condition"] for name in named_in(there["Fn::Sub"])} == {condition}
        assert otherwise == ""


def test_the_dashboard_shows_every_alarm_and_every_function_that_is_always_there() -> None:
    always = {name for name in FUNCTIONS if "Condition" not in RESOURCES[name]}
    assert {name for name in named_in(whole_body()) if name in {**ALARMS, **FUNCTIONS}} == {*ALARMS, *always}
    (listed,) = [each["alarms"] for each in dashboard() if "alarms" in each]
    assert sorted(listed) == sorted(f"${{{name}.Arn}}" for name in ALARMS)


def test_the_dashboard_names_no_more_metrics_than_a_free_one_may() -> None:
    """https://aws.amazon.com/cloudwatch/pricing/: three dashboards of up to 50 metrics each."""
    assert len(of_type("AWS::CloudWatch::Dashboard")) <= 3
    assert len(plainly_shown()) <= 50


def test_a_search_is_never_too_long_for_cloudwatch() -> None:
    """1,024 characters: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html."""
    for expression in searches():
        filled = expression.replace("${AWS::StackName}", 128 * "s")
        assert len(re.sub(r"\$\{\w+\}", 64 * "f", filled)) <= 1024, expression


def test_both_widgets_of_functions_show_every_one_that_is_always_there() -> None:
    always = {name for name in FUNCTIONS if "Condition" not in RESOURCES[name]}
    for name in ("Errors", "Throttles"):
        found = [each for each in searches() if f'MetricName="{name}"' in each]
        assert {function for each in found for function in re.findall(r"\$\{(\w+)\}", each)} == always


def test_widgets_lie_side_by_side() -> None:
    places = [
        (each["x"] + right, each["y"] + down)
        for each in json.loads(whole_body())["widgets"]
        for right in range(each["width"])
        for down in range(each["height"])
    ]
    assert len(places) == len(set(places))
    assert {x for x, _ in places} == set(range(24)), "CloudWatch's own width"


def test_an_alarm_of_a_metric_of_ours_is_of_one_that_is_counted() -> None:
    namespace = GLOBAL["Environment"]["Variables"]["METRICS_NAMESPACE"]
    watched = [*ALARMS.values(), *(each for alarm in ALARMS.values() for each in measured(alarm))]
    alarms = [each for each in watched if each.get("Namespace") == namespace]
    assert alarms
    for each in alarms:
        told_apart_by = tuple(dimension["Name"] for dimension in each.get("Dimensions", ()))
        counted = () if each["MetricName"] in FILTERED else telemetry.METRICS[each["MetricName"]].dimensions
        assert told_apart_by == counted, "or it never rings"


def test_the_access_log_tells_of_a_request_under_the_name_that_functions_log() -> None:
    said = json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])
    assert said["correlation_id"] == "$context.requestId"


def test_a_queue_waits_six_times_as_long_as_its_function() -> None:
    """AWS's own advice for queues that a function reads."""
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = QUEUES[event["Properties"]["Queue"]["Fn::GetAtt"][0]]
                assert queue["VisibilityTimeout"] >= 6 * function.get("Timeout", GLOBAL["Timeout"]), name


def test_what_fails_in_a_batch_fails_alone_and_is_kept() -> None:
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                properties = event["Properties"]
                assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
                if event["Type"] == "DynamoDB":
                    assert properties["DestinationConfig"]["OnFailure"]["Destination"], name
                    assert properties["MaximumRetryAttempts"] >= 0, name
                    assert properties["BisectBatchOnFunctionError"] is True, name


# --- feedback ---------------------------------------------------------------------------------------------------------


def only(kind: str) -> tuple[str, dict[str, Any]]:
    """The one resource of a type: its logical id and properties."""
    (found,) = of_type(kind).items()
    return found


def statements(policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a resource's policy, by purpose; one that is there on a condition as if it held."""
    listed = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    plain = [each["Fn::If"][1] if "Fn::If" in each else each for each in listed]
    return {each["Sid"]: each for each in plain}


def test_ses_alone_and_for_our_own_mails_alone_may_publish_to_the_topic() -> None:
    topic, _ = only("AWS::SNS::Topic")
    configuration_set, _ = only("AWS::SES::ConfigurationSet")
    assert only("AWS::SNS::TopicPolicy")[1]["Topics"] == [{"Ref": topic}]
    (statement,) = statements("FeedbackTopicPolicy").values()
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "ses.amazonaws.com"})
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", {"Ref": topic})
    condition = statement["Condition"]
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (source,) = texts(condition["ArnEquals"]["aws:SourceArn"])
    assert source.endswith(f":${{AWS::AccountId}}:configuration-set/${{{configuration_set}}}")
    assert set(condition) == {"StringEquals", "ArnEquals"}


def test_the_topic_alone_may_fill_the_feedbacks_queue() -> None:
    topic, _ = only("AWS::SNS::Topic")
    (statement,) = statements("FeedbackQueuePolicy").values()
    assert RESOURCES["FeedbackQueuePolicy"]["Properties"]["Queues"] == [{"Ref": "FeedbackQueue"}]
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "sns.amazonaws.com"})
    assert (statement["Action"], statement["Resource"]) == (
        "sqs:SendMessage",
        {"Fn::GetAtt": ["FeedbackQueue", "Arn"]},
    )
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": topic}}}
    _, subscription = only("AWS::SNS::Subscription")
    assert (subscription["TopicArn"], subscription["Protocol"]) == ({"Ref": topic}, "sqs")
    assert subscription["Endpoint"] == {"Fn::GetAtt": ["FeedbackQueue", "Arn"]}
    assert subscription["RawMessageDelivery"] is True, "the function reads SES's JSON, not SNS's envelope"


def test_the_topic_is_encrypted_with_a_key_that_ses_may_use() -> None:
    _, topic = only("AWS::SNS::Topic")
    name, key = only("AWS::KMS::Key")
    assert topic["KmsMasterKeyId"] == {"Ref": name}
    assert key["EnableKeyRotation"] is True
    (statement,) = [each for each in key["KeyPolicy"]["Statement"] if each["Principal"].get("Service")]
    assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
    assert sorted(statement["Action"]) == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_ses_tells_what_matters_for_consent_and_watches_nobody() -> None:
    name, destination = only("AWS::SES::ConfigurationSetEventDestination")
    assert destination["ConfigurationSetName"] == {"Ref": only("AWS::SES::ConfigurationSet")[0]}
    told = destination["EventDestination"]
    assert told["Enabled"] is True
    assert sorted(told["MatchingEventTypes"]) == ["bounce", "complaint", "reject", "subscription"]
    assert told["SnsDestination"] == {"TopicARN": {"Ref": only("AWS::SNS::Topic")[0]}}
    assert RESOURCES[name]["DependsOn"] == only("AWS::SNS::TopicPolicy")[0], "SES tries to publish when it is made"


def test_who_sends_may_use_the_configuration_set_that_every_mail_names() -> None:
    senders = {name for name, statement in STATEMENTS if "ses:SendEmail" in flat(statement["Action"])}
    assert senders == {"CourierFunction"}
    used = {
        text
        for name, statement in STATEMENTS
        if name in senders and "ses:SendEmail" in flat(statement["Action"])
        for text in texts(statement["Resource"])
    }
    assert any(text.endswith(":configuration-set/${ConfigurationSet}") for text in used)
    variables = FUNCTIONS["CourierFunction"]["Environment"]["Variables"]
    assert variables["CONFIGURATION_SET"] == {"Ref": "ConfigurationSet"}


def test_the_feedback_reads_no_more_than_it_writes_over_and_sends_nothing() -> None:
    actions = {each for name, each_of in STATEMENTS if name == "FeedbackFunction" for each in flat(each_of["Action"])}
    assert actions == {
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem", "dynamodb:BatchGetItem"),
        "secretsmanager:GetSecretValue",
        "sqs:ChangeMessageVisibility",
    }


# --- emails that come in ----------------------------------------------------------------------------------------------


def test_a_bucket_is_private_and_encrypted() -> None:
    assert of_type("AWS::S3::Bucket")
    for name, bucket in of_type("AWS::S3::Bucket").items():
        block = bucket["PublicAccessBlockConfiguration"]
        assert set(block) == {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}, name
        assert all(block.values()), name
        assert bucket["BucketEncryption"], name
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], name
        assert "BucketName" not in bucket, "names are everybody's"


def test_a_mail_that_came_in_is_soon_gone() -> None:
    bucket = RESOURCES["InboundBucket"]["Properties"]
    assert "VersioningConfiguration" not in bucket, "what is deleted is gone"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 15)


def test_a_mail_is_kept_as_long_as_a_message_tells_of_it() -> None:
    (rule,) = RESOURCES["InboundBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    for name in ("InboundQueue", "InboundDeadLetters"):
        assert rule["ExpirationInDays"] * 86_400 > QUEUES[name]["MessageRetentionPeriod"], name


def test_a_stack_with_unread_mails_is_not_deleted() -> None:
    """CloudFormation deletes only empty buckets; one that is retained would keep emails that nobody reads any more."""
    assert RESOURCES["InboundBucket"]["DeletionPolicy"] == "Delete"


def test_the_bucket_takes_mails_from_this_accounts_ses_alone_and_only_encrypted() -> None:
    told = statements("InboundBucketPolicy")
    assert set(told) == {"EncryptedConnectionsOnly", "StoreMails"}
    refused, taken = told["EncryptedConnectionsOnly"], told["StoreMails"]
    assert (refused["Effect"], refused["Principal"], refused["Action"]) == ("Deny", "*", "s3:*")
    assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [taken[each] for each in ("Effect", "Principal", "Action")] == [
        "Allow",
        {"Service": "ses.amazonaws.com"},
        "s3:PutObject",
    ]
    assert taken["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (source,) = texts(taken["Condition"]["ArnLike"])
    assert source.endswith(":${AWS::AccountId}:receipt-rule-set/${InboundRules}:receipt-rule/*")


def test_only_s3_of_this_account_may_tell_the_queue() -> None:
    (told,) = statements("InboundQueuePolicy").values()
    assert [told[each] for each in ("Effect", "Principal", "Action")] == [
        "Allow",
        {"Service": "s3.amazonaws.com"},
        "sqs:SendMessage",
    ]
    assert told["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert RESOURCES["InboundBucket"]["DependsOn"] == "InboundQueuePolicy", "S3 tries the queue first"


def test_a_region_without_inbound_mail_needs_no_part_of_ses() -> None:
    inbound = {name: each for name, each in RESOURCES.items() if each["Type"].startswith("AWS::SES::Receipt")}
    assert set(inbound) == {"InboundRules", "InboundRule"}
    for name, each in inbound.items():
        assert each["Condition"] == "HasInboundDomains", name
    assert TEMPLATE["Parameters"]["InboundDomains"]["Default"] == ""
    pattern = TEMPLATE["Parameters"]["InboundDomains"]["AllowedPattern"]
    assert [
        text for text in ("", "a.example", "a.example,b.example", "a, b", "A.example,") if re.fullmatch(pattern, text)
    ] == [
        "",
        "a.example",
        "a.example,b.example",
    ]


def test_a_flood_of_mails_leaves_room_for_clicks() -> None:
    arrived = FUNCTIONS["MailboxFunction"]["Events"]["Arrived"]["Properties"]
    assert all(2 <= at_once(arrived, account) <= 10 for account in ACCOUNTS)


def test_mails_are_scanned_and_taken_over_whatever_line_they_come() -> None:
    rule = RESOURCES["InboundRule"]["Properties"]["Rule"]
    assert (rule["Enabled"], rule["ScanEnabled"], rule["TlsPolicy"]) == (True, True, "Optional")
    assert rule["Actions"] == [{"S3Action": {"BucketName": {"Ref": "InboundBucket"}}}], "and never an answer"


def test_whatever_stands_before_the_at_of_an_inbound_domain_is_taken() -> None:
    """A rule for a domain takes all of its addresses; InboundDomains allows nothing but domains."""
    assert RESOURCES["InboundRule"]["Properties"]["Rule"]["Recipients"] == {
        "Fn::Split": [",", {"Ref": "InboundDomains"}]
    }
    assert not re.fullmatch(TEMPLATE["Parameters"]["InboundDomains"]["AllowedPattern"], "unsubscribe@reply.example.com")


# --- HTTP -------------------------------------------------------------------------------------------------------------


def http_events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every HTTP event: the function's logical id, the event's properties."""
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "HttpApi":
                yield name, {"Method": "", "Path": "$default"} | event["Properties"]


def test_access_logs_name_routes_and_no_path_address_or_agent() -> None:
    for name, api in of_type("AWS::Serverless::HttpApi").items():
        settings = api["AccessLogSettings"]
        used = set(re.findall(r"\$context\.([A-Za-z.]+)", settings["Format"]))
        assert used <= {
            "requestId",
            "routeKey",
            "status",
            "responseLatency",
            "integrationLatency",
            "integration.status",  # integrationStatus is Lambda's own, which is always 200
            "responseLength",
        }, name
        assert "routeKey" in used
        assert json.loads(settings["Format"].replace("\n", ""))
        assert RESOURCES[settings["DestinationArn"]["Fn::GetAtt"][0]]["Type"] == "AWS::Logs::LogGroup"


def test_the_template_is_ascii() -> None:
    """CloudFormation shows anything else as a question mark."""
    assert (ROOT / "template.yaml").read_text("utf-8").isascii()


def test_an_old_accounts_policy_for_logs_has_room_for_ours() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html"""
    assert RESOURCES["HttpApiLogs"]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


def test_senders_are_compared_as_mail_servers_do() -> None:
    compared = [each for each in conditions(RESOURCES["CourierFunction"]) if "ses:FromAddress" in json.dumps(each)]
    assert compared == [{"StringEqualsIgnoreCase": {"ses:FromAddress": {"Ref": "SenderAddresses"}}}]


def test_the_api_is_throttled() -> None:
    apis = of_type("AWS::Serverless::HttpApi")
    assert apis
    for name, api in apis.items():
        assert api["DefaultRouteSettings"]["ThrottlingRateLimit"], name
        assert api["DefaultRouteSettings"]["ThrottlingBurstLimit"], name
        assert "CorsConfiguration" not in api, name


ROUTES: Final = [(properties["Method"], properties["Path"], name) for name, properties in http_events()]
OPT_OUT_ROUTES: Final = {"POST /u/{token+}", "POST /u/page/{token}", "POST /u/page/{token+}"}


def pattern_of(route_path: str) -> str:
    """What a route's path fits, as a regular expression."""
    return re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+\+\}", ".+", route_path))


def answers(method: str, path: str) -> str:
    """The function that a request gets to: a full match comes before a greedy one, a method before any.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [
        (specificity(route_method, route_path), name)
        for route_method, route_path, name in ROUTES
        if route_method in {method, "ANY"} and re.fullmatch(pattern_of(route_path), path)
    ]
    (elsewhere,) = (name for _, path, name in ROUTES if path == "$default")
    return max(found, default=((), elsewhere))[1]


def test_every_route_leads_to_the_one_api() -> None:
    for name, properties in http_events():
        assert properties["ApiId"] == {"Ref": "HttpApi"}, name


def test_whatever_the_method_a_function_answers_and_one_click_is_post_alone() -> None:
    """What no page knows is refused by the pages' function, in the brand's look."""
    for _, path, _ in ROUTES:
        plain = re.sub(r"\{\w+\+?\}", "x", path)
        assert "OneClickFunction" not in {answers(method, plain) for method in ("GET", "HEAD", "PUT", "OPTIONS")}


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/u/abc.def-g", "OneClickFunction"),
        ("POST", "/u/abc.def-g/", "OneClickFunction"),
        ("POST", "/u/abc.def-g>/x", "OneClickFunction"),
        ("POST", "/u/page/abc", "UnsubscribeFunction"),
        ("POST", "/u/page/abc/", "UnsubscribeFunction"),
        ("POST", "/u/undo/abc>/x", "UnsubscribeFunction"),
        ("GET", "/u/reason/abc/", "UnsubscribeFunction"),
        ("POST", "/u/undo/abc", "UnsubscribeFunction"),
        ("POST", "/u/reason/abc", "UnsubscribeFunction"),
        ("GET", "/u/abc.def-g", "UnsubscribeFunction"),
        ("HEAD", "/u/abc.def-g/", "UnsubscribeFunction"),
        ("PUT", "/u/abc.def-g", "UnsubscribeFunction"),
        ("POST", "/c/abc/", "ConfirmFunction"),
        ("GET", "/p/abc/", "PreferencesFunction"),
    ],
)
def test_a_request_gets_to_the_function_that_knows_it(method: str, path: str, function: str) -> None:
    assert answers(method, path) == function


def test_a_flood_of_visits_uses_nothing_up_of_what_opt_outs_may() -> None:
    api = RESOURCES["HttpApi"]["Properties"]
    own = {"ThrottlingRateLimit": {"Ref": "OptOutsPerSecond"}, "ThrottlingBurstLimit": {"Ref": "OptOutBurst"}}
    assert api["RouteSettings"] == dict.fromkeys(OPT_OUT_ROUTES, own)
    assert {f"{method} {path}" for method, path, _ in ROUTES} >= OPT_OUT_ROUTES
    assert PARAMETERS["OptOutsPerSecond"]["Default"] > PARAMETERS["RequestsPerSecond"]["Default"]


ACCOUNTS: Final[dict[str, dict[str, int]]] = TEMPLATE["Mappings"]["Accounts"]
"""The most that runs behind each source of events, by how many functions the account may run at once."""
NEW, SHARDS, CALLS_A_SECOND = 10, 4, 10
"""Functions at once in a new account, shards of a new table's stream, and calls a second for each function at once:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""


def at_once(source: dict[str, Any], account: str) -> int:
    """How many functions a queue starts at once, or a shard of the stream."""
    limit = source["ScalingConfig"]["MaximumConcurrency"] if "Queue" in source else source["ParallelizationFactor"]
    mapping, of, place = limit["Fn::FindInMap"]
    assert (mapping, of) == ("Accounts", {"Ref": "AccountConcurrency"})
    return ACCOUNTS[account][place]


def workers(account: str) -> dict[str, int]:
    """The most that each function behind queues and the stream runs of at once, but for the archive."""
    found: dict[str, int] = {}
    for name in set(FUNCTIONS) - {"ArchiveFunction"}:
        for event in FUNCTIONS[name].get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                shards = SHARDS if event["Type"] == "DynamoDB" else 1
                found[name] = found.get(name, 0) + shards * at_once(event["Properties"], account)
    return found


def test_no_kind_of_work_takes_all_that_an_account_may_run_at_once() -> None:
    """Opt-outs are answered by what is left. With ten, all kinds together can take it: Lambda takes no less than 2."""
    assert set(ACCOUNTS) == set(PARAMETERS["AccountConcurrency"]["AllowedValues"])
    for account in ACCOUNTS:
        assert all(at_most <= int(account) * 0.6 for at_most in workers(account).values()), account
    assert sum(workers("1000").values()) < 1000 / 2


def test_the_runbooks_say_how_much_work_there_is_at_once_and_when_it_is_given_up() -> None:
    read = {
        name: (ROOT / f"docs/runbooks/{name}.md").read_text("utf-8")
        for name in ("ThrottlesAlarm", "WorkerThrottlesAlarm")
    }
    by_hand = PARAMETERS["BulkConcurrency"]["Default"] + PARAMETERS["ArchiveSegments"]["Default"]
    small, large = (sum(workers(account).values()) + by_hand for account in ("10", "1000"))
    assert f"takes {small} at the most, instead of {large}" in read["ThrottlesAlarm"]
    hours = {
        name: QUEUES[name]["RedrivePolicy"]["maxReceiveCount"] * QUEUES[name]["VisibilityTimeout"] / 3600
        for name in ("NotificationQueue", "MailQueue", "SpoolQueue")
    }
    assert [round(each, 1) for each in hours.values()] == [3.3, 2.5, 7.2]
    said = " ".join(read["WorkerThrottlesAlarm"].split())
    assert "for three hours is [given up](NotificationDeadLettersAlarm.md), an email after two and a half hours" in said
    assert "an opt-out in the spool after seven hours" in said


def test_a_deployment_with_nothing_but_defaults_leaves_a_new_account_room_for_opt_outs() -> None:
    default = {name: each.get("Default") for name, each in PARAMETERS.items()}
    assert default["AccountConcurrency"] == str(NEW)
    assert set(ACCOUNTS[str(NEW)].values()) == {1, 2}, "the least that Lambda takes, of a shard and of a queue"
    assert default["BulkConcurrency"] + default["ArchiveSegments"] < NEW / 2
    assert default["RequestsPerSecond"] <= NEW * CALLS_A_SECOND / 2
    assert (default["StartMode"], default["OneClickReservedConcurrency"]) == ("none", 0)


def test_one_click_has_its_share_of_the_account_where_somebody_asks_for_it() -> None:
    """A new account has nothing to reserve: a deployment that asks for it by itself would fail there."""
    reserved = {name: each.get("ReservedConcurrentExecutions") for name, each in FUNCTIONS.items()}
    asked = {"Fn::If": ["ReservesOneClick", {"Ref": "OneClickReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert reserved == dict.fromkeys(FUNCTIONS) | {"OneClickFunction": asked}
    assert PARAMETERS["OneClickReservedConcurrency"]["Default"] == 0


def test_whatever_the_gateway_refuses_is_counted_and_opt_outs_apart() -> None:
    """The access log has its status as text. A filter's syntax:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    assert json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])["status"] == "$context.status"
    opt_outs, others = (FILTERED[name]["FilterPattern"] for name in ("OptOutsRefused", "RequestsRefused"))
    for pattern, operator in ((opt_outs, "="), (others, "!=")):
        assert '$.status = "429"' in pattern
        assert set(re.findall(rf'\$\.route {operator} "([^"]+)"', pattern)) == OPT_OUT_ROUTES
    assert {each["LogGroupName"]["Ref"] for each in FILTERED.values()} == {"HttpApiLogs"}
    assert ALARMS["OptOutsRefusedAlarm"]["Threshold"] == 0


def test_refused_starts_of_what_takes_opt_outs_from_people_wake_somebody() -> None:
    watched = {each["Dimensions"][0]["Value"]["Ref"] for each in measured(ALARMS["OptOutThrottlesAlarm"])}
    assert watched == {"OneClickFunction", "UnsubscribeFunction", "PreferencesFunction"}
    assert ALARMS["OneClickErrorsAlarm"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": {"Ref": "OneClickFunction"}}
    ]


def test_one_click_may_do_no_more_than_record_what_one_person_says_and_spool() -> None:
    actions = {each for name, each_of in STATEMENTS if name == "OneClickFunction" for each in flat(each_of["Action"])}
    assert actions == {
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"),
        *("dynamodb:BatchGetItem", "dynamodb:GetItem"),
        *("sqs:SendMessage", "secretsmanager:GetSecretValue"),
    }


def in_code(path: Path) -> set[str]:
    """The paths that a function's handler gives to `web.router`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "web.router" and isinstance(node.args[0], ast.Dict):
            found |= {key.value for key in node.args[0].keys if isinstance(key, ast.Constant)}
    return found


def test_every_route_of_the_template_is_answered_and_every_answer_has_its_route() -> None:
    declared: dict[str, set[str]] = {}
    for name, properties in http_events():
        declared.setdefault(FUNCTIONS[name]["CodeUri"], set()).add(properties["Path"])
    coded = {f"functions/{folder.name}": in_code(folder / "handler.py") for folder in FOLDERS}
    # The API has a resolver of its own, and the webhook takes whatever reaches it.
    rest = {"functions/api": {"/v1/{proxy+}"}, "functions/webhook": {"/hooks/{brand}/{provider}"}}
    assert declared == {function: paths for function, paths in coded.items() if paths} | rest


def test_every_call_of_the_api_is_below_its_route() -> None:
    tree = ast.parse((ROOT / "functions/api/handler.py").read_text())
    paths = {
        ast.literal_eval(decorator.args[0])
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func) in {"app.get", "app.post", "app.delete"}
        and isinstance(decorator.args[0], ast.Constant)
    }
    assert len(paths) > 3
    assert all(path.startswith("/v1/") for path in paths)
    assert "/v1/{proxy+}" in [properties["Path"] for _, properties in http_events()]


def test_the_tests_know_every_route() -> None:
    named = {
        " ".join((name.removesuffix("Function").lower(), *f"{method} {path}".split())) for method, path, name in ROUTES
    }
    assert named == {f"{function} {route}" for function, route, _ in events.ROUTES}


# --- packages ---------------------------------------------------------------------------------------------------------


def shipped() -> dict[str, str]:
    """The packages that the vendor layer asks for, with their versions."""
    lines = (ROOT / "layers/vendor/requirements.in").read_text().splitlines()
    pairs = [line.strip().partition("==")[::2] for line in lines if line.strip() and not line.startswith("#")]
    return dict(pairs)


def test_what_ships_is_what_the_project_depends_on_but_for_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["functions"]]
    wanted = dict(each.partition("==")[::2] for each in asked)
    assert all(wanted.values())
    for_the_command_line = {"click", "dkimpy", "dnspython", "jsonschema", "publicsuffixlist", "pyyaml"}
    assert {name: version for name, version in wanted.items() if name not in for_the_command_line} == shipped()


def test_the_layer_imports_nothing_that_does_not_ship() -> None:
    modules = {name.replace("-", "_") for name in shipped()} | {"botocore", "markupsafe", "urllib3", "consentry"}
    modules |= {"snapshot_restore_py"}  # part of Lambda's runtime
    for path in sorted((ROOT / "layers/consentry/consentry").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {name.partition(".")[0] for name in names}:
                assert top in modules or top in sys.stdlib_module_names, (path, top)


def test_every_service_that_is_called_ships_with_its_description() -> None:
    called = set(re.findall(r'_client\("(\w+)"', (ROOT / "layers/consentry/consentry/deployment.py").read_text()))
    assert called == set(SERVICES)


def test_every_package_that_ships_is_pinned_by_version_and_hash() -> None:
    locked = (ROOT / "layers/vendor/requirements.txt").read_text().replace("\\\n", " ")
    entries = [line for line in locked.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[0-9][^\s]*\s+.*--hash=sha256:[0-9a-f]{64}", entry), entry
    names = {re.split(r"[\[=]", entry)[0].lower(): entry.split()[0].partition("==")[2] for entry in entries}
    assert shipped().items() <= names.items()
    assert "--require-hashes" in (ROOT / "layers/vendor/Makefile").read_text()


def test_functions_import_the_layer_powertools_pydantic_and_the_standard_library_alone() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [each.name for each in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                modules = [node.module or ""]
            for module in modules:
                top = module.partition(".")[0]
                assert top in ALLOWED_IMPORTS or top in sys.stdlib_module_names, (path, module)


# --- bulk -------------------------------------------------------------------------------------------------------------


def test_files_with_addresses_are_closed_to_the_public_and_gone_after_days() -> None:
    bucket = RESOURCES["BulkBucket"]
    properties = bucket["Properties"]
    assert [*properties["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert properties["BucketEncryption"]
    assert "VersioningConfiguration" not in properties, "what is removed is to be gone"
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 15)
    (policy,) = statements("BulkBucketPolicy").values()
    assert (policy["Effect"], policy["Principal"], policy["Action"]) == ("Deny", "*", "s3:*")
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_state_machine_hands_out_places_and_logs_nothing() -> None:
    """Step Functions keeps what goes through it."""
    reader = STEPS["Parts"]["ItemReader"]
    assert reader["ReaderConfig"] == {"InputType": "JSON"}, "its own reader of CSV would hand out rows"
    assert reader["Parameters"]["Key.$"] == "States.Format('runs/{}/parts.json', $.run)"
    assert not {"LoggingConfiguration", "Logging", "Tracing"} & {*RESOURCES["BulkStateMachine"]["Properties"]}


def test_every_step_of_a_job_is_tried_again_with_patience_and_jitter() -> None:
    tasks = [STEPS["Plan"], STEPS["Finish"], STEPS["Parts"]["ItemProcessor"]["States"]["Part"]]
    for task in tasks:
        assert task["Resource"] == {"Ref": "BulkFunction.Alias"}
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert (retry["MaxAttempts"], retry["JitterStrategy"]) == (8, "FULL")
    assert STEPS["Parts"]["MaxConcurrencyPath"] == "$.concurrency"
    assert STEPS["Parts"]["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_bulk_jobs_write_to_people_alone_and_delete_nothing() -> None:
    given = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "BulkFunction"}
    assert given["RecordImports"]["Condition"] == given["Screen"]["Condition"] == keys_that_begin_with("S#")
    actions = {action for each in given.values() for action in flat(each["Action"])}
    assert not [each for each in actions if "Delete" in each]


def test_cloudformation_reads_the_template_without_aliases() -> None:
    """It refuses YAML's."""
    assert not re.search(r"(?m)[:-] [&*][a-z]", (ROOT / "template.yaml").read_text())
