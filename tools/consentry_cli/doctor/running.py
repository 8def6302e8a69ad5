"""What is running: queues, reports, alarms and the archive."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry import providers
from consentry.actions.archive import MANIFEST, PREFIX
from consentry.inbound import emails, feedback
from consentry.rules import notices
from consentry_cli.doctor.deployed import is_gone, queue_name
from consentry_cli.doctor.findings import Check, fault, warning
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem

_HOUR_S: Final = 3600
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


def dead_letters(deployed: Deployed) -> Generator[Problem, None, str]:
    """Every queue of dead letters is empty."""
    found = {name: url for name, url in deployed.of_kind(_QUEUE).items() if name.endswith(_DEAD)}
    names = [queue_name(url) for url in found.values()]
    ages = deployed.last_hour("AWS/SQS", "QueueName", (_AGE,), names, "Maximum")
    for logical, url in sorted(found.items()):
        try:
            described = deployed.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS, _RETENTION])
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(f"{logical} is gone: what fails is lost.", "Deploy the stack anew.")
            continue
        if count := sum(int(described["Attributes"].get(each, 0)) for each in _COUNTS):
            command = _COMMANDS.get(logical, "SQS's Start DLQ redrive")
            kept = int(described["Attributes"].get(_RETENTION, _LONGEST_S))
            yield fault(
                f"{logical} holds {number(count, 'message')} that {'was' if count == 1 else 'were'} given up."
                + _left(logical, ages.get((queue_name(url), _AGE)), kept),
                f"Read what the alarm of it means, fix the cause, then {command}.",
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


def ages(deployed: Deployed) -> Generator[Problem, None, str]:
    """Nothing has waited for long: what nobody reads, and what fails, which SQS's own age leaves out."""
    names = {queue_name(url): name for name, url in deployed.of_kind(_QUEUE).items() if not name.endswith(_DEAD)}
    unread = deployed.last_hour("AWS/SQS", "QueueName", (_AGE,), names, "Maximum")
    names[_STREAM] = "the table's stream"
    failing = deployed.last_hour(f"Consentry/{deployed.name}", "queue", ("Waiting",), names, "Maximum")
    oldest: dict[str, float] = {}
    for (name, _), seconds in [*unread.items(), *failing.items()]:
        oldest[name] = max(seconds, oldest.get(name, 0))
    for name, seconds in sorted(oldest.items()):
        if seconds > (_OPT_OUTS_S if names[name] in _OPT_OUTS else _HOUR_S):
            yield warning(
                f"Within the last hour a message in {names[name]} was {number(round(seconds / 60), 'minute')} old.",
                "Whoever reads the queue fails, or waits for something that is unavailable: read its function's log.",
            )
    return "Nothing has waited for long."


_OTHERS: Final = {
    feedback.SOURCE: ("feedback", ""),
    emails.SOURCE: ("mailbox", "docs/deploying.md#email-that-comes-in and "),
}
"""The function whose log says more, and a page, of sources that aren't webhooks."""


def readable(deployed: Deployed) -> Generator[Problem, None, str]:
    """No webhook, nothing that SES reports, and no report by email said something of nobody, or made no sense."""
    sources = (*providers.NAMES, *_OTHERS)
    found = deployed.last_hour(f"Consentry/{deployed.name}", "provider", ("Unreadable",), sources, hours=24)
    for (source, _), count in sorted(found.items()):
        where, page = _OTHERS.get(source, ("webhook", f"docs/webhooks/{source}.md and "))
        yield warning(
            f"{number(count, 'report')} of {source} counted for nothing within the last day: it isn't clear whom "
            f"{'it is' if count == 1 else 'they are'} about, or what {'it says' if count == 1 else 'they say'}. "
            "Whoever it is goes on getting email.",
            f"Look for `unreadable address` in the log of the {where} function; {page}the provider's own settings say "
            "what is sent.",
        )
    return "Within the last day, every report could be made out."


_AT_ONCE: Final = 100
"""Names that one DescribeAlarms takes."""
_OF_AWS: Final = "alias/aws/sns"
"""The key of AWS's own, whose policy nobody can change."""
_NEEDED: Final = ("kms:Decrypt", "kms:GenerateDataKey")


def states(deployed: Deployed) -> Generator[Problem, None, str]:
    """Every alarm is there, and none rings."""
    wanted = {name: logical for logical, name in deployed.of_kind("AWS::CloudWatch::Alarm").items()}
    names = sorted(wanted)
    found: dict[str, Any] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        answer = deployed.client("cloudwatch").describe_alarms(AlarmNames=some, MaxRecords=_AT_ONCE)
        found |= {each["AlarmName"]: each for each in answer.get("MetricAlarms", ())}
    for name, logical in sorted(wanted.items(), key=lambda each: each[1]):
        described = found.get(name)
        if described is None:
            yield fault(f"{logical} is gone.", "Deploy the stack anew.")
            continue
        since = described.get("StateUpdatedTimestamp")
        age = (deployed.now().astimezone(UTC) - since.astimezone(UTC)).total_seconds() if since else 0
        if described.get("StateValue") == "ALARM":
            yield fault(
                f"{logical} rings: {described.get('AlarmDescription', '')}.", "The table of alarms says what to do."
            )
        elif described.get("StateValue") == "INSUFFICIENT_DATA" and age > _DAY_S:
            yield warning(
                f"{logical} has had nothing to go by for {number(age // _DAY_S, 'day')}.",
                "Look at its metric: is it still there under that name?",
            )
        if not described.get("ActionsEnabled", True):
            yield warning(f"The actions of {logical} are turned off.", "aws cloudwatch enable-alarm-actions")
    if not wanted:
        yield fault("The stack has no alarms.", "Deploy this version.")
    return f"{number(len(wanted), 'alarm')}, none rings."


