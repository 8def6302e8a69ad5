"""The confirmation email, part by part."""

from __future__ import annotations

import re
from email.message import EmailMessage

import pytest

from consentry.rules.brands import Brands
from support.mailroom import ANN, BASE, LANGUAGES, Mailroom, text_of
from support.world import DAY, SECOND


def test_the_mails_headers_are_those_that_the_contract_names(mail: EmailMessage) -> None:
    assert (mail["From"], mail["To"]) == ("Meadow & Finch <hello@meadow.example>", ANN)
    assert mail["Reply-To"] == "people@meadow.example"
    assert mail["Subject"] == "Please confirm your subscription to Meadow & Finch"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert re.fullmatch(r"Meadow & Finch <demo\.[a-z.]+>", mail["List-Id"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Message-ID"]
    assert mail["Date"]
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.defects == []


def test_every_line_of_the_mail_fits_smtp_and_the_unsubscribe_header_is_not_folded(
    mailroom: Mailroom, mail: EmailMessage
) -> None:
    (raw,) = mailroom.raw
    assert max(len(line.encode()) for line in raw.splitlines()) <= 998
    (header,) = [line for line in raw.splitlines() if line.startswith("List-Unsubscribe:")]
    assert header.count("<") == header.count(">") == 2
    assert raw.isascii()


def test_the_mail_has_one_button_and_the_bare_link_and_says_who_asked_and_when(mail: EmailMessage) -> None:
    text, html = text_of(mail), text_of(mail, "html")
    (link,) = re.findall(rf"{BASE}/c/\S+", text)
    assert html.count(f'href="{link}"') == 2
    assert f">{link}</a>" in html
    for body in (text, html):
        assert "15 January 2027 at 08:00 UTC" in body
        assert "ignore this email" in body
        assert "12 Orchard Lane, Bath BA1 1AA" in body
        assert "Newsletter" in body
        assert "Seasonal prices" in body
    assert not re.search(r"<img|<script|<link|url\(", html)


def test_the_mails_links_work(mailroom: Mailroom, mail: EmailMessage) -> None:
    world = mailroom.world
    (link,) = re.findall(rf"{BASE}(/c/\S+)", text_of(mail))
    form = world.get(link).page.forms[0]
    world.now += 5 * SECOND
    world.post(link, form.fields)
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "subscribed")
    web, mailto = re.fullmatch(r"<([^>]+)>, <([^>]+)>", mail["List-Unsubscribe"]).groups()
    assert mailto == f"mailto:unsubscribe@reply.meadow.example?subject={web.rpartition('/')[2]}"
    world.now += DAY
    world.post(web.removeprefix(BASE), body="List-Unsubscribe=One-Click")
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "unsubscribed")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_mail_is_in_the_language_of_the_form(mailroom: Mailroom, lang: str) -> None:
    mailroom.stream(mailroom.ask(lang=lang))
    (mail,) = mailroom.sent
    assert LANGUAGES[lang].casefold() in mail["Subject"].casefold()
    assert mail["Content-Language"] == lang
    html = text_of(mail, "html")
    assert f'<html lang="{lang}" dir="{"rtl" if lang == "ar" else "ltr"}"' in html
    if lang != "en":
        assert "ignore this email" not in html
        assert "ignore this email" not in text_of(mail)
    name = mailroom.world.deployment.brands.get("demo").topic_name("news", lang)
    assert name in html
    assert name in text_of(mail)


def test_a_brand_of_its_own_sends_in_its_own_name(mailroom: Mailroom) -> None:
    mailroom.stream(mailroom.ask(brand="other"))
    (mail,) = mailroom.sent
    assert mail["From"] == "Other Press <post@other.example>"
    assert mail["Reply-To"] is None
    assert "1 Quay Street, Cork" in text_of(mail)


@pytest.mark.parametrize("address", ["Ann.O'Hara+news@example.com", "ann@xn--bcher-kva.example", "a@b.co"])
def test_the_mail_goes_to_the_address_as_it_was_typed(mailroom: Mailroom, address: str) -> None:
    mailroom.stream(mailroom.ask(address))
    (mail,) = mailroom.sent
    assert mail["To"].addresses[0].addr_spec == address


def test_an_address_of_an_internationalised_domain_travels_in_ascii(mailroom: Mailroom) -> None:
    mailroom.stream(mailroom.ask("ann@bücher.example"))
    assert "\nTo: ann@xn--bcher-kva.example" in mailroom.raw[0].replace("\r", "")


def test_a_brands_texts_cannot_add_a_header_or_html(mailroom: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>"
    demo = mailroom.world.deployment.brands.get("demo")
    assert demo
    topics = {"news": demo.topics["news"]._replace(names={"en": evil})}
    brand = demo._replace(names={"en": evil}, topics=topics, postal_addresses={"en": evil})
    record = mailroom.ask()
    monkeypatch.setattr(mailroom.world.deployment.brands, "_brands", {each.id: each for each in Brands([brand])})
    assert mailroom.stream(record) == []
    (mail,) = mailroom.sent
    assert mail["Bcc"] is None
    assert mail["To"] == ANN
    assert "Evil" in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "<script" not in text_of(mail, "html")
