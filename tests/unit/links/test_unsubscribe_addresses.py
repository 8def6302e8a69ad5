"""Unsubscribe addresses: an email to one opts one person out of one topic, whatever became of its subject."""

from __future__ import annotations

import base64
import json
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentry.links import unsubscribe_addresses
from consentry.links.keyring import Keyring, SecretUnavailableError
from consentry.links.tokens import Link, Minter, NotOursError, Purpose, Tokens, minting_keys
from consentry.links.unsubscribe_addresses import find, local_part
from consentry.rules.brands import Brands
from support import people
from support.bare_keys import Bare

if TYPE_CHECKING:
    pass

NOW = people.NOW
DOMAIN = "reply.meadow.example"
LEAVE = Link(Purpose.UNSUBSCRIBE, "demo", people.SUBSCRIBER, ("news",))
OURS = LEAVE._replace(ours=True)
BASE32 = string.ascii_lowercase + "234567"
IDS = st.binary(min_size=16, max_size=16).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def brands(*more: Any, **demo: Any) -> Brands:
    return Brands([people.brand(id="other", inbound_domain="reply.other.example"), people.brand(**demo), *more])


def code(link: Link = LEAVE, keys: Bare | None = None) -> str:
    return local_part(Tokens(keys or Bare()), link).removeprefix(unsubscribe_addresses.PREFIX)


def read(text: str, keys: Bare | None = None, of: Brands | None = None, gone: tuple[str, ...] = ()) -> Link:
    return unsubscribe_addresses.read(Tokens(keys or Bare()), of or brands(), text, gone)


# --- what is not ours -------------------------------------------------------------------------------------------------


def test_an_address_with_any_bit_flipped_opts_nobody_out() -> None:
    raw = base64.b32decode(code(), casefold=True)
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotOursError):
            read(base64.b32encode(flipped).decode().lower())


def test_an_address_with_another_character_anywhere_opts_nobody_out() -> None:
    good = code()
    for at in range(len(good)):
        for other in set(BASE32) - {good[at]}:
            with pytest.raises(NotOursError):
                read(good[:at] + other + good[at + 1 :])


@pytest.mark.parametrize("text", ["", "a" * 47, "a" * 49, "1" * 48, "é" * 48, "\u017f" * 48, "a" * 47 + "=", "a" * 48])
def test_what_isnt_spelt_or_made_like_one_opts_nobody_out(text: str) -> None:
    with pytest.raises(NotOursError):
        read(text)


def test_an_address_cut_off_anywhere_isnt_found() -> None:
    whole = local_part(Tokens(Bare()), LEAVE)
    for length in range(len(whole)):
        assert find(f"{whole[:length]}@{DOMAIN}") == []


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.UNSUBSCRIBE])
@pytest.mark.parametrize("ours", [False, True])
def test_what_vouches_for_another_purpose_opts_nobody_out(purpose: Purpose, ours: bool) -> None:
    with pytest.raises(NotOursError):
        read(code(LEAVE._replace(purpose=purpose, ours=ours, at=NOW)))


def test_an_address_of_one_brand_opts_nobody_out_of_another() -> None:
    """Also where both have the same signing key, the same topic, and the same person's id."""
    mine, theirs = code(), code(LEAVE._replace(brand="other"))
    assert mine != theirs
    assert (read(mine).brand, read(theirs).brand) == ("demo", "other")
    with pytest.raises(NotOursError):
        read(theirs, of=Brands([people.brand()]))


def test_a_signature_of_a_token_never_passes_for_an_address_nor_the_other_way_round() -> None:
    """The same key makes both: no message that one covers is one that the other may cover."""
    key = minting_keys(Bare(), "demo")["u"]
    assert Minter({"u": key}).mac(LEAVE, b"said") != Minter({"u": key}).mac(LEAVE, b"sai")
    token = Tokens(Bare()).sign(LEAVE)
    signature = base64.urlsafe_b64decode(token.partition(".")[2] + "=")
    said = base64.b32decode(code(), casefold=True)[:20]
    with pytest.raises(NotOursError):
        read(base64.b32encode(said + signature[:10]).decode().lower())