def heard(deployed: Deployed) -> Generator[Problem, None, str]:
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
            described = deployed.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(
                f"The topic of {name} is gone: nobody hears its alarms.",
                f"Make it anew by the same name, or another: then `make deploy SET={name}=ARN`.",
            )
            continue
        confirmed, pending = (int(described.get(f"Subscriptions{each}", 0)) for each in ("Confirmed", "Pending"))
        if not confirmed:
            yield fault(
                f"Nobody hears the alarms: no subscription to {name} is confirmed, {pending} wait for that.",
                "Subscribe to the topic, and follow the link in the email that SNS sends.",
            )
        if key := described.get("KmsMasterKeyId"):
            yield from _encrypted(deployed, name, key)
        hear = max(hear, confirmed)
    return f"{number(hear, 'subscriber')} of the topic of alarms."


def _encrypted(deployed: Deployed, name: str, key: str) -> Generator[Problem]:
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


_DUE_DAYS: Final = 3
"""Begun on the second, at 03:20 UTC; by then even a large table has been read."""


def month(deployed: Deployed) -> Generator[Problem, None, str]:
    """Last month's ledger has its manifest."""
    bucket = deployed.outputs.get("ArchiveBucketName")
    if not bucket:
        return "The stack keeps no archive (ArchiveEnabled is false)."
    now = deployed.now().astimezone(UTC)
    begun = datetime(now.year, now.month, 1, tzinfo=UTC)
    due = begun + timedelta(days=_DUE_DAYS)
    if now < due:
        begun = (begun - timedelta(days=1)).replace(day=1)
        due = begun + timedelta(days=_DUE_DAYS)
    last = f"{begun - timedelta(days=1):%Y-%m}"
    created = deployed.stack.get("CreationTime")
    if created and created.astimezone(UTC) > begun + timedelta(days=1, hours=3):
        return f"The stack is younger than the archive's next run; {last} wasn't its to keep."
    pages = deployed.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}{last}/")
    try:
        runs = sum(each["Key"].endswith(f"/{MANIFEST}") for page in pages for each in page.get("Contents", ()))
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault("The archive's bucket is gone.", "Find out who could delete it; deploy the stack anew.")
        return ""
    if not runs:
        yield fault(
            f"The ledger of {last} isn't in the archive: no run of it came to its end.",
            f"Read the log of the archive's function, then: consentry ledger archive --month {last}",
        )
    return f"The ledger of {last} is in the archive."


_SAMPLE_PAGES: Final = 5
"""Of the table, each of 1 MiB at the most: the doctor is quick, and `consentry ledger verify` reads all of it."""


def words(deployed: Deployed) -> Generator[Problem, None, str]:
    """The words of every notice that events name, of a sample, are in the archive."""
    bucket = deployed.outputs.get("ArchiveBucketName")
    if not bucket:
        return "The stack keeps no archive: of notices, the words of the present version alone can be read."
    held: set[str] = set()
    for page in deployed.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=notices.PREFIX):
        held |= {notices.version_in(each["Key"]) for each in page.get("Contents", ())}
    held = set(filter(notices.is_version, held))
    if not held:
        yield fault(
            "No notice is in the archive.",
            "Deploy this version: that puts them there. If it was, read the log of the archive's function.",
        )
        return ""
    pages = (
        deployed.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=deployed.outputs["TableName"],
            Select="SPECIFIC_ATTRIBUTES",
            ProjectionExpression="notice",
            FilterExpression="attribute_exists(notice)",
        )
    )
    sample = [each["notice"]["S"] for page in islice(pages, _SAMPLE_PAGES) for each in page.get("Items", ())]
    named = set(filter(notices.is_version, sample))
    for version in sorted(named - held):
        yield fault(
            f"Events name the notice {version}, and nobody has its words.",
            "Build the brand files and the Consentry of that time, and put what comes of it into the bucket.",
        )
    return f"{number(len(held), 'notice')} in the archive; a sample of events names {len(named)} of them, and no other."


CHECKS = (
    Check("dead-letters", dead_letters, "docs/deploying.md#alarms"),
    Check("queue-ages", ages, "docs/deploying.md#alarms"),
    Check("unreadable-reports", readable, "docs/webhooks/README.md#when-nothing-arrives"),
    Check("alarms", states, "docs/deploying.md#alarms"),
    Check("alarm-topic", heard, "docs/deploying.md#a-topic-for-alarms"),
    Check("archive", month, "docs/deploying.md#the-archive"),
    Check("notices", words, "docs/notices.md#when-nobody-has-the-words"),
)
