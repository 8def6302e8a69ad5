"""Which of our functions, methods and constants can reach which, by the types that mypy knows.

Whatever is named counts as reached: also what is handed on to be called later. A method that a class of ours overrides
is reached with the one that it overrides, one of a protocol with every method of that name.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mypy import build, nodes, types
from mypy.modulefinder import BuildSource
from mypy.options import Options

from dev.places import ROOT

if TYPE_CHECKING:
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
    for name in modules:
        program.read(result.files[name])
    return program.graph()


def modules() -> dict[str, Path]:
    """The layer's modules and the functions' handlers."""
    layer = {
        ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((LAYER / "consentry").rglob("*.py"))
    }
    return layer | {f"functions.{path.parent.name}.handler": path for path in sorted(FUNCTIONS.glob("*/handler.py"))}


class _Program:
    """What is gathered of all modules."""

    def __init__(self, known: dict[nodes.Expression, types.Type], packages: set[str]) -> None:
        self._known = known
        self._packages = packages
        self._leads_to: defaultdict[str, set[str]] = defaultdict(set)
        self._says: defaultdict[str, set[str]] = defaultdict(set)
        self._methods: defaultdict[str, set[str]] = defaultdict(set)
        self._protocols: set[tuple[str, str]] = set()
        self._heirs: defaultdict[str, set[str]] = defaultdict(set)

    def graph(self) -> Graph:
        for base, heirs in self._heirs.items():
            for method, places in self._methods.items():
                if f"{base}.{method}" in places:
                    self._leads_to[f"{base}.{method}"] |= {f"{heir}.{method}" for heir in heirs} & places
        for protocol, method in self._protocols:
            self._leads_to[f"{protocol}.{method}"] |= self._methods[method]
        return Graph(dict(self._leads_to), dict(self._says))

    def read(self, module: nodes.MypyFile) -> None:
        """Note every name, attribute and text of a module, at the function, method or constant that it stands in.

        What is nested belongs to what is around it; mypy's nodes are compiled, and take no visitor that isn't.
        """
        seen: set[int] = set()
        waiting: list[tuple[Any, str, str]] = [(module.defs, module.fullname, "")]
        while waiting:
            node, scope, here = waiting.pop()
            if isinstance(node, list | tuple):
                waiting.extend((each, scope, here) for each in node)
            elif isinstance(node, nodes.Node | nodes.Argument) and id(node) not in seen:
                seen.add(id(node))
                if not here:
                    scope, here = self._begun(node, module.fullname, scope)
                self._note(node, here or module.fullname)
                waiting.extend((getattr(node, name, None), scope, here) for name in _attributes(type(node).__mro__))
        for symbol in module.names.values():
            if isinstance(symbol.node, nodes.TypeInfo) and symbol.node.module_name == module.fullname:
                self._class(symbol.node)

    def _begun(self, node: Any, module: str, scope: str) -> tuple[str, str]:
        """The class or module in which a node stands, and the function, method or constant that begins with it."""
        match node:
            case nodes.ClassDef():
                return node.fullname, ""
            case nodes.Decorator(func=function, original_decorators=decorators):
                if not _KEPT.issuperset(map(_called, decorators)):
                    self._leads_to[module].add(function.fullname)
            case nodes.FuncDef():
                if scope != module:
                    self._methods[node.name].add(node.fullname)
                return scope, node.fullname
            case nodes.AssignmentStmt(lvalues=[nodes.NameExpr(name=name)]):
                return scope, f"{scope}.{name}"
        return scope, ""

    def _note(self, node: Any, here: str) -> None:
        if isinstance(node, nodes.StrExpr):
            self._says[here].add(node.value)
        elif isinstance(node, nodes.NameExpr | nodes.MemberExpr) and self._is_ours(name := _full_name(node)):
            self._leads_to[here].add(name)
        elif isinstance(node, nodes.MemberExpr):
            self._member(here, self._known.get(node.expr), node.name)

    def _is_ours(self, name: str) -> bool:
        return name.partition(".")[0] in self._packages

    def _class(self, info: nodes.TypeInfo) -> None:
        """Whoever names a class may make one, and use what Python itself calls; and has all that it inherits."""
        for name, symbol in info.names.items():
            if isinstance(symbol.node, nodes.TypeInfo):
                self._class(symbol.node)
            elif name.startswith("__"):
                self._leads_to[info.fullname].add(f"{info.fullname}.{name}")
        for base in info.mro[1:]:
            if self._is_ours(base.fullname):
                self._leads_to[info.fullname].add(base.fullname)
                self._heirs[base.fullname].add(info.fullname)

    def _member(self, here: str, of: types.Type | None, name: str) -> None:
        """Note what an attribute of something of a type is."""
        match types.get_proper_type(of):
            case types.Instance(type=info):
                found = info.get(name)
                full = found.node.fullname if found is not None and found.node is not None else ""
                if self._is_ours(full):
                    self._leads_to[here].add(full)
                    if info.is_protocol:
                        self._protocols.add((info.fullname, name))
            case types.UnionType(items=items):
                for each in items:
                    self._member(here, each, name)
            case (
                types.TypeType(item=inner)
                | types.CallableType(ret_type=inner)
                | types.TupleType(partial_fallback=inner)
                | types.TypeVarType(upper_bound=inner)
            ):
                self._member(here, inner, name)
            case types.AnyType():
                self._says[here].add(name)


def _called(decorator: Any) -> str:
    return str(getattr(decorator.callee if isinstance(decorator, nodes.CallExpr) else decorator, "name", ""))


def _full_name(expression: nodes.RefExpr) -> str:
    return expression.fullname or getattr(expression.node, "fullname", "") or ""


@cache
def _attributes(kinds: tuple[type, ...]) -> tuple[str, ...]:
    """The parts of a node of mypy's."""
    names = {name for each in kinds for part in ("__mypyc_attrs__", "__slots__") for name in getattr(each, part, ())}
    return tuple(sorted(names - _PASSED_OVER))
