"""Tokens: a link does the one thing that it was made for, for years; nothing else passes for one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
import tracemalloc
import zlib
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentry.links.keyring import Keyring
from consentry.links.tokens import (
    LIFETIME,
    MINTED,
    ExpiredError,
    Link,
    Minter,
    NotOursError,
    Purpose,
    Tokens,
    is_reference,
    minting_keys,
)
from support.bare_keys import Bare

if TYPE_CHECKING:
    pass

NOW = 1_800_000_000_000
SUBSCRIBER = "K9Xdq1X4AVefMXC3P9olGg"
YEARS = 20 * 365 * 24 * 3_600_000
SAFE = string.ascii_letters + string.digits + "-_"
DATED = (Purpose.CONFIRM, Purpose.UNDO, Purpose.STAMP, Purpose.REASON)


def link(purpose: Purpose = Purpose.UNSUBSCRIBE, brand: str = "demo", **what: object) -> Link:
    what.setdefault("at", NOW if purpose in DATED else 0)
    what.setdefault("topics", ("news",))
    what.setdefault("ours", purpose is Purpose.CONFIRM)
    return Link(purpose, brand, SUBSCRIBER, **what)  # type: ignore[arg-type]


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(Bare())


# --- what is not ours ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "used"), [(made, used) for made, used in product(Purpose, Purpose) if made is not used]
)
@pytest.mark.parametrize("brand", ["demo", "other"])
def test_a_link_for_one_thing_does_no_other(made: Purpose, used: Purpose, brand: str) -> None:
    """All purposes crossed, under one and the same root, at an instant when all are valid."""
    tokens = Tokens(Keyring(lambda: '{"root": "one for all"}'))
    token = tokens.sign(link(made, brand))
    with pytest.raises(NotOursError):
        tokens.read(used, token, NOW)


@pytest.mark.parametrize(("purpose", "claimed"), list(product(Purpose, Purpose)))
@pytest.mark.parametrize("brands", [("demo", "other"), ("demo", "demo"), ("other", "demo")])
def test_a_signature_of_one_purpose_or_brand_doesnt_fit_another(
    purpose: Purpose, claimed: Purpose, brands: tuple[str, str]
) -> None:
    """Payloads rewritten under the old signature: even with the same root, only the very same token verifies."""
    tokens = Tokens(Keyring(lambda: '{"root": "one for all"}'))
    made, wanted = brands
    _, _, signature = tokens.sign(link(purpose, made)).partition(".")
    payload, _, good = tokens.sign(link(claimed, wanted)).partition(".")
    if (purpose, made) == (claimed, wanted):
        assert tokens.read(claimed, f"{payload}.{signature}", NOW).brand == wanted
        return
    assert signature != good
    with pytest.raises(NotOursError):
        tokens.read(claimed, f"{payload}.{signature}", NOW)


def test_the_same_payload_signed_for_another_purpose_is_not_ours() -> None:
    """The purpose is in the key as well as in the payload: neither alone is trusted."""
    payload = base64.urlsafe_b64encode(f"u|demo|{SUBSCRIBER}|news|".encode()).rstrip(b"=")
    for salt, accepted in (("consentry u demo", True), ("consentry p demo", False), ("consentry u other", False)):
        derived = hmac.digest(b"a key", salt.encode(), "sha256")
        signature = base64.urlsafe_b64encode(hmac.digest(derived, payload, hashlib.sha256)).rstrip(b"=")
        token = f"{payload.decode()}.{signature.decode()}"
        if accepted:
            assert Tokens(Bare()).read(Purpose.UNSUBSCRIBE, token, NOW) == link()
        else:
            with pytest.raises(NotOursError):
                Tokens(Bare()).read(Purpose.UNSUBSCRIBE, token, NOW)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_cut_off_anywhere_is_not_ours(tokens: Tokens, purpose: Purpose) -> None:
    token = tokens.sign(link(purpose))
    for length in range(len(token)):
        with pytest.raises(NotOursError):
            tokens.read(purpose, token[:length], NOW)
        with pytest.raises(NotOursError):
            tokens.read(purpose, token[len(token) - length :], NOW)


def test_a_link_with_a_single_bit_flipped_is_not_ours(tokens: Tokens) -> None:
    token = tokens.sign(link())
    for at, bit in product(range(len(token)), range(7)):
        flipped = token[:at] + chr(ord(token[at]) ^ (1 << bit)) + token[at + 1 :]
        with pytest.raises(NotOursError):
            tokens.read(Purpose.UNSUBSCRIBE, flipped, NOW)


def test_a_link_with_another_last_character_is_not_ours(tokens: Tokens) -> None:
    """Base64 leaves spare bits there, so that several spellings decode to the same signature."""
    token = tokens.sign(link())
    payload, _, signature = token.partition(".")
    same_bytes = 0
    for last in SAFE.replace(signature[-1], ""):
        spelt = signature[:-1] + last
        same_bytes += base64.urlsafe_b64decode(spelt + "=") == base64.urlsafe_b64decode(signature + "=")
        with pytest.raises(NotOursError):
            tokens.read(Purpose.UNSUBSCRIBE, f"{payload}.{spelt}", NOW)
    assert same_bytes == 3  # the four spellings of 256 bits in 43 characters, less the right one


def test_a_payload_with_spare_bits_set_is_not_ours() -> None:
    """Signed with our key, spelled as we never would."""
    raw = f"u|demo|{SUBSCRIBER}|news|xx".encode()
    assert len(raw) % 3 == 1
    payload = base64.urlsafe_b64encode(raw).rstrip(b"=")
    payload = payload[:-1] + bytes([payload[-1] + 1])
    assert base64.urlsafe_b64decode(payload + b"==") == raw
    derived = hmac.digest(b"a key", b"consentry u demo", "sha256")
    signature = base64.urlsafe_b64encode(hmac.digest(derived, payload, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(NotOursError):
        Tokens(Bare()).read(Purpose.UNSUBSCRIBE, f"{payload.decode()}.{signature.decode()}", NOW)


@pytest.mark.parametrize("mangle", ["{}=", "{}==", " {}", "{} ", "{}\n", "\t{}", "{}\x00", "{}.", ".{}", "{}.{}"])
def test_a_link_with_something_around_it_is_not_ours(tokens: Tokens, mangle: str) -> None:
    token = tokens.sign(link())
    with pytest.raises(NotOursError):
        tokens.read(Purpose.UNSUBSCRIBE, mangle.format(token, token), NOW)


@pytest.mark.parametrize("mangle", ["{}=.{}", "{} .{}", "{}\n.{}", "{}..{}", "{}.={}", "{}{}"])
def test_a_link_with_something_in_its_middle_is_not_ours(tokens: Tokens, mangle: str) -> None:
    payload, _, signature = tokens.sign(link()).partition(".")
    with pytest.raises(NotOursError):
        tokens.read(Purpose.UNSUBSCRIBE, mangle.format(payload, signature), NOW)


@pytest.mark.parametrize(
    "fields",
    [
        "u|demo|id|news",
        "u",
        "c|demo|id|news|",
        "c|demo|id|news|soon",
        "x|demo|id|news|1.5",
        "c|demo|id|news|" + "9" * 1_000 + "x",
        "|demo|id|news|",
        "uu|demo|id|news|",
    ],
)
def test_what_our_own_key_signed_but_we_never_wrote_is_not_ours(fields: str) -> None:
    """Should another part of the company ever sign with the same key."""
    payload = base64.urlsafe_b64encode(fields.encode()).rstrip(b"=")
    for purpose in Purpose:
        derived = hmac.digest(b"a key", f"consentry {purpose} demo".encode(), "sha256")
        signature = base64.urlsafe_b64encode(hmac.digest(derived, payload, hashlib.sha256)).rstrip(b"=")
        with pytest.raises(NotOursError):
            Tokens(Bare()).read(purpose, f"{payload.decode()}.{signature.decode()}", NOW)


@pytest.mark.parametrize("size", [100, 100_000_000])
def test_a_payload_that_claims_to_be_compressed_is_not_ours_and_is_not_unpacked(size: int) -> None:
    """itsdangerous' serializers mark compressed payloads with a leading dot; ours are never compressed."""
    derived = hmac.digest(b"a key", b"consentry u demo", "sha256")
    bomb = base64.urlsafe_b64encode(zlib.compress(b"u|demo|id|news|" + b" " * size)).rstrip(b"=").decode()
    for payload in (f".{bomb}", bomb):
        signature = base64.urlsafe_b64encode(hmac.digest(derived, payload.encode(), hashlib.sha256)).rstrip(b"=")
        tracemalloc.start()
        with pytest.raises(NotOursError):
            Tokens(Bare()).read(Purpose.UNSUBSCRIBE, f"{payload}.{signature.decode()}", NOW)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()


