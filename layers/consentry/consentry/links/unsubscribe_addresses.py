"""Unsubscribe addresses: email addresses that carry the person and the topic, so that any email to them opts out.

Programs drop or overwrite the `subject` of a `mailto:` link, and people type one of their own; what stands before the
`@` arrives. There a token has no place: a local part has at most 64 octets (RFC 5321, 4.5.3.1.1), and some programs
write it in lower case. So this says the same in 60 characters of any case:

    unsubscribe-<48 characters of base32 (RFC 4648, 6), in lower case, without padding: 30 bytes>
    subscriber id, 16 bytes | topic, 4 bytes | MAC, 10 bytes

The topic is the beginning of its name's SHA-256, and covered by the MAC as the id is: an opt-out verifies, and counts,
also when its topic stands in no brand file any more. Of everything it is that of `*`. Which brand it is, and whether we
mailed it, is found by trying: both are in the key and in what the MAC covers (`Tokens.mac`). No reference fits in, and
no instant: an opt-out needs neither.

30 bytes leave no spare bits, so each address has one spelling but for its case. 80 bits can't be guessed by email: a
million tries a second at a thousand keys would take 38 million years.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from consentry.links.repair import MOST_ENCODINGS, NOT_SEEN
from consentry.links.tokens import MAC_BYTES, Link, NotOursError, Purpose
from consentry.rules import addresses
from consentry.rules.consent import EVERY_TOPIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consentry.links.tokens import LinkSigner, Tokens
    from consentry.rules.brands import Brands

PREFIX: Final = "unsubscribe-"
_ID_BYTES: Final = 16
_TOPIC_BYTES: Final = 4
_CHARACTERS: Final = (_ID_BYTES + _TOPIC_BYTES + MAC_BYTES) * 8 // 5

_CODE: Final = re.compile(rf"[a-z2-7]{{{_CHARACTERS}}}", re.ASCII | re.IGNORECASE)
# Nothing is asked of what stands around it: senders of bounces and forwarders put `+tag`, `=domain` or `prvs=…=` there.
_LOCAL_PART: Final = re.compile(rf"{PREFIX}({_CODE.pattern})", re.ASCII | re.IGNORECASE)
_GAP: Final = re.compile(rf"=?[\r\n]+[\s>]*|[\s{NOT_SEEN}]+")
"""What stands within it when a text was broken: line breaks, also quoted-printable's and quoted ones, white space, and
what nobody sees."""
_MOST: Final = 50


def local_part(signer: LinkSigner, link: Link) -> str:
    """What stands before the `@` of the address that opts out as `link` does: of one topic, or of everything.

    Raises:
        ValueError: it names several topics, or nobody; or its key isn't this signer's.
    """
    if len(link.topics) > 1:
        raise ValueError("an unsubscribe address is for one topic, or for everything")
    if not addresses.is_subscriber_id(link.subscriber_id):
        raise ValueError("an unsubscribe address is for a subscriber id")
    (topic,) = link.topics or (EVERY_TOPIC,)
    said = base64.urlsafe_b64decode(f"{link.subscriber_id}==") + _topic(topic)
    return PREFIX + base64.b32encode(said + signer.mac(link, said)).decode().lower()


def find(text: str) -> list[str]:
    """What may be the code of an unsubscribe address in any text, each once, in the order of the text.

    In recipients, envelopes, links and texts: of any case, percent-encoded, broken by white space, with whatever around
    it. No character is guessed; whether a code is ours, `read` says.
    """
    found: dict[str, None] = {}
    plain = text
    for _ in range(MOST_ENCODINGS + 1):
        for spelt in (plain, _GAP.sub("", plain)):
            for match in _LOCAL_PART.finditer(spelt):
                found.setdefault(match[1].lower())
                if len(found) == _MOST:
                    return list(found)
        plain, before = unquote(plain), plain
        if plain == before:
            break
    return list(found)


def read(tokens: Tokens, brands: Brands, code: str, gone: Iterable[str] = ()) -> Link:
    """The link to opt out that a code from `find` stands for.

    Its topics are one that the brand has or had; none, which is everything, if it is for everything or if no brand file
    names its topic: everything is what can't be too little. It has no instant and lifts nothing (`Link.lifts`).

    Args:
        tokens: verifies it.
        brands: those with a file.
        code: 48 characters.
        gone: ids of more brands, such as those that the keyring's document names.

    Raises:
        NotOursError: we didn't make it, or its key has leaked. Keys are fetched once more before this is said.
        SecretUnavailableError: no known key verifies it, and newer keys can't be had now.
    """
    if not _CODE.fullmatch(code):
        raise NotOursError
    raw = base64.b32decode(code, casefold=True)
    said, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    subscriber_id = base64.urlsafe_b64encode(said[:_ID_BYTES]).rstrip(b"=").decode()
    ids = dict.fromkeys((*(brand.id for brand in brands), *gone))
    link = tokens.vouched_for(
        [Link(Purpose.UNSUBSCRIBE, each, subscriber_id, ours=ours) for each in ids for ours in (False, True)], said, mac
    )
    brand = brands.even_if_gone(link.brand)
    topics = dict.fromkeys((*brand.topics, *brand.retired_topics))
    return link._replace(topics=tuple(each for each in topics if _topic(each) == said[_ID_BYTES:]))


@lru_cache(maxsize=1_000)  # a mailing has one topic, and many people
def _topic(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_TOPIC_BYTES]
