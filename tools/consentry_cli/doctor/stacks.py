"""The stack itself: its status, what was changed by hand, and how many functions may run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault, warning
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem

_NOTHING: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE"})
"""States of a stack that has nothing to look at."""


def is_empty(deployed: Deployed) -> bool:
    """Whether nothing was ever deployed, or nothing is left of it: what else there is to say would follow from that."""
    return deployed.stack["StackStatus"] in _NOTHING


def status(deployed: Deployed) -> Generator[Problem, None, str]:
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
            f"{_EVENTS}; fix that. Then {delete}, and deploy again.",
        )
    elif now == "UPDATE_ROLLBACK_FAILED":
        yield fault(
            f"The last deployment failed, and so did taking it back ({now}).",
            f"{_EVENTS}; fix that. Then aws cloudformation continue-update-rollback --stack-name {deployed.name}",
        )
    elif now.startswith("DELETE"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; fix that. Then {delete}")
    elif now.endswith("_FAILED"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; fix that and deploy again.")
    elif "ROLLBACK" in now:
        yield warning(
            f"The last deployment failed and was taken back ({now}).", f"What runs is the version before it. {_EVENTS}."
        )
    return f"The stack's status is {now}."


def drift(deployed: Deployed) -> Generator[Problem, None, str]:
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


_FEW: Final = 100
"""So many at once Lambda keeps free for functions that reserve none, and so many clicks should find free:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
_LARGE: Final = 1000
"""What an account runs at once that isn't new: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_SMALL: Final = 10
"""What a new account runs at once; the template's answer for any that runs fewer than `_LARGE`."""
_SHARDS: Final = 4
"""Of a new table's stream; more come with its load."""
_ASK: Final = "Ask for 1,000 (Service Quotas, Lambda, Concurrent executions); it costs nothing"


def concurrency(deployed: Deployed) -> Generator[Problem, None, str]:
    """What runs behind queues leaves enough of what the account may run at once to clicks."""
    limits = deployed.client("lambda").get_account_settings()["AccountLimit"]
    most, free = int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
    workers = _workers(deployed)
    large = deployed.parameters.get("AccountConcurrency") == str(_LARGE)
    smaller = f". Until then: `make deploy SET=AccountConcurrency={_SMALL}`." if large else "."
    says = f"The account runs {number(most, 'function')} at once, {free:,} of them not reserved"
    behind = f"what runs behind queues may take {workers}"
    if most < _FEW:
        yield fault(f"{says}; {behind}. Whoever clicks meanwhile is refused, also to opt out.", f"{_ASK}{smaller}")
    elif free <= workers:
        yield fault(f"{says}; {behind}, which leaves clicks nothing: opt-outs are refused then.", f"{_ASK}{smaller}")
    elif free < workers + _FEW:
        yield warning(f"{says}; {behind}, which leaves clicks {free - workers}.", f"{_ASK}{smaller}")
    elif most >= _LARGE and not large:
        yield warning(
            f"{says}; {behind}: emails, notifications and what waited are slower than they need be.",
            f"`make deploy SET=AccountConcurrency={_LARGE}`.",
        )
    functions = {name: logical for logical, name in deployed.of_kind("AWS::Lambda::Function").items()}
    refused = deployed.last_hour("AWS/Lambda", "FunctionName", ("Throttles",), functions)
    reserves = deployed.parameters.get("OneClickReservedConcurrency", "0") != "0"
    if large and refused and not reserves and free > 2 * _FEW:  # the template reserves nothing otherwise
        yield warning(
            "Functions were throttled within the last hour, and none are kept for one click.",
            f"`make deploy SET=OneClickReservedConcurrency={_FEW}`, and ask for more (Service Quotas, Lambda).",
        )
    return f"{says}; {behind}."


def _workers(deployed: Deployed) -> int:
    """How many functions may run at once behind the queues and the stream, and for an import."""
    found = int(deployed.parameters.get("BulkConcurrency", 0))
    for uuid in deployed.of_kind("AWS::Lambda::EventSourceMapping").values():
        try:
            described = deployed.client("lambda").get_event_source_mapping(UUID=uuid)
        except ClientError as exc:
            if not is_gone(exc):
                raise
            continue  # the check `drift` names it
        if factor := described.get("ParallelizationFactor"):
            found += factor * _SHARDS
        else:  # the archive's queue alone has no limit: it holds a message a segment
            limit = described.get("ScalingConfig", {}).get("MaximumConcurrency")
            found += limit or int(deployed.parameters.get("ArchiveSegments", 0))
    return found


CHECKS = (
    Check("stack", status, "docs/doctor.md#after-a-first-deployment-that-failed"),
    Check("drift", drift, "docs/doctor.md#what-it-leaves-to-others"),
    Check("concurrency", concurrency, "docs/deploying.md#what-a-new-account-has-to-ask-for"),
)