@pytest.mark.parametrize("ours", [False, True])
def test_a_key_that_leaked_no_longer_vouches(ours: bool) -> None:
    link = LEAVE._replace(ours=ours)
    document: dict[str, Any] = {"root": "r", "brands": {"demo": {"generations": ["1"]}}}
    made = local_part(Tokens(Keyring(lambda: json.dumps(document))), link)[-48:]
    document["brands"]["demo"] |= {"generations": ["1", "2"], "retired": {"1": {"at": NOW}}}
    retired = Tokens(Keyring(lambda: json.dumps(document)))
    assert unsubscribe_addresses.read(retired, brands(), made) == link
    document["brands"]["demo"]["retired"]["1"]["leaked"] = True
    leaked = Tokens(Keyring(lambda: json.dumps(document)))
    with pytest.raises(NotOursError):
        unsubscribe_addresses.read(leaked, brands(), made)


def test_minters_away_from_aws_cant_say_ours() -> None:
    minter = Minter(minting_keys(Bare(), "demo"))
    with pytest.raises(ValueError, match="no key for unsubscribe"):
        local_part(minter, OURS)


# --- what can't be said -----------------------------------------------------------------------------------------------


def test_several_topics_have_no_address() -> None:
    with pytest.raises(ValueError, match="one topic"):
        local_part(Tokens(Bare()), LEAVE._replace(topics=("news", "offers")))


