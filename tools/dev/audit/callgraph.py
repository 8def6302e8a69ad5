"""Which of our functions, methods and constants can reach which, by the types that mypy knows.

Whatever is named counts as reached: also what is handed on to be called later. A method that a class of ours overrides
is reached with the one that it overrides, one of a protocol with every method of that name.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mypy import build, nodes, types
from mypy.modulefinder import BuildSource
from mypy.options import Options

from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

LAYER: Final = ROOT / "layers" / "consentry"
FUNCTIONS: Final = ROOT / "functions"
_KEPT: Final = frozenset(
    {
        "cache",
        "cached_property",
        "classmethod",
        "contextmanager",
        "field_validator",
        "lru_cache",
        "model_validator",
        "property",
        "staticmethod",
    }
)
"""Decorators after which a function is called by its own name, as without them. Others may hand it to somebody."""
_BY_NAME: Final = (nodes.NameExpr, nodes.MemberExpr)
_PASSED_OVER: Final = frozenset({"info", "node", "original_def", "type", "unanalyzed_type"})
"""Attributes of mypy's nodes that lead elsewhere in the program."""


class Graph(NamedTuple):
    """By the full name of each function, method, class and constant of ours."""

    leads_to: dict[str, set[str]]
    says: dict[str, set[str]]
    """The texts in it, and what it asks of things that mypy knows no type of, such as botocore's clients."""

    def reached(self, *roots: str, without: AbstractSet[str] = frozenset()) -> dict[str, str]:
        """Everything that can be reached from these, each with what led there; what isn't to be reached is left out."""
        came = dict.fromkeys(roots, "")
        waiting = [*roots]
        for name in waiting:
            for other in sorted(self.leads_to.get(name, ())):
                if other not in came and other not in without:
                    came[other] = name
                    waiting.append(other)
        return came


class _Program:
    """What is gathered of all modules."""

    def __init__(self, known: dict[nodes.Expression, types.Type], packages: set[str]) -> None:
        self.known = known
        self.packages = packages
        self.leads_to: defaultdict[str, set[str]] = defaultdict(set)
        self.says: defaultdict[str, set[str]] = defaultdict(set)
        self.methods: defaultdict[str, set[str]] = defaultdict(set)
        self.protocols: set[tuple[str, str]] = set()
        self.heirs: defaultdict[str, set[str]] = defaultdict(set)

    def is_ours(self, name: str | None) -> bool:
        return (name or "").partition(".")[0] in self.packages


def graph(modules: dict[str, Path]) -> Graph:
    """The graph of some modules, by name.

    Raises:
        ValueError: mypy can't read them.
    """
    options = Options()
    options.export_types = options.preserve_asts = options.check_untyped_defs = True
    options.incremental = False
    options.explicit_package_bases = options.namespace_packages = True
    options.follow_imports = "skip"  # what others wrote calls nothing of AWS on our behalf
    options.ignore_missing_imports = True
    result = build.build([BuildSource(str(path), name) for name, path in modules.items()], options)
    program = _Program(result.types, {name.partition(".")[0] for name in modules})
    for name, path in modules.items():
        _module(program, name, ast.parse(path.read_bytes()), result.files[name])
    for base, heirs in program.heirs.items():
        for method, places in program.methods.items():
            if f"{base}.{method}" in places:
                program.leads_to[f"{base}.{method}"] |= {f"{heir}.{method}" for heir in heirs} & places
    for protocol, method in program.protocols:
        program.leads_to[f"{protocol}.{method}"] |= program.methods[method]
    return Graph(dict(program.leads_to), dict(program.says))


def modules() -> dict[str, Path]:
    """The layer's modules and the functions' handlers."""
    layer = {
        ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((LAYER / "consentry").rglob("*.py"))
    }
    return layer | {f"functions.{path.parent.name}.handler": path for path in sorted(FUNCTIONS.glob("*/handler.py"))}


