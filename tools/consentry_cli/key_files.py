"""Files of `consentry keys export`: what links of one brand are minted with, away from AWS."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from consentry.links.tokens import MINTED, Minter, Purpose
from consentry_cli.errors import CanNotRunError

if TYPE_CHECKING:
    from pathlib import Path

    from consentry.links.tokens import Link


class KeyFile(NamedTuple):
    """What links of one brand are minted with, away from AWS. It signs what platforms mint, and nothing else."""

    pepper: bytes
    """Makes subscriber ids of addresses."""
    minters: tuple[tuple[int, Minter], ...]
    """In order, each with the instant from which it signs, epoch ms; the first also before its own."""

    def sign(self, link: Link) -> str:
        """The token that the keyring would sign now. See `Minter.sign`."""
        return self._minter().sign(link)

    def mac(self, link: Link, said: bytes) -> bytes:
        """What the keyring would vouch with now. See `Minter.mac`."""
        return self._minter().mac(link, said)

    @property
    def keeps(self) -> bool:
        """Whether each key of it signs links to keep: one that was exported before there were any doesn't."""
        return all(minter.signs(Purpose.KEEP) for _, minter in self.minters)

    def _minter(self) -> Minter:
        now = time.time() * 1_000
        begun = [minter for since, minter in self.minters if since <= now]
        return (begun or [self.minters[0][1]])[-1]


def load(path: Path, brand: str) -> KeyFile:
    """The keys in an exported file.

    Raises:
        CanNotRunError: it isn't one, or another brand's.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        minters = tuple((int(each["signs_from"]), Minter(_keys(each["keys"]))) for each in document["minting"])
        found, keys = str(document["brand"]), KeyFile(_key(document["pepper"]), minters)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CanNotRunError(f"{path} is no file of `consentry keys export`") from exc
    if not minters:
        raise CanNotRunError(f"{path} holds no key")
    if found != brand:
        raise CanNotRunError(f"the key file is of {found}, not of {brand}")
    return keys


def _keys(given: dict[str, str]) -> dict[str, bytes]:
    """By purpose. A file of before there were links to keep has none for them."""
    purposes = [each for each in MINTED if each is not Purpose.KEEP or each.value in given]
    return {each.value: _key(given[each.value]) for each in purposes}


def _key(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
