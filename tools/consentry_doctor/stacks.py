"""The stack itself: its status, and whether it is of this version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from consentry_doctor.findings import Check, fault, warning

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from consentry_doctor.deployed import Deployed
    from consentry_doctor.findings import Ill


_NOTHING: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_COMPLETE"})
"""States of a stack that has nothing to look at."""


def is_empty(deployed: Deployed) -> bool:
    """Whether nothing was ever deployed, or nothing is left of it: what else there is to say would follow from that."""
    return deployed.stack["StackStatus"] in _NOTHING


def status(deployed: Deployed) -> Generator[Ill, None, str]:
    """Whether the last deployment came to its end."""
    now = str(deployed.stack["StackStatus"])
    delete = f"aws cloudformation delete-stack --stack-name {deployed.name}"
    if now == "REVIEW_IN_PROGRESS":
        yield fault(
            "Nothing was deployed: the first change set waits for somebody's yes.", "Deploy again, and say yes."
        )
    elif now.endswith("_IN_PROGRESS"):
        yield warning(f"The stack is being changed ({now}).", "Ask again when that is over.")
    elif now in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
        yield fault(
            f"The first deployment failed ({now}). Such a stack has to be deleted before the next try.",
            f"{_EVENTS}; mend that. Then {delete}, and deploy again.",
        )
    elif now == "UPDATE_ROLLBACK_FAILED":
        yield fault(
            f"The last deployment failed, and so did taking it back ({now}).",
            f"{_EVENTS}; mend that. Then aws cloudformation continue-update-rollback --stack-name {deployed.name}",
        )
    elif now.startswith("DELETE"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; mend that. Then {delete}")
    elif now.endswith("_FAILED"):
        yield fault(f"The stack is in the state {now}.", f"{_EVENTS}; mend that and deploy again.")
    elif "ROLLBACK" in now:
        yield warning(
            f"The last deployment failed and was taken back ({now}).",
            f"What runs is the version before it. {_EVENTS}.",
        )
    return f"The stack's status is {now}."


def drift(deployed: Deployed) -> Generator[Ill, None, str]:
    """What CloudFormation's last look for drift found; a new one isn't started, since that writes."""
    told = deployed.stack.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED")
    if told == "DRIFTED":
        yield warning(
            "Somebody changed resources of the stack by hand: CloudFormation's last look for drift found differences.",
            "See them with `aws cloudformation describe-stack-resource-drifts`; deploy again to undo them.",
        )
    if told == "IN_SYNC":
        return "The last look for drift found none."
    return "Nobody has looked for drift; `aws cloudformation detect-stack-drift` does."


def version(deployed: Deployed) -> Generator[Ill, None, str]:
    """Whether what is deployed has the parts that this version's template has."""
    if not deployed.template:
        return "There is no template.yaml here to compare with; run this in a clone."
    body = deployed.client("cloudformation").get_template(StackName=deployed.name, TemplateStage="Original")
    there, here = _read(body["TemplateBody"]), _read(deployed.template)
    for part in ("Resources", "Outputs", "Parameters"):
        ours, theirs = ({*_names(each.get(part, {}))} for each in (here, there))
        missing, extra = sorted(ours - theirs), sorted(theirs - ours)
        if missing:
            yield warning(
                f"The stack lacks {part.lower()} that this version has: {', '.join(missing)}.",
                "It was deployed from another version; deploy this one, or run the doctor of that version.",
            )
        if extra:
            yield warning(
                f"The stack has {part.lower()} that this version hasn't: {', '.join(extra)}.",
                "It was deployed from another version, or a changed one; compare before you deploy.",
            )
    return "The stack has the parts of this version's template."


_EVENTS: Final = "The stack's events in CloudFormation say which resource failed, and why"


class _AnyTag(yaml.CSafeLoader):
    """Reads CloudFormation's short forms as nothing: only names are compared."""


_AnyTag.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def _names(section: dict[str, Any]) -> Iterator[str]:
    """The names in a part of a template; what stands below `Fn::ForEach` has one for each item."""
    for name, each in section.items():
        if name.startswith("Fn::ForEach::"):
            variable, items, repeated = each
            yield from (key.replace(f"${{{variable}}}", item) for item in items for key in repeated)
        else:
            yield name


def _read(template: Any) -> dict[str, Any]:
    if isinstance(template, str):
        template = yaml.load(template, _AnyTag)  # noqa: S506 - a SafeLoader, which knows more tags
    return dict(template)


CHECKS = (
    Check("stack", status, "docs/doctor.md#after-a-first-deployment-that-failed"),
    Check("drift", drift, "docs/deploying.md#3-deploy"),
    Check("version", version, "docs/deploying.md#3-deploy"),
)
