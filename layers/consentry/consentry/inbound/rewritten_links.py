"""Rewritten links: the address that a mail filter put its own in the place of, where its own still holds it. Pure.

    filter                            the original
    Microsoft Safe Links              `*.safelinks.protection.outlook.com/?url=`, percent-encoded
    Proofpoint v1                     `urldefense.proofpoint.com/v1/url?u=`, percent-encoded
    Proofpoint v2                     `urldefense.proofpoint.com/v2/url?u=`: `-3A` for `%3A`, `_` for `/`
    Proofpoint v3                     `urldefense.com/v3/__…__;…!!…`: `*` for characters that follow in base64
    Barracuda                         `linkprotect.cudasvc.com/url?a=`, percent-encoded
    Cisco                             `secure-web.cisco.com/…/`, percent-encoded
    Trend Micro, Symantec, Trellix,   `?url=`, `?u=`, percent-encoded
    Google's redirect
    Sophos                            `*.protection.sophos.com/?d=…&u=`, base64

Mimecast (`protect-*.mimecast.com/s/…?domain=…`) and Cisco's and Proofpoint's short forms hold no original, only a
number that their maker can look up: such a link opts nobody out by itself.

Sources: https://learn.microsoft.com/defender-office-365/safe-links-about; Proofpoint's decoder, `URLDefenseDecode.py`
(https://help.proofpoint.com/Threat_Insight_Dashboard/API_Documentation/URL_Decoder_API);
https://campus.barracuda.com/product/emailgatewaydefense/doc/96023032 (link protection).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYERS: Final = 4
"""One filter within another, each with the other's address in its own."""

_MOST: Final = 10
_V2: Final = re.compile(r"/v2/url\?(?:amp;)?u=([A-Za-z0-9._~%-]+)")
_V3: Final = "/v3/__"
_REPLACED: Final = re.compile(r"[A-Za-z0-9_=-]{0,400}")
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/_-])aHR0c(?:HM6Ly|DovL)[A-Za-z0-9+/_-]{20,4000}")
"""`https://` or `http://` in base64 (RFC 4648, 4 or 5), and what follows."""
_LINE: Final = str.maketrans("-_", "%/")
_RUNS: Final = {
    letter: 2 + at for at, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
"""How many characters `**` and a letter stand for."""
_STAR: Final = re.compile(r"\*(?:\*([A-Za-z0-9_-]))?")


def spellings(text: str) -> Iterator[str]:
    """The text, and what it says once the addresses in it are taken out of others: outermost first, at most four deep.

    All of them together have at most `_MOST` times the text's length.
    """
    left = _MOST * len(text)
    layer = {text: None}
    seen = set(layer)
    for _ in range(_LAYERS + 1):
        for said in layer:
            left -= len(said)
            if left < 0:
                return
            yield said
        layer = {inner: None for said in layer for inner in _within(said) if inner not in seen}
        seen.update(layer)


def _within(text: str) -> Iterator[str]:
    """What is held by a text, one layer down; each filter's links together, so that few texts are looked through."""
    if "%" in text:
        yield unquote(text)
    if "/v2/url" in text:
        yield "\n".join(unquote(found[1].translate(_LINE)) for found in _V2.finditer(text))
    if _V3 in text:
        yield "\n".join(map(_third, text.split(_V3)[1:]))
    if "aHR0c" in text:
        yield "\n".join(_decoded(found[0]) for found in _ENCODED.finditer(text))


def _third(text: str) -> str:
    """A link of Proofpoint's third version: `*` is the next of what was replaced, `**A` the next two."""
    url, ending, rest = text.partition("__;")
    if not ending or not (replaced := _REPLACED.match(rest)):
        return ""
    characters = iter(_decoded(replaced[0]))

    def put_back(star: re.Match[str]) -> str:
        count = _RUNS[star[1]] if star[1] else 1
        return "".join(character for _, character in zip(range(count), characters, strict=False))

    return _STAR.sub(put_back, url)


def _decoded(text: str) -> str:
    """Base64 of either alphabet, padded or not; of what was cut, as much as is whole."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("utf-8", "replace")
    except binascii.Error:
        return ""
