"""What each function may do: its statements, one for each need."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from consentry.table import endpoints
from support.template import (
    FUNCTIONS,
    RESOURCES,
    STATEMENTS,
    WIDE_RESOURCES,
    conditions,
    flat,
    is_wide,
    texts,
)


def ids(value: Any) -> str:
    """How a statement or function is called in the output."""
    return value if isinstance(value, str) else value.get("Sid", "?") if isinstance(value, dict) else ""


@pytest.mark.parametrize(("function", "statement"), STATEMENTS, ids=ids)
def test_a_statement_allows_named_actions_on_named_resources_and_says_what_for(
    function: str, statement: dict[str, Any]
) -> None:
    assert isinstance(statement, dict), "a managed policy or SAM policy template: write the statement"
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", statement["Sid"])
    assert statement["Effect"] == "Allow"
    for action in flat(statement["Action"]):
        assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9]+", action), action
    assert flat(statement["Resource"])
    if (function, statement["Sid"]) not in WIDE_RESOURCES:
        assert not [text for text in texts(statement["Resource"]) if is_wide(text)]


def test_no_statement_is_listed_as_wide_that_is_not() -> None:
    wide = {
        (function, statement["Sid"])
        for function, statement in STATEMENTS
        if any(is_wide(text) for text in texts(statement["Resource"]))
    }
    assert wide == WIDE_RESOURCES
    for function, statement in STATEMENTS:
        if (function, statement["Sid"]) in WIDE_RESOURCES:
            assert statement["Condition"]


def test_the_purposes_of_one_functions_statements_differ() -> None:
    for function in FUNCTIONS:
        sids = [statement["Sid"] for name, statement in STATEMENTS if name == function]
        assert len(sids) == len(set(sids)) > 0, function


def test_no_function_may_do_more_to_the_table_than_its_work_needs() -> None:
    for function, statement in STATEMENTS:
        actions = {each for each in flat(statement["Action"]) if each.startswith("dynamodb:")}
        assert not actions & {"dynamodb:DeleteTable", "dynamodb:UpdateTable"}, function
        scans = {("ArchiveFunction", "ReadEveryLedger"), ("BulkFunction", "Export")}
        assert ("dynamodb:Scan" in actions) == ((function, statement["Sid"]) in scans)


def keys_that_begin_with(prefix: str) -> dict[str, Any]:
    """The condition that a call names partition keys, and none but such."""
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{prefix}*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_a_call_that_names_nothing_slips_through_no_condition_over_all_it_names() -> None:
    """`ForAllValues` holds of no values at all:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    over_all = [
        (condition, key)
        for condition in conditions(RESOURCES)
        for operator, keys in condition.items()
        if operator.startswith("ForAllValues:")
        for key in keys
    ]
    assert over_all
    for condition, key in over_all:
        assert condition["Null"][key] == "false"


def test_the_notifier_writes_how_endpoints_stand_and_nothing_else() -> None:
    statements = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "NotifierFunction"}
    assert statements["NoteHowEndpointsStand"]["Condition"] == keys_that_begin_with("L#endpoint#")
    written: list[dict[str, Any]] = []
    table: Any = SimpleNamespace(get=lambda _: {}, update=written.append)
    endpoints.Endpoints(table, lambda _: None).refused("demo", "crm", 1)
    assert [each["Key"]["pk"]["S"] for each in written] == ["L#endpoint#demo#crm"]
    writing = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert [sid for sid, each in statements.items() if writing & {*flat(each["Action"])}] == ["NoteHowEndpointsStand"]


def test_the_archives_function_can_write_no_consent_and_delete_nothing() -> None:
    statements = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "ArchiveFunction"}
    writing = [each for each in statements.values() if {"dynamodb:PutItem", "s3:PutObject"} & {*flat(each["Action"])}]
    assert [each["Sid"] for each in writing] == ["NoteWhereRunsAre", "WriteParts", "KeepWords"]
    assert statements["NoteWhereRunsAre"]["Condition"] == keys_that_begin_with("L#archive#")
    actions = {action for each in statements.values() for action in flat(each["Action"])}
    assert {each for each in actions if each.startswith("s3:")} == {"s3:PutObject"}
    assert not [each for each in actions if "Delete" in each or "Bypass" in each or "Update" in each]


def test_the_permissions_are_those_that_the_stores_calls_need() -> None:
    """`TransactWriteItems` is allowed by the actions that it is made of; nothing asks for it by name."""
    recipients = {"SubscribeFunction", "ConfirmFunction", "UnsubscribeFunction", "PreferencesFunction"}
    for function in recipients:
        actions = {each for name, statement in STATEMENTS if name == function for each in flat(statement["Action"])}
        assert actions >= {"dynamodb:PutItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"}, function
        assert not [each for each in actions if each.startswith("ses:")], function


def test_one_click_may_do_no_more_than_record_what_one_person_says_and_spool() -> None:
    actions = {each for name, each_of in STATEMENTS if name == "OneClickFunction" for each in flat(each_of["Action"])}
    assert actions == {
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"),
        *("dynamodb:BatchGetItem", "dynamodb:GetItem"),
        *("sqs:SendMessage", "secretsmanager:GetSecretValue"),
    }


def test_bulk_jobs_write_to_people_alone_and_delete_nothing() -> None:
    given = {statement["Sid"]: statement for name, statement in STATEMENTS if name == "BulkFunction"}
    assert given["RecordImports"]["Condition"] == given["Screen"]["Condition"] == keys_that_begin_with("S#")
    actions = {action for each in given.values() for action in flat(each["Action"])}
    assert not [each for each in actions if "Delete" in each]
