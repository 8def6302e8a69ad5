"""Each check: what an operator hears of a stack that is well, and of one that is ill."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from consentry.rules.brands import Endpoint
from consentry_cli.doctor.checking import CHECKS, examine
from consentry_cli.doctor.deployed import NoStackError
from consentry_cli.doctor.findings import Verdict
from consentry_cli.doctor.reach import Visit
from support.examined_stack import KEPT, NOW, ExaminedStack, Refused, key_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[ExaminedStack], Any]

CRM = Endpoint("crm", "https://crm.meadow.example/consent", private_network=False)
DAY_S = 24 * 3600
WELL = Visit(200, '{"status":"ok"}', NOW, NOW + timedelta(days=200))


def answers(operation: str, answer: Any) -> Make:
    return lambda stack: stack.answers.update({operation: answer})


def gone(operation: str, code: str = "ResourceNotFoundException") -> Make:
    return answers(operation, Refused(code))


def refused(operation: str) -> Make:
    return answers(operation, Refused("AccessDeniedException"))


def changed(operation: str, **changes: Any) -> Make:
    return lambda stack: stack.change(operation, **changes)


def status(now: str) -> Make:
    return changed("DescribeStacks", Stacks__0__StackStatus=now)


def parameter(name: str, value: str) -> Make:
    def make(stack: ExaminedStack) -> None:
        given = stack.answers["DescribeStacks"]["Stacks"][0]["Parameters"]
        kept = [each for each in given if each["ParameterKey"] != name]
        given[:] = [*kept, {"ParameterKey": name, "ParameterValue": value}]

    return make


def output(name: str, value: str | None) -> Make:
    def make(stack: ExaminedStack) -> None:
        given = stack.answers["DescribeStacks"]["Stacks"][0]["Outputs"]
        kept = [each for each in given if each["OutputKey"] != name]
        given[:] = [*kept, *([{"OutputKey": name, "OutputValue": value}] if value else [])]

    return make


def identity(part: str = "", **changes: Any) -> Make:
    def make(stack: ExaminedStack) -> None:
        well = stack.answers["identity"]

        def problem(domain: str) -> dict[str, Any]:
            told = well(domain)
            return told | {part: told[part] | changes} if part else told | changes

        stack.answers["identity"] = problem

    return make


drifted = changed("DescribeStacks", Stacks__0__DriftInformation__StackDriftStatus="DRIFTED")


def metric(name: str, of: str, *values: float) -> Make:
    return lambda stack: stack.metrics.update({(name, of): list(values)})


def alarm(**changes: Any) -> Make:
    return lambda stack: stack.answers["alarm"].update(changes)


def dns(name: str, kind: str, *found: str) -> Make:
    return lambda stack: stack.dns.update({(name, kind): list(found)})


def mute(stack: ExaminedStack) -> None:
    stack.dns = None


def visit(**changes: Any) -> Make:
    return lambda stack: setattr(stack, "visit", WELL._replace(**changes))


def silent(stack: ExaminedStack) -> None:
    stack.visit = None


def at(instant: datetime) -> Make:
    return lambda stack: setattr(stack, "now", instant)


def without(logical: str) -> Make:
    return lambda stack: stack.resources.pop(logical)


def no_resources(stack: ExaminedStack) -> None:
    stack.resources.clear()


def mailchimp_by(*names: str) -> Make:
    """Only these of the two secrets that prove Mailchimp's calls are set, for `demo`."""

    def make(stack: ExaminedStack) -> None:
        brands = json.loads(stack.answers["GetSecretValue"]["SecretString"])["brands"]
        brands["demo"]["webhooks"]["mailchimp"] = dict.fromkeys(names, "secret")
        stack.document(brands=brands)

    return make


def several(*makes: Make) -> Make:
    def make(stack: ExaminedStack) -> None:
        for each in makes:
            each(stack)

    return make


def brands_with(**changes: Any) -> Make:
    return lambda stack: setattr(stack, "brands", [brand._replace(**changes) for brand in stack.brands])


