"""Queues: how long they keep what, and what becomes of what fails."""

from __future__ import annotations

import re

import pytest

from consentry.actions import notifications
from support.template import (
    ALARMS,
    DAY_S,
    FUNCTIONS,
    GLOBAL,
    QUEUES,
    READERS,
    SENT_ANEW,
    STATEMENTS,
    TEMPLATE,
    WAITS,
    flat,
    given_up_after,
)


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
