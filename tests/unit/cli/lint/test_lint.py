"""Lint: what a sender hears of an email, and that a good one is left in peace."""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path
from typing import Final

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from consentry_cli.lint import checking, mail
from consentry_cli.lint.findings import Level
from consentry_cli.lint.identity import verified
from consentry_cli.lint.mail import NotAMailError

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
    """An email, unsigned; a change is by field, `_` for `-`, None takes it out."""
    fields = HEADER | {name.replace("_", "-"): value for name, value in changes.items()}
    head = "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)
    parts = ""
    if text:
        parts += f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
    if html:
        parts += f"--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n"
    return f"{head}\n{parts}--b--\n".encode().replace(b"\n", b"\r\n")


def signed(raw: bytes, covered: tuple[str, ...] = COVERED, domain: str = "shop.example") -> bytes:
    """The email with a signature."""
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
        lambda raw: b" " * 200 + b"\r\n" + raw,
        lambda raw: b"From ann@example.com Mon Nov 23 09:00:00 2026\r\n" + raw,
    ],
    ids=["line feeds", "a byte-order mark", "blanks before it", "out of an mbox"],
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


WORDS: Final = (
    ("en", "To unsubscribe, click", "here"),
    ("en", "You may opt out at any time:", "click"),
    ("en", "No longer want to receive these emails? Tell us", "here"),
    ("en", "If you no longer wish to receive our news, follow", "this link"),
    ("de", "Um sich abzumelden, klicken Sie", "hier"),
    ("de", "Sie können den Brief jederzeit abbestellen:", "hier"),
    ("de", "Melden Sie sich jederzeit vom Newsletter ab:", "bitte hier"),
    ("de", "Sie möchten keine weiteren E-Mails erhalten?", "Hier entlang"),
    ("de", "Wenn Sie sich austragen möchten:", "Link"),
    ("fr", "Pour vous désinscrire,", "cliquez ici"),
    ("fr", "Vous ne souhaitez plus recevoir nos messages ?", "Suivez ce lien"),
    ("fr", "SE DÉSABONNER :", "ici"),
    ("es", "Si deseas darte de baja,", "haz clic aquí"),
    ("es", "¿Quiere dejar de recibir este boletín?", "Pulse aquí"),
    ("it", "Per disiscriverti,", "clicca qui"),
    ("it", "Se non vuoi più ricevere queste comunicazioni,", "clicca qui"),
    ("it", "Per cancellarti dalla lista", "clicca qui"),
    ("pt", "Para se descadastrar,", "clique aqui"),
    ("pt", "Se não deseja mais receber os nossos e-mails,", "clique aqui"),
    ("nl", "Om u af te melden,", "klik hier"),
    ("nl", "Schrijf je hier uit voor de nieuwsbrief:", "klik"),
    ("nl", "Wilt u zich laten uitschrijven?", "Klik hier"),
    ("pl", "Aby zrezygnować z newslettera,", "kliknij tutaj"),
    ("pl", "Jeśli chcesz się wypisać,", "kliknij"),
    ("ja", "メールの配信を停止する場合は", "こちら"),
    ("ja", "購読を解除するには", "こちら"),
    ("ar", "لإلغاء اشتراكك في النشرة", "اضغط هنا"),
    ("ar", "إذا كنت لا ترغب في تلقي رسائلنا", "اضغط هنا"),
)
"""A language, a sentence in it that offers to unsubscribe, and the words of its link, which don't say it."""


def test_every_language_of_our_pages_is_tried() -> None:
    pages = {each.stem for each in (Path(__file__).parents[4] / "layers/consentry/consentry/locales").glob("*.po")} | {
        "en"
    }
    assert pages == {lang for lang, _, _ in WORDS}


