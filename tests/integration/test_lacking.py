"""What the emulator lacks, asked of the emulator itself, without anything of ours in it.

A test that fails here has good news: the emulator can do what AWS does, and what fills the gap may go.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import socket
import ssl
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from botocore.exceptions import ClientError

from dev.emulator import aws, build, gaps, incoming, inside, metrics, outbox, run
from dev.emulator.ports import LOOPBACK
from support import codedeploy, judging, weights
from support.emulated import HANDLER, SENDER, Emulated, ask, emulated
from support.waiting import eventually


def routes_are_ignored(at: Emulated) -> bool:
    to = {"type": "http_proxy", "httpMethod": "GET", "uri": "https://example.com", "payloadFormatVersion": "1.0"}
    paths = {"/healthz": {"get": {gaps.INTEGRATION: to}}}
    body = {"openapi": "3.0.1", "info": {"title": "probe"}, "paths": paths}
    at.stack("routes", {"Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": body}}})
    return not at.client("apigatewayv2").get_routes(ApiId=at.resource("routes", "Api"))["Items"]


KEYED: Final = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}


def table_of(at: Emulated, stack: str, **properties: Any) -> str:
    """A table that a template describes."""
    at.stack(stack, {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {**KEYED, **properties}}})
    return at.resource(stack, "Table")


def ttl_is_ignored(at: Emulated) -> bool:
    table = table_of(at, "ttl", TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True})
    described = at.client("dynamodb").describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    return bool(described["TimeToLiveStatus"] == "DISABLED")


def recovery_is_ignored(at: Emulated) -> bool:
    table = table_of(at, "recovery", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    described = at.client("dynamodb").describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    return bool(described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED")


def object_lock_is_ignored(at: Emulated) -> bool:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 1}}
    lock = {"ObjectLockEnabled": True, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}
    at.stack("lock", {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": lock}})
    try:
        found = at.client("s3").get_object_lock_configuration(Bucket=at.resource("lock", "Bucket"))
    except ClientError:
        return True
    return "Rule" not in found["ObjectLockConfiguration"]


def failed_records_are_dropped(at: Emulated) -> bool:
    """Where they aren't, the record after one that fails never comes: a shard keeps its order."""
    dynamodb, functions = at.client("dynamodb"), at.client("lambda")
    table = dynamodb.create_table(
        TableName="streaming",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        **KEYED,
    )["TableDescription"]
    at.function("streamed")
    functions.create_event_source_mapping(
        FunctionName="streamed",
        EventSourceArn=table["LatestStreamArn"],
        StartingPosition="TRIM_HORIZON",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    dynamodb.put_item(TableName="streaming", Item={"pk": {"S": "fails"}})
    eventually(lambda: came(at, "streamed"), lambda names: "fails" in names)
    dynamodb.put_item(TableName="streaming", Item={"pk": {"S": "next"}})
    names = eventually(lambda: came(at, "streamed"), lambda names: "next" in names or names.count("fails") > 1)
    return bool(names.count("fails") == 1)


def came(at: Emulated, function: str) -> list[str]:
    """The records that a function got, as often as it got them."""
    try:
        found = at.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="got")
    except ClientError:
        return []
    return [name for each in found["events"] for name in each["message"].split()[1:]]


def identities_are_unknown_to_iam(at: Emulated) -> bool:
    allowed = at.client_allowed(
        "sesv2",
        Action="ses:SendEmail",
        Resource=f"arn:aws:ses:*:*:identity/{SENDER}",
        Condition={"StringEquals": {"ses:FromAddress": SENDER}},
    )
    try:
        send(allowed)
    except ClientError as exc:
        return "AccessDenied" in exc.response["Error"]["Code"]
    return False


def send(ses: Any, to: str = "to@example.com", raw: bool = False, **more: Any) -> None:
    simple = {"Simple": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}}}
    message = b"From: from@example.com\r\nTo: to@example.com\r\nSubject: -\r\nX-Probe: kept\r\n\r\n-"
    content = {"Raw": {"Data": message}} if raw else simple
    ses.send_email(FromEmailAddress=SENDER, Destination={"ToAddresses": [to]}, Content=content, **more)