_COMPRESSED = base64.urlsafe_b64encode(zlib.compress(b"u|demo|" + b"x" * 100_000)).rstrip(b"=").decode()


@given(
    st.sampled_from(Purpose),
    st.one_of(
        st.text(),
        st.text(SAFE + "."),
        st.from_regex(r"\A[A-Za-z0-9_-]{20,60}\.[A-Za-z0-9_-]{43}\Z"),
        st.binary(min_size=20).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode() + "." + "A" * 43),
        st.text(st.characters(), min_size=20).map(
            lambda text: (
                base64.urlsafe_b64encode(text.encode("utf-8", "replace")).rstrip(b"=").decode() + "." + "A" * 43
            )
        ),
    ),
)
@example(Purpose.UNSUBSCRIBE, "." + _COMPRESSED + "." + "A" * 43)
@example(Purpose.UNSUBSCRIBE, _COMPRESSED[:2_000] + "." + "A" * 43)
@example(Purpose.UNSUBSCRIBE, "A" * 1_000_000)
@example(Purpose.UNSUBSCRIBE, "A" * 1_000_000 + "." + "A" * 43)
@example(Purpose.UNSUBSCRIBE, "\ud800" * 30 + "." + "A" * 43)
@example(Purpose.UNSUBSCRIBE, "")
def test_whatever_somebody_types_is_simply_not_ours(purpose: Purpose, text: str) -> None:
    with pytest.raises(NotOursError):
        Tokens(Bare()).read(purpose, text, NOW)


