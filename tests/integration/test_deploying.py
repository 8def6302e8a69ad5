"""`make deploy` on the emulator: what was answered stays, what is shown is what changes, and nothing goes by accident.

The template is a small one with the names of the real one; SAM, its configuration file and CloudFormation are real.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from dev.emulator import aws, ministack
from dev.places import ROOT, SAM_VENV
from support.waiting import eventually

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
  Shown: { Type: "AWS::SNS::Topic", Properties: { DisplayName: !Ref LogLevel } }
"""
ANSWERS = {
    "SenderAddresses": "a@example.com, b@example.com",
    "InboundDomains": "in.example.com",
    "DomainName": "links.invalid",
    "PublicUrl": "https://old.example.com",
    "HostedZoneId": "",
    "LogLevel": "INFO",
}
OVERRIDES = " ".join(f'{name}=\\"{value}\\"' for name, value in ANSWERS.items())
SAVED = f"""version = 0.1
# kept by hand
[default.global.parameters]
region = "us-east-1"
[default.deploy.parameters]
stack_name = "STACK" # ours
parameter_overrides = "{OVERRIDES}"

[default.build.parameters]
debug = false # mine
"""
YES = "--no-confirm-changeset"
SAM_PYTHON: Final = SAM_VENV / "bin" / "python"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("aws")
    started = ministack.start(folder, port=None, enforce_iam=False, functions_environment={})
    yield started.endpoint
    started.stop()


def environment(endpoint: str) -> dict[str, str]:
    return {**aws.environment(endpoint), "PYTHONPATH": str(ROOT / "tools"), "SAM_CLI_POLL_DELAY": "0.1"}


