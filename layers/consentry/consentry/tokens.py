"""Tokens: the signed, purpose-bound strings in links. The only module that knows itsdangerous.

A token says: *whoever holds this may do one thing (`Purpose`), for one subscriber, of one brand.* Brand and
purpose are part of the salt from which the signing key is derived, so a token of one can't verify as another;
they also stand in the payload and are compared after verifying, so that no mistake with salts goes unnoticed.

A token is `<payload>.<signature>`, both base64url without padding. The payload is
`purpose|brand|subscriber_id|topics|detail`: no address, and nothing that its holder may not see. Each token has
exactly one spelling: what decodes to the same bytes but is written otherwise is not ours.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REFERENCE: Final = 64
"""Characters of a platform's reference, printable ASCII."""

_HOUR: Final = 3_600_000
SPELLING: Final = r"[A-Za-z0-9_-]{20,2000}\.[A-Za-z0-9_-]{43}"
"""What every token looks like, as a regular expression."""

_SPELLING: Final = re.compile(SPELLING)
_FIELDS: Final = 5


class Purpose(StrEnum):
    """The one thing that a token does. The values are part of tokens that live for years: never change them."""

    CONFIRM = "c"
    UNSUBSCRIBE = "u"
    PREFERENCES = "p"
    UNDO = "x"
    STAMP = "s"
    """When a page was shown: proves that its form was not posted blindly. Not a link."""
    REASON = "r"
    """Says why somebody left, and nothing else."""


LIFETIME: Final = {Purpose.CONFIRM: 7 * 24 * _HOUR, Purpose.UNDO: _HOUR, Purpose.REASON: 24 * _HOUR}
"""How long a token counts after its instant, in milliseconds. A purpose that isn't named never expires: mail
lives for years, and an opt-out must still work then."""


class Link(NamedTuple):
    """What a token says."""

    purpose: Purpose
    brand: str
    subscriber_id: str
    topics: tuple[str, ...] = ()
    """`unsubscribe`: what to opt out of; `confirm`: what was asked for; `undo`: what was opted out of, or the names of
    the frequencies that were chosen, or empty for a pause; `reason`: what was opted out of; `stamp`: which form."""
    reference: str = ""
    """The platform's own, opaque; `unsubscribe` and `preferences` only."""
    at: int = 0
    """Epoch ms: `confirm` of the request, `undo` and `reason` of the opt-out, `stamp` of the showing; else 0."""


class NotOursError(Exception):
    """The token is not one that we signed for this purpose: forged, damaged, of another purpose, or retired."""


class ExpiredError(Exception):
    """The token is ours and was good once."""

    def __init__(self, link: Link) -> None:
        super().__init__("the token has expired")
        self.link = link
        """What it said. Good for explaining and for offering a new one, for nothing else."""


class Keys(Protocol):
    """Where signing keys come from: the keyring, or a bare list when links are minted offline."""

    def signing_keys(self, brand: str) -> Sequence[bytes]:
        """The brand's keys, of which the last signs. A brand always has one."""

    def retired_keys(self, brand: str) -> Sequence[bytes]:
        """Keys that verify what opts out, and nothing else."""

    def refresh(self) -> bool:
        """Fetch keys anew, unless that was done a moment ago; True if it was done.

        Raises:
            SecretUnavailableError: they can't be had now.
        """


