"""From nothing to a stack that answers, and back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from consentry.rules.brands import load as load_brands
from dev.emulator import (
    aws,
    brandfiles,
    build,
    deploy,
    engine,
    gaps,
    incoming,
    ministack,
    ports,
    receiver,
    relay,
    seed,
    streams,
)
from dev.emulator.console import HEADERS, Console
from dev.emulator.frontdoor import Gateway, application
from dev.emulator.outbox import Outbox
from dev.places import BUILD_LOCK, SAM_VENV
from dev.preview.server import Preview
from dev.preview.unavailable import Copies
from dev.terminal import StackError, call_on_signals, ignore_signals, only_one, say

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DEFAULT_PORT = 8080
STACK_FILE = "stack.json"
KEEP_LOGS = 3600
"""Seconds for which the logs of a failed run are kept."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person (or test) asked for."""

    state_dir: Path
    """Where ``stack.json`` and the run's own folder go."""
    port: int | None = None
    """The front door's port; None: 8080 or the next free one; 0: any."""
    aws_port: int | None = None
    """The emulator's port; None: 4566 or a free one."""
    dynamodb_endpoint_url: str | None = None
    """Where the functions (not the deployment) find DynamoDB; None: the emulator."""
    functions_environment: Mapping[str, str] = field(default_factory=dict)
    """What the functions find in their environment beside their own, such as another endpoint of a service."""


def run(options: Options) -> None:
    """Bring a stack up, serve until told to stop, and take everything down again.

    Raises:
        StackError: when a step fails; everything is down again then, too.
        Interrupted: when told to stop before the stack was ready.
    """
    with ExitStack() as ending:
        try:
            _run(options, ending)
        except (BotoCoreError, ClientError) as exc:
            raise StackError(f"the AWS emulator refused a step of the set-up: {exc}") from exc
        finally:
            ignore_signals()


def _run(options: Options, ending: ExitStack) -> None:
    if not SAM_VENV.exists():
        raise StackError("not set up yet: `make run` and `make test` do that")
    door = ports.listen_from(
        DEFAULT_PORT if options.port is None else options.port, exactly=options.port is not None, name="PORT"
    )
    ending.callback(door.close)
    recorder = ports.listen(0)
    ending.callback(recorder.close)
    _remove_if_orphaned(options.state_dir / STACK_FILE)
    folder = _own_folder(options.state_dir)
    ending.callback(_remove, folder / "tmp")

    base_url = f"http://{ports.LOOPBACK}:{ports.port_of(door)}"
    functions_environment = {"AWS_ENDPOINT_URL_SESV2": f"http://{ports.LOOPBACK}:{ports.port_of(recorder)}"}
    if options.dynamodb_endpoint_url:
        functions_environment["AWS_ENDPOINT_URL_DYNAMODB"] = options.dynamodb_endpoint_url
        say("note: IAM isn't enforced while the functions' DynamoDB is elsewhere")
    functions_environment |= options.functions_environment
    cloud = ministack.start(
        folder,
        port=options.aws_port,
        enforce_iam=options.dynamodb_endpoint_url is None,
        functions_environment=functions_environment,
    )
    ending.callback(cloud.stop)

    senders = seed.senders()
    parameters = {"PublicUrl": base_url, "SenderAddresses": ",".join(senders)}
    deployment = _build_and_deploy(cloud.endpoint, parameters, folder, base_url + receiver.PATH)
    table = deployment.outputs["TableName"]
    routes = gaps.routes_of(deployment)
    gaps.create_routes(deployment.outputs["ApiId"], routes, cloud.endpoint)
    gaps.enable_expiry(deployment, cloud.endpoint)
    gaps.lock_objects(deployment, cloud.endpoint)
    gaps.one_record_a_call(cloud.endpoint)
    gaps.let_mails_pass(deployment, cloud.endpoint)
    gaps.let_plain_http_pass(deployment, cloud.endpoint)
    gaps.let_keys_go_unnamed(cloud.endpoint)
    seed.verify_senders(cloud.endpoint, senders)
    if options.dynamodb_endpoint_url and engine.prepare(options.dynamodb_endpoint_url, cloud.endpoint, table):
        streams.follow(options.dynamodb_endpoint_url, cloud.endpoint, table)
    api_keys = seed.issue_api_keys(cloud.endpoint, deployment.outputs["KeyringSecretArn"])

    webhook_secrets = seed.set_secrets(cloud.endpoint, deployment.outputs["KeyringSecretArn"])

    about = _about(
        deployment,
        base_url=base_url,
        endpoint=cloud.endpoint,
        api_keys=api_keys,
        webhook_secrets=webhook_secrets,
        folder=folder,
        emulator_pid=cloud.process.pid,
        mail_url=f"http://{ports.LOOPBACK}:{ports.port_of(recorder)}",
    )
    gateway = Gateway(
        endpoint=cloud.endpoint,
        api_id=deployment.outputs["ApiId"],
        authority=base_url.removeprefix("http://"),
    )
    outbox = Outbox(after=partial(gaps.tell_of_mail, endpoint=cloud.endpoint))
    console = Console(
        about=about,
        outbox=outbox,
        gateway=gateway,
        dynamodb_endpoint=options.dynamodb_endpoint_url or cloud.endpoint,
    )
    preview = Preview(
        base_url=base_url,
        brands={brand.id: brand for brand in load_brands(build.CONSENTRY_LAYER / brandfiles.COMPILED / "brands.json")},
        keys=seed.keyring(cloud.endpoint, deployment.outputs["KeyringSecretArn"]),
        api_keys=api_keys,
        copies=Copies(cloud.endpoint, routes),
        outbox=outbox,
        console_headers=HEADERS,
    )
    serving = _Serving(
        applications=[
            (application(gateway, console.application(), preview.application()), door),
            (outbox.application(cloud.endpoint, ports.port_of(recorder)), recorder),
        ],
        routes=routes,
        cloud=cloud,
        log=folder / "emulator.log",
    )
    asyncio.run(serving.serve(about, options.state_dir / STACK_FILE))
    ending.callback(_remove, folder)


