"""What each function asks of AWS, by the code that it can reach, against what its role allows: neither more nor less.

That no call is refused is also seen in the functions' tests, where a handler fails that asks for more than its policy
allows (tests/support/permissions.py), and on the emulator, which refuses as IAM does. Only here is seen what is allowed
and never asked for, and what no test happens to ask.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore import xform_name

from consentry_build import services
from dev.audit import actions, callgraph, cloudformation
from dev.audit.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.audit.callgraph import Graph
    from dev.audit.cases import Case
    from dev.audit.cloudformation import Template

MISSING_OBJECT: Final = "NoSuchKey"
"""Whoever catches this needs `s3:ListBucket`: without it, S3 says of what is missing that access is denied.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""

_SPOOL: Final = "consentry.deployment.Deployment._spool"
_SETTINGS: Final = "consentry.settings.Settings."
"""Each of its fields is named as its variable is, in lower case."""
_STILL: Final = "consentry.table.writing._still"
_FORM: Final = "consentry.table.store.Store._repeated"
_FIRST_TOLD: Final = "consentry.actions.reports.Reports._first_told"
_FROM_QUEUES: Final = (
    "what it can't do now goes back to where it comes from; the rest is made in its initialisation alone"
)
_NO_CONDITION: Final = "only opt-outs, undo and forms of the preferences need that something else stays as it was read"
NEVER: Final = {
    ("subscribe", _SPOOL): "only opt-outs and reports are spooled, and it takes neither",
    ("courier", _SPOOL): _FROM_QUEUES,
    ("drain", _SPOOL): _FROM_QUEUES,
    ("feedback", _SPOOL): _FROM_QUEUES,
    ("mailbox", _SPOOL): _FROM_QUEUES,
    ("notifier", _SPOOL): _FROM_QUEUES,
    ("subscribe", _STILL): _NO_CONDITION,
    ("subscribe", _FORM): "only a form of the preferences can be taken twice",
    ("feedback", _FORM): "only a form of the preferences can be taken twice",
    ("feedback", _FIRST_TOLD): "what SES reports has no name that it could be found again by",
    ("mailbox", _FIRST_TOLD): "a complaint that comes by email is as of its arrival",
    ("bulk", _FIRST_TOLD): "a row of a file has no name that it could be found again by",
    ("feedback", "consentry.table.store.Store.read"): "the topics of SES's events are mapped to the brand's own",
}
"""What a function never gets to, though its code names it, each with the reason."""


WHERE_SET: Final = {"consentry.aws.archive.ArchiveBucket.held": "ARCHIVE_BUCKET"}
"""What a function gets to in a stack alone that gives functions this variable: it asks whether it has it."""


class Need(NamedTuple):
    """An action that a function asks for, or a variable of its environment."""

    what: str
    way: str
    """Through which of our functions it gets there."""


def check(cases: list[Case]) -> Verdict:
    """Whether every function may do what its code asks for, has the environment that it reads, and no more."""
    found = against(cases, callgraph.graph(callgraph.modules()))
    functions = {name for case in cases for name in functions_of(case)}
    return Verdict(
        f"what {len(functions)} functions ask of AWS is what their roles allow; {len(NEVER)} ways are never taken",
        found,
    )


def against(cases: list[Case], graph: Graph) -> list[str]:
    """What is wrong with the roles and environments of the cases' functions."""
    found: list[str] = []
    for case in cases:
        given = functions_of(case)
        variables = {name for each in given.values() for name in environment(each)}
        everywhere = set.intersection(*map(environment, given.values()))
        for folder, properties in given.items():
            needs: dict[str, Need] = {}
            for need in needed(folder, graph, variables):
                needs.setdefault(need.what, need)
            has = allowed(case.resolved, properties) | environment(properties)
            found += [
                f"{folder} needs {need.what}, and doesn't have it: {need.way}"
                for what, need in needs.items()
                if what not in has
            ]
            asked = graph.says.get(f"functions.{folder}.handler.deployment", set())
            found += [
                f"{folder} reads {what}, and doesn't ask for it as it starts: {needs[what].way}"
                for what in sorted((environment(properties) & set(needs)) - everywhere - asked - {*WHERE_SET.values()})
            ]
            found += [
                f"{folder} is allowed {what}, and never asks for it" for what in sorted(has - set(needs)) if ":" in what
            ]
            never = {name for where, name in NEVER if where == folder}
            everything = graph.reached(*_roots(folder))
            found += [f"{folder} doesn't name {name}: take it out of NEVER" for name in sorted(never - set(everything))]
    return list(dict.fromkeys(found))


def functions_of(case: Case) -> dict[str, dict[str, Any]]:
    """The case's functions, by the folder of their code."""
    return {
        Path(str(each["Properties"]["Code"]["S3Key"])).name: each["Properties"]
        for each in case.resolved["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    }


def allowed(template: Template, function: dict[str, Any]) -> set[str]:
    """The actions that a function's role allows its code.

    What SAM adds has no `Sid`, and is for what Lambda itself does in the role's name, as are managed policies.
    """
    role, _ = cloudformation.attribute(function["Role"]["Fn::GetAtt"])
    return {
        action
        for policy in template["Resources"][role]["Properties"].get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
        if "Sid" in statement
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def environment(function: dict[str, Any]) -> set[str]:
    """The names of a function's variables."""
    return set(function.get("Environment", {}).get("Variables", {}))


def needed(folder: str, graph: Graph, variables: set[str]) -> Iterator[Need]:
    """What the code of a function asks for: actions, and those of the variables that it reads."""
    never = {name for where, name in NEVER if where == folder}
    never |= {name for name, variable in WHERE_SET.items() if variable not in variables}
    came = graph.reached(*_roots(folder), without=never)
    for name in came:
        said = graph.says.get(name, set())
        if name.startswith(_SETTINGS):
            said = said | {name.removeprefix(_SETTINGS).upper()}
        for what in sorted({action for word in said for action in _actions().get(word, ())} | (said & variables)):
            yield Need(what, _way(name, came))


def _roots(folder: str) -> tuple[str, str]:
    """What Lambda itself gets to: the module of the handler, and the handler."""
    return f"functions.{folder}.handler", f"functions.{folder}.handler.handler"


def _way(name: str, came: dict[str, str]) -> str:
    steps = [name]
    while came[steps[-1]]:
        steps.append(came[steps[-1]])
    return " -> ".join(each.removeprefix("functions.").removeprefix("consentry.") for each in reversed(steps))


@cache
def _actions() -> dict[str, tuple[str, ...]]:
    """The actions behind each word that stands for a call."""
    found: dict[str, tuple[str, ...]] = {part: (action,) for part, action in actions.PARTS.items()}
    found[MISSING_OBJECT] = ("s3:ListBucket",)
    for service, operations in services.called().items():
        for name in operations:
            found[name] = found[xform_name(name)] = actions.needed(service, name)
    return found
