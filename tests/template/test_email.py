"""What SES reports of emails that went out, and emails that come in."""

from __future__ import annotations

import json
import re
from typing import Any

from support.template import (
    ACCOUNTS,
    FUNCTIONS,
    QUEUES,
    RESOURCES,
    STATEMENTS,
    TEMPLATE,
    at_once,
    conditions,
    flat,
    of_type,
    statements,
    texts,
)


def only(kind: str) -> tuple[str, dict[str, Any]]:
    """The one resource of a type: its logical id and properties."""
    (found,) = of_type(kind).items()
    return found


def test_ses_alone_and_for_our_own_mails_alone_may_publish_to_the_topic() -> None:
    topic, _ = only("AWS::SNS::Topic")
    configuration_set, _ = only("AWS::SES::ConfigurationSet")
    assert only("AWS::SNS::TopicPolicy")[1]["Topics"] == [{"Ref": topic}]
    (statement,) = statements("FeedbackTopicPolicy").values()
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "ses.amazonaws.com"})
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", {"Ref": topic})
    condition = statement["Condition"]
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (source,) = texts(condition["ArnEquals"]["aws:SourceArn"])
    assert source.endswith(f":${{AWS::AccountId}}:configuration-set/${{{configuration_set}}}")
    assert set(condition) == {"StringEquals", "ArnEquals"}


def test_the_topic_alone_may_fill_the_feedbacks_queue() -> None:
    topic, _ = only("AWS::SNS::Topic")
    (statement,) = statements("FeedbackQueuePolicy").values()
    assert RESOURCES["FeedbackQueuePolicy"]["Properties"]["Queues"] == [{"Ref": "FeedbackQueue"}]
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "sns.amazonaws.com"})
    assert (statement["Action"], statement["Resource"]) == (
        "sqs:SendMessage",
        {"Fn::GetAtt": ["FeedbackQueue", "Arn"]},
    )
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": topic}}}
    _, subscription = only("AWS::SNS::Subscription")
    assert (subscription["TopicArn"], subscription["Protocol"]) == ({"Ref": topic}, "sqs")
    assert subscription["Endpoint"] == {"Fn::GetAtt": ["FeedbackQueue", "Arn"]}
    assert subscription["RawMessageDelivery"] is True, "the function reads SES's JSON, not SNS's envelope"


def test_the_topic_is_encrypted_with_a_key_that_ses_may_use() -> None:
    _, topic = only("AWS::SNS::Topic")
    name, key = only("AWS::KMS::Key")
    assert topic["KmsMasterKeyId"] == {"Ref": name}
    assert key["EnableKeyRotation"] is True
    (statement,) = [each for each in key["KeyPolicy"]["Statement"] if each["Principal"].get("Service")]
    assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
    assert sorted(statement["Action"]) == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_ses_tells_what_matters_for_consent_and_watches_nobody() -> None:
    name, destination = only("AWS::SES::ConfigurationSetEventDestination")
    assert destination["ConfigurationSetName"] == {"Ref": only("AWS::SES::ConfigurationSet")[0]}
    told = destination["EventDestination"]
    assert told["Enabled"] is True
    assert sorted(told["MatchingEventTypes"]) == ["bounce", "complaint", "reject", "subscription"]
    assert told["SnsDestination"] == {"TopicARN": {"Ref": only("AWS::SNS::Topic")[0]}}
    assert RESOURCES[name]["DependsOn"] == only("AWS::SNS::TopicPolicy")[0], "SES tries to publish when it is made"


def test_who_sends_may_use_the_configuration_set_that_every_mail_names() -> None:
    senders = {name for name, statement in STATEMENTS if "ses:SendEmail" in flat(statement["Action"])}
    assert senders == {"CourierFunction"}
    used = {
        text
        for name, statement in STATEMENTS
        if name in senders and "ses:SendEmail" in flat(statement["Action"])
        for text in texts(statement["Resource"])
    }
    assert any(text.endswith(":configuration-set/${ConfigurationSet}") for text in used)
    variables = FUNCTIONS["CourierFunction"]["Environment"]["Variables"]
    assert variables["CONFIGURATION_SET"] == {"Ref": "ConfigurationSet"}


def test_the_feedback_reads_no_more_than_it_writes_over_and_sends_nothing() -> None:
    actions = {each for name, each_of in STATEMENTS if name == "FeedbackFunction" for each in flat(each_of["Action"])}
    assert actions == {
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem", "dynamodb:BatchGetItem"),
        "secretsmanager:GetSecretValue",
        "sqs:ChangeMessageVisibility",
    }


