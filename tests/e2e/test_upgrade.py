"""A deployment over a running one: calls move to new versions step by step, and people get through.

The default strategy, `Canary10Percent5Minutes`, as `support.codedeploy` plays it: a tenth of a function's calls is
each tenth call. It stands still while the tests hold it.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from cfnlint.decode.cfn_yaml import loads

from dev.emulator.deploy import ARTEFACTS, STACK
from support import codedeploy
from support.stack import Answer, Stack, standing
from support.waiting import eventually

TENTH: Final = 10
"""Of so many calls in a row, the new version gets one."""
ONE_CLICK: Final = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: what is deployed over it would disturb others."""
    with standing(tmp_path_factory.mktemp("upgraded"), emulator=codedeploy.PROGRAM) as stack:
        yield stack


def template_of(stack: Stack) -> str:
    """The template as it was sent."""
    found = stack.client("cloudformation").get_template(StackName=STACK, TemplateStage="Original")
    return str(found["TemplateBody"])


def begin(stack: Stack, template: str, **answers: str) -> None:
    """Begin to deploy a template over the stack, with other answers to some questions."""
    cloudformation = stack.client("cloudformation")
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


def state(stack: Stack) -> str:
    return str(stack.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])


def ended(stack: Stack) -> str:
    """How the deployment ended."""
    return str(eventually(lambda: state(stack), lambda found: not found.endswith("_IN_PROGRESS"), seconds=300))


def why(stack: Stack) -> str:
    """Why a deployment was taken back."""
    events = stack.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
    return next(str(each["ResourceStatusReason"]) for each in events if each["ResourceStatus"] == "UPDATE_FAILED")


@contextmanager
def held(stack: Stack) -> Iterator[None]:
    """No time passes for a deployment meanwhile."""
    hold = Path(stack.told["log"]).with_name(codedeploy.HOLD)
    hold.touch()
    try:
        yield
    finally:
        hold.unlink()


def aliases(stack: Stack) -> dict[str, dict[str, Any]]:
    """Where the calls of each function go."""
    functions = stack.client("lambda")
    names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    found = {name: functions.get_alias(FunctionName=name, Name="live") for name in names}
    return {
        name: {"version": each["FunctionVersion"], "beside": each.get("RoutingConfig", {})}
        for name, each in found.items()
    }


def moving(stack: Stack) -> dict[str, dict[str, Any]]:
    """Where the calls of each function go, once all are on the move."""
    return dict(eventually(lambda: aliases(stack), lambda found: all(each["beside"] for each in found.values())))