# --- expiry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", list(LIFETIME))
def test_a_link_counts_to_its_last_millisecond_and_no_longer(tokens: Tokens, purpose: Purpose) -> None:
    made = link(purpose)
    token = tokens.sign(made)
    assert tokens.read(purpose, token, NOW + LIFETIME[purpose] - 1) == made
    with pytest.raises(ExpiredError) as caught:
        tokens.read(purpose, token, NOW + LIFETIME[purpose])
    assert caught.value.link == made
    assert SUBSCRIBER not in str(caught.value)


def test_confirmation_links_live_for_a_week_and_undo_for_an_hour() -> None:
    hour = 3_600_000
    assert {Purpose.CONFIRM: 7 * 24 * hour, Purpose.UNDO: hour, Purpose.REASON: 24 * hour} == LIFETIME


@pytest.mark.parametrize("purpose", [Purpose.UNSUBSCRIBE, Purpose.PREFERENCES])
def test_the_way_out_of_an_old_mail_still_works_after_many_years(tokens: Tokens, purpose: Purpose) -> None:
    assert tokens.read(purpose, tokens.sign(link(purpose)), NOW + YEARS) == link(purpose)


def test_a_forged_link_is_never_called_expired(tokens: Tokens) -> None:
    """Whoever can't sign learns nothing about when."""
    token = tokens.sign(link(Purpose.CONFIRM))
    forged = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    with pytest.raises(NotOursError):
        tokens.read(Purpose.CONFIRM, forged, NOW + YEARS)


# --- rotation ------------------------------------------------------------------------------------------------------


def test_links_outlive_the_rotation_of_keys() -> None:
    """Signed with the last key, verified with all."""
    keys = Bare(b"first")
    tokens = Tokens(keys)
    old = tokens.sign(link())
    keys.keys = (b"first", b"second")
    new = tokens.sign(link())
    assert new != old
    assert tokens.read(Purpose.UNSUBSCRIBE, old, NOW) == tokens.read(Purpose.UNSUBSCRIBE, new, NOW) == link()
    assert Tokens(Bare(b"second")).read(Purpose.UNSUBSCRIBE, new, NOW) == link()
    assert keys.refreshed == 0