def _module(program: _Program, module: str, tree: ast.Module, typed: nodes.MypyFile) -> None:
    spans = list(_spans(program, module, tree, module))

    def owner(line: int) -> str:
        return next((name for first, last, name in spans if first <= line <= last), module)

    for expression in _expressions(typed.defs):
        here = owner(expression.line)
        if isinstance(expression, nodes.StrExpr):
            program.says[here].add(expression.value)
        elif isinstance(expression, nodes.MemberExpr) and not program.is_ours(_full_name(expression)):
            _member(program, here, program.known.get(expression.expr), expression.name)
        elif program.is_ours(_full_name(expression)):
            program.leads_to[here].add(_full_name(expression))
    for symbol in typed.names.values():
        if isinstance(symbol.node, nodes.TypeInfo) and symbol.node.module_name == module:
            _class(program, symbol.node)


def _spans(program: _Program, module: str, body: ast.AST, within: str) -> Iterator[tuple[int, int, str]]:
    """The first and last line of each function, method and constant; what is nested belongs to what is around it."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}.{node.name}"
            if within != module:
                program.methods[node.name].add(name)
            if not _KEPT.issuperset(map(_called, node.decorator_list)):
                program.leads_to[module].add(name)
            yield node.lineno, node.end_lineno or node.lineno, name
        elif isinstance(node, ast.ClassDef):
            yield from _spans(program, module, node, f"{within}.{node.name}")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield node.lineno, node.end_lineno or node.lineno, f"{within}.{target.id}"
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _spans(program, module, node, within)


def _called(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2]


def _class(program: _Program, info: nodes.TypeInfo) -> None:
    """Whoever names a class may make one, and use what Python itself calls; and has all that it inherits."""
    for name, symbol in info.names.items():
        if isinstance(symbol.node, nodes.TypeInfo):
            _class(program, symbol.node)
        elif name.startswith("__"):
            program.leads_to[info.fullname].add(f"{info.fullname}.{name}")
    for base in info.mro[1:]:
        if program.is_ours(base.fullname):
            program.leads_to[info.fullname].add(base.fullname)
            program.heirs[base.fullname].add(info.fullname)


def _member(program: _Program, here: str, of: types.Type | None, name: str) -> None:
    """Note what an attribute of something of a type is."""
    match types.get_proper_type(of):
        case types.Instance(type=info):
            _own_member(program, here, info, name)
        case types.UnionType(items=items):
            for each in items:
                _member(program, here, each, name)
        case (
            types.TypeType(item=inner)
            | types.CallableType(ret_type=inner)
            | types.TupleType(partial_fallback=inner)
            | types.TypeVarType(upper_bound=inner)
        ):
            _member(program, here, inner, name)
        case types.AnyType():
            program.says[here].add(name)


def _own_member(program: _Program, here: str, info: nodes.TypeInfo, name: str) -> None:
    found = info.get(name)
    full = found.node.fullname if found is not None and found.node is not None else ""
    if program.is_ours(full):
        program.leads_to[here].add(full)
        if info.is_protocol:
            program.protocols.add((info.fullname, name))


def _full_name(expression: nodes.RefExpr) -> str:
    return expression.fullname or getattr(expression.node, "fullname", "") or ""


def _expressions(statements: list[nodes.Statement]) -> Iterator[Any]:
    """Every name, attribute and text below some statements."""
    seen: set[int] = set()
    waiting: list[Any] = [*statements]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list | tuple):
            waiting.extend(node)
        elif isinstance(node, nodes.Node | nodes.Argument) and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, (*_BY_NAME, nodes.StrExpr)):
                yield node
            waiting.extend(getattr(node, name, None) for name in _attributes(type(node).__mro__))


@cache
def _attributes(kinds: tuple[type, ...]) -> tuple[str, ...]:
    """The parts of a node of mypy's, which are compiled, and can't be visited by a class that isn't."""
    names = {name for each in kinds for part in ("__mypyc_attrs__", "__slots__") for name in getattr(each, part, ())}
    return tuple(sorted(names - _PASSED_OVER))
