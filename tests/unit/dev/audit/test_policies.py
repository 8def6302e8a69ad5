"""Every statement of every policy is read by parliament, and what is wrong with one is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dev.audit import others
from dev.audit.cases import Case
from dev.places import AUDIT_VENV

PARLIAMENT = pytest.mark.skipif(
    not list(AUDIT_VENV.glob("lib/*/site-packages/parliament")), reason="parliament is set up by `make check`"
)


def test_every_policy_of_the_template_is_read_but_whom_roles_trust(rehearsed: list[Case]) -> None:
    everything = next(case for case in rehearsed if case.name == "everything on")
    read = {name for name, _ in others.statements_of(everything.resolved)}
    assert {
        "CourierFunctionRole: SendMails",
        "BulkStateMachineItself: DoPartsAtOnce",
        "FeedbackTopicKey: LetSesPublish",
        "FeedbackTopicPolicy: TakeFromTheConfigurationSetAlone",
        "InboundBucketPolicy: StoreMails",
        "InboundQueuePolicy: TellOfMails",
        "ArchiveFunctionMonthlyRole: ArchiveFunctionMonthlyLambdaPolicy 0",
    } <= read
    kinds = {each["Type"] for each in everything.resolved["Resources"].values() if "olicy" in str(each)}
    assert len(read) > 80
    assert "AWS::IAM::Role" in kinds


def test_a_statement_is_read_with_names_as_a_deployment_gives_them(rehearsed: list[Case]) -> None:
    read = dict(others.statements_of(rehearsed[0].resolved))
    (statement,) = read["CourierFunctionRole: PutOffMails"]["Statement"]
    assert statement["Resource"] == "arn:aws:sqs:us-east-1:123456789012:consentry-MailQueue-0123456789AB"


BUCKET = "arn:aws:s3:::bucket"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"Action": "s3:GetThing", "Resource": "arn:aws:s3:::b/*"}, "UNKNOWN_ACTION"),
    ({"Action": "s4:GetObject", "Resource": "arn:aws:s3:::b/*"}, "UNKNOWN_PREFIX"),
    ({"Action": "s3:GetObject", "Resource": BUCKET}, "RESOURCE_MISMATCH"),
    ({"Action": "sqs:SendMessage", "Resource": TABLE}, "RESOURCE_MISMATCH"),
    ({"Action": "dynamodb:GetItem", "Resource": "*"}, "RESOURCE_STAR"),
    (
        {
            "Action": "dynamodb:GetItem",
            "Resource": TABLE,
            "Condition": {"StringEquals": {"ses:FromAddress": "a@b"}},
        },
        "UNKNOWN_CONDITION_FOR_ACTION",
    ),
    (
        {"Action": "dynamodb:GetItem", "Resource": TABLE, "Condition": {"StringIs": {"aws:SourceAccount": "1"}}},
        "UNKNOWN_OPERATOR",
    ),
    ({"Action": "dynamodb:GetItem", "Resource": "table/t"}, "INVALID_ARN"),
]
"""Statements, each with the issue that it is."""


@pytest.fixture(scope="module")
def said() -> list[tuple[str, str]]:
    """What parliament, which takes a while to start, says of a right statement and of all wrong ones."""

    def document(statement: dict[str, Any]) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{"Sid": "S", "Effect": "Allow", **statement}]}

    right = document({"Action": "dynamodb:GetItem", "Resource": TABLE})
    wrong = {f"wrong {number}": document(statement) for number, (statement, _) in enumerate(WRONG)}
    return others.said_of({"right": right} | wrong)


@PARLIAMENT
@pytest.mark.parametrize("number", range(len(WRONG)), ids=lambda number: f"{number}-{WRONG[number][1]}")
def test_a_policy_that_would_do_something_else_than_meant_is_found(said: list[tuple[str, str]], number: int) -> None:
    right_or_this = [kind for kind, _ in said if kind.startswith(("right: ", f"wrong {number}: "))]
    assert {*right_or_this} == {f"wrong {number}: {WRONG[number][1]}"}


@PARLIAMENT
def test_the_templates_policies_are_as_they_should_be(rehearsed: list[Case], case: Callable[..., Case]) -> None:
    assert others.parliament(rehearsed).found == []

    def change(template: dict[str, Any]) -> None:
        template["Resources"]["MailboxFunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1][
            "Resource"
        ] = {"Fn::GetAtt": ["InboundBucket", "Arn"]}

    found = others.parliament([*rehearsed, case(change)]).found
    assert [each.partition(" [")[0] for each in found] == ["MailboxFunctionRole: ReadAndRemoveMails: RESOURCE_MISMATCH"]
