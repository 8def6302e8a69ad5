"""Tokens: the signed, purpose-bound strings in links. The only module that knows itsdangerous.

A token says: *whoever holds this may do one thing (`Purpose`), for one subscriber, of one brand.* Brand and
purpose are part of the salt from which the signing key is derived, so a token of one can't verify as another;
they also stand in the payload and are compared after verifying, so that no mistake with salts goes unnoticed.

A token is `<payload>.<signature>`, both base64url without padding. The payload is
`purpose|brand|subscriber_id|topics|detail`: no address, and nothing that its holder may not see. Each token has
exactly one spelling: what decodes to the same bytes but is written otherwise is not ours.

Who delivered a link is part of what it may do. Platforms mint links to leave, to choose and to keep, also away from
AWS, with keys that are derived for those alone (`minting_keys`). What we mailed ourselves says so, under a purpose of
its own that no minter's key can sign: only by such a link can its holder lift what they once left. What was signed
before there was a difference counts as a platform's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from consentry.rules.consent import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_REFERENCE: Final = 64
"""Characters of a platform's reference, printable ASCII."""

_HOUR: Final = 3_600_000
LONGEST: Final = 2_000
"""Characters of a payload; ours are far shorter."""
SPELLING: Final = rf"[A-Za-z0-9_-]{{20,{LONGEST}}}\.[A-Za-z0-9_-]{{43}}"
"""What every token looks like, as a regular expression."""
MAC_BYTES: Final = 10
"""Of a MAC where a token has no place."""

_SPELLING: Final = re.compile(SPELLING)
_OURS: Final = "o"
"""Follows the purpose in what we mailed."""
_FIELDS: Final = 5


class Purpose(StrEnum):
    """The one thing that a token does. The values are part of tokens that live for years: never change them."""

    CONFIRM = "c"
    UNSUBSCRIBE = "u"
    PREFERENCES = "p"
    KEEP = "k"
    """Renews what its holder gets, before it ends or after; lifts nothing."""
    UNDO = "x"
    STAMP = "s"
    """When a page was shown: proves that its form was not posted blindly. Not a link."""
    REASON = "r"
    """Says why somebody left, and nothing else."""


MINTED: Final = (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.KEEP)
"""What platforms mint."""

LIFETIME: Final = {Purpose.CONFIRM: 7 * 24 * _HOUR, Purpose.UNDO: _HOUR, Purpose.REASON: 24 * _HOUR}
"""How long a token counts after its instant, in milliseconds. A purpose that isn't named never expires: mail
lives for years, and an opt-out must still work then."""


class Link(NamedTuple):
    """What a token says."""

    purpose: Purpose
    brand: str
    subscriber_id: str
    topics: tuple[str, ...] = ()
    """`unsubscribe`: what to opt out of; `keep`: what to renew; `confirm`: what was asked for; `undo`: what was opted
    out of, or the names of the frequencies that were chosen, or empty for a pause; `reason`: what was opted out of;
    `stamp`: which form."""
    reference: str = ""
    """The platform's own, opaque; in what platforms mint only."""
    at: int = 0
    """Epoch ms: `confirm` of the request, `undo` and `reason` of the opt-out, `stamp` of the showing; of another that
    is ours, when it was made; else 0."""
    ours: bool = False
    """Whether we mailed it, or answered it to somebody who held such a link; else a platform minted it."""

    def lifts(self, now: int) -> bool:
        """Whether its holder has just shown that they read the mailbox: we mailed it within the last day.

        By such a link what was left can be opted in to again. Later it is a platform's equal: emails are forwarded.
        """
        return self.ours and now < self.at + DAY_MS


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


class LinkSigner(Protocol):
    """Signs what platforms mint: the keyring's `Tokens`, or keys that were derived for that alone."""

    def sign(self, link: Link) -> str:
        """The token that says `link`.

        Raises:
            ValueError: it can't be said, or isn't for this signer to say.
        """

    def mac(self, link: Link, said: bytes) -> bytes:
        """What vouches for `said`, `MAC_BYTES` long, as a signature of `link`'s purpose and brand does; see `_mac`.

        Raises:
            ValueError: it isn't for this signer to say.
        """


