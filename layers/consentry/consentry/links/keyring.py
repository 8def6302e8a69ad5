"""The keyring: every secret of every brand, from one document in Secrets Manager.

The document is JSON:

    {"root": "<random>",                              made once, by the template
     "brands": {"<brand>": {"generations": ["1"],     signing keys that are derived from the root
                            "signing": [{"id", "secret", "signs_from"}]     those with a secret of their own
                            "retired": {"<id>": {"at", "leaked"}}
                            "api_keys": [{"id", "sha256", "scopes"}],
                            "webhooks": {"<provider>": {"<name>": "<secret>"}},
                            "notifications": {"<endpoint>": ["whsec_<old>", "whsec_<new>"]}}}}

`generations` and what is newer stand in two fields, because older code reads the first as a list of names. Instants
are epoch ms. See docs/keys.md and docs/decisions/0027-rotation.md.

All other keys aren't stored, they are derived: HMAC-SHA256 of the root over a label that names use, brand and
generation (RFC 5869's expand step, for a root that is uniformly random already). So a brand has its keys the moment its
file is deployed, and even after that file is gone: there is no state in which an opt-out can't be verified
because nobody made a key. See docs/decisions/0002-keys-are-derived.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_GENERATION: Final = "1"
SCOPES: Final = ("read", "write", "erase", "mint")
_REFRESH_SECONDS: Final = 60
"""Garbage tokens cause at most one fetch a minute and container."""
_API_KEYS_SECONDS: Final = 300
"""A revoked API key or webhook secret is refused after this time at the latest."""
_KEYS_SECONDS: Final = 3_600
"""A container that signs or verifies has a document of at most this age, while it can be read."""
OVERLAP_MS: Final = 2 * _KEYS_SECONDS * 1_000
"""How long a new key is known before it signs: every container that is in use has read it by then, twice over. As long
after that, no container signs with the one before."""
URGENT_OVERLAP_MS: Final = 2 * _REFRESH_SECONDS * 1_000
"""The least that it can be: a container that meets an unknown key reads it, if it hasn't within the last minute."""
_NEVER: Final = 1 << 62
_MANY: Final = 1_000


class SecretUnavailableError(Exception):
    """The keyring can't be read now; nothing can be verified."""


class ApiKey(NamedTuple):
    """Whose call it is, and what it may do."""

    brand: str
    key_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether it has a scope. `write` contains `mint`."""
        return scope in self.scopes or (scope == "mint" and "write" in self.scopes)


class Generation(NamedTuple):
    """A signing key of a brand, and its life. Instants are epoch ms."""

    id: str
    key: bytes
    signs_from: int
    retired_at: int = 0
    """0: it isn't. A retired key never signs, and verifies nothing but opt-outs."""
    leaked: bool = False
    """Retired, and not even its opt-outs count."""


class _Signing(NamedTuple):
    keys: tuple[bytes, ...]
    retired: tuple[bytes, ...]
    until: int
    """When the next key begins to sign."""


