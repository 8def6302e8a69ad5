"""Every email in every language, as it is handed to SES: whole, translated, light, fit for who reads it."""

from __future__ import annotations

import email
import email.policy
import gettext
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import html5lib
import pytest

from consentry.actions import mails
from consentry.actions.mails import Letter, Mail
from consentry.deployment import Deployment
from consentry.http import pages
from consentry.http.letters import Letters
from consentry.links.keyring import Keyring
from consentry.links.tokens import Tokens
from consentry.rules import languages
from consentry.settings import Settings
from consentry.table.schema import Contact
from consentry_build import catalogues
from consentry_build.brandfile import contrast
from consentry_cli.lint import checking
from support import can_i_email

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage
    from xml.etree.ElementTree import Element

    from consentry.rules.brands import Brand


SUBSCRIBER = "K9Xdq1X4AVefMXC3P9olGg"
AT = datetime(2027, 3, 3, 14, 5, tzinfo=UTC)
UNTIL = datetime(2027, 4, 2, 8, 0, tzinfo=UTC)
BASE = "https://links.example.com"
CLIPPED = 102 * 1024
"""Bytes of HTML beyond which Gmail shows the rest only on demand."""
NOT_OF_OURS = {"dkim-missing"}
"""What SES adds when it sends."""
STATES: dict[str, tuple[Mail, tuple[str, ...], datetime | None]] = {
    "confirmation": (Mail.CONFIRMATION, ("news", "offers", "product"), None),
    "return": (Mail.RETURN, ("news", "product"), None),
    "already": (Mail.ALREADY, ("news",), None),
    "already, paused": (Mail.ALREADY, ("news", "offers"), UNTIL),
    "goodbye": (Mail.GOODBYE, ("news",), None),
    "goodbye to everything": (Mail.GOODBYE, (), None),
}
EVERY = [pytest.param(state, lang, id=f"{state}, {lang}") for state in STATES for lang in catalogues.languages()]


class Sent(NamedTuple):
    """An email as SES gets it."""

    raw: bytes
    message: EmailMessage
    text: str
    html: str
    letter: Letter

    @property
    def document(self) -> Element:
        """The HTML as a strict reader sees it, without what is for Outlook alone."""
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        found: Element = parser.parse(re.sub(r"(?s)<!--.*?-->", "", self.html))
        return found

    @property
    def links(self) -> list[Element]:
        return list(self.document.iter("a"))

    @property
    def seen(self) -> str:
        """What a reader sees of the HTML, without the preheader."""
        body = self.document.find("body")
        assert body is not None
        return " ".join(" ".join(body[1].itertext()).split())


@pytest.fixture(scope="module")
def made_before() -> dict[tuple[str, str], Sent]:
    """Emails of the demonstration brand, which nothing of a test changes: each is made once."""
    return {}


@pytest.fixture
def send(brand: Brand, made_before: dict[tuple[str, str], Sent]) -> Callable[..., Sent]:
    """Makes an email as the courier does."""
    tokens = Tokens(Keyring(lambda: '{"root": "r"}'))
    deployment = Deployment(Settings.read())
    letters = Letters(tokens, deployment.pages, deployment.settings.consentry_compiled / "mails", BASE)

    def made(state: str, lang: str, of: Brand = brand) -> Sent:
        if of is not brand:
            return make(state, lang, of)
        if (state, lang) not in made_before:
            made_before[state, lang] = make(state, lang, of)
        return made_before[state, lang]

    def make(state: str, lang: str, of: Brand) -> Sent:
        mail, topics, until = STATES[state]
        contact = Contact("ann@example.com", lang, topics, _ms(AT), "event-1")
        # Plain http, as where nobody has a certificate: then a link is told by its words alone.
        links = (
            mails.confirmation_links(tokens, of, SUBSCRIBER, contact, BASE)
            if mail in {Mail.CONFIRMATION, Mail.RETURN}
            else mails.choosing_links(tokens, of, SUBSCRIBER, topics, BASE, _ms(AT))
        )
        letter = Letter(mail, lang, topics, _ms(AT), links, _ms(until) if until else 0)
        body = letters.body(of, letter)
        raw = mails.compose(of, contact, links, body)
        return Sent(raw, email.message_from_bytes(raw, policy=email.policy.default), body.text, body.html, letter)

    return made


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


