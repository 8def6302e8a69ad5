"""The entry point of `consentry`: its groups of commands."""

from __future__ import annotations

import click

from consentry_cli import (
    api_keys,
    brands,
    bulk,
    decide,
    doctor,
    erasing,
    exporting,
    importing,
    keys,
    ledgers,
    links,
    lint,
    notifications,
    report,
    restoring,
    spools,
    webhooks,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="consentry")
def main() -> None:
    """Operate a Consentry deployment.

    Exit status: 0 all is well, 1 something was found, 2 the command can't run.
    """


main.add_command(api_keys.group)
main.add_command(brands.group)
main.add_command(bulk.group)
main.add_command(keys.group)
main.add_command(links.group)
main.add_command(lint.lint)
main.add_command(notifications.group)
main.add_command(decide.decide)
main.add_command(doctor.doctor)
main.add_command(importing.import_)
main.add_command(exporting.export)
main.add_command(erasing.erase)
main.add_command(ledgers.group)
main.add_command(report.report)
main.add_command(restoring.group)
main.add_command(spools.group)
main.add_command(webhooks.group)