@pytest.mark.parametrize("subscriber_id", ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAB", "ann@example.com"])
def test_who_has_no_subscriber_id_has_no_address(subscriber_id: str) -> None:
    with pytest.raises(ValueError, match="subscriber id"):
        local_part(Tokens(Bare()), LEAVE._replace(subscriber_id=subscriber_id))


# --- keys -------------------------------------------------------------------------------------------------------------


def test_older_and_retired_keys_vouch_for_good() -> None:
    old = code(keys=Bare(b"old"))
    assert read(old, Bare(b"old", b"new")) == LEAVE
    retired = Bare(b"new")
    retired.retired = (b"older", b"old")
    assert read(old, retired) == LEAVE
    assert retired.refreshed == 0


def test_a_key_that_is_new_is_fetched_once() -> None:
    keys = Bare(b"old")
    keys.newer = (b"old", b"new")
    assert read(code(keys=Bare(b"new")), keys) == LEAVE
    assert keys.refreshed == 1


def test_what_nobody_vouches_for_causes_one_fetch_however_many_brands_there_are() -> None:
    keys = Bare(b"key")
    with pytest.raises(NotOursError):
        read(code(keys=Bare(b"another")), keys, gone=("gone", "and-gone"))
    assert keys.refreshed == 1


def test_while_newer_keys_cant_be_had_an_address_isnt_called_forged() -> None:
    keys = Bare(b"old")
    keys.unavailable = True
    with pytest.raises(SecretUnavailableError):
        read(code(keys=Bare(b"new")), keys)


def test_addresses_minted_away_from_aws_are_the_same() -> None:
    assert local_part(Minter(minting_keys(Bare(), "demo")), LEAVE) == local_part(Tokens(Bare()), LEAVE)


# --- brands and topics ------------------------------------------------------------------------------------------------


def test_a_topic_that_the_brand_had_is_left_like_any_other() -> None:
    assert read(code(LEAVE._replace(topics=("old",))), of=brands(retired_topics=("old",))).topics == ("old",)


def test_a_topic_that_no_file_names_any_more_is_left_with_everything() -> None:
    assert read(code(LEAVE._replace(topics=("forgotten",)))) == LEAVE._replace(topics=())


@pytest.mark.parametrize("topics", [(), ("*",)])
@pytest.mark.parametrize("ours", [False, True])
def test_everything_is_everything(topics: tuple[str, ...], ours: bool) -> None:
    link = LEAVE._replace(topics=topics, ours=ours, at=NOW if ours else 0)
    assert read(code(link)) == LEAVE._replace(topics=(), ours=ours)


def test_a_brand_whose_file_is_gone_is_left_as_long_as_the_keyring_names_it() -> None:
    keys = Keyring(lambda: '{"root": "r", "brands": {"gone": {}, "demo": {}}}')
    tokens = Tokens(keys)
    of_gone = local_part(tokens, LEAVE._replace(brand="gone"))[-48:]
    with pytest.raises(NotOursError):
        unsubscribe_addresses.read(tokens, brands(), of_gone)
    found = unsubscribe_addresses.read(tokens, brands(), of_gone, keys.brands())
    assert found == LEAVE._replace(brand="gone", topics=())


def test_what_we_mailed_says_so_and_lifts_nothing() -> None:
    found = read(code(OURS._replace(at=NOW)))
    assert found == OURS
    assert not found.lifts(NOW)
    assert not read(code()).ours


@given(IDS, st.sampled_from(["news", "offers", "product", ""]), st.booleans(), st.data())
@example("AAAAAAAAAAAAAAAAAAAAAA", "news", False, None)
@example("_____________________w", "", True, None)
def test_whoever_it_is_the_address_says_it_in_any_case(subscriber_id: str, topic: str, ours: bool, data: Any) -> None:
    link = Link(Purpose.UNSUBSCRIBE, "demo", subscriber_id, (topic,) if topic else (), ours=ours)
    local = local_part(Tokens(Bare()), link)
    assert len(local) <= 64
    assert local.islower()
    spelt = local.upper()
    if data:
        spelt = "".join(data.draw(st.sampled_from((each, each.upper()))) for each in local)
    assert read(spelt[-48:]) == link
    assert [read(each) for each in find(f"{spelt}@{DOMAIN}")] == [link]


# --- finding ----------------------------------------------------------------------------------------------------------

ADDRESS = f"{local_part(Tokens(Bare()), LEAVE)}@{DOMAIN}"
SURROUNDINGS = [
    "{}",
    "<{}>",
    '"Leave" <{}>, Ann <ann@example.com>',
    "mailto:{}?subject=unsubscribe",
    "=?utf-8?q?Leave?= <{}>",
    "for <{}>; Fri, 15 Jan 2027 08:00:00 +0000",
    "prvs=1234abcdef={}",
    "SRS0=HHH=TT=sender.example={}",
    "bounces+unsubscribe-{}",
    "to={}&subject=x",
    "x{}y",
]


@pytest.mark.parametrize("around", SURROUNDINGS)
@pytest.mark.parametrize("change", [str, str.upper, str.title, quote, lambda text: quote(quote(text)), str.swapcase])
def test_it_is_found_with_whatever_stands_around_it(around: str, change: Any) -> None:
    assert find(around.format(change(ADDRESS))) == [code()]


@pytest.mark.parametrize("rewritten", ["{0}+tag@{1}", "{0}={1}@forwarder.example", "{0}_{1}@x.example", "{0}%{1}@x"])
def test_it_is_found_in_forwarders_forms(rewritten: str) -> None:
    assert find(rewritten.format(*ADDRESS.split("@"))) == [code()]


@pytest.mark.parametrize(
    "gap", ["\n", "\r\n", " ", "\t", "=\n", "=\r\n", "\n> ", "\r\n> > ", "\u200b", "\u00ad", "%0A", "%20", " \n\t"]
)
@pytest.mark.parametrize("at", [5, 12, 13, 40, 59])
def test_it_is_found_where_it_was_broken(gap: str, at: int) -> None:
    assert find(f"To: {ADDRESS[:at]}{gap}{ADDRESS[at:]}") == [code()]


@pytest.mark.parametrize(("times", "found"), [(4, [code()]), (5, [])])
def test_only_so_many_encodings_are_taken_off(times: int, found: list[str]) -> None:
    """More than programs and proxies put on: taking off another would do no harm, taking off without end would."""
    text = "".join(f"%{ord(each):02X}" for each in ADDRESS)
    for _ in range(times - 1):
        text = text.replace("%", "%25")
    assert find(text) == found


def test_percent_encoded_letters_are_read() -> None:
    assert find("".join(f"%{ord(each):02x}" for each in ADDRESS)) == [code()]


@pytest.mark.parametrize(
    "text",
    ["", "unsubscribe@reply.meadow.example", "unsubscribe-", f"unsubscribe-{'a' * 47}@x", "unſubscribe-" + "a" * 48],
)
def test_other_addresses_hold_none(text: str) -> None:
    assert find(text) == []


def test_several_are_found_in_order_each_once_and_not_without_end() -> None:
    other = local_part(Tokens(Bare()), OURS)
    assert find(f"{other}@a {ADDRESS} {other.upper()}@b") == [other[-48:], code()]
    many = " ".join("unsubscribe-" + base64.b32encode(number.to_bytes(30)).decode() for number in range(1_000))
    assert len(find(many)) == 50


def test_long_texts_take_no_longer_than_they_are() -> None:
    for text in ("unsubscribe-" * 50_000, "=\n> " * 100_000, "%25" * 100_000, "\n" * 300_000):
        assert find(text) == []