def bounces_are_not_told(at: Emulated) -> bool:
    ses, sns, sqs = at.client("sesv2"), at.client("sns"), at.client("sqs")
    topic = sns.create_topic(Name="told")["TopicArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queue = sqs.create_queue(QueueName="told", Attributes={"Policy": policy})["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:told")
    ses.create_configuration_set(ConfigurationSetName="telling")
    ses.create_configuration_set_event_destination(
        ConfigurationSetName="telling",
        EventDestinationName="told",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["BOUNCE"],
            "SnsDestination": {"TopicArn": topic},
        },
    )
    send(ses, "bounce@simulator.amazonses.com", ConfigurationSetName="telling")
    sns.publish(TopicArn=topic, Message="that was all")
    first = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages", []), bool)[0]
    return "that was all" in first["Body"]


def https_is_not_spoken(at: Emulated) -> bool:
    port = int(at.endpoint.rpartition(":")[2])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((LOOPBACK, port), 10) as plain, context.wrap_socket(plain):
            return False
    except OSError:
        return True


def keys_are_unknown_to_iam(at: Emulated) -> bool:
    dynamodb = at.client("dynamodb")
    dynamodb.create_table(TableName="keyed", **KEYED)
    allowed = at.client_allowed(
        "dynamodb",
        Action="dynamodb:GetItem",
        Resource="*",
        Condition={"Null": {"dynamodb:LeadingKeys": "false"}},
    )
    try:
        allowed.get_item(TableName="keyed", Key={"pk": {"S": "a"}})
    except ClientError as exc:
        return "AccessDenied" in exc.response["Error"]["Code"]
    return False


def faults_are_told(at: Emulated) -> bool:
    return "a secret" in ask(at.api("raising", "GET /raise") + "/raise")[1]


def options_are_answered(at: Emulated) -> bool:
    return '"route"' not in ask(at.api("options", "ANY /any") + "/any", "OPTIONS")[1]


def nothing_is_throttled(at: Emulated) -> bool:
    url = at.api("throttled", "GET /any", DefaultRouteSettings={"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.01})
    return {ask(f"{url}/any")[0] for _ in range(5)} == {200}


def senders_are_believed(at: Emulated) -> bool:
    return bool(at.client("sesv2").get_email_identity(EmailIdentity=SENDER)["VerifiedForSendingStatus"])


def raw_mails_are_not_kept(at: Emulated) -> bool:
    ses = at.client("sesv2")
    send(ses, raw=True)
    return "X-Probe" not in ask(f"{at.endpoint}/_ministack/ses/messages")[1]


def no_mail_comes_in(at: Emulated) -> bool:
    ses, s3 = at.client("ses"), at.client("s3")
    s3.create_bucket(Bucket="inbound")
    ses.create_receipt_rule_set(RuleSetName="rules")
    action = {"S3Action": {"BucketName": "inbound"}}
    rule = {"Name": "keep", "Enabled": True, "Recipients": [SENDER], "Actions": [action]}
    ses.create_receipt_rule(RuleSetName="rules", Rule=rule)
    ses.set_active_receipt_rule_set(RuleSetName="rules")
    send(at.client("sesv2"), SENDER)
    return not s3.list_objects_v2(Bucket="inbound").get("Contents")


def greedy_variables_come_first(at: Emulated) -> bool:
    url = at.api("greedy", "GET /u/{token+}", "GET /{page}/{token}")
    return bool(json.loads(ask(f"{url}/u/x")[1])["route"] == "GET /u/{token+}")


def line_breaks_fit_nothing(at: Emulated) -> bool:
    return ask(at.api("breaking", "GET /u/{token+}") + "/u/a%0Ab")[0] == 404


def layers_are_unpacked_for_each_process(at: Emulated) -> bool:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("python/module.py", "")
    functions = at.client("lambda")
    layer = functions.publish_layer_version(LayerName="probe", Content={"ZipFile": packed.getvalue()})
    for name in ("layered", "layered-too"):
        at.function(name, Layers=[layer["LayerVersionArn"]])
        functions.invoke(FunctionName=name, Payload=b"{}")
    unpacked = {each.resolve() for each in at.folder.glob("tmp/**/python/module.py")}
    return len(unpacked) == 2


def sam_is_told_of_defaults_alone(at: Emulated) -> bool:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "InlineCode": HANDLER,
            "Handler": "index.handler",
            "Runtime": build.runtime(),
            "AutoPublishAlias": {"Ref": "Alias"},
        },
    }
    at.stack(
        "sam",
        {"F": function},
        Transform="AWS::Serverless-2016-10-31",
        Parameters={"Alias": {"Type": "String", "Default": "default"}},
        Values={"Alias": "given"},
    )
    processed = at.client("cloudformation").get_template(StackName="sam", TemplateStage="Processed")["TemplateBody"]
    return "FAliasdefault" in processed["Resources"]


