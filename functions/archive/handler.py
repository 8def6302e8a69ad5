"""The archive: copies each month's ledger to where nobody can change it.

The schedule begins a run; its segments then go through a queue, a step a message.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consentry import telemetry
from consentry.actions import archive, archiving
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("ARCHIVE_BUCKET", "ARCHIVE_QUEUE_URL", "ARCHIVE_SEGMENTS"))


def handler(event: dict[str, Any], context: Any) -> Any:
    """A message of the queue, or the beginning of a run: of last month, or of the `month` (`yyyy-mm`) in the event."""
    if "Records" in event:
        return batches.process(event, queue=go_on)
    telemetry.begin(str(getattr(context, "aws_request_id", "")))
    now = _now()
    month = str(event.get("month") or archive.month_before(now))
    run = archiving.start(deployment.archive_queue.send, month, deployment.settings.archive_segments, now)
    telemetry.logger().info("archive begun", month=month, run=run)
    return {"month": month, "run": run}


def go_on(message: SQSRecord) -> None:
    """Do one step of one segment."""
    task = archiving.task_from_json(message.body)
    deployment.archivist.go_on(task, _now())
    telemetry.logger().info("archive step", month=task.month, segment=task.segment)


def _now() -> int:
    return time.time_ns() // 1_000_000
