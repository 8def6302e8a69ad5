"""Every policy of the expanded template, before parliament (https://github.com/duo-labs/parliament).

It knows each service's actions, resources and conditions, and finds an action that doesn't exist, one that none of the
statement's resources can be meant by, and a condition on a key that the action doesn't have: IAM takes all three, and
then refuses the call.
"""

from __future__ import annotations

import json
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit import physical
from audit.verdict import Verdict
from dev.places import AUDIT_VENV

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.cases import Case
    from audit.cloudformation import Template

Document = dict[str, Any]

_KEY: Final = "a key's policy is about the key that it belongs to, which it calls *"
ACCEPTED: Final = {
    ("FeedbackTopicKey: LeaveTheKeyToTheAccountsPolicies", "RESOURCE_STAR"): _KEY,
    ("FeedbackTopicKey: LetSesPublish", "RESOURCE_STAR"): _KEY,
    (
        "FeedbackTopicKey: LeaveTheKeyToTheAccountsPolicies",
        "PERMISSIONS_MANAGEMENT_ACTIONS",
    ): "without the account itself nobody could ever change the key's policy",
    (
        "BulkStateMachineItself: WatchAndEndThem",
        "RESOURCE_MISMATCH",
    ): "executions are standard ones; parliament wants those of express workflows named, too",
    (
        "CourierFunctionRole: HearOfMails",
        "RESOURCE_MISMATCH",
    ): "SES asks for the configuration set beside the identity, which SendMails names",
    ("*Role: *Policy 0", "NO_VERSION"): "SAM writes it so, without a Sid; ours have one",
}
"""What parliament says of statements that are as they should be, by patterns of their names, each with the reason."""


def check(cases: list[Case]) -> Verdict:
    """Every statement's verdict.

    Raises:
        subprocess.CalledProcessError: parliament itself failed.
        LookupError: it isn't known what a policy's resource looks like.
    """
    statements = {name: each for case in cases for name, each in statements_of(case.resolved)}
    return verdict(said(statements), len(statements))


def statements_of(template: Template) -> Iterator[tuple[str, Document]]:
    """Each statement of a resolved template's policies, as a policy of its own, by the resource and its `Sid`.

    Whom a role trusts isn't among them: parliament doesn't know policies without resources, and cfn-lint does.
    """
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = {str(each["PolicyName"]): each["PolicyDocument"] for each in properties.get("Policies", ())}
        documents |= {part: properties[part] for part in ("PolicyDocument", "KeyPolicy") if part in properties}
        for title, document in documents.items():
            whole = physical.filled(document, template, physical.USUAL)
            for number, statement in enumerate(whole["Statement"]):
                yield f"{name}: {statement.get('Sid', f'{title} {number}')}", {**whole, "Statement": [statement]}


def said(documents: dict[str, Document]) -> list[tuple[str, str, str]]:
    """What parliament finds in policies: the policy's name, the issue, and what it is about.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(  # noqa: S603 - our own words
        [AUDIT_VENV / "bin" / "python", "-W", "ignore", Path(__file__).with_name("parliament_says.py")],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(name, issue, str(detail)) for name, issue, detail in json.loads(done.stdout)]


def verdict(found: list[tuple[str, str, str]], statements: int) -> Verdict:
    """What parliament's findings come to, and reasons that are no longer needed."""
    used = {accepted for accepted in ACCEPTED for each in found if _fits(each, accepted)}
    wrong = [
        f"{each[0]}: {each[1]} {each[2]}".rstrip() for each in found if not any(_fits(each, one) for one in ACCEPTED)
    ]
    wrong += [
        f"{name}: {issue} isn't said any more: take it out of ACCEPTED" for name, issue in sorted({*ACCEPTED} - used)
    ]
    told = (
        f"parliament has read {statements} statements; {len(ACCEPTED)} of its remarks are accepted, each for a reason"
    )
    return Verdict(told, wrong)


def _fits(found: tuple[str, str, str], accepted: tuple[str, str]) -> bool:
    return fnmatchcase(found[0], accepted[0]) and found[1] == accepted[1]
