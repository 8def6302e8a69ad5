"""An upgrade moves nothing that holds data, from the first commit that somebody may have deployed on.

What a queue, a log group or a table holds stays where it is when CloudFormation replaces it, or deletes it, for another
logical id: opt-outs that wait would be gone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from dev.audit import cloudformation

Resources = dict[str, dict[str, Any]]

ROOT: Final = Path(__file__).parents[2]
RESOURCES: Final[Resources] = cloudformation.read(ROOT / "template.yaml")["Resources"]
HELD: Final[Resources] = json.loads(Path(__file__).with_name("held-at-ef4c783.json").read_text())
"""What held data then: each with its condition, and those of its properties that can't be changed without moving it."""
HOLDS: Final = {
    *("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket"),
    *("AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::KMS::Key"),
}
"""The types of what holds data; without its key, what is encrypted can't be read."""
MOVED_ONCE: Final = {"HttpApiLogs": "each line has the route and the status of a call: no path, no address, no opt-out"}
"""What got another name since, with the reason why nothing is lost."""
CAME_LATER: Final = {"OneClickLogs"}


def cannot_change(kind: str) -> set[str]:
    """The properties of a type whose change makes CloudFormation replace it, or may.

    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
    """
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    pointers = [*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ())]
    return {each.split("/")[2] for each in pointers}


def moved(resources: Resources) -> dict[str, str]:
    """What an upgrade to these resources would delete or replace of what held data, and why."""
    found = {}
    for name, before in HELD.items():
        after = resources.get(name, {})
        for part in ("Type", "Condition"):
            if after.get(part) != before.get(part):
                found[name] = part
        for each in cannot_change(before["Type"]):
            if after.get("Properties", {}).get(each) != before.get("Properties", {}).get(each):
                found[name] = each
    return found


def test_an_upgrade_moves_nothing_that_holds_data() -> None:
    assert moved(RESOURCES) == dict.fromkeys(MOVED_ONCE, "LogGroupName")
    said = json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])
    assert not [each for each in said.values() if "path" in each.lower() or "ip" in each.lower()]


def test_whatever_holds_data_is_among_it_or_came_later() -> None:
    assert {each["Type"] for each in HELD.values()} == HOLDS
    assert {name for name, each in RESOURCES.items() if each["Type"] in HOLDS} - set(HELD) == CAME_LATER


def without(name: str) -> Callable[[Resources], Any]:
    return lambda resources: resources.pop(name)


def changed(name: str, **parts: Any) -> Callable[[Resources], Any]:
    return lambda resources: resources[name].update(parts)


def named(name: str, **properties: Any) -> Callable[[Resources], Any]:
    return lambda resources: resources[name].setdefault("Properties", {}).update(properties)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (without("SpoolQueue"), {"SpoolQueue": "Type"}),
        (without("DrainLogs"), {"DrainLogs": "Type"}),
        (changed("InboundDeadLetters", Type="AWS::SNS::Topic"), {"InboundDeadLetters": "Type"}),
        (changed("SpoolDeadLetters", Condition="HasArchive"), {"SpoolDeadLetters": "Condition"}),
        (named("FeedbackQueue", QueueName="feedback"), {"FeedbackQueue": "QueueName"}),
        (named("ConfirmLogs", LogGroupName="clicks"), {"ConfirmLogs": "LogGroupName"}),
        (named("InboundBucket", BucketName="emails"), {"InboundBucket": "BucketName"}),
        (named("Keyring", Name="keyring"), {"Keyring": "Name"}),
        (named("Table", TableName="consents"), {"Table": "TableName"}),
        (named("Table", KeySchema=[]), {"Table": "KeySchema"}),
        (named("SpoolQueue", VisibilityTimeout=60), {}),
    ],
)
def test_what_would_move_is_found(change: Callable[[Resources], Any], found: dict[str, str]) -> None:
    resources = copy.deepcopy(RESOURCES)
    change(resources)
    assert moved(resources).items() - moved(RESOURCES).items() == found.items()
