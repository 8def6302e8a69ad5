"""Every call of AWS that our code writes down, against all that botocore knows of the services.

What goes through `**request` or a name that is only known when it runs is seen in the functions' tests, where each call
that a handler makes is held against the same descriptions (tests/support/permissions.py); the layer carries only what
is left of them (tests/unit/consentry_build/test_services.py).
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, Final

import botocore.session
from botocore import xform_name

from consentry_build.services import SERVICES
from dev.audit.verdict import Verdict
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITTEN_IN: Final = ("functions", "layers/consentry", "tools")
_PASSED_OVER: Final = frozenset({"can_paginate", "close", "generate_presigned_url", "get_paginator", "update", "wait"})
"""What every client has, and what others have that get names in capitals."""
_PAGES: Final = frozenset({"PaginationConfig"})
"""What a paginator takes beside the operation's own."""
_ADDED: Final = frozenset({"TableName"})
"""What the layer's gateway adds."""
_MADE: Final = re.compile(r"client\('(\w+)'")
"""The service of a client that is made."""
_CLIENT: Final = re.compile(r"client(\(\)|\('\w+'[^()]*(\([^()]*\)[^()]*)*\))?$")
"""What is a client for sure: it is called one, or made here."""


def check() -> Verdict:
    """Whether there is every operation that is called, and takes what it is given."""
    files = [file for folder in WRITTEN_IN for file in sorted((ROOT / folder).rglob("*.py"))]
    sources = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    services = {*SERVICES, *(name for text in sources.values() for name in _MADE.findall(text.replace('"', "'")))}
    found = [
        (f"{name}:{line}", why)
        for name, text in sources.items()
        for line, faults in calls(text, tuple(sorted(services)))
        for why in faults or [""]
    ]
    summary = f"{len(found)} calls in the code are as botocore's descriptions of {len(services)} services have them"
    return Verdict(summary, [f"{place}: {why}" for place, why in found if why])


def calls(source: str, services: tuple[str, ...] = SERVICES) -> Iterator[tuple[int, list[str]]]:
    """The calls in a file: the line, and what AWS wouldn't take of each.

    Recognised are methods of what is called a client, methods that get names such as AWS has them (`QueueUrl=`), and
    calls that hand an operation on, as its name or as a client's method, with what it is to be given.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (asked := _asked(node, services)):
            names = frozenset(each.arg for each in node.keywords if each.arg)
            whole = not node.args and all(each.arg for each in node.keywords)
            yield node.lineno, _wrong(asked[0], asked[1], names, asked[2] if whole else None)


def _asked(node: ast.Call, services: tuple[str, ...]) -> tuple[str, tuple[str, ...], frozenset[str]] | None:
    """The operation, the services that it may be one of, and what somebody adds to what is given here."""
    names = [each.arg for each in node.keywords if each.arg]
    cased = bool(names) and all(name[0].isupper() for name in names)
    match node:
        # client.get_paginator("list_queues").paginate(…)
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(
                    func=ast.Attribute(value=of, attr="get_paginator"), args=[ast.Constant(value=str(name))]
                ),
                attr="paginate",
            )
        ):
            return name, _services(of) or services, frozenset()
        # client.put_item(…), and sqs.send_message(QueueUrl=…)
        case ast.Call(func=ast.Attribute(value=of, attr=name)) if name not in _PASSED_OVER and (
            (surely := _CLIENT.search(ast.unparse(of))) or (cased and not node.args and not name.startswith("_"))
        ):
            return name, _services(of) or services, frozenset() if surely else _ADDED
        # self._call(client.put_object, …), and self._write("put_item", …)
        case ast.Call(args=[ast.Attribute(attr=name) | ast.Constant(value=str(name)), *_]) if cased:
            return (name, services, _ADDED) if any(name in _operations(service) for service in services) else None
    return None


def _services(of: ast.expr) -> tuple[str, ...]:
    return tuple(_MADE.findall(ast.unparse(of)))[-1:]


def _wrong(operation: str, services: tuple[str, ...], names: frozenset[str], added: frozenset[str] | None) -> list[str]:
    """What isn't taken by the service that takes most of a call; without `added`, more is handed over."""
    known = [of[operation] for service in services if operation in (of := _operations(service))]
    if not known:
        return [f"there is no {operation} of {', '.join(services)}"]
    return min(
        (
            [f"{operation} takes no {name}" for name in sorted(names - takes - _PAGES)]
            + [f"{operation} needs {name}" for name in sorted(needs - names - (needs if added is None else added))]
            for takes, needs in known
        ),
        key=len,
    )


@cache
def _operations(service: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """By client's method: the parameters that an operation takes, and those that it needs."""
    model = botocore.session.get_session().get_service_model(service)
    shapes = {xform_name(name): model.operation_model(name).input_shape for name in model.operation_names}
    return {
        name: (frozenset(shape.members), frozenset(shape.required_members)) if shape else (frozenset(), frozenset())
        for name, shape in shapes.items()
    }
