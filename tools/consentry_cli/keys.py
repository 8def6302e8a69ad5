"""`consentry keys`: the keys that sign links."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from consentry_cli import deployment
from consentry_cli.errors import CanNotRunError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExportedKeys(NamedTuple):
    """What links of one brand are minted with, away from AWS. Fits where `Tokens` wants keys."""

    brand: str
    signing: tuple[bytes, ...]
    """Oldest to newest."""
    secret: bytes
    """The pepper: makes subscriber ids of addresses."""

    def signing_keys(self, brand: str) -> Sequence[bytes]:
        """The keys, of this one brand."""
        if brand != self.brand:
            raise CanNotRunError(f"the key file is of {self.brand}, not of {brand}")
        return self.signing

    def pepper(self, brand: str) -> bytes:
        """The pepper, of this one brand."""
        self.signing_keys(brand)
        return self.secret

    def refresh(self) -> bool:
        """There is nowhere to fetch keys from."""
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
    """Write one brand's signing keys and pepper to a file that only you can read.

    Who has the file can make links that opt people out, and tell whether an address is behind a subscriber id.
    """
    with plain_errors():
        deployment.brand_if_known(folder, brand_id)  # a name that is mistyped would have keys, too
        keys = deployment.keyring(secret_id)
        document = {
            "brand": brand_id,
            "signing_keys": [base64.b64encode(key).decode() for key in keys.signing_keys(brand_id)],
            "pepper": base64.b64encode(keys.pepper(brand_id)).decode(),
        }
        part = output.with_name(f".{output.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(output)


def load(path: Path) -> ExportedKeys:
    """The keys in an exported file.

    Raises:
        CanNotRunError: it isn't one.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        signing = tuple(base64.b64decode(key, validate=True) for key in document["signing_keys"])
        keys = ExportedKeys(str(document["brand"]), signing, base64.b64decode(document["pepper"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error) as exc:
        raise CanNotRunError(f"{path} is no file of `consentry keys export`") from exc
    if not keys.signing:
        raise CanNotRunError(f"{path} holds no signing key")
    return keys
