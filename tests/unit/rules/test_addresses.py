"""Addresses: a person is recognised however they write theirs, and no fault repeats what they typed."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentry.rules.addresses import (
    Address,
    MalformedAddressError,
    identify,
    is_subscriber_id,
    mailbox,
    parse,
    subscriber_id,
)

MALFORMED = [
    "",
    "   ",
    "@",
    "sekret",
    "sekret@",
    "@sekret.example",
    "se kret@example.com",
    "sekret@sekret@example.com",
    "sekret@sekret..example.com",
    "sekret.@example.com",
    "sekret@-sekret.com",
    "sekret@localhost",
    "sekret@sekret.local",
    "sekret@127.0.0.1",
    "sekret@[127.0.0.1]",
    '"sekret"@example.com',
    "Sekret <sekret@example.com>",
    "sekret@example.com\r\nBcc: sekret@evil.example",
    "sekret@example.com\n.evil.example",
    "sekret\x00@example.com",
    "sekret\ud800@example.com",
    "sekret@example.com,sekret@example.org",
    "=?utf-8?q?=0d=0aBcc=3a_sekret=40evil.example?=@example.com",
    "=?utf-8?q?sekret=40evil.example=2c?=@example.com",
    "sekret@" + "a" * 64 + ".com",
    "sekret@" + "sekret." * 40 + "com",
    "sekret" * 100_000,
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: ascii(text[:30]))
def test_a_malformed_address_is_told_of_without_repeating_it(text: str) -> None:
    """Neither the error nor anything that a log could find behind it."""
    with pytest.raises(MalformedAddressError) as caught:
        parse(text)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)[-1:]) + repr(caught.value.args) + repr(vars(caught.value))
    assert "ekret" not in shown.lower()
    assert str(caught.value)


@given(st.text(max_size=80), st.sampled_from(["", "@example.com", "@bücher.example"]))
def test_whatever_is_typed_is_an_address_or_malformed(text: str, rest: str) -> None:
    try:
        address = parse(text + rest)
    except MalformedAddressError as fault:
        assert fault.__context__ is None  # noqa: PT017 - either way is good
    else:
        assert "@" in address.normalised
        assert len(subscriber_id(b"pepper", address)) == 22


# --- recognising people --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", ["ann@example.com", "Ann@Example.COM", "  ANN@EXAMPLE.COM\t\n", "ann@EXAMPLE.com", "aNN@example.com"]
)
def test_a_person_is_the_same_in_upper_and_lower_case(spelling: str) -> None:
    assert parse(spelling).normalised == "ann@example.com"


def test_mail_goes_to_the_local_part_as_its_owner_writes_it() -> None:
    """Case may matter to their server (RFC 5321, 2.4)."""
    assert parse(" Ann.Lee@Example.COM ") == Address("Ann.Lee@example.com", "ann.lee@example.com")


@pytest.mark.parametrize(
    "spelling", ["ann@bücher.example", "ann@BÜCHER.example", "ann@xn--bcher-kva.example", "ann@bu\u0308cher.example"]
)
def test_an_international_domain_is_one_domain_however_it_is_written(spelling: str) -> None:
    """Mail goes to its ASCII form: SES takes no other, and a header field can hold no other."""
    assert parse(spelling) == Address("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example")


@pytest.mark.parametrize(
    "other", ["bob@example.com", "ann@example.org", "ann+news@example.com", "a.nn@example.com", "ann@sub.example.com"]
)
def test_another_address_is_another_subscriber(other: str) -> None:
    """No guessing what a mailbox provider treats alike: an opt-out is of the address that was mailed."""
    assert subscriber_id(b"pepper", parse("ann@example.com")) != subscriber_id(b"pepper", parse(other))


@given(
    st.from_regex(r"\A[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20})?\Z"),
    st.sampled_from(["example.com", "a.EXAMPLE.org"]),
)
def test_an_address_that_was_normalised_once_stays_as_it_is(local: str, domain: str) -> None:
    once = parse(f"{local}@{domain}").normalised
    assert parse(once).normalised == once == parse(f"{local.upper()}@{domain.upper()}").normalised


def test_the_longest_address_is_an_address() -> None:
    longest = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.com"
    assert len(longest) == 254
    assert parse(longest).deliverable == longest
    with pytest.raises(MalformedAddressError):
        parse(longest.replace("d.com", "dd.com"))


# --- people whose address no parser likes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("a..b@docomo.ne.jp", "a..b@docomo.ne.jp"),
        (".Ab.@DOCOMO.ne.jp", ".ab.@docomo.ne.jp"),
        ('"Ann Lee"@example.com', '"ann lee"@example.com'),
        ('"a@b,<c>"@example.com', '"a@b,<c>"@example.com'),
        ('"a\\"b c"@example.com', '"a\\"b c"@example.com'),
        ('o"brien@example.com', 'o"brien@example.com'),
        ("a@b@example.com", "a@b@example.com"),
        ("ann@a_b.example", "ann@a_b.example"),
        ("ann@localhost", "ann@localhost"),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        ("a..b@BÜCHER.example", "a..b@xn--bcher-kva.example"),
        ("a..b@bücher..example", "a..b@bücher..example"),
        ("info=?@example.com", "info=?@example.com"),
        ("Jörg@example.com", "jörg@example.com"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        ("\u212aim@example.com", "kim@example.com"),
        ("a" * 65 + "@example.com", "a" * 65 + "@example.com"),
    ],
    ids=ascii,
)
def test_whoever_gets_email_is_somebody(text: str, normalised: str) -> None:
    found = identify(text)
    assert (found.address.normalised, found.note) == (normalised, "")
    assert identify(f" {text}\n") == found


@pytest.mark.parametrize(
    "text",
    [
        "Ann <ann@example.com>",
        "Ann Lee <Ann@Example.com>",
        '"Lee, Ann <3" <ann@example.com>',
        "Lee, Ann <ann@example.com>",
        "ann@example.com <ann@example.com>",
        "<ann@example.com>",
        "Ann <mailto:ann@example.com>",
        "mailto:ann@example.com",
        "MAILTO:ann%40example.com?subject=hello",
        "ann@example.com.",
        "Ann <ann@example.com>.",
        '"ann@example.com"',
        "'ann@example.com'",
        "'ann@example.com",
        'ann@example.com"',
        '"ann@example.com',
        "ann@example.com\0\0",
        "\ufeffann@example.com",
        "\u200bann@example.com",
        "ann@example.com\u200b",
        "an\u00adn@exam\u00adple.com",
        "ann\u2060@\u200bexample.com",
        "\u202aann@example.com\u202c",
        "\u200e Ann <ann@example.com>",
        "\u2068ann@example.com\u2069",
        *(
            f"ann@example.com{end}"
            for end in (";", ":", ",", "/", "!", "#", "|", "\\", "=", "%20", "?subject=x", ">", ")", "...")
        ),
        *(f"{start}ann@example.com" for start in ("<", "(", "email:", "E-Mail: ", "smtp:", "SMTP:", "mailto: ", "'")),
        *("(ann@example.com)", "[ann@example.com]", "{ann@example.com}", "“ann@example.com”", "«ann@example.com»"),
        *(
            "&lt;ann@example.com&gt;",
            "Ann &lt;ann@example.com&gt;",
            "&quot;ann@example.com&quot;",
            "<ann@example.com>;",
        ),
    ],
    ids=ascii,
)
def test_what_stands_around_an_address_is_taken_off_with_a_note(text: str) -> None:
    found = identify(text)
    assert found.address.normalised == "ann@example.com"
    assert found.note


def test_both_are_done_for_an_odd_address_with_a_name() -> None:
    assert identify("Ann <mailto:A..b@docomo.ne.jp>").address.normalised == "a..b@docomo.ne.jp"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "@",
        "sekret",
        "sekret@",
        "@sekret.example",
        "<@>",
        "mailto:",
        "se kret@example.com",
        "sekret@exam ple.com",
        "sekret@example.com, bob@sekret.example",
        "sekret@example.com,bob",
        "Sekret <sekret@example.com>, Bob <bob@example.com>",
        "Sekret, bob@example.com, <sekret@example.com>",
        "sekret@example.com; Bob <bob@example.com>",
        "sekret@example.com (Ann)",
        "sekret@exam/ple.com",
        "sekret@example.com/x",
        "sekret@exam!ple.com",
        "sekret@example.com\r\nBcc: sekret@evil.example",
        "sek\x00ret@example.com",
        '"sek\tret"@example.com',
        "sekret\x7f@example.com",
        "sekret\ud800@example.com",
        "sekret\uff20example.com",
        "a" * 243 + "@example.com",
        "ß" * 122 + "@example.com",
        "sekret" * 100_000,
        '"' * 100_001 + "@sekret.example",
        '"\\' * 100_000 + "@sekret.example",
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_what_names_nobody_or_several_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(MalformedAddressError) as caught:
        identify(text)
    assert caught.value.__context__ is None
    assert "sekret" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@example.com", "strasse@example.com"),
        ("ﬁona@example.com", "fiona@example.com"),
        ("ſam@example.com", "sam@example.com"),
        ("σας@example.com", "σασ@example.com"),
        ("JÖRG@example.com", "jörg@example.com"),
        ("ıan@example.com", "ian@example.com"),
    ],
)
def test_two_mailboxes_are_two_people(one: str, other: str) -> None:
    """Whoever has the one must not decide for the other."""
    found = [subscriber_id(b"pepper", identify(text).address) for text in (one, other)]
    assert found[0] != found[1]


@pytest.mark.parametrize("text", ["jörg@example.com", "straße@example.com", "用户@例え.jp"])
def test_no_email_is_sent_where_ses_cannot_send(text: str) -> None:
    with pytest.raises(MalformedAddressError):
        parse(text)


near_local_parts = st.text('aAzZ09.+-_ßKéſ!=?"@ ', min_size=1, max_size=12)
near_domains = st.sampled_from(["example.com", "EXAMPLE.com", "bücher.example", "BÜCHER.example", "a--b.org", "x.test"])


@given(near_local_parts, near_domains)
@example("Info", "example.com")
def test_an_address_that_can_be_mailed_is_the_same_person_everywhere(local: str, domain: str) -> None:
    try:
        parsed = parse(f"{local}@{domain}")
    except MalformedAddressError:
        return
    assert identify(f"{local}@{domain}").address.normalised == parsed.normalised
    assert identify(f"Ann <{local}@{domain}>").address.normalised == parsed.normalised


@given(st.text(max_size=60), st.sampled_from(["", "@example.com", "@bücher.example", ">", '"']))
def test_whatever_is_told_is_somebody_or_nobody_and_stays_so(text: str, rest: str) -> None:
    try:
        once = identify(text + rest).address.normalised
    except MalformedAddressError:
        return
    assert len(once.encode()) <= 254
    assert not set(once.rpartition("@")[2]) & set("<>, \n")


# --- subscriber ids ------------------------------------------------------------------------------------------------


def test_a_subscriber_keeps_their_id_for_good() -> None:
    """From `printf ann@example.com | openssl dgst -sha256 -hmac pepper -binary | head -c 16 | base64`."""
    found = subscriber_id(b"pepper", parse("Ann@Example.com"))
    assert found == "zqBhUnfbIrBxx4znCkhjmA"
    assert is_subscriber_id(found)


def test_two_brands_know_a_person_by_different_ids() -> None:
    ann = parse("ann@example.com")
    assert subscriber_id(b"one", ann) != subscriber_id(b"two", ann)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann@example.com",
        "K9Xdq1X4AVefMXC3P9olG",
        "K9Xdq1X4AVefMXC3P9olGgg",
        "K9Xdq1X4AVefMXC3P9olGh",
        "K9Xdq1X4AVefMXC3P9olG=",
        "K9Xdq1X4AVefMXC3P9olGg\n",
        "K9Xdq1X4AVefMXC3P9ol/g",
        "#9Xdq1X4AVefMXC3P9olGg",
    ],
)
def test_what_isnt_spelled_as_a_subscriber_id_is_none(text: str) -> None:
    assert not is_subscriber_id(text)


@given(st.binary(min_size=1, max_size=40))
def test_every_subscriber_id_is_spelled_as_one(pepper: bytes) -> None:
    assert is_subscriber_id(subscriber_id(pepper, Address("ann@example.com", "ann@example.com")))


@pytest.mark.parametrize(
    ("spelling", "where"),
    [
        ("Ann+News@Gmail.com", "ann@gmail.com"),
        ("a.n.n@gmail.com", "ann@gmail.com"),
        ("a.n.n+x+y@googlemail.com", "ann@gmail.com"),
        ("ann+x@outlook.com", "ann@outlook.com"),
        ("ann+x@hotmail.co.uk", "ann@hotmail.co.uk"),
        ("a.nn+x@live.com", "a.nn@live.com"),
        ("ann+x@icloud.com", "ann@icloud.com"),
        ("ann+x@proton.me", "ann@proton.me"),
        ("ann+x@fastmail.com", "ann@fastmail.com"),
        ("anything@ann.fastmail.com", "ann@fastmail.com"),
        ("anything+x@ann.fastmail.fm", "ann@fastmail.fm"),
        ("ann+x@example.com", "ann@example.com"),
        ("a.nn+x+y@example.com", "a.nn@example.com"),
        ("ann+x@b\u00fccher.de", "ann@xn--bcher-kva.de"),
    ],
)
def test_variants_are_counted_as_one_mailbox(spelling: str, where: str) -> None:
    assert mailbox(parse(spelling)) == where
    assert mailbox(parse(where)) == where


@pytest.mark.parametrize(
    "spelling",
    [
        "ann@gmail.com",
        "ann-x@example.com",
        "a.nn@outlook.com",
        "+x@gmail.com",
        "+x@example.com",
        "x@a.b.fastmail.com",
    ],
)
def test_any_other_address_is_its_own_mailbox(spelling: str) -> None:
    address = parse(spelling)
    assert mailbox(address) == address.normalised


@given(st.from_regex(r"[a-z0-9.+]{1,12}", fullmatch=True), st.sampled_from(["gmail.com", "pm.me", "x.fastmail.com"]))
def test_a_mailbox_is_its_own(local: str, domain: str) -> None:
    once = mailbox(Address(f"{local}@{domain}", f"{local}@{domain}"))
    assert mailbox(Address(once, once)) == once
