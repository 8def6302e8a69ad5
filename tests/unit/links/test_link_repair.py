"""The token in a damaged link: what is taken off and out, and what is never guessed."""

from __future__ import annotations

import base64
from functools import partial
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.links.repair import find
from consentry.links.tokens import Link, NotOursError, Purpose, Tokens
from support.bare_keys import Bare
from support.damage import AROUND, BEYOND_REPAIR, INSIDE
from support.steps import steps

NOW: Final = 1_800_000_000_000


TOKENS: Final = Tokens(Bare())
SPELLED: Final = [
    TOKENS.sign(Link(purpose, "demo", "K9Xdq1X4AVefMXC3P9olGg", ("news",), at=NOW if purpose in "cxsr" else 0))
    for purpose in Purpose
] + [
    TOKENS.sign(Link(Purpose.PREFERENCES, "demo", "K9Xdq1X4AVefMXC3P9olGg", at=NOW, ours=True)),
    TOKENS.sign(Link(Purpose.UNSUBSCRIBE, "demo", "K9Xdq1X4AVefMXC3P9olGg", (), "spring/2027?a=b")),
]
"""A token of each purpose, and of each that is ours."""
TOKEN: Final = SPELLED[1]


@pytest.mark.parametrize("damage", AROUND)
def test_a_link_with_something_around_it_is_still_the_link(damage: str) -> None:
    assert [find(damage.format(token)) for token in SPELLED] == SPELLED


@pytest.mark.parametrize("inside", INSIDE)
def test_a_link_that_was_broken_is_whole_again(inside: str) -> None:
    for token in SPELLED:
        for at in (1, 25, len(token) - 44, len(token) - 43, len(token) - 1):
            assert find(token[:at] + inside + token[at:]) == token


@pytest.mark.parametrize("around", AROUND)
def test_a_link_that_was_broken_and_stands_in_something_is_whole_again(around: str) -> None:
    for inside in INSIDE:
        assert find(around.format(f"{TOKEN[:30]}{inside}{TOKEN[30:70]}{inside}{TOKEN[70:]}")) == TOKEN, inside


def test_a_link_of_which_every_line_was_broken_is_whole_again() -> None:
    for width in (1, 7, 20, 60, 75):
        lines = [TOKEN[at : at + width] for at in range(0, len(TOKEN), width)]
        for inside in ("\n", "=\r\n", "\n> ", "%20"):
            assert find(inside.join(lines)) == TOKEN


@pytest.mark.parametrize("escaped", [1, 2, 3, 4])
def test_a_link_of_which_anything_was_escaped_is_still_the_link(escaped: int) -> None:
    text = "".join(f"%{ord(each):02x}" for each in TOKEN)
    for _ in range(escaped - 1):
        text = text.replace("%", "%25")
    assert find(text) == TOKEN


def test_what_quoted_printable_wrote_is_read() -> None:
    for token in SPELLED:
        assert find(token.replace(".", "=2E").replace("-", "=2D").replace("_", "=5F")) == token
        assert find(token.replace(".", "=2e")) == token


def test_a_line_that_kept_the_dot_put_before_it_is_read() -> None:
    head, _, signature = TOKEN.partition(".")
    assert [find(f"{head}{inside}..{signature}") for inside in ("", "\n", "=\r\n")] == [TOKEN] * 3


def test_of_several_links_the_first_is_meant() -> None:
    assert find(f"{SPELLED[2]} or {TOKEN}") == SPELLED[2]


def is_nobodys(text: str) -> bool:
    """Whether what is found in a text was never signed."""
    for purpose in Purpose:
        try:
            TOKENS.read(purpose, find(text), NOW)
        except NotOursError:
            continue
        return False
    return True


@pytest.mark.parametrize("damage", BEYOND_REPAIR)
def test_no_character_of_a_link_is_guessed(damage: str) -> None:
    assert is_nobodys(BEYOND_REPAIR[damage](TOKEN))


def test_pieces_of_two_links_make_no_third() -> None:
    other = SPELLED[-1]
    assert is_nobodys(TOKEN.partition(".")[0] + "." + other.partition(".")[2])
    assert find(f"{TOKEN[:-5]}\n{other}") == other


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_found_is_in_the_text_or_the_text_itself(before: str, after: str) -> None:
    found = find(f"{before}/{TOKEN}/{after}")
    assert found == TOKEN or found in f"{before}{after}"


def payload(code: str, fields: int = 5) -> str:
    said = "|".join([code, *["demo"] * (fields - 1)])
    return base64.urlsafe_b64encode(said.encode()).rstrip(b"=").decode()


def test_only_what_says_what_ours_say_is_taken_for_one() -> None:
    for code in (*Purpose, *(f"{each}o" for each in Purpose)):
        text = f"{payload(code)}.{'A' * 43}"
        assert find(f"<{text}>") == text
    for odd in (payload("z"), payload("uu"), payload("u", 4), payload("u\n"), payload("u|\x00"), payload("u|é")):
        text = f"<{odd}.{'A' * 43}>"
        assert find(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "A", "A.", "%", "%25", "=\n", "=2E", "\n> ", "> \n", " ", "\n  ", "-", "-.", "=", "<br", "A=", "dXw=", "dXw.",
        "_ ", f"{'A' * 43}.", f"dXw{'A' * 40}. ", f"{'-' * 43}.", f"dX=w{'A' * 40}.",
    ],
)  # fmt: skip
def test_finding_a_link_takes_a_time_that_grows_with_the_text_alone(piece: str) -> None:
    """Twice the text, at most about twice the steps."""
    once, twice = (steps(partial(find, piece * (size // len(piece)))) for size in (4_000, 8_000))
    assert twice <= 2.2 * once + 200
