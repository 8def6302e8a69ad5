"""What a function may ask of AWS: by its policy in the template, and by what the service takes.

What it asks in tests is held against both. Clients of clicks don't look at what they are given, to save time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from botocore.validate import ParamValidator

from dev.audit import actions, cloudformation

_TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
asked: Final[set[str]] = set()
"""The actions that functions' clients asked for, such as `dynamodb:PutItem`, since it was last cleared."""
refused: Final[set[str]] = set()
"""What was wrong with the parameters of calls, since it was last cleared."""


def watched(client: Any) -> Any:
    """The client, with what is asked through it noted."""
    client.meta.events.register("before-parameter-build", _note)
    return client


def obedient(function: str, module: ModuleType) -> ModuleType:
    """A function's module; its handler fails if it asks AWS for what its policy, or the service itself, refuses."""
    handler: Callable[..., Any] = module.handler

    @functools.wraps(handler)
    def held(*given: Any) -> Any:
        before = set(asked)
        asked.clear()
        refused.clear()
        answer = handler(*given)
        forbidden = asked - _allowed()[function]
        asked.update(before)
        assert not forbidden, f"{function} may not {', '.join(sorted(forbidden))}"
        assert not refused, f"{function} asks for what AWS doesn't take: {', '.join(sorted(refused))}"
        return answer

    module.handler = held  # type: ignore[attr-defined]  # a module has no such field until it is loaded
    return module


def _note(params: dict[str, Any], model: Any, **_: Any) -> None:
    report = ParamValidator().validate(params, model.input_shape)
    if report.has_errors():
        refused.add(f"{model.name}: {report.generate_report()}")
    parts = params.get("TransactItems", ()) if model.name == "TransactWriteItems" else ()
    asked.update(actions.PARTS[kind] for part in parts for kind in part)
    asked.update(actions.needed(model.service_model.service_name, model.name))


@functools.cache
def _allowed() -> dict[str, set[str]]:
    """By function: the actions of its function's policy."""
    functions = [
        each["Properties"]
        for each in cloudformation.read(_TEMPLATE)["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    return {
        Path(str(function["CodeUri"])).name: {
            action
            for policy in function.get("Policies", ())
            for each in policy.get("Statement", ())
            for statement in [each["Fn::If"][1] if "Fn::If" in each else each]
            for action in statement["Action"]
        }
        for function in functions
    }