@pytest.mark.parametrize(("lang", "sentence", "link"), WORDS)
def test_the_sentence_around_a_link_says_what_it_is_for(lang: str, sentence: str, link: str) -> None:
    away = "https://r.shop.example/tr/BREs"
    for html in (
        f'<p>{sentence} <a href="{away}">{link}</a>.</p>',
        f'<td>{sentence}</td><td><A HREF={away} style="color: red">{link}</A></td>',
        f'<p><a href="{away}"><b>{link}</b></a> &ndash; {sentence}</p>',
        f"<p>{sentence} <i>{away}</i></p>",
    ):
        assert not {"link-not-visible", "link-not-in-text"} & rules(made(html=html, text=f"{sentence} {away}"))
    for address in (
        away,
        "www.shop.example/app?id=1",
        "news-requests@shop.example",
        f"<{away}>",
        f"[1]\n\n{'x' * 500}\n[1] {away}",
    ):
        assert "link-not-in-text" not in rules(made(text=f"News.\n{sentence} {address}"))
        assert "link-not-in-text" not in rules(made(text=f"{sentence}\n{address}\n")), address


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://e.example/x" title="Unsubscribe from this list">x</a>',
        '<a href="https://e.example/x" aria-label="Opt out"></a>',
        '<a href="https://e.example/unsubscribe?id=1">No more of this?</a>',
        '<a href="https://e.example/abmelden">Nicht mehr?</a>',
        '<a href="https://e.example/%75nsubscribe">Stop</a>',
        '<a href="mailto:leave@shop.example?subject=unsubscribe">Stop</a>',
        '<a href="HTTPS://e.example/x">Un&shy;sub&shy;scribe</a>',
        '<a href="https://e.example/x">Un<wbr>subscribe</a>',
        '<a href="https://e.example/x"><span>Unsub</span><span>scribe</span></a>',
        "<a href='https://e.example/x'>UNSUBSCRIBE</a>",
        "<a href=https://e.example/x>&#85;nsubscribe",
        '<map><area href="https://e.example/x" alt="Unsubscribe"></map>',
        '<form action="https://e.example/x"><input type="submit" value="Unsubscribe"></form>',
        "<p>Unsubscribe: write to leave@shop.example</p>",
        '<a href="https://e.example/subs/unsubs_user.html?id=1">Stop</a>',
        '<p>Не хотите получать наши письма? <a href="https://e.example/x">Нажмите здесь</a></p>',
        '<p><a href="http://lists.shop.example/mailman/listinfo/news">News list</a></p>',
        '<p><a href="mailto:news-request@lists.shop.example">News list</a></p>',
        '<p>Unsubscribe<!-- > <a href="x"> -->: <a href="https://e.example/x">here</a></p>',
        '<!--[if !mso]><!--><a href="https://e.example/x">Unsubscribe</a><!--<![endif]-->',
        '<style>a{content:"<a"}</style><script>if (1 < 2) "</p>"</script><a href="https://e.example/x">Unsubscribe</a>',
        '<p>1 < 2 <a href="https://e.example/x" data-a=">">Unsubscribe</a></p>',
    ],
)
def test_a_way_to_unsubscribe_is_seen_however_it_is_written(html: str) -> None:
    assert "link-not-visible" not in rules(made(html=html))


@pytest.mark.parametrize(
    "html",
    [
        "<p>You can unsubscribe.</p>" + "<p>News of the shop.</p>" * 20 + '<a href="https://e.example/">Our shop</a>',
        '<!-- <a href="https://e.example/x">Unsubscribe</a> --><a href="https://e.example/">Our shop</a>',
        '<style>/* unsubscribe */</style><a href="https://e.example/">Our shop</a>',
        '<title>Unsubscribe</title><a href="https://e.example/">Our shop</a>',
        '<a href="#top">Unsubscribe</a>',
        '<a name="unsubscribe">Unsubscribe</a>',
        '<a href="https://e.example/">Subscribe</a>',
        '<a href="https://e.example/">Widerrufsrecht</a>',
        '<p>We will take you on a tour.</p><a href="https://e.example/">Our shop</a>',
        '<p>We even send you an e-mail when it is here.</p><a href="https://e.example/">Our shop</a>',
        '<p>A store credit, by e-mail.</p><a href="https://e.example/">Our shop</a>',
        '<p>It cannot be unsubstantiated.</p><a href="https://e.example/">Our shop</a>',
    ],
)
def test_what_is_no_way_to_unsubscribe_is_not_taken_for_one(html: str) -> None:
    assert "link-not-visible" in rules(made(html=html))


