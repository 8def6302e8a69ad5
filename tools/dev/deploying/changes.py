"""What a change set would do, and what it must not do unless somebody says so.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PROTECTED: Final = {
    "domain": ("links that were mailed with it lead nowhere", {"Domain", "DomainMapping", "DomainRecord"}),
    "api": ("links that were mailed with its address lead nowhere", {"HttpApi"}),
    "inbound": (
        "opt-outs by mail bounce or are lost",
        {"InboundRules", "InboundRule", "InboundBucket", "InboundQueue", "InboundDeadLetters"},
    ),
    "table": ("a new one is empty: whoever left is mailed again", {"Table"}),
    "keyring": ("links that were ever mailed can't be verified", {"Keyring"}),
    "archive": (
        "the ledger is archived elsewhere, or no more",
        {"ArchiveBucket", "ArchiveQueue", "ArchiveDeadLetters", "Notices"},
    ),
    "spool": ("opt-outs that wait in it are lost", {"SpoolQueue", "SpoolDeadLetters"}),
    "feedback": ("complaints and opt-outs that wait in it are lost", {"FeedbackQueue", "FeedbackDeadLetters"}),
    "queues": (
        "emails and notifications that wait in them are lost",
        {"MailQueue", "MailDeadLetters", "NotificationQueue", "NotificationDeadLetters", "StreamDeadLetters"},
    ),
    "senders": ("a brand's emails from there fail", set()),
}
"""What `REMOVE` calls something that no deployment takes away by itself; what follows if it does; the resources."""
_FATES: Final = {"Add": "added", "Import": "added", "Modify": "changed", "Remove": "removed"}
_A_FEW: Final = 3


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """A change set, with the stack that it would change."""

    before: Mapping[str, str]
    """The stack's parameters; none for a stack that isn't there yet."""
    after: Mapping[str, str]
    """The parameters that it would have."""
    resources: Sequence[Mapping[str, Any]]
    """CloudFormation's `ResourceChange` of each."""

    def lines(self) -> Iterator[str]:
        """What a person has to know of it: parameters one by one, resources by kind."""
        for name in sorted(self.after):
            old, new = self.before.get(name, ""), self.after[name]
            if self.before and old != new:
                yield f"  {name}: {old or '(empty)'} -> {new or '(empty)'}"
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in self.resources:
            found[self._fate(each), each["ResourceType"]].append(each["LogicalResourceId"])
        for (fate, kind), names in sorted(found.items()):
            yield f"  {fate:9} {kind}: {len(names) if len(names) > _A_FEW else ', '.join(sorted(names))}"

    def losses(self) -> dict[str, list[str]]:
        """What would go away of that which is protected: the word for it, and the resources or domains."""
        going = {each["LogicalResourceId"] for each in self.resources if self._fate(each) in {"removed", "replaced"}}
        lost = {word: sorted(names & going) for word, (_, names) in PROTECTED.items()}
        received, still = (set(each.get("InboundDomains", "").split(",")) for each in (self.before, self.after))
        lost["inbound"] += sorted(received - still - {""})
        allowed, left = (
            {item.strip().lower() for item in each.get("SenderAddresses", "").split(",")}
            for each in (self.before, self.after)
        )
        lost["senders"] += sorted(allowed - left - {""})
        return {word: names for word, names in lost.items() if names}

    def leads_nowhere(self, resolves: Callable[[str], bool]) -> str | None:
        """The name that links would newly lead to, if it is in no DNS and this deployment doesn't put it there."""
        name = self.after.get("DomainName")
        if not name or self.after.get("PublicUrl") or self.after.get("HostedZoneId"):
            return None
        leads_there = self.before.get("DomainName") == name and not self.before.get("PublicUrl")
        return None if leads_there or resolves(name) else name

    def _fate(self, change: Mapping[str, Any]) -> str:
        return "replaced" if self._is_replaced(change) else _FATES.get(change["Action"], "unknown")

    def _is_replaced(self, change: Mapping[str, Any]) -> bool:
        """Whether it is, or may be. `Conditional` is also said where what it refers to changes in place."""
        if change.get("Replacement") != "Conditional":
            return bool(change.get("Replacement") == "True")
        stay = {each["LogicalResourceId"] for each in self.resources if each.get("Replacement") == "False"}
        details = change.get("Details", ())
        return not details or not all(
            each.get("Target", {}).get("RequiresRecreation") == "Never"
            or (each.get("ChangeSource") == "ResourceReference" and each.get("CausingEntity") in stay)
            for each in details
        )


def read(client: Any, change_set: str, stack: str) -> ChangeSet:
    """Read a change set, whole."""
    _, before = deployed(client, stack)
    after: dict[str, str] = {}
    resources: list[Mapping[str, Any]] = []
    for page in client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set, StackName=stack):
        after |= before | _values(page.get("Parameters", ())) if page.get("Parameters") else {}
        resources += [each["ResourceChange"] for each in page.get("Changes", ()) if "ResourceChange" in each]
    return ChangeSet(before=before, after=after, resources=resources)


def deployed(client: Any, stack: str) -> tuple[str, dict[str, str]]:
    """A stack's status and parameters; both empty where there is none, or only a change set that would make it."""
    try:
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as exc:
        if "does not exist" in exc.response["Error"]["Message"]:  # CloudFormation has no code of its own for it
            return "", {}
        raise
    status = found["StackStatus"]
    return ("", {}) if status == "REVIEW_IN_PROGRESS" else (status, _values(found.get("Parameters", ())))


def _values(parameters: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in parameters if "ParameterValue" in each}
