"""Quotas are counted where a deployment would meet them, and what goes over one is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dev.audit import physical, quotas
from dev.audit.cases import Case

Change = Callable[[dict[str, Any]], None]


def test_every_case_stays_within_every_quota(rehearsed: list[Case]) -> None:
    assert quotas.check(rehearsed).found == []


def test_every_quota_is_met_by_something_of_the_template(rehearsed: list[Case]) -> None:
    kinds = {each["Type"] for case in rehearsed for each in case.resolved["Resources"].values()}
    assert kinds >= quotas.KINDS - {quotas._POLICY}


def resource(name: str, **properties: Any) -> Change:
    return lambda template: template["Resources"][name]["Properties"].update(properties)


def document(length: int) -> dict[str, Any]:
    statement = {"Sid": "S" * length, "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def metrics(count: int) -> list[dict[str, Any]]:
    return [{"Id": f"m{number}", "MetricStat": {"Period": 60}} for number in range(count)]


def widgets(*metrics: int) -> str:
    return json.dumps({"widgets": [{"type": "metric", "properties": {"metrics": [["A"]] * each}} for each in metrics]})


def many(count: int, kind: str = "AWS::SQS::Queue", **properties: Any) -> Change:
    made = {f"X{number}": {"Type": kind, "Properties": properties} for number in range(count)}
    return lambda template: template["Resources"].update(made)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (resource("WorkerThrottlesAlarm", Metrics=metrics(11)), "WorkerThrottlesAlarm: metrics of an alarm: 11 of 10"),
        (
            resource("ThrottlesAlarm", Metrics=[{"Id": "x", "Expression": "x" * 1025}]),
            "ThrottlesAlarm: characters of an expression: ",
        ),
        (resource("FaultsAlarm", AlarmActions=["x"] * 6), "FaultsAlarm: actions of an alarm: 6 of 5"),
        (resource("FaultsAlarm", AlarmDescription="x" * 1025), "FaultsAlarm: characters of an alarm's description: "),
        (resource("FaultsAlarm", Period=60, EvaluationPeriods=1441), "FaultsAlarm: seconds that an alarm looks back: "),
        (resource("Dashboard", DashboardBody=widgets(501)), "Dashboard: metrics of a widget: 501 of 500"),
        (resource("Dashboard", DashboardBody=widgets(*[500] * 6)), "Dashboard: metrics of a dashboard: 3,000 of 2,500"),
        (resource("Dashboard", DashboardBody=widgets(*[1] * 501)), "Dashboard: widgets of a dashboard: 501 of 500"),
        (
            resource(
                "Dashboard",
                DashboardBody='{"widgets": [{"type": "alarm", "properties": {"alarms": ['
                + ",".join(["1"] * 101)
                + "]}}]}",
            ),
            "Dashboard: alarms of a widget: 101 of 100",
        ),
        (
            resource("ApiFunction", Environment={"Variables": {"X": "x" * 4096}}),
            "ApiFunction: bytes of an environment: ",
        ),
        (
            resource("ApiFunction", Description="x" * 257),
            "ApiFunction: characters of a function's description: 257 of 256",
        ),
        (
            resource("CourierFunctionPutOff", BatchSize=11),
            "CourierFunctionPutOff: messages of a batch that isn't waited for: ",
        ),
        (
            many(101, "AWS::Logs::MetricFilter", LogGroupName="group", FilterPattern="", MetricTransformations=[]),
            "group: metric filters of a log group: 101 of 100",
        ),
        (
            resource("ApiFunctionRole", AssumeRolePolicyDocument=document(2048)),
            "ApiFunctionRole: characters of whom a role trusts: ",
        ),
        (
            resource("ApiFunctionRole", ManagedPolicyArns=["x"] * 11),
            "ApiFunctionRole: managed policies of a role: 11 of 10",
        ),
        (
            resource(
                "ApiFunctionRole", Policies=[{"PolicyName": str(n), "PolicyDocument": document(5100)} for n in (1, 2)]
            ),
            "ApiFunctionRole: characters of a role's policies: ",
        ),
        (
            resource("SpoolQueue", RedrivePolicy={"maxReceiveCount": 1001}),
            "SpoolQueue: tries before a message is dead: ",
        ),
        (
            resource("InboundQueuePolicy", PolicyDocument=document(8200)),
            "InboundQueuePolicy: bytes of a queue's policy: ",
        ),
        (
            resource("InboundQueuePolicy", PolicyDocument={"Statement": [{"Action": ["x"] * 8}] * 21}),
            "InboundQueuePolicy: actions of a statement of a queue's policy: 8 of 7",
        ),
        (
            resource("InboundBucketPolicy", PolicyDocument=document(20_480)),
            "InboundBucketPolicy: bytes of a bucket's policy: ",
        ),
        (
            resource("FeedbackTopicPolicy", PolicyDocument=document(30_720)),
            "FeedbackTopicPolicy: bytes of a topic's policy: ",
        ),
        (resource("FeedbackTopicKey", KeyPolicy=document(32_768)), "FeedbackTopicKey: bytes of a key's policy: "),
        (
            resource("BulkStateMachine", DefinitionString="x" * 1_000_001),
            "BulkStateMachine: bytes of a state machine: ",
        ),
        (
            resource("HttpApi", Body={"paths": {f"/{number}": {"get": {}} for number in range(301)}}),
            "HttpApi: routes of an API: 301 of 300",
        ),
        (
            many(80, "AWS::Lambda::Permission", FunctionName="f", Principal="p", Action="a", SourceArn="x" * 100),
            "f: bytes of whom a function lets call: ",
        ),
    ],
)
def test_what_goes_over_a_quota_is_told(case: Callable[..., Case], change: Change, told: str) -> None:
    found = quotas.check([case(change)]).found
    assert any(each.startswith(told) for each in found), found


def test_an_answer_counts_as_long_as_it_may_be(case: Callable[..., Case]) -> None:
    """`PublicUrl` is empty by default, which no answer changes the meaning of; where it isn't, it may be longer."""

    def change(template: dict[str, Any]) -> None:
        template["Resources"]["ApiFunction"]["Properties"]["Description"] = {
            "Fn::Sub": "${PublicUrl}${SenderAddresses}"
        }
        template["Parameters"]["PublicUrl"]["MaxLength"] = 300
        template["Parameters"]["SenderAddresses"]["Type"] = "String"
        template["Parameters"]["SenderAddresses"]["MaxLength"] = 10

    assert not quotas.check([case(change)]).found
    over = quotas.check([case(change, "everything on")]).found
    assert "ApiFunction: characters of a function's description: 310 of 256" in over