def body(*parts: str, kind: str = "mixed") -> bytes:
    """An email of these parts, header and all."""
    whole = "".join(f"--b\n{part}\n" for part in parts)
    head = made(text="", html="", Content_Type=f"multipart/{kind}; boundary=b").decode().partition("--b")[0]
    return f"{head}{whole}--b--\n".replace("\r\n", "\n").replace("\n", "\r\n").encode()


NEWS: Final = "Content-Type: text/html\n\n<p>News.</p>\n"
WAY: Final = f"Content-Type: text/plain\n\nTo unsubscribe: {URL}\n"
ATTACHED: Final = (
    f"Content-Type: message/rfc822\n\nSubject: x\n{WAY}",
    f"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n{WAY}--c--\n",
    f"Content-Type: message/global\n\nSubject: x\n{WAY}",
    f"Content-Disposition: attachment; filename=x.txt\n{WAY}",
    f"Content-Disposition: ATTACHMENT\n{WAY}",
    f"Content-Type: multipart/digest; boundary=c\n\n--c\n\nSubject: x\n{WAY}--c--\n",
    f"Content-Type: application/octet-stream\n\n{WAY}",
)


@pytest.mark.parametrize("attached", ATTACHED)
def test_what_is_attached_is_not_the_body(attached: str) -> None:
    assert {"link-not-visible", "text-missing"} <= rules(body(NEWS, attached))
    assert "link-not-visible" in rules(body(attached, NEWS))
    assert "body-missing" in rules(body(attached))


def test_what_a_mailing_list_adds_to_html_is_read_with_it() -> None:
    assert not {"link-not-visible", "link-not-in-text"} & rules(body(NEWS, WAY))
    inner = (
        f"Content-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain\n\nNews.\n--c\n{NEWS}--c--"
    )
    assert not {"link-not-visible", "link-not-in-text"} & rules(body(inner, WAY))
    assert "link-not-visible" in rules(body(NEWS, WAY, kind="alternative"))


@pytest.mark.parametrize(
    "part",
    [
        WAY,
        f"\nTo unsubscribe: {URL}",
        WAY.replace("text/plain", 'TEXT/Plain ; charset="no-such"; charset=x'),
        WAY.replace("\n\n", "\nContent-Transfer-Encoding: quoted-printable\n\n").replace(
            URL, URL[:20] + "=\n" + URL[20:]
        ),
        "Content-Transfer-Encoding: BASE64\n\n" + base64.b64encode(f"To unsubscribe: {URL}".encode()).decode(),
        "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(f"Unsubscribe: {URL}".encode("utf-16le")).decode(),
        f'Content-Type: multipart/mixed; boundary*0="c "; boundary*1=d\n\npreamble\n--c d  \n{WAY}--c d--\nend',
        f"Content-Type: multipart/mixed; boundary=b\n\n--b\n{WAY}",
        f"Content-Type: multipart/mixed; boundary=c\n\n--c\n{WAY}",
    ],
)
def test_a_part_is_read_however_it_is_packed(part: str) -> None:
    assert "link-not-in-text" not in rules(body(part))


def test_a_picture_with_a_text_of_its_own_is_a_visible_link() -> None:
    assert "link-not-visible" not in rules(made(html='<a href="https://e.example/x"><img alt="Unsubscribe"></a>'))


# --- encoded-words ----------------------------------------------------------------------------------------------------


def encoded(text: str) -> str:
    """A field as a careless program writes it: all of it in encoded-words, folded."""
    words = [text[at : at + 20].encode() for at in range(0, len(text), 20)]
    return "\n ".join(f"=?us-ascii?B?{base64.b64encode(each).decode()}?=" for each in words)


