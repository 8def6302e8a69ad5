"""Quotas of AWS that a template can exceed: each counted where it comes closest, with the longest answers allowed.

cfn-lint knows the ranges of single properties, and what CloudFormation itself takes of a template. These are sums,
sizes of what is put together at a deployment, and what it doesn't know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dev.audit import cloudformation, physical
from dev.audit.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dev.audit.cases import Case

_KB: Final = 1024
_HOUR_S: Final = 3600
_LONGEST_VALUE: Final = 4096
"""Of a parameter without a limit of its own, in bytes:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
_SENDER: Final = "sender@meadow.example"
Properties = dict[str, Any]


class Use(NamedTuple):
    """How much of a quota is used."""

    what: str
    """By what, and of what."""
    used: int
    most: int


def check(cases: list[Case]) -> Verdict:
    """Whether every case stays within every quota."""
    uses = [use for case in cases for use in used(case)]
    found = dict.fromkeys(f"{use.what}: {use.used:,} of {use.most:,}" for use in uses if use.used > use.most)
    kinds = {use.what.partition(": ")[2] for use in uses}
    nearest = max((use for use in uses if use.used < use.most), key=lambda use: use.used / use.most)
    summary = f"{len(kinds)} are kept; nearest to its end is {nearest.what}, {nearest.used:,} of {nearest.most:,}"
    return Verdict(summary, list(found))


def used(case: Case) -> Iterator[Use]:
    """What a case uses of every quota, if each answer is as long as it may be."""
    template = cloudformation.resolved(case.expanded, case.values, longest(case))
    resources: dict[str, dict[str, Properties]] = {}
    for name, each in template["Resources"].items():
        if each["Type"] in KINDS:
            properties = physical.filled(each["Properties"], template, physical.LONGEST)
            resources.setdefault(each["Type"], {})[name] = properties
    for kind, what, count, most in OF_EACH:
        for name, properties in resources.get(kind, {}).items():
            yield Use(f"{name}: {what}", int(count(properties)), most)
    for together in OF_ALL:
        yield from together(resources)


def longest(case: Case) -> dict[str, str]:
    """For each parameter that isn't empty in a case, the longest answer that it takes."""
    return {
        name: _longest(parameter) for name, parameter in case.expanded["Parameters"].items() if case.values.get(name)
    }


def _longest(parameter: dict[str, Any]) -> str:
    if "AllowedValues" in parameter:
        return max(map(str, parameter["AllowedValues"]), key=len)
    if parameter["Type"] == "Number":
        return str(parameter.get("MaxValue", "9" * 10))
    if parameter["Type"] == "CommaDelimitedList":
        return ",".join([_SENDER] * (_LONGEST_VALUE // (len(_SENDER) + 1)))
    return "x" * int(parameter.get("MaxLength", _LONGEST_VALUE))


def _size(document: Any) -> int:
    """Bytes, without blanks."""
    return len(json.dumps(document, separators=(",", ":")).encode())


def _of(name: str) -> Callable[[Properties], int]:
    """How many items, or characters, a property has."""
    return lambda given: len(given.get(name, ""))


def _size_of(name: str) -> Callable[[Properties], int]:
    return lambda given: _size(given[name])


def _widgets(given: Properties) -> list[Any]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html."""
    return [each["properties"] for each in json.loads(given["DashboardBody"])["widgets"]]


def _metrics(given: Properties) -> list[int]:
    """How many each widget has. A search finds up to 500, and at most a hundred are shown; it counts as one here."""
    return [len(each.get("metrics", [])) for each in _widgets(given)]


def _back(given: Properties, *, hours: bool) -> int:
    """The seconds that an alarm looks back, if its period is of hours, or isn't."""
    periods = [each["MetricStat"]["Period"] for each in given.get("Metrics", []) if "MetricStat" in each]
    period = int(max(periods, default=given.get("Period", 0)))
    return period * int(given["EvaluationPeriods"]) if (period >= _HOUR_S) == hours else 0


def _not_waited_for(given: Properties) -> int:
    queue = ":sqs:" in str(given.get("EventSourceArn", "")) and not given.get("MaximumBatchingWindowInSeconds")
    return int(given.get("BatchSize", 10)) if queue else 0


def _definition(given: Properties) -> int:
    definition = given["DefinitionString"]
    for name, value in given.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{name}}}", str(value))
    return len(definition.encode())


def _actions(given: Properties) -> int:
    listed = [each["Action"] for each in given["PolicyDocument"]["Statement"]]
    return max(len(each) if isinstance(each, list) else 1 for each in listed)