def all_newer(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> bool:
    """Whether all calls of each function go to a version that wasn't there before."""
    newer = [int(after[name]["version"]) > int(each["version"]) for name, each in before.items()]
    return all(newer) and not [each for each in after.values() if each["beside"]]


def live(stack: Stack) -> dict[str, dict[str, Any]]:
    """What calls to each function get: the configuration of the version that its alias leads to."""
    functions = stack.client("lambda")
    return {
        name: functions.get_function_configuration(FunctionName=name, Qualifier=to["version"])["Environment"]
        for name, to in aliases(stack).items()
    }


def of(stack: Stack, logical_id: str) -> str:
    """A function's name."""
    described = stack.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
    return str(described["StackResourceDetail"]["PhysicalResourceId"])


def calls_of(stack: Stack, function: str, version: str) -> float:
    """How many calls a version got while an alias led to two, as CloudWatch counts them."""
    now = datetime.now(UTC)
    names = {"FunctionName": function, "Resource": f"{function}:live", "ExecutedVersion": version}
    found = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": name, "Value": value} for name, value in names.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(each["Sum"] for each in found))


def people(stack: Stack, name: str, number: int) -> dict[str, str]:
    """People whom a platform emails, and the path of each one's unsubscribe link."""
    addresses = [f"{name}-{each}@example.com" for each in range(number)]
    recipients = [{"email": address} for address in addresses]
    links = stack.api("POST", "/v1/links", {"topic": "news", "recipients": recipients}).json()["links"]
    return {address: urlsplit(link["unsubscribe_url"]).path for address, link in zip(addresses, links, strict=True)}


def leave(stack: Stack, path: str) -> int:
    return stack.call("POST", path, form=dict(ONE_CLICK)).status


def look_up(stack: Stack, address: str) -> Answer:
    return stack.api("POST", "/v1/subscribers/lookup", {"email": address})


def out(stack: Stack, addresses: list[str]) -> bool:
    """Whether all of them are on record as having left, once what was spooled is recorded."""
    for each in addresses:
        eventually(partial(stack.status, each), lambda found: found == "unsubscribed", seconds=180)
    return True


def test_answers_that_do_not_go_together_change_nothing(own: Stack) -> None:
    before = aliases(own)
    with pytest.raises(ClientError, match="DomainName needs a certificate"):
        begin(own, template_of(own), DomainName="links.example.com")
    assert aliases(own) == before


def test_a_new_version_gets_a_tenth_of_the_clicks_and_then_all_of_them(own: Stack) -> None:
    before, one_click = aliases(own), of(own, "OneClickFunction")
    links = people(own, "good", 3 * TENTH)
    first, later = [*links][: 2 * TENTH], [*links][2 * TENTH :]
    with held(own):
        begin(own, template_of(own), LogLevel="WARNING")
        meanwhile = moving(own)
        assert {name: each["version"] for name, each in meanwhile.items()} == {
            name: each["version"] for name, each in before.items()
        }
        ((new, weight),) = meanwhile[one_click]["beside"]["AdditionalVersionWeights"].items()
        assert weight == 1 / TENTH
        assert {leave(own, links[each]) for each in first} == {200}
        assert calls_of(own, one_click, new) == len(first) / TENTH
        assert state(own) == "UPDATE_IN_PROGRESS"
    assert {leave(own, links[each]) for each in later} == {200}
    assert ended(own) == "UPDATE_COMPLETE"
    assert all_newer(before, aliases(own))
    assert {each["Variables"]["POWERTOOLS_LOG_LEVEL"] for each in live(own).values()} == {"WARNING"}
    assert out(own, [*links])


def without_a_table(template: str) -> str:
    """Functions that look for a table that isn't there."""
    named = "TABLE_NAME:\n          Ref: Table\n"
    assert template.count(named) == 1
    return template.replace(named, "TABLE_NAME: nowhere\n")


def test_a_version_that_answers_503_is_rolled_back_by_itself_and_no_opt_out_is_lost(own: Stack) -> None:
    before = aliases(own)
    links = people(own, "unavailable", 2 * TENTH)
    with held(own):
        begin(own, without_a_table(template_of(own)))
        moving(own)
        assert {leave(own, path) for path in links.values()} == {200}, "whoever leaves is told so, by either version"
        assert Counter(look_up(own, address).status for address in links) == {200: 2 * TENTH - 2, 503: 2}
    assert ended(own) == "UPDATE_ROLLBACK_COMPLETE"
    assert "FaultsAlarm" in why(own)
    assert aliases(own) == before
    assert out(own, [*links])


def with_a_broken_page(stack: Stack, template: str) -> str:
    """A page with the unsubscribe options whose code raises."""
    code = str(loads(template)["Resources"]["UnsubscribeFunction"]["Properties"]["CodeUri"])
    objects, key = stack.client("s3"), code.removeprefix(f"s3://{ARTEFACTS}/")
    packed, broken = io.BytesIO(objects.get_object(Bucket=ARTEFACTS, Key=key)["Body"].read()), io.BytesIO()
    with zipfile.ZipFile(packed) as before, zipfile.ZipFile(broken, "w") as after:
        source = before.read("handler.py").decode()
        docstring = '"""The page with the unsubscribe options."""\n'
        assert source.count(docstring) == 1
        after.writestr("handler.py", source.replace(docstring, f"{docstring}    raise TypeError\n"))
    objects.put_object(Bucket=ARTEFACTS, Key="broken", Body=broken.getvalue())
    return template.replace(code, f"s3://{ARTEFACTS}/broken")


def test_a_version_whose_code_raises_answers_500_and_is_rolled_back_by_itself(own: Stack) -> None:
    before, name = aliases(own), of(own, "UnsubscribeFunction")
    (path,) = people(own, "broken", 1).values()
    with held(own):
        begin(own, with_a_broken_page(own, template_of(own)))
        eventually(lambda: aliases(own)[name]["beside"], bool)
        answers = [own.call("GET", path).status for _ in range(TENTH)]
    assert Counter(answers) == {200: TENTH - 1, 500: 1}
    assert ended(own) == "UPDATE_ROLLBACK_COMPLETE"
    assert "NewPagesFaultsAlarm" in why(own)
    assert aliases(own) == before
    assert {own.call("GET", path).status for _ in range(TENTH)} == {200}


def test_all_calls_go_to_the_new_versions_at_once_where_somebody_wants_it_so(own: Stack) -> None:
    before = aliases(own)
    begin(own, template_of(own), DeploymentStrategy="AllAtOnce", LogLevel="ERROR")
    assert ended(own) == "UPDATE_COMPLETE"
    assert all_newer(before, aliases(own))
    pages = own.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    kinds = {each["ResourceType"] for page in pages for each in page["StackResourceSummaries"]}
    assert not [kind for kind in kinds if kind.startswith("AWS::CodeDeploy::")]
    assert own.call("GET", "/s/demo").status == 200