def _own_folder(state_dir: Path) -> Path:
    """A fresh folder of this run; of runs that are over, the logs of failures stay for a while."""
    runs = state_dir / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for old in runs.iterdir():
        if not _is_alive(old.name):
            is_old = time.time() - old.stat().st_mtime > KEEP_LOGS
            shutil.rmtree(old if is_old else old / "tmp", ignore_errors=True)
    folder = runs / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _remove(folder: Path) -> None:
    """Remove a folder that may hold tens of thousands of files: every function that ran has its layers there."""
    subprocess.run(["/bin/rm", "-rf", str(folder)], check=False)  # noqa: S603 - our own folder


def _is_alive(pid: str) -> bool:
    """Whether a process of this number lives."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _build_and_deploy(
    endpoint: str, parameters: Mapping[str, str], folder: Path, notifications_url: str
) -> deploy.Deployment:
    """Build and deploy the template; one run of this clone at a time, since they share the build folder."""
    config = folder / "samconfig.toml"
    config.write_text("version = 0.1\n")  # an empty one, so that the person's own settings for AWS stay out of this
    env = aws.environment(endpoint)
    with only_one(BUILD_LOCK, "building"):
        say("building template.yaml")
        template = build.build(env=env, config=config, log=folder / "build.log")
        brandfiles.install(build.BRANDS, folder / "brands", build.CONSENTRY_LAYER, notifications_url)
        say("deploying it to the embedded AWS")
        deploy.deploy(
            template,
            endpoint=endpoint,
            parameters=parameters,
            env=env,
            config=config,
            log=folder / "deploy.log",
        )
    return deploy.describe(endpoint)


def _about(
    deployment: deploy.Deployment,
    *,
    base_url: str,
    endpoint: str,
    api_keys: Mapping[str, str],
    webhook_secrets: Mapping[str, str],
    folder: Path,
    emulator_pid: int,
    mail_url: str,
) -> dict[str, Any]:
    """What ``stack.json`` tells; what the template doesn't have yet is left out."""
    about = {
        "base_url": base_url,
        "console_url": f"{base_url}/_local/",
        "outbox_url": f"{base_url}/_local/outbox",
        "aws_endpoint_url": endpoint,
        "region": aws.REGION,
        "table_name": deployment.outputs["TableName"],
        "spool_queue_url": deployment.outputs.get("SpoolQueueUrl"),
        "mail_queue_url": deployment.outputs["MailQueueUrl"],
        "mail_url": mail_url,
        "keyring_secret_arn": deployment.outputs["KeyringSecretArn"],
        "brand": seed.BRANDS[0],
        "api_keys": dict(api_keys),
        "webhook_secrets": dict(webhook_secrets),
        "notifications_url": base_url + receiver.PATH,
        "inbound_url": base_url + incoming.PATH,
        "inbound_bucket": deployment.outputs["InboundBucketName"],
        "notification_queue_url": deployment.outputs["NotificationQueueUrl"],
        "notification_dead_letters_url": deployment.outputs["NotificationDeadLettersUrl"],
        "archive_bucket": deployment.outputs["ArchiveBucketName"],
        "bulk_bucket": deployment.outputs["BulkBucketName"],
        "archive_queue_url": deployment.outputs["ArchiveQueueUrl"],
        "pid": os.getpid(),
        "emulator_pid": emulator_pid,
        "log": str(folder / "emulator.log"),
    }
    return {name: value for name, value in about.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class _Serving:
    """The part of a run in which the stack answers."""

    applications: list[tuple[web.Application, socket.socket]]
    routes: Sequence[gaps.Route]
    cloud: ministack.Emulator
    log: Path

    async def serve(self, about: Mapping[str, Any], stack_file: Path) -> None:
        """Answer until told to stop.

        Raises:
            StackError: when the deployed API doesn't answer, or the emulator ends.
        """
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        call_on_signals(lambda _: loop.call_soon_threadsafe(told.set))
        runners = [web.AppRunner(app, access_log=None, shutdown_timeout=1) for app, _ in self.applications]
        content = json.dumps(about, indent=1) + "\n"
        warming: asyncio.Task[None] | None = None
        try:
            for runner, (_, listening) in zip(runners, self.applications, strict=True):
                await runner.setup()
                await web.SockSite(runner, listening).start()
            await self._check(about["base_url"])
            _replace(stack_file, content)
            _greet(about)
            warming = asyncio.create_task(self._warm_up(about["base_url"]))
            while not told.is_set():
                if self.cloud.process.poll() is not None:
                    raise StackError("the AWS emulator ended by itself", self.log)
                await _sleep_unless(told, 1.0)
        finally:
            ignore_signals()
            _remove_if_still(stack_file, content)
            if warming is not None:
                warming.cancel()
            self.cloud.stop()
            for runner in runners:
                await runner.cleanup()

    async def _warm_up(self, base_url: str) -> None:
        """Start each function once, so that the first click needn't wait for that. HEAD changes nothing."""
        first_routes = {route.function: route for route in reversed(self.routes)}
        async with relay.session() as http:
            for route in first_routes.values():
                async with http.head(base_url + re.sub(r"\{[^}]*\}", "-", route.path)):
                    pass

    async def _check(self, base_url: str) -> None:
        """One request all the way through, so that "ready" means it."""
        async with relay.session() as http, http.get(f"{base_url}/healthz") as answer:
            if answer.status != web.HTTPOk.status_code:
                raise StackError(f"the deployed API doesn't work: GET /healthz answers {answer.status}", self.log)


async def _sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake when the event is set."""
    with_event = asyncio.ensure_future(event.wait())
    await asyncio.wait([with_event], timeout=seconds)
    with_event.cancel()


def _replace(file: Path, content: str) -> None:
    """Write a file at once: nobody ever reads half of it."""
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(content)
    fresh.replace(file)


def _remove_if_still(file: Path, content: str) -> None:
    """Remove a file unless a newer run has written its own."""
    try:
        if file.read_text() == content:
            file.unlink()
    except FileNotFoundError:
        pass


def _remove_if_orphaned(file: Path) -> None:
    """Remove the file of a run that was killed and couldn't clean up."""
    try:
        owner = json.loads(file.read_text())["pid"]
    except (FileNotFoundError, ValueError, KeyError):
        return
    if not _is_alive(str(owner)):
        file.unlink(missing_ok=True)


def _greet(about: Mapping[str, Any]) -> None:
    """Print the links, and at last the line that scripts wait for."""
    say("")
    for brand in seed.BRANDS:
        say(f"  subscribe to {brand:<8} {about['base_url']}/s/{brand}")
    say(f"  mails                 {about['console_url']}mails")
    say(f"  console               {about['console_url']}")
    say(f"  AWS                   {about['aws_endpoint_url']}  (functions' logs: {about['log']})")
    say("")
    say(f"ready {about['base_url']}  (Ctrl-C stops everything)")
