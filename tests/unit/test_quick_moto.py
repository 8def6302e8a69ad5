"""moto, where `support.quick_moto` spares it work: it answers as it does without."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto.core import models as core
from moto.core import serialize
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser
from moto.dynamodb.parsing.expressions import UpdateExpressionParser

from support import quick_moto
from support.quick_moto import mock_aws
from support.tables import create

NAMES = {"#list": "list", "#n": "n"}


@pytest.fixture
def table() -> Iterator[Any]:
    """A client, with a few items in the table `t`."""
    with mock_aws():
        client = botocore.session.get_session().create_client("dynamodb")
        create(client, "t")
        for at in ("a", "b"):
            for place in ("1", "2"):
                client.put_item(TableName="t", Item=item(at, place))
        yield client


def item(at: str, place: str, **more: Any) -> dict[str, Any]:
    """An item with something of each kind that nests."""
    nested = {
        "list": {"L": [{"S": "x"}, {"M": {"deep": {"NS": ["1", "2"]}}}]},
        "n": {"N": "1"},
        "b": {"B": b"\x00\xff"},
    }
    return {"pk": {"S": at}, "sk": {"S": place}, **nested, **more}


def key(at: str, place: str) -> dict[str, Any]:
    return {"TableName": "t", "Key": {"pk": {"S": at}, "sk": {"S": place}}}


def holds(at: str, place: str, n: str) -> dict[str, Any]:
    return {
        "ConditionCheck": key(at, place)
        | {
            "ConditionExpression": "#n = :n AND attribute_exists(#list)",
            "ExpressionAttributeNames": NAMES,
            "ExpressionAttributeValues": {":n": {"N": n}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def append(at: str, place: str, what: str) -> dict[str, Any]:
    return {
        "Update": key(at, place)
        | {
            "UpdateExpression": "SET #list = list_append(#list, :what), #n = #n + :one REMOVE b",
            "ExpressionAttributeNames": NAMES,
            "ExpressionAttributeValues": {":what": {"L": [{"S": what}]}, ":one": {"N": "1"}},
        }
    }


def put(at: str, place: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": "t", "Item": item(at, place, **more)}}


WRITES: list[dict[str, Any]] = [append("a", "1", "y"), put("a", "2", new={"BOOL": True}), put("a", "3"), put("c", "1"),
                                {"Delete": key("b", "1")}]  # fmt: skip


def scanned(client: Any) -> Any:
    return client.scan(TableName="t")["Items"]


def refused(client: Any, *writes: dict[str, Any]) -> dict[str, Any]:
    """The error of a transaction that isn't carried out."""
    with pytest.raises(ClientError) as error:
        client.transact_write_items(TransactItems=[*writes])
    answer: dict[str, Any] = error.value.response
    return answer


def test_a_cancelled_transaction_leaves_nothing_behind(table: Any) -> None:
    before = scanned(table)
    for at in range(len(WRITES) + 1):
        answer = refused(table, *WRITES[:at], holds("b", "2", "7"), *WRITES[at:])
        assert [each["Code"] for each in answer["CancellationReasons"]] == [
            *["None"] * at, "ConditionalCheckFailed", *["None"] * (len(WRITES) - at),
        ]  # fmt: skip
        assert answer["CancellationReasons"][at]["Item"] == item("b", "2")
        assert scanned(table) == before
    assert table.query(
        TableName="t", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "c"}}
    )["Count"] == 0  # fmt: skip


def test_what_names_an_item_twice_or_says_what_cannot_be_read_leaves_nothing_behind(table: Any) -> None:
    before = scanned(table)
    refused(table, *WRITES, put("a", "3"))
    broken = append("b", "2", "z")
    broken["Update"]["UpdateExpression"] = "SET #list = list_append(#list, :what), #n = #n + :two"
    refused(table, *WRITES, broken)
    assert scanned(table) == before


def test_what_follows_a_cancelled_transaction_is_carried_out_and_can_be_cancelled_too(table: Any) -> None:
    refused(table, *WRITES, holds("b", "2", "7"))
    table.transact_write_items(TransactItems=[*WRITES, holds("b", "2", "1")])
    after = scanned(table)
    assert [(each["pk"]["S"], each["sk"]["S"]) for each in after] == [
        ("a", "1"), ("a", "2"), ("a", "3"), ("b", "2"), ("c", "1"),
    ]  # fmt: skip
    assert (after[0]["list"]["L"][-1], after[0]["n"], "b" in after[0]) == ({"S": "y"}, {"N": "2"}, False)
    assert after[1]["new"] == {"BOOL": True}
    refused(table, append("a", "1", "z"), append("c", "1", "z"), holds("b", "2", "7"))
    assert scanned(table) == after