@pytest.mark.parametrize(
    ("parameter", "longest"),
    [
        ({"Type": "String", "AllowedValues": ["a", "long", "bb"]}, "long"),
        ({"Type": "Number", "MaxValue": 1000}, "1000"),
        ({"Type": "Number"}, "9" * 10),
        ({"Type": "String", "MaxLength": 3}, "xxx"),
        ({"Type": "String"}, "x" * 4096),
    ],
)
def test_the_longest_answer_is_what_a_parameter_takes(parameter: dict[str, Any], longest: str) -> None:
    assert quotas._longest(parameter) == longest


def test_a_list_of_senders_is_as_long_as_a_parameter_may_be() -> None:
    assert 4070 < len(quotas._longest({"Type": "CommaDelimitedList"})) <= 4096


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_name_is_as_long_as_the_service_takes() -> None:
    resources = {
        "Q": {"Type": "AWS::SQS::Queue"},
        "B": {"Type": "AWS::S3::Bucket"},
        "T": {"Type": "AWS::DynamoDB::Table"},
    }
    template = {"Resources": resources}
    url = physical.filled({"Ref": "Q"}, template, physical.LONGEST)
    assert len(url.rpartition("/")[2]) == 80
    assert url.startswith("https://sqs.ap-northeast-1.amazonaws.com.cn/123456789012/sss")
    assert len(physical.filled({"Ref": "B"}, template, physical.LONGEST)) == 63
    arn = physical.filled({"Fn::Sub": "${T.Arn}/${!x}"}, template, physical.USUAL)
    assert arn == "arn:aws:dynamodb:us-east-1:123456789012:table/consentry-T-0123456789AB/${x}"


def test_an_alias_is_called_by_its_function(case: Callable[..., Case]) -> None:
    arn = physical.filled({"Ref": "BulkFunctionAliaslive"}, case().resolved, physical.USUAL)
    assert arn == "arn:aws:lambda:us-east-1:123456789012:function:consentry-BulkFunction-0123456789AB:live"


@pytest.mark.parametrize("part", [{"Fn::GetAtt": ["Table", "Colour"]}, {"Ref": "Nothing"}, {"Ref": "Odd"}])
def test_what_is_not_known_is_not_guessed(case: Callable[..., Case], part: dict[str, Any]) -> None:
    template = case(lambda given: given["Resources"].update(Odd={"Type": "AWS::Odd::Thing", "Properties": {}})).resolved
    with pytest.raises(LookupError):
        physical.filled(part, template, physical.USUAL)
