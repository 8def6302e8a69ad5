"""moto, without the work that it does over and over: most of what tests over it took.

What it answers stays the same; `tests/unit/test_quick_moto.py` shows it. Five things are cheaper:

- a transaction keeps a copy of the items that it names, not of the table with all of its items;
- an expression is read once for all the steps that a call has;
- the parts of an update are copied from bytes, and what is done with a kind of them is looked up once;
- of a structure in an answer, only members are written that are there: an attribute's value has ten, and one is there;
- the 1,300 addresses of AWS are registered once for all tests.

It leans on moto's insides, so it refuses to load once one of those that it knows has changed.
"""

from __future__ import annotations

import contextvars
import copy
import hashlib
import inspect
import pickle
from collections import defaultdict
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

from moto import mock_aws
from moto.core import models as core
from moto.core import responses, serialize
from moto.dynamodb import comparisons, models
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing import ast_nodes, validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

__all__ = ["mock_aws"]

LEANED_ON: Final = (
    *(DynamoDBBackend.transact_write_items, DynamoDBBackend.update_item, DynamoDBBackend.delete_item),
    *(Table.put_item, Table.delete_item, Table.get_item),
    *(ConditionExpressionParser, comparisons.Op, comparisons.AttributePath, comparisons.AttributeValue),
    *(UpdateExpressionParser.make, validators.Validator, DepthFirstTraverser, ast_nodes.Node),
    *(serialize.ResponseSerializer._serialize_type_structure, serialize.ResponseSerializer._serialize_structure_member),
    *(serialize.AttributePicker, serialize.XFormedAttributePicker, serialize.ExplicitAlias, serialize.ShapeNameAlias),
    *(serialize.NoAlias, serialize.ShapePrefixAlias, serialize.ClassPrefixAlias, serialize.ModelAlias),
    *(core.MockAWS._enable_patching, responses.method_names_from_class),
)
"""What of moto is replaced here, or taken to work in a certain way."""
KNOWN: Final = "3f9a2ae539c202e4fd0386a98d985541d8ef3d3c6f1c0b53249afa9301ae9bbe"


def digest() -> str:
    """A digest of the source of what this leans on."""
    return hashlib.sha256("".join(map(inspect.getsource, LEANED_ON)).encode()).hexdigest()


if digest() != KNOWN:
    raise ImportError(
        f"moto is another: read what {__file__} leans on, have it hold again, and write the digest {digest()} there"
    )


def _put(owner: object, **ours: Any) -> None:
    """Put something of ours in the place of something of moto's."""
    for name, each in ours.items():
        setattr(owner, name, each)


# --- transactions -----------------------------------------------------------------------------------------------------

_named: Final[contextvars.ContextVar[list[dict[str, Any]]]] = contextvars.ContextVar("named")
"""What the transaction writes that is being carried out."""
_transact: Final = DynamoDBBackend.transact_write_items


def _transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Carry out a transaction; what is rolled back to is a copy of what it names."""
    token = _named.set(transact_items)
    try:
        _transact(self, transact_items)
    finally:
        _named.reset(token)


def _deepcopy(of: Any) -> Any:
    """A copy as deep as what may be changed: of a table's items, those that the transaction names.

    A table that has a stream is copied as a whole, with what is in its stream.
    """
    named = _named.get(None)
    if not isinstance(of, Table) or named is None or of.stream_shard is not None or of.range_key_attr is None:
        return copy.deepcopy(of)
    before = copy.copy(of)
    before.items = defaultdict(dict, of.items)
    for operation in (each for item in named for each in item.values() if each.get("TableName") == of.name):
        key = operation.get("Item") or operation.get("Key", {})
        if of.hash_key_attr in key and of.range_key_attr in key:
            at, place = DynamoType(key[of.hash_key_attr]), DynamoType(key[of.range_key_attr])
            if at in of.items:
                partition = before.items[at] = dict(before.items[at])
                if place in partition:
                    partition[place] = copy.deepcopy(of.items[at][place])
    return before


_put(DynamoDBBackend, transact_write_items=_transact_write_items)
_put(models, copy=SimpleNamespace(deepcopy=_deepcopy))


# --- expressions ------------------------------------------------------------------------------------------------------

MOST_KEPT: Final = 1_000
_parse: Final = ConditionExpressionParser.parse
_lex: Final = ConditionExpressionParser._lex_condition_expression
_make: Final = UpdateExpressionParser.make
_traverse_slowly: Final = DepthFirstTraverser.traverse_node_recursively
_conditions: Final[dict[tuple[str, str, str], tuple[Any, list[str], list[str]]]] = {}
_words: Final[dict[str, tuple[Any, ...]]] = {}
_updates: Final[dict[str, Any]] = {}
_bytes: Final[dict[int, bytes]] = {}
"""Each of `_updates` by its identity, as `pickle` has it."""


def _parse_condition(self: ConditionExpressionParser) -> Any:
    """What a condition is once it is read, which asking it of items doesn't change."""
    names, values = self.expression_attribute_names, self.expression_attribute_values
    key = (self.condition_expression or "", repr(names), repr(values))
    if key not in _conditions:
        if len(_conditions) == MOST_KEPT:
            _conditions.clear()
        # of its own copies, as the caller may change the others
        fresh = ConditionExpressionParser(self.condition_expression, copy.copy(names), copy.deepcopy(values))
        _conditions[key] = (_parse(fresh), fresh.expr_attr_names_found, fresh.expr_attr_values_found)
    condition, names_found, values_found = _conditions[key]
    self.expr_attr_names_found.extend(names_found)
    self.expr_attr_values_found.extend(values_found)
    return condition


