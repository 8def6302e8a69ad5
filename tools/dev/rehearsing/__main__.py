"""`make rehearse ARGS=STACK`: walk through a deployed stack, or, without a name, the one that `make run` has here."""

from __future__ import annotations

import json
import os
import platform
import secrets
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from urllib3.exceptions import HTTPError

from consentry.links.keyring import SecretUnavailableError
from consentry.rules import brands as brands_module
from consentry.rules.ledger import Kind
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from consentry_build.brandfile import compile_folder
from consentry_cli import deployment
from consentry_cli.doctor import reach
from consentry_cli.doctor.checking import CHECKS, examine
from consentry_cli.doctor.deployed import Deployed, NoStackError
from consentry_cli.doctor.findings import Verdict
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from dev.emulator import aws
from dev.emulator.deploy import STACK
from dev.places import LOCAL, STACK_FILE
from dev.rehearsing.calling import Caller
from dev.rehearsing.walk import AFTER, BEFORE, PERSON, Stack, Walk, WrongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.rules.brands import Brand

SCOPES: Final = ("read", "write", "erase")
_TOLD: Final = ("PythonRuntime", "Architecture", "StartMode", "DeploymentStrategy", "RequestsPerSecond", "LogLevel")
"""Parameters that the file may name: none of them says whose stack it is."""
_UNEXPECTED: Final = (
    *(HTTPError, BotoCoreError, StoreUnavailableError, PermanentFaultError, SecretUnavailableError),
    *(LookupError, ValueError, TypeError),  # an answer of another shape than the contract's
)


class Outcome(NamedTuple):
    """What came of a step."""

    step: str
    verdict: str
    """`ok`, `wrong` or `not tried`."""
    ms: int
    says: str
    see: str = ""


@click.command()
@click.argument("name", metavar="[STACK]", required=False)
@click.option("--region", help="Where it is; else as for any AWS tool.")
@click.option("--brand", "brand_id", help="Which brand; needed where there are several.")
@deployment.brands_option
@click.option("--address", help="Where the one email goes.  [default: SES's mailbox simulator]")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write a file to send back.")
@click.option(
    "--record", type=click.Path(dir_okay=False, path_type=Path), default=LOCAL / STACK_FILE, help="Of a `make run`."
)
def main(
    name: str | None,
    region: str | None,
    brand_id: str | None,
    folder: Path | None,
    address: str | None,
    file: Path | None,
    record: Path,
) -> None:
    """Walk through STACK as a person and as a platform would, with a test person who is erased at the end.

    The API key (scopes read, write and erase) is read from CONSENTRY_API_KEY, or asked for. Exit status: 0 all is as it
    should be; 1 something isn't; 2 it can't begin.
    """
    address = address or f"success+rehearsal-{secrets.token_hex(4)}@simulator.amazonses.com"
    with plain_errors():
        local = None if name else _local(record)
        if local:
            name, region, brand_id = STACK, local["region"], brand_id or local["brand"]
            folder = Path(local["log"]).parent / "brands"  # as they were deployed
        boto3.setup_default_session(region_name=region)
        brand = _brand(folder, brand_id)
        try:
            deployed = Deployed(boto3.Session(region_name=region), str(name), (brand,), now=lambda: datetime.now(UTC),
                                resolve=reach.resolve, visit=reach.visit)  # fmt: skip
        except NoRegionError:
            raise CanNotRunError("say in which region the stack is, with --region") from None
        except NoStackError as exc:
            raise CanNotRunError(str(exc)) from None
        api_key = local["api_keys"][brand.id] if local else _api_key(brand.id)
        walk = prepared(deployed, brand, api_key, address)
        url, about = walk.caller.base_url, ", ".join(each.id for each in brand.notifications)
        click.echo(f"{name} in {deployed.region}: brand {brand.id}, topic {walk.topic}, {url}")
        emails = "Two emails go" if brand.goodbye_mail else "One email goes"
        click.echo(f"{emails} to {address}, and none to anybody else.")
        click.echo(f"Of this test person hear, as of anybody, the brand's endpoints: {about or 'there are none'}.\n")
        outcomes = list(rehearsed(walk))
        click.echo(f"\n{_summary(walk, outcomes)}")
        if file:
            file.write_text(json.dumps(_report(deployed, walk, outcomes, emulated=bool(local)), indent=1) + "\n")
    if any(each.verdict != "ok" for each in outcomes):
        raise SystemExit(FOUND)


def _local(record: Path) -> dict[str, Any]:
    """What `make run` wrote down; from now on this process knows the emulator alone, and no account."""
    try:
        about: dict[str, Any] = json.loads(record.read_text("utf-8"))
    except FileNotFoundError:
        raise CanNotRunError("nothing runs here: `make run` first, or name a stack, as in ARGS=consentry") from None
    environment = aws.environment(about["aws_endpoint_url"])
    os.environ.clear()
    os.environ.update(environment)
    return about


def _brand(folder: Path | None, brand_id: str | None) -> Brand:
    if brand_id:
        return deployment.brand(folder, brand_id)
    found = [brands_module.from_json(each) for each in compile_folder(folder or Path("brands"))]
    if len(found) != 1:
        raise CanNotRunError(f"say which brand, with --brand: {', '.join(each.id for each in found)}")
    return found[0]


