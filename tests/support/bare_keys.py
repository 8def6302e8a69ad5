"""Signing keys without a keyring, as when links are minted offline."""

from __future__ import annotations

from collections.abc import Sequence

from consentry.links.keyring import SecretUnavailableError


class Bare:
    """The same keys for every brand. Counts how often somebody asks for newer ones: `newer`, or `unavailable`."""

    def __init__(self, *keys: bytes) -> None:
        self.keys: tuple[bytes, ...] = keys or (b"a key",)
        self.retired: tuple[bytes, ...] = ()
        self.newer: tuple[bytes, ...] = ()
        self.unavailable = False
        self.refreshed = 0

    def signing_keys(self, brand: str) -> Sequence[bytes]:
        return self.keys

    def retired_keys(self, brand: str) -> Sequence[bytes]:
        return self.retired

    def refresh(self) -> bool:
        self.refreshed += 1
        if self.unavailable:
            raise SecretUnavailableError("unavailable")
        self.keys = self.newer or self.keys
        return True
