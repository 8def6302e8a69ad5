"""What the emulator lacks, made up for from the deployed template itself.

Nothing here adds to the template: each function does what CloudFormation or API Gateway would have done. All of it, and
what is made up for elsewhere, is listed in tests/integration/test_lacking.py, which asks the emulator what it lacks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dev.emulator.aws import ACCOUNT, client
from dev.emulator.deploy import STACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dev.emulator.deploy import Deployment

ANY_METHOD = "x-amazon-apigateway-any-method"
LEADING_KEYS = "dynamodb:LeadingKeys"
INTEGRATION = "x-amazon-apigateway-integration"
DEFAULT = "$default"
"""The route of whatever no other takes."""
SIMULATOR = "simulator.amazonses.com"
"""The domain of SES's mailbox simulator."""
INTERNAL_SERVER_ERROR = b'{"message":"Internal Server Error"}'


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route of the HTTP API."""

    method: str
    """``GET`` and so on, or ``ANY``."""
    path: str
    """As in the template: ``/u/{token+}``."""
    function: str
    """The ARN of the function's alias."""

    @property
    def key(self) -> str:
        """What API Gateway calls the route key."""
        return DEFAULT if self.path.strip("/") == DEFAULT else f"{self.method} {self.path}"


def routes_of(deployment: Deployment) -> list[Route]:
    """The routes that the OpenAPI body of the template's HTTP API describes."""
    return [
        Route(
            method="ANY" if method == ANY_METHOD else method.upper(),
            path=path,
            function=deployment.resources[_function_in(operation[INTEGRATION]["uri"])],
        )
        for resource in _resources(deployment, "AWS::ApiGatewayV2::Api")
        for path, operations in resource["Body"]["paths"].items()
        for method, operation in operations.items()
        if INTEGRATION in operation
    ]


def _function_in(uri: Mapping[str, str]) -> str:
    """The logical id of the function's alias in an integration's ``{"Fn::Sub": …}``, as SAM writes it."""
    found = re.search(r"/functions/\$\{(\w+)\}/", uri["Fn::Sub"])
    if found is None:
        raise ValueError(f"no function in {uri}")
    return found[1]


def _resources(deployment: Deployment, kind: str) -> list[Mapping[str, Any]]:
    """The properties of every resource of a type."""
    resources: Iterable[Mapping[str, Any]] = deployment.template["Resources"].values()
    return [resource["Properties"] for resource in resources if resource["Type"] == kind]


def url_of(endpoint: str, api: str) -> str:
    """Where the emulator answers for an HTTP API."""
    return f"{endpoint}/_aws/execute-api/{api}/$default"


def create_routes(api: str, routes: Sequence[Route], endpoint: str) -> None:
    """Create routes and integrations, since the emulator ignores the OpenAPI body of an HTTP API."""
    gateway = client("apigatewayv2", endpoint)
    integrations: dict[str, str] = {}
    for route in routes:
        if route.function not in integrations:
            integrations[route.function] = gateway.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0", IntegrationUri=route.function
            )["IntegrationId"]
        gateway.create_route(ApiId=api, RouteKey=route.key, Target=f"integrations/{integrations[route.function]}")


def enable_expiry(deployment: Deployment, endpoint: str) -> None:
    """Turn on TTL, since the emulator ignores ``TimeToLiveSpecification``."""
    dynamodb = client("dynamodb", endpoint)
    for logical_id, resource in deployment.template["Resources"].items():
        expiry = resource.get("Properties", {}).get("TimeToLiveSpecification")
        if resource["Type"] == "AWS::DynamoDB::Table" and expiry:
            dynamodb.update_time_to_live(
                TableName=deployment.resources[logical_id],
                TimeToLiveSpecification={"AttributeName": expiry["AttributeName"], "Enabled": True},
            )


def lock_objects(deployment: Deployment, endpoint: str) -> None:
    """Lock what buckets are to lock, since the emulator ignores ``ObjectLockConfiguration``."""
    s3, cloudformation = client("s3", endpoint), client("cloudformation", endpoint)
    for logical_id, resource in deployment.template["Resources"].items():
        lock = resource.get("Properties", {}).get("ObjectLockConfiguration")
        if resource["Type"] != "AWS::S3::Bucket" or not lock or logical_id not in deployment.resources:
            continue
        bucket = deployment.resources[logical_id]
        given = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
        values = {each["ParameterKey"]: each["ParameterValue"] for each in given}
        retention = lock["Rule"]["DefaultRetention"]
        mode, years = (values[retention[name]["Ref"]] for name in ("Mode", "Years"))
        s3.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": mode, "Years": int(years)}},
            },
        )


