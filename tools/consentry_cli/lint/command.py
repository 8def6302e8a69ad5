"""`consentry lint`: what mailbox providers would say of an email."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from consentry_cli.errors import FOUND, CanNotRunError, plain_errors
from consentry_cli.lint.checking import check
from consentry_cli.lint.mail import NotAMailError
from consentry_cli.wording import number, tell

if TYPE_CHECKING:
    from consentry_cli.lint.findings import Finding


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="MESSAGE.eml...",
)
@click.option("--dns", is_flag=True, help="Verify DKIM signatures with the keys in the DNS.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an email and line.")
def lint(files: tuple[str, ...], dns: bool, as_json: bool) -> None:
    """Say what Gmail, Yahoo, Outlook and the RFCs would say of an email, and how to fix it.

    MESSAGE.eml is an email as it arrived: "Show original" in Gmail, "Save as" elsewhere; - is standard input. Exit
    status: 0 nothing to fix, 1 something, 2 it is no mail.
    """
    worth_mending = False
    for name in files:
        with plain_errors(), click.open_file(name, "rb") as mail:
            try:
                found = check(mail.read(), ask_dns=dns)
            except NotAMailError as exc:
                raise CanNotRunError(f"{name}: {exc}") from None
        worth_mending |= bool(found)
        if as_json:
            click.echo(json.dumps(_told(name, found), ensure_ascii=False))
        else:
            _show(name, found)
    if worth_mending:
        raise SystemExit(FOUND)


def _told(name: str, found: list[Finding]) -> dict[str, Any]:
    return {"mail": name, "findings": [{**each._asdict(), "level": each.level.value} for each in found]}


def _show(name: str, found: list[Finding]) -> None:
    errors = sum(each.level == "error" for each in found)
    warnings = sum(each.level == "warning" for each in found)
    if not found:
        click.echo(f"{name}: nothing to fix")
        return
    click.echo(f"{name}: {number(errors, 'error')}, {number(warnings, 'warning')}")
    for each in found:
        tell(f"{each.level.value}: {each.rule}", each.says, each.mend, f"[{each.source}]")