class Project:
    """A clone, and its stack."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self.stack = folder, f"stack-{folder.name.replace('_', '-')}"[:60]
        self.file, self.built = folder / "samconfig.toml", folder / ".aws-sam"
        self.cloudformation = aws.client("cloudformation", endpoint)
        self.environment = environment(endpoint)
        (folder / "template.yaml").write_text(TEMPLATE)
        self.file.write_text(SAVED.replace("STACK", self.stack))

    def deploy(self, *arguments: str, **said: str) -> subprocess.CompletedProcess[str]:
        with self.start(arguments, said, subprocess.DEVNULL, subprocess.PIPE) as started:
            assert started.stdout
            told = started.stdout.read().decode()
        return subprocess.CompletedProcess(arguments, started.returncode, told)

    def deploy_at_a_terminal(self, *typed: str, arguments: Sequence[str] = (), **said: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        started = self.start(arguments, said, theirs, theirs)
        os.close(theirs)
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        shown = b""
        with contextlib.suppress(OSError):  # what reading raises once it has ended
            while True:
                shown += os.read(ours, 4096)
        os.close(ours)
        return started.wait(), shown.decode(errors="replace")

    def start(self, arguments: Sequence[str], said: dict[str, str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        """As make does. A change set is named by its second: starts this slow never share one."""
        return subprocess.Popen(  # noqa: S603 - our own words
            [SAM_PYTHON, "-m", "dev.deploying", *arguments],
            cwd=self.folder, env=self.environment | said, stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def saved(self) -> dict[str, str]:
        text = tomllib.loads(self.file.read_text())["default"]["deploy"]["parameters"]["parameter_overrides"]
        return dict(re.findall(r'(\w+)="([^"]*)"', text))

    def resources(self) -> list[Any]:
        return list(self.cloudformation.list_stack_resources(StackName=self.stack)["StackResourceSummaries"])

    def status(self) -> str:
        return str(self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]["StackStatus"])

    def deployed(self) -> dict[str, str]:
        stack = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


@pytest.fixture
def project(tmp_path: Path, endpoint: str) -> Project:
    return Project(tmp_path, endpoint)


@pytest.fixture
def standing(project: Project) -> Project:
    """One that is deployed already, with the answers that its file has."""
    project.cloudformation.create_stack(
        StackName=project.stack,
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in ANSWERS.items()],
    )
    project.cloudformation.get_waiter("stack_create_complete").wait(StackName=project.stack, WaiterConfig={"Delay": 1})
    assert project.deployed().items() >= ANSWERS.items()
    return project


def test_a_changed_answer_lasts_and_changes_no_other(standing: Project) -> None:
    before, text = standing.deployed(), standing.file.read_text()
    done = standing.deploy(YES, SET="LogLevel=DEBUG")
    assert done.returncode == 0, done.stdout
    assert "  LogLevel: INFO -> DEBUG\n" in done.stdout
    assert standing.deployed() == before | {"LogLevel": "DEBUG"}
    assert standing.file.read_text() == text.replace('LogLevel=\\"INFO\\"', 'LogLevel=\\"DEBUG\\"')
    assert "No changes to deploy" in standing.deploy(YES).stdout
    assert standing.deployed() == before | {"LogLevel": "DEBUG"}


def test_what_was_changed_elsewhere_is_neither_changed_back_nor_taken_over_unless_told(standing: Project) -> None:
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in ANSWERS if name != "LogLevel"]
    told = [{"ParameterKey": "LogLevel", "ParameterValue": "DEBUG"}]
    standing.cloudformation.update_stack(StackName=standing.stack, UsePreviousTemplate=True, Parameters=kept + told)
    standing.cloudformation.get_waiter("stack_update_complete").wait(
        StackName=standing.stack, WaiterConfig={"Delay": 1}
    )

    refused = standing.deploy(YES)
    assert refused.returncode == 1
    assert "LogLevel: 'INFO' in the file, 'DEBUG' in the stack" in refused.stdout
    assert not standing.built.exists()
    standing.deploy(YES, HOLDS="stack")
    assert standing.saved() == ANSWERS | {"LogLevel": "DEBUG"}
    assert standing.deployed()["LogLevel"] == "DEBUG"

    standing.file.write_text(SAVED.replace("STACK", standing.stack))
    standing.deploy(YES, HOLDS="file")
    assert standing.saved() == ANSWERS
    assert standing.deployed()["LogLevel"] == "INFO"


def test_reception_of_mail_ends_only_if_that_is_said(standing: Project) -> None:
    refused = standing.deploy(YES, SET="InboundDomains= LogLevel=DEBUG")
    assert refused.returncode == 1
    assert "inbound: in.example.com; opt-outs by mail bounce or are lost" in refused.stdout
    assert "REMOVE='inbound'" in refused.stdout
    assert standing.saved() == ANSWERS
    assert standing.deployed().items() >= ANSWERS.items()
    done = standing.deploy(YES, SET="InboundDomains=", REMOVE="inbound")
    assert done.returncode == 0, done.stdout
    assert standing.deployed()["InboundDomains"] == standing.saved()["InboundDomains"] == ""


def test_a_domain_goes_only_if_that_is_said(standing: Project) -> None:
    # Taken out of the template: the emulator's change sets know nothing of conditions.
    (standing.folder / "template.yaml").write_text(TEMPLATE.replace("  Domain:", "  AnotherName:"))
    refused = standing.deploy(YES)
    assert refused.returncode == 1
    assert "domain: Domain; links that were mailed with it lead nowhere" in refused.stdout
    assert {each["LogicalResourceId"] for each in standing.resources()} == {"Domain", "Shown"}


def test_links_are_not_led_to_a_name_before_it_is_published(standing: Project) -> None:
    refused = standing.deploy(YES, SET="PublicUrl=")
    assert refused.returncode == 1
    assert "links would lead to links.invalid, which no DNS knows yet" in refused.stdout
    assert standing.deployed()["PublicUrl"] == "https://old.example.com"


def test_a_person_is_asked_and_may_say_no(standing: Project) -> None:
    before = standing.deployed()
    code, shown = standing.deploy_at_a_terminal("n", SET="LogLevel=DEBUG")
    assert (code, "LogLevel: INFO -> DEBUG" in shown) == (1, True)
    assert standing.deployed() == before
    assert standing.saved() == ANSWERS
    code, shown = standing.deploy_at_a_terminal("y", SET="LogLevel=DEBUG")
    assert code == 0, shown
    assert standing.deployed() == before | standing.saved() == before | {"LogLevel": "DEBUG"}


def test_the_first_time_every_question_is_asked_and_the_answers_last(project: Project) -> None:
    project.file.unlink()
    questions = (*ANSWERS, "PythonRuntime", "Architecture")
    answered = [ANSWERS.get(name, "") for name in questions]
    code, shown = project.deploy_at_a_terminal(
        project.stack, "", *answered, "n", "y", "n", "y", "", "", "y", arguments=["--guided"]
    )
    assert code == 0, shown
    assert shown.index("Save arguments") < shown.index("Deploy this? [y/N]")
    assert project.saved().items() >= ANSWERS.items()
    assert project.deployed() == project.saved()
    assert project.deploy(YES, SET="LogLevel=DEBUG").returncode == 0
    assert project.deployed() == project.saved()
    assert project.saved().items() >= (ANSWERS | {"LogLevel": "DEBUG"}).items()


def test_answers_for_another_stack_dont_write_over_those_that_there_are(standing: Project) -> None:
    kept = standing.file.read_text()
    answered = [ANSWERS.get(name, "") for name in (*ANSWERS, "PythonRuntime", "Architecture")]
    code, shown = standing.deploy_at_a_terminal(
        f"{standing.stack}-2", "", *answered, "n", "y", "n", "y", "", "", arguments=["--guided"]
    )
    assert code == 1
    assert "ARGS='--guided --config-env NAME'" in shown
    assert standing.file.read_text() == kept


def test_a_first_deployment_needs_a_region_before_it_asks(project: Project) -> None:
    project.file.unlink()
    refused = project.deploy(YES, "--guided", AWS_DEFAULT_REGION="", AWS_REGION="", AWS_CONFIG_FILE="/dev/null")
    assert refused.returncode == 1
    assert "ARGS='--guided --region REGION'" in refused.stdout
    assert not project.built.exists()


def test_what_functions_run_on_cant_change_once_the_layers_are_built(project: Project) -> None:
    project.file.unlink()
    answered = [ANSWERS.get(name, "") for name in ANSWERS]
    code, shown = project.deploy_at_a_terminal(
        project.stack, "", *answered, "", "x86_64", "n", "y", "n", "y", "", "", "y", arguments=["--guided"]
    )
    assert code == 1
    assert "the layers are built for python3.13 on arm64, not for python3.13 on x86_64" in shown
    assert "Deploy this?" not in shown
    done = project.deploy(YES)  # what was answered is saved, and built for from the beginning
    assert done.returncode == 0, done.stdout
    assert project.deployed()["Architecture"] == "x86_64"


def test_one_may_only_look(standing: Project) -> None:
    looked = standing.deploy("--no-execute-changeset", SET="LogLevel=DEBUG")
    assert looked.returncode == 0, looked.stdout
    assert "  LogLevel: INFO -> DEBUG\n" in looked.stdout
    assert standing.deployed()["LogLevel"] == standing.saved()["LogLevel"] == "INFO"


REFUSED: Final[list[tuple[list[str], dict[str, str], str]]] = [
    ([], {}, "nobody is there to be asked"),
    ([YES, "--parameter-overrides", "LogLevel=DEBUG"], {}, "SET='Name=value'"),
    ([YES, "--stack-name", "other"], {}, "--config-env NAME"),
    ([YES, "--region", "eu-west-1"], {}, "these answers are for us-east-1"),
    ([YES], {"SET": "LogLvl=DEBUG"}, "is it LogLevel?"),
    ([YES], {"SET": "LogLevel=loud"}, "LogLevel has to be one of DEBUG, INFO"),
    ([YES], {"REMOVE": "everything"}, "REMOVE takes api or archive or domain"),
    ([YES], {"HOLDS": "stack file"}, "HOLDS takes file or stack"),
    ([YES, "--config-env", "prod"], {}, "samconfig.toml doesn't say which stack. The first time: ARGS=--guided"),
    ([YES, "--config-file", "nowhere.toml"], {}, "nowhere.toml does not exist"),
]
TRY_ALL: Final = """
import json, sys
from dev.deploying.__main__ import run
cases, sys.stdin = json.load(sys.stdin), open("/dev/null")
for arguments, said, _ in cases:
    try:
        run(arguments, said)
    except Exception as error:
        print(json.dumps(str(error)))
