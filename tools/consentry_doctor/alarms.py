"""Alarms: there, quiet, and heard by somebody."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry_doctor.deployed import is_gone
from consentry_doctor.findings import Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_doctor.deployed import Deployed
    from consentry_doctor.findings import Ill

_DAY_S: Final = 24 * 3600
_AT_ONCE: Final = 100
"""Names that one DescribeAlarms takes."""


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
    topic = deployed.parameters.get("AlarmTopicArn", "")
    if not topic:
        yield warning(
            "Nobody hears the alarms: AlarmTopicArn is empty.",
            "Make an SNS topic, subscribe to it, and deploy with its ARN.",
        )
        return ""
    try:
        told = deployed.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault("The topic of AlarmTopicArn is gone: nobody hears the alarms.", "Make it anew, and deploy.")
        return ""
    if not int(told.get("SubscriptionsConfirmed", 0)):
        pending = int(told.get("SubscriptionsPending", 0))
        yield fault(
            f"Nobody hears the alarms: no subscription to their topic is confirmed, {pending} wait for that.",
            "Subscribe to the topic, and follow the link in the mail that SNS sends.",
        )
    return f"{number(int(told.get('SubscriptionsConfirmed', 0)), 'subscriber')} of the topic of alarms."


def dashboard(deployed: Deployed) -> Generator[Ill, None, str]:
    """The stack's dashboard is there."""
    found = deployed.of_kind("AWS::CloudWatch::Dashboard")
    for logical, name in sorted(found.items()):
        try:
            deployed.client("cloudwatch").get_dashboard(DashboardName=name)
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield warning(f"{logical} is gone.", "Deploy the stack anew.")
    return f"{number(len(found), 'dashboard')}." if found else "This stack has no dashboard."


CHECKS = (
    Check("alarms", states, "docs/deploying.md#alarms"),
    Check("alarm-topic", heard, "docs/deploying.md#alarms"),
    Check("dashboard", dashboard, "docs/deploying.md#watching-it"),
)
