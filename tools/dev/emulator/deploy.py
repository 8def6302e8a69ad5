"""``sam deploy`` of the very same template, to the emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev import process
from dev.emulator import build
from dev.emulator.aws import REGION, client
from dev.places import ROOT, SAM_VENV

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STACK = "consentry"
ARTEFACTS = "consentry-artefacts"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What came of the template."""

    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    """Logical id to physical id."""
    template: Mapping[str, Any]
    """After SAM's transform: what CloudFormation deployed."""


def deploy(
    template: Path,
    *,
    endpoint: str,
    parameters: Mapping[str, str],
    env: Mapping[str, str],
    config: Path,
    log: Path,
) -> None:
    """Deploy a built template.

    A bucket of our own instead of ``--resolve-s3`` spares SAM's managed stack, and five seconds of waiting.

    Raises:
        StackError: when ``sam deploy`` fails.
    """
    client("s3", endpoint).create_bucket(Bucket=ARTEFACTS)
    overrides = {
        "PythonRuntime": build.runtime(),
        "Architecture": build.architecture(),
        **parameters,
    }
    process.run(
        [
            SAM_VENV / "bin" / "sam", "deploy", "--template-file", template, "--config-file", config,
            "--stack-name", STACK, "--region", REGION, "--s3-bucket", ARTEFACTS,
            "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
            "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items()),
        ],
        env={**env, "SAM_CLI_POLL_DELAY": "0.2"},
        log=log,
        cwd=ROOT,
        doing="sam deploy",
    )  # fmt: skip


def describe(endpoint: str) -> Deployment:
    """Read back what was deployed."""
    cloudformation = client("cloudformation", endpoint)
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    return Deployment(
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        resources={
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
        },
        template=cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"],
    )
