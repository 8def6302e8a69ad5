"""What a function may ask of AWS by its policy in the template: what it asks in tests is held against that."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms

_TEMPLATE: Final = Path(__file__).parents[2] / "template.yaml"
_PARTS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""Who writes in a transaction is asked for leave to do each of its operations:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html"""
_OTHERWISE: Final = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "SendMessageBatch": "SendMessage"}
"""Operations that are allowed under another's name."""

asked: Final[set[str]] = set()
"""The actions that functions' clients asked for, such as `dynamodb:PutItem`, since it was last cleared."""


def watched(client: Any) -> Any:
    """The client, with what is asked through it noted."""
    client.meta.events.register("before-parameter-build", _note)
    return client


def obedient(room: str, module: ModuleType) -> ModuleType:
    """A function's module; its handler fails if it asks AWS for what the function's policy doesn't allow."""
    handler: Callable[..., Any] = module.handler

    @functools.wraps(handler)
    def held(*given: Any) -> Any:
        before = set(asked)
        asked.clear()
        answer = handler(*given)
        forbidden = asked - _allowed()[room]
        asked.update(before)
        assert not forbidden, f"{room} may not {', '.join(sorted(forbidden))}"
        return answer

    module.handler = held  # type: ignore[attr-defined]  # a module has no such field until it is loaded
    return module


def _note(params: dict[str, Any], model: Any, **_: Any) -> None:
    parts = params.get("TransactItems", ()) if model.name == "TransactWriteItems" else ()
    names = [_PARTS[kind] for part in parts for kind in part] or [_OTHERWISE.get(model.name, model.name)]
    asked.update(f"{model.service_model.signing_name}:{name}" for name in names)


@functools.cache
def _allowed() -> dict[str, set[str]]:
    """By room: the actions of its function's policy."""
    functions = [
        each["Properties"]
        for each in loads(_TEMPLATE.read_text())["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    return {
        Path(str(function["CodeUri"])).name: {
            action
            for policy in function.get("Policies", ())
            for statement in policy.get("Statement", ())
            for action in statement["Action"]
        }
        for function in functions
    }
