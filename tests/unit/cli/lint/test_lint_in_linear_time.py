"""Lint takes a time that grows with an email, and no faster: nobody can make it wait by what they send.

Counted, not timed: lines of Python that run, calls into C, and what is copied by them is bounded by the walk's design:
`parts`, `hypertext` and `words` read each character a fixed number of times. Twice the email may cost twice the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest

from consentry_cli.lint import checking, words
from consentry_cli.lint.mail import NotAMailError
from support import steps as counting

SIZE: Final = 6_000
"""Characters; each input is tried at this size and at twice that."""


def steps(raw: bytes) -> int:
    """What it takes to check an email."""

    def check() -> None:
        with suppress(NotAMailError):
            checking.check(raw)

    return counting.steps(check)


def field(name: str, piece: str) -> Callable[[int], bytes]:
    """An email of which one field holds a piece over and over."""
    return lambda size: f"From: a@shop.example\n{name}: {piece * (size // len(piece))}\n\nNews.\n".encode()


def text(kind: str, piece: str) -> Callable[[int], bytes]:
    """An email of which the text holds a piece over and over."""
    return lambda size: f"From: a@shop.example\nContent-Type: text/{kind}\n\n{piece * (size // len(piece))}\n".encode()


def lines(piece: str) -> Callable[[int], bytes]:
    """A multipart of lines that are alike."""
    return lambda size: (
        f"From: a@shop.example\nContent-Type: multipart/mixed; boundary=b\n\n{piece * (size // len(piece))}\n".encode()
    )


FIELDS: Final = {
    "Content-Type": ("text/html ; ", "; ", ";a=b", ';a="', "multipart/", "(", "boundary*0=", "=?utf-8?q?a?= ", '"\\'),
    "Content-Disposition": ("; ", "attachment", ';a*1*="'),
    "Content-Transfer-Encoding": ("base64 ", "; "),
    "From": ("a@b.example, ", "(", "<", '"', "\\", "=?utf-8?q?a?= ", "a.", "@", ","),
    "List-Unsubscribe": (
        "<",
        "<a>,",
        "(",
        "()",
        "<https://a.example/>, ",
        "<mailto:a@",
        "=?a?q?",
        "=?a?q?x?= ",
        ">",
        ",",
        "<\t",
    ),
    "List-Unsubscribe-Post": ("=", "List-Unsubscribe=One-Click", "=?a?b?YQ==?="),
    "List-Id": ("<", "<a.", "a.a", "\n <a.b>", "=?a?q?", "("),
    "Date": ("1", " ", "Mon, ", ":", "-", "("),
    "DKIM-Signature": ("a=b;", ";", "d=a.", "h=a:", "h=List-Unsubscribe:"),
    "Authentication-Results": ("dkim=fail ", "(", "dkim=", "=pass;", "spf=pass dkim=fail; "),
    "Subject": ("=?utf-8?q?a?= ", "=?", "a\n "),
    "X": (" ", "\n ", "\n\t\n ", "é"),
}
TEXTS: Final = (
    "<",
    "<a ",
    "<a href=",
    '<a href="',
    "<a href='x",
    "<!--",
    "<!-- --",
    "</",
    "</a",
    "<p>",
    "&",
    "&#",
    "&#9",
    "&amp",
    "<script>",
    "<style><",
    "<title",
    '<img alt="a">',
    "<a href=https://e.example>x</a>",
    "unsubscribe ",
    "cancel ",
    "keine ",
    "meld ",
    "https://",
    "https://e.example/ ",
    "a@",
    "a@b.",
    "a" * 64 + "@",
    "[1] ",
    "[1] https://e.example ",
    "1. ",
    "-",
    "www.",
    "no ",
    "\u0301",
    "\u0301\u0323",
    "\ufdfa",
    "\u00ad",
    " ",
    "\n",
    "=\n",
    "=3D",
    "<wbr>",
    "<form action=x>",
    "<area href=x>",
)
BODIES: Final = (
    "--b\n", "--b\n\nx\n", "--b--\n", "--b \n", "--\n", "--c\n", "-- \n", "--b\nContent-Type: text/html\n\n<a\n",
    "--b\nContent-Type: message/rfc822\n\nFrom: a\n\n", "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
    "--b\nContent-Type: text/plain; ; ; ; ;\n\n", "--b\nContent-Transfer-Encoding: base64\n\nYQ==\n",
    "--b\nContent-Transfer-Encoding: x-uuencode\n\nbegin 1 a\n",
)  # fmt: skip
INPUTS: Final = {
    **{f"{name}: {piece}": field(name, piece) for name, pieces in FIELDS.items() for piece in pieces},
    **{f"{kind}: {piece}": text(kind, piece) for piece in TEXTS for kind in ("html", "plain")},
    **{f"part: {piece}": lines(piece) for piece in BODIES},
    "fields of one name": lambda size: b"From: a@b.example\n" * (size // 18),
    "fields of a name each": lambda size: b"".join(b"X%d: a\n" % at for at in range(size // 8)),
    "signatures": lambda size: b"DKIM-Signature: d=a.example; h=from\n" * (size // 36),
    "senders": lambda size: b"From: a@b.example, c@d.example\n" * (size // 30),
    "parts within parts": lambda size: (
        b"From: a@b.example\n"
        + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(min(99, size // 50))
        )
        + b"--b1\n\n" * (size // 6)
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_twice_the_mail_costs_twice_the_steps_at_most(name: str) -> None:
    words.offers("")
    once, twice = (steps(INPUTS[name](size)) for size in (SIZE, 2 * SIZE))
    assert twice <= 2.1 * once + 500


def test_no_repetition_in_a_stem_is_without_an_end() -> None:
    """Within a regular expression no steps are counted; so none may go back over more than a sentence."""
    for stems in words._STEMS.values():
        for stem in stems:
            assert not [at for at in ("*", "+") if at in stem.replace("\\+", "")]