class Tokens:
    """Signs links and reads tokens, with the keys of every brand."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._signers: dict[tuple[Purpose, str], tuple[Sequence[bytes], _Signer]] = {}

    def sign(self, link: Link) -> str:
        """The token that says `link`, signed with the brand's key that signs now.

        Raises:
            ValueError: a reference longer than `MAX_REFERENCE` or not printable ASCII.
        """
        if link.reference and not is_reference(link.reference):
            raise ValueError(f"a reference has at most {MAX_REFERENCE} characters, all printable ASCII")
        detail = str(link.at) if link.at else link.reference
        payload = "|".join((link.purpose, link.brand, link.subscriber_id, ",".join(link.topics), detail))
        return self._signer(link.purpose, link.brand).sign(base64_encode(payload)).decode()

    def read(self, purpose: Purpose, token: str, now: int) -> Link:
        """What `token` says, if it is ours, for this purpose, and not past its time at `now` (epoch ms).

        Raises:
            NotOursError: see there. Keys are fetched once more before this is said, in case one was added.
            ExpiredError: it was good until its `LIFETIME` ended.
            SecretUnavailableError: no known key verifies it, and newer keys can't be had now.
        """
        if not _SPELLING.fullmatch(token):
            raise NotOursError
        payload, _, signature = token.partition(".")
        link = _unpack(purpose, payload)
        if not self._verifies(link, token) and not (self._keys.refresh() and self._verifies(link, token)):
            raise NotOursError
        # Base64 leaves spare bits in a last character: several spellings would decode to one signature.
        if base64_encode(base64_decode(signature)).decode() != signature:
            raise NotOursError
        lifetime = LIFETIME.get(purpose)
        if lifetime is not None and now >= link.at + lifetime:
            raise ExpiredError(link)
        return link

    @staticmethod
    def read_unverified(purpose: Purpose, token: str) -> Link:
        """What `token` claims to say. Anybody can make one that claims anything.

        Only for keeping an opt-out while no key can be had: it is verified before it counts.

        Raises:
            NotOursError: it hasn't the form of a token of this purpose.
        """
        if not _SPELLING.fullmatch(token):
            raise NotOursError
        return _unpack(purpose, token.partition(".")[0])

    def _verifies(self, link: Link, token: str) -> bool:
        return self._signer(link.purpose, link.brand).validate(token)

    def _signer(self, purpose: Purpose, brand: str) -> _Signer:
        keys = self._keys.signing_keys(brand)
        if purpose is Purpose.UNSUBSCRIBE:  # an opt-out is never refused, however old its key
            keys = (*self._keys.retired_keys(brand), *keys)
        known = self._signers.get((purpose, brand))
        if known and known[0] == keys:
            return known[1]
        signer = _Signer(keys, f"consentry {purpose} {brand}")
        if len(self._signers) > _MANY:  # brands come from tokens that nobody has verified yet
            self._signers.clear()
        self._signers[purpose, brand] = keys, signer
        return signer


_MANY: Final = 1_000


class _Signer(Signer):
    """HMAC-SHA256; derives each key from the salt once, where the original does so at every call."""

    def __init__(self, keys: Sequence[bytes], salt: str) -> None:
        super().__init__(list(keys), salt, key_derivation="hmac", digest_method=hashlib.sha256)
        self._derived: dict[str | bytes | None, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        derived = self._derived.get(secret_key)
        if derived is None:
            derived = self._derived[secret_key] = super().derive_key(secret_key)
        return derived


def is_reference(text: str) -> bool:
    """Whether `text` can travel as a reference: at most 64 characters, printable ASCII."""
    return len(text) <= MAX_REFERENCE and text.isascii() and text.isprintable()


def _unpack(purpose: Purpose, payload: str) -> Link:
    """What an unverified payload claims to say.

    Raises:
        NotOursError: it isn't of our making, or claims another purpose.
    """
    try:
        raw = base64_decode(payload)
        fields = raw.decode().split("|", _FIELDS - 1)
        if base64_encode(raw).decode() != payload or fields[0] != purpose:
            raise NotOursError
        _, brand, subscriber_id, topics, detail = fields
        dated = purpose in {Purpose.CONFIRM, Purpose.UNDO, Purpose.STAMP, Purpose.REASON}
        return Link(
            purpose,
            brand,
            subscriber_id,
            tuple(topics.split(",")) if topics else (),
            "" if dated else detail,
            int(detail) if dated else 0,
        )
    except (BadData, UnicodeError, ValueError) as exc:
        raise NotOursError from exc
