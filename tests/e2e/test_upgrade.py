"""A deployment over a running one: what it changes reaches the versions that calls go to, and people get through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded.deploy import ARTEFACTS, STACK
from support.stack import Stack, standing


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: what is deployed over it would disturb others."""
    with standing(tmp_path_factory.mktemp("upgraded")) as stack:
        yield stack


def deploy(stack: Stack, **answers: str) -> None:
    """Deploy the same template over the stack, with other answers to some questions."""
    cloudformation = stack.client("cloudformation")
    template = cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"]
    stack.client("s3").put_object(Bucket=ARTEFACTS, Key="template.yaml", Body=template.encode())
    asked = [
        each["ParameterKey"] for each in cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
    ]
    cloudformation.update_stack(
        StackName=STACK,
        TemplateURL=f"{stack.told['aws_endpoint_url']}/{ARTEFACTS}/template.yaml",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": answers[name]}
            if name in answers
            else {"ParameterKey": name, "UsePreviousValue": True}
            for name in asked
        ],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def live(stack: Stack) -> dict[str, dict[str, Any]]:
    """What calls to each function get: the configuration of the version that its alias leads to."""
    functions = stack.client("lambda")
    names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    found = {name: functions.get_function_configuration(FunctionName=name, Qualifier="live") for name in names}
    for each in found.values():
        del each["ResponseMetadata"]
    return found


def test_answers_that_do_not_go_together_change_nothing(own: Stack) -> None:
    before = live(own)
    with pytest.raises(ClientError, match="DomainName needs a certificate"):
        deploy(own, DomainName="links.example.com")
    assert live(own) == before


def test_a_changed_answer_reaches_the_version_of_every_function_and_people_get_through(own: Stack) -> None:
    before = live(own)
    assert {each["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] for each in before.values()} == {"INFO"}
    deploy(own, LogLevel="WARNING")
    after = live(own)
    assert {each["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] for each in after.values()} == {"WARNING"}
    assert all(int(after[name]["Version"]) == int(each["Version"]) + 1 for name, each in before.items())
    assert own.call("GET", "/s/demo").status == 200
