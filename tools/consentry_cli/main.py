"""The entry point of `consentry`: its commands, each of which is imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

COMMANDS: Final = {
    "api-keys": ("api_keys:group", "Create, list and revoke API keys."),
    "brands": ("brands:group", "Work with brand files."),
    "bulk": ("bulk:group", "Imports, screenings and exports of millions, done by the deployment."),
    "decide": ("decide:decide", "Add to each row of INPUT whether that person may be mailed on a topic now, and why."),
    "doctor": ("doctor.command:doctor", "Look at a deployed stack; say what is wrong with it, and how to fix that."),
    "erase": ("erasing:erase", "Forget persons: their address and the evidence go, their opt-outs stay in force."),
    "export": ("exporting:export", "Write every consent, or every ledger event, of a brand."),
    "import": ("importing:import_", "Take opt-outs, complaints, bounces and subscribers from another system's export."),
    "keys": ("keys:group", "Work with the keys that sign links."),
    "ledger": ("ledgers:group", "Work with the ledger."),
    "links": ("links:group", "Make links for emails."),
    "lint": (
        "lint.command:lint",
        "Say what Gmail, Yahoo, Outlook and the RFCs would say of an email, and how to fix it.",
    ),
    "notifications": ("notifications:group", "Secrets of endpoints, and notifications that were given up."),
    "person": (
        "person:person",
        "Say how somebody stands to each topic and why, what happened, and what may still be emailed.",
    ),
    "proof": ("proof.command:proof", "Make a page, to print, that proves what somebody agreed to."),
    "report": ("report.command:report", "Make a page with plots of who opted in and out, when and which way."),
    "restore": ("restoring:group", "Bring back what was lost."),
    "spool": ("spools:group", "Opt-outs and reports that wait to be recorded."),
    "webhooks": ("webhooks:group", "Set and list the secrets of webhooks."),
}
"""Module and function of each command, and what `consentry --help` says of it: the first sentence of its own help."""


class _NotYet(click.Command):
    """A command that wasn't called."""

    def __init__(self, name: str, place: str, help_: str) -> None:
        super().__init__(name, help=help_)
        self._place = place

    def imported(self) -> click.Command:
        """The command itself."""
        module, _, function = self._place.partition(":")
        command: click.Command = getattr(import_module(f"consentry_cli.{module}"), function)
        return command


class _Commands(click.Group):
    """Imports a command when it is called: nobody waits for the libraries of another, as boto3."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.imported() if isinstance(command, _NotYet) else command, rest


@click.group(
    cls=_Commands,
    commands=[_NotYet(name, *described) for name, described in COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="consentry")
def main() -> None:
    """Operate a Consentry deployment.

    Exit status: 0 all is well, 1 something was found, 2 the command can't run.
    """
