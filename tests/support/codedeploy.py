"""CodeDeploy for the emulator, which has none. Runs in the emulator's own process; see `upgradable`.

The emulator of `make run` knows CodeDeploy's resources, and has an update's calls go to new versions at once.

When a stack's update changes the version of an alias that has an UpdatePolicy, calls move as the alias's deployment
group has it: some to the new version, the rest when the time has come. While they move, the group's alarms are watched
(`metrics`). If one goes off, the alias leads to the old version alone again, its update fails, and CloudFormation takes
back the whole stack update.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html

CloudFormation updates aliases side by side, the emulator one after another. So an update that starts a deployment is
left at once, and the last alias of the template waits for all of them.
"""

from __future__ import annotations

import math
import os
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dev.emulator import inside
from support import judging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ALIAS: Final = "AWS::Lambda::Alias"
POLICY: Final = "CodeDeployLambdaAliasUpdate"
MINUTE_S: Final = "CODEDEPLOY_MINUTE_S"
"""The variable that says how many seconds a minute of a deployment takes here."""
PROGRAM: Final = Path(__file__).with_name("upgradable.py")
"""What the emulator's Python runs, so that calls move."""
HOLD: Final = "hold-deployments"
"""While the emulator's folder has a file of this name, deployments stand still: for tests, which assume no speed."""
LOOK_EVERY_S: Final = 0.1
_CONFIGURATION: Final = re.compile(r"CodeDeployDefault\.Lambda(Canary|Linear)(\d+)Percent(?:Every)?(\d+)Minutes?")


class Step(NamedTuple):
    """A part of a deployment."""

    after: float
    """Minutes from the beginning."""
    weight: float
    """The share of the calls that go to the new version from then on."""


def steps_of(configuration: str) -> list[Step]:
    """How a deployment configuration of CodeDeploy's own moves calls; the last step is all of them.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html

    Raises:
        ValueError: a configuration that this doesn't know.
    """
    known = _CONFIGURATION.fullmatch(configuration)
    if known is None:
        raise ValueError(f"no deployment configuration: {configuration}")
    kind, percent, minutes = known[1], int(known[2]), int(known[3])
    if kind == "Canary":
        return [Step(0, percent / 100), Step(minutes, 1)]
    return [Step(each * minutes, min(1, (each + 1) * percent / 100)) for each in range(math.ceil(100 / percent))]


@dataclass(kw_only=True)
class Deployment:
    """Calls of an alias on their way to another version."""

    function: str
    alias: dict[str, Any]
    """As the emulator keeps it."""
    version: str
    """The new one."""
    steps: Sequence[Step]
    alarms: Sequence[str]
    change: Callable[[str, str, dict[str, Any]], Any]
    """Lambda's UpdateAlias: the function, the alias's name, and what changes."""
    weight: float = 0.0
    """The share of the calls that go to the new version now."""

    def move(self, minutes: float) -> bool:
        """Let as many calls go to the new version as is due; whether all do."""
        weight = [step.weight for step in self.steps if step.after <= minutes][-1]
        if weight != self.weight:
            self.weight = weight
            old = self.alias["FunctionVersion"]
            self._lead_to(self.version if weight >= 1 else old, {self.version: weight} if weight < 1 else None)
        return weight >= 1

    def undo(self) -> None:
        """Let all calls go to the old version again."""
        self._lead_to(self.alias["FunctionVersion"])

    def _lead_to(self, version: str, beside: dict[str, float] | None = None) -> None:
        routing = {"AdditionalVersionWeights": beside or {}}
        self.change(self.function, self.alias["Name"], {"FunctionVersion": version, "RoutingConfig": routing})


@dataclass
class Round:
    """The deployments of one update of a stack."""

    goes_off: Callable[[str], bool]
    passed: Callable[[], float]
    """Minutes that have passed for deployments since the last look."""
    _going: list[Deployment] = field(default_factory=list)

    def start(self, deployment: Deployment) -> None:
        """Have the first calls go to the new version."""
        deployment.move(0)
        self._going.append(deployment)

    def finish(self) -> None:
        """Wait until all calls of all of them go to the new versions.

        Raises:
            ValueError: an alarm went off; all calls go to the old versions again.
        """
        minutes = 0.0
        going, self._going = self._going, []
        while going:
            minutes += self.passed()
            for alarm in sorted({alarm for each in going for alarm in each.alarms}):
                if self.goes_off(alarm):
                    for each in going:
                        each.undo()
                    raise ValueError(f"the deployment was stopped: the alarm {alarm} went off")
            going = [each for each in going if not each.move(minutes)]


