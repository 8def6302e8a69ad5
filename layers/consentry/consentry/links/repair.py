"""Damaged links: the token in what came as a link's end, after mail programs and people had their way with it.

What is taken off or out is what they put there: punctuation and words around the token, white space and line breaks
within it, characters that nobody sees, percent-encoding, remains of quoted-printable. No character of a token is ever
guessed: what comes out still has to be signed, so a link that was cut or spelt in another case stays nobody's.
"""

from __future__ import annotations

import re
from bisect import bisect, bisect_left
from itertools import accumulate, takewhile
from typing import Final
from urllib.parse import unquote

from consentry.links import tokens

MOST_ENCODINGS: Final = 4
"""Layers of percent-encoding: two programs on the way, and proxies before us."""
_SIGNATURE: Final = 43
NOT_SEEN: Final = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
"""What nobody sees: soft hyphen, zero-width space and joiners, marks of direction, word joiner, byte order mark."""
UNSEEN: Final = re.compile(f"[{NOT_SEEN}]+")
_BREAK: Final = re.compile(r"[\r\n][\s>]*|<[Ww]?[Bb][Rr] ?/?>")
"""A line break, with the mark of a quoted line (RFC 3676, 4.5), or one of HTML."""
_GAP: Final = (
    # White space (a `+` may stand for it), and quoted-printable's soft line break (RFC 2045, 6.7), of which browsers
    # leave the `=`: they take line breaks out of an address (https://url.spec.whatwg.org/#concept-basic-url-parser).
    f"[\\s+={NOT_SEEN}]+"
)
_PIECE: Final = re.compile(rf"(?:[A-Za-z0-9_.-]+(?:{_GAP}(?=[A-Za-z0-9_.-]))?)+")
_GAPS: Final = re.compile(_GAP)
_ESCAPED: Final = re.compile(r"=(2D|2E|5F|3D|20|09|0D|0A)", re.IGNORECASE)
"""Quoted-printable of what a token is made of or broken by: `-._`, `=`, white space (RFC 2045, 6.7, rule 1)."""
_DOTS: Final = re.compile(r"\.{2,}")
"""A line that began with the token's dot, and kept the one that SMTP put before it (RFC 5321, 4.5.2)."""
_EMPHASIS: Final = "_-"
"""What plain text is emphasised with, or set off by, and a token is made of, too."""


def find(text: str) -> str:
    """The token in what came as a link's end: without what stands around it, and whole again where it was broken.

    Text that doesn't hold one is answered as it is. Takes time that grows with the text's length, which the gateway
    limits (10,240 characters, https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html).
    """
    plain = text
    for _ in range(MOST_ENCODINGS):
        plain, before = unquote(plain), plain
        if plain == before:
            break
    for spelt in dict.fromkeys((plain, _ESCAPED.sub(lambda found: chr(int(found[1], 16)), plain))):
        for piece in _PIECE.finditer(_BREAK.sub("\n", spelt)):
            if found := _in_piece(piece[0]):
                return found
    return text


def _in_piece(piece: str) -> str:
    """The first token among characters of tokens and gaps, or nothing: it begins and ends where a run of them does."""
    runs = [_DOTS.sub(".", run) for run in _GAPS.split(piece)]
    joined = "".join(runs)
    edges = [0, *accumulate(map(len, runs))]
    ends, after = frozenset(edges), 0
    for dot in (found.start() for found in re.finditer(r"\.", joined)):
        end = dot + 1 + _SIGNATURE
        if "." not in joined[dot + 1 : end] and _ends(joined, end, ends):
            starts = (after, *edges[bisect(edges, after) : bisect_left(edges, dot)])
            for start in takewhile(lambda each: dot - each <= tokens.LONGEST, reversed(starts)):  # noqa: B023 - used at once
                payload = joined[start:dot].lstrip(_EMPHASIS)
                if tokens.looks_ours(payload):
                    return f"{payload}{joined[dot:end]}"
        after = dot + 1
    return ""


def _ends(joined: str, end: int, edges: frozenset[int]) -> bool:
    """Whether nothing but emphasis stands between `end` and the end of its run."""
    while end < len(joined) and end not in edges and joined[end] in _EMPHASIS:
        end += 1
    return end in edges or joined[end : end + 1] == "."