class Tokens:
    """Signs links and reads tokens, with the keys of every brand."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._signers: dict[tuple[str, str, bool], tuple[Sequence[bytes], _Signer]] = {}

    def sign(self, link: Link) -> str:
        """The token that says `link`, signed with the brand's key that signs now.

        Raises:
            ValueError: a reference longer than `MAX_REFERENCE` or not printable ASCII; a link of ours without instant.
        """
        return self._signer(_code(link), link.brand).sign(_payload(link)).decode()

    def mac(self, link: Link, said: bytes) -> bytes:
        """What vouches for `said` in `link`'s name, with the brand's key that signs now. See `LinkSigner`."""
        signer = self._signer(_code(link), link.brand)
        return _mac(signer, signer.secret_key, link, said)

    def vouched_for(self, links: Sequence[Link], said: bytes, mac: bytes) -> Link:
        """The one among links to opt out in whose name `mac` vouches for `said`: retired keys count, too.

        Raises:
            NotOursError: none is. Keys are fetched once more before this is said, in case one was added.
            SecretUnavailableError: no known key verifies it, and newer keys can't be had now.
        """
        found = self._vouched_for(links, said, mac) or (self._keys.refresh() and self._vouched_for(links, said, mac))
        if not found:
            raise NotOursError
        return found

    def _vouched_for(self, links: Iterable[Link], said: bytes, mac: bytes) -> Link | None:
        for link in links:
            signer = self._signer(_code(link), link.brand, leaving=True)
            if any(hmac.compare_digest(_mac(signer, key, link, said), mac) for key in reversed(signer.secret_keys)):
                return link
        return None

    def read(self, purpose: Purpose, token: str, now: int, *, leaving: bool = False) -> Link:
        """What `token` says, if it was signed for this purpose, and isn't past its time at `now` (epoch ms).

        Args:
            purpose: what it is to be good for.
            token: as it came.
            now: epoch ms.
            leaving: all that its holder wants is to leave, so that retired keys verify it, too; always so for
                `unsubscribe`.

        Raises:
            NotOursError: see there. Keys are fetched once more before this is said, in case one was added.
            ExpiredError: it was good until its `LIFETIME` ended.
            SecretUnavailableError: no known key verifies it, and newer keys can't be had now.
        """
        if not _SPELLING.fullmatch(token):
            raise NotOursError
        payload, _, signature = token.partition(".")
        link = _unpack(purpose, payload)
        leaving = leaving or purpose is Purpose.UNSUBSCRIBE  # an opt-out is never refused, however old its key
        if not self._verifies(link, token, leaving=leaving) and not (
            self._keys.refresh() and self._verifies(link, token, leaving=leaving)
        ):
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

    def _verifies(self, link: Link, token: str, *, leaving: bool) -> bool:
        return self._signer(_code(link), link.brand, leaving=leaving).validate(token)

    def _signer(self, code: str, brand: str, *, leaving: bool = False) -> _Signer:
        keys = self._keys.signing_keys(brand)
        if leaving:
            keys = (*self._keys.retired_keys(brand), *keys)
        known = self._signers.get((code, brand, leaving))
        if known and known[0] == keys:
            return known[1]
        signer = _Signer(keys, _salt(code, brand))
        if len(self._signers) > _MANY:  # brands come from tokens that nobody has verified yet
            self._signers.clear()
        self._signers[code, brand, leaving] = keys, signer
        return signer


class Minter:
    """Signs what platforms mint for one brand, with keys that sign nothing else."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` are those of `minting_keys`."""
        self._signers = {purpose: _Minting(key) for purpose, key in keys.items()}

    def sign(self, link: Link) -> str:
        """The token that `Tokens.sign` makes of it.

        Raises:
            ValueError: no key for its purpose; or a reference longer than `MAX_REFERENCE` or not printable ASCII.
        """
        return self._signer(link).sign(_payload(link)).decode()

    def mac(self, link: Link, said: bytes) -> bytes:
        """What `Tokens.mac` makes of it.

        Raises:
            ValueError: no key for its purpose.
        """
        signer = self._signer(link)
        return _mac(signer, signer.secret_key, link, said)

    def signs(self, purpose: Purpose) -> bool:
        """Whether it has a key for a platform's links of this purpose."""
        return purpose.value in self._signers

    def _signer(self, link: Link) -> _Minting:
        signer = self._signers.get(_code(link))
        if signer is None:
            raise ValueError(
                f"no key for {link.purpose.name.lower()}: platforms mint links to leave, to choose and to keep"
            )
        return signer


