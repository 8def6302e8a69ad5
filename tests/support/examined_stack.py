"""A stack as AWS describes it, from recorded answers: well, until a test makes it ill.

Real boto3 clients make the calls, so that what they ask is checked against AWS's own models, and so is every answer
here. No emulator knows all of these calls.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from boto3.session import Session  # a test may put another in its place
from botocore.config import Config

from consentry.rules import brands as brands_module
from consentry.rules.brands import Brand
from consentry_build.brandfile import compile_folder
from consentry_cli.doctor.checking import CHECKS, _one
from consentry_cli.doctor.deployed import Deployed
from consentry_cli.doctor.findings import Finding
from consentry_cli.doctor.reach import Visit
from dev.audit import cloudformation

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "template.yaml").read_text("utf-8")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REGION = "eu-west-1"
ACCOUNT = "123456789012"
URL = "https://links.meadow.example"
SENDERS = ("hello@meadow.example", "post@other.example")
DOMAINS = ("reply.meadow.example", "reply.other.example")
KEPT = "0123456789abcdef" * 2
"""A notice whose words are in the archive."""
ALARM_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:night-shift"


def arn(service: str, what: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{what}"


def queue(logical: str) -> str:
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/shop-{logical}"


def key_policy(*actions: str) -> str:
    """The policy of a KMS key that lets CloudWatch do this, and the account everything."""
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
    alarms = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": list(actions)}
    return json.dumps({"Statement": [root, alarms]})


class Refused:
    """What AWS answers instead."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message


class _At:
    """The clinic whose answers all clients get: making a client takes far longer than asking it."""

    stack: ExaminedStack


@cache
def _client(service: str, config: Config | None) -> Any:
    made = Session("testing", "testing", region_name=REGION).client(service, config=config)  # type: ignore[call-overload]  # a variable here
    made.meta.events.register("provide-client-params.*.*", _remember)
    made.meta.events.register("before-call.*.*", _answer)
    return made


def _remember(**call: Any) -> None:
    _At.stack._remember(**call)


def _answer(**call: Any) -> tuple[Any, dict[str, Any]]:
    return _At.stack._answer(**call)