def other_sites_are_answered(at: Emulated) -> bool:
    return ask(f"{at.endpoint}/_ministack/health", Host="site.example", Origin="https://site.example")[0] == 200


def metrics_in_logs_are_not_counted(at: Emulated) -> bool:
    at.function("counted")
    at.client("lambda").invoke(FunctionName="counted", Payload=b"{}")
    return not at.client("cloudwatch").list_metrics(Namespace="Probe")["Metrics"]


def two_versions(at: Emulated, name: str) -> None:
    """A function with two versions, and an alias that has all calls go to the one beside its own."""
    functions = at.client("lambda")
    at.function(name)
    for variable in ("1", "2"):
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"V": variable}})
        functions.publish_version(FunctionName=name)
    functions.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
    )


def weights_are_ignored(at: Emulated) -> bool:
    two_versions(at, "weighted")
    answer = at.client("lambda").invoke(FunctionName="weighted", Qualifier="live", Payload=b"{}")
    return bool(json.loads(json.load(answer["Payload"])["body"])["version"] == "1")


def versions_are_not_counted(at: Emulated) -> bool:
    two_versions(at, "versions")
    at.client("lambda").invoke(FunctionName="versions", Qualifier="live", Payload=b"{}")
    found = at.client("cloudwatch").list_metrics(Namespace="AWS/Lambda")["Metrics"]
    return not [each for each in found if "ExecutedVersion" in {name["Name"] for name in each["Dimensions"]}]


def alarms_of_several_metrics_are_refused(at: Emulated) -> bool:
    stat = {"Stat": "Sum", "Period": 60, "Metric": {"Namespace": "Probe", "MetricName": "A"}}
    alarm = {
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [
            {"Id": "all", "Expression": "SUM(METRICS())"},
            {"Id": "a", "ReturnData": False, "MetricStat": stat},
        ],
    }
    return at.stack("math", {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}) != "CREATE_COMPLETE"


def codedeploy_is_unknown(at: Emulated) -> bool:
    application = {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}}
    return at.stack("codedeploy", {"Application": application}) != "CREATE_COMPLETE"


def circles_through_policies_pass(at: Emulated) -> bool:
    def parameter(value: Any) -> dict[str, Any]:
        return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}

    policy = {"CodeDeployLambdaAliasUpdate": {"ApplicationName": {"Ref": "B"}, "DeploymentGroupName": {"Ref": "B"}}}
    resources = {"A": {**parameter("a"), "UpdatePolicy": policy}, "B": parameter({"Ref": "A"})}
    return at.stack("circle", resources) == "CREATE_COMPLETE"


class Gap(NamedTuple):
    """Something that the emulator lacks."""

    aws: str
    """What AWS does."""
    is_there: Callable[[Emulated], bool]
    """Asks the emulator."""
    filled_by: Any
    """None where nothing does. What is in `support`, tests alone meet."""


