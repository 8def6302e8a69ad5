"""`consentry brands`: the brand files."""

from __future__ import annotations

from pathlib import Path

import click

from consentry_build.brandfile import faults_of
from consentry_cli.deployment import brand, brands_option
from consentry_cli.errors import CanNotRunError
from consentry_cli.snippet import form


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


@group.command()
@click.argument("brand_id", metavar="BRAND")
@brands_option
@click.option("--language", help="What people read, such as de.  [default: the brand's first]")
@click.option(
    "--base-url",
    envvar="BASE",
    default="https://links.example.com",
    show_default=True,
    help="Scheme and host of the deployment, its output Url. [env: BASE]",
)
def snippet(brand_id: str, folder: Path | None, language: str | None, base_url: str) -> None:
    """Print the sign-up form to paste into a brand's own site."""
    whose = brand(folder, brand_id)
    if language and language not in whose.languages:
        raise CanNotRunError(f"--language: {brand_id} speaks {', '.join(whose.languages)}")
    if not whose.asked_for():
        raise CanNotRunError(f"{brand_id} has nothing to sign up for: none of its topics is opt_in")
    click.echo(form(whose, language or whose.languages[0], base_url.rstrip("/")), nl=False)