def policy_of(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An alias's update policy, if it has one."""
    found: Mapping[str, Any] | None = resource.get("UpdatePolicy", {}).get(POLICY)
    return found if resource.get("Type") == ALIAS else None


def alarms_of(group: Mapping[str, Any]) -> list[str]:
    """The alarms that take calls back: those of a deployment group that watches them, and rolls back for them.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html
    """
    watching, rolling_back = group.get("AlarmConfiguration", {}), group.get("AutoRollbackConfiguration", {})
    if not (watching.get("Enabled") and rolling_back.get("Enabled")):
        return []
    return [each["Name"] for each in watching["Alarms"] if "DEPLOYMENT_STOP_ON_ALARM" in rolling_back["Events"]]


def passing(folder: Path, minute_s: float) -> Callable[[], float]:
    """A clock for deployments: looks from time to time, and tells how many minutes have passed since."""
    looked = time.monotonic()

    def passed() -> float:
        nonlocal looked
        time.sleep(LOOK_EVERY_S)
        while (folder / HOLD).exists():
            time.sleep(LOOK_EVERY_S)
            looked = time.monotonic()
        before, looked = looked, time.monotonic()
        return (looked - before) / minute_s

    return passed


@dataclass(frozen=True)
class _Update:
    """What one operation on a stack does to its aliases."""

    aliases: Mapping[str, Mapping[str, Any]]
    """Those with a policy: the policy, by logical id."""
    last: str
    """The logical id of the one that comes last."""
    round: Round


_NO_UPDATE: Final = _Update({}, "", Round(lambda _: False, lambda: 0.0))
_RUNNING: Final[ContextVar[_Update]] = ContextVar("running", default=_NO_UPDATE)


def install() -> None:
    """Deploy with CodeDeploy from now on."""
    _order_by_policies()
    _move_calls()


def _order_by_policies() -> None:
    """Have an alias come after what its policy names, as in CloudFormation, which refuses circles through policies."""
    from ministack.services.cloudformation import engine, stacks

    dependencies, order = engine._extract_deps, stacks._topological_sort
    folder, minute_s = Path(os.environ["HOME"]), float(os.environ.get(MINUTE_S, "1"))

    def with_policies(resource: dict[str, Any], names: set[str]) -> set[str]:
        policy = {"Properties": resource.get("UpdatePolicy", {})}
        return {*dependencies(resource, names), *dependencies(policy, names)}

    def in_order(resources: dict[str, Any], conditions: dict[str, bool]) -> list[str]:
        ordered: list[str] = order(resources, conditions)
        policies = {name: policy for name in ordered if (policy := policy_of(resources[name])) is not None}
        deployments = Round(judging.goes_off, passing(folder, minute_s))
        _RUNNING.set(_Update(policies, next(reversed(policies), ""), deployments))
        return ordered

    engine._extract_deps, stacks._topological_sort = with_policies, in_order


def _move_calls() -> None:
    """Have CloudFormation know CodeDeploy's resources, and update aliases by it."""
    from ministack.services import cloudformation, lambda_svc
    from ministack.services.cloudformation import stacks

    update, provision, on_a_thread = stacks._update_resource, stacks._provision_resource, stacks._runs_on_worker_thread

    def updated(kind: str, at: str, old: dict[str, Any], new: dict[str, Any], stack: str, name: str, *rest: Any) -> Any:
        running, record = _RUNNING.get(), cloudformation._stacks[stack]
        if name not in running.aliases:
            return update(kind, at, old, new, stack, name, *rest)
        if "ROLLBACK" in record["StackStatus"]:  # something else failed, maybe while calls were on their way
            lambda_svc._update_alias(new["FunctionName"], new["Name"], {"RoutingConfig": {}})
            return update(kind, at, old, new, stack, name, *rest)
        kept = {**new, "FunctionVersion": old["FunctionVersion"]}
        done = update(kind, at, old, kept, stack, name, *rest)
        if new != kept:
            named = running.aliases[name]["DeploymentGroupName"]["Ref"]
            group = inside.DEPLOYMENT_GROUPS[record["_resources"][named]["PhysicalResourceId"]]
            running.round.start(
                Deployment(
                    function=new["FunctionName"],
                    alias=lambda_svc._functions[new["FunctionName"]]["aliases"][new["Name"]],
                    version=new["FunctionVersion"],
                    steps=steps_of(group["DeploymentConfigName"]),
                    alarms=alarms_of(group),
                    change=lambda_svc._update_alias,
                )
            )
        if name == running.last:
            running.round.finish()
        return done

    def created(kind: str, name: str, *rest: Any) -> Any:
        done = provision(kind, name, *rest)
        if name == _RUNNING.get().last:
            _RUNNING.get().round.finish()
        return done

    stacks._update_resource, stacks._provision_resource = updated, created
    stacks._runs_on_worker_thread = lambda kind: kind == ALIAS or on_a_thread(kind)
