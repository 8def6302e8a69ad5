"""What CloudFormation makes of a template: which conditions hold, which resources there are, what names what.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms
from cfnlint.template import Template as Lintable

if TYPE_CHECKING:
    from pathlib import Path

Template = dict[str, Any]
Values = Mapping[str, str]

_NOTHING: Final = object()
_REPEATS: Final = "AWS::LanguageExtensions"
"""The transform that has `Fn::ForEach`; cfn-lint repeats what stands below it, as CloudFormation does."""
_LOOP: Final = "Fn::ForEach::"
VARIABLE: Final = re.compile(r"\$\{([^!}][^}]*)\}")
"""What `Fn::Sub` fills in."""


def read(file: Path) -> Template:
    """A template, its short forms written out, and what stands below `Fn::ForEach` repeated.

    Raises:
        ValueError: it can't be repeated.
    """
    template: Template = json.loads(json.dumps(loads(file.read_text(encoding="utf-8"))))
    loops: dict[str, Any] = {
        section: {name: each for name, each in template[section].items() if name.startswith(_LOOP)}
        for section in ("Resources", "Outputs")
        if section in template
    }
    if any(loops.values()):  # cfn-lint would fill in a parameter, too, with a value that it makes up
        written: Template = {**template, **loops, "Transform": _REPEATS}
        alone = Lintable(None, written, ["us-east-1"])
        if matches := alone.transform():
            raise ValueError(matches[0].message)
        template["Transform"] = [each for each in template["Transform"] if each != _REPEATS]
        for section, repeated in loops.items():
            for name in repeated:
                del template[section][name]
            template[section] |= json.loads(json.dumps(alone.template[section]))
    return template


def function(node: Any) -> tuple[str, Any]:
    """The name and argument of an intrinsic function; empty if it isn't one."""
    if isinstance(node, dict) and len(node) == 1:
        ((name, argument),) = node.items()
        if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
            return name, argument
    return "", None


def attribute(argument: Any) -> tuple[str, str]:
    """The logical id and the attribute that a `Fn::GetAtt`, or a variable of `Fn::Sub`, names."""
    if isinstance(argument, str):
        resource, _, name = argument.partition(".")
        return resource, name
    return str(argument[0]), ".".join(map(str, argument[1:]))


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Every logical id or parameter that a part of a template names, with the attribute; both branches of `Fn::If`."""
    name, argument = function(node)
    if name == "Ref":
        yield str(argument), ""
    elif name == "Fn::GetAtt":
        yield attribute(argument)
    elif name == "Fn::Sub":
        text, own = argument if isinstance(argument, list) else (argument, {})
        for variable in VARIABLE.findall(text):
            if variable not in own:
                yield attribute(variable)
        yield from references(own)
    elif isinstance(node, dict):
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


# --- with values ------------------------------------------------------------------------------------------------------


def conditions(template: Template, values: Values) -> dict[str, bool]:
    """Each of the template's conditions, decided."""
    return {name: holds(each, template, values) for name, each in template.get("Conditions", {}).items()}


def holds(expression: Any, template: Template, values: Values) -> bool:
    """Whether a condition's or a rule's expression holds.

    Raises:
        ValueError: it has a function that isn't known here.
    """
    if isinstance(expression, bool):
        return expression
    name, argument = function(expression)
    resolving = _Resolving(template, {}, values)

    def part(each: Any) -> bool:
        return holds(each, template, values)

    known: dict[str, Callable[[], bool]] = {
        "Condition": lambda: part(template["Conditions"][argument]),
        "Fn::And": lambda: all(map(part, argument)),
        "Fn::Or": lambda: any(map(part, argument)),
        "Fn::Not": lambda: not part(argument[0]),
        "Fn::Equals": lambda: str(resolving.value(argument[0])) == str(resolving.value(argument[1])),
        "Fn::Contains": lambda: resolving.value(argument[1]) in argument[0],
    }
    if name not in known:
        raise ValueError(f"not known here: {expression}")
    return known[name]()


