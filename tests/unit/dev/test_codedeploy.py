"""How calls move to a new version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.codedeploy import HOLD, Deployment, Round, Step, alarms_of, passing, policy_of, steps_of
from support.weights import Turns


def alias(version: str = "7") -> dict[str, Any]:
    return {"Name": "live", "FunctionVersion": version}


def deployment(of: dict[str, Any], *alarms: str) -> Deployment:
    """A deployment of version 8."""

    def change(function: str, name: str, to: dict[str, Any]) -> None:
        assert (function, name) == ("f", "live")
        of.update(to)

    steps = steps_of("CodeDeployDefault.LambdaCanary10Percent5Minutes")
    return Deployment(function="f", alias=of, version="8", steps=steps, alarms=alarms, change=change)


def after(*minutes: float) -> Callable[[], float]:
    """A clock by which so much passes from look to look."""
    times: Iterator[float] = iter(minutes)
    return lambda: next(times)


@pytest.mark.parametrize(
    ("configuration", "steps"),
    [
        ("Canary10Percent5Minutes", [(0, 0.1), (5, 1)]),
        ("Canary10Percent15Minutes", [(0, 0.1), (15, 1)]),
        ("Linear10PercentEvery1Minute", [(each, (each + 1) / 10) for each in range(10)]),
    ],
)
def test_the_strategies_that_the_template_allows(configuration: str, steps: list[tuple[float, float]]) -> None:
    assert steps_of(f"CodeDeployDefault.Lambda{configuration}") == [Step(*each) for each in steps]


def test_a_strategy_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="AllAtOnce"):
        steps_of("CodeDeployDefault.LambdaAllAtOnce")


def test_a_tenth_of_the_calls_is_each_tenth() -> None:
    turns, both = Turns(), {**alias(), "RoutingConfig": {"AdditionalVersionWeights": {"8": 0.1}}}
    assert [turns.version("f", both) for _ in range(30)] == ["7"] * 9 + ["8"] + ["7"] * 9 + ["8"] + ["7"] * 9 + ["8"]
    assert {turns.version("g", both) for _ in range(9)} == {"7"}, "another function's calls are counted apart"
    assert {turns.version("f", alias()) for _ in range(30)} == {"7"}


def test_calls_move_when_the_time_has_come() -> None:
    moved, deployments = alias(), Round(lambda _: False, after(4.9, 0.2))
    deployments.start(deployment(moved))
    assert moved == {**alias(), "RoutingConfig": {"AdditionalVersionWeights": {"8": 0.1}}}
    deployments.finish()
    assert moved == {**alias("8"), "RoutingConfig": {"AdditionalVersionWeights": {}}}


def test_an_alarm_of_one_takes_all_of_them_back() -> None:
    first, second = alias(), alias()
    deployments = Round(lambda name: name == "ringing", after(4.9, 0.2))
    deployments.start(deployment(first, "quiet"))
    deployments.start(deployment(second, "quiet", "ringing"))
    with pytest.raises(ValueError, match="ringing"):
        deployments.finish()
    assert first == second == {**alias(), "RoutingConfig": {"AdditionalVersionWeights": {}}}


def test_an_alarm_that_goes_off_at_the_last_moment_is_heeded() -> None:
    moved = alias()
    deployments = Round(lambda _: True, after(5.0))
    deployments.start(deployment(moved, "ringing"))
    with pytest.raises(ValueError, match="ringing"):
        deployments.finish()
    assert moved["FunctionVersion"] == "7"


def test_only_an_alias_with_a_policy_is_deployed() -> None:
    policy = {"DeploymentGroupName": {"Ref": "Group"}}
    with_policy = {"Type": "AWS::Lambda::Alias", "UpdatePolicy": {"CodeDeployLambdaAliasUpdate": policy}}
    assert policy_of(with_policy) == policy
    assert policy_of({"Type": "AWS::Lambda::Alias"}) is None


def test_alarms_count_for_a_group_that_watches_them_and_rolls_back_for_them() -> None:
    watching = {"AlarmConfiguration": {"Enabled": True, "Alarms": [{"Name": "a"}, {"Name": "b"}]}}
    rolling_back = {"AutoRollbackConfiguration": {"Enabled": True, "Events": ["DEPLOYMENT_STOP_ON_ALARM"]}}
    assert alarms_of({**watching, **rolling_back}) == ["a", "b"]
    assert alarms_of(watching) == alarms_of(rolling_back) == alarms_of({}) == []
    elsewhere = {"AutoRollbackConfiguration": {"Enabled": True, "Events": ["DEPLOYMENT_FAILURE"]}}
    assert alarms_of({**watching, **elsewhere}) == []


def test_deployments_stand_still_while_they_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] > 100:
            (tmp_path / HOLD).unlink(missing_ok=True)

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    (tmp_path / HOLD).touch()
    passed = passing(tmp_path, 1.0)
    assert passed() < 1, "nobody let go before"
    assert clock[0] > 100
    assert passed() == pytest.approx(0.1)
