"""Bulk: the steps of jobs over millions of people, which the state machine calls.

The state machine keeps what a step is given, answers or fails with, so that none of it may name anybody.
"""

from __future__ import annotations

from typing import Any

from consentry import telemetry
from consentry.actions.bulk.rows import UnusableInputError
from consentry.deployment import Deployment
from consentry.settings import Settings

deployment = Deployment(Settings.read("BULK_BUCKET", "BULK_CONCURRENCY"))


class StepFailedError(Exception):
    """A step that is to be done again; why, is in the log."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One step: `plan` of a `job` that `started_at` some instant, a `part`, or `finish`; always of a `run`.

    A job that can't be done as it is, is answered with why it is `refused`. That repeats nothing of the input.

    Raises:
        StepFailedError: not now.
    """
    step, run = event["step"], str(event["run"])
    try:
        if step == "plan":
            answer = deployment.bulk.plan(run, event.get("job"), str(event["started_at"]))
        elif step == "part":
            answer = deployment.bulk.part(run, event["part"])
        else:
            answer = deployment.bulk.finish(run)
    except UnusableInputError as exc:
        telemetry.logger().error("bulk refused", step=step, why=str(exc))
        return {"refused": str(exc)}
    except Exception as exc:  # noqa: BLE001 - whatever it says, the state machine would keep
        telemetry.report(exc, f"bulk {step}")
        raise StepFailedError(type(exc).__name__) from None
    telemetry.logger().info("bulk step", step=step, result=answer)
    return answer
