"""Lint: what a sender hears of a mail, and that a good one is left in peace."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Final

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from consentry_lint import checking, mail
from consentry_lint.findings import Level
from consentry_lint.identity import verified
from consentry_lint.mail import NotAMailError

URL: Final = "https://links.shop.example/u/dXxkZW1vfEs5WGRxMVg0QVZlZk1YQzNQOW9sR2d8bmV3c3w.5N0lqmPzXh"
HEADER: Final = {
    "From": "Shop <news@shop.example>",
    "To": "ann@example.com",
    "Subject": "News of the week",
    "Date": "Mon, 23 Nov 2026 09:00:00 +0000",
    "Message-ID": "<1@shop.example>",
    "List-Id": "Shop news <news.shop.example>",
    "List-Unsubscribe": f"<{URL}>, <mailto:unsubscribe@reply.shop.example?subject=token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "MIME-Version": "1.0",
    "Content-Type": 'multipart/alternative; boundary="b"',
}
TEXT: Final = f"News.\n\nUnsubscribe: {URL}\n"
HTML: Final = f'<p>News.</p><p><a href="{URL}">Unsubscribe</a></p>'
COVERED: Final = ("from", "to", "subject", "date", "list-unsubscribe", "list-unsubscribe-post")


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def dns(name: bytes, **_: object) -> bytes | None:
    """The DNS, which knows one key."""
    if name != b"one._domainkey.shop.example.":
        return None
    public = key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def made(text: str = TEXT, html: str = HTML, **changes: str | None) -> bytes:
    """A mail, unsigned; a change is by field, `_` for `-`, None takes it out."""
    fields = HEADER | {name.replace("_", "-"): value for name, value in changes.items()}
    head = "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)
    parts = ""
    if text:
        parts += f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    if html:
        parts += f"--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n"
    return f"{head}\n{parts}--b--\n".encode().replace(b"\n", b"\r\n")


def signed(raw: bytes, covered: tuple[str, ...] = COVERED, domain: str = "shop.example") -> bytes:
    """The mail with a signature."""
    pem = key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    present = [name.encode() for name in covered if re.search(rf"(?im)^{name}:", raw.decode().partition("\r\n\r\n")[0])]
    signature: bytes = dkim.sign(raw, b"one", domain.encode(), pem, include_headers=present)
    return signature + raw


def rules(raw: bytes) -> set[str]:
    return {each.rule for each in checking.check(raw)}


# --- no mail, and odd ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"<html></html>", b"PK\x03\x04", b"no colon here\n\nbody"])
def test_what_is_no_mail_is_told_so(raw: bytes) -> None:
    with pytest.raises(NotAMailError):
        checking.check(raw)


def test_a_mail_that_is_larger_than_any_provider_takes_is_not_read() -> None:
    with pytest.raises(NotAMailError, match="50 MiB"):
        mail.read(b"From: a\n\n" + bytes(mail.MOST))


def test_parts_that_are_nested_without_end_are_told_of() -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n" for at in range(3_000))
    with pytest.raises(NotAMailError, match="nested"):
        checking.check(f"From: a@b.example\n{nested}\n".encode())


@given(st.binary(max_size=400), st.integers(0, 900))
def test_whatever_a_mail_holds_something_is_said_of_it(junk: bytes, at: int) -> None:
    raw = made()
    for each in checking.check(b"From: a@b.example\n" + raw[:at] + junk + raw[at:]):
        assert each.rule
        assert each.says
        assert each.mend
        assert each.source


# --- a good mail ------------------------------------------------------------------------------------------------------


def test_of_a_good_mail_there_is_nothing_to_say() -> None:
    assert checking.check(signed(made())) == []


@pytest.mark.parametrize(
    "saved",
    [
        lambda raw: raw.replace(b"\r\n", b"\n"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: b"From ann@example.com Mon Nov 23 09:00:00 2026\r\n" + raw,
    ],
    ids=["line feeds", "a byte-order mark", "out of an mbox"],
)
def test_a_mail_may_have_been_saved_in_several_ways(saved: object) -> None:
    assert callable(saved)
    assert checking.check(saved(signed(made()))) == []


@pytest.mark.parametrize(
    "text", ["Newsletter abbestellen", "Se désabonner", "Darse de baja", "配信停止", "إلغاء الاشتراك"]
)
def test_a_way_out_is_recognised_in_other_languages(text: str) -> None:
    html = f'<a href="https://elsewhere.example/x">{text}</a>'
    assert "link-not-visible" not in rules(made(html=html))


def test_a_picture_with_a_text_of_its_own_is_a_visible_link() -> None:
    assert "link-not-visible" not in rules(made(html='<a href="https://e.example/x"><img alt="Unsubscribe"></a>'))


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "raw"),
    [
        ("list-unsubscribe-missing", made(List_Unsubscribe=None)),
        ("list-unsubscribe-repeated", b"List-Unsubscribe: <https://a.example/>\r\n" + made()),
        ("list-unsubscribe-unreadable", made(List_Unsubscribe=URL)),
        ("list-unsubscribe-outside", made(List_Unsubscribe=f"<{URL}> or write")),
        ("list-unsubscribe-blank", made(List_Unsubscribe=f"<{URL[:40]}\n {URL[40:]}>")),
        ("list-unsubscribe-scheme", made(List_Unsubscribe=f"<{URL}>, <tel:+441234>")),
        ("mailto-missing", made(List_Unsubscribe=f"<{URL}>")),
        ("mailto-broken", made(List_Unsubscribe=f"<{URL}>, <mailto:nobody>")),
        ("one-click-missing", made(List_Unsubscribe_Post=None)),
        ("one-click-value", made(List_Unsubscribe_Post="List-Unsubscribe=OneClick")),
        ("one-click-value", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" + made()),
        ("one-click-without-https", made(List_Unsubscribe="<mailto:a@shop.example>")),
        ("unsubscribe-over-http", made(List_Unsubscribe=f"<{URL.replace('https', 'http')}>")),
        ("unsubscribe-host", made(List_Unsubscribe="<https://192.0.2.1/u/x>")),
        ("unsubscribe-host", made(List_Unsubscribe="<https://localhost/u/x>")),
        ("unsubscribe-host", made(List_Unsubscribe="<https://ann:secret@shop.example/u/x>")),
        ("unsubscribe-host", made(List_Unsubscribe="<https://[::1/u/x>")),
        ("unsubscribe-names-somebody", made(List_Unsubscribe="<https://shop.example/u?to=ann%40example.com>")),
        ("unsubscribe-fragment", made(List_Unsubscribe="<https://shop.example/u#ann>")),
        ("link-not-visible", made(html='<a href="https://shop.example/">Our shop</a>')),
        ("link-not-visible", made(html="<p>To unsubscribe write to us.</p>")),
        ("link-not-in-text", made(text="News alone.")),
        ("line-too-long", made(text="a" * 999)),
        ("from-not-one", made(From=None)),
        ("from-not-one", made(From="a@shop.example, b@shop.example")),
        ("from-free-mail", made(From="Shop <shop@gmail.com>")),
        ("dkim-missing", made()),
        ("dkim-unreadable", b"DKIM-Signature: nonsense\r\n" + made()),
        ("dkim-not-aligned", signed(made(), domain="sender.example")),
        ("dkim-sha1", signed(made()).replace(b"a=rsa-sha256", b"a=rsa-sha1")),
        ("dkim-length", signed(made()).replace(b"a=rsa-sha256;", b"a=rsa-sha256; l=10;")),
        ("one-click-not-signed", signed(made(), covered=("from", "list-unsubscribe"))),
        ("dmarc-result", b"Authentication-Results: mx.example; spf=pass; dmarc=fail\r\n" + made()),
        ("spf-result", b"Authentication-Results: mx.example; spf=softfail smtp.mailfrom=x\r\n" + made()),
        ("list-id-missing", made(List_Id=None)),
        ("list-id-broken", made(List_Id="news")),
        ("list-id-broken", made(List_Id="News <news@shop.example>")),
        ("date-missing", made(Date=None)),
        ("date-broken", made(Date="yesterday")),
        ("message-id-missing", made(Message_ID=None)),
        ("subject-missing", made(Subject=None)),
        ("field-repeated", b"Subject: another\r\n" + made()),
        ("header-not-ascii", made(Subject="Überraschung")),
        ("text-missing", made(text="")),
        ("body-missing", made(text="", html="")),
        ("html-clipped", made(html=HTML + "<p>\n" * 30_000)),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_fault_is_found_and_nothing_else_is_said_of_it(rule: str, raw: bytes) -> None:
    found = [each for each in checking.check(raw) if each.rule == rule]
    assert len(found) == 1
    assert found[0].level in {Level.ERROR, Level.WARNING}
    assert rule not in rules(signed(made()))


def test_the_worst_comes_first() -> None:
    levels = [each.level for each in checking.check(made(List_Id=None, text=""))]
    assert levels == sorted(levels, key=[*Level].index)
    assert len(set(levels)) == 2


def test_an_unsubscribe_word_in_the_text_needs_an_address_beside_it() -> None:
    assert "link-not-in-text" in rules(made(text="You can unsubscribe at any time."))
    assert "link-not-in-text" not in rules(made(text="Unsubscribe here:\nhttps://elsewhere.example/x"))


# --- DKIM, verified ---------------------------------------------------------------------------------------------------


def test_a_signature_that_holds_is_not_complained_of() -> None:
    assert list(verified(mail.read(signed(made())), dns)) == []


@pytest.mark.parametrize(
    "raw",
    [
        signed(made()).replace(b"News.", b"Nows.", 1),
        signed(made(), domain="unpublished.example"),
        b"DKIM-Signature: nonsense\r\n" + made(),
    ],
    ids=["changed on the way", "a key that nobody has", "unreadable"],
)
def test_a_signature_that_does_not_hold_is(raw: bytes) -> None:
    [found] = verified(mail.read(raw), dns)
    assert (found.rule, found.level) == ("dkim-fails", Level.ERROR)


def test_a_dns_that_fails_is_a_finding_and_not_a_crash() -> None:
    def broken(name: bytes, **_: object) -> bytes:
        raise OSError(f"no route to {name!r}")

    [found] = verified(mail.read(signed(made())), broken)
    assert "can't be had" in found.says
