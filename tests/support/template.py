"""The template that the tests of it read: its parts, by kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from consentry.actions import notifications, replay
from consentry.actions.waiting import LONGEST_DELAY_S
from consentry.inbound import feedback
from dev.audit import cloudformation

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final[dict[str, Any]] = cloudformation.read(ROOT / "template.yaml")
RESOURCES: Final[dict[str, Any]] = TEMPLATE["Resources"]
GLOBAL: Final[dict[str, Any]] = TEMPLATE["Globals"]["Function"]
WIDE_RESOURCES: Final = {
    # SES can't limit who receives; the condition beside it limits who sends.
    ("CourierFunction", "SendMails"),
}
"""Statements whose resource holds a wildcard, each with its reason."""

"""The objects of a folder in a bucket of ours: they can't be named one by one."""
ALLOWED_IMPORTS: Final = {"consentry", "aws_lambda_powertools", "pydantic"}


def of_type(kind: str) -> dict[str, Any]:
    """The properties of every resource of a type, by logical id."""
    return {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == kind}


FUNCTIONS: Final = of_type("AWS::Serverless::Function")
QUEUES: Final = of_type("AWS::SQS::Queue")
ALARMS: Final = of_type("AWS::CloudWatch::Alarm")
STATEMENTS: Final = [
    (name, statement)
    for name, function in FUNCTIONS.items()
    for policy in function.get("Policies", ())
    for each in (policy.get("Statement", [policy]) if isinstance(policy, dict) else [policy])
    for statement in [each["Fn::If"][1] if "Fn::If" in each else each]
]
"""Each function's, those that are there on a condition as if it held."""
STEPS: Final = RESOURCES["BulkStateMachine"]["Properties"]["Definition"]["States"]
FOLDERS: Final = sorted(path.parent for path in (ROOT / "functions").glob("*/handler.py"))


def flat(value: Any) -> list[Any]:
    """A list, of what may be one thing or several."""
    return value if isinstance(value, list) else [value]


def is_wide(resource: str) -> bool:
    """Whether a resource holds a wildcard, other than for whatever lies in a bucket of ours."""
    return "*" in re.sub(r"^\$\{\w+Bucket\.Arn\}/([a-z]+/)?\*$", "", resource)


def texts(node: Any) -> Iterator[str]:
    """Every string in a part of the template."""
    if isinstance(node, dict):
        for each in node.values():
            yield from texts(each)
    elif isinstance(node, list):
        for each in node:
            yield from texts(each)
    elif isinstance(node, str):
        yield node


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file of every function."""
    for path in sorted((ROOT / "functions").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def conditions(node: Any) -> Iterator[dict[str, Any]]:
    """Every `Condition` of a policy's statement in a part of the template."""
    if isinstance(node, list):
        for each in node:
            yield from conditions(each)
    if isinstance(node, dict):
        if "Effect" in node:
            yield node.get("Condition", {})
        for each in node.values():
            yield from conditions(each)


PARAMETERS: Final[dict[str, Any]] = TEMPLATE["Parameters"]
WAITED_FOR: Final = {
    name
    for name, function in FUNCTIONS.items()
    if any(event["Type"] == "HttpApi" for event in function.get("Events", {}).values())
}
DAY_S: Final = 86_400
WAITS: Final = {"SpoolQueue": replay.WAITS.after, "FeedbackQueue": feedback.WAITS.after}
"""Seconds between one try and the next, by their number; elsewhere what failed comes back when it is visible again."""
SENT_ANEW: Final = {"NotificationQueue": "NotificationDeadLetters"}
"""Where the function itself sends what it gives up: a message of its own, whose fourteen days begin then. What it puts
off is a message of its own, too; `maxReceiveCount` is for crashes."""
READERS: Final = {
    event["Properties"]["Queue"]["Fn::GetAtt"][0]: name
    for name, function in FUNCTIONS.items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "SQS"
}
"""The function that reads each queue."""


def wait(queue: str, tries: int) -> int:
    """Seconds from the beginning of a try, the first being 1, to the next at the latest."""
    visibility: int = QUEUES[queue]["VisibilityTimeout"]
    if queue in SENT_ANEW:
        return LONGEST_DELAY_S + visibility
    if queue not in WAITS:
        return visibility
    return max(visibility, WAITS[queue](tries) + FUNCTIONS[READERS[queue]].get("Timeout", GLOBAL["Timeout"]))


def given_up_after(queue: str) -> int:
    """Seconds from the sending of a message to its coming among the dead letters, at the latest."""
    if queue in SENT_ANEW:
        return notifications.SPAN_MS // 1000 + 2 * wait(queue, 1)
    return sum(wait(queue, tries) for tries in range(1, 1 + QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"]))


def measured(value: Any) -> Iterator[dict[str, Any]]:
    """Every `Metric` of a math alarm."""
    for each in value.get("Metrics", ()):
        on_condition = each["Fn::If"][1] if "Fn::If" in each else each
        if "MetricStat" in on_condition:
            yield on_condition["MetricStat"]["Metric"]


FILTERED: Final = {
    filtered["MetricTransformations"][0]["MetricName"]: filtered
    for filtered in of_type("AWS::Logs::MetricFilter").values()
}
"""What CloudWatch counts in logs, by metric."""


def statements(policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a resource's policy, by purpose; one that is there on a condition as if it held."""
    listed = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    plain = [each["Fn::If"][1] if "Fn::If" in each else each for each in listed]
    return {each["Sid"]: each for each in plain}


ACCOUNTS: Final[dict[str, dict[str, int]]] = TEMPLATE["Mappings"]["Accounts"]
"""The most that runs behind each source of events, by how many functions the account may run at once."""


def at_once(source: dict[str, Any], account: str) -> int:
    """How many functions a queue starts at once, or a shard of the stream."""
    limit = source["ScalingConfig"]["MaximumConcurrency"] if "Queue" in source else source["ParallelizationFactor"]
    mapping, of, place = limit["Fn::FindInMap"]
    assert (mapping, of) == ("Accounts", {"Ref": "AccountConcurrency"})
    return ACCOUNTS[account][place]
