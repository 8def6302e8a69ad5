"""The keyring: every secret of every brand, from one document in Secrets Manager.

The document is JSON:

    {"root": "<random>",                              made once, by the template
     "brands": {"<brand>": {"generations": ["1"],     signing keys, oldest to newest
                            "api_keys": [{"id", "sha256", "scopes"}],
                            "webhooks": {"<provider>": {"<name>": "<secret>"}},
                            "notifications": {"<endpoint>": ["whsec_<old>", "whsec_<new>"]}}}}

Keys aren't stored, they are derived: HMAC-SHA256 of the root over a label that names use, brand and generation
(RFC 5869's expand step, for a root that is uniformly random already). So a brand has its keys the moment its
file is deployed, and even after that file is gone: there is no state in which an opt-out can't be verified
because nobody made a key. See docs/decisions/0002-keys-are-derived.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FIRST_GENERATION: Final = "1"
SCOPES: Final = ("read", "write", "erase")
_REFRESH_SECONDS: Final = 60
"""Garbage tokens cause at most one fetch a minute and container."""
_API_KEYS_SECONDS: Final = 300
"""A revoked API key or webhook secret is refused after this time at the latest."""


class SecretUnavailableError(Exception):
    """The keyring can't be read now; nothing can be verified."""


class ApiKey(NamedTuple):
    """Whose call it is, and what it may do."""

    brand: str
    key_id: str
    scopes: frozenset[str]


class Keyring:
    """Keys, peppers and API keys of all brands; fetched at the first use, kept for the container's life."""

    def __init__(self, fetch: Callable[[], str], monotonic: Callable[[], float] = time.monotonic) -> None:
        """`fetch` answers the document, or raises `SecretUnavailableError`."""
        self._fetch = fetch
        self._monotonic = monotonic
        self._document: dict[str, Any] | None = None
        self._fetched_at = 0.0
        self._derived: dict[str, bytes] = {}
        self._signing: dict[str, tuple[bytes, ...]] = {}

    def signing_keys(self, brand: str) -> Sequence[bytes]:
        """The keys that sign the brand's tokens, oldest to newest."""
        keys = self._signing.get(brand)
        if keys is None:
            generations = self._brand(brand).get("generations") or [FIRST_GENERATION]
            keys = tuple(_derive(self._root(), "sign", brand, generation) for generation in generations)
            self._remember(self._signing, brand, keys)
        return keys

    def pepper(self, brand: str) -> bytes:
        """What makes subscriber ids of the brand. It never changes: ids, and with them opt-outs, depend on it."""
        return self._key("pepper", brand)

    def ledger_key(self, brand: str) -> bytes:
        """What the brand's ledger is hashed with. It never changes."""
        return self._key("ledger", brand)

    def dead_letter_key(self) -> bytes:
        """What seals an opt-out that only the log could keep. 32 bytes, the same for all brands."""
        return self._key("dead letter", "")

    def archive_key(self) -> bytes:
        """What signs the archive's manifests, which are about every brand. It never changes."""
        return self._key("archive", "")

    def limit_key(self, brand: str) -> bytes:
        """What hides IP addresses and mailboxes in the names of the brand's budgets."""
        return self._key("limit", brand)

    def api_key(self, presented: str) -> ApiKey | None:
        """The API key that was presented, or None.

        Every stored hash is compared, in constant time: how long it takes tells nothing. A key that was revoked is
        refused five minutes later at the latest.
        """
        self._freshen()
        found = self._match(presented)
        if found is None and presented.startswith("ck_") and self.refresh():
            found = self._match(presented)
        return found

    def webhook_secrets(self, brand: str, provider: str) -> dict[str, str]:
        """What the provider's calls are verified with; empty where nothing was set. At most five minutes old."""
        self._freshen()
        return dict(self._brand(brand).get("webhooks", {}).get(provider, {}))

    def notification_secrets(self, brand: str, endpoint: str) -> list[str]:
        """The secrets that sign what an endpoint gets, oldest first: more than one while they are exchanged."""
        self._freshen()
        return list(self._brand(brand).get("notifications", {}).get(endpoint, []))

    def refresh(self) -> bool:
        """Fetch the document anew, unless that was done within the last minute; True if it was done.

        A failed fetch leaves the old document in use.
        """
        if self._document is not None and self._monotonic() - self._fetched_at < _REFRESH_SECONDS:
            return False
        try:
            self._load()
        except SecretUnavailableError:
            self._fetched_at = self._monotonic()
            return False
        return True

    def renew(self) -> bool:
        """`refresh`, however young the document seems: in a snapshot that was restored, no time has passed."""
        self._fetched_at = -math.inf
        return self.refresh()

    def _freshen(self) -> None:
        if self._document is not None and self._monotonic() - self._fetched_at > _API_KEYS_SECONDS:
            self.refresh()

    def _match(self, presented: str) -> ApiKey | None:
        digest = hash_api_key(presented)
        found = None
        for brand, entry in self._content().get("brands", {}).items():
            for stored in entry.get("api_keys", ()):
                if hmac.compare_digest(stored["sha256"], digest):
                    found = ApiKey(brand, stored["id"], frozenset(stored["scopes"]))
        return found

    def _key(self, use: str, brand: str) -> bytes:
        label = f"{use} {brand}"
        key = self._derived.get(label)
        if key is None:
            key = _derive(self._root(), use, brand, "")
            self._remember(self._derived, label, key)
        return key

    @staticmethod
    def _remember(memory: dict[str, Any], name: str, value: object) -> None:
        if len(memory) > _MANY:  # names come from tokens that nobody has verified yet
            memory.clear()
        memory[name] = value

    def _root(self) -> bytes:
        return bytes(self._content()["root"], "utf-8")

    def _brand(self, brand: str) -> dict[str, Any]:
        return dict(self._content().get("brands", {}).get(brand, {}))

    def _content(self) -> dict[str, Any]:
        if self._document is None:
            self._load()
        assert self._document is not None  # noqa: S101 - _load sets it or raises
        return self._document

    def _load(self) -> None:
        try:
            document = json.loads(self._fetch())
            usable = isinstance(document["root"], str) and bool(document["root"])
        except (ValueError, KeyError, TypeError):
            usable = False  # raised below, not here: the error holds the document
        if not usable:
            raise SecretUnavailableError("the keyring isn't a document that we know")
        self._document = document
        self._fetched_at = self._monotonic()
        self._derived.clear()
        self._signing.clear()


