"""`consentry keys`: the keys that sign links."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from consentry.aws import rotation
from consentry.aws.keyring_document import edit
from consentry.links.tokens import LIFETIME, Purpose, minting_keys
from consentry.rules import consent as rules
from consentry.table.scan import Scan
from consentry_cli import deployment
from consentry_cli.errors import FOUND, CanNotRunError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consentry.links.keyring import Generation, Keyring


T = TypeVar("T")


class _Alone(NamedTuple):
    """One signing key, where `minting_keys` wants a keyring."""

    key: bytes

    def signing_keys(self, _brand: str) -> Sequence[bytes]:
        return (self.key,)

    def retired_keys(self, _brand: str) -> Sequence[bytes]:
        return ()

    def refresh(self) -> bool:
        return False


@click.group("keys")
def group() -> None:
    """Work with the keys that sign links."""


@group.command()
@deployment.brand_option
@deployment.keyring_option
@deployment.brands_option
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
def export(brand_id: str, secret_id: str, folder: Path | None, output: Path) -> None:
    """Write what one brand's links are minted with, and its pepper, to a file that only you can read.

    The keys are derived for links to leave and to choose, and sign nothing else; the signing keys aren't in it. Who has
    the file can make links that opt people out, and find out whether an address is behind a subscriber id.
    """
    with plain_errors():
        deployment.brand_if_known(folder, brand_id)  # a name that is mistyped would have keys, too
        keys = deployment.keyring(secret_id)
        now = deployment.now(secret_id)
        lives = [each for each in keys.generations(brand_id) if not each.retired_at]
        begun = [each for each in lives if each.signs_from <= now]
        document = {
            "brand": brand_id,
            "pepper": _text(keys.pepper(brand_id)),
            "minting": [
                {
                    "signs_from": each.signs_from,
                    "keys": {purpose: _text(key) for purpose, key in minting_keys(_Alone(each.key), brand_id).items()},
                }
                for each in (*begun[-1:], *lives[len(begun) :])
            ],
        }
        part = output.with_name(f".{output.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(output)


@group.command()
@deployment.brand_option_if_any
@click.option("--all", "every", is_flag=True, help="Every brand that has a file here or a part in the keyring.")
@deployment.keyring_option
@deployment.brands_option
@click.option("--urgent", is_flag=True, help="Sign with the new key after two minutes: the old one has leaked.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def rotate(brand_id: str | None, every: bool, secret_id: str, folder: Path | None, urgent: bool, dry_run: bool) -> None:
    """Give a brand a new signing key.

    It signs in two hours, when every container can verify it. Links of older keys keep working.
    """
    if every == bool(brand_id):
        raise click.UsageError("say --brand, or --all")

    def add(document: dict[str, Any]) -> dict[str, Generation | None]:
        known = {each.id for each in deployment.brands_if_any(folder)} | set(document.get("brands", {}))
        return {
            each: rotation.add(document, each, now, urgent=urgent)
            for each in (sorted(known) if brand_id is None else [brand_id])
        }

    with plain_errors():
        now = deployment.now(secret_id)
        if brand_id:
            deployment.brand_if_known(folder, brand_id)  # a name that is mistyped would get a key, too
        added = _change(secret_id, add, dry_run=dry_run)
        for brand, generation in added.items():
            if generation is None:
                click.echo(f"{brand}: a new key waits already, see `consentry keys list`", err=True)
            else:
                click.echo(f"{brand}\t{generation.id}\tsigns from {_instant(generation.signs_from)}")
        if brand_id and added[brand_id] is None:
            raise SystemExit(FOUND)


@group.command("list")
@deployment.brand_option
@deployment.keyring_option
def list_(brand_id: str, secret_id: str) -> None:
    """Print each signing key's id, state, and since when or from when it signs; never the key."""
    with plain_errors():
        now, lives = deployment.now(secret_id), deployment.keyring(secret_id).generations(brand_id)
        for each in lives:
            since = _instant(each.signs_from) if each.signs_from else "the beginning"
            click.echo(f"{each.id}\t{_state(each, lives, now)}\t{since}")