class ExaminedStack:
    """AWS, the DNS and the stack's address, as the doctor finds them."""

    def __init__(self) -> None:
        self.now = NOW
        self.called: set[tuple[str, str]] = set()
        self.brands: list[Brand] = list(brands())
        self.dns: dict[tuple[str, str], list[str]] | None = {
            ("_dmarc.meadow.example", "TXT"): ["v=DMARC1; p=quarantine"],
            ("_dmarc.other.example", "TXT"): ["v=DMARC1; p=none"],
            **{(domain, "MX"): [f"inbound-smtp.{REGION}.amazonaws.com"] for domain in DOMAINS},
        }
        self.visit: Visit | None = Visit(200, '{"status":"ok"}', NOW, NOW + timedelta(days=200))
        self.elsewhere: dict[str, Visit | None] = {}
        """What other hosts than that of all links answer."""
        self.expired = 410
        """What an expired confirmation link is answered with: whoever hasn't the keyring says 404."""
        self.metrics: dict[tuple[str, str], list[float]] = {}
        """Values of a metric, by its name and what it is of."""
        self.resources = dict(resources())
        self.answers: dict[str, Any] = self._well()
        self.session: Any = SimpleNamespace(client=self._client)
        self._asked: dict[str, Any] = {}

    def deployed(self) -> Deployed:
        return Deployed(
            self.session,
            "shop",
            self.brands,
            now=lambda: self.now,
            resolve=self._resolve,
            visit=self._visit,
        )

    def asks(self, check: str) -> list[Finding]:
        """What a check says."""
        (found,) = [each for each in CHECKS if each.name == check]
        return list(_one(found, self.deployed()))

    def change(self, operation: str, /, **changes: Any) -> None:
        """Let AWS answer differently; names may be nested by `__`."""
        self.answers[operation] = copy.deepcopy(self.answers[operation])
        for path, value in changes.items():
            place = self.answers[operation]
            *above, last = path.split("__")
            for name in above:
                place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
            place[last] = value

    def document(self, **changes: Any) -> None:
        """Change the keyring's document."""
        document = json.loads(self.answers["GetSecretValue"]["SecretString"]) | changes
        self.answers["GetSecretValue"] = {"SecretString": json.dumps(document)}

    def _client(self, service: str, config: Config | None = None) -> Any:
        _At.stack = self
        return _client(service, config)

    def _resolve(self, name: str, kind: str) -> list[str]:
        if self.dns is None:
            raise OSError("the DNS doesn't answer")
        return self.dns.get((name, kind), [])

    def _visit(self, url: str) -> Visit:
        host, _, path = url.removeprefix("https://").removeprefix("http://").partition("/")
        found = self.elsewhere.get(host, self.visit)
        if found is None:
            raise OSError("the name isn't in the DNS")
        if path == "healthz":
            return found
        assert path.startswith("c/")
        return found._replace(status=self.expired, body="")

    def _remember(self, params: Any, model: Any, **_: Any) -> None:
        self.called.add((model.service_model.service_name, model.name))
        self._asked[model.name] = params

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.answers[model.name]
        if callable(answer):
            answer = answer(self._asked[model.name])
        if isinstance(answer, Refused):
            error = {"Error": {"Code": answer.code, "Message": answer.message}}
            return SimpleNamespace(status_code=400), {**error, "ResponseMetadata": {}}
        check_shape(answer, model.output_shape, model.name)
        date = self.now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        metadata = {"HTTPHeaders": {"date": self.answers.get("Date", date)}, "HTTPStatusCode": 200}
        return SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": metadata}

    def _metric(self, asked: Any) -> dict[str, Any]:
        found = []
        for query in asked["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            of = metric["Dimensions"][0]["Value"]
            found.append({"Id": query["Id"], "Values": self.metrics.get((metric["MetricName"], of), [])})
        return {"MetricDataResults": found}

    def _well(self) -> dict[str, Any]:
        outputs = {
            "Url": URL,
            "TableName": "shop-Table",
            "KeyringSecretArn": arn("secretsmanager", "secret:shop"),
            "ConfigurationSetName": "shop-ConfigurationSet",
            "FeedbackTopicArn": arn("sns", "shop-FeedbackTopic"),
            "FeedbackQueueUrl": queue("FeedbackQueue"),
            "InboundQueueUrl": queue("InboundQueue"),
            "InboundBucketName": "shop-inbound",
            "InboundRuleSetName": "shop-InboundRules",
            "ArchiveBucketName": "shop-archive",
        }
        parameters = {
            "SenderAddresses": ",".join(SENDERS),
            "InboundDomains": ",".join(DOMAINS),
            "AccountConcurrency": "1000",
            "BulkConcurrency": "8",
            "ArchiveSegments": "8",
            "AlarmTopicArn": ALARM_TOPIC,
        }
        stack = {
            "StackName": "shop",
            "CreationTime": NOW - timedelta(days=400),
            "StackStatus": "UPDATE_COMPLETE",
            "DriftInformation": {"StackDriftStatus": "IN_SYNC"},
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        }
        return {
            "DescribeStacks": {"Stacks": [stack]},
            "ListStackResources": lambda _: {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": name,
                        "ResourceType": kind,
                        "PhysicalResourceId": physical,
                        "ResourceStatus": "CREATE_COMPLETE",
                    }
                    for name, (kind, physical) in self.resources.items()
                ]
            },
            "DescribeStackResourceDrifts": {
                "StackResourceDrifts": [
                    {
                        "LogicalResourceId": "SpoolQueue",
                        "StackResourceDriftStatus": "MODIFIED",
                        "PropertyDifferences": [
                            {"PropertyPath": "/VisibilityTimeout"},
                            {"PropertyPath": "/RedrivePolicy"},
                        ],
                    },
                    {"LogicalResourceId": "ArchiveBucket", "StackResourceDriftStatus": "DELETED"},
                ]
            },
            "GetAccountSettings": {
                "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
            },
            "GetEventSourceMapping": {
                "State": "Enabled",
                "LastProcessingResult": "No records processed",
                "ScalingConfig": {"MaximumConcurrency": 40},
            },
            "GetMetricData": self._metric,
            "GetSecretValue": {"SecretString": json.dumps({"root": "r" * 64, "brands": self._secrets()})},
            "DescribeSecret": {"ReplicationStatus": [{"Region": "eu-north-1", "Status": "InSync"}]},
            "GetAccount": {
                "SendingEnabled": True,
                "ProductionAccessEnabled": True,
                "EnforcementStatus": "HEALTHY",
                "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 210.0},
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            },
            "GetEmailIdentity": lambda asked: (
                Refused("NotFoundException")
                if "@" in asked["EmailIdentity"]
                else copy.deepcopy(self.answers["identity"](asked["EmailIdentity"]))
            ),
            "identity": lambda domain: {
                "VerifiedForSendingStatus": True,
                "DkimAttributes": {
                    "SigningEnabled": True,
                    "Status": "SUCCESS",
                    "CurrentSigningKeyLength": "RSA_2048_BIT",
                },
                "MailFromAttributes": {"MailFromDomain": f"bounces.{domain}", "MailFromDomainStatus": "SUCCESS"},
            },
            "GetConfigurationSet": {"SendingOptions": {"SendingEnabled": True}},
            "DescribeActiveReceiptRuleSet": {
                "Metadata": {"Name": "shop-InboundRules"},
                "Rules": [
                    {
                        "Name": "store",
                        "Enabled": True,
                        "Recipients": list(DOMAINS),
                        "Actions": [{"S3Action": {"BucketName": "shop-inbound"}}],
                    }
                ],
            },
            "GetQueueAttributes": self._queue,
            "alarm": {"StateValue": "OK", "StateUpdatedTimestamp": NOW - timedelta(days=3), "ActionsEnabled": True},
            "DescribeAlarms": lambda asked: {
                "MetricAlarms": [{"AlarmName": name, **self.answers["alarm"]} for name in asked["AlarmNames"]]
            },
            "GetTopicAttributes": {
                "Attributes": {
                    "SubscriptionsConfirmed": "2",
                    "SubscriptionsPending": "0",
                    "KmsMasterKeyId": "alias/night-shift",
                }
            },
            "DescribeKey": {"KeyMetadata": {"KeyId": "1a2b", "Enabled": True}},
            "GetKeyPolicy": {"Policy": key_policy("kms:Decrypt", "kms:GenerateDataKey*")},
            "ListObjectsV2": lambda asked: {
                "Contents": [{"Key": f"{asked['Prefix']}run/manifest.json"}, {"Key": f"{asked['Prefix']}{KEPT}.json"}]
            },
            "Scan": {"Items": [{"notice": {"S": "1234567890ab"}}, {"notice": {"S": KEPT}}]},
        }

    def _secrets(self) -> dict[str, Any]:
        from consentry import providers

        return {
            brand.id: {
                "api_keys": [{"id": "1", "sha256": "0", "scopes": ["read"]}],
                "webhooks": {
                    name: dict.fromkeys(providers.provider(name).SECRETS, "secret") for name in brand.webhooks
                },
                "notifications": {endpoint.id: ["whsec_secret"] for endpoint in brand.notifications},
            }
            for brand in self.brands
        }

    @staticmethod
    def _queue(asked: Any) -> dict[str, Any]:
        return {"Attributes": dict.fromkeys(asked["AttributeNames"], "0") | {"MessageRetentionPeriod": "1209600"}}


