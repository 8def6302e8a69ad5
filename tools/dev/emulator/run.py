"""From nothing to a stack that answers, and back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from consentry.rules.brands import load as load_brands
from consentry_build.brandfile import FaultyBrandsError, compile_folder
from dev.emulator import (
    aws,
    brandfiles,
    build,
    deploy,
    gaps,
    incoming,
    ministack,
    ports,
    receiver,
    relay,
    seed,
    shell,
    site,
    streams,
)
from dev.emulator.console import HEADERS, Console
from dev.emulator.frontdoor import Gateway, application
from dev.emulator.outbox import Outbox
from dev.places import BUILD_LOCK, SAM_VENV, SHELL_FILE, STACK_FILE
from dev.preview.server import Preview
from dev.preview.unavailable import Copies
from dev.terminal import StackError, call_on_signals, ignore_signals, only_one, say

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dev.process import Make

DEFAULT_PORT = 8080
KEEP_LOGS = 3600
"""Seconds for which the logs of a failed run are kept."""
OUTPUTS = {
    "table_name": "TableName",
    "spool_queue_url": "SpoolQueueUrl",
    "mail_queue_url": "MailQueueUrl",
    "keyring_secret_arn": "KeyringSecretArn",
    "inbound_bucket": "InboundBucketName",
    "notification_queue_url": "NotificationQueueUrl",
    "notification_dead_letters_url": "NotificationDeadLettersUrl",
    "archive_bucket": "ArchiveBucketName",
    "bulk_bucket": "BulkBucketName",
    "archive_queue_url": "ArchiveQueueUrl",
}
"""What `stack.json` has of the template's outputs, by its names."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person (or test) asked for."""

    state_dir: Path
    """Where `stack.json` and the run's own folder go."""
    port: int | None = None
    """The front door's port; None: 8080 or the next free one; 0: any."""
    aws_port: int | None = None
    """The emulator's port; None: 4566 or a free one."""
    dynamodb_endpoint_url: str | None = None
    """Where the functions (not the deployment) find DynamoDB; None: the emulator."""
    emulator: str | Path = ministack.FILLED
    """What the emulator's Python runs."""
    functions_environment: Mapping[str, str] = field(default_factory=dict)
    """What the functions find in their environment beside their own, such as another endpoint of a service."""


def run(options: Options, make: Make) -> None:
    """Bring a stack up, serve until a signal to stop, and take everything down again.

    Raises:
        StackError: when a step fails; everything is down again then, too.
        Interrupted: by a signal to stop before the stack was ready.
    """
    with ExitStack() as ending:
        try:
            _run(options, make, ending)
        except (BotoCoreError, ClientError) as exc:
            raise StackError(f"the AWS emulator refused a step of the set-up: {exc}") from exc
        finally:
            ignore_signals()


