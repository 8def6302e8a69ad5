"""Telemetry: what is counted and logged, and the id under which all that follows from one request is found again.

Each call of `emit` writes one line of JSON to the log, to be read and to be counted: it is in CloudWatch's embedded
metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
A line names nobody: kinds, counts, brands and endpoints, as the brand files call them.

Written by ourselves, since a click waits for what it imports; decision 0026 has the figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.actions.spool import Spooled
from consentry.rules import consent as rules
from consentry.rules.ledger import Kind
from consentry.table.gateway import PermanentFaultError
from consentry.table.store import Outcome

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from aws_lambda_powertools import Logger

    from consentry.actions.spool import Unverified
    from consentry.rules.ledger import Event


class Metric(NamedTuple):
    """How a metric is counted."""

    unit: str
    """As CloudWatch spells it."""
    dimensions: tuple[str, ...] = ("service",)
    """What it is distinguished by; each combination of values is paid for, so all of them are few."""


METRICS: Final = {
    "Acts": Metric("Count", ("channel", "outcome")),  # what people and platforms did, and what became of it
    "Changes": Metric("Count", ("kind",)),  # those of them that changed something
    "ConfirmedAfter": Metric("Seconds"),  # from the request to its confirmation
    "Refused": Metric("Count", ("front", "reason")),  # calls that were answered with an error
    "Webhooks": Metric("Count", ("provider", "outcome")),  # what providers reported
    "Unreadable": Metric("Count", ("provider",)),  # reports of which isn't clear what they say, or of whom
    "Mails": Metric("Count", ("mail", "outcome")),
    "MailsPutOff": Metric("Count", ("why",)),
    "MailDelay": Metric("Milliseconds"),  # from the request to SES
    "Notifications": Metric("Count", ("outcome",)),
    "EndpointsAway": Metric("Count"),  # calls with which an endpoint turned out to be unavailable, or to be so still
    "NotificationDelay": Metric("Milliseconds"),  # from what happened to the endpoint that took it
    "SpoolDelay": Metric("Milliseconds"),  # from the spool to the table
    "Waiting": Metric("Seconds", ("queue",)),  # the age of what could not be done now, and will be tried again
    "Faults": Metric("Count"),
    "PermanentFaults": Metric("Count"),  # what the table can never take
    "VersionFaults": Metric("Count", ("function", "version")),  # all faults again: they undo a deployment
    "ClocksAhead": Metric("Count"),  # registers that are ahead of our clock
    "BreakerOpened": Metric("Count"),
    "MailsRejected": Metric("Count"),
    "OptOutsKeptInLog": Metric("Count"),
    "OptOutsNotKept": Metric("Count"),
}
"""Every metric that there is. No dimension is a brand: that would multiply what they cost. The lines name the brand."""

_SERVICE: Final = "consentry"


class _Request:
    """The one that this process works on: Lambda hands a process one at a time."""

    correlation_id = ""


def begin(correlation_id: str) -> None:
    """From now on everything is done for this request: API Gateway's own id of it, never one that a client sent."""
    _Request.correlation_id = correlation_id


def correlation_id() -> str:
    """The id of what is worked on; empty outside of functions."""
    return _Request.correlation_id