class Keyring:
    """Keys, peppers and API keys of all brands; fetched at the first use, kept for the container's life."""

    def __init__(
        self,
        fetch: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`fetch` answers the document, or raises `SecretUnavailableError`; `clock` answers epoch seconds."""
        self._fetch = fetch
        self._clock = clock
        self._unavailable = False
        self._monotonic = monotonic
        self._document: dict[str, Any] | None = None
        self._fetched_at = 0.0
        self._derived: dict[str, bytes] = {}
        self._signing: dict[str, _Signing] = {}

    def signing_keys(self, brand: str) -> Sequence[bytes]:
        """The keys that verify the brand's tokens; the last of them signs now."""
        return self._arranged(brand).keys

    def retired_keys(self, brand: str) -> Sequence[bytes]:
        """The keys that verify the brand's opt-outs and nothing else any more."""
        return self._arranged(brand).retired

    def generations(self, brand: str) -> list[Generation]:
        """The brand's signing keys with their lives, in the order in which they sign."""
        return generations(self._content(), brand)

    def brands(self) -> list[str]:
        """The brands that have a part of the document, also those whose file is gone."""
        return list(self._content().get("brands", {}))

    def _arranged(self, brand: str) -> _Signing:
        self._freshen(_KEYS_SECONDS)
        known = self._signing.get(brand)
        if known is None or self._clock() * 1_000 >= known.until:
            known = _arrange(generations(self._content(), brand), int(self._clock() * 1_000))
            self._remember(self._signing, brand, known)
        return known

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
        """What the archive's manifests are signed and its lines hashed with, for all brands. It never changes."""
        return self._key("archive", "")

    def idempotency_key(self, brand: str) -> bytes:
        """What hides the calls that came with an `Idempotency-Key`, and seals their answers. 32 bytes."""
        return self._key("idempotency", brand)

    def limit_key(self, brand: str) -> bytes:
        """What hides IP addresses and mailboxes in the names of the brand's budgets."""
        return self._key("limit", brand)

    def api_key(self, presented: str) -> ApiKey | None:
        """The API key that was presented, or None.

        Every stored hash is compared, in constant time: how long it takes shows nothing. A key that was revoked is
        refused five minutes later at the latest.
        """
        self._freshen()
        found = self._match(presented)
        if found is None and presented.startswith("ck_") and self._refreshed():
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

        Raises:
            SecretUnavailableError: it can't be fetched, or couldn't within the last minute. What no known key verifies
                may be good: nobody can say.
        """
        if self._document is not None and self._monotonic() - self._fetched_at < _REFRESH_SECONDS:
            if self._unavailable:
                raise SecretUnavailableError("the keyring couldn't be read a moment ago")
            return False
        try:
            self._load()
        except SecretUnavailableError:
            self._fetched_at = self._monotonic()
            self._unavailable = True
            raise
        return True

    def renew(self) -> bool:
        """Fetch the document anew, however young it seems: in a snapshot that was restored, no time has passed.

        Answers whether that was done; if not, the old document stays in use.
        """
        self._fetched_at = -math.inf
        return self._refreshed()

    def _refreshed(self) -> bool:
        with suppress(SecretUnavailableError):
            return self.refresh()
        return False

    def _freshen(self, seconds: int = _API_KEYS_SECONDS) -> None:
        if self._document is not None and self._monotonic() - self._fetched_at > seconds:
            self._refreshed()

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
            usable = isinstance(document["root"], str) and bool(document["root"]) and _are_lives(document)
        except (ValueError, KeyError, TypeError, AttributeError):
            usable = False  # raised below, not here: the error holds the document
        if not usable:
            raise SecretUnavailableError("the keyring isn't a document that we know")
        self._document = document
        self._unavailable = False
        self._fetched_at = self._monotonic()
        self._derived.clear()
        self._signing.clear()


def hash_api_key(presented: str) -> str:
    """What is stored of an API key. A key has 256 random bits, so a plain SHA-256 can't be searched."""
    return hashlib.sha256(presented.encode(errors="replace")).hexdigest()


def generations(document: dict[str, Any], brand: str) -> list[Generation]:
    """The brand's signing keys, in the order in which they sign."""
    entry = document.get("brands", {}).get(brand, {})
    retired = entry.get("retired", {})
    root = bytes(document["root"], "utf-8")
    secrets_of = [(each, root, 0) for each in entry.get("generations") or [FIRST_GENERATION]] + [
        (each["id"], bytes(each["secret"], "utf-8"), each["signs_from"]) for each in entry.get("signing", ())
    ]
    lives = [
        Generation(
            name,
            _derive(secret, "sign", brand, name),
            since,
            retired.get(name, {}).get("at", 0),
            retired.get(name, {}).get("leaked", False),
        )
        for name, secret, since in secrets_of
    ]
    return sorted(lives, key=lambda each: each.signs_from)


def _arrange(lives: Sequence[Generation], now: int) -> _Signing:
    usable = [each for each in lives if not each.retired_at] or list(lives[-1:])  # a brand always has one
    begun = [each for each in usable if each.signs_from <= now] or usable[:1]
    later = [each for each in usable if each not in begun]
    return _Signing(
        tuple(each.key for each in (*later, *begun)),
        tuple(each.key for each in lives if each.retired_at and not each.leaked),
        min((each.signs_from for each in later if each.signs_from > now), default=_NEVER),
    )


def _are_lives(document: dict[str, Any]) -> bool:
    """Whether what the document says of signing keys can be used; one raised here or there is answered alike."""
    return all(
        isinstance(each["id"], str) and isinstance(each["secret"], str) and isinstance(each["signs_from"], int)
        for entry in document.get("brands", {}).values()
        for each in entry.get("signing", ())
    ) and all(
        isinstance(each["at"], int) and isinstance(each.get("leaked", False), bool)
        for entry in document.get("brands", {}).values()
        for each in entry.get("retired", {}).values()
    )


def _derive(root: bytes, use: str, brand: str, generation: str) -> bytes:
    label = f"consentry/1/{use}/{brand}/{generation}"
    return hmac.digest(root, label.encode(), "sha256")