def test_a_condition_is_asked_anew_each_time(table: Any) -> None:
    for n in ("1", "2"):
        refused(table, append("a", "2", "z"), holds("a", "1", {"1": "2", "2": "1"}[n]))
        table.transact_write_items(TransactItems=[append("a", "2", "z"), holds("a", "1", n)])
        table.transact_write_items(TransactItems=[append("a", "1", n)])


def setting(update: str) -> dict[str, Any]:
    """An update of what is there."""
    values = {name: value for name, value in ((":n", {"N": "2"}), (":s", {"SS": ["x"]})) if name in update}
    names = {"#list": "list"} if "#list" in update else None
    return {
        **key("a", "2"),
        "UpdateExpression": update,
        "ExpressionAttributeValues": values,
        **({"ExpressionAttributeNames": names} if names else {}),
        "ReturnValues": "ALL_NEW",
    }


ORIGINALS: list[tuple[Any, str, Any]] = [
    (DynamoDBBackend, "transact_write_items", quick_moto._transact),
    (ConditionExpressionParser, "parse", quick_moto._parse),
    (ConditionExpressionParser, "_lex_condition_expression", quick_moto._lex),
    (UpdateExpressionParser, "make", quick_moto._make),
    (DepthFirstTraverser, "traverse_node_recursively", quick_moto._traverse_slowly),
    (serialize.ResponseSerializer, "_serialize_type_structure", quick_moto._structure),
    (core.MockAWS, "_enable_patching", quick_moto._enable),
]


def told(client: Any) -> list[Any]:
    """Whatever is answered to calls of all kinds, right and wrong ones, without what is of the moment."""
    asked: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (client.transact_write_items, {"TransactItems": [*WRITES, holds("b", "2", "1")]}),
        (client.transact_write_items, {"TransactItems": [*WRITES, holds("b", "2", "2")]}),
        (client.transact_write_items, {"TransactItems": [*WRITES, *WRITES]}),
        (client.update_item, append("a", "1", "again")["Update"] | {"ReturnValues": "ALL_NEW"}),
        (client.update_item, append("a", "1", "again")["Update"] | {"ReturnValues": "UPDATED_OLD"}),
        (client.update_item, append("nobody", "1", "again")["Update"]),
        (client.update_item, setting("SET d = if_not_exists(n, :n) - :n, #list[1].M.deep = :n ADD n :n DELETE s :s")),
        (client.update_item, setting("REMOVE #list[0], #list[1] SET n = :n, new = :s")),
        (client.update_item, setting("SET n = :n, n = :s")),
        (client.update_item, setting("SET pk = :n")),
        (client.update_item, setting("SET n = #list + :n")),
        (client.update_item, append("a", "1", "again")["Update"] | {"UpdateExpression": "SET SET"}),
        (client.put_item, put("a", "1")["Put"] | {"ConditionExpression": "attribute_not_exists(pk)"}),
        (client.put_item, put("a", "1")["Put"] | {"ConditionExpression": "attribute_not_exists(pk" }),
        (client.delete_item, key("a", "1") | {"ReturnValues": "ALL_OLD"}),
        (client.get_item, key("a", "2") | {"ReturnConsumedCapacity": "TOTAL"}),
        (client.get_item, key("a", "none")),
        (client.batch_get_item, {"RequestItems": {"t": {"Keys": [key("a", "2")["Key"], key("c", "1")["Key"]]}}}),
        (client.scan, {"TableName": "t", "Limit": 2}),
        (client.scan, {"TableName": "none"}),
        (client.describe_table, {"TableName": "t"}),
        (client.list_tables, {}),
    ]  # fmt: skip
    answers: list[Any] = []
    for call, how in asked:
        try:
            answer = call(**how)
        except ClientError as error:
            answer = error.response
        except ValueError as error:  # moto's own, of what it can't read
            answer = {"Error": str(error), "ResponseMetadata": {}}
        del answer["ResponseMetadata"]
        answer.get("Table", {}).pop("CreationDateTime", None)
        answers.append(answer)
    return answers


def test_answers_are_those_of_moto_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    both: list[Any] = []
    for quick in (True, False):
        for owner, name, original in [] if quick else ORIGINALS:
            assert getattr(owner, name) is not original
            monkeypatch.setattr(owner, name, original)
        with mock_aws():
            client = botocore.session.get_session().create_client("dynamodb")
            create(client, "t")
            for at in ("a", "b"):
                for place in ("1", "2"):
                    client.put_item(TableName="t", Item=item(at, place))
            registered = [(each.method, each.url, each.callback.__name__) for each in core.responses_mock.registered()]
            both.append((told(client), scanned(client), registered))
    assert both[0] == both[1]
    assert "CancellationReasons" in both[0][0][1]


def test_with_another_moto_it_refuses_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("another", quick_moto.__file__)
    assert spec
    assert spec.loader
    source = inspect.getsource
    monkeypatch.setattr(
        inspect, "getsource", lambda of: f"{source(of)} " if of is core.MockAWS._enable_patching else source(of)
    )
    with pytest.raises(ImportError, match="moto is another"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
