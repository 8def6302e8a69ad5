"""Alarms: each has a runbook, and whatever can fail has an alarm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from consentry import telemetry
from consentry.http import batches
from consentry.table import endpoints
from support.template import (
    ALARMS,
    DAY_S,
    FILTERED,
    FUNCTIONS,
    GLOBAL,
    QUEUES,
    READERS,
    ROOT,
    STEPS,
    WAITED_FOR,
    given_up_after,
    measured,
    texts,
    wait,
)

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


def test_an_alarm_of_a_metric_of_ours_is_of_one_that_is_counted() -> None:
    namespace = GLOBAL["Environment"]["Variables"]["METRICS_NAMESPACE"]
    watched = [*ALARMS.values(), *(each for alarm in ALARMS.values() for each in measured(alarm))]
    alarms = [each for each in watched if each.get("Namespace") == namespace]
    assert alarms
    for each in alarms:
        told_apart_by = tuple(dimension["Name"] for dimension in each.get("Dimensions", ()))
        counted = () if each["MetricName"] in FILTERED else telemetry.METRICS[each["MetricName"]].dimensions
        assert told_apart_by == counted, "or it never rings"