def _run(options: Options, make: Make, ending: ExitStack) -> None:
    if not SAM_VENV.exists():
        raise StackError("not set up yet: `make run` and `make test` do that")
    try:
        compile_folder(build.BRANDS)
    except FaultyBrandsError as exc:
        raise StackError(str(exc)) from None
    door = ports.listen_from(
        DEFAULT_PORT if options.port is None else options.port, exactly=options.port is not None, name="PORT"
    )
    ending.callback(door.close)
    recorder = ports.listen(0)
    ending.callback(recorder.close)
    shop = ports.listen(0)
    ending.callback(shop.close)
    stack_file = options.state_dir / STACK_FILE
    _remove_if_orphaned(stack_file)
    folder = _own_folder(options.state_dir)
    ending.callback(_remove, folder / "tmp")

    base_url, mail_url, site_url = (f"http://{ports.LOOPBACK}:{ports.port_of(each)}" for each in (door, recorder, shop))
    other_dynamodb = options.dynamodb_endpoint_url
    if other_dynamodb:
        say("note: IAM isn't enforced while the functions' DynamoDB is elsewhere")
    cloud = ministack.start(
        folder,
        port=options.aws_port,
        enforce_iam=not other_dynamodb,
        program=options.emulator,
        functions_environment={
            "AWS_ENDPOINT_URL_SESV2": mail_url,
            **({"AWS_ENDPOINT_URL_DYNAMODB": other_dynamodb} if other_dynamodb else {}),
            **options.functions_environment,
        },
    )
    ending.callback(cloud.stop)
    deployment = _build_and_deploy(cloud.endpoint, base_url, site_url, folder)
    routes = gaps.routes_of(deployment)
    gaps.create_routes(deployment.outputs["ApiId"], routes, cloud.endpoint)
    gaps.enable_expiry(deployment, cloud.endpoint)
    gaps.lock_objects(deployment, cloud.endpoint)
    gaps.one_record_a_call(cloud.endpoint)
    gaps.let_mails_pass(cloud.endpoint)
    gaps.let_keys_go_unnamed(cloud.endpoint)
    if other_dynamodb:
        streams.serve(other_dynamodb, cloud.endpoint, deployment.outputs["TableName"])
    keyring_arn = deployment.outputs["KeyringSecretArn"]
    seed.verify_senders(cloud.endpoint)
    about: dict[str, Any] = {
        "base_url": base_url,
        "console_url": f"{base_url}/_local/",
        "outbox_url": f"{base_url}/_local/outbox",
        "notifications_url": base_url + receiver.PATH,
        "inbound_url": base_url + incoming.PATH,
        "mail_url": mail_url,
        "site_url": site_url,
        "aws_endpoint_url": cloud.endpoint,
        "region": aws.REGION,
        **{name: deployment.outputs[output] for name, output in OUTPUTS.items()},
        "brand": seed.brands()[0],
        "api_keys": seed.issue_api_keys(cloud.endpoint, keyring_arn),
        "webhook_secrets": seed.set_secrets(cloud.endpoint, keyring_arn),
        "pid": os.getpid(),
        "emulator_pid": cloud.process.pid,
        "log": str(folder / "emulator.log"),
    }
    gateway = Gateway(
        url=gaps.url_of(cloud.endpoint, deployment.outputs["ApiId"]), authority=base_url.removeprefix("http://")
    )
    outbox = Outbox(after=partial(gaps.tell_of_mail, endpoint=cloud.endpoint))
    console = Console(about=about, outbox=outbox, dynamodb_endpoint=other_dynamodb or cloud.endpoint)
    brands = {brand.id: brand for brand in load_brands(build.CONSENTRY_LAYER / brandfiles.COMPILED / "brands.json")}
    preview = Preview(
        base_url=base_url,
        brands=brands,
        keys=seed.keyring(cloud.endpoint, keyring_arn),
        api_keys=about["api_keys"],
        copies=Copies(cloud.endpoint, routes),
        outbox=outbox,
        console_headers=HEADERS,
    )
    serving = _Serving(
        applications={
            door: application(gateway, console.application(), preview.application()),
            shop: site.application(brands, about["brand"], base_url, ports.port_of(shop)),
            recorder: outbox.application(cloud.endpoint, ports.port_of(recorder)),
        },
        routes=routes,
        cloud=cloud,
        about=about,
        make=make,
    )
    asyncio.run(serving.serve(stack_file))
    ending.callback(_remove, folder)


def _own_folder(state_dir: Path) -> Path:
    """A fresh folder of this run; of runs that are over, the logs of failures stay for a while."""
    runs = state_dir / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for old in runs.iterdir():
        if not psutil.pid_exists(int(old.name)):
            is_old = time.time() - old.stat().st_mtime > KEEP_LOGS
            shutil.rmtree(old if is_old else old / "tmp", ignore_errors=True)
    folder = runs / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _remove(folder: Path) -> None:
    """Remove a folder that may hold tens of thousands of files."""
    subprocess.run(["/bin/rm", "-rf", str(folder)], check=False)  # noqa: S603 - our own folder


def _build_and_deploy(endpoint: str, base_url: str, site_url: str, folder: Path) -> deploy.Deployment:
    """Build and deploy the template; one run of this clone at a time, since they share the build folder."""
    config = folder / "samconfig.toml"
    config.write_text("version = 0.1\n")  # an empty one, so that the person's own settings for AWS stay out of this
    env = aws.environment(endpoint)
    parameters = {"PublicUrl": base_url, "SenderAddresses": ",".join(seed.senders())}
    with only_one(BUILD_LOCK, "building"):
        say("building template.yaml")
        template = build.build(env=env, config=config, log=folder / "build.log")
        receiver_url = base_url + receiver.PATH
        brandfiles.install(build.BRANDS, folder / "brands", build.CONSENTRY_LAYER, receiver_url, site_url)
        say("deploying it to the embedded AWS")
        log = folder / "deploy.log"
        deploy.deploy(template, endpoint=endpoint, parameters=parameters, env=env, config=config, log=log)
    return deploy.describe(endpoint)


