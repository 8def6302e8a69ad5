"""The doctor's page: every check, and a policy that allows what it asks and nothing that changes anything."""

from __future__ import annotations

import json
import re

from consentry_cli.doctor.checking import CHECKS, examine
from support.examined_stack import ROOT, ExaminedStack

PAGE = (ROOT / "docs/doctor.md").read_text("utf-8")
PREFIXES = {"sesv2": "ses"}
ACTIONS = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "s3:ListObjectsV2": "s3:ListBucket",
}


def allowed() -> set[str]:
    (policy,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}


def asked() -> set[str]:
    """The IAM actions of all calls that the doctor makes of a stack that has everything."""
    stack = ExaminedStack()
    stack.change("DescribeStacks", Stacks__0__DriftInformation__StackDriftStatus="DRIFTED")
    list(examine(stack.deployed()))
    calls = {f"{PREFIXES.get(service, service)}:{operation}" for service, operation in stack.called}
    return {ACTIONS.get(call, call) for call in calls}


def test_who_has_the_policy_of_the_page_can_ask_all_and_nothing_else() -> None:
    assert asked() == allowed()


def test_the_doctor_asks_for_nothing_that_changes_anything() -> None:
    assert {action.partition(":")[2] for action in asked()} == {
        action.partition(":")[2] for action in asked() if re.match(r"\w+:(Get|List|Describe|Scan$)", action)
    }


def test_an_operator_finds_every_check_in_its_order() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE) == [check.name for check in CHECKS]


def test_an_operator_who_follows_a_finding_gets_to_a_section() -> None:
    for see in {check.see for check in CHECKS} | {"docs/doctor.md#what-it-may-do"}:
        file, _, anchor = see.partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, see
