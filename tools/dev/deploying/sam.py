"""SAM's command line, as far as a deployment has to know it. Only SAM's own environment has its modules.

So SAM itself reads its options, its configuration file, and parameters as it writes them down.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click
from samcli.cli.main import cli
from samcli.cli.types import CfnParameterOverridesType
from samcli.commands.deploy import deploy_context
from samcli.commands.deploy.command import cli as deploy_command
from samcli.commands.deploy.guided_config import GuidedConfig
from samcli.commands.exceptions import UserException
from samcli.lib.config.samconfig import SamConfig

from dev.deploying import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def options(arguments: Sequence[str]) -> click.Context:
    """What `sam deploy` makes of its arguments and its configuration file; boto3 gets their region and profile.

    Raises:
        RefusedError: neither says which stack.
        click.ClickException: SAM refuses them.
    """
    parent = click.Context(cli, info_name="sam")
    try:
        context: click.Context = deploy_command.make_context("deploy", list(arguments), parent=parent)
    except click.BadOptionUsage as exc:
        if exc.option_name != "stack_name":
            raise
        raise RefusedError(  # SAM's own words lead past `make deploy`
            "samconfig.toml doesn't say which stack. The first time: ARGS=--guided, beside what ARGS has. For a stack "
            "that is there: ARGS='--stack-name STACK --region REGION --resolve-s3'"
        ) from exc
    return context


def was_given(context: click.Context, option: str) -> bool:
    """Whether an option stands on the command line."""
    return context.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE


def deploy(arguments: Sequence[str], look: Callable[..., None], approve: Callable[..., None]) -> None:
    """`sam deploy`, which shows more of a change set, and executes it only once it is approved.

    Args:
        arguments: of the command.
        look: gets CloudFormation's client, the change set's ARN, and the stack's name.
        approve: gets the same. Raises `RefusedError` or `click.Abort` if it must not be executed.

    Raises:
        click.ClickException, click.Abort: it was not deployed.
    """

    class Watched(deploy_context.Deployer):  # type: ignore[misc]  # SAM has no types
        def describe_changeset(self, change_set_id: str, stack_name: str, **how: Any) -> Any:
            shown = super().describe_changeset(change_set_id, stack_name, **how)
            look(self._client, change_set_id, stack_name)
            return shown

        def execute_changeset(self, changeset_id: str, stack_name: str, *how: Any, **named: Any) -> None:
            try:
                approve(self._client, changeset_id, stack_name)
            except RefusedError as refusal:
                raise UserException(str(refusal)) from refusal  # SAM takes any other for a fault of its own
            super().execute_changeset(changeset_id, stack_name, *how, **named)

    whole, deploy_context.Deployer = deploy_context.Deployer, Watched
    try:
        cli.main(["deploy", *arguments], prog_name="sam", standalone_mode=False)
    finally:
        deploy_context.Deployer = whole


def written(values: Mapping[str, str]) -> list[str]:
    """Parameters as SAM writes them.

    Raises:
        RefusedError: it doesn't read the same.
    """
    words = [f"{name}={GuidedConfig.quote_parameter_values(value)}" for name, value in values.items()]
    with contextlib.suppress(click.BadParameter):
        if _read(" ".join(words)) == values:
            return words
    raise RefusedError("SAM can't read these values back: is there a backslash in one?")


def saving(context: click.Context, changed: Mapping[str, str]) -> SamConfig:
    """SAM's configuration file with some parameters changed and all else as it is, to be written with `flush`.

    Raises:
        RefusedError: it has them from another file, or SAM would not read there what was asked for.
    """
    params = context.params
    config = _file(context)
    section = config.document.get(params["config_env"], {}).get("deploy", {}).get("parameters", {})
    saved = section.get("parameter_overrides", " ".join(written(params["parameter_overrides"])))
    merged = _merged(saved, changed)
    if _read(merged) != {**params["parameter_overrides"], **changed}:
        raise RefusedError(
            f"{', '.join(changed)} can't be saved so that SAM reads it back: "
            "is there a parameter in samconfig.toml twice?"
        )
    config.put(["deploy"], "parameters", "parameter_overrides", merged, env=params["config_env"])
    return config


class Saved:
    """SAM's configuration file as it is before SAM asks: answers for another stack write over those for the first."""

    def __init__(self, context: click.Context) -> None:
        """Read it."""
        self._env = context.params["config_env"]
        self._stack = (context.default_map or {}).get("stack_name")
        self._file = _file(context).filepath
        self._text = self._file.read_bytes() if self._file.exists() else b""

    def keep(self, stack: str) -> None:
        """Put the answers for a stack back, if those for `stack` stand in their place.

        Raises:
            RefusedError: they did.
        """
        if self._stack in {None, stack} or not self._file.exists():
            return
        there = SamConfig(self._file.parent, self._file.name).document
        if there.get(self._env, {}).get("deploy", {}).get("parameters", {}).get("stack_name") == stack:
            self._file.write_bytes(self._text)
            raise RefusedError(
                f"{self._file.name} has the answers for {self._stack}, and keeps them. Keep those for {stack} apart: "
                "ARGS='--guided --config-env NAME'"
            )


def _file(context: click.Context) -> SamConfig:
    name = context.params["config_file"] if was_given(context, "config_file") else None
    return SamConfig(context.samconfig_dir, name)  # type: ignore[attr-defined]  # where SAM keeps it


def _merged(saved: Any, changed: Mapping[str, str]) -> Any:
    """`parameter_overrides` in the form that they have, with some changed: a text, a list or a table."""
    if isinstance(saved, dict) and "$include" not in saved:
        saved.update(changed)
        return saved
    if isinstance(saved, list):
        left = dict(changed)
        for at, each in enumerate(saved):
            if here := {name: left.pop(name) for name in _read(each) if name in left}:
                saved[at] = _merged(each, here)
        saved.extend(written(left))
        return saved
    if not isinstance(saved, str) or saved.startswith("file://"):
        raise RefusedError("samconfig.toml has this parameter from another file: change it there")
    return " ".join(written({**_read(saved), **changed}))


def _read(saved: Any) -> dict[str, str]:
    found: dict[str, str] = CfnParameterOverridesType().convert(saved, None, None)
    return found