def _api_key(brand_id: str) -> str:
    if key := os.environ.get("CONSENTRY_API_KEY"):
        return key
    if sys.stdin.isatty():
        return str(click.prompt(f"API key of {brand_id} (isn't shown)", hide_input=True, err=True))
    return sys.stdin.readline().strip()


def prepared(deployed: Deployed, brand: Brand, api_key: str, address: str, caller: Caller | None = None) -> Walk:
    """A walk that can begin.

    Raises:
        CanNotRunError: the key can't do what is needed, or somebody is known by this address.
    """
    keyring = deployment.keyring(deployed.outputs["KeyringSecretArn"])
    key = keyring.api_key(api_key)
    if key is None or key.brand != brand.id or not all(map(key.may, SCOPES)):
        raise CanNotRunError(f"an API key of {brand.id} with the scopes {', '.join(SCOPES)} is needed")
    stack = Stack(
        brand,
        keyring,
        deployment.store(deployed.outputs["TableName"], keyring),
        lambda names: [
            f"{each.check}: {each.says}"
            for each in examine(deployed, [check for check in CHECKS if check.name in names])
            if each.verdict in {Verdict.FAULT, Verdict.COULD_NOT_LOOK}
        ],
        lambda event_id: _notified(deployed, event_id),
    )
    walk = Walk(stack, caller or Caller(deployed.outputs["Url"], api_key), address)
    held = stack.store.history(brand.id, walk.id)
    if held and held[-1].kind is not Kind.ERASED:
        raise CanNotRunError(f"{brand.id} knows somebody by this address, who would be erased: take another")
    return walk


def _notified(deployed: Deployed, event_id: str) -> dict[str, str]:
    """By endpoint, whether it took the event. Only the lines that name it are read."""
    since = int((time.time() - 3600) * 1000)
    pages = (
        deployed.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=deployed.physical("NotifierLogs"), filterPattern=f'"{event_id}"', startTime=since)
    )
    found = {}
    for event in (each for page in pages for each in page["events"]):
        line = json.loads(event["message"]) if event["message"].startswith("{") else {}
        if line.get("event_id") == event_id and "endpoint" in line:
            found[line["endpoint"]] = str(line["outcome"])
    return found


def rehearsed(walk: Walk, tell: Callable[[str], None] = click.echo) -> Iterator[Outcome]:
    """Take every step, say a line of each, and forget the test person in any case."""
    going, asked = True, False
    for step, see in BEFORE.items():
        yield _told(taken(walk, step, see), tell)
    try:
        for step, see in PERSON.items():
            asked = asked or step is Walk.ask  # also if that is interrupted, or nobody answers
            outcome = taken(walk, step, see) if going else Outcome(_name(step), "not tried", 0, "")
            going = outcome.verdict == "ok"
            yield _told(outcome, tell)
    finally:
        erased = taken(walk, Walk.erase, AFTER[Walk.erase]) if asked else None
    if erased:
        yield _told(erased, tell)
    yield _told(taken(walk, Walk.alarms, AFTER[Walk.alarms]), tell)


def taken(walk: Walk, step: Callable[[Walk], str], see: str) -> Outcome:
    """What comes of a step; `see` is the page for what is wrong."""
    began = time.perf_counter()
    try:
        verdict, says, see = "ok", step(walk), ""
    except WrongError as exc:
        verdict, says = "wrong", str(exc)
    except ClientError as exc:
        verdict, says = "wrong", f"AWS answers {exc.response['Error'].get('Code')} to {exc.operation_name}"
    except _UNEXPECTED as exc:
        # The texts of these may hold a link, which nobody but the person should see.
        verdict, says = "wrong", f"No answer, or another than expected ({type(exc).__name__})"
    return Outcome(_name(step), verdict, round((time.perf_counter() - began) * 1000), says, see)


def _name(step: Callable[[Walk], str]) -> str:
    return step.__name__.replace("_", "-")


def _told(outcome: Outcome, tell: Callable[[str], None]) -> Outcome:
    took = f"{outcome.ms / 1000:6.1f} s" if outcome.verdict != "not tried" else " " * 8
    tell(f"{outcome.verdict:<9}  {outcome.step:<13} {took}  {outcome.says}".rstrip())
    if outcome.see:
        tell(f"{'':<35}More: {outcome.see}")
    return outcome


def _summary(walk: Walk, outcomes: list[Outcome]) -> str:
    slowest = max(walk.caller.timed, key=lambda each: each.ms)
    median = round(statistics.median(each.ms for each in walk.caller.timed))
    bad = sum(each.verdict != "ok" for each in outcomes)
    return (
        f"{len(outcomes)} steps, {f'{bad} not ok' if bad else 'all ok'}. {len(walk.caller.timed)} calls: half of them"
        f" within {median} ms, the slowest {slowest.ms} ms ({slowest.call})."
    )


def _report(deployed: Deployed, walk: Walk, outcomes: list[Outcome], *, emulated: bool) -> dict[str, Any]:
    """What may be sent back: nothing in it names a person, a link, a key or an account."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "emulated": emulated,
        "region": deployed.region,
        "consentry": version("consentry"),
        "boto3": version("boto3"),
        "python": platform.python_version(),
        "parameters": {each: deployed.parameters.get(each, "") for each in _TOLD},
        "steps": [each._asdict() for each in outcomes],
        "calls": [each._asdict() for each in walk.caller.timed],
    }


if __name__ == "__main__":
    main(prog_name="make rehearse")