# --- what providers and programs say ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_our_own_lint_finds_nothing_to_mend(send: Callable[..., Sent], state: str, lang: str) -> None:
    found = [each for each in checking.check(send(state, lang).raw) if each.rule not in NOT_OF_OURS]
    assert [f"{each.rule}: {each.says}" for each in found] == []


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_the_way_out_reads_like_one_wherever_the_link_leads(send: Callable[..., Sent], state: str, lang: str) -> None:
    """Without List-Unsubscribe a link is told by its words alone."""
    raw = send(state, lang).raw
    without = re.sub(rb"(?m)^List-Unsubscribe(-Post)?:.*\r\n", b"", raw)
    rules = {each.rule for each in checking.check(without)}
    assert "list-unsubscribe-missing" in rules
    assert not rules & {"link-not-visible", "link-not-in-text"}


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_gmail_does_not_clip_it(send: Callable[..., Sent], brand: Brand, state: str, lang: str) -> None:
    """Not even with the longest texts and topics that a brand file may have."""
    long = {lang: "W" * 300}
    topics = {f"topic{at:011d}": brand.topics["news"]._replace(names=long, descriptions=long) for at in range(5)}
    longest = brand._replace(names=long, topics=topics, postal_addresses={"en": "W" * 400})
    assert len(send(state, lang).raw) < CLIPPED / 2
    assert len(send(state, lang, longest).raw) < CLIPPED


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_its_html_is_html_to_the_letter(send: Callable[..., Sent], state: str, lang: str) -> None:
    """html5lib, strict: whatever a parser would have to guess is an error."""
    sent = send(state, lang)
    html5lib.HTMLParser(strict=True).parse(sent.html)
    document = sent.document
    assert document.get("lang") == lang
    assert document.get("dir") == languages.direction(lang)


def test_every_program_shows_it_or_does_without(send: Callable[..., Sent]) -> None:
    """caniemail.com: what it says that a program lacks has to be on a list, with the reason why that is no harm."""
    lacking = can_i_email.lacking(send(state, lang).html for state in STATES for lang in ("en", "ar"))
    assert lacking - set(can_i_email.ACCEPTED) == set()
    assert set(can_i_email.ACCEPTED) - lacking == set(), "no longer used"


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_nothing_is_loaded_and_no_picture_is_needed(send: Callable[..., Sent], state: str, lang: str) -> None:
    sent = send(state, lang)
    assert not re.search(r"<img|<script|<link|<form|<iframe|url\(|@import|background=", sent.html)
    assert all(each.get("href", "").startswith("https://") for each in sent.links)


# --- what people read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_both_parts_say_the_same_in_the_same_order(send: Callable[..., Sent], state: str, lang: str) -> None:
    sent = send(state, lang)
    # Of the HTML without what the text has no use for: the sentence about the button.
    catalogue = languages.texts(Path(os.environ["CONSENTRY_COMPILED"]) / "locales", lang)
    about_the_button = catalogue.gettext("If the button doesn’t work, open this link:")
    about_the_button = " ".join(about_the_button.split())
    assert about_the_button in sent.seen
    words = "".join(re.findall(r"\w", re.sub(r"https?://\S+", "", sent.seen.replace(about_the_button, ""))))
    plain = re.sub(r"https?://\S+", "", sent.text)
    assert "".join(re.findall(r"\w", plain)) == words
    assert {each.get("href") for each in sent.links} == set(re.findall(r"https://\S+", sent.text))


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_it_says_who_sends_why_and_how_to_leave(send: Callable[..., Sent], brand: Brand, state: str, lang: str) -> None:
    sent = send(state, lang)
    letter = sent.letter
    catalogue = languages.texts(Path(os.environ["CONSENTRY_COMPILED"]) / "locales", lang)
    subject = str(sent.message["Subject"])
    assert brand.name(lang) in subject
    for part in (" ".join(sent.text.split()), sent.seen):
        assert brand.name(lang) in part
        assert brand.postal_address("en") in part
        assert languages.format_moment(AT, catalogue) in part
        assert all(brand.topic_name(topic, lang) in part for topic in letter.topics)
        assert (languages.format_date(UNTIL, catalogue) in part) == bool(letter.paused_until)
    target = letter.links.confirm or letter.links.preferences
    links = [each.get("href") for each in sent.links]
    assert links.count(target) == 2, "the button and the bare link"
    assert target in sent.seen
    assert links.count(letter.links.unsubscribe) == 1
    assert f"<{letter.links.unsubscribe}>" in str(sent.message["List-Unsubscribe"])
    assert {target, letter.links.unsubscribe} <= set(sent.text.splitlines()), "links are whole and on their own"
    assert "&amp;" not in sent.text


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_the_text_is_not_wider_than_a_window(send: Callable[..., Sent], state: str, lang: str) -> None:
    sent = send(state, lang)
    wide = [each for each in sent.text.splitlines() if len(each) > 76 and "https://" not in each]
    assert all(" " not in each.strip() for each in wide)
    assert "\n\n\n" not in sent.text
    assert sent.text.count("\n-- \n") == 1
    assert not sent.text.startswith("\n")


