"""The queues: nothing was given up, and nothing waits for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry_cli.doctor.deployed import is_gone, queue_name
from consentry_cli.doctor.findings import HOUR_S, Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill

_DEAD: Final = "DeadLetters"
_QUEUE: Final = "AWS::SQS::Queue"
_COMMANDS: Final = {
    "SpoolDeadLetters": "consentry spool redrive",
    "NotificationDeadLetters": "consentry notifications redrive",
}
_OPT_OUTS: Final = frozenset({"SpoolQueue", "FeedbackQueue", "InboundQueue"})
_AGE: Final = "ApproximateAgeOfOldestMessage"
_COUNTS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_RETENTION: Final = "MessageRetentionPeriod"
_STREAM: Final = "stream"
"""As `Waiting` calls the table's stream, where there is no queue."""
_DAY_S: Final = 24 * 3600
_LONGEST_S: Final = 14 * _DAY_S
_TRIED_DAYS: Final = {"StreamDeadLetters": 0, "NotificationDeadLetters": 0}
"""For how long a message was tried before it became a dead letter, where that isn't two days at the most: these two
are sent anew when they are given up."""
_LONGEST_TRIES_DAYS: Final = 2
_OPT_OUTS_S: Final = 300
"""As the alarms on the ages of these queues have it."""


def dead_letters(deployed: Deployed) -> Generator[Ill, None, str]:
    """Every queue of dead letters is empty."""
    found = {name: url for name, url in deployed.of_kind(_QUEUE).items() if name.endswith(_DEAD)}
    names = [queue_name(url) for url in found.values()]
    ages = deployed.last_hour("AWS/SQS", "QueueName", (_AGE,), names, "Maximum")
    for logical, url in sorted(found.items()):
        try:
            told = deployed.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS, _RETENTION])
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(f"{logical} is gone: what fails is lost.", "Deploy the stack anew.")
            continue
        if count := sum(int(told["Attributes"].get(each, 0)) for each in _COUNTS):
            command = _COMMANDS.get(logical, "SQS's Start DLQ redrive")
            kept = int(told["Attributes"].get(_RETENTION, _LONGEST_S))
            yield fault(
                f"{logical} holds {number(count, 'message')} that {'was' if count == 1 else 'were'} given up."
                + _left(logical, ages.get((queue_name(url), _AGE)), kept),
                f"Read what the alarm of it means, mend the cause, then {command}.",
            )
    return f"{number(len(found), 'queue')} of dead letters, all empty."


def _left(logical: str, age_s: float | None, kept_s: int) -> str:
    """How long the oldest dead letter is still there, at the least.

    SQS counts from when a message was first sent, and its metric from when it was given up:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
    """
    if age_s is None:
        return ""
    left = kept_s / _DAY_S - _TRIED_DAYS.get(logical, _LONGEST_TRIES_DAYS) - age_s / _DAY_S
    if left < 1:
        return " SQS deletes the oldest today, or has."
    return f" SQS deletes the oldest in {number(int(left), 'day')} or soon after."


def ages(deployed: Deployed) -> Generator[Ill, None, str]:
    """Nothing has waited for long: what nobody reads, and what fails, which SQS's own age leaves out."""
    names = {queue_name(url): name for name, url in deployed.of_kind(_QUEUE).items() if not name.endswith(_DEAD)}
    unread = deployed.last_hour("AWS/SQS", "QueueName", (_AGE,), names, "Maximum")
    names[_STREAM] = "the table's stream"
    failing = deployed.last_hour(f"Consentry/{deployed.name}", "queue", ("Waiting",), names, "Maximum")
    oldest: dict[str, float] = {}
    for (name, _), seconds in [*unread.items(), *failing.items()]:
        oldest[name] = max(seconds, oldest.get(name, 0))
    for name, seconds in sorted(oldest.items()):
        if seconds > (_OPT_OUTS_S if names[name] in _OPT_OUTS else HOUR_S):
            yield warning(
                f"Within the last hour a message in {names[name]} was {number(round(seconds / 60), 'minute')} old.",
                "Whoever reads the queue fails, or waits for something that is away: read its function's log.",
            )
    return "Nothing has waited for long."


CHECKS = (
    Check("dead-letters", dead_letters, "docs/deploying.md#alarms"),
    Check("queue-ages", ages, "docs/deploying.md#alarms"),
)