def resolved(template: Template, values: Values, written: Values | None = None) -> Template:
    """The resources and outputs that there are with these values: conditions decided, parameters filled in.

    What only the deployment knows stays: `Ref` and `Fn::GetAtt` of a resource, pseudo parameters, and `Fn::Sub` of text
    around them.

    Args:
        template: an expanded one.
        values: of its parameters. Conditions are decided with them.
        written: what is filled in instead.
    """
    decided = conditions(template, values)
    resolving = _Resolving(template, decided, {**values, **(written or {})})
    made: Template = {
        name: each for name, each in template.items() if name in {"AWSTemplateFormatVersion", "Description"}
    }
    for section in ("Resources", "Outputs"):
        made[section] = {
            name: resolving.value({part: of for part, of in each.items() if part != "Condition"})
            for name, each in template.get(section, {}).items()
            if "Condition" not in each or decided[each["Condition"]]
        }
    return made


class _Resolving:
    """Fills in what is known of a template."""

    def __init__(self, template: Template, decided: Mapping[str, bool], values: Values) -> None:
        self._template = template
        self._decided = decided
        self._values = values

    def value(self, node: Any) -> Any:
        """A part of the template, filled in as far as it can be."""
        name, argument = function(node)
        if name in self._FUNCTIONS:
            return self._FUNCTIONS[name](self, argument)
        if isinstance(node, dict):
            return {key: made for key, each in node.items() if (made := self.value(each)) is not _NOTHING}
        if isinstance(node, list):
            return [made for each in node if (made := self.value(each)) is not _NOTHING]
        return node

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name not in self._values:
            return {"Ref": name}
        is_list = self._template["Parameters"].get(name, {}).get("Type") == "CommaDelimitedList"
        return [each.strip() for each in self._values[name].split(",")] if is_list else self._values[name]

    def _if(self, argument: list[Any]) -> Any:
        return self.value(argument[1 if self._decided[argument[0]] else 2])

    def _find_in_map(self, argument: list[Any]) -> Any:
        of, first, second = map(self.value, argument)
        return self._template["Mappings"][of][first][second]

    def _sub(self, argument: Any) -> Any:
        text, given = argument if isinstance(argument, list) else (argument, {})
        own: dict[str, str] = {name: _within_text(self.value(each)) for name, each in given.items()}

        def filled(found: re.Match[str]) -> str:
            if found[1] in own:
                return own[found[1]]
            resource, name = attribute(found[1])
            return found[0] if name else _within_text(self._ref(resource))

        return _text(VARIABLE.sub(filled, text))

    def _join(self, argument: list[Any]) -> Any:
        between, parts = argument[0], self.value(argument[1])
        if not isinstance(parts, list):
            return {"Fn::Join": [between, parts]}
        return _text(_escaped(between).join(map(_within_text, parts)))

    def _split(self, argument: list[Any]) -> Any:
        text = self.value(argument[1])
        return text.split(argument[0]) if isinstance(text, str) else {"Fn::Split": [argument[0], text]}

    def _select(self, argument: list[Any]) -> Any:
        of = self.value(argument[1])
        return of[int(argument[0])] if isinstance(of, list) else {"Fn::Select": [argument[0], of]}

    _FUNCTIONS: Final[dict[str, Callable[[_Resolving, Any], Any]]] = {
        "Ref": _ref,
        "Fn::If": _if,
        "Fn::FindInMap": _find_in_map,
        "Fn::Sub": _sub,
        "Fn::Join": _join,
        "Fn::Split": _split,
        "Fn::Select": _select,
    }


def _within_text(value: Any) -> str:
    """A value within the text of a `Fn::Sub`: what a resource will be called stands between `${` and `}`."""
    name, argument = function(value)
    if name == "Ref":
        return f"${{{argument}}}"
    if name == "Fn::GetAtt":
        return f"${{{'.'.join(attribute(argument))}}}"
    if name == "Fn::Sub":
        return str(argument)
    if isinstance(value, dict | list):
        raise ValueError(f"not a text: {value}")  # noqa: TRY004 - of the template, not of Python
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return text.replace("${", "${!")


def _text(text: str) -> Any:
    return {"Fn::Sub": text} if VARIABLE.search(text) else text.replace("${!", "${")
