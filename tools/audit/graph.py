"""What needs what in an expanded template: no circle, and nothing that isn't there.

CloudFormation refuses a change set with a circle ("Circular dependency between resources"). It counts what a resource's
`UpdatePolicy` names, too, where SAM puts the deployment group of each alias; both branches of each `Fn::If` are looked
at here. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
"""

from __future__ import annotations

import itertools
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from audit.cloudformation import references
from audit.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.cases import Case
    from audit.cloudformation import Template

_CARRIED_OUT = ("Properties", "UpdatePolicy", "CreationPolicy")
"""The parts of a resource in which it may name others. `Metadata` is carried along, and read by nobody."""


def check(cases: list[Case]) -> Verdict:
    """Whether each case can be carried out in some order, and names only what it makes."""
    found: dict[str, list[str]] = {}
    for case in cases:
        circle = circle_in(case.expanded)
        for each in [*([f"circular dependency: {circle}"] if circle else []), *missing(case)]:
            found.setdefault(each, []).append(case.name)
    most = max(len(case.resolved["Resources"]) for case in cases)
    told = f"up to {most} resources; each can be made once those that it names are there"
    return Verdict(told, [f"{', '.join(names)}: {each}" for each, names in found.items()])


def needed(template: Template) -> dict[str, dict[str, str]]:
    """By logical id: the resources that must be there first, each with the part of this one that names it."""
    resources = template["Resources"]
    return {
        name: {other: part for other, part in _named(resource) if other in resources}
        for name, resource in resources.items()
    }


def circle_in(template: Template) -> str:
    """A circle, resource by resource; empty if there is none."""
    needs = needed(template)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as exc:
        path: list[str] = exc.args[1][::-1]  # each comes before those that need it
        steps = [f"{name} ({needs[name][other]})" for name, other in itertools.pairwise(path)]
        return " -> ".join([*steps, path[-1]])
    return ""


def missing(case: Case) -> list[str]:
    """What the case's resources and outputs name that the case doesn't make.

    `DependsOn` is passed over: CloudFormation ignores what a condition leaves out there.
    """
    known = {*case.resolved["Resources"]}
    made = case.resolved["Resources"] | {f"output {name}": each for name, each in case.resolved["Outputs"].items()}
    return [
        f"{name} names {other}, which isn't made"
        for name, each in made.items()
        for other in dict.fromkeys(named for named, _ in references(_parts(each)))
        if other not in known and not other.startswith("AWS::")
    ]


def _named(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for part in _CARRIED_OUT:
        for below, each in _below(resource.get(part, {}), part):
            for name, _ in references(each):
                yield name, below
    earlier = resource.get("DependsOn", [])
    for name in [earlier] if isinstance(earlier, str) else earlier:
        yield name, "DependsOn"


def _below(part: Any, name: str) -> list[tuple[str, Any]]:
    """The properties of a part, by what they are called."""
    if name == "Properties" and isinstance(part, dict):
        return list(part.items())
    return [(name, part)]


def _parts(made: dict[str, Any]) -> dict[str, Any]:
    """Of a resource or an output, what CloudFormation fills in."""
    return {part: each for part, each in made.items() if part in {*_CARRIED_OUT, "Value", "Export"}}
