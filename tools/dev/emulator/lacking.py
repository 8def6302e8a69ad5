"""What AWS does and the emulator (ministack 1.5.33) doesn't: every gap, and what fills it.

tests/integration/test_lacking.py asks the emulator itself whether it still lacks each of them, and says which may go.
That the functions' table can be in another engine (`streams`) is no gap: AWS has one.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Gap(NamedTuple):
    """Something that the emulator lacks."""

    name: str
    aws: str
    """What AWS does."""
    filled_by: str
    """Module and name, within `dev.emulator`; empty where nothing does."""


GAPS: Final = (
    Gap("openapi routes", "An HTTP API has the routes that its OpenAPI body describes.", "gaps.create_routes"),
    Gap("ttl in templates", "TimeToLiveSpecification turns a table's TTL on.", "gaps.enable_expiry"),
    Gap("recovery in templates", "PointInTimeRecoverySpecification keeps a table's past.", ""),
    Gap("object lock in templates", "ObjectLockConfiguration locks what a bucket gets.", "gaps.lock_objects"),
    Gap(
        "partial answers for streams",
        "A stream's record that a function reports as failed comes again, before those after it.",
        "gaps.one_record_a_call",
    ),
    Gap("permissions to mail", "IAM knows SES's identities and ses:FromAddress.", "gaps.let_mails_pass"),
    Gap("what becomes of mails", "SES publishes bounces and complaints to event destinations.", "gaps.tell_of_mail"),
    Gap("tls", "All of AWS is spoken to by HTTPS.", "gaps.let_plain_http_pass"),
    Gap("keys of calls", "IAM knows which keys a call to DynamoDB names.", "gaps.let_keys_go_unnamed"),
    Gap("faults of handlers", "An HTTP API tells nobody what a handler raised.", "gaps.as_api_gateway_answers"),
    Gap("options", "ANY routes get OPTIONS, too.", "inside.options_to_routes"),
    Gap("throttling", "A stage answers 429 above the rate that it is given.", ""),
    Gap("proof of senders", "SES sends for an identity once somebody has proved that it is theirs.", ""),
    Gap("raw mails", "SES sends a raw message as it is, with its headers.", "outbox.Outbox"),
    Gap("mails that come in", "SES receives mails and puts them into a bucket.", "incoming.deliver"),
    Gap("greedy variables", "A greedy path variable may have any name.", "inside.specificity"),
    Gap(
        "line breaks in paths",
        "A path variable takes a line break, as a damaged link holds it.",
        "inside.across_lines",
    ),
    Gap("layers once", "A layer is unpacked once for a function.", "inside.Archive"),
    Gap("values for sam", "SAM is told of the parameters' values.", "inside.told_of_parameters"),
    Gap("other sites", "AWS answers nobody but those who sign their calls.", "inside.guarded"),
    Gap("metrics in logs", "Log lines in the embedded metric format are counted.", "metrics.in_lines"),
    Gap("metrics of versions", "Lambda counts by version while an alias leads to two.", "metrics.of_an_invocation"),
    Gap("alarms of several metrics", "An alarm takes metric math.", "metrics.is_breaching"),
    Gap("weighted aliases", "An alias with RoutingConfig calls two versions by their weights.", "weights.Turns"),
    Gap("codedeploy", "CloudFormation has CodeDeploy's resources.", "codedeploy.Deployment"),
    Gap("update policies", "What an UpdatePolicy names comes first; a circle is refused.", "codedeploy.policy_of"),
)