def test_a_link_signed_with_a_retired_key_is_not_ours() -> None:
    retired = Tokens(Bare(b"stolen")).sign(link())
    with pytest.raises(NotOursError):
        Tokens(Bare(b"first", b"second")).read(Purpose.UNSUBSCRIBE, retired, NOW)


def test_a_link_signed_with_a_key_that_was_just_added_works_at_once() -> None:
    """Another container, or an offline mint, knows the new key before this one does."""
    fresh = Tokens(Bare(b"old", b"new")).sign(link())
    here = Bare(b"old")
    here.newer = (b"old", b"new")
    assert Tokens(here).read(Purpose.UNSUBSCRIBE, fresh, NOW) == link()
    assert here.refreshed == 1


def test_forged_links_fetch_keys_at_most_once_a_minute() -> None:
    clock = [100.0]
    fetched: list[float] = []

    def fetch() -> str:
        fetched.append(clock[0])
        return '{"root": "r"}'

    tokens = Tokens(Keyring(fetch, lambda: clock[0]))
    forged = Tokens(Bare(b"not the key")).sign(link())
    for seconds in (0, 1, 59, 60, 61, 119.9, 120):
        clock[0] = 100.0 + seconds
        for _ in range(3):
            with pytest.raises(NotOursError):
                tokens.read(Purpose.UNSUBSCRIBE, forged, NOW)
    assert fetched == [100.0, 160.0, 220.0]


def test_text_that_cant_be_a_token_fetches_no_keys() -> None:
    keys = Bare()
    token = Tokens(keys).sign(link())
    for text in ("", "garbage", "A" * 64, "A" * 30 + "." + "A" * 43, f"{token}\n", f"{token}A", f" {token}"):
        with pytest.raises(NotOursError):
            Tokens(keys).read(Purpose.UNSUBSCRIBE, text, NOW)
    assert keys.refreshed == 0


def test_links_of_thousands_of_made_up_brands_leave_real_ones_working(tokens: Tokens) -> None:
    """Brands come from tokens that nobody has verified yet; what is remembered of them is bounded."""
    good = tokens.sign(link())
    for number in range(1_100):
        payload = base64.urlsafe_b64encode(f"u|b{number}|{SUBSCRIBER}||".encode()).rstrip(b"=").decode()
        with pytest.raises(NotOursError):
            tokens.read(Purpose.UNSUBSCRIBE, f"{payload}.{'A' * 43}", NOW)
    assert len(tokens._signers) <= 1_001
    assert tokens.read(Purpose.UNSUBSCRIBE, good, NOW) == link()


# --- what a token says ---------------------------------------------------------------------------------------------


@given(
    st.sampled_from(Purpose),
    st.lists(st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,15}\Z"), max_size=5).map(tuple),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64),
    st.integers(1, 10**14),
)
def test_a_link_is_read_as_it_was_signed(purpose: Purpose, topics: tuple[str, ...], reference: str, at: int) -> None:
    made = (
        link(purpose, topics=topics, at=at) if purpose in DATED else link(purpose, topics=topics, reference=reference)
    )
    tokens = Tokens(Bare())
    assert tokens.read(purpose, tokens.sign(made), made.at) == made


@pytest.mark.parametrize("reference", ["x" * 65, "line\nbreak", "é", "tab\t", "\x7f", "\ud800"])
def test_a_reference_that_cant_travel_is_refused(tokens: Tokens, reference: str) -> None:
    assert not is_reference(reference)
    with pytest.raises(ValueError, match="at most 64"):
        tokens.sign(link(reference=reference))


def test_a_token_fits_into_a_mail_header(tokens: Tokens) -> None:
    """240 characters, with the longest brand, topic and reference."""
    longest = link(brand="b" * 16, topics=("t" * 16,), reference="|" * 64)
    token = tokens.sign(longest)
    assert len(token) <= 240
    assert set(token) <= set(SAFE + ".")
    assert tokens.read(Purpose.UNSUBSCRIBE, token, NOW) == longest


