"""The table, the keyring, the archive and the files of bulk jobs."""

from __future__ import annotations

import re
from typing import Any, Final

from consentry.actions import archiving
from support.template import FUNCTIONS, GLOBAL, RESOURCES, ROOT, STEPS, TEMPLATE, statements, texts

KEPT: Final = ("RetainExceptOnCreate", "Retain")
"""Nothing is left behind by a first deployment that fails:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""


def test_the_table_survives_mistakes() -> None:
    (table,) = [each for each in RESOURCES.values() if each["Type"] == "AWS::DynamoDB::Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == KEPT
    properties = table["Properties"]
    assert properties["DeletionProtectionEnabled"] == {"Ref": "TableDeletionProtection"}
    assert TEMPLATE["Parameters"]["TableDeletionProtection"]["Default"] == "true"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in properties, "DynamoDB's own key: free, and no opt-out waits for KMS"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


def test_the_attribute_that_expires_is_the_one_that_the_store_writes() -> None:
    store = (ROOT / "layers/consentry/consentry/table/store.py").read_text()
    assert '"expires_at"' in store


def test_the_keyring_survives_the_stack() -> None:
    secrets = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::SecretsManager::Secret"}
    assert secrets
    for name, secret in secrets.items():
        assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == KEPT, name
        assert "SecretString" not in secret["Properties"], name


def test_what_is_archived_can_neither_be_changed_nor_read_by_the_public_nor_go_with_the_stack() -> None:
    name, bucket = "ArchiveBucket", RESOURCES["ArchiveBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == KEPT
    properties = bucket["Properties"]
    assert properties["ObjectLockEnabled"] is True
    retention = properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention == {"Mode": {"Ref": "ArchiveLockMode"}, "Years": {"Ref": "ArchiveLockYears"}}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert [*properties["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert properties["BucketEncryption"]
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert not [each for rule in rules for each in rule if "Expiration" in each], "nothing goes by itself"
    (policy,) = statements("ArchiveBucketPolicy").values()
    assert (policy["Effect"], policy["Principal"], policy["Action"]) == ("Deny", "*", "s3:*")
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


def without(condition: str, node: Any) -> Any:
    """A part of the template as it is where a condition doesn't hold."""
    if isinstance(node, list):
        return [without(condition, each) for each in node]
    if isinstance(node, dict):
        if node.get("Fn::If", [""])[0] == condition:
            return without(condition, node["Fn::If"][2])
        return {name: without(condition, each) for name, each in node.items()}
    return node


def test_without_an_archive_nothing_of_it_is_deployed() -> None:
    parts = {name: each for name, each in RESOURCES.items() if name.startswith("Archive") or name == "Notices"}
    outputs = {name: each for name, each in TEMPLATE["Outputs"].items() if name.startswith("Archive")}
    assert len(parts) == 9
    for name, each in {**parts, **outputs}.items():
        assert each["Condition"] == "HasArchive", name
    others = without("HasArchive", {name: each for name, each in RESOURCES.items() if name not in parts})
    mentioned = [re.sub(r"\$\{(Archive(Enabled|Segments)|OfTheArchive)\}", "", text) for text in texts(others)]
    assert not [text for text in mentioned if "Archive" in text]


def test_nothing_that_records_what_people_read_is_new_before_the_words_are_kept() -> None:
    """The archive's function keeps them, and would wait for itself."""
    kept = RESOURCES["Notices"]
    assert kept["Properties"]["ServiceToken"] == {"Fn::GetAtt": ["ArchiveFunction", "Arn"]}
    assert kept["Properties"]["Words"] == {"Ref": "ConsentryLayer"}
    assert 300 <= kept["Properties"]["ServiceTimeout"] <= 3600
    assert (kept["Condition"], kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == (
        "HasArchive",
        "Retain",
        "Retain",
    )
    assert GLOBAL["Environment"]["Variables"]["WORDS"] == {"Fn::If": ["HasArchive", {"Ref": "Notices"}, ""]}
    own = {name: each.get("Environment", {}).get("Variables", {}) for name, each in FUNCTIONS.items()}
    assert {name for name, variables in own.items() if "WORDS" in variables} == {"ArchiveFunction"}
    assert own["ArchiveFunction"]["WORDS"] == ""


def test_the_archives_function_has_time_for_a_step_and_what_follows() -> None:
    assert FUNCTIONS["ArchiveFunction"]["Timeout"] >= 2 * archiving.STEP_S
    assert GLOBAL["MemorySize"] << 20 >= archiving.PART_BYTES * 8
    assert TEMPLATE["Parameters"]["ArchiveSegments"]["MaxValue"] == archiving.MOST_SEGMENTS


def test_files_with_addresses_are_closed_to_the_public_and_gone_after_days() -> None:
    bucket = RESOURCES["BulkBucket"]
    properties = bucket["Properties"]
    assert [*properties["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert properties["BucketEncryption"]
    assert "VersioningConfiguration" not in properties, "what is removed is to be gone"
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 15)
    (policy,) = statements("BulkBucketPolicy").values()
    assert (policy["Effect"], policy["Principal"], policy["Action"]) == ("Deny", "*", "s3:*")
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_state_machine_hands_out_places_and_logs_nothing() -> None:
    """Step Functions keeps what goes through it."""
    reader = STEPS["Parts"]["ItemReader"]
    assert reader["ReaderConfig"] == {"InputType": "JSON"}, "its own reader of CSV would hand out rows"
    assert reader["Parameters"]["Key.$"] == "States.Format('runs/{}/parts.json', $.run)"
    assert not {"LoggingConfiguration", "Logging", "Tracing"} & {*RESOURCES["BulkStateMachine"]["Properties"]}


def test_every_step_of_a_job_is_tried_again_with_patience_and_jitter() -> None:
    tasks = [STEPS["Plan"], STEPS["Finish"], STEPS["Parts"]["ItemProcessor"]["States"]["Part"]]
    for task in tasks:
        assert task["Resource"] == {"Ref": "BulkFunction.Alias"}
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert (retry["MaxAttempts"], retry["JitterStrategy"]) == (8, "FULL")
    assert STEPS["Parts"]["MaxConcurrencyPath"] == "$.concurrency"
    assert STEPS["Parts"]["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
