"""`consentry doctor`: what is wrong with a deployed stack."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import click
from botocore.exceptions import NoRegionError

from consentry.rules import brands as brands_module
from consentry_build.brandfile import compile_folder
from consentry_cli.deployment import brands_option
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.rules.brands import Brand
    from consentry_cli.doctor.findings import Finding

_WIDTH: Final = 100
_FOLDER: Final = Path("brands")


@click.command()
@click.option(
    "--stack", "name", required=True, envvar="CONSENTRY_STACK", help="The stack's name. [env: CONSENTRY_STACK]"
)
@click.option("--region", help="Where it is; else as for any AWS tool.")
@brands_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the stack, and a list of findings.")
def doctor(name: str, region: str | None, folder: Path | None, as_json: bool) -> None:
    """Look at a deployed stack; say what is wrong with it, and how to mend that.

    It changes nothing. Exit status: 0 no fault, though there may be warnings; 1 faults; 2 it can't look at all.
    """
    from consentry_cli.doctor.checking import examine  # noqa: PLC0415 - its libraries cost the other commands time
    from consentry_cli.doctor.deployed import Deployed, NoStackError  # noqa: PLC0415 - as above
    from consentry_cli.doctor.reach import resolve, visit  # noqa: PLC0415 - as above

    with plain_errors():
        brands = _brands(folder)
        try:
            deployed = Deployed(
                boto3.Session(region_name=region),
                name,
                brands,
                now=_now,
                resolve=resolve,
                visit=visit,
            )
        except NoRegionError:
            raise CanNotRunError("say in which region the stack is, with --region") from None
        except NoStackError as exc:
            raise CanNotRunError(str(exc)) from None
        found = list(examine(deployed))
        if as_json:
            told = [{**each._asdict(), "verdict": each.verdict.value} for each in found]
            click.echo(json.dumps({"stack": name, "region": deployed.region, "findings": told}, ensure_ascii=False))
        else:
            _show(f"{name} in {deployed.region}", found)
    if any(each.verdict == "fault" for each in found):
        raise SystemExit(FOUND)


def _now() -> datetime:
    return datetime.now(UTC)


def _brands(folder: Path | None) -> list[Brand]:
    if folder is None and not any(_FOLDER.glob("*.yaml")):
        return []
    return [brands_module.from_json(each) for each in compile_folder(folder or _FOLDER)]


def _show(what: str, found: Sequence[Finding]) -> None:
    """What is wrong comes first, and each line says by itself what it is: it may be heard and not seen."""
    from consentry_cli.doctor.findings import Verdict, number  # noqa: PLC0415 - as above

    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    click.echo(
        f"{what}: {number(counts[Verdict.FAULT], 'fault')}, {number(counts[Verdict.WARNING], 'warning')},"
        f" {counts[Verdict.COULD_NOT_LOOK]} not looked at, {counts[Verdict.OK]} ok"
    )
    for verdict in (Verdict.FAULT, Verdict.WARNING, Verdict.COULD_NOT_LOOK):
        for each in (each for each in found if each.verdict is verdict):
            click.echo(f"\n{verdict.value}: {each.check}")
            for line in (each.says, f"To do: {each.mend}", f"More: {each.see}"):
                click.echo(_indented(line))
    if counts[Verdict.OK]:
        click.echo()
    for each in (each for each in found if each.verdict is Verdict.OK):
        click.echo(f"ok: {each.check}: {each.says}")


def _indented(line: str) -> str:
    return textwrap.fill(
        line, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