"""


def test_what_cannot_be_is_refused_before_anything_is_built(project: Project) -> None:
    ran = subprocess.run(  # noqa: S603 - our own words
        [SAM_VENV / "bin" / "python", "-c", TRY_ALL], cwd=project.folder, env=project.environment,
        input=json.dumps(REFUSED), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [why for (_, _, why), said in zip(REFUSED, told, strict=True) if why not in said] == []
    assert not project.built.exists()


def test_a_first_deployment_that_failed_is_to_be_deleted_first(project: Project) -> None:
    broken = (
        TEMPLATE
        + """
  Nobody: { Type: "AWS::CloudFormation::WaitConditionHandle" }
  Never: { Type: "AWS::CloudFormation::WaitCondition", Properties: { Handle: !Ref Nobody, Timeout: "1" } }
"""
    )
    parameters = [{"ParameterKey": "SenderAddresses", "ParameterValue": "a@example.com"}]
    project.cloudformation.create_stack(StackName=project.stack, TemplateBody=broken, Parameters=parameters)
    eventually(project.status, "ROLLBACK_COMPLETE".__eq__)
    refused = project.deploy(YES)
    assert refused.returncode == 1
    assert f"aws cloudformation delete-stack --stack-name {project.stack}" in refused.stdout
    assert not project.built.exists()


def test_another_section_of_the_file_has_a_stack_and_answers_of_its_own(project: Project) -> None:
    other = """
