"""The one loader of templates: read, repeated, and as CloudFormation makes them with some answers.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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


def holds(expression: Any, template: Template, values: Values) -> bool:
    """Whether a condition's or a rule's expression holds.

    Raises:
        ValueError: it has a function that isn't known here.
    """
    found = _Resolving(template, values, values).value(expression)
    if not isinstance(found, bool):
        raise ValueError(f"not known here: {expression}")  # noqa: TRY004 - of the template, not of Python
    return found


def resolved(template: Template, values: Values, written: Values | None = None) -> Template:
    """The resources and outputs that there are with these values: conditions decided, parameters filled in.

    What only the deployment knows stays: `Ref` and `Fn::GetAtt` of a resource, pseudo parameters, and `Fn::Sub` of text
    around them.

    Args:
        template: an expanded one.
        values: of its parameters. Conditions are decided with them.
        written: what is filled in instead.
    """
    resolving = _Resolving(template, values, {**values, **(written or {})})
    made: Template = {
        name: each for name, each in template.items() if name in {"AWSTemplateFormatVersion", "Description"}
    }
    for section in ("Resources", "Outputs"):
        made[section] = {
            name: resolving.value({part: of for part, of in each.items() if part != "Condition"})
            for name, each in template.get(section, {}).items()
            if "Condition" not in each or resolving.decided(each["Condition"])
        }
    return made


class _Resolving:
    """Fills in what is known of a template."""

    def __init__(self, template: Template, values: Values, written: Values) -> None:
        self._template, self._values, self._written = template, values, written

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

    def decided(self, condition: str) -> bool:
        """Whether one of the template's conditions holds."""
        return holds(self._template["Conditions"][condition], self._template, self._values)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name not in self._written:
            return {"Ref": name}
        is_list = self._template["Parameters"].get(name, {}).get("Type") == "CommaDelimitedList"
        return [each.strip() for each in self._written[name].split(",")] if is_list else self._written[name]

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
        "Condition": decided,
        "Ref": _ref,
        "Fn::And": lambda self, argument: all(map(self.value, argument)),
        "Fn::Contains": lambda self, argument: self.value(argument[1]) in argument[0],
        "Fn::Equals": lambda self, argument: len(set(map(str, map(self.value, argument)))) == 1,
        "Fn::FindInMap": _find_in_map,
        "Fn::If": lambda self, argument: self.value(argument[1 if self.decided(argument[0]) else 2]),
        "Fn::Join": _join,
        "Fn::Not": lambda self, argument: not self.value(argument[0]),
        "Fn::Or": lambda self, argument: any(map(self.value, argument)),
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::Sub": _sub,
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