@dataclass(frozen=True, kw_only=True)
class _Serving:
    """The part of a run in which the stack answers."""

    applications: Mapping[socket.socket, web.Application]
    routes: Sequence[gaps.Route]
    cloud: ministack.Emulator
    about: Mapping[str, Any]
    make: Make

    async def serve(self, stack_file: Path) -> None:
        """Answer until a signal to stop, or until make is to stop.

        Raises:
            StackError: when the deployed API doesn't answer, or the emulator ends.
        """
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        call_on_signals(lambda _: loop.call_soon_threadsafe(stopping.set))
        files = {
            stack_file: json.dumps(self.about, indent=1) + "\n",
            stack_file.with_name(SHELL_FILE): shell.settings(self.about),
        }
        runners: list[web.AppRunner] = []
        warming: asyncio.Task[None] | None = None
        try:
            for listening, app in self.applications.items():
                runners.append(web.AppRunner(app, access_log=None, shutdown_timeout=1))
                await runners[-1].setup()
                await web.SockSite(runners[-1], listening).start()
            await self._check()
            for file, content in reversed(files.items()):
                _replace(file, content)
            self._greet(stack_file.with_name(SHELL_FILE))
            warming = asyncio.create_task(self._warm_up())
            while not stopping.is_set() and not self.make.is_ending():
                if self.cloud.process.poll() is not None:
                    raise StackError("the AWS emulator ended by itself", self.about["log"])
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), 1.0)
        finally:
            ignore_signals()
            for file, content in files.items():
                _remove_if_still(file, content)
            if warming is not None:
                warming.cancel()
            self.cloud.stop()
            for runner in runners:
                await runner.cleanup()

    async def _warm_up(self) -> None:
        """Start each function once, so that the first click needn't wait for that. HEAD changes nothing."""
        first_routes = {route.function: route for route in reversed(self.routes)}
        async with relay.session() as http:
            for route in first_routes.values():
                async with http.head(self.about["base_url"] + re.sub(r"\{[^}]*\}", "-", route.path)):
                    pass

    async def _check(self) -> None:
        """One request all the way through, so that "ready" means it."""
        async with relay.session() as http, http.get(f"{self.about['base_url']}/healthz") as answer:
            if answer.status != web.HTTPOk.status_code:
                reason = f"the deployed API doesn't work: GET /healthz answers {answer.status}"
                raise StackError(reason, self.about["log"])

    def _greet(self, shell_file: Path) -> None:
        """Print the links, and at last the line that scripts wait for."""
        say("")
        for brand in self.about["api_keys"]:
            say(f"  form of {brand:<16}  {self.about['base_url']}/s/{brand}")
            say(f"  pages and emails of it    {self.about['console_url']}preview/#{brand}")
        say(f"  a site with its form      {self.about['site_url']}")
        say(f"  emails                    {self.about['console_url']}mails")
        say(f"  console                   {self.about['console_url']}")
        say(f"  AWS                       {self.about['aws_endpoint_url']}  (functions' logs: {self.about['log']})")
        say(f"  settings for a shell      . {os.path.relpath(shell_file)}")
        say("")
        say(f"ready {self.about['base_url']}  (Ctrl-C stops everything)")


def _replace(file: Path, content: str) -> None:
    """Write a file at once: nobody ever reads half of it."""
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(content)
    fresh.replace(file)


def _remove_if_still(file: Path, content: str) -> None:
    """Remove a file unless a newer run has written its own."""
    if file.exists() and file.read_text() == content:
        file.unlink()


def _remove_if_orphaned(file: Path) -> None:
    """Remove the files of a run that was killed and couldn't clean up."""
    with suppress(FileNotFoundError, ValueError, KeyError):
        if not psutil.pid_exists(json.loads(file.read_text())["pid"]):
            file.unlink()
            file.with_name(SHELL_FILE).unlink(missing_ok=True)
