"""The emulator without a stack, and what is asked of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
import urllib3
from botocore.exceptions import ClientError

from dev.emulator import aws, build, ministack
from support.waiting import eventually

HANDLER: Final = """
import json

def handler(event, context):
    if "Records" in event:
        names = [each["dynamodb"]["Keys"]["pk"]["S"] for each in event["Records"]]
        print("got", *names)
        failed = [each["dynamodb"]["SequenceNumber"] for each in event["Records"]
                  if each["dynamodb"]["Keys"]["pk"]["S"] == "fails"]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
    if event.get("rawPath") == "/raise":
        raise TypeError("a secret")
    directive = {"Namespace": "Probe", "Dimensions": [[]], "Metrics": [{"Name": "Counted"}]}
    print(json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "Counted": 1}))
    print("x" * 10)
    answer = {"version": context.function_version, "route": event.get("routeKey"),
              "parameters": event.get("pathParameters")}
    return {"statusCode": 200, "body": json.dumps(answer)}
"""
SENDER: Final = "from@example.com"
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Emulated:
    """The plain emulator, and what is asked of it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder
        self._role = self.client("iam").create_role(RoleName="probe", AssumeRolePolicyDocument=json.dumps(TRUST))
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        self.client("iam").put_role_policy(RoleName="probe", PolicyName="all", PolicyDocument=json.dumps(policy))
        self.client("sesv2").create_email_identity(EmailIdentity=SENDER)

    def client(self, service: str) -> Any:
        return aws.client(service, self.endpoint)

    def client_allowed(self, service: str, **statement: Any) -> Any:
        """A client of somebody who is allowed one thing."""
        iam, name = self.client("iam"), f"somebody-{service}"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="one", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.client(  # type: ignore[call-overload]  # the service is a variable here
            service,
            endpoint_url=self.endpoint,
            region_name=aws.REGION,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )

    def function(self, name: str, **more: Any) -> str:
        """Create a function; its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("handler.py", HANDLER)
        created = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=build.runtime(),
            Role=self._role["Role"]["Arn"],
            Handler="handler.handler",
            Code={"ZipFile": packed.getvalue()},
            **more,
        )
        return str(created["FunctionArn"])

    def stack(self, name: str, resources: dict[str, Any], **sections: Any) -> str:
        """How the creation of a stack ends: a status, or `refused`."""
        cloudformation = self.client("cloudformation")
        parameters = sections.pop("Values", {})
        try:
            cloudformation.create_stack(
                StackName=name,
                TemplateBody=json.dumps({"Resources": resources, **sections}),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            )
        except ClientError:
            return "refused"
        return str(
            eventually(
                lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"],
                lambda status: not status.endswith("_IN_PROGRESS"),
            )
        )

    def resource(self, stack: str, logical_id: str) -> str:
        described = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    def api(self, name: str, *keys: str, **stage: Any) -> str:
        """An HTTP API whose routes all lead to one function; its address."""
        gateway = self.client("apigatewayv2")
        api = gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        integration = gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            PayloadFormatVersion="2.0",
            IntegrationUri=self.function(name),
        )["IntegrationId"]
        for key in keys:
            gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, **stage)
        return f"{self.endpoint}/_aws/execute-api/{api}/$default"


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Status and body of an answer."""
    answer = urllib3.request(method, url, headers=headers, timeout=300, retries=False)
    return answer.status, answer.data.decode()


@contextmanager
def emulated(folder: Path, program: str | Path) -> Iterator[Emulated]:
    running = ministack.start(folder, enforce_iam=True, functions_environment={}, program=program)
    try:
        yield Emulated(running.endpoint, folder)
    finally:
        running.stop()