def test_encoded_words_are_named_as_the_fault_and_nothing_that_follows_from_them() -> None:
    raw = signed(made(List_Unsubscribe=encoded(HEADER["List-Unsubscribe"])))
    [found] = checking.check(raw)
    assert (found.rule, found.level) == ("list-unsubscribe-encoded", Level.ERROR)
    assert "RFC 2047, 5" in found.source


def test_encoded_words_are_named_as_the_fault_of_every_field_that_a_program_reads() -> None:
    quoted = "=?utf-8?Q?Shop_=3Cnews=2Eshop=2Eexample=3E?="
    faults = {
        "list-unsubscribe-encoded": made(List_Unsubscribe_Post="=?utf-8?q?List-Unsubscribe=3DOne-Click?="),
        "list-id-encoded": made(List_Id=quoted),
        "from-encoded": made(From="=?utf-8?q?Shop_=3Cnews=40shop=2Eexample=3E?="),
    }
    for rule, raw in faults.items():
        assert {each.rule for each in checking.check(raw) if each.rule != "dkim-missing"} == {rule}
        assert all("RFC 2047, 5" in each.source for each in checking.check(raw) if each.rule == rule)
    broken = made(List_Unsubscribe=encoded("https://shop.example/u"))
    assert {"list-unsubscribe-encoded", "list-unsubscribe-unreadable"} <= rules(broken)


def test_encoded_words_in_a_name_are_as_they_must_be() -> None:
    named = made(List_Id="=?utf-8?Q?Caf=C3=A9?= <news.shop.example>", From="=?utf-8?Q?Caf=C3=A9?= <a@shop.example>")
    assert rules(named) == {"dkim-missing"}
    assert rules(made(List_Unsubscribe=f"<{URL}?a=?b?q=?c>, <mailto:a@shop.example>")) == {"dkim-missing"}


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        made(List_Unsubscribe=f"<{URL}>, <mailto:unsubscribe-{'a2' * 24}@reply.shop.example?subject=unsubscribe>"),
        made(List_Unsubscribe=f"(Leave (at once)) <{URL}> (or), <mailto:a@shop.example> (by mail)"),
        made(List_Unsubscribe=f"<{URL}>, <mailto:?to=leave@shop.example&subject=x>, <mailto:a@b.example,c@d.example>"),
        made(text="", html="", Content_Type="application/pkcs7-mime; smime-type=signed-data"),
        made(text="", html="", Content_Type='multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b'),
        made(List_Id="<news.shop.example>"),
        made(List_Id='"Shop, news" <news.shop.example> (weekly)'),
        b"Authentication-Results: mx.example; dkim=fail header.d=a.example; dkim=pass header.d=shop.example\r\n"
        + made(),
        b"Authentication-Results: mx.example; dmarc=pass (was dkim=none here)\r\n" + made(),
    ],
)
def test_what_is_as_it_may_be_is_not_complained_of(raw: bytes) -> None:
    assert rules(raw) == {"dkim-missing"}


def test_every_message_names_its_rule_and_its_source() -> None:
    broken = [
        made(text="", html="x", **{name.replace("-", "_"): value}) for name in HEADER for value in (None, "=?", "<")
    ]
    found = [each for raw in broken for each in checking.check(raw)]
    assert len({each.rule for each in found}) > 10
    for each in found:
        assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)+", each.rule)
        assert re.search(r"RFC \d+, \d|https://|CAN-SPAM|Microsoft|Observed", each.source)
        assert each.says.endswith((".", ")"))
        assert each.mend


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
        ("from-not-one", made(From="Shop <>")),
        ("from-not-one", made(From="news@shop.example <news@shop.example>")),
        ("from-not-one", made(From="(" * 4_000)),
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
        ("date-broken", made(Date="Mon, 23 Nov 2026 09:00:00 +" + "9" * 20)),
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
