"""What a check comes to, and what is accepted of what it says."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CFN_LINT: Final = {
    "I3011": "what has to outlive the stack is held to Retain by tests/template; the rest may go with it",
    "W7001": "SAM's translator alone reads the mapping, and leaves it in what it makes",
}
CHECKOV: Final = {
    "CKV_AWS_18": "CloudTrail's data events show who reads the buckets; a bucket of logs would need one, too",
    "CKV_AWS_21": "a mail that is removed is to be gone; the archive's bucket is versioned (tests/template)",
    "CKV_AWS_27": "queues are encrypted, with SQS's own key (SqsManagedSseEnabled, held to by tests/template)",
    "CKV_AWS_115": "a function's share of concurrency is the account's to deal out; the API is throttled",
    "CKV_AWS_116": "what comes asynchronously comes by streams and queues, which have dead letters of their own",
    "CKV_AWS_117": "nothing that the functions reach lies in a VPC",
    "CKV_AWS_119": "the table is encrypted, with a key that DynamoDB owns: with any other, opt-outs wait for KMS",
    "CKV_AWS_149": "the keyring is encrypted, with Secrets Manager's own key, which no other account can use",
    "CKV_AWS_158": "logs are encrypted by CloudWatch, and hold nobody's data",
    "CKV_AWS_173": "the environment is encrypted, with Lambda's own key, and holds no secret",
}
_KEY: Final = "a key's policy is about the key that it belongs to, which it calls *"
PARLIAMENT: Final = {
    "FeedbackTopicKey: LeaveTheKeyToTheAccountsPolicies: RESOURCE_STAR": _KEY,
    "FeedbackTopicKey: LetSesPublish: RESOURCE_STAR": _KEY,
    "FeedbackTopicKey: LeaveTheKeyToTheAccountsPolicies: PERMISSIONS_MANAGEMENT_ACTIONS": (
        "without the account itself nobody could ever change the key's policy"
    ),
    "BulkStateMachineItself: WatchAndEndThem: RESOURCE_MISMATCH": (
        "executions are standard ones; parliament wants those of express workflows named, too"
    ),
    "CourierFunctionRole: HearOfMails: RESOURCE_MISMATCH": (
        "SES asks for the configuration set beside the identity, which SendMails names"
    ),
    "*Role: *Policy 0: NO_VERSION": "SAM writes it so, without a Sid; ours have one",
}
"""What others say of the template that is right as it is, by patterns, each with the reason."""


class Verdict(NamedTuple):
    """One check's."""

    summary: str
    """In a line."""
    found: list[str]
    """What has to be fixed; a line each."""


def weighed(summary: str, said: Iterable[tuple[str, str]], accepted: Mapping[str, str]) -> Verdict:
    """The verdict on what others say: rules that are broken, and reasons that are no longer needed.

    Args:
        summary: what was looked at.
        said: each remark, by what is accepted of its kind, and its text.
        accepted: reasons, by patterns.
    """
    broken = dict.fromkeys(said)
    used = {pattern for pattern in accepted for kind, _ in broken if fnmatchcase(kind, pattern)}
    found = [text for kind, text in broken if not any(fnmatchcase(kind, pattern) for pattern in accepted)]
    found += [
        f"{pattern} isn't said any more: take it out of audit/verdict.py" for pattern in sorted({*accepted} - used)
    ]
    return Verdict(f"{summary}; {len(accepted)} remarks are accepted, each for a reason", found)
