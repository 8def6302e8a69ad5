"""`make deploy` on the emulator: what was answered stays, what is shown is what changes, and nothing goes by accident.

The template is a small one with the names of the real one; SAM, its configuration file and CloudFormation are real.
"""

from __future__ import annotations

import os
import pty
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded import aws, emulator
from embedded.places import ROOT, SAM_VENV

TEMPLATE = """
Parameters:
  SenderAddresses: { Type: CommaDelimitedList, AllowedPattern: "^ *[^@, ]+@[A-Za-z0-9.-]+ *$" }
  InboundDomains: { Type: String, Default: "" }
  DomainName: { Type: String, Default: "" }
  PublicUrl: { Type: String, Default: "" }
  HostedZoneId: { Type: String, Default: "" }
  LogLevel: { Type: String, Default: INFO, AllowedValues: [DEBUG, INFO] }
  PythonRuntime: { Type: String, Default: python3.13 }
  Architecture: { Type: String, Default: arm64 }
Conditions:
  HasDomain: !Not [!Equals [!Ref DomainName, ""]]
Resources:
  Domain: { Type: "AWS::SQS::Queue", Condition: HasDomain }
  Answers: { Type: "AWS::SNS::Topic", Properties: { DisplayName: !Ref LogLevel } }
"""
SAVED = """version = 0.1
# kept by hand
[default.deploy.parameters]
stack_name = "STACK"
region = "us-east-1"
parameter_overrides = "SenderAddresses=\\"a@example.com, b@example.com\\" InboundDomains=\\"in.example.com\\" DomainName=\\"links.example.com\\" PublicUrl=\\"https://old.example.com\\" LogLevel=\\"INFO\\""

[default.build.parameters]
debug = false # mine
"""
YES = "--no-confirm-changeset"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("aws")
    started = emulator.start(folder, port=None, enforce_iam=False, functions_environment={})
    yield started.endpoint
    started.stop()


class Project:
    """A clone, and its stack."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self.stack = folder, f"stack-{folder.name.replace('_', '-')}"[:60]
        self.file = folder / "samconfig.toml"
        self.cloudformation = aws.client("cloudformation", endpoint)
        self._environment = {**aws.environment(endpoint), "PYTHONPATH": str(ROOT / "tools"), "SAM_CLI_POLL_DELAY": "0.1"}
        (folder / "template.yaml").write_text(TEMPLATE)
        self.file.write_text(SAVED.replace("STACK", self.stack))

    def deploy(self, *arguments: str, **said: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SAM_VENV / "bin" / "python", "-m", "deploying", *arguments],
            cwd=self.folder, env=self._environment | said, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    def deploy_at_a_terminal(self, answer: str, **said: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [SAM_VENV / "bin" / "python", "-m", "deploying"],
            cwd=self.folder, env=self._environment | said, stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        shown = ""
        while True:
            try:
                shown += os.read(ours, 4096).decode(errors="replace")
            except OSError:  # it has ended
                break
            if answer and "Deploy this? [y/N]" in shown:
                os.write(ours, f"{answer}\n".encode())
                answer = ""
        os.close(ours)
        return process.wait(), shown

    def saved(self) -> dict[str, Any]:
        return tomllib.loads(self.file.read_text())["default"]["deploy"]["parameters"]

    def deployed(self) -> dict[str, str]:
        stack = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


@pytest.fixture
def project(tmp_path: Path, endpoint: str) -> Project:
    return Project(tmp_path, endpoint)


@pytest.fixture
def standing(project: Project) -> Project:
    """One that is deployed already."""
    done = project.deploy(YES)
    assert done.returncode == 0, done.stdout
    return project


def test_a_changed_answer_lasts_and_changes_no_other(standing: Project) -> None:
    before = standing.deployed()
    done = standing.deploy(YES, SET="LogLevel=DEBUG")
    assert done.returncode == 0, done.stdout
    assert standing.deployed() == before | {"LogLevel": "DEBUG"}
    again = standing.deploy(YES)
    assert "No changes to deploy" in again.stdout
    assert standing.deployed() == before | {"LogLevel": "DEBUG"}


def test_the_file_keeps_all_else_that_is_in_it(standing: Project) -> None:
    text = standing.file.read_text()
    standing.deploy(YES, SET="LogLevel=DEBUG")
    assert standing.file.read_text() == text.replace('LogLevel=\\"INFO\\"', 'LogLevel=\\"DEBUG\\"')