_MANY: Final = 1_000


def hash_api_key(presented: str) -> str:
    """What is stored of an API key. A key has 256 random bits, so a plain SHA-256 can't be searched."""
    return hashlib.sha256(presented.encode(errors="replace")).hexdigest()


def issue_api_key(client: Any, secret_id: str, brand: str, scopes: Iterable[str]) -> str:
    """Add an API key for a brand to the document, and answer it: the only time that it can be seen.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        brand: whose key it is.
        scopes: some of `SCOPES`.

    Raises:
        ValueError: an unknown scope, or none.
    """
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise ValueError(f"scopes are some of {', '.join(SCOPES)}")
    key_id = secrets.token_hex(4)
    key = f"ck_{brand}_{key_id}_{secrets.token_urlsafe(32)}"
    document = _get(client, secret_id)
    stored = {"id": key_id, "sha256": hash_api_key(key), "scopes": wanted}
    entry = document.setdefault("brands", {}).setdefault(brand, {})
    entry.setdefault("api_keys", []).append(stored)
    _put(client, secret_id, document)
    return key


def api_keys(client: Any, secret_id: str, brand: str) -> list[tuple[str, list[str]]]:
    """Id and scopes of each of a brand's API keys, oldest first."""
    stored = _get(client, secret_id).get("brands", {}).get(brand, {}).get("api_keys", [])
    return [(each["id"], each["scopes"]) for each in stored]


def revoke_api_key(client: Any, secret_id: str, brand: str, key_id: str) -> bool:
    """Take an API key out of the document; False if the brand has none of this id."""
    document = _get(client, secret_id)
    entry = document.get("brands", {}).get(brand, {})
    kept = [each for each in entry.get("api_keys", []) if each["id"] != key_id]
    if len(kept) == len(entry.get("api_keys", [])):
        return False
    entry["api_keys"] = kept
    _put(client, secret_id, document)
    return True


def set_webhook_secrets(
    client: Any, secret_id: str, brand: str, provider: str, values: dict[str, str], *, keep_old: bool = False
) -> None:
    """Store what a provider's calls are verified with, in place of what was there; or beside it, so that both count."""
    document = _get(client, secret_id)
    webhooks = document.setdefault("brands", {}).setdefault(brand, {}).setdefault("webhooks", {})
    if keep_old:
        old = webhooks.get(provider, {})
        values = {name: " ".join([*old.get(name, "").split()[-1:], value]) for name, value in values.items()}
    webhooks[provider] = values
    _put(client, secret_id, document)


def webhook_names(client: Any, secret_id: str) -> list[tuple[str, str, dict[str, int]]]:
    """Brand, provider, and how many values each of its secrets has; no value."""
    return [
        (brand, provider, {name: len(value.split()) for name, value in values.items()})
        for brand, entry in sorted(_get(client, secret_id).get("brands", {}).items())
        for provider, values in sorted(entry.get("webhooks", {}).items())
    ]


def add_notification_secret(client: Any, secret_id: str, brand: str, endpoint: str, secret: str = "") -> str:
    """Add a secret that signs what an endpoint gets, and answer it; the older one signs too, until it is dropped.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        brand: whose endpoint it is.
        endpoint: its id in the brand's file.
        secret: `whsec_` and base64; empty makes one of 256 random bits.
    """
    secret = secret or f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    document = _get(client, secret_id)
    entry = document.setdefault("brands", {}).setdefault(brand, {})
    kept = entry.setdefault("notifications", {}).get(endpoint, [])
    entry["notifications"][endpoint] = [*kept[-1:], secret]
    _put(client, secret_id, document)
    return secret


def drop_old_notification_secret(client: Any, secret_id: str, brand: str, endpoint: str) -> bool:
    """Keep only the newest secret of an endpoint; False if there was no other."""
    document = _get(client, secret_id)
    entry = document.get("brands", {}).get(brand, {}).get("notifications", {})
    if len(entry.get(endpoint, [])) < 2:  # noqa: PLR2004 - an old and a new one
        return False
    entry[endpoint] = entry[endpoint][-1:]
    _put(client, secret_id, document)
    return True


def _get(client: Any, secret_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    return document


def _put(client: Any, secret_id: str, document: dict[str, Any]) -> None:
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(document))


def _derive(root: bytes, use: str, brand: str, generation: str) -> bytes:
    label = f"consentry/1/{use}/{brand}/{generation}"
    return hmac.digest(root, label.encode(), "sha256")