def attributes(**values: str) -> Make:
    """Some attributes of every queue, for who asks for them."""

    def make(stack: ExaminedStack) -> None:
        well = stack.answers["GetQueueAttributes"]

        def problem(asked: dict[str, Any]) -> dict[str, Any]:
            names = asked["AttributeNames"]
            told = {name: values[name] for name in names if name in values}
            return {"Attributes": told} if told or not values else well(asked)

        stack.answers["GetQueueAttributes"] = problem

    return make


def words(part: object) -> str:
    return part if isinstance(part, str) else ""


def account(most: int, free: int | None = None) -> Make:
    return answers(
        "GetAccountSettings",
        {"AccountLimit": {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": free or most}},
    )


def elsewhere(host: str, **changes: Any) -> Make:
    """The domain isn't where links lead yet, and answers."""
    return lambda stack: stack.elsewhere.update({host: WELL._replace(**changes)})


ONE_STATEMENT = json.dumps({"Statement": json.loads(key_policy("kms:*"))["Statement"][1]})
"""IAM takes a statement where there could be a list of them."""
NOTICE = parameter("NoticeTopicArn", "arn:aws:sns:eu-west-1:123456789012:morning")
MOVING = (
    parameter("DomainName", "mail.meadow.example"),
    output("DomainTarget", "d-1.execute-api.example"),
    lambda stack: stack.elsewhere.update({"mail.meadow.example": None}),
)
"""A domain that links don't use yet."""


def topic(**changes: str) -> Make:
    return lambda stack: stack.answers["GetTopicAttributes"]["Attributes"].update(changes)


ILL: list[tuple[str, Verdict, str, Make]] = [
    ("stack", Verdict.WARNING, "is being changed", status("UPDATE_IN_PROGRESS")),
    ("stack", Verdict.WARNING, "was taken back", status("UPDATE_ROLLBACK_COMPLETE")),
    ("stack", Verdict.FAULT, "so did taking it back", status("UPDATE_ROLLBACK_FAILED")),
    ("stack", Verdict.FAULT, "the state UPDATE_FAILED", status("UPDATE_FAILED")),
    ("stack", Verdict.FAULT, "DELETE_COMPLETE", status("DELETE_COMPLETE")),
    ("stack", Verdict.FAULT, "The first deployment failed", status("ROLLBACK_COMPLETE")),
    ("stack", Verdict.FAULT, "waits for somebody's yes", status("REVIEW_IN_PROGRESS")),
    ("drift", Verdict.WARNING, "SpoolQueue was modified by hand: /RedrivePolicy, /VisibilityTimeout.", drifted),
    ("drift", Verdict.WARNING, "ArchiveBucket was deleted by hand.", drifted),
    (
        "drift",
        Verdict.WARNING,
        "Nobody has looked",
        changed("DescribeStacks", Stacks__0__DriftInformation={"StackDriftStatus": "NOT_CHECKED"}),
    ),
    (
        "concurrency",
        Verdict.FAULT,
        "runs 10 functions at once, 10 of them not reserved; what runs behind queues may take 18",
        several(
            account(10),
            changed("GetEventSourceMapping", ScalingConfig__MaximumConcurrency=2),
            parameter("AccountConcurrency", "10"),
            parameter("BulkConcurrency", "2"),
            parameter("ArchiveSegments", "2"),
        ),
    ),
    ("concurrency", Verdict.FAULT, "leaves clicks nothing", account(328)),
    ("concurrency", Verdict.FAULT, "leaves clicks nothing", account(1000, 300)),
    ("concurrency", Verdict.WARNING, "leaves clicks 99", account(427)),
    ("concurrency", Verdict.WARNING, "slower than they need be", parameter("AccountConcurrency", "10")),
    ("concurrency", Verdict.WARNING, "none are kept for one click", metric("Throttles", "shop-ApiFunction", 1)),
    ("keyring", Verdict.FAULT, "is gone", gone("GetSecretValue")),
    ("keyring", Verdict.FAULT, "can use", changed("GetSecretValue", SecretString="not json")),
    ("keyring", Verdict.FAULT, "can use", lambda stack: stack.document(root="")),
    ("keyring", Verdict.FAULT, "too short", lambda stack: stack.document(root="short")),
    ("keyring", Verdict.FAULT, "isn't a document", lambda stack: stack.document(brands=[])),
    ("keyring-kept", Verdict.FAULT, "is gone", gone("DescribeSecret")),
    ("keyring-kept", Verdict.FAULT, "going to be deleted", changed("DescribeSecret", DeletedDate=NOW)),
    (
        "keyring-kept",
        Verdict.WARNING,
        "eu-north-1 is Failed",
        changed("DescribeSecret", ReplicationStatus__0__Status="Failed"),
    ),
    ("brand-secrets", Verdict.WARNING, "demo has no API key", lambda stack: stack.document(brands={})),
    ("brand-secrets", Verdict.FAULT, "demo has sendgrid under webhooks", lambda stack: stack.document(brands={})),
    ("brand-secrets", Verdict.FAULT, "calls are refused: no key or signing_secret", mailchimp_by()),
    ("brand-secrets", Verdict.FAULT, "nothing is sent there", brands_with(notifications=(CRM,))),
    ("brand-secrets", Verdict.FAULT, "can't be understood", changed("GetSecretValue", SecretString="[]")),
    ("ses-account", Verdict.FAULT, "paused", changed("GetAccount", SendingEnabled=False)),
    ("ses-account", Verdict.WARNING, "PROBATION", changed("GetAccount", EnforcementStatus="PROBATION")),
    ("ses-account", Verdict.FAULT, "SHUTDOWN", changed("GetAccount", EnforcementStatus="SHUTDOWN")),
    ("ses-account", Verdict.WARNING, "sandbox", changed("GetAccount", ProductionAccessEnabled=False)),
    ("ses-quota", Verdict.WARNING, "45000 of the 50000", changed("GetAccount", SendQuota__SentLast24Hours=45_000.0)),
    ("ses-quota", Verdict.WARNING, "SES takes 60", changed("GetAccount", SendQuota__MaxSendRate=1.0)),
    (
        "senders",
        Verdict.FAULT,
        "no identity for hello@meadow.example",
        answers("GetEmailIdentity", Refused("NotFoundException")),
    ),
    ("senders", Verdict.FAULT, "hasn't verified", identity(VerifiedForSendingStatus=False)),
    ("senders", Verdict.FAULT, "may not send as it", parameter("SenderAddresses", "post@other.example")),
    ("dkim", Verdict.FAULT, "DKIM of meadow.example is PENDING", identity("DkimAttributes", Status="PENDING")),
    ("dkim", Verdict.FAULT, "turned off", identity("DkimAttributes", SigningEnabled=False)),
    ("dkim", Verdict.WARNING, "1024", identity("DkimAttributes", CurrentSigningKeyLength="RSA_1024_BIT")),
    ("mail-from", Verdict.WARNING, "no MAIL FROM", identity(MailFromAttributes={})),
    ("mail-from", Verdict.WARNING, "is PENDING", identity("MailFromAttributes", MailFromDomainStatus="PENDING")),
    (
        "mail-from",
        Verdict.WARNING,
        "doesn't align",
        identity("MailFromAttributes", MailFromDomain="bounces.elsewhere.example"),
    ),
    ("dmarc", Verdict.WARNING, "meadow.example has no DMARC", dns("_dmarc.meadow.example", "TXT", "something else")),
    ("dmarc", Verdict.COULD_NOT_LOOK, "can't be looked up", mute),
    (
        "suppression",
        Verdict.WARNING,
        "after a complaint",
        changed("GetAccount", SuppressionAttributes__SuppressedReasons=["BOUNCE"]),
    ),
    (
        "suppression",
        Verdict.WARNING,
        "bounce or complaint",
        changed("GetConfigurationSet", SuppressionOptions__SuppressedReasons=[]),
    ),
    ("inbound-domains", Verdict.FAULT, "demo offers", parameter("InboundDomains", "reply.other.example")),
    ("inbound-domains", Verdict.FAULT, "is missing", dns("reply.meadow.example", "MX")),
    (
        "inbound-domains",
        Verdict.FAULT,
        "is mail.elsewhere.example",
        dns("reply.meadow.example", "MX", "mail.elsewhere.example"),
    ),
    (
        "inbound-domains",
        Verdict.WARNING,
        "beside ours: mail.elsewhere.example",
        dns("reply.meadow.example", "MX", "inbound-smtp.eu-west-1.amazonaws.com", "mail.elsewhere.example"),
    ),
    ("inbound-domains", Verdict.COULD_NOT_LOOK, "can't be looked up", mute),
    ("inbound-rules", Verdict.FAULT, "rule set is none", answers("DescribeActiveReceiptRuleSet", {})),
    (
        "inbound-rules",
        Verdict.FAULT,
        "rule set is theirs",
        changed("DescribeActiveReceiptRuleSet", Metadata__Name="theirs"),
    ),
    ("inbound-rules", Verdict.FAULT, "no rule that stores", changed("DescribeActiveReceiptRuleSet", Rules=[])),
    ("inbound-rules", Verdict.FAULT, "turned off", changed("DescribeActiveReceiptRuleSet", Rules__0__Enabled=False)),
    (
        "inbound-rules",
        Verdict.FAULT,
        "all mail of reply.meadow.example",
        changed("DescribeActiveReceiptRuleSet", Rules__0__Recipients=["reply.other.example"]),
    ),
    (
        "inbound-rules",
        Verdict.FAULT,
        "all mail of reply.meadow.example",
        changed(
            "DescribeActiveReceiptRuleSet",
            Rules__0__Recipients=["unsubscribe@reply.meadow.example", "reply.other.example"],
        ),
    ),
    (
        "dead-letters",
        Verdict.FAULT,
        "SpoolDeadLetters holds 5 messages that were given up",
        attributes(ApproximateNumberOfMessages="3", ApproximateNumberOfMessagesNotVisible="2"),
    ),
    (
        "dead-letters",
        Verdict.FAULT,
        "1 message that was given up. SQS deletes the oldest in 8 days or soon after.",
        several(
            attributes(ApproximateNumberOfMessages="1"),
            metric("ApproximateAgeOfOldestMessage", "shop-SpoolDeadLetters", 3.5 * DAY_S, 1),
        ),
    ),
    (
        "dead-letters",
        Verdict.FAULT,
        "StreamDeadLetters holds 1 message that was given up. SQS deletes the oldest in 4 days or soon after.",
        several(
            attributes(ApproximateNumberOfMessages="1"),
            metric("ApproximateAgeOfOldestMessage", "shop-StreamDeadLetters", 10 * DAY_S),
        ),
    ),
    (
        "dead-letters",
        Verdict.FAULT,
        "SQS deletes the oldest today, or has.",
        several(
            attributes(ApproximateNumberOfMessages="1", MessageRetentionPeriod="345600"),
            metric("ApproximateAgeOfOldestMessage", "shop-SpoolDeadLetters", 1.5 * DAY_S),
        ),
    ),
    ("dead-letters", Verdict.FAULT, "is gone", gone("GetQueueAttributes", "AWS.SimpleQueueService.NonExistentQueue")),
    (
        "queue-ages",
        Verdict.WARNING,
        "SpoolQueue was 20 minutes",
        metric("ApproximateAgeOfOldestMessage", "shop-SpoolQueue", 60, 1200),
    ),
    (
        "queue-ages",
        Verdict.WARNING,
        "MailQueue was 120 minutes",
        metric("ApproximateAgeOfOldestMessage", "shop-MailQueue", 7200, 0),
    ),
    ("queue-ages", Verdict.WARNING, "InboundQueue was 10 minutes", metric("Waiting", "shop-InboundQueue", 600)),
    ("queue-ages", Verdict.WARNING, "the table's stream was 90 minutes", metric("Waiting", "stream", 5400)),
    ("unreadable-reports", Verdict.WARNING, "3 reports of klaviyo", metric("Unreadable", "klaviyo", 1, 2)),
    ("unreadable-reports", Verdict.WARNING, "1 report of ses counted", metric("Unreadable", "ses", 1)),
    ("unreadable-reports", Verdict.WARNING, "1 report of mailbox counted", metric("Unreadable", "mailbox", 1)),
    ("alarms", Verdict.FAULT, "no alarms", no_resources),
    ("alarms", Verdict.FAULT, "SpoolAgeAlarm is gone", answers("DescribeAlarms", {"MetricAlarms": []})),
    (
        "alarms",
        Verdict.FAULT,
        "SpoolAgeAlarm rings: Opt-outs wait",
        alarm(StateValue="ALARM", AlarmDescription="Opt-outs wait"),
    ),
    ("alarms", Verdict.WARNING, "for 3 days", alarm(StateValue="INSUFFICIENT_DATA")),
    ("alarms", Verdict.WARNING, "turned off", alarm(ActionsEnabled=False)),
    ("alarm-topic", Verdict.WARNING, "is empty", parameter("AlarmTopicArn", "")),
    ("alarm-topic", Verdict.FAULT, "is gone", gone("GetTopicAttributes", "NotFound")),
    (
        "alarm-topic",
        Verdict.FAULT,
        "no subscription to AlarmTopicArn is confirmed, 1 wait for that",
        topic(SubscriptionsConfirmed="0", SubscriptionsPending="1"),
    ),
    ("alarm-topic", Verdict.FAULT, "which CloudWatch may not use", topic(KmsMasterKeyId="alias/aws/sns")),
    ("alarm-topic", Verdict.FAULT, "reaches NoticeTopicArn", several(NOTICE, topic(KmsMasterKeyId="alias/aws/sns"))),
    ("alarm-topic", Verdict.FAULT, "with is gone", gone("DescribeKey", "NotFoundException")),
    ("alarm-topic", Verdict.FAULT, "is turned off", changed("DescribeKey", KeyMetadata__Enabled=False)),
    ("alarm-topic", Verdict.FAULT, "doesn't let", changed("GetKeyPolicy", Policy=key_policy("kms:Decrypt"))),
    ("alarm-topic", Verdict.FAULT, "doesn't let", changed("GetKeyPolicy", Policy=key_policy())),
    ("alarm-topic", Verdict.COULD_NOT_LOOK, "GetKeyPolicy isn't allowed", refused("GetKeyPolicy")),
    (
        "archive",
        Verdict.FAULT,
        "2026-10 isn't in the archive",
        answers("ListObjectsV2", {"Contents": [{"Key": "ledger/2026-10/run/part"}]}),
    ),
    ("archive", Verdict.FAULT, "is gone", gone("ListObjectsV2", "NoSuchBucket")),
    (
        "notices",
        Verdict.FAULT,
        f"{'f' * 32}, and nobody has its words",
        answers("Scan", {"Items": [{"notice": {"S": each}} for each in ("f" * 32, "1234567890ab", KEPT)]}),
    ),
    ("notices", Verdict.FAULT, "No notice is in the archive", answers("ListObjectsV2", {"Contents": []})),
    ("notices", Verdict.COULD_NOT_LOOK, "Scan isn't allowed", refused("Scan")),
    ("address", Verdict.FAULT, "doesn't answer: the name", silent),
    ("address", Verdict.FAULT, "it is another deployment", lambda stack: setattr(stack, "expired", 404)),
    ("domain", Verdict.WARNING, "No link is made with it yet", several(*MOVING)),
    (
        "domain",
        Verdict.WARNING,
        "isn't trusted: self-signed",
        several(*MOVING, elsewhere("mail.meadow.example", fault="self-signed")),
    ),
    (
        "domain",
        Verdict.WARNING,
        "https://mail.meadow.example/healthz answers 403",
        several(*MOVING, elsewhere("mail.meadow.example", status=403)),
    ),
    (
        "domain",
        Verdict.WARNING,
        "it is another deployment",
        several(*MOVING, elsewhere("mail.meadow.example"), lambda stack: setattr(stack, "expired", 404)),
    ),
    ("address", Verdict.FAULT, "answers 503", visit(status=503)),
    ("address", Verdict.FAULT, "not as Consentry does", visit(body="<title>Welcome</title>")),
    ("address", Verdict.WARNING, "http://", output("Url", "http://links.meadow.example")),
    ("certificate", Verdict.FAULT, "isn't trusted: certificate has expired", visit(fault="certificate has expired")),
    ("certificate", Verdict.FAULT, "in 3 days", visit(certificate_until=NOW + timedelta(days=3, hours=1))),
    ("certificate", Verdict.WARNING, "in 20 days", visit(certificate_until=NOW + timedelta(days=20, hours=1))),
    ("certificate", Verdict.COULD_NOT_LOOK, "can't be seen", silent),
    ("clock", Verdict.WARNING, "10 seconds from the API's", visit(date=NOW - timedelta(seconds=10))),
    ("clock", Verdict.FAULT, "300 seconds from the API's", visit(date=NOW + timedelta(minutes=5))),
    ("clock", Verdict.FAULT, "300 seconds from AWS's", answers("Date", "Tue, 24 Nov 2026 11:55:00 GMT")),
    ("clock", Verdict.COULD_NOT_LOOK, "no Date", visit(date=None)),
    ("clock", Verdict.COULD_NOT_LOOK, "can't be read", silent),
]


def test_an_operator_whose_stack_is_well_hears_only_that() -> None:
    found = list(examine(ExaminedStack().deployed()))
    assert [each for each in found if each.verdict is not Verdict.OK] == []
    assert [each.check for each in found] == [check.name for check in CHECKS]
    assert all(each.says.endswith((".", "?")) for each in found)


@pytest.mark.parametrize(
    ("check", "verdict", "says", "make"), ILL, ids=lambda part: part if isinstance(part, str) else ""
)
def test_an_operator_hears_what_is_wrong_and_what_to_do(check: str, verdict: Verdict, says: str, make: Make) -> None:
    stack = ExaminedStack()
    make(stack)
    found = stack.asks(check)
    hits = [each for each in found if says in each.says and each.verdict is verdict]
    assert hits, found
    assert all(each.mend and each.see for each in hits)
    assert Verdict.OK not in {each.verdict for each in found}


@pytest.mark.parametrize("now", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"])
def test_of_a_first_deployment_that_failed_an_operator_hears_only_what_to_do_next(now: str) -> None:
    stack = ExaminedStack()
    status(now)(stack)
    no_resources(stack)
    (found,) = examine(stack.deployed())
    assert (found.check, found.verdict) == ("stack", Verdict.FAULT)
    assert ("aws cloudformation delete-stack --stack-name shop" in found.mend) == (now != "REVIEW_IN_PROGRESS")


def test_an_operator_whose_domain_isnt_in_the_dns_yet_hears_how_new_links_work_meanwhile() -> None:
    stack = ExaminedStack()
    several(*MOVING, parameter("DomainName", "links.meadow.example"), output("ApiId", "a1b2"), silent)(stack)
    (found,) = stack.asks("address")
    assert found.mend == (
        "Publish links.meadow.example CNAME d-1.execute-api.example in the DNS. Until it is there, "
        "`make deploy SET=PublicUrl=https://a1b2.execute-api.eu-west-1.amazonaws.com`: new links work then."
    )


def test_an_operator_in_a_new_account_hears_what_to_ask_for_and_to_keep_workers_small() -> None:
    stack = ExaminedStack()
    account(10)(stack)
    (found,) = stack.asks("concurrency")
    assert found.mend == (
        "Ask for 1,000 (Service Quotas, Lambda, Concurrent executions); it costs nothing. "
        "Until then: `make deploy SET=AccountConcurrency=10`."
    )


def test_an_operator_is_told_to_keep_functions_for_one_click_only_where_the_template_takes_that() -> None:
    stack = ExaminedStack()
    several(parameter("AccountConcurrency", "10"), metric("Throttles", "shop-ApiFunction", 1))(stack)
    assert not any("OneClickReservedConcurrency" in each.mend for each in stack.asks("concurrency"))


def test_an_operator_who_adds_a_sender_or_a_domain_hears_the_whole_list() -> None:
    """What SET names replaces what was there."""
    stack = ExaminedStack()
    several(parameter("SenderAddresses", "a@other.example"), parameter("InboundDomains", "in.other.example"))(stack)
    mends = [each.mend for check in ("senders", "inbound-domains") for each in stack.asks(check)]
    assert any(each.startswith("`make deploy SET=SenderAddresses=a@other.example,") for each in mends), mends
    assert any(each.startswith("`make deploy SET=InboundDomains=in.other.example,") for each in mends), mends


def test_an_identity_is_looked_for_with_its_own_local_part_and_its_domain_in_lower_case() -> None:
    """As SES keeps it: upper and lower case count before the @ alone."""
    stack = ExaminedStack()
    brands_with(sender="Post@OTHER.example")(stack)
    found, well = "Post@other.example", stack.answers["identity"]("other.example")
    stack.answers["GetEmailIdentity"] = lambda asked: (
        well if asked["EmailIdentity"] == found else Refused("NotFoundException")
    )
    assert [each.verdict for each in stack.asks("senders")] == [Verdict.OK]


def test_what_reads_the_stream_counts_once_for_each_shard() -> None:
    stack = ExaminedStack()
    stack.answers["GetEventSourceMapping"] = {"State": "Enabled", "ParallelizationFactor": 5}
    (found,) = stack.asks("concurrency")
    assert "may take 168" in found.says  # eight of five for each of four shards, and the import's eight


def test_every_check_is_tried_on_something_ill() -> None:
    assert {check for check, *_ in ILL} == {check.name for check in CHECKS}


@pytest.mark.parametrize(
    ("check", "says", "make"),
    [
        ("keyring-kept", "no replica", changed("DescribeSecret", ReplicationStatus=[])),
        ("brand-secrets", "--brands", lambda stack: stack.brands.clear()),
        ("senders", "2 senders", lambda stack: stack.brands.clear()),
        (
            "ses-quota",
            "14 emails a second",
            changed("GetAccount", SendQuota__Max24HourSend=-1.0, SendQuota__SentLast24Hours=1e6),
        ),
        ("dmarc", "1 domain ", brands_with(sender="a@news.meadow.example")),
        ("suppression", "is on", gone("GetConfigurationSet", "NotFoundException")),
        ("inbound-rules", "no opt-outs by mail", output("InboundRuleSetName", None)),
        ("inbound-rules", "the active one", changed("DescribeActiveReceiptRuleSet", Rules__0__Recipients=[])),
        (
            "inbound-domains",
            "no opt-outs by mail",
            several(parameter("InboundDomains", ""), brands_with(inbound_domain="")),
        ),
        ("senders", "2 senders, all verified", parameter("SenderAddresses", "Hello@meadow.example,post@OTHER.example")),
        ("senders", "1 sender, all verified", brands_with(sender="Post@OTHER.example")),
        ("alarm-topic", "2 subscribers", several(NOTICE, topic(KmsMasterKeyId=""))),
        ("alarm-topic", "2 subscribers", changed("GetKeyPolicy", Policy=key_policy("kms:*"))),
        ("alarm-topic", "2 subscribers", changed("GetKeyPolicy", Policy=ONE_STATEMENT)),
        ("address", "answers", lambda stack: stack.brands.clear()),
        ("address", "answers", several(gone("GetSecretValue"), lambda stack: setattr(stack, "expired", 404))),
        ("address", "answers", changed("GetSecretValue", SecretString="[]")),
        ("domain", "the check `address`", parameter("DomainName", "links.meadow.example")),
        ("domain", "SET=PublicUrl=", several(*MOVING, elsewhere("mail.meadow.example"))),
        ("concurrency", "1,000 functions at once", gone("GetEventSourceMapping")),
        ("alarms", "none rings", alarm(StateValue="INSUFFICIENT_DATA", StateUpdatedTimestamp=NOW - timedelta(hours=2))),
        ("archive", "keeps no archive", output("ArchiveBucketName", None)),
        ("notices", "the present version alone", output("ArchiveBucketName", None)),
        ("archive", "younger", changed("DescribeStacks", Stacks__0__CreationTime=NOW - timedelta(days=3))),
        ("archive", "2026-09", at(datetime(2026, 11, 2, 12, tzinfo=UTC))),
        ("archive", "2026-12", at(datetime(2027, 1, 20, tzinfo=UTC))),
        ("certificate", "no certificate", output("Url", "http://127.0.0.1:8080")),
        ("address", "isn't trusted", visit(fault="certificate has expired")),
        ("queue-ages", "for long", metric("ApproximateAgeOfOldestMessage", "shop-SpoolQueue", 240)),
        (
            "concurrency",
            "1,000 functions at once",
            several(parameter("OneClickReservedConcurrency", "200"), metric("Throttles", "shop-ApiFunction", 1)),
        ),
        (
            "concurrency",
            "150 of them not reserved",
            several(
                account(900, 150),
                changed("GetEventSourceMapping", ScalingConfig__MaximumConcurrency=2),
                metric("Throttles", "shop-ApiFunction", 1),
            ),
        ),
        ("queue-ages", "for long", metric("Waiting", "shop-NotificationQueue", 1800)),
        ("brand-secrets", "Every brand", mailchimp_by("key")),
        ("brand-secrets", "Every brand", mailchimp_by("signing_secret")),
    ],
    ids=words,
)
def test_an_operator_isnt_alarmed_by_what_is_meant_to_be_so(check: str, says: str, make: Make) -> None:
    stack = ExaminedStack()
    make(stack)
    (found,) = stack.asks(check)
    assert found.verdict is Verdict.OK
    assert says in found.says


def test_a_stack_that_isnt_there_is_named() -> None:
    stack = ExaminedStack()
    stack.answers["DescribeStacks"] = Refused("ValidationError", "Stack with id shop does not exist")
    with pytest.raises(NoStackError, match="no stack shop in eu-west-1"):
        stack.deployed()


ASKS_NOTHING = {"stack", "drift", "certificate", "address", "domain", "dmarc", "inbound-domains"}
"""What the stack's description, the DNS and the address tell by themselves."""


def test_who_may_not_look_is_told_which_calls_were_refused_and_no_more() -> None:
    stack = ExaminedStack()
    deployed = stack.deployed()
    secret = "arn:aws:iam::123456789012:user/ann is not authorized"  # AWS's text names who asked, and for what
    for operation in [each for each in stack.answers if each[0].isupper() and each != "Date"]:
        stack.answers[operation] = Refused("AccessDeniedException", secret)
    found = list(examine(deployed))
    assert {each.check for each in found} == {check.name for check in CHECKS}
    for each in found:
        if each.check in ASKS_NOTHING:
            assert each.verdict is Verdict.OK, each
        else:
            assert each.verdict is Verdict.COULD_NOT_LOOK, each
            assert "isn't allowed" in each.says
            assert each.see == "docs/doctor.md#what-it-may-do"
        assert "user/ann" not in str(each)


def test_one_call_that_is_refused_leaves_the_others_be() -> None:
    stack = ExaminedStack()
    stack.answers["DescribeKey"] = Refused("AccessDeniedException")
    found = [each for each in examine(stack.deployed()) if each.verdict is not Verdict.OK]
    assert [(each.check, each.says) for each in found] == [("alarm-topic", "DescribeKey isn't allowed.")]


def test_an_answer_of_aws_that_nobody_expected_isnt_taken_for_well() -> None:
    stack = ExaminedStack()
    stack.answers["DescribeKey"] = Refused("InternalServerError", "arn:aws:kms:::secret")
    (found,) = stack.asks("alarm-topic")
    assert (found.verdict, found.says) == (
        Verdict.COULD_NOT_LOOK,
        "AWS answers InternalServerError to DescribeKey.",
    )


def test_no_secret_is_told_whatever_is_wrong() -> None:
    for *_, make in ILL:
        stack = ExaminedStack()
        make(stack)
        said = " ".join(map(str, examine(stack.deployed())))
        assert "whsec_" not in said
        assert "r" * 32 not in said
