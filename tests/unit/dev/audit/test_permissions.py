"""What the code asks of AWS is what the role of whoever asks allows: no more, no less."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dev.audit import callgraph, permissions
from dev.audit.callgraph import Graph
from dev.audit.cases import Case


@pytest.fixture(scope="module")
def code() -> Graph:
    """What can reach what in the project."""
    return callgraph.graph(callgraph.modules())


# --- what reaches what ------------------------------------------------------------------------------------------------

MODULE = '''
from functools import cache
from typing import Any, NamedTuple, Protocol

class Sender(Protocol):
    def send(self) -> None: ...

class Post:
    def __init__(self, client: Any) -> None:
        self._client = client
    def send(self) -> None:
        self._client.put_item(Item={})
    def burn(self) -> None:
        self._client.delete_item(Key={})

class Express(Post):
    def send(self) -> None:
        getattr(self._client, "update_item")()

class Holder(NamedTuple):
    post: Post | None

@cache
def made() -> Post:
    return Express(None)

def by_union(holder: Holder) -> None:
    if holder.post:
        holder.post.send()

def by_protocol(sender: Sender) -> None:
    sender.send()

def by_hand(use: Any = None) -> None:
    later(made().burn)

def later(what: Any) -> None:
    what()

def outer() -> None:
    def inner() -> None:
        made().burn()

TABLE = {"burn": by_hand}

def by_table() -> None:
    TABLE["burn"]()

@route("/x")
def registered() -> None:
    made().burn()

def nothing() -> None:
    """Names nobody."""
'''


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """What can reach what in `MODULE`."""
    file = tmp_path_factory.mktemp("letters") / "letters.py"
    file.write_text(MODULE)
    return callgraph.graph({"letters": file})


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("by_union", {"put_item", "update_item"}),
        ("by_protocol", {"put_item", "update_item"}),
        ("by_hand", {"delete_item"}),
        ("outer", {"delete_item"}),
        ("by_table", {"delete_item"}),
        ("nothing", set()),
    ],
)
def test_what_a_function_can_reach_is_told_by_types(letters: Graph, root: str, said: set[str]) -> None:
    reached = letters.reached(f"letters.{root}")
    asked = {word for name in reached for word in letters.says.get(name, ())}
    assert asked & {"put_item", "update_item", "delete_item"} == said
    assert "letters.Post.burn" in letters.reached("letters"), "a decorator may hand a function to somebody"
    assert "letters.Post.burn" not in letters.reached("letters", without={"letters.registered"})


# --- permissions ------------------------------------------------------------------------------------------------------


def test_what_every_function_asks_for_is_what_its_role_allows(rehearsed: list[Case], code: Graph) -> None:
    assert permissions.against(rehearsed, code) == []
    everything = next(case for case in rehearsed if case.name == "everything on")
    assert len(permissions.functions_of(everything)) == len(list(callgraph.FUNCTIONS.glob("*/handler.py")))


def statements(template: dict[str, Any], function: str) -> list[dict[str, Any]]:
    """The statements of ours: what SAM adds has no `Sid`."""
    policies = template["Resources"][f"{function}Role"]["Properties"]["Policies"]
    given: list[list[dict[str, Any]]] = [each["PolicyDocument"]["Statement"] for each in policies]
    (own,) = [each for each in given if "Sid" in each[0]]
    return own


@pytest.mark.parametrize(
    ("function", "sid", "told"),
    [
        ("OneClickFunction", "RecordOptOuts", ["ConditionCheckItem", "PutItem", "UpdateItem"]),
        ("ArchiveFunction", "GoOn", ["sqs:SendMessage"]),
        ("CourierFunction", "PutOffMails", ["sqs:SendMessage"]),
        ("DrainFunction", "PutOffWhatCanNotBeRecorded", ["sqs:ChangeMessageVisibility"]),
        ("MailboxFunction", "SeeThatAMailIsGone", ["s3:ListBucket"]),
        (
            "RotationFunction",
            "AddKeys",
            ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"],
        ),
        ("ApiFunction", "EraseAndForgetRetries", ["dynamodb:DeleteItem"]),
    ],
)
def test_a_statement_that_is_missing_is_told_with_the_way_to_the_call(
    case: Callable[..., Case], code: Graph, function: str, sid: str, told: list[str]
) -> None:
    def change(template: dict[str, Any]) -> None:
        given = statements(template, function)
        given[:] = [each for each in given if each.get("Sid") != sid]

    found = permissions.against([case(change, "everything on")], code)
    assert len(found) == len(told)
    for each, action in zip(sorted(found), told, strict=True):
        assert action in each
        assert each.startswith(f"{function.removesuffix('Function').lower()} needs ")
        assert " -> " in each


def test_an_action_that_nothing_asks_for_is_told(case: Callable[..., Case], code: Graph) -> None:
    def change(template: dict[str, Any]) -> None:
        statements(template, "SubscribeFunction")[0]["Action"].append("dynamodb:Scan")

    assert permissions.against([case(change)], code) == ["subscribe is allowed dynamodb:Scan, and never asks for it"]


def test_a_variable_that_is_missing_is_told(case: Callable[..., Case], code: Graph) -> None:
    def change(template: dict[str, Any]) -> None:
        del template["Resources"]["WebhookFunction"]["Properties"]["Environment"]["Variables"]["SPOOL_QUEUE_URL"]

    (found,) = permissions.against([case(change)], code)
    assert found.startswith("webhook needs SPOOL_QUEUE_URL, and doesn't have it: webhook.handler")


def test_a_variable_that_is_read_and_not_asked_for_at_the_start_is_told(case: Callable[..., Case], code: Graph) -> None:
    """Then the function would start without it, and fail at its first use."""
    silent = code._replace(says=code.says | {"functions.webhook.handler.deployment": set()})
    (found,) = permissions.against([case()], silent)
    assert found.startswith("webhook reads SPOOL_QUEUE_URL, and doesn't ask for it as it starts: webhook.handler")


def test_what_sam_adds_for_lambda_itself_is_no_permission_of_the_code(case: Callable[..., Case]) -> None:
    resolved = case().resolved
    notifier = resolved["Resources"]["NotifierFunction"]["Properties"]
    before = permissions.allowed(resolved, notifier)
    stripped = copy.deepcopy(resolved)
    policies = stripped["Resources"]["NotifierFunctionRole"]["Properties"]["Policies"]
    policies[:] = [each for each in policies if all("Sid" in one for one in each["PolicyDocument"]["Statement"])]
    assert len(policies) < len(resolved["Resources"]["NotifierFunctionRole"]["Properties"]["Policies"])
    assert permissions.allowed(stripped, notifier) == before


def test_a_way_that_a_function_does_not_have_is_told(
    case: Callable[..., Case], code: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        permissions.NEVER, ("rotation", "consentry.deployment.Deployment._spool"), "it takes no opt-out of anybody"
    )
    assert permissions.against([case(name="everything on")], code) == [
        "rotation doesn't name consentry.deployment.Deployment._spool: take it out of NEVER"
    ]
    assert all(len(reason) > 20 for reason in permissions.NEVER.values())