GAPS: Final = {
    "openapi routes": Gap(
        "An HTTP API has the routes that its OpenAPI body describes.", routes_are_ignored, gaps.create_routes
    ),
    "ttl in templates": Gap("TimeToLiveSpecification turns a table's TTL on.", ttl_is_ignored, gaps.enable_expiry),
    "recovery in templates": Gap("PointInTimeRecoverySpecification keeps a table's past.", recovery_is_ignored, None),
    "object lock in templates": Gap(
        "ObjectLockConfiguration locks what a bucket gets.", object_lock_is_ignored, gaps.lock_objects
    ),
    "partial answers for streams": Gap(
        "A stream's record that a function reports as failed comes again, before those after it.",
        failed_records_are_dropped,
        gaps.one_record_a_call,
    ),
    "permissions to mail": Gap(
        "IAM knows SES's identities and ses:FromAddress.", identities_are_unknown_to_iam, gaps.let_mails_pass
    ),
    "what becomes of mails": Gap(
        "SES publishes bounces and complaints to event destinations.", bounces_are_not_told, gaps.tell_of_mail
    ),
    "tls": Gap("All of AWS is spoken to by HTTPS.", https_is_not_spoken, inside.over_tls),
    "keys of calls": Gap(
        "IAM knows which keys a call to DynamoDB names.", keys_are_unknown_to_iam, gaps.let_keys_go_unnamed
    ),
    "faults of handlers": Gap(
        "An HTTP API tells nobody what a handler raised.", faults_are_told, gaps.as_api_gateway_answers
    ),
    "options": Gap("ANY routes get OPTIONS, too.", options_are_answered, inside.options_to_routes),
    "throttling": Gap("A stage answers 429 above the rate that it is given.", nothing_is_throttled, None),
    "proof of senders": Gap(
        "SES sends for an identity once somebody has proved that it is theirs.", senders_are_believed, None
    ),
    "raw mails": Gap("SES sends a raw message as it is, with its headers.", raw_mails_are_not_kept, outbox.Outbox),
    "mails that come in": Gap("SES receives mails and puts them into a bucket.", no_mail_comes_in, incoming.deliver),
    "greedy variables": Gap(
        "A greedy path variable may have any name.", greedy_variables_come_first, inside.specificity
    ),
    "line breaks in paths": Gap(
        "A path variable takes a line break, as a damaged link holds it.", line_breaks_fit_nothing, inside.across_lines
    ),
    "layers once": Gap(
        "A layer is unpacked once for a function.", layers_are_unpacked_for_each_process, inside.Archive
    ),
    "values for sam": Gap(
        "SAM is told of the parameters' values.", sam_is_told_of_defaults_alone, inside.told_of_parameters
    ),
    "other sites": Gap("AWS answers nobody but those who sign their calls.", other_sites_are_answered, inside.guarded),
    "metrics in logs": Gap(
        "Log lines in the embedded metric format are counted.", metrics_in_logs_are_not_counted, metrics.in_lines
    ),
    "metrics of versions": Gap(
        "Lambda counts by version while an alias leads to two.", versions_are_not_counted, judging.of_an_invocation
    ),
    "alarms of several metrics": Gap(
        "An alarm takes metric math.", alarms_of_several_metrics_are_refused, metrics.of_its_first_metric
    ),
    "weighted aliases": Gap(
        "An alias with RoutingConfig calls two versions by their weights.", weights_are_ignored, weights.Turns
    ),
    "codedeploy": Gap("CloudFormation has CodeDeploy's resources.", codedeploy_is_unknown, inside.know_codedeploy),
    "update policies": Gap(
        "What an UpdatePolicy names comes first; a circle is refused.",
        circles_through_policies_pass,
        codedeploy.policy_of,
    ),
}
"""What AWS does and the emulator (ministack 1.5.33) doesn't. A table in another engine is no gap: AWS has one."""
INSIDE: Final = (inside, metrics, judging, weights, codedeploy)
"""What runs in the emulator's own process. Everything else is done to a stack that is deployed, or before its API."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulator as it is."""
    program = tmp_path_factory.mktemp("program") / "plain.py"
    program.write_text("from ministack import app\n\napp.main()\n", "utf-8")
    with emulated(tmp_path_factory.mktemp("plain"), program) as running:
        yield running


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulator with what we make up for inside it."""
    with emulated(tmp_path_factory.mktemp("filled"), codedeploy.PROGRAM) as running:
        yield running


@pytest.mark.parametrize("name", GAPS)
def test_the_emulator_still_lacks_it(plain: Emulated, name: str) -> None:
    gap = GAPS[name]
    assert gap.is_there(plain), f"the emulator can do it now ({gap.aws}): {gap.filled_by or 'its line'} may go"


def module_of(gap: Gap) -> str:
    return str(getattr(gap.filled_by, "__module__", ""))


@pytest.mark.parametrize(
    "name",
    # Policies are read as of calls over TLS; what is spoken goes on being plain HTTP.
    [name for name, gap in GAPS.items() if name != "tls" and module_of(gap) in {module.__name__ for module in INSIDE}],
)
def test_what_we_make_up_for_inside_the_emulator_it_does_not_lack(filled: Emulated, name: str) -> None:
    assert not GAPS[name].is_there(filled)


def test_everything_that_makes_up_for_the_emulator_is_on_the_list() -> None:
    named = {gap.filled_by.__name__ for gap in GAPS.values() if module_of(gap) == gaps.__name__}
    called = {
        each.attr for each in ast.walk(ast.parse(Path(run.__file__).read_text())) if isinstance(each, ast.Attribute)
    }
    does = {name for name, each in vars(gaps).items() if inspect.isfunction(each) and each.__module__ == gaps.__name__}
    assert (does & called) - {"routes_of", "url_of"} <= named