@cache
def brands() -> tuple[Brand, ...]:
    return tuple(brands_module.from_json(each) for each in compile_folder(ROOT / "tests/brands"))


@cache
def resources() -> dict[str, tuple[str, str]]:
    """Type and physical id of what the template makes, by logical id, as CloudFormation lists it after SAM."""
    found = {}
    for name, each in cloudformation.read(ROOT / "template.yaml")["Resources"].items():
        kind = each["Type"].replace("AWS::Serverless::Function", "AWS::Lambda::Function")
        found[name] = (kind, queue(name) if kind == "AWS::SQS::Queue" else f"shop-{name}")
        for event, what in each["Properties"].get("Events", {}).items() if "Properties" in each else ():
            if what["Type"] in {"SQS", "DynamoDB"}:
                found[name + event] = ("AWS::Lambda::EventSourceMapping", str(uuid5(NAMESPACE_DNS, name + event)))
    return found


def check_shape(answer: Any, shape: Any, where: str) -> None:
    """AWS's model has every name of an answer, in its place."""
    if shape.type_name == "structure":
        for name, value in answer.items():
            assert name in shape.members, f"{where} has no {name}"
            check_shape(value, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for each in answer:
            check_shape(each, shape.member, where)
    elif shape.type_name == "map":
        for value in answer.values():
            check_shape(value, shape.value, where)
    elif getattr(shape, "enum", None):
        assert answer in shape.enum, f"{where}: {answer}"
