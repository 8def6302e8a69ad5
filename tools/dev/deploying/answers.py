"""Answers to the template's questions: what `SET` asks for, and whether the template takes it."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any

from dev.deploying import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def asked_for(text: str) -> dict[str, str]:
    """What `SET` says: `Name=value Other="two words" Empty=`, quoted as in a shell.

    Raises:
        RefusedError: some of it has no `=`, or a quote is left open.
    """
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise RefusedError(f"SET can't be read: {exc}") from exc
    if astray := [word for word in words if not re.match(r"\w+=", word)]:
        raise RefusedError(f"SET is 'Name=value Other=\"two words\"'; what is {astray[0]}?")
    return dict(word.split("=", 1) for word in words)


def check(answers: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
    """Check answers as CloudFormation would, before anything is built.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html

    Args:
        answers: each parameter's name and value.
        parameters: the template's section `Parameters`.

    Raises:
        RefusedError: a name that the template doesn't have, or a value that it doesn't take; a line for each.
    """
    faults = []
    for name, value in answers.items():
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, 1)
            faults.append(f"there is no parameter {name}" + (f"; is it {near[0]}?" if near else ""))
        elif not takes(parameters[name], value):
            allowed = ", ".join(map(str, parameters[name].get("AllowedValues", ())))
            faults.append(f"{name} has to be {parameters[name].get('ConstraintDescription', f'one of {allowed}')}")
    if faults:
        raise RefusedError("\n".join(faults))


def takes(declared: Mapping[str, Any], value: str) -> bool:
    """Whether a parameter takes a value."""
    if declared["Type"] == "CommaDelimitedList":
        return all(takes({**declared, "Type": "String"}, each) for each in value.split(","))
    number = declared["Type"] == "Number"
    try:
        size = float(value) if number else len(value)
    except ValueError:
        return False
    least, most = ("MinValue", "MaxValue") if number else ("MinLength", "MaxLength")
    return (
        float(declared.get(least, "-inf")) <= size <= float(declared.get(most, "inf"))
        and value in map(str, declared.get("AllowedValues", [value]))
        and re.fullmatch(declared.get("AllowedPattern", "(?s).*"), value) is not None
    )
