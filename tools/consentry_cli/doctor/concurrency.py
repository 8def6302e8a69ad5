"""How many functions may run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill

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


def concurrency(deployed: Deployed) -> Generator[Ill, None, str]:
    """What runs behind queues leaves enough of what the account may run at once to clicks."""
    limits = deployed.client("lambda").get_account_settings()["AccountLimit"]
    most, free = int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
    workers = _workers(deployed)
    large = deployed.parameters.get("AccountConcurrency") == str(_LARGE)
    smaller = f". Until then: `make deploy SET=AccountConcurrency={_SMALL}`." if large else "."
    says = f"The account runs {number(most, 'function')} at once, {free} of them not reserved"
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
            told = deployed.client("lambda").get_event_source_mapping(UUID=uuid)
        except ClientError as exc:
            if not is_gone(exc):
                raise
            continue  # the check `drift` names it
        if factor := told.get("ParallelizationFactor"):
            found += factor * _SHARDS
        else:  # the archive's queue alone has no limit: it holds a message a segment
            limit = told.get("ScalingConfig", {}).get("MaximumConcurrency")
            found += limit or int(deployed.parameters.get("ArchiveSegments", 0))
    return found


CHECKS = (Check("concurrency", concurrency, "docs/deploying.md#what-a-new-account-has-to-ask-for"),)