def test_a_bucket_is_private_and_encrypted() -> None:
    assert of_type("AWS::S3::Bucket")
    for name, bucket in of_type("AWS::S3::Bucket").items():
        block = bucket["PublicAccessBlockConfiguration"]
        assert set(block) == {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}, name
        assert all(block.values()), name
        assert bucket["BucketEncryption"], name
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], name
        assert "BucketName" not in bucket, "names are everybody's"


def test_a_mail_that_came_in_is_soon_gone() -> None:
    bucket = RESOURCES["InboundBucket"]["Properties"]
    assert "VersioningConfiguration" not in bucket, "what is deleted is gone"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 15)


def test_a_mail_is_kept_as_long_as_a_message_tells_of_it() -> None:
    (rule,) = RESOURCES["InboundBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    for name in ("InboundQueue", "InboundDeadLetters"):
        assert rule["ExpirationInDays"] * 86_400 > QUEUES[name]["MessageRetentionPeriod"], name


def test_a_stack_with_unread_mails_is_not_deleted() -> None:
    """CloudFormation deletes only empty buckets; one that is retained would keep emails that nobody reads any more."""
    assert RESOURCES["InboundBucket"]["DeletionPolicy"] == "Delete"


def test_the_bucket_takes_mails_from_this_accounts_ses_alone_and_only_encrypted() -> None:
    told = statements("InboundBucketPolicy")
    assert set(told) == {"EncryptedConnectionsOnly", "StoreMails"}
    refused, taken = told["EncryptedConnectionsOnly"], told["StoreMails"]
    assert (refused["Effect"], refused["Principal"], refused["Action"]) == ("Deny", "*", "s3:*")
    assert refused["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [taken[each] for each in ("Effect", "Principal", "Action")] == [
        "Allow",
        {"Service": "ses.amazonaws.com"},
        "s3:PutObject",
    ]
    assert taken["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (source,) = texts(taken["Condition"]["ArnLike"])
    assert source.endswith(":${AWS::AccountId}:receipt-rule-set/${InboundRules}:receipt-rule/*")


def test_only_s3_of_this_account_may_tell_the_queue() -> None:
    (told,) = statements("InboundQueuePolicy").values()
    assert [told[each] for each in ("Effect", "Principal", "Action")] == [
        "Allow",
        {"Service": "s3.amazonaws.com"},
        "sqs:SendMessage",
    ]
    assert told["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert RESOURCES["InboundBucket"]["DependsOn"] == "InboundQueuePolicy", "S3 tries the queue first"


def test_a_region_without_inbound_mail_needs_no_part_of_ses() -> None:
    inbound = {name: each for name, each in RESOURCES.items() if each["Type"].startswith("AWS::SES::Receipt")}
    assert set(inbound) == {"InboundRules", "InboundRule"}
    for name, each in inbound.items():
        assert each["Condition"] == "HasInboundDomains", name
    assert TEMPLATE["Parameters"]["InboundDomains"]["Default"] == ""
    pattern = TEMPLATE["Parameters"]["InboundDomains"]["AllowedPattern"]
    assert [
        text for text in ("", "a.example", "a.example,b.example", "a, b", "A.example,") if re.fullmatch(pattern, text)
    ] == [
        "",
        "a.example",
        "a.example,b.example",
    ]


def test_a_flood_of_mails_leaves_room_for_clicks() -> None:
    arrived = FUNCTIONS["MailboxFunction"]["Events"]["Arrived"]["Properties"]
    assert all(2 <= at_once(arrived, account) <= 10 for account in ACCOUNTS)


def test_mails_are_scanned_and_taken_over_whatever_line_they_come() -> None:
    rule = RESOURCES["InboundRule"]["Properties"]["Rule"]
    assert (rule["Enabled"], rule["ScanEnabled"], rule["TlsPolicy"]) == (True, True, "Optional")
    assert rule["Actions"] == [{"S3Action": {"BucketName": {"Ref": "InboundBucket"}}}], "and never an answer"


def test_whatever_stands_before_the_at_of_an_inbound_domain_is_taken() -> None:
    """A rule for a domain takes all of its addresses; InboundDomains allows nothing but domains."""
    assert RESOURCES["InboundRule"]["Properties"]["Rule"]["Recipients"] == {
        "Fn::Split": [",", {"Ref": "InboundDomains"}]
    }
    assert not re.fullmatch(TEMPLATE["Parameters"]["InboundDomains"]["AllowedPattern"], "unsubscribe@reply.example.com")


def test_senders_are_compared_as_mail_servers_do() -> None:
    compared = [each for each in conditions(RESOURCES["CourierFunction"]) if "ses:FromAddress" in json.dumps(each)]
    assert compared == [{"StringEqualsIgnoreCase": {"ses:FromAddress": {"Ref": "SenderAddresses"}}}]
