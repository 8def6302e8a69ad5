"""`make deploy`: build, look at what would change, ask, deploy. Runs in SAM's environment, with `sam deploy`'s options.

Of the environment, where make puts what stands on its command line:

    SET      `Name=value Other=value`: parameters to change, for good: they are written to samconfig.toml
    HOLDS    `file` or `stack`: whose parameters hold, where samconfig.toml and the deployed stack differ
    REMOVE   what may go away: words of `changes.PROTECTED`
    WITHOUT  `bytecode`: deploy layers that each cold start has to compile
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from samcli.commands.deploy.exceptions import ChangeEmptyError
from samcli.yamlhelper import yaml_parse

from consentry_build import bytecode
from dev.deploying import RefusedError, answers, changes, sam

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUILT: Final = Path(".aws-sam", "build")
PLATFORMS: Final = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}
WORDS: Final = {"HOLDS": {"file", "stack"}, "REMOVE": set(changes.PROTECTED), "WITHOUT": {"bytecode"}}


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Deploy.

    Raises:
        RefusedError, click.ClickException, click.Abort, BotoCoreError, ClientError: it was not deployed.
    """
    arguments = ["--capabilities", "CAPABILITY_IAM", *arguments]
    context = sam.options(arguments)
    ask = _asks(context)
    said = {name: set(environ.get(name, "").split()) for name in WORDS}
    for name, known in WORDS.items():
        if said[name] - known or (name == "HOLDS" and len(said[name]) > 1):
            raise RefusedError(f"{name} takes {' or '.join(sorted(known))}")
    wanted = answers.asked_for(environ.get("SET", ""))
    template = yaml_parse(Path("template.yaml").read_text("utf-8"))
    answers.check(wanted, template["Parameters"])
    deployed = _deployed(context)
    changed = _settled(context.params["parameter_overrides"], deployed, wanted, said["HOLDS"])
    chosen = context.params["parameter_overrides"] | changed
    answers.check(
        {name: chosen[name] for name in chosen.keys() & template["Parameters"].keys()}, template["Parameters"]
    )
    overrides = ["--parameter-overrides", *sam.written(chosen)] if chosen else []
    saves = changed and not (context.params["guided"] or context.params["no_execute_changeset"])
    if saves:
        sam.saving(context, changed)  # refuses what it couldn't save afterwards
    target = _runs_on(template, deployed | chosen)
    _build(context, template, target, byte_code="bytecode" not in said["WITHOUT"])

    def look(client: Any, change_set: str, stack: str) -> None:
        print("\nWhat matters of it:", *changes.read(client, change_set, stack).lines(), sep="\n", flush=True)

    before = sam.Saved(context)

    def approve(client: Any, change_set: str, stack: str) -> None:
        before.keep(stack)
        found = changes.read(client, change_set, stack)
        _fits(target, _runs_on(template, found.after))
        _guard(found, said["REMOVE"])
        if ask:
            click.confirm("Deploy this?", abort=True)

    try:  # without SAM's own question, which would come beside ours
        sam.deploy([*arguments, "--no-confirm-changeset", *overrides], look, approve)
    except ChangeEmptyError:  # the stack has these values already
        if saves:
            sam.saving(context, changed).flush()
        raise
    if saves:
        sam.saving(context, changed).flush()


def _asks(context: click.Context) -> bool:
    """Whether somebody is asked before anything changes; and what of SAM's options can't be."""
    if sam.was_given(context, "parameter_overrides"):
        raise RefusedError(
            "--parameter-overrides hold once, and the next deployment changes them back: say SET='Name=value'"
        )
    saved = context.default_map or {}
    for option, given in (("stack_name", context.params["stack_name"]), ("region", context.obj.region)):
        if saved.get(option, given) != given:
            raise RefusedError(
                f"these answers are for {saved[option]}. Keep those for {given} apart: ARGS='--config-env NAME'"
            )
    if context.params["guided"] and not boto3.Session(region_name=context.obj.region).region_name:
        raise RefusedError(  # SAM asks for one as well, and then does without it
            "say which region before you are asked: ARGS='--guided --region REGION', or AWS_DEFAULT_REGION"
        )
    if sam.was_given(context, "confirm_changeset") or context.params["no_execute_changeset"]:
        return bool(context.params["confirm_changeset"])
    if not sys.stdin.isatty():
        raise RefusedError(
            "nobody is there to be asked. ARGS=--no-execute-changeset looks, ARGS=--no-confirm-changeset deploys"
        )
    return True