[prod.deploy.parameters]
stack_name = "OTHER"
parameter_overrides = [
  "SenderAddresses=a@example.com", # ours
  "LogLevel=INFO",
]
""".replace("OTHER", f"{project.stack}-prod")
    project.file.write_text(project.file.read_text() + other)
    done = project.deploy(YES, "--config-env", "prod", SET="LogLevel=DEBUG PublicUrl=https://x.example")
    assert done.returncode == 0, done.stdout
    assert 'SenderAddresses=a@example.com", # ours\n' in project.file.read_text()
    saved = tomllib.loads(project.file.read_text())
    assert saved["prod"]["deploy"]["parameters"]["parameter_overrides"] == [
        "SenderAddresses=a@example.com", 'LogLevel="DEBUG"', 'PublicUrl="https://x.example"',
    ]  # fmt: skip
    assert project.saved() == ANSWERS


def test_what_the_file_says_twice_is_not_saved_where_sam_does_not_look(project: Project) -> None:
    project.file.write_text(
        project.file.read_text().replace(
            f'"{OVERRIDES}"', '["LogLevel=INFO", "SenderAddresses=a@b.example LogLevel=INFO"]'
        )
    )
    before = project.file.read_text()
    refused = project.deploy(YES, SET="LogLevel=DEBUG")
    assert refused.returncode == 1
    assert "is there a parameter in samconfig.toml twice?" in refused.stdout
    assert project.file.read_text() == before
    assert not project.built.exists()


LAYER = """
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: { ContentUri: layer, CompatibleRuntimes: [!Ref PythonRuntime] }
    Metadata: { BuildMethod: makefile }
  Fn::ForEach::Topics:
    - Name
    - [First, Second]
    - ${Name}Topic: { Type: AWS::SNS::Topic, Properties: { DisplayName: !Sub "${LogLevel} ${Name}" } }
"""
TRANSFORMS = "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]"


def test_layers_without_byte_code_are_not_deployed_unless_that_is_said(project: Project) -> None:
    (project.folder / "template.yaml").write_text(f"{TRANSFORMS}\n{TEMPLATE}{LAYER}")
    (project.folder / "layer").mkdir()
    (project.folder / "layer" / "module.py").write_text("answer = 42\n")
    (project.folder / "layer" / "Makefile").write_text(
        "build-Layer:\n\techo for $$CONSENTRY_TARGET_PYTHON on $$CONSENTRY_TARGET_PLATFORM\n"
        '\tmkdir -p "$(ARTIFACTS_DIR)/python" && cp module.py "$(ARTIFACTS_DIR)/python"\n'
    )
    refused = project.deploy(YES, SET="PythonRuntime=python3.12 Architecture=x86_64")
    assert refused.returncode == 1
    assert "for 3.12 on manylinux2014_x86_64\n" in refused.stdout
    assert "1 modules of the layers have no byte code of Python 3.12" in refused.stdout
    assert ".venv/bin/uv python install 3.12" in refused.stdout
    assert project.saved() == ANSWERS
    done = project.deploy(YES, "--resolve-s3", WITHOUT="bytecode")
    assert done.returncode == 0, done.stdout