@group.command()
@deployment.brand_option
@deployment.table_option
@deployment.keyring_option
@click.option("--leaked", is_flag=True, help="Others have the key: refuse its opt-outs, too.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only say which links would break.")
@click.argument("key_id")
def retire(brand_id: str, table: str, secret_id: str, leaked: bool, yes: bool, dry_run: bool, key_id: str) -> None:
    """End a key that signs no more: of its links, only those that opt out go on working.

    Says first how many links would break. With --leaked its opt-outs break, too: for a key that others have. `keys
    restore` takes either back.
    """
    with plain_errors():
        now = deployment.now(secret_id)
        keys = deployment.keyring(secret_id)

        def end(document: dict[str, Any]) -> None:
            rotation.retire(document, brand_id, key_id, now, leaked=leaked)

        with _refusals():
            _change(secret_id, end, dry_run=True)
        held, confirmations = _live(table, keys, brand_id, key_id, now)
        click.echo(f"confirmation emails under way that were signed with {key_id}, at most: {confirmations}", err=True)
        click.echo(f"subscribers whose emails may hold its preferences links, at most: {held}", err=True)
        if leaked:
            click.echo(f"subscribers whose emails may hold its unsubscribe links, at most: {held}", err=True)
        click.echo("links that were minted offline, and people who aren't in the table, can't be counted", err=True)
        if dry_run:
            return
        if not yes:
            click.confirm(f"Retire key {key_id} of {brand_id}?", abort=True, err=True)
        with _refusals():
            _change(secret_id, end)
        click.echo(f"{key_id} is retired; within an hour everywhere", err=True)


@group.command()
@deployment.brand_option
@deployment.keyring_option
@click.argument("key_id")
def restore(brand_id: str, secret_id: str, key_id: str) -> None:
    """Let the links of a retired key work again. It doesn't sign again while a newer key does."""
    with plain_errors(), _refusals():
        _change(secret_id, lambda document: rotation.restore(document, brand_id, key_id))
        click.echo(f"links of {key_id} work again; within an hour everywhere", err=True)


def _change(secret_id: str, change: Callable[[dict[str, Any]], T], *, dry_run: bool = False) -> T:
    client = deployment.client("secretsmanager")
    if dry_run:
        return change(
            json.loads(client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")["SecretString"])
        )
    return edit(client, secret_id, change)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except rotation.RefusedError as exc:
        raise CanNotRunError(str(exc)) from None


def _live(table: str, keys: Keyring, brand: str, key_id: str, now: int) -> tuple[int, int]:
    """How many of the brand's subscribers the table knows, and how many may hold a confirmation that a key signed."""
    lives = keys.generations(brand)
    begun = next(each.signs_from for each in lives if each.id == key_id)
    last = rotation.signed_until(lives, key_id)
    held = confirmations = 0
    for _, consent in Scan(deployment.store(table, keys).gateway).consents(brand):
        held += 1
        topics = [name.partition(".")[2] for name in consent.registers if name.startswith("ask.")]
        confirmations += any(
            rules.status(consent, topic) is rules.Status.PENDING
            and begun <= consent.registers[rules.ask(topic)] + _MAIL_WAITS
            and consent.registers[rules.ask(topic)] <= last
            and consent.registers[rules.ask(topic)] + LIFETIME[Purpose.CONFIRM] > now
            for topic in topics
        )
    return held, confirmations


_MAIL_WAITS: Final = LIFETIME[Purpose.CONFIRM]
"""An email may be signed long after its request, but not after the request's end."""


def _state(generation: Generation, lives: Sequence[Generation], now: int) -> str:
    if generation.retired_at:
        return "leaked" if generation.leaked else "retired"
    if generation.signs_from > now:
        return "waits"
    begun = [each for each in lives if not each.retired_at and each.signs_from <= now]
    return "signs" if generation == begun[-1] else "verifies"


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()
