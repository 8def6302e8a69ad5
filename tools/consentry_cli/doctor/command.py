"""`consentry doctor`: what is wrong with a deployed stack."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import click
from botocore.exceptions import NoRegionError

from consentry_cli.deployment import brands_if_any, brands_option
from consentry_cli.doctor import reach
from consentry_cli.doctor.checking import examine
from consentry_cli.doctor.deployed import Deployed, NoStackError
from consentry_cli.doctor.findings import Verdict
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.wording import number, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from consentry_cli.doctor.findings import Finding


@click.command()
@click.option(
    "--stack", "name", required=True, envvar="CONSENTRY_STACK", help="The stack's name. [env: CONSENTRY_STACK]"
)
@click.option("--region", help="Where it is; else as for any AWS tool.")
@brands_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the stack, and a list of findings.")
def doctor(name: str, region: str | None, folder: Path | None, as_json: bool) -> None:
    """Look at a deployed stack; say what is wrong with it, and how to fix that.

    It changes nothing. Exit status: 0 no fault, though there may be warnings; 1 faults; 2 it can't look at all.
    """
    with plain_errors():
        brands = brands_if_any(folder)
        try:
            deployed = Deployed(
                boto3.Session(region_name=region), name, brands, now=_now, resolve=reach.resolve, visit=reach.visit
            )
        except NoRegionError:
            raise CanNotRunError("say in which region the stack is, with --region") from None
        except NoStackError as exc:
            raise CanNotRunError(str(exc)) from None
        found = list(examine(deployed))
        if as_json:
            listed = [{**each._asdict(), "verdict": each.verdict.value} for each in found]
            click.echo(json.dumps({"stack": name, "region": deployed.region, "findings": listed}, ensure_ascii=False))
        else:
            _show(f"{name} in {deployed.region}", found)
    if any(each.verdict == "fault" for each in found):
        raise SystemExit(FOUND)


def _now() -> datetime:
    return datetime.now(UTC)


def _show(what: str, found: Sequence[Finding]) -> None:
    """What is wrong comes first, and each line says by itself what it is: it may be heard and not seen."""
    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    click.echo(
        f"{what}: {number(counts[Verdict.FAULT], 'fault')}, {number(counts[Verdict.WARNING], 'warning')},"
        f" {counts[Verdict.COULD_NOT_LOOK]} not looked at, {counts[Verdict.OK]} ok"
    )
    for verdict in (Verdict.FAULT, Verdict.WARNING, Verdict.COULD_NOT_LOOK):
        for each in (each for each in found if each.verdict is verdict):
            tell(f"{verdict.value}: {each.check}", each.says, f"To do: {each.mend}", f"More: {each.see}")
    if counts[Verdict.OK]:
        click.echo()
    for each in (each for each in found if each.verdict is Verdict.OK):
        click.echo(f"ok: {each.check}: {each.says}")
