"""`consentry brands`: the brand files."""

from __future__ import annotations

from pathlib import Path

import click

from consentry_build.brandfile import faults_of


@click.group("brands")
def group() -> None:
    """Work with brand files."""


@group.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE_OR_FOLDER..."
)
def validate(paths: tuple[Path, ...]) -> None:
    """Check brand files; say which line is wrong and how to fix it."""
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        raise click.UsageError("no brand files (*.yaml) there; a brand file ends in .yaml, not .yml")
    faults = [fault for file in files for fault in faults_of(file)]
    for fault in faults:
        click.echo(str(fault))
    if faults:
        raise SystemExit(1)
    click.echo(f"{len(files)} brand file{'s' if len(files) > 1 else ''}, no fault")
