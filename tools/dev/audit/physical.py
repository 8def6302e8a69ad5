"""A template with names and ARNs as a deployment gives them: no longer than they can be, and no shorter.

A resource without a name of its own gets the stack's name, its logical id and twelve random characters, cut to what the
service takes: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from dev.audit.cloudformation import VARIABLE, Template, attribute, function

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "consentry",
    "AWS::URLSuffix": "amazonaws.com",
}
"""Pseudo parameters as most deployments have them."""
LONGEST: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-northeast-1",
    "AWS::StackName": "s" * 128,
    "AWS::URLSuffix": "amazonaws.com.cn",
}
"""The same, each as long as it can be:
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""

_LENGTHS: Final = {
    "AWS::CloudWatch::Alarm": 255,
    "AWS::CloudWatch::Dashboard": 255,
    "AWS::CodeDeploy::Application": 100,
    "AWS::CodeDeploy::DeploymentGroup": 100,
    "AWS::DynamoDB::Table": 255,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::Logs::LogGroup": 512,
    "AWS::S3::Bucket": 63,
    "AWS::SES::ConfigurationSet": 64,
    "AWS::SES::ReceiptRuleSet": 64,
    "AWS::SNS::Topic": 256,
    "AWS::SQS::Queue": 80,
    "AWS::SecretsManager::Secret": 512,
    "AWS::StepFunctions::StateMachine": 80,
}
"""How long the name of a resource may be, in characters: the API reference of each `Create…`."""
_HERE: Final = "{AWS::Region}:{AWS::AccountId}"
_LOOKS: Final = {
    "AWS::ApiGatewayV2::Api": "a1b2c3d4e5",
    "AWS::ApiGatewayV2::DomainName.RegionalDomainName": "d-a1b2c3d4e5.execute-api.{AWS::Region}.{AWS::URLSuffix}",
    "AWS::ApiGatewayV2::DomainName.RegionalHostedZoneId": "Z0123456789ABCDEFGHIJ",
    "AWS::ApiGatewayV2::Stage": "$default",
    "AWS::CloudWatch::Alarm.Arn": f"arn:{{AWS::Partition}}:cloudwatch:{_HERE}:alarm:{{name}}",
    "AWS::DynamoDB::Table.Arn": f"arn:{{AWS::Partition}}:dynamodb:{_HERE}:table/{{name}}",
    "AWS::DynamoDB::Table.StreamArn": f"arn:{{AWS::Partition}}:dynamodb:{_HERE}:table/{{name}}/stream/2027-01-01",
    "AWS::IAM::Role.Arn": "arn:{AWS::Partition}:iam::{AWS::AccountId}:role/{name}",
    "AWS::KMS::Key": "6d0d1b5c-0000-4000-8000-000000000000",
    "AWS::Lambda::Alias": f"arn:{{AWS::Partition}}:lambda:{_HERE}:function:{{function}}:{{alias}}",
    "AWS::Lambda::Function.Arn": f"arn:{{AWS::Partition}}:lambda:{_HERE}:function:{{name}}",
    "AWS::Lambda::LayerVersion": f"arn:{{AWS::Partition}}:lambda:{_HERE}:layer:layer:1",
    "AWS::Lambda::Version.Version": "1",
    "AWS::Logs::LogGroup.Arn": f"arn:{{AWS::Partition}}:logs:{_HERE}:log-group:{{name}}:*",
    "AWS::S3::Bucket.Arn": "arn:{AWS::Partition}:s3:::{name}",
    "AWS::SNS::Topic": f"arn:{{AWS::Partition}}:sns:{_HERE}:{{name}}",
    "AWS::SQS::Queue": "https://sqs.{AWS::Region}.{AWS::URLSuffix}/{AWS::AccountId}/{name}",
    "AWS::SQS::Queue.Arn": f"arn:{{AWS::Partition}}:sqs:{_HERE}:{{name}}",
    "AWS::SQS::Queue.QueueName": "{name}",
    "AWS::SecretsManager::Secret.Id": f"arn:{{AWS::Partition}}:secretsmanager:{_HERE}:secret:{{name}}-AbCdEf",
    "AWS::StepFunctions::StateMachine": f"arn:{{AWS::Partition}}:states:{_HERE}:stateMachine:{{name}}",
    "AWS::StepFunctions::StateMachine.Name": "{name}",
    "Custom::Notices": "notices",
}
"""What `Ref`, or `Fn::GetAtt`, of a type answers; of types that aren't here, `Ref` answers the name."""


def filled(part: Any, template: Template, pseudo: Mapping[str, str]) -> Any:
    """A part of a resolved template, as CloudFormation hands it to a service.

    Raises:
        LookupError: it isn't known here what it names.
    """
    name, argument = function(part)
    if name in {"Ref", "Fn::GetAtt"}:
        return _answer(*attribute(argument), template, pseudo)
    if name == "Fn::Sub":
        text = VARIABLE.sub(lambda found: _answer(*attribute(found[1]), template, pseudo), argument)
        return text.replace("${!", "${")
    if isinstance(part, dict):
        return {key: filled(each, template, pseudo) for key, each in part.items()}
    return [filled(each, template, pseudo) for each in part] if isinstance(part, list) else part


def _answer(resource: str, of: str, template: Template, pseudo: Mapping[str, str]) -> str:
    if resource in pseudo:
        return pseudo[resource]
    if resource not in template["Resources"]:
        raise LookupError(f"there is no resource {resource}")
    kind = template["Resources"][resource]["Type"]
    look = _LOOKS.get(f"{kind}.{of}" if of else kind, "" if of else "{name}")
    if not look or ("{name}" in look and kind not in _LENGTHS):
        raise LookupError(f"it isn't known what {kind}{of and '.'}{of} looks like: add it to audit/physical.py")
    known = {**pseudo, "name": _name(resource, kind, pseudo) if "{name}" in look else ""}
    if "{alias}" in look:
        properties = filled(template["Resources"][resource]["Properties"], template, pseudo)
        known |= {"function": properties["FunctionName"], "alias": properties["Name"]}
    return re.sub(r"\{([^{}]+)\}", lambda found: known[found[1]], look)


def _name(resource: str, kind: str, pseudo: Mapping[str, str]) -> str:
    """The generated name: where it is too long, the random characters stay."""
    given = f"{resource}-0123456789AB"
    left = _LENGTHS[kind] - len(given) - 1
    return f"{pseudo['AWS::StackName'][: max(0, left)]}-{given}"[-_LENGTHS[kind] :]