def test_a_token_says_what_it_says_and_no_more(tokens: Tokens) -> None:
    """Its holder may see all of it; an address isn't there to be seen."""
    payload = tokens.sign(link(reference="spring")).partition(".")[0]
    assert base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)) == f"u|demo|{SUBSCRIBER}|news|spring".encode()


def test_a_token_minted_years_ago_by_an_earlier_release_still_opts_out() -> None:
    """A known vector: changing the format breaks the links in mail that people keep."""
    keyring = Keyring(lambda: '{"root": "a root for good"}')
    old = "dXxkZW1vfEs5WGRxMVg0QVZlZk1YQzNQOW9sR2d8bmV3c3xzcHJpbmc.91O1cml3TVLkjkkjTxhMsfca0djBcIzMVp4RJYzTrX4"
    assert Tokens(keyring).read(Purpose.UNSUBSCRIBE, old, NOW + YEARS) == link(reference="spring")


# --- whose link it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", [Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.UNDO, Purpose.REASON])
def test_a_link_tells_whether_we_mailed_it(tokens: Tokens, purpose: Purpose) -> None:
    for made in (link(purpose), link(purpose, at=NOW, ours=True)):
        assert tokens.read(purpose, tokens.sign(made), NOW) == made


def test_a_link_that_we_mailed_lifts_for_a_day_and_a_platforms_never() -> None:
    ours = link(Purpose.PREFERENCES, at=NOW, ours=True)
    day = 24 * 3_600_000
    assert ours.lifts(NOW + day - 1)
    assert not ours.lifts(NOW + day)
    assert not link(Purpose.PREFERENCES, at=NOW).lifts(NOW)


def test_a_link_that_says_it_is_ours_under_a_platforms_signature_is_not_ours(tokens: Tokens) -> None:
    _, _, signature = tokens.sign(link(Purpose.PREFERENCES)).partition(".")
    payload, _, _ = tokens.sign(link(Purpose.PREFERENCES, at=NOW, ours=True)).partition(".")
    with pytest.raises(NotOursError):
        tokens.read(Purpose.PREFERENCES, f"{payload}.{signature}", NOW)


@pytest.mark.parametrize("purpose", MINTED)
def test_a_minter_away_from_the_keyring_signs_what_the_keyring_would(tokens: Tokens, purpose: Purpose) -> None:
    minter = Minter(minting_keys(Bare(), "demo"))
    made = link(purpose, reference="spring")
    assert minter.sign(made) == tokens.sign(made)


@pytest.mark.parametrize(("purpose", "ours"), list(product(Purpose, [False, True])))
def test_a_minter_signs_nothing_but_what_platforms_mint(tokens: Tokens, purpose: Purpose, *, ours: bool) -> None:
    """Neither when it is asked to, nor by putting what it has to another use."""
    keys = minting_keys(Bare(), "demo")
    wanted = link(purpose, at=NOW if ours or purpose in DATED else 0, ours=ours or purpose is Purpose.CONFIRM)
    if purpose in MINTED and not ours:
        return
    with pytest.raises(ValueError, match="no key for"):
        Minter(keys).sign(wanted)
    token = tokens.sign(wanted)
    payload, _, _ = token.partition(".")
    for key in keys.values():
        assert Minter(dict.fromkeys(keys, key)).sign(link()) != token
        for forging in (Tokens(Bare(key)).sign(wanted), _signed(payload, key)):
            with pytest.raises(NotOursError):
                tokens.read(purpose, forging, NOW)


def _signed(payload: str, key: bytes) -> str:
    signature = base64.urlsafe_b64encode(hmac.digest(key, payload.encode(), hashlib.sha256)).rstrip(b"=")
    return f"{payload}.{signature.decode()}"


def test_a_retired_key_still_lets_people_leave_by_a_link_to_choose() -> None:
    keys = Bare(b"old")
    token = Tokens(keys).sign(link(Purpose.PREFERENCES))
    keys.keys, keys.retired = (b"new",), (b"old",)
    tokens = Tokens(keys)
    assert tokens.read(Purpose.PREFERENCES, token, NOW, leaving=True) == link(Purpose.PREFERENCES)
    with pytest.raises(NotOursError):
        tokens.read(Purpose.PREFERENCES, token, NOW)
