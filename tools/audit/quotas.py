"""Quotas of AWS that a template can exceed: each counted where it comes closest, with the longest answers allowed.

cfn-lint knows the ranges of single properties, and what CloudFormation itself takes of a template, nearly. These are
sums, and sizes of what is put together at a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from audit import cloudformation, physical
from audit.verdict import Verdict

if TYPE_CHECKING:
    from audit.cases import Case
    from audit.cloudformation import Template

_KB: Final = 1024
_LONGEST_VALUE: Final = 4096
"""Of a parameter without a limit of its own, in bytes:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
_SENDER: Final = "sender@meadow.example"


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
    told = f"{len(kinds)} are kept; nearest to its end is {nearest.what}, {nearest.used:,} of {nearest.most:,}"
    return Verdict(told, list(found))


def used(case: Case) -> Iterator[Use]:
    """What a case uses of every quota, if each answer is as long as it may be."""
    template = cloudformation.resolved(case.expanded, case.values, longest(case))
    for quota in OF_TEMPLATE:
        for what, size, most in quota(case.expanded):
            yield Use(f"the template: {what}", size, most)
    resources = {
        name: {"Type": each["Type"], "Properties": physical.filled(each["Properties"], template, physical.LONGEST)}
        for name, each in template["Resources"].items()
        if each["Type"] in {*OF_RESOURCE, *_TOGETHER}
    }
    for name, each in resources.items():
        if each["Type"] in OF_RESOURCE:
            for what, size, most in OF_RESOURCE[each["Type"]](each["Properties"]):
                yield Use(f"{name}: {what}", size, most)
    for quota in OF_ALL_TOGETHER:
        for what, size, most in quota(resources):
            yield Use(what, size, most)


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


Sizes = Iterator[tuple[str, int, int]]
"""What is counted, how much there is, and how much there may be."""


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- of the template --------------------------------------------------------------------------------------------------


def sections(template: Template) -> Sizes:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html.

    A template in S3, where SAM puts it, may have 1 MB.
    """
    yield "bytes of the body", len(_compact(template).encode()), 1_000_000
    for section, most in (("Resources", 500), ("Parameters", 200), ("Outputs", 200), ("Mappings", 200)):
        yield section.lower(), len(template.get(section, {})), most
    for mapping in template.get("Mappings", {}).values():
        yield "attributes of a mapping", max(map(len, mapping.values())), 200
    yield "bytes of the description", len(template.get("Description", "").encode()), 1024


# --- of one resource --------------------------------------------------------------------------------------------------


def alarm(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    metrics = properties.get("Metrics", [])
    yield "metrics of an alarm", sum("MetricStat" in each for each in metrics), 10
    for each in metrics:
        if "Expression" in each:
            yield "characters of an expression", len(each["Expression"]), 1024
    yield "characters of an alarm's description", len(properties.get("AlarmDescription", "")), 1024
    for actions in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        yield "actions of an alarm", len(properties.get(actions, [])), 5
    periods = [each["MetricStat"]["Period"] for each in metrics if "MetricStat" in each]
    period = max(periods, default=properties.get("Period", 0))
    over = int(period) * int(properties["EvaluationPeriods"])
    yield "seconds that an alarm looks back", over, 604_800 if int(period) >= 3600 else 86_400  # noqa: PLR2004 - an hour


def dashboard(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html

    A search finds up to 500 time series, and at most a hundred are shown of it; it counts as one here.
    """
    widgets = json.loads(properties["DashboardBody"])["widgets"]
    metrics = [len(each["properties"].get("metrics", [])) for each in widgets]
    yield "widgets of a dashboard", len(widgets), 500
    yield "metrics of a widget", max(metrics), 500
    yield "metrics of a dashboard", sum(metrics), 2500
    alarms = [len(each["properties"]["alarms"]) for each in widgets if each["type"] == "alarm"]
    yield "alarms of a widget", max(alarms, default=0), 100