def _lex_condition(self: ConditionExpressionParser) -> Any:
    """The words of a condition, in a new queue: whoever reads them takes them out."""
    text = self.condition_expression or ""
    if text not in _words:
        if len(_words) == MOST_KEPT:
            _words.clear()
        _words[text] = tuple(_lex(self))
    return comparisons.deque(_words[text])


def _make_update(text: str) -> Any:
    """An update once it is read; whoever changes it takes a copy first."""
    if text not in _updates:
        if len(_updates) == MOST_KEPT:
            _updates.clear()
            _bytes.clear()
        made = _updates[text] = _make(text)
        _bytes[id(made)] = pickle.dumps(made)
    return _updates[text]


def _copy_of_update(of: Any) -> Any:
    """A deep copy."""
    return pickle.loads(_bytes[id(of)]) if id(of) in _bytes else copy.deepcopy(of)  # noqa: S301 - our own


def _traverse(self: DepthFirstTraverser, node: Any, child_id: int = -1) -> Any:
    """Go through an update, from the leaves to its root; what is done with a kind of node is looked up once."""
    if not _is_node(type(node)):
        return node
    parent = node.parent
    if node.children is not None:
        for at, child in enumerate(node.children):
            self.pre_processing_of_child(node, at)
            self.traverse_node_recursively(child, at)
    processors = vars(self).setdefault("_processors", {})
    kind = type(node)
    if kind not in processors:
        of_kind = (each for known, each in self._processing_map().items() if issubclass(kind, known))
        processors[kind] = next(of_kind, None)
    if processors[kind]:
        node = processors[kind](node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node


@cache
def _is_node(kind: type) -> bool:
    return issubclass(kind, ast_nodes.Node)


_put(ConditionExpressionParser, parse=_parse_condition, _lex_condition_expression=_lex_condition)
_put(UpdateExpressionParser, make=staticmethod(_make_update))
_put(validators, deepcopy=_copy_of_update)
_put(DepthFirstTraverser, traverse_node_recursively=_traverse)


# --- answers ----------------------------------------------------------------------------------------------------------

_structure: Final = serialize.ResponseSerializer._serialize_type_structure
_members: Final[dict[int, tuple[Any, dict[str, list[str]] | None]]] = {}
"""Of each shape, by its identity: itself, as long as which that lasts, and the members that a key may stand for."""


def _by_key(serializer: Any, shape: Any) -> dict[str, list[str]] | None:
    """The members that each key of a dictionary may stand for; None if keys may be paths."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, member in shape.members.items():
        member.parent = shape
        context = serialize.AttributePickerContext(
            obj={},
            key=name,
            shape=member,
            operation_model=serializer.operation_model,
            service_model=serializer.operation_model.service_model,
            key_path="",
        )
        for key in serializer._value_picker.get_possible_keys(context):
            if "." in key:
                return None
            found[key].append(name)
    return dict(found)


def _serialize_structure(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """Write the members of a structure that a dictionary has; without looking for those that it hasn't."""
    picker = self._value_picker
    if (
        type(value) is not dict
        or type(picker) is not serialize.XFormedAttributePicker
        or picker.alias_providers is not serialize.DEFAULT_ALIAS_PROVIDERS
        or picker.response_transformers
    ):
        _structure(self, serialized, value, shape, key)
        return
    if id(shape) not in _members:
        _members[id(shape)] = (shape, _by_key(self, shape))
    by_key = _members[id(shape)][1]
    if by_key is None:
        _structure(self, serialized, value, shape, key)
        return
    wanted = {name for each in value for name in by_key.get(each, ())}
    wrapper = self.MAP_TYPE() if key else serialized
    for name, member in shape.members.items():
        if name in wanted:
            member.parent = shape
            self._serialize_structure_member(wrapper, value, member, name)
    if key:
        self._default_serialize(serialized, wrapper, shape, key)


_put(serialize.ResponseSerializer, _serialize_type_structure=_serialize_structure)


_put(responses, method_names_from_class=cache(responses.method_names_from_class))


# --- addresses --------------------------------------------------------------------------------------------------------

_enable: Final = core.MockAWS._enable_patching


@cache
def _addresses() -> list[Any]:
    """Whatever is registered when nothing is yet, in its order."""
    registered: list[Any] = []
    for method in core.RESPONSES_METHODS:
        registered += [
            core.CallbackResponse(method=method, url=pattern, callback=core.botocore_stubber.process_prepared_request)
            for _, pattern in core.backend_index.backend_url_patterns
        ]
        registered.append(
            core.CallbackResponse(
                method=method,
                url=core.re.compile(r"https?://.+\.amazonaws.com/.*"),
                callback=core.not_implemented_callback,
            )
        )
    return registered


def _enable_patching(self: Any, reset: bool = True) -> None:
    """Answer whatever goes to AWS."""
    core.botocore_stubber.enabled = True
    if reset:
        self.reset()
    core.responses_mock.start()
    for each in _addresses():
        core.responses_mock.add(each)


_put(core.MockAWS, _enable_patching=_enable_patching)