_API: Final = "AWS::ApiGatewayV2::Api"
_ALARM: Final = "AWS::CloudWatch::Alarm"
_BOARD: Final = "AWS::CloudWatch::Dashboard"
_ROLE: Final = "AWS::IAM::Role"
_POLICY: Final = "AWS::IAM::Policy"
_FUNCTION: Final = "AWS::Lambda::Function"
_PERMISSION: Final = "AWS::Lambda::Permission"
_FILTER: Final = "AWS::Logs::MetricFilter"
_RULE: Final = "AWS::SES::ReceiptRule"
_QUEUES: Final = "AWS::SQS::QueuePolicy"
OF_EACH: Final[tuple[tuple[str, str, Callable[[Properties], int], int], ...]] = (
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    (_API, "routes of an API", lambda given: sum(map(len, given["Body"]["paths"].values())), 300),
    ("AWS::ApiGatewayV2::Stage", "bytes of an access log's line",
     lambda given: len(given.get("AccessLogSettings", {}).get("Format", "")), 3 * _KB),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html and
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    (_ALARM, "metrics of an alarm", lambda given: sum("MetricStat" in each for each in given.get("Metrics", [])), 10),
    (_ALARM, "characters of an expression",
     lambda given: max((len(each.get("Expression", "")) for each in given.get("Metrics", [])), default=0), 1024),
    (_ALARM, "characters of an alarm's description", _of("AlarmDescription"), 1024),
    (_ALARM, "actions of an alarm", _of("AlarmActions"), 5),
    (_ALARM, "actions of an alarm that is over", _of("OKActions"), 5),
    (_ALARM, "actions of an alarm without data", _of("InsufficientDataActions"), 5),
    (_ALARM, "seconds that an alarm looks back", lambda given: _back(given, hours=False), 86_400),
    (_ALARM, "seconds that an alarm of hours looks back", lambda given: _back(given, hours=True), 604_800),
    (_BOARD, "widgets of a dashboard", lambda given: len(_widgets(given)), 500),
    (_BOARD, "metrics of a widget", lambda given: max(_metrics(given)), 500),
    (_BOARD, "metrics of a dashboard", lambda given: sum(_metrics(given)), 2500),
    (_BOARD, "alarms of a widget", lambda given: max(len(each.get("alarms", [])) for each in _widgets(given)), 100),
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/limits.html
    ("AWS::CodeDeploy::DeploymentGroup", "alarms of a deployment",
     lambda given: len(given.get("AlarmConfiguration", {}).get("Alarms", [])), 10),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    (_ROLE, "characters of whom a role trusts", _size_of("AssumeRolePolicyDocument"), 2048),
    (_ROLE, "managed policies of a role", _of("ManagedPolicyArns"), 10),
    # https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    ("AWS::KMS::Key", "bytes of a key's policy", _size_of("KeyPolicy"), 32 * _KB),
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html and
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
    (_FUNCTION, "bytes of an environment", lambda given: _size(given.get("Environment", {}).get("Variables", {})),
     4 * _KB),
    (_FUNCTION, "characters of a function's description", _of("Description"), 256),
    ("AWS::Lambda::Version", "characters of a version's description", _of("Description"), 256),
    ("AWS::Lambda::EventSourceMapping", "messages of a batch that isn't waited for", _not_waited_for, 10),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html
    ("AWS::S3::BucketPolicy", "bytes of a bucket's policy", _size_of("PolicyDocument"), 20 * _KB),
    # https://docs.aws.amazon.com/ses/latest/dg/quotas.html; the case `everything on` has several recipients
    (_RULE, "recipients of a rule", lambda given: len(given["Rule"].get("Recipients", [])), 500),
    (_RULE, "actions of a rule", lambda given: len(given["Rule"].get("Actions", [])), 10),
    # https://docs.aws.amazon.com/general/latest/gr/sns.html
    ("AWS::SNS::TopicPolicy", "bytes of a topic's policy", _size_of("PolicyDocument"), 30 * _KB),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
    ("AWS::SQS::Queue", "tries before a message is dead",
     lambda given: given.get("RedrivePolicy", {}).get("maxReceiveCount", 0), 1000),
    (_QUEUES, "bytes of a queue's policy", _size_of("PolicyDocument"), 8192),
    (_QUEUES, "statements of a queue's policy", lambda given: len(given["PolicyDocument"]["Statement"]), 20),
    (_QUEUES, "actions of a statement of a queue's policy", _actions, 7),
    (_QUEUES, "conditions of a queue's policy",
     lambda given: sum(len(keys) for each in given["PolicyDocument"]["Statement"]
                       for keys in each.get("Condition", {}).values()), 10),
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    ("AWS::StepFunctions::StateMachine", "bytes of a state machine", _definition, 1_000_000),
)  # fmt: skip
"""By type: what is counted, how, and how much there may be."""


# --- of several resources together ------------------------------------------------------------------------------------

Resources = dict[str, dict[str, Properties]]
"""By type and logical id."""


def inline_policies(resources: Resources) -> Iterator[Use]:
    """All of a role's together: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    extra = [_size(each["PolicyDocument"]) for each in resources.get(_POLICY, {}).values()]
    for name, given in resources[_ROLE].items():
        size = sum(_size(each["PolicyDocument"]) for each in given.get("Policies", []))
        yield Use(f"{name}: characters of a role's policies", size + max(extra, default=0), 10_240)


def function_policies(resources: Resources) -> Iterator[Use]:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: each permission is a statement.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html shows what Lambda makes of one.
    """
    statements: dict[str, list[dict[str, Any]]] = {}
    for name, given in resources[_PERMISSION].items():
        condition = {
            "StringEquals": {"AWS:SourceAccount": given.get("SourceAccount", "")},
            "ArnLike": {"AWS:SourceArn": given.get("SourceArn", "")},
        }
        statement = {"Sid": f"{name}-0123456789AB", "Effect": "Allow", "Principal": {"Service": given["Principal"]}}
        statement |= {"Action": given["Action"], "Resource": given["FunctionName"], "Condition": condition}
        statements.setdefault(given["FunctionName"], []).append(statement)
    for name, each in statements.items():
        document = {"Version": "2012-10-17", "Id": "default", "Statement": each}
        yield Use(f"{name}: bytes of whom a function lets call", _size(document), 20 * _KB)


def filters_of_a_log(resources: Resources) -> Iterator[Use]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""
    groups = [each["LogGroupName"] for each in resources[_FILTER].values()]
    for group in set(groups):
        yield Use(f"{group}: metric filters of a log group", groups.count(group), 100)


OF_ALL: Final = (inline_policies, function_policies, filters_of_a_log)
KINDS: Final = {kind for kind, *_ in OF_EACH} | {_POLICY, _PERMISSION, _FILTER}
