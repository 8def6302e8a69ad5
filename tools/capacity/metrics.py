"""What metrics of our own there can be: each combination of a name and the values of its dimensions is paid for.

The values are the code's own: its enumerations, its tables, and what stands in its calls.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html has how they are charged.
"""

from __future__ import annotations

import ast
import math
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from capacity.template import ROOT, deployed
from consentry import providers, telemetry
from consentry.actions.courier import Delivery
from consentry.actions.mails import Mail
from consentry.http import batches
from consentry.inbound import emails, feedback
from consentry.rules.ledger import Channel, Kind
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LAYER: Final = ROOT / "layers/consentry/consentry"
_FUNCTIONS: Final = ROOT / "functions"
MONTH_HOURS: Final = 30 * 24


class Combination(NamedTuple):
    """One metric as CloudWatch counts them."""

    name: str
    values: tuple[str, ...]
    """Of its dimensions, in their order."""


@cache
def possible() -> frozenset[Combination]:
    """Every combination that the code can emit, and some that it never will: nobody is throttled by a webhook."""
    named: dict[str, set[tuple[str, ...]]] = {
        "Waiting": _each(_queues()),
        "VersionFaults": set(product(deployed().of_type("AWS::Lambda::Function"), ["each"])),
    }
    return by_code() | {Combination(name, values) for name, listed in named.items() for values in listed}


@cache
def by_code() -> frozenset[Combination]:
    """Those of them whose values stand in the code, and not in the deployment."""
    courier, notifier, webhook = (_FUNCTIONS / each / "handler.py" for each in ("courier", "notifier", "webhook"))
    combined: dict[str, set[tuple[str, ...]]] = {
        name: _each(["consentry"]) for name, each in telemetry.METRICS.items() if each.dimensions == ("service",)
    }
    combined |= {
        "Acts": set(product(Channel, Outcome)),
        "Changes": _each(Kind),
        "Refused": {
            *product(
                ["page"],
                _passed("ProblemError", 1) | _passed("_page", 3) | _listed(_LAYER / "http/web.py", "_PROBLEMS"),
            ),
            *product(["api"], _passed("ApiProblemError", 0) | _passed("_problem", 0, "api")),
            *product(["webhook"], _passed("RefusedError", 0) | _passed("_problem", 0, "webhook")),
        },
        "Webhooks": set(product(providers.NAMES, _listed(webhook, "_COUNTED_AS"))),
        "Unreadable": _each([*providers.NAMES, feedback.SOURCE, emails.SOURCE]),
        "Mails": {
            *product(Mail, _emitted(courier, "outcome")),
            *product(_listed(courier, "_WAITING"), [Delivery.NOT_NEEDED]),
        },
        "MailsPutOff": _each(_emitted(courier, "why")),
        "Notifications": _each(_emitted(notifier, "outcome")),
    }
    return frozenset(Combination(name, values) for name, listed in combined.items() for values in listed)


def filtered() -> int:
    """How many metrics CloudWatch counts in logs by itself."""
    return deployed().count("AWS::Logs::MetricFilter")


def hours(events: float) -> float:
    """In how much of a month's hours something happens that happens so often a month, at any time alike.

    A metric is charged by the hours in which it had a value.
    """
    return 1 - math.exp(-events / MONTH_HOURS)


def _each(values: Iterable[str]) -> set[tuple[str, ...]]:
    return {(value,) for value in values}


def _queues() -> set[str]:
    """What brings back what failed: the queues that functions read, and the table's stream."""
    sources = deployed().sources("sqs").values()
    return {each["EventSourceArn"]["Fn::GetAtt"][0] for each in sources} | {batches.STREAM}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _code(function: str = "") -> list[Path]:
    if function:
        return [_FUNCTIONS / function / "handler.py"]
    return [*_FUNCTIONS.glob("*/handler.py"), *_LAYER.rglob("*.py")]


@cache
def _by_name(node: ast.AST) -> dict[str, list[ast.Call]]:
    """The calls in a part of the code, by the last of what they call: `c` of `a.b.c()`."""
    found: dict[str, list[ast.Call]] = {}
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name | ast.Attribute):
            name = each.func.id if isinstance(each.func, ast.Name) else each.func.attr
            found.setdefault(name, []).append(each)
    return found


def _calls(node: ast.AST, name: str) -> list[ast.Call]:
    return _by_name(node).get(name, [])


def _constants(node: ast.AST) -> set[str]:
    return {str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant) and each.value != ""}


def _passed(name: str, at: int, function: str = "") -> set[str]:
    """The constants that calls of a name get in one place, in the whole code or in one function's."""
    calls = [call for path in _code(function) for call in _calls(_tree(path), name)]
    given = [call.args[at] for call in calls if len(call.args) > at]
    return {str(each.value) for each in given if isinstance(each, ast.Constant)}


def _listed(path: Path, table: str) -> set[str]:
    """The texts that a module's table leads to."""
    for node in _tree(path).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == table and isinstance(node.value, ast.Dict):
            return {text for value in node.value.values for text in _constants(value) if not text.isdigit()}
    raise LookupError(f"{path} has no table {table}")


def _emitted(path: Path, dimension: str) -> set[str]:
    """The texts that a module's metrics have in a dimension, where they stand in the call or are named before it."""
    found: set[str] = set()
    for function in [each for each in ast.walk(_tree(path)) if isinstance(each, ast.FunctionDef)]:
        for call in _calls(function, "emit"):
            for keyword in [each for each in call.keywords if each.arg == dimension]:
                value = keyword.value
                found |= _named(function, value.id) if isinstance(value, ast.Name) else _constants(value)
    return found


def _named(function: ast.FunctionDef, name: str) -> set[str]:
    found: set[str] = set()
    for node in [each for each in ast.walk(function) if isinstance(each, ast.Assign)]:
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                found |= _constants(node.value)
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=True)
                for one, value in pairs:
                    if isinstance(one, ast.Name) and one.id == name:
                        found |= _constants(value)
    return found