def _deployed(context: click.Context) -> dict[str, str]:
    """The parameters of the stack, if it is there already and known by name."""
    stack = context.params["stack_name"]
    if not (sam.was_given(context, "stack_name") or "stack_name" in (context.default_map or {})):
        return {}  # --guided will ask for it
    status, deployed = changes.deployed(boto3.client("cloudformation"), stack)
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
        raise RefusedError(
            f"{stack} is in {status}: its first deployment failed. Its events say why. Delete it, and deploy again:\n"
            f"  aws cloudformation delete-stack --stack-name {stack}\n"
            f"  aws cloudformation wait stack-delete-complete --stack-name {stack}"
        )
    return deployed


def _settled(
    saved: Mapping[str, str], deployed: Mapping[str, str], wanted: Mapping[str, str], holds: set[str]
) -> dict[str, str]:
    """What is to change in samconfig.toml, and from now on holds."""
    common = sorted((saved.keys() & deployed.keys()) - wanted.keys())
    differ = {name: deployed[name] for name in common if _items(saved[name]) != _items(deployed[name])}
    if differ and not holds:
        lines = "\n".join(
            f"  {name}: {saved[name]!r} in the file, {value!r} in the stack" for name, value in differ.items()
        )
        raise RefusedError(
            f"samconfig.toml and the stack differ: one was changed without the other.\n{lines}\n"
            "Say which of them holds, HOLDS=file or HOLDS=stack, or the right values with SET."
        )
    return {**(differ if "stack" in holds else {}), **wanted}


def _items(value: str) -> list[str]:
    """A list's items: CloudFormation may leave out the blanks between."""
    return [item.strip() for item in value.split(",")]


def _runs_on(template: Any, chosen: Mapping[str, str]) -> dict[str, str]:
    """What functions run on with these answers: the layers are built for it."""
    return {
        name: chosen.get(name, template["Parameters"][name]["Default"]) for name in ("PythonRuntime", "Architecture")
    }


def _build(context: click.Context, template: Any, target: Mapping[str, str], *, byte_code: bool) -> None:
    """`sam build` for what the stack will run on, and a look at what came of it."""
    runtime, processor = target["PythonRuntime"], target["Architecture"]
    version = runtime.removeprefix("python")
    built_for = {"CONSENTRY_TARGET_PYTHON": version, "CONSENTRY_TARGET_PLATFORM": PLATFORMS[processor]}
    command = [sys.executable, "-m", "samcli", "build"]
    for option in ("config_file", "config_env"):
        if sam.was_given(context, option):
            command += [f"--{option.replace('_', '-')}", context.params[option]]
    command += ["--parameter-overrides", f"PythonRuntime={runtime}", f"Architecture={processor}"]
    if subprocess.run(command, env={**os.environ, **built_for}, check=False).returncode:  # noqa: S603 - our own words
        raise RefusedError("it can't be built")
    resources = {name: each for name, each in template["Resources"].items() if not name.startswith("Fn::ForEach::")}
    folders = [BUILT / name for name, each in resources.items() if each["Type"] == "AWS::Serverless::LayerVersion"]
    bare = [each for folder in folders for each in bytecode.uncompiled(version, folder)]
    if bare and byte_code:
        raise RefusedError(
            f"{len(bare)} modules of the layers have no byte code of Python {version}, {bare[0]} the first: each cold "
            f"start would compile them.\n{bytecode.REMEDY.format(version=version)}\nOr go on without: WITHOUT=bytecode"
        )


def _fits(built: Mapping[str, str], answered: Mapping[str, str]) -> None:
    """Raise `RefusedError` if the layers were built for something else: `--guided` asks once they are."""
    if built != answered:
        had, wants = (" on ".join(each.values()) for each in (built, answered))
        said = " ".join(f"{name}={value}" for name, value in answered.items())
        raise RefusedError(f"the layers are built for {had}, not for {wants}. Say so before they are: SET='{said}'")


def _guard(found: changes.ChangeSet, allowed: set[str]) -> None:
    """Raise `RefusedError` for what nobody said."""
    if lost := {word: names for word, names in found.losses().items() if word not in allowed}:
        lines = "\n".join(f"  {word}: {', '.join(names)}; {changes.PROTECTED[word][0]}" for word, names in lost.items())
        raise RefusedError(
            f"this would take away or replace\n{lines}\nIf you mean it, say so: REMOVE='{' '.join(lost)}'"
        )
    if name := found.leads_nowhere(_resolves):
        raise RefusedError(
            f"links would lead to {name}, which no DNS knows yet. Keep PublicUrl at where they lead now, publish the "
            "name, then empty PublicUrl: docs/deploying.md, 5"
        )


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False


if __name__ == "__main__":
    try:
        run(sys.argv[1:], os.environ)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as ended:  # after --help
        sys.exit(ended.exit_code)
    except (RefusedError, click.Abort, KeyboardInterrupt, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {str(error) or 'stopped'}")