def one_record_a_call(endpoint: str) -> None:
    """Have a stream's records come one by one, since the emulator drops those that a partial answer names as failed."""
    functions = client("lambda", endpoint)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if ":dynamodb:" in mapping["EventSourceArn"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=1)


def let_mails_pass(endpoint: str) -> None:
    """Widen who may mail as whom, since the emulator's IAM knows neither identities nor `ses:FromAddress`.

    A function that the template allows no sending still can't.
    """
    iam = client("iam", endpoint)
    for policy, statements in _policies(iam):
        widened = [
            {"Effect": "Allow", "Action": each["Action"], "Resource": "*"}
            for each in statements
            if _is_about_mail(each)
        ]
        if widened:
            _put(iam, {**policy, "PolicyName": f"{policy['PolicyName']}-emulated"}, widened)


def _policies(iam: Any) -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
    """Every role's own policies: the role and the policy's name, as IAM calls them, and its statements."""
    for role in [each["RoleName"] for page in iam.get_paginator("list_roles").paginate() for each in page["Roles"]]:
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = {"RoleName": role, "PolicyName": name}
            yield policy, iam.get_role_policy(**policy)["PolicyDocument"]["Statement"]


def _put(iam: Any, policy: Mapping[str, str], statements: Sequence[Mapping[str, Any]]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(**policy, PolicyDocument=document)


def _is_about_mail(statement: Mapping[str, Any]) -> bool:
    """Whether a policy's statement allows SES actions, and no others."""
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    return statement["Effect"] == "Allow" and all(action.startswith("ses:Send") for action in actions)


def tell_of_mail(request: Mapping[str, Any], message_id: str, *, endpoint: str) -> None:
    """Publish what becomes of an email, since the emulator keeps event destinations and sends them nothing.

    As on AWS, a bounce or complaint is had by writing to the mailbox simulator.
    """
    events = events_of(request, message_id, datetime.now(UTC))
    if not events:
        return
    ses, sns = client("sesv2", endpoint), client("sns", endpoint)
    name = request["ConfigurationSetName"]
    found = ses.get_configuration_set_event_destinations(ConfigurationSetName=name)["EventDestinations"]
    for destination in found:
        for event in events:
            wanted = event["eventType"].upper() in destination["MatchingEventTypes"]
            if destination["Enabled"] and wanted and "SnsDestination" in destination:
                sns.publish(TopicArn=destination["SnsDestination"]["TopicArn"], Message=json.dumps(event))


def events_of(request: Mapping[str, Any], message_id: str, at: datetime) -> list[dict[str, Any]]:
    """What SES reports of an email (``SendEmail``'s JSON body) whose recipients live in the mailbox simulator.

    https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator
    """
    if "ConfigurationSetName" not in request:
        return []
    instant = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"timestamp": instant, "feedbackId": message_id}
    recipients = request["Destination"]["ToAddresses"]
    sender = request["FromEmailAddress"]
    mail = {
        "timestamp": instant,
        "source": sender,
        "sendingAccountId": ACCOUNT,
        "messageId": message_id,
        "destination": recipients,
        "commonHeaders": {"from": [sender], "to": recipients},
        "tags": {
            "ses:configuration-set": [request["ConfigurationSetName"]],
            **{tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags", [])},
        },
    }
    events: list[dict[str, Any]] = []
    for recipient in recipients:
        person, _, domain = recipient.lower().partition("@")
        if domain != SIMULATOR:
            continue
        match person.partition("+")[0]:
            case "bounce":
                people = [{"emailAddress": recipient, "action": "failed", "status": "5.1.1"}]
                bounce = {**said, "bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": people}
                events.append({"eventType": "Bounce", "bounce": bounce, "mail": mail})
            case "complaint":
                people = [{"emailAddress": recipient}]
                complaint = {**said, "complaintFeedbackType": "abuse", "complainedRecipients": people}
                events.append({"eventType": "Complaint", "complaint": complaint, "mail": mail})
    return events


def let_keys_go_unnamed(endpoint: str) -> None:
    """Take what asks that a call names its keys out of the functions' policies, since the emulator never says which."""
    iam = client("iam", endpoint)
    for policy, statements in _policies(iam):
        asking = [each for each in statements if LEADING_KEYS in each.get("Condition", {}).get("Null", {})]
        for statement in asking:
            del statement["Condition"]["Null"]
        if asking:
            _put(iam, policy, statements)


def as_api_gateway_answers(status: int, body: bytes) -> tuple[int, bytes]:
    """Hide a handler's exception, since the emulator answers 502 and shows its message to the world."""
    if status == 502 and b'"errorType"' in body:  # noqa: PLR2004 - Bad Gateway
        return 500, INTERNAL_SERVER_ERROR
    return status, body
