"""The archive: copies each month's ledger to where nobody can change it, and the words of new notices.

The schedule begins a run; its segments then go through a queue, a step a message. CloudFormation asks for the words.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from consentry import telemetry
from consentry.actions import archive, archiving
from consentry.actions.archiving import ArchiveUnavailableError
from consentry.aws import stack_requests
from consentry.deployment import Deployment
from consentry.http import batches
from consentry.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

deployment = Deployment(Settings.read("ARCHIVE_BUCKET", "ARCHIVE_QUEUE_URL", "ARCHIVE_SEGMENTS"))
WAITS_S: Final = (5, 20, 60, 0)
"""After each try at the bucket: of a stack that is being made, what a role may do isn't known everywhere at once."""


def handler(event: dict[str, Any], context: Any) -> Any:
    """A message of the queue, a request of CloudFormation, or the beginning of a run.

    That is of last month, or of the `month` (`yyyy-mm`) in the event.
    """
    if "Records" in event:
        return batches.process(event, queue=go_on)
    telemetry.begin(str(getattr(context, "aws_request_id", "")))
    if "RequestType" in event:
        return keep_words(event)
    now = _now()
    month = str(event.get("month") or archive.month_before(now))
    run = archiving.start(deployment.archive_queue.send, month, deployment.settings.archive_segments, now)
    telemetry.logger().info("archive begun", month=month, run=run)
    return {"month": month, "run": run}


def keep_words(request: dict[str, Any]) -> None:
    """Keep the words of this version's notices, before calls move to it. Nothing is ever taken out: it is locked."""
    kept = request["RequestType"].lower() == "delete" or any(map(_kept, WAITS_S))
    refused = "" if kept else "The archive's bucket can't be written: the log of the archive's function says why"
    stack_requests.answer(request, "notices", refused)


def _kept(wait_s: int) -> bool:
    """Whether the notices are in the archive; where they aren't, after a while."""
    try:
        new = deployment.notices.keep()
    except ArchiveUnavailableError as exc:
        telemetry.report(exc, "notices")
        time.sleep(wait_s)
        return False
    telemetry.logger().info("notices kept", new=new)
    return True


def go_on(message: SQSRecord) -> None:
    """Do one step of one segment."""
    task = archiving.task_from_json(message.body)
    deployment.archivist.go_on(task, _now())
    telemetry.logger().info("archive step", month=task.month, segment=task.segment)


def _now() -> int:
    return time.time_ns() // 1_000_000
