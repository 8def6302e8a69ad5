"""What the template is rehearsed with: sets of answers that between them meet every condition, and miss it.

SAM's translator reads parameters' values, as CloudFormation's does before it makes a change set: a template that can be
deployed with one set of answers may be refused with another.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

from dev.audit import cloudformation
from dev.audit.verdict import Verdict
from dev.deploying.answers import takes
from dev.places import SAM_VENV

Template = dict[str, Any]
Values = dict[str, str]

ALWAYS: Final[Values] = {"SenderAddresses": "hello@meadow.example,news@meadow.example"}
"""What has no default."""
_TOPIC: Final = "arn:aws:sns:us-east-1:123456789012"
_EVERYTHING: Final[Values] = {
    "InboundDomains": "leave.meadow.example,reply.meadow.example",
    "DomainName": "links.meadow.example",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/6d0d1b5c-0000-4000-8000-000000000000",
    "HostedZoneId": "Z0123456789ABCDEFGHIJ",
    "PublicUrl": "https://mail.meadow.example",
    "TrustedProxy": "0123456789abcdef" * 2,
    "AccountConcurrency": "1000",
    "OneClickReservedConcurrency": "100",
    "KeyRotationDays": "90",
    "AlarmTopicArn": f"{_TOPIC}:night",
    "NoticeTopicArn": f"{_TOPIC}:day",
    "ArchiveLockMode": "COMPLIANCE",
}
ANSWERS: Final[dict[str, Values]] = {
    "defaults": {},
    "all at once": {"DeploymentStrategy": "AllAtOnce"},
    "everything on": _EVERYTHING,
    "provisioned": {"AccountConcurrency": "1000", "StartMode": "provisioned"},
    "snapshots": {"StartMode": "snapstart"},
    "without archive": {"ArchiveEnabled": "false"},
}
"""The answers that differ from the defaults, by the case's name."""


class Case(NamedTuple):
    """The template as it is deployed with some answers."""

    name: str
    values: Values
    """Of all parameters."""
    expanded: Template
    """As SAM's translator hands it to CloudFormation."""
    resolved: Template
    """What CloudFormation makes of that: conditions are decided, parameters filled in."""


def cases(file: Path, answers: dict[str, Values] | None = None) -> list[Case]:
    """The template in a file, with each set of answers.

    Raises:
        subprocess.CalledProcessError: SAM's translator refuses it.
        ValueError: what stands below `Fn::ForEach` can't be repeated.
    """
    answers = ANSWERS if answers is None else answers
    template = cloudformation.read(file)
    parameters = template["Parameters"]
    defaults = {name: str(each["Default"]) for name, each in parameters.items() if "Default" in each}
    all_values = {name: {**defaults, **ALWAYS, **given} for name, given in answers.items()}
    # The translator pins what it shares with this project, so it runs where SAM does.
    command: list[str | Path] = [SAM_VENV / "bin" / "python", Path(__file__).with_name("expand.py")]
    done = subprocess.run(  # noqa: S603 - our own words
        command, input=json.dumps([template, [*all_values.values()]]), capture_output=True, text=True, check=True
    )
    return [
        Case(name, values, made, cloudformation.resolved(made, values))
        for (name, values), made in zip(all_values.items(), json.loads(done.stdout), strict=True)
    ]


def check(all_cases: list[Case]) -> Verdict:
    """Whether the cases can be deployed as they are asked for, and meet and miss every condition."""
    found = [f"{case.name}: {why}" for case in all_cases for why in refused(case.expanded, case.values)]
    decided = {
        name: {cloudformation.holds({"Condition": name}, case.expanded, case.values) for case in all_cases}
        for name in all_cases[0].expanded["Conditions"]
    }
    found += [
        f"{name} is {str(*met).lower()} in every case: add one to ANSWERS where it isn't"
        for name, met in decided.items()
        if len(met) == 1
    ]
    summary = f"expanded with {len(all_cases)} sets of answers, which meet and miss {len(decided)} conditions"
    return Verdict(summary, found)


def refused(template: Template, values: Values) -> list[str]:
    """Why CloudFormation would not take these values; nothing if it would.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html and
    .../rules-section-structure.html
    """
    parameters: dict[str, Any] = template["Parameters"]
    why = [f"there is no parameter {name}" for name in values if name not in parameters]
    why += [f"{name} has no value" for name in parameters if name not in values]
    why += [
        f"{name} doesn't take {values[name]}"
        for name in values.keys() & parameters.keys()
        if not takes(parameters[name], values[name])
    ]
    for rule, each in template.get("Rules", {}).items():
        if cloudformation.holds(each.get("RuleCondition", True), template, values) and not all(
            cloudformation.holds(assertion["Assert"], template, values) for assertion in each["Assertions"]
        ):
            why.append(f"the rule {rule} forbids it")
    return why