def minting_keys(keys: Keys, brand: str) -> dict[str, bytes]:
    """By purpose (`u`, `p`, `k`), a key that signs a brand's links of that purpose; from none of them another follows.

    Each is the one that `Tokens` derives from the brand's signing key: HMAC-SHA256 over purpose and brand.
    """
    signs = keys.signing_keys(brand)[-1]
    return {purpose.value: _Signer([signs], _salt(purpose.value, brand)).derive_key(signs) for purpose in MINTED}


def is_whole(text: str) -> bool:
    """Whether `text` is spelt like a token, with nothing around it: one begins with its purpose, thus with a letter."""
    return _SPELLING.fullmatch(text) is not None and text[0].isalpha()


def looks_ours(payload: str) -> bool:
    """Whether an unsigned payload says what one of ours says: a part of one, or more than one, doesn't."""
    if len(payload) > LONGEST or not payload.startswith(_OPENINGS):
        return False
    try:
        raw = base64_decode(payload)
    except BadData:
        return False
    said = raw.decode("latin-1")
    fields = said.split("|", _FIELDS - 1)
    return (
        len(fields) == _FIELDS
        and fields[0] in _CODES
        and said.isascii()
        and said.isprintable()
        and base64_encode(raw).decode() == payload
    )


_CODES: Final = frozenset({*Purpose, *(f"{purpose}{_OURS}" for purpose in Purpose)})
_OPENINGS: Final = tuple(sorted({base64_encode(f"{code}|").decode()[:2] for code in _CODES}))
"""How a payload begins: spares decoding of what can't be one."""
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


class _Minting(Signer):
    """The same with one key that was derived already."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key, key_derivation="none", digest_method=hashlib.sha256)


def _mac(signer: Signer, secret_key: bytes, link: Link, said: bytes) -> bytes:
    """The first 80 bits of HMAC-SHA256 over purpose, brand and `said`, under the key that signs such tokens.

    So minters away from AWS have the key already. No signature of a token can pass for such a MAC, or the other way
    round: what tokens sign is base64url, and this begins with a NUL. Purpose and brand are in the key as well, and no
    name holds a NUL, so that no two readings of the same bytes exist.
    """
    message = b"\0".join((b"", _code(link).encode(), link.brand.encode(), said))
    return hmac.digest(signer.derive_key(secret_key), message, "sha256")[:MAC_BYTES]


def is_reference(text: str) -> bool:
    """Whether `text` can travel as a reference: at most 64 characters, printable ASCII."""
    return len(text) <= MAX_REFERENCE and text.isascii() and text.isprintable()


def _code(link: Link) -> str:
    """How a token says its purpose, and that it is ours. A confirmation is never a platform's."""
    return f"{link.purpose}{_OURS}" if link.ours and link.purpose not in _ALWAYS_OURS else link.purpose.value


_ALWAYS_OURS: Final = frozenset({Purpose.CONFIRM})
_DATED: Final = frozenset({Purpose.CONFIRM, Purpose.UNDO, Purpose.STAMP, Purpose.REASON})


def _salt(code: str, brand: str) -> str:
    return f"consentry {code} {brand}"


def _payload(link: Link) -> bytes:
    if link.reference and not is_reference(link.reference):
        raise ValueError(f"a reference has at most {MAX_REFERENCE} characters, all printable ASCII")
    if link.ours and not link.at:
        raise ValueError("a link of ours says when it was made")
    detail = str(link.at) if link.at else link.reference
    return base64_encode("|".join((_code(link), link.brand, link.subscriber_id, ",".join(link.topics), detail)))


def _unpack(purpose: Purpose, payload: str) -> Link:
    """What an unverified payload claims to say.

    Raises:
        NotOursError: it isn't of our making, or claims another purpose.
    """
    try:
        raw = base64_decode(payload)
        code, brand, subscriber_id, topics, detail = raw.decode().split("|", _FIELDS - 1)
        ours = code == f"{purpose}{_OURS}" or purpose in _ALWAYS_OURS
        dated = ours or purpose in _DATED
        link = Link(
            purpose,
            brand,
            subscriber_id,
            tuple(topics.split(",")) if topics else (),
            "" if dated else detail,
            int(detail) if dated else 0,
            ours,
        )
    except (BadData, UnicodeError, ValueError) as exc:
        raise NotOursError from exc
    if _code(link) != code or base64_encode(raw).decode() != payload:
        raise NotOursError
    return link
