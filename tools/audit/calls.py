"""Every call of AWS that our code writes down, against all that botocore knows of the service.

What goes through `**request` or a name that is only known when it runs is seen in the functions' tests, where each call
that a handler makes is held against the same descriptions (tests/support/permissions.py); the layer carries only what
is left of them (tests/unit/test_services.py).
"""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import botocore.session
from botocore import xform_name

from audit.verdict import Verdict
from consentry_build.services import SERVICES
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel

WRITTEN_IN: Final = ("functions", "layers/consentry", "tools/consentry_cli", "tools/dev")
_OF_EVERY_CLIENT: Final = frozenset({"can_paginate", "close", "generate_presigned_url", "get_paginator", "get_waiter"})
_PAGES: Final = frozenset({"PaginationConfig"})
"""What a paginator takes beside the operation's own."""


class Asked(NamedTuple):
    """A call as it is written."""

    place: str
    services: tuple[str, ...]
    """The service; all that functions call, where only the client's name says that it is one."""
    operation: str
    """As a client's method: `put_item`."""
    names: frozenset[str]
    """Of its parameters."""
    whole: bool
    """Nothing else is handed over."""


def check() -> Verdict:
    """Whether there is every operation that is called, and takes what it is given."""
    files = [file for folder in WRITTEN_IN for file in sorted((ROOT / folder).rglob("*.py"))]
    asked = [each for file in files for each in calls(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))]
    found = [f"{each.place}: {why}" for each in asked for why in wrong(each)]
    return Verdict(
        f"{len(asked)} calls in the code are as botocore's descriptions of {_named(asked)} services have them", found
    )


def _named(asked: list[Asked]) -> int:
    return len({each.services[0] for each in asked if len(each.services) == 1} | {*SERVICES})


def wrong(asked: Asked) -> list[str]:
    """What the service wouldn't take of a call."""
    known = [of[asked.operation] for service in asked.services if asked.operation in (of := _operations(service))]
    if not known:
        return [f"there is no {asked.operation} of {', '.join(asked.services)}"]
    shape: Any = known[0].input_shape
    takes, needs = ({*shape.members}, {*shape.required_members}) if shape else (set(), set())
    found = [f"{asked.operation} takes no {name}" for name in sorted(asked.names - takes - _PAGES)]
    if asked.whole:
        found += [f"{asked.operation} needs {name}" for name in sorted(needs - asked.names)]
    return found


@cache
def _operations(service: str) -> dict[str, OperationModel]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def calls(source: str, file: str) -> Iterator[Asked]:
    """The calls in a file.

    Recognised are methods of what `client("service")` answers, directly or by a variable, and of what is called a
    client; and calls that hand an operation on, as its name or as a client's method, with what it is to be given.
    """
    for scope in _scopes(ast.parse(source)):
        clients = _variables(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Call):
                yield from _asked(node, clients, f"{file}:{node.lineno}")


def _asked(node: ast.Call, clients: dict[str, str], place: str) -> Iterator[Asked]:
    names = frozenset(each.arg for each in node.keywords if each.arg)
    whole = not node.args and all(each.arg for each in node.keywords)
    match node:
        # client.get_paginator("list_queues").paginate(…)
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(
                    func=ast.Attribute(value=of, attr="get_paginator"), args=[ast.Constant(value=str(name))]
                ),
                attr="paginate",
            )
        ) if services := _services(of, clients):
            yield Asked(place, services, name, names, whole)
        # client.put_item(…)
        case ast.Call(func=ast.Attribute(value=of, attr=name)) if services := _services(of, clients):
            if name not in _OF_EVERY_CLIENT:
                yield Asked(place, services, name, names, whole)
        case _ if not names or not all(name[0].isupper() for name in names):
            return
        # self._call(client.put_object, …)
        case ast.Call(args=[ast.Attribute(value=of, attr=name), *_]) if services := _services(of, clients):
            yield Asked(place, services, name, names, whole=False)
        # self._write("put_item", …), and gateway.query(…)
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) | ast.Call(func=ast.Attribute(attr=name)):
            if name in _known():
                yield Asked(place, SERVICES, name, names, whole=False)


def _scopes(body: ast.AST) -> Iterator[ast.AST]:
    """The functions and methods of a module, with what is within them; each statement outside of them."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.ClassDef):
            yield from _scopes(node)
        else:
            yield node


def _variables(scope: ast.AST) -> dict[str, str]:
    """The variables of a function that hold a client, with the service."""
    found = {}
    for node in ast.walk(scope):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=made)
                | ast.AnnAssign(target=ast.Name(id=name), value=made)
            ):
                if service := _made(made):
                    found[name] = service
    return found


def _made(node: ast.expr | None) -> str:
    """The service of the client that is made here."""
    match node:
        case ast.Call(
            func=ast.Name(id="client" | "_client") | ast.Attribute(attr="client" | "_client"),
            args=[ast.Constant(value=str(service)), *_],
        ):
            return service
    return ""


def _services(node: ast.expr, clients: dict[str, str]) -> tuple[str, ...]:
    """The services that an expression may be a client of."""
    if service := _made(node):
        return (service,)
    match node:
        case ast.Name(id=name) if name in clients:
            return (clients[name],)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name)):
            return SERVICES if name.endswith("client") else ()
    return ()


@cache
def _known() -> frozenset[str]:
    return frozenset(name for service in SERVICES for name in _operations(service))