@cache
def logger() -> Logger:
    """JSON lines, without personal data: callers pass kinds and counts, never what somebody typed."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - 47 ms, and a quiet request logs nothing

    made = Logger(service=_SERVICE, log_uncaught_exceptions=False)
    made.addFilter(_correlated)
    return made


def _correlated(record: logging.LogRecord) -> bool:
    record.correlation_id = correlation_id()
    return True


def report(exc: BaseException, route: str) -> None:
    """Log a fault: what and where, without its message, which may quote an address or a token."""
    where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(exc.__traceback__)][-6:]
    cause = type(exc.__cause__).__name__ if exc.__cause__ else ""
    code = aws_code(exc.__cause__)
    permanent = isinstance(exc, PermanentFaultError) or isinstance(exc.__cause__, PermanentFaultError)
    fault(type(exc).__name__, permanent=permanent)
    logger().error("fault", kind=type(exc).__name__, cause=cause, aws=code, where=where, route=route)


def aws_code(exc: BaseException | None) -> str:
    """The error code of an AWS answer, such as `ThrottlingException`: it names no one."""
    response = getattr(exc, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def emit(message: str, values: Mapping[str, float], **said: str | int | bool) -> None:
    """Write a line, and have CloudWatch count it.

    Args:
        message: what the line is about.
        values: by metric.
        said: the dimensions of these metrics, and whatever else is worth reading; names nobody.
    """
    now = time.time_ns() // 1_000_000
    line = {"message": message, "correlation_id": correlation_id(), "service": _SERVICE, **said, **values}
    text = json.dumps(line, separators=(",", ":"))
    counted = f'{{"_aws":{{"Timestamp":{now},"CloudWatchMetrics":{_directives(tuple(values))}}},{text[1:]}\n'
    with contextlib.suppress(OSError, ValueError):  # what can't be counted is done nevertheless
        sys.stdout.write(counted)
        sys.stdout.flush()


@cache
def _directives(metrics: tuple[str, ...]) -> str:
    namespace = os.environ.get("METRICS_NAMESPACE", "Consentry")  # an opt-out doesn't fail for want of it
    return json.dumps(
        [
            {
                "Namespace": namespace,
                "Dimensions": [METRICS[name].dimensions],
                "Metrics": [{"Name": name, "Unit": METRICS[name].unit}],
            }
            for name in metrics
        ],
        separators=(",", ":"),
    )


def waits(queue: str, since: int) -> None:
    """Count that something could not be done now, by its age: whatever retries calls this, each time.

    SQS's own age of the oldest message leaves out what was received three times
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html).

    Args:
        queue: the name of the queue that brings it back; `stream` for the table's stream.
        since: epoch ms from when it has waited.
    """
    waited = max(0, time.time_ns() // 1_000_000 - since)
    emit("waits", {"Waiting": waited / 1000}, queue=queue)


def recorded(event: Event, outcome: Outcome) -> None:
    """Log an act, and what became of it."""
    values: dict[str, float] = {"Acts": 1}
    if outcome is Outcome.APPLIED:
        values["Changes"] = 1
        if event.kind is Kind.CONFIRMED:
            opt_ins = [event.effect.registers.get(rules.opt_in(topic), event.occurred_at) for topic in event.topics]
            values["ConfirmedAfter"] = (event.occurred_at - max(opt_ins, default=event.occurred_at)) / 1000
    emit("act", values, channel=event.channel, outcome=outcome, kind=event.kind, brand=event.brand)


def fault(kind: str, *, permanent: bool) -> None:
    """Count a fault, also under the version of the function that met it.

    A deployment watches its new versions by that: whatever is caught and answered is no error to Lambda
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html has the two names).

    Args:
        kind: the exception's.
        permanent: whether it is something that the table can never take.
    """
    counted: dict[str, float] = {"Faults": 1, "VersionFaults": 1}
    if permanent:
        counted["PermanentFaults"] = 1
    function, version = (os.environ.get(f"AWS_LAMBDA_FUNCTION_{each}", "none") for each in ("NAME", "VERSION"))
    emit("fault counted", counted, kind=kind, function=function, version=version)


def clock_ahead(brand: str, ahead_ms: int) -> None:
    """Count a register that is ahead of our clock, by so many milliseconds: one of the two is wrong."""
    emit("clock ahead", {"ClocksAhead": 1}, brand=brand, ahead_ms=ahead_ms)


def breaker_opened(brand: str) -> None:
    """Log that the emails of a brand are held back, since they are too many."""
    emit("breaker open", {"BreakerOpened": 1}, brand=brand)
    logger().error("breaker open", brand=brand)


def spooled(waiting: Spooled | Unverified) -> None:
    """Log an act that waits for the table, or for the keys."""
    if isinstance(waiting, Spooled):
        recorded(waiting.event, Outcome.SPOOLED)
    else:
        emit("act", {"Acts": 1}, channel=waiting.channel, outcome=Outcome.SPOOLED, kind="unverified")


def unreadable(count: int, provider: str, brand: str) -> None:
    """Log reports that count for nothing, since it isn't clear whom they are about, or what they say of them.

    Whoever they are about goes on getting email.
    """
    emit("unreadable address", {"Unreadable": count}, provider=provider, brand=brand)