@pytest.mark.parametrize(("state", "lang"), EVERY)
def test_an_inbox_shows_the_preheader_and_not_what_follows(send: Callable[..., Sent], state: str, lang: str) -> None:
    sent = send(state, lang)
    body = sent.document.find("body")
    assert body is not None
    preheader = body[0]
    assert "display:none" in preheader.get("style", "")
    shown = "".join(preheader.itertext())
    assert re.match(r"\w", shown)
    assert len(shown) > 60, "padded, or the mail's first words follow"
    assert sent.seen.startswith(" ".join(sent.text.splitlines()[0].split()))


def test_no_text_escapes_translation(send: Callable[..., Sent], brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    class Marked(gettext.NullTranslations):
        """Sets what passes through it between marks."""

        def gettext(self, message: str) -> str:
            return message if message.startswith(("%(d", "January")) else f"⟦{message}⟧"

    monkeypatch.setattr(languages, "texts", lambda *_: Marked())
    monkeypatch.setattr(pages, "_environment", pages._environment.__wrapped__)  # with texts of its own
    marked = brand._replace(
        names={"en": "⟦brand⟧"},
        postal_addresses={"en": "⟦address⟧"},
        topics={
            name: topic._replace(names={"en": f"⟦{name}⟧"}, descriptions={"en": "⟦text⟧"})
            for name, topic in brand.topics.items()
        },
    )
    for state in STATES:
        sent = send(state, "en", marked)
        subject = str(sent.message["Subject"])
        preheader = "".join(next(iter(sent.document.iter("div"))).itertext())
        labels = " ".join(each.get("aria-label", "") for each in sent.document.iter())
        for whole in (subject, preheader, labels, sent.seen, sent.text):
            text = re.sub(r"https://\S+", "", whole)
            while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", "", text)):
                pass
            assert not re.search(r"\w", text), f"{state}: {text}"


@pytest.mark.parametrize("state", STATES)
def test_what_a_brand_writes_is_never_markup(send: Callable[..., Sent], brand: Brand, state: str) -> None:
    evil = '"><script>alert(1)</script>'
    topics = {
        name: topic._replace(names={"en": evil}, descriptions={"en": evil}) for name, topic in brand.topics.items()
    }
    sent = send(state, "en", brand._replace(names={"en": evil}, topics=topics, postal_addresses={"en": evil}))
    assert not list(sent.document.iter("script"))
    assert "<script>alert(1)</script>" in " ".join(sent.text.split())


def test_a_brand_without_address_or_privacy_page_has_no_gap_there(send: Callable[..., Sent], brand: Brand) -> None:
    bare = brand._replace(postal_addresses={}, privacy_urls={})
    for state in STATES:
        sent = send(state, "en", bare)
        assert "None" not in sent.html
        assert len(sent.links) == 3


def test_every_colour_can_be_read_by_day_and_by_night(send: Callable[..., Sent], brand: Brand) -> None:
    html = send("confirmation", "en").html
    style = "".join(re.findall(r"(?s)@media \(prefers-color-scheme.*?</style>", html))
    light = {"ground": "#f3f3f0", "paper": "#ffffff", "ink": "#1c1d1f", "soft": "#54565a"}
    dark = {"ground": "#101113", "paper": "#1b1d20", "ink": "#ecedee", "soft": "#b3b6bb"}
    for shade, where in ((light, html.replace(style, "")), (dark, style)):
        assert set(shade.values()) <= set(re.findall(r"#[0-9a-f]{6}", where))
        for ink in ("ink", "soft"):
            assert contrast(shade[ink], shade["paper"]) >= 4.5
            assert contrast(shade[ink], shade["ground"]) >= 4.5
    assert contrast("#ffffff", brand.theme.accent) >= 4.5
    assert contrast("#000000", brand.theme.accent_dark) >= 4.5


def test_the_button_is_one_in_programs_that_know_no_css_but_tables(send: Callable[..., Sent], brand: Brand) -> None:
    """Outlook pads a cell, and colours it by `bgcolor`; the link in it is no more than a link."""
    sent: Any = send("confirmation", "en")
    (cell,) = [each for each in sent.document.iter("td") if each.get("bgcolor") == brand.theme.accent]
    assert "mso-padding-alt:14px 28px" in cell.get("style")
    (link,) = cell.iter("a")
    assert link.get("href") == sent.letter.links.confirm


@pytest.mark.parametrize("state", STATES)
def test_a_mail_from_right_to_left_is_so_in_every_cell(send: Callable[..., Sent], state: str) -> None:
    html = re.sub(r"(?s)<!--.*?-->", "", send(state, "ar").html)
    assert "direction:ltr" not in html
    assert 'align="left"' not in html
    assert 'dir="ltr"' in html, "the bare link"
