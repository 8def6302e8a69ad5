"""What is plain is parsed without `email-validator`, to the very same result."""

from __future__ import annotations

import contextlib
import string

import email_validator
import pytest
from email_validator import rfc_constants
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consentry.rules import addresses
from consentry.rules.addresses import Address, MalformedAddressError

ATEXT = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-"
atoms = st.text(ATEXT, min_size=1, max_size=12)
near_atoms = st.text(ATEXT + ' ."@()<>,;:\\[]ßİſKé\u0301', max_size=12)
labels = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)
near_labels = st.one_of(
    labels,
    st.text(string.ascii_letters + string.digits + "-_ .ßKé。", max_size=8),
    st.sampled_from(["a" * 63, "a" * 64, "xn--bcher-kva", "ab--cd", "-a", "a-", ""]),
)
tops = st.sampled_from(
    [
        "com",
        "COM",
        "de",
        "c0m",
        "123",
        "x",
        "test",
        "Test",
        "local",
        "arpa",
        "onion",
        "invalid",
        "localhost",
        "xn--p1ai",
    ]
)
near_addresses = st.one_of(
    st.builds(
        lambda local, domain, top: f"{'.'.join(local)}@{'.'.join([*domain, top])}",
        st.lists(st.one_of(atoms, near_atoms, st.sampled_from(["Info", "NEWS", "www"])), min_size=1, max_size=3),
        st.lists(near_labels, max_size=3),
        tops,
    ),
    st.emails(),
    st.text(max_size=40),
)


def judged(text: str) -> Address | None:
    try:
        return addresses._judged(text)
    except MalformedAddressError:
        return None


@settings(max_examples=500)
@given(near_addresses)
@example("Info@Example.COM")
@example("a@b.co\n")
@example("a@b.test")
@example("a" * 200 + "@" + "b" * 49 + ".com")
@example("a@" + ".".join(["b" * 63] * 3) + ".com")
@example("a@xn--bcher-kva.example")
@example("a@ab--cd.example")
def test_a_plain_address_is_what_email_validator_makes_of_it(text: str) -> None:
    stripped = text.strip()
    plain = addresses._plain(stripped) if len(stripped) <= addresses.MAX_LENGTH else None
    if plain is not None:
        assert plain == judged(stripped)


@given(
    st.builds(
        lambda local, domain: f"{'.'.join(local)}@{'.'.join(domain)}.com",
        st.lists(atoms, min_size=1).filter(lambda local: "=?" not in ".".join(local)),  # begins an encoded word
        st.just(["example"]),
    )
)
def test_ordinary_addresses_are_plain(text: str) -> None:
    if len(text) <= addresses.MAX_LENGTH:
        assert addresses._plain(text) is not None


@pytest.mark.parametrize("text", ["=?@example.com", "a=?b.c@example.com", "=?.?=@example.com"])
def test_what_may_begin_an_encoded_word_is_not_ordinary(text: str) -> None:
    assert addresses._plain(text) is None


def test_the_exceptions_are_those_of_the_library() -> None:
    assert set(email_validator.SPECIAL_USE_DOMAIN_NAMES) == addresses._RESERVED
    assert set(rfc_constants.CASE_INSENSITIVE_MAILBOX_NAMES) == addresses._ROLES


@pytest.mark.parametrize(
    "text", ["", "@", "a@b", "a@@b.com", ".a@b.com", "a.@b.com", "a b@c.com", "a@b..com", "a@-b.com"]
)
def test_what_is_not_an_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(MalformedAddressError) as refused:
        addresses.parse(text)
    assert "@" not in str(refused.value)


@given(st.text(max_size=60))
def test_no_text_does_worse_than_being_malformed(text: str) -> None:
    with contextlib.suppress(MalformedAddressError):
        addresses.parse(text)
