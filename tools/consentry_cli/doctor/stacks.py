"""The stack itself: its status, and what was changed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry_cli.doctor.findings import Check, fault, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill


_NOTHING: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE"})
"""States of a stack that has nothing to look at."""


def is_empty(deployed: Deployed) -> bool:
    """Whether nothing was ever deployed, or nothing is left of it: what else there is to say would follow from that."""
    return deployed.stack["StackStatus"] in _NOTHING


def status(deployed: Deployed) -> Generator[Ill, None, str]:
    """Whether the last deployment came to its end."""
    now = str(deployed.stack["StackStatus"])
    delete = f"aws cloudformation delete-stack --stack-name {deployed.name}"
    if now == "REVIEW_IN_PROGRESS":
        yield fault(
            "Nothing was deployed: the first change set waits for somebody's yes.", "Deploy again, and say yes."
        )
    elif now.endswith("_IN_PROGRESS"):
        yield warning(f"The stack is being changed ({now}).", "Ask again when that is over.")
    elif now in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
        yield fault(
            f"The first deployment failed ({now}). Such a stack has to be deleted before the next try.",
            f"{_EVENTS}; mend that. Then {delete}, and deploy again.",
        )
    elif now == "UPDATE_ROLLBACK_FAILED":
        yield fault(
            f"The last deployment failed, and so did taking it back ({now}).",
            f"{_EVENTS}; mend that. Then aws cloudformation continue-update-rollback --stack-name {deployed.name}",
        )
    elif now.startswith("DELETE"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; mend that. Then {delete}")
    elif now.endswith("_FAILED"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; mend that and deploy again.")
    elif "ROLLBACK" in now:
        yield warning(
            f"The last deployment failed and was taken back ({now}).",
            f"What runs is the version before it. {_EVENTS}.",
        )
    return f"The stack's status is {now}."


def drift(deployed: Deployed) -> Generator[Ill, None, str]:
    """What CloudFormation's last look for drift found, resource by resource; a new one isn't started: that writes."""
    found = deployed.stack.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED")
    if found == "DRIFTED":
        answer = deployed.client("cloudformation").describe_stack_resource_drifts(
            StackName=deployed.name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
        )
        for each in answer["StackResourceDrifts"]:
            changed = ", ".join(sorted(what["PropertyPath"] for what in each.get("PropertyDifferences", ())))
            yield warning(
                f"{each['LogicalResourceId']} was {each['StackResourceDriftStatus'].lower()} by hand"
                f"{f': {changed}' if changed else ''}.",
                "Put into the template what has to stay; deploy again to undo the rest.",
            )
    elif found != "IN_SYNC":
        yield warning(
            "Nobody has looked for drift: what was changed by hand isn't seen.",
            f"aws cloudformation detect-stack-drift --stack-name {deployed.name}; then ask the doctor again.",
        )
    return "The last look for drift found none."


_EVENTS: Final = "The stack's events in CloudFormation say which resource failed, and why"


CHECKS = (
    Check("stack", status, "docs/doctor.md#after-a-first-deployment-that-failed"),
    Check("drift", drift, "docs/doctor.md#what-it-leaves-to-others"),
)
