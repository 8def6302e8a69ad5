"""The functions, and what calls them."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from consentry_doctor.deployed import is_gone
from consentry_doctor.findings import Check, fault, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_doctor.deployed import Deployed
    from consentry_doctor.findings import Ill

_DEPRECATED: Final = {
    "python3.8": date(2024, 10, 14),
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""From when a runtime gets no more security patches; AWS moves these dates at times.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
_SOON_DAYS: Final = 180
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


def present(deployed: Deployed) -> Generator[Ill, None, str]:
    """Each function is there, active, and took its last update."""
    functions = deployed.of_kind("AWS::Lambda::Function")
    if not functions:
        yield fault("The stack has no function.", "Deploy it.")
    for logical, name in sorted(functions.items()):
        try:
            told = deployed.client("lambda").get_function_configuration(FunctionName=name)
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(f"{logical} is gone.", "Somebody deleted it by hand; deploy the stack under a new name.")
            continue
        state, update = told.get("State", "Active"), told.get("LastUpdateStatus", "Successful")
        if state not in {"Active", "Inactive"}:  # an inactive one wakes at the next call
            yield fault(f"{logical} is {state}: {told.get('StateReasonCode', 'no reason given')}.", "Deploy again.")
        if update != "Successful":
            code = told.get("LastUpdateStatusReasonCode", "no reason given")
            yield fault(f"The last update of {logical} is {update}: {code}.", "Deploy again.")
    return f"{number(len(functions), 'function')}, all active."


def runtime(deployed: Deployed) -> Generator[Ill, None, str]:
    """AWS still patches what the functions run on."""
    name = deployed.parameters.get("PythonRuntime", "")
    until = _DEPRECATED.get(name)
    if until is None:
        return f"The functions run on {name or 'an unknown runtime'}, whose end this version doesn't know."
    left = (until - deployed.now().astimezone(UTC).date()).days
    mend = "`make deploy SET=PythonRuntime=python3.…`, with a newer one. It builds the layers for it."
    if left <= 0:
        yield fault(f"AWS has stopped to patch {name}, on {until}.", mend)
    elif left < _SOON_DAYS:
        yield warning(f"AWS will stop to patch {name} in {number(left, 'day')}, on {until}.", mend)
    return f"The functions run on {name}, which AWS patches until {until}."


def errors(deployed: Deployed) -> Generator[Ill, None, str]:
    """No function failed or was throttled within the last hour."""
    functions = {name: logical for logical, name in deployed.of_kind("AWS::Lambda::Function").items()}
    found = deployed.last_hour("AWS/Lambda", "FunctionName", ("Errors", "Throttles"), functions)
    for (name, metric), count in sorted(found.items()):
        if metric == "Errors":
            yield warning(
                f"{functions[name]} failed {number(count, 'time')} within the last hour.",
                "Its log has a line of level ERROR for each.",
            )
        else:
            yield fault(
                f"{functions[name]} was throttled {number(count, 'time')} within the last hour.",
                "The account's concurrency is used up; ask AWS for more (Service Quotas, Lambda).",
            )
    return "No function failed or was throttled within the last hour."


def sources(deployed: Deployed) -> Generator[Ill, None, str]:
    """What reads stream and queues is on, and its last call went well."""
    mappings = deployed.of_kind("AWS::Lambda::EventSourceMapping")
    for logical, uuid in sorted(mappings.items()):
        try:
            told = deployed.client("lambda").get_event_source_mapping(UUID=uuid)
        except ClientError as exc:
            if not is_gone(exc):
                raise
            yield fault(f"{logical} is gone: nothing reads its source.", "Deploy the stack anew.")
            continue
        state, result = told.get("State", ""), str(told.get("LastProcessingResult", ""))
        if state in {"Disabled", "Disabling"}:
            yield fault(
                f"{logical} is {state.lower()}: what comes in waits, and is lost after its time.",
                f"aws lambda update-event-source-mapping --enabled --uuid {uuid}",
            )
        elif state != "Enabled":
            yield warning(f"{logical} is {state.lower() or 'in no known state'}.", "Ask again in a minute.")
        if result.startswith("PROBLEM"):
            yield warning(
                f"The last call of {logical} failed ({result.removeprefix('PROBLEM: ')}).", "Read the function's log."
            )
    return f"{number(len(mappings), 'event source mapping')}, all enabled."


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
            continue  # the check `event-sources` names it
        if factor := told.get("ParallelizationFactor"):
            found += factor * _SHARDS
        else:  # the archive's queue alone has no limit: it holds a message a segment
            limit = told.get("ScalingConfig", {}).get("MaximumConcurrency")
            found += limit or int(deployed.parameters.get("ArchiveSegments", 0))
    return found


CHECKS = (
    Check("functions", present, "docs/deploying.md#3-deploy"),
    Check("concurrency", concurrency, "docs/deploying.md#what-a-new-account-has-to-ask-for"),
    Check("runtime", runtime, "docs/deploying.md#3-deploy"),
    Check("function-errors", errors, "docs/deploying.md#worth-a-look"),
    Check("event-sources", sources, "docs/deploying.md#worth-a-look"),
)
