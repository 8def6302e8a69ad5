"""Alarms: there, quiet, and heard by somebody."""

from __future__ import annotations

import json
from datetime import UTC
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill

_DAY_S: Final = 24 * 3600
_AT_ONCE: Final = 100
"""Names that one DescribeAlarms takes."""
_OF_AWS: Final = "alias/aws/sns"
"""The key of AWS's own, whose policy nobody can change."""
_NEEDED: Final = ("kms:Decrypt", "kms:GenerateDataKey")


def states(deployed: Deployed) -> Generator[Ill, None, str]:
    """Every alarm is there, and none rings."""
    wanted = {name: logical for logical, name in deployed.of_kind("AWS::CloudWatch::Alarm").items()}
    names = sorted(wanted)
    found: dict[str, Any] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        answer = deployed.client("cloudwatch").describe_alarms(AlarmNames=some, MaxRecords=_AT_ONCE)
        found |= {each["AlarmName"]: each for each in answer.get("MetricAlarms", ())}
    for name, logical in sorted(wanted.items(), key=lambda each: each[1]):
        told = found.get(name)
        if told is None:
            yield fault(f"{logical} is gone.", "Deploy the stack anew.")
            continue
        since = told.get("StateUpdatedTimestamp")
        age = (deployed.now().astimezone(UTC) - since.astimezone(UTC)).total_seconds() if since else 0
        if told.get("StateValue") == "ALARM":
            yield fault(f"{logical} rings: {told.get('AlarmDescription', '')}.", "The table of alarms says what to do.")
        elif told.get("StateValue") == "INSUFFICIENT_DATA" and age > _DAY_S:
            yield warning(
                f"{logical} has had nothing to go by for {number(age // _DAY_S, 'day')}.",
                "Look at its metric: is it still there under that name?",
            )
        if not told.get("ActionsEnabled", True):
            yield warning(f"The actions of {logical} are turned off.", "aws cloudwatch enable-alarm-actions")
    if not wanted:
        yield fault("The stack has no alarms.", "Deploy this version.")
    return f"{number(len(wanted), 'alarm')}, none rings."


def heard(deployed: Deployed) -> Generator[Ill, None, str]:
    """Somebody hears an alarm."""
    topics = {name: deployed.parameters.get(name, "") for name in ("AlarmTopicArn", "NoticeTopicArn")}
    if not topics["AlarmTopicArn"]:
        yield warning(
            "Nobody hears the alarms: AlarmTopicArn is empty.",
            "Make an SNS topic, subscribe to it, then `make deploy SET=AlarmTopicArn=ARN`.",
        )
    hear = 0
    for name, topic in topics.items():
        if not topic:
            continue
        try:
            told = deployed.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(
                f"The topic of {name} is gone: nobody hears its alarms.",
                f"Make it anew by the same name, or another: then `make deploy SET={name}=ARN`.",
            )
            continue
        confirmed, pending = (int(told.get(f"Subscriptions{each}", 0)) for each in ("Confirmed", "Pending"))
        if not confirmed:
            yield fault(
                f"Nobody hears the alarms: no subscription to {name} is confirmed, {pending} wait for that.",
                "Subscribe to the topic, and follow the link in the email that SNS sends.",
            )
        if key := told.get("KmsMasterKeyId"):
            yield from _encrypted(deployed, name, key)
        hear = max(hear, confirmed)
    return f"{number(hear, 'subscriber')} of the topic of alarms."


def _encrypted(deployed: Deployed, name: str, key: str) -> Generator[Ill]:
    """CloudWatch may use the key that a topic is encrypted with.

    https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
    """
    mend = "Encrypt it with a key of your own whose policy lets CloudWatch use it, or not at all."
    if key.endswith(_OF_AWS):
        yield fault(f"No alarm reaches {name}: it is encrypted with {_OF_AWS}, which CloudWatch may not use.", mend)
        return
    kms = deployed.client("kms")
    try:
        found = kms.describe_key(KeyId=key)["KeyMetadata"]
        policy = json.loads(kms.get_key_policy(KeyId=found["KeyId"])["Policy"])
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault(f"No alarm reaches {name}: the key that it is encrypted with is gone.", mend)
        return
    if not found.get("Enabled", True):
        yield fault(f"No alarm reaches {name}: the key that it is encrypted with is turned off.", mend)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    patterns = [action for statement in statements for action in _allowed(statement)]
    if not all(any(fnmatchcase(action, pattern) for pattern in patterns) for action in _NEEDED):
        yield fault(
            f"No alarm reaches {name}: the policy of its key doesn't let CloudWatch use it.",
            "Add the statement that the page has to the key's policy.",
        )


def _allowed(statement: dict[str, Any]) -> list[str]:
    """What a statement of a key's policy lets CloudWatch do."""
    if statement.get("Effect") != "Allow" or "cloudwatch.amazonaws.com" not in json.dumps(statement.get("Principal")):
        return []
    actions = statement.get("Action", ())
    return [actions] if isinstance(actions, str) else list(actions)


CHECKS = (
    Check("alarms", states, "docs/deploying.md#alarms"),
    Check("alarm-topic", heard, "docs/deploying.md#a-topic-for-alarms"),
)