def function(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.

    https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    """
    variables = properties.get("Environment", {}).get("Variables", {})
    yield "bytes of an environment", len(_compact(variables).encode()), 4 * _KB
    yield "characters of a function's description", len(properties.get("Description", "")), 256
    yield "layers", len(properties.get("Layers", [])), 5


def version(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html."""
    yield "characters of a version's description", len(properties.get("Description", "")), 256


def source(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html.

    https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html
    """
    filters = properties.get("FilterCriteria", {}).get("Filters", [])
    yield "filters of a source", len(filters), 5
    for each in filters:
        json.loads(each["Pattern"])
        yield "characters of a filter", len(each["Pattern"]), 4096
    queue = ":sqs:" in str(properties.get("EventSourceArn", ""))
    if queue and not properties.get("MaximumBatchingWindowInSeconds"):
        yield "messages of a batch that isn't waited for", int(properties.get("BatchSize", 10)), 10


def metric_filter(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html."""
    yield "characters of a metric filter", len(properties["FilterPattern"]), 1024
    yield "metrics of a filter", len(properties["MetricTransformations"]), 1


def role(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    yield "characters of whom a role trusts", len(_compact(properties["AssumeRolePolicyDocument"])), 2048
    yield "managed policies of a role", len(properties.get("ManagedPolicyArns", [])), 10


def queue(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    yield "seconds that a message is kept", int(properties.get("MessageRetentionPeriod", 0)), 1_209_600
    yield "seconds of a visibility timeout", int(properties.get("VisibilityTimeout", 30)), 43_200
    yield "tries before a message is dead", int(properties.get("RedrivePolicy", {}).get("maxReceiveCount", 0)), 1000


def queue_policy(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html."""
    document = properties["PolicyDocument"]
    yield "bytes of a queue's policy", len(_compact(document).encode()), 8192
    yield "statements of a queue's policy", len(document["Statement"]), 20
    for statement in document["Statement"]:
        yield "actions of a statement of a queue's policy", len(_items(statement["Action"])), 7
    conditions = [key for each in document["Statement"] for keys in each.get("Condition", {}).values() for key in keys]
    yield "conditions of a queue's policy", len(conditions), 10


def bucket_policy(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html."""
    yield "bytes of a bucket's policy", len(_compact(properties["PolicyDocument"]).encode()), 20 * _KB


def topic_policy(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/general/latest/gr/sns.html."""
    yield "bytes of a topic's policy", len(_compact(properties["PolicyDocument"]).encode()), 30 * _KB


def key(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html."""
    yield "bytes of a key's policy", len(_compact(properties["KeyPolicy"]).encode()), 32 * _KB


def state_machine(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
    definition = properties["DefinitionString"]
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace(f"${{{name}}}", str(value))
    yield "bytes of a state machine", len(definition.encode()), 1_000_000
    yield "characters of a state machine's name", len(properties.get("StateMachineName", "")), 80


def api(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html."""
    routes = [operation for methods in properties["Body"]["paths"].values() for operation in methods.values()]
    yield "routes of an API", len(routes), 300
    yield "integrations of an API", len(routes), 300


def stage(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html."""
    yield "bytes of an access log's line", len(properties.get("AccessLogSettings", {}).get("Format", "")), 3 * _KB


def receipt_rule(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/ses/latest/dg/quotas.html. `everything on` says how many recipients there are."""
    yield "recipients of a rule", len(properties["Rule"].get("Recipients", [])), 500
    yield "actions of a rule", len(properties["Rule"].get("Actions", [])), 10


def deployment_group(properties: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/codedeploy/latest/userguide/limits.html."""
    yield "alarms of a deployment", len(properties.get("AlarmConfiguration", {}).get("Alarms", [])), 10


# --- of several resources together ------------------------------------------------------------------------------------


def inline_policies(resources: dict[str, Any]) -> Sizes:
    """All of a role's together, without blanks.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    sizes = {
        name: sum(len(_compact(each["PolicyDocument"])) for each in resource["Properties"].get("Policies", []))
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    extra = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::IAM::Policy"]
    most = max((len(_compact(each["PolicyDocument"])) for each in extra), default=0)
    for name, size in sizes.items():
        yield f"{name}: characters of a role's policies", size + (most if extra else 0), 10_240


def function_policies(resources: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: each permission is a statement.

    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html shows what Lambda makes of one.
    """
    statements: dict[str, list[dict[str, Any]]] = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::Permission":
            given = resource["Properties"]
            statement = {
                "Sid": f"{name}-0123456789AB",
                "Effect": "Allow",
                "Principal": {"Service": given["Principal"]},
                "Action": given["Action"],
                "Resource": given["FunctionName"],
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": given.get("SourceAccount", "")},
                    "ArnLike": {"AWS:SourceArn": given.get("SourceArn", "")},
                },
            }
            statements.setdefault(given["FunctionName"], []).append(statement)
    for name, each in statements.items():
        document = {"Version": "2012-10-17", "Id": "default", "Statement": each}
        yield f"{name}: bytes of whom a function lets call", len(_compact(document).encode()), 20 * _KB


def filters_of_a_log(resources: dict[str, Any]) -> Sizes:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html."""
    groups = [
        each["Properties"]["LogGroupName"] for each in resources.values() if each["Type"] == "AWS::Logs::MetricFilter"
    ]
    for group in set(groups):
        yield f"{group}: metric filters of a log group", groups.count(group), 100


OF_TEMPLATE: Final[tuple[Callable[[Template], Sizes], ...]] = (sections,)
OF_RESOURCE: Final[dict[str, Callable[[dict[str, Any]], Sizes]]] = {
    "AWS::ApiGatewayV2::Api": api,
    "AWS::ApiGatewayV2::Stage": stage,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::CodeDeploy::DeploymentGroup": deployment_group,
    "AWS::IAM::Role": role,
    "AWS::KMS::Key": key,
    "AWS::Lambda::EventSourceMapping": source,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::Version": version,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SES::ReceiptRule": receipt_rule,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::SQS::Queue": queue,
    "AWS::SQS::QueuePolicy": queue_policy,
    "AWS::StepFunctions::StateMachine": state_machine,
}
_TOGETHER: Final = ("AWS::IAM::Policy", "AWS::Lambda::Permission")
"""Types that only count together with others."""
OF_ALL_TOGETHER: Final[tuple[Callable[[dict[str, Any]], Sizes], ...]] = (
    inline_policies,
    function_policies,
    filters_of_a_log,
)
