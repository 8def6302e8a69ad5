"""Emails to the unsubscribe address: whoever sends one gets out, by whatever program; a machine's reply doesn't."""

from __future__ import annotations

import base64
import codecs
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consentry.inbound import emails, reading
from consentry.inbound.automatic_replies import Origin
from consentry.inbound.emails import Finding
from consentry.links.tokens import Link, NotOursError, Purpose
from support import inbound_emails
from support.inbound_emails import TO, message, stored
from support.inbox import ANN, BOB, NOW, TOKENS, T, left, link, token, understand

# --- what must not count ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.PREFERENCES, Purpose.UNDO, Purpose.STAMP])
def test_a_link_for_something_else_does_nothing(purpose: Purpose) -> None:
    other = TOKENS.sign(Link(purpose, "demo", BOB, ("news",), at=NOW))
    for raw in (message(subject=other), inbound_emails.reply(f"https://links.example.com/c/{other}")):
        assert understand(raw).finding is Finding.NOTHING


def test_a_forged_token_opts_nobody_out() -> None:
    forged = T[:-1] + ("A" if T[-1] != "A" else "Q")
    assert understand(message(text=forged, subject=forged)).finding is Finding.NOTHING


def test_a_machines_reply_that_quotes_the_mail_opts_nobody_out() -> None:
    assert understand(inbound_emails.vacation(T))[:3] == (Finding.REPLY, (), Origin.REPLY)
    assert understand(inbound_emails.bounce(T, link()))[:3] == (Finding.REPLY, (), Origin.REPORT)


@pytest.mark.parametrize(
    "head",
    [
        "X-Failed-Recipients: ann@example.com\n",
        'Content-Type: multipart/report; report-type="disposition-notification"; boundary=b\n',
        "From: Mailer-Daemon@mail.example.com\n",
    ],
)
def test_a_report_opts_nobody_out_even_if_its_subject_is_the_bare_token(head: str) -> None:
    assert understand(stored(message(head, T, subject=T))).finding is Finding.REPLY


REPLIES: Final = [
    "Auto-Submitted: auto-replied (vacation)\n",
    "Auto-Submitted: no\nAuto-Submitted: auto-replied\n",
    "Precedence: auto_reply\n",
    "X-Autoreply: yes\n",
    "X-Autorespond: Re\n",
]
"""What vacation notices say of themselves, and some mail programs of what they send when their button is pressed."""


@pytest.mark.parametrize("head", REPLIES)
def test_an_automatic_reply_is_a_button_if_its_subject_is_the_token_alone_and_else_nothing(head: str) -> None:
    understood = understand(stored(message(head, subject=T)))
    assert (understood.finding, understood.origin) == (Finding.OPT_OUT, Origin.REPLY)
    for subject in (f"Automatic reply: {T}", f"Re: {T}", f"{T} (away)", "", "unsubscribe"):
        assert understand(stored(message(head, link(), subject=subject)))[:2] == (Finding.REPLY, ())


@pytest.mark.parametrize("head", [*REPLIES, "Auto-Submitted: auto-generated\n"])
def test_a_button_whose_subject_is_the_word_opts_out_whom_its_address_names(head: str) -> None:
    named = f"unsubscribe+{T}@reply.meadow.example"
    for subject in ("unsubscribe", "Unsubscribe", " UNSUBSCRIBE ", "<unsubscribe>"):
        assert left(message(head, subject=subject, to=named)) == [("news",)]
    for subject in ("unsubscribe me", "Re: unsubscribe", "Automatic reply: unsubscribe", "", "News"):
        assert left(message(head, subject=subject, to=named)) == []


def test_apple_mails_button_opts_out_whatever_its_subject_is() -> None:
    for head in ("Auto-Submitted: auto-replied\n", ""):
        apple = f"{head}X-Apple-Unsubscribe: true\n"
        assert left(message(apple, subject=T)) == [("news",)]
        assert left(message(apple, subject=f"Leave {T}")) == [("news",)]
        assert left(message(apple, subject="Leave", to=f"unsubscribe+{T}@reply.meadow.example")) == [("news",)]
        assert left(message(apple, link(), subject="Leave")) == [], "what it quotes is no button"
        assert understand(message(apple, subject=T)).origin is not Origin.PERSON
    assert (
        understand(message("Auto-Submitted: auto-replied\nX-Apple-Unsubscribe: no\n", subject=f"Re: {T}")).links == ()
    )


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        ("From: Postmaster@mail.example.org\n", "News"),
        ('Sender: "The postmaster" <POSTMASTER@mail.example.org>\n', "News"),
        ("Return-Path: <postmaster+x@mail.example.org>\n", "News"),
        ("Return-Path: <Mailer-Daemon@mail.example.org>\n", "News"),
        ("Return-Path: <MAILER-DAEMON>\n", "News"),
        ("Return-Path: <double-bounce@mail.example.org>\n", "News"),
        ("X-Autoresponder: yes\n", "News"),
        ("X-Precedence: auto_reply\n", "News"),
        ("X-AutoReply-From: ann@example.com\n", "News"),
        ("X-POST-MessageClass: 9; Autoresponder\n", "News"),
        ("Delivered-To: Autoresponder\n", "News"),
        ("X-FC-MachineGenerated: true\n", "News"),
        ("X-MS-Exchange-Message-Is-Ndr:\n", "News"),
        ("Content-Type: message/delivery-status\n", "News"),
        ("From: Mail Delivery Subsystem <noreply@mail.example.org>\n", "News"),
        ("From: Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@mail.example.org>\n", "News"),
        ("X-Autogenerated: Reply\n", "News"),
    ],
)
def test_a_reply_or_report_is_known_by_any_one_sign(head: str, subject: str) -> None:
    raw = message(f"{head}Content-Type: text/plain\n", f"> {link()}\n", subject=subject)
    assert understand(raw)[:2] == (Finding.REPLY, ())
    assert understand(stored(raw))[:2] == (Finding.REPLY, ())


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/disposition-notification"])
def test_a_report_to_which_somebody_added_a_footer_is_known_by_its_parts(kind: str) -> None:
    def with_part(head: str) -> bytes:
        parts = f"--b\n\n> {link()}\n--b\n{head}\nAction: failed\n\n--b--\n"
        return message("Content-Type: multipart/mixed; boundary=b\n", parts, subject="News")

    assert understand(with_part(f"Content-Type: {kind}\n"))[:3] == (Finding.REPLY, (), Origin.REPORT)
    attached = f"Content-Type: message/rfc822\n\nContent-Type: {kind}\n"
    assert left(with_part(attached)) == [("news",)], "a person encloses one"


SUBJECTS: Final = [
    "Automatic reply: News",
    "Auto reply: News",
    "Auto-Reply",
    "autoreply: News",
    "Auto: News",
    "Automated response",
    "Out of Office AutoReply: News",
    "out of the office",
    "Ann Example is out of the office (returning Monday)",
    "Automatische Antwort: News",
    "Abwesenheitsnotiz: News",
    "Réponse automatique\u00a0: News",
    "Absent(e) du bureau : News",
    "Respuesta automática: News",
    "Fuera de la oficina",
    "Risposta automatica: News",
    "Fuori sede: News",
    "Resposta automática: News",
    "Ausência temporária: News",
    "Automatisch antwoord: News",
    "Afwezig: News",
    "Automatyczna odpowiedź: News",
    "Odpowiedź automatyczna",
    "رد تلقائي: News",
    "自動応答: News",
    "不在通知",
    "Undelivered Mail Returned to Sender",
    "Delayed Mail (still being retried)",
    "Delivery Status Notification (Failure)",
    "Mail delivery failed: returning message to sender",
    "Warning: message 1abc-2 delayed 24 hours",
    "Returned mail: see transcript for details",
    "Warning: could not send message for past 4 hours",
    "failure notice",
    "DELIVERY FAILURE: User bob not listed",
    "Mail System Error - Returned Mail",
    "Message status - undeliverable",
    "Undeliverable: News",
    "Delivery delayed: News",
    "Read: News",
    "Not read: News",
    "Return Receipt (displayed) - News",
    "Unzustellbar: News",
    "Gelesen: News",
    "Lesebestätigung: News",
    "Non remis : News",
    "Lu : News",
    "No se puede entregar: News",
    "Leído: News",
    "Non recapitabile: News",
    "Letto: News",
    "Não é possível entregar: News",
    "Lida: News",
    "Onbestelbaar: News",
    "Gelezen: News",
    "Niedostarczalne: News",
    "Przeczytano: News",
    "لم يتم التسليم: News",
    "配信不能: News",
    "開封済み: News",
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_reply_or_report_is_known_by_its_subject_alone(subject: str) -> None:
    word = base64.b64encode(subject.encode()).decode()
    for spelt in (subject, subject.upper(), f"=?utf-8?B?{word}?="):
        assert understand(message(text=link(), subject=spelt))[:2] == (Finding.REPLY, ())
    assert understand(message(subject=f"{subject} {T}"))[:2] == (Finding.REPLY, ())
    assert left(message(text=link(), subject=f"Re: {subject}")) == [("news",)], "somebody answers it"


@pytest.mark.parametrize(
    "subject",
    ["unsubscribe", "", "Re: News", "Abmelden", "Stop", "Read this!", "Automobile news: no more", "Urlaub in Italien",
     "Luna park", "Delivered to you by mistake", "Absences and leave", "autoreplying", "Undeliverables"],
)  # fmt: skip
def test_a_persons_subject_is_taken_for_no_machines(subject: str) -> None:
    assert left(message(text=link(), subject=subject)) == [("news",)]


MACHINE: Final = [
    "Auto-Submitted: auto-generated\n",
    "Precedence: bulk\n",
    "Precedence: list\n",
    "X-Auto-Response-Suppress: All\n",
    "List-Id: <demo.meadow.example>\n",
    "List-Unsubscribe: <https://links.example.com/u/x>\n",
]


@pytest.mark.parametrize("head", MACHINE)
def test_what_a_machine_sends_counts_only_if_its_subject_is_the_token_alone(head: str) -> None:
    for bare in (T, f"<{T}>", f'"{T}"', f"{T[:50]}\n {T[50:]}"):
        assert left(message(head, subject=bare)) == [("news",)]
    assert understand(message(head, subject=f"Automatic reply: {T}"))[:2] == (Finding.REPLY, ())
    for raw in (
        message(head, subject=f"Re: {T}"),
        message(head, f"{link()}\n", subject="Stories from the garden"),
        message(head, to=f"unsubscribe+{T}@reply.meadow.example"),
    ):
        assert understand(raw)[:3] == (Finding.NOTHING, (), Origin.MACHINE)


def test_a_mail_without_a_return_path_is_a_machines() -> None:
    assert understand(stored(message(subject=f"Fwd: {T}"), return_path="")).finding is Finding.NOTHING
    assert left(stored(message(subject=T), return_path="")) == [("news",)]


def test_a_mail_with_a_virus_is_not_looked_into() -> None:
    raw = stored(message("X-SES-Virus-Verdict: PASS\n", subject=T), virus="FAIL")
    assert understand(raw)[:2] == (Finding.VIRUS, ())


def test_a_forwarded_digest_opts_nobody_out_but_whom_the_subject_names() -> None:
    digest = (link(), link(of=BOB))
    assert understand(inbound_emails.reply(*digest))[:2] == (Finding.SEVERAL_PEOPLE, ())
    assert left(inbound_emails.reply(*digest, subject=token("offers"))) == [("offers",)]


def test_a_quoted_link_counts_only_in_a_mail_to_the_unsubscribe_address() -> None:
    for to in ("postmaster@reply.meadow.example", "not-unsubscribe@reply.meadow.example", "a@b.example"):
        assert understand(message(text=link(), to=to)).finding is Finding.NOTHING
        assert left(message(text="", subject=T, to=to)) == [("news",)]
    hidden = b"Received: from a by b for <unsubscribe@reply.meadow.example>; Fri\n" + message(text=link(), to="me")
    assert left(hidden) == [("news",)], "a blind copy"


def test_attachments_are_not_read() -> None:
    def with_part(head: str) -> bytes:
        return message("Content-Type: multipart/mixed; boundary=b\n", f"--b\n{head}\n{link()}\n--b--\n")

    assert left(with_part("Content-Type: text/plain\n")) == [("news",)]
    for head in (
        "Content-Type: application/pdf\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: message/rfc822\n\nSubject: Stories from the garden\n",
        'Content-Disposition: attachment; filename="a.txt"\n',
        'Content-Type: text/calendar; name="b"\n',
    ):
        assert understand(with_part(head)).finding is Finding.NOTHING


# --- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write", [inbound_emails.gmail, inbound_emails.apple, inbound_emails.yahoo, inbound_emails.outlook]
)
def test_a_mail_providers_button_opts_out(write: Callable[[str], bytes]) -> None:
    assert left(write(T)) == [("news",)]


@pytest.mark.parametrize(
    "subject",
    [
        T,
        f"Re: {T}",
        f"AW:{T}",
        f"<{T}>",
        f'"{T}"',
        f"unsubscribe {T} please",
        f"{T}Thank you",
        f"{T[:40]}\n {T[40:]}",
        f"{T[:40]} {T[40:]}",
        f"{T[:70]}\n\t{T[70:]}",
        f"=?utf-8?Q?{T.replace('_', '=5F')}?=",
        f"=?us-ascii*en?q?{T.replace('_', '=5F')}?=",
        f"=?iso-2022-jp?B?{base64.b64encode(T.encode()).decode()}?=",
        f"=?utf-8?B?{base64.b64encode(T.encode()).decode().rstrip('=')}?=",
        f"=?utf-8?q?Re=3A_?= =?x-none?q?{T[:30].replace('_', '=5F')}?=\n =?utf-8?q?{T[30:].replace('_', '=5F')}?=",
        f"unsubscribe =?utf-8?q?{T[:30].replace('_', '=5F')}?= =?utf-8?q?{T[30:].replace('_', '=5F')}?=",
        f"=?utf-8?b?!?= {T}",
        f"h\udcfc\udcff {T}",
        f"\nSubject: something else\nSubject: {T}",
    ],
)
def test_a_token_is_found_in_the_subject_however_it_got_there(subject: str) -> None:
    assert left(message(subject=subject)) == [("news",)]


@pytest.mark.parametrize(
    ("head", "to"),
    [
        ("", f"unsubscribe+{T}@reply.meadow.example"),
        ("", f"Ann's list <unsubscribe+{T}@reply.meadow.example>, b@example.com"),
        ("", f"unsubscribe+{T[:60]}\n {T[60:]}@reply.meadow.example"),
        (f"Cc: {T}@reply.meadow.example\n", "b@example.com"),
        (f"Delivered-To: unsubscribe+{T}@reply.meadow.example\n", "b@example.com"),
        (f"Received: from a by b\n for <unsubscribe+{T}@reply.meadow.example>; Fri\n", "b@example.com"),
    ],
)
def test_a_token_is_found_in_the_address(head: str, to: str) -> None:
    assert left(message(head, subject="unsubscribe", to=to)) == [("news",)]


@pytest.mark.parametrize(
    "text",
    [
        T,
        link(),
        f"<{link()}>",
        f"{link()}.",
        f"> {link()}",
        f"https://eur01.safelinks.protection.outlook.com/?url={quote(link(), safe='')}&data=05%7C02",
        f"I want out\n\n> {T[:50]}\n> {T[50:]}\n\nAnn",
        f"{T[:76]} \n{T[76:]}",
        f"> {link()[:35]}\n> {link()[35:]}",
        f"{T[:40]}\u200b{T[40:50]}\u00ad{T[50:]}",
        f"https://eur01.safelinks.protection.outlook.com/?url={quote(quote(link(), safe=''), safe='')}&data=05%7C02",
        f"> https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Flinks.example.com%2Fu%2F{T[:9]}\n> {T[9:]}",
        f"https://urldefense.com/v3/__{link()}__;!!A1b!x$",
        "https://urldefense.proofpoint.com/v2/url?u="
        + link().replace("-", "-2D").replace("_", "-5F").replace(":", "-3A").replace("/", "_"),
        f"https://b.protection.sophos.com/?d=a.example&u={base64.urlsafe_b64encode(link().encode()).decode()}&i=x",
        f"token: {T}\nThanks",
        f"a-word-that-looks-like-one.{T}",
        f'<a href=3D"{link()}">'.replace("=3D", "="),
    ],
)
def test_a_token_is_found_in_the_text(text: str) -> None:
    assert left(message(text=text, subject="unsubscribe")) == [("news",)]
    assert left(message(text=text).replace(b"\n", b"\r\n")) == [("news",)]


def test_a_reply_that_quotes_the_mail_opts_its_reader_out() -> None:
    assert left(inbound_emails.reply(link())) == [("news",)]


def test_a_text_is_read_in_every_encoding_of_mail() -> None:
    utf_16 = base64.encodebytes(f"Bitte: {link()}".encode("utf-16")).decode()
    broken = base64.encodebytes(f"> {link()[:60]}\r\n> {link()[60:]}".encode()).decode()
    soft = "=\n".join(link()[at : at + 30].replace("=", "=3D") for at in range(0, len(link()), 30))
    encoded = base64.encodebytes(f"Bitte: {link()}".encode()).decode()
    for name, text in (
        ("quoted-printable", soft),
        ("base64", encoded),
        ("base64", utf_16),
        ("base64", broken),
        ("base64", encoded.rstrip("=\n")),
        ("8BIT", link()),
        ("x-unheard-of", link()),
    ):
        assert left(message(f"Content-Transfer-Encoding: {name}\n", text)) == [("news",)], name


def test_a_part_within_parts_is_read() -> None:
    part = f"Content-Type: text/plain\n\n{link()}"
    for depth in range(8):
        kind = f'Content-Type: multipart/mixed; boundary="b{depth}"'
        part = f"{kind}\n\npreamble\n--b{depth}\n{part}\n--b{depth}--\nepilogue"
    assert left(f"To: {TO}\n{part}".encode()) == [("news",)]


def test_a_mail_cut_off_within_its_attachment_is_read() -> None:
    head = 'Content-Type: multipart/mixed; boundary="b"\n'
    raw = message(head, f"--b\n\n{link()}\n--b\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\n")
    assert left(raw + b"/9j/" * reading.MOST) == [("news",)]
    assert left(message(head, f"--b\n\n{link()}")) == [("news",)]


@pytest.mark.parametrize("more", range(4))
def test_a_long_text_cut_off_anywhere_is_read(more: int) -> None:
    encoded = base64.encodebytes(f"{link()} {'x ' * reading.MOST}".encode()).decode()
    raw = message(f"Content-Transfer-Encoding: base64\nX-More: {'x' * more}\n", encoded)
    assert left(raw) == left(raw[: reading.MOST]) == [("news",)]


@pytest.mark.parametrize(
    "line",
    ["no field", "Sübject: x", ":", "no field\n folded", "no field\nnor this", "From ann@example.com Fri", ">From a"],
)
def test_a_header_is_read_past_a_line_that_is_no_field(line: str) -> None:
    assert left(f"To: {TO}\n{line}\n".encode() + message(subject=T)) == [("news",)]
    replied = f"To: {TO}\n{line}\n".encode() + message("Auto-Submitted: auto-replied\n", link())
    assert understand(replied).finding is Finding.REPLY
    assert left(message(subject=T).replace(b"Subject:", b"Subject :")) == [("news",)]


def test_a_subject_that_cant_be_decoded_is_read_as_it_came() -> None:
    def lookup(charset: str) -> codecs.CodecInfo | None:
        if charset.startswith("x_broken"):
            raise RuntimeError(charset)
        return None

    codecs.register(lookup)
    try:
        assert left(message(subject=f"=?x_broken?q?Stop?= {T}")) == [("news",)]
    finally:
        codecs.unregister(lookup)


def test_a_part_that_cant_be_decoded_spoils_no_other() -> None:
    class Odd(EmailMessage):
        def get_payload(self, *_: Any, **__: Any) -> Any:
            raise RecursionError

    readable = EmailMessage()
    readable.set_content(link())
    mail = EmailMessage()
    mail.make_mixed()
    mail.attach(Odd())
    mail.attach(readable)
    assert [each.strip() for each in reading.texts(mail)] == [link()]


def test_of_a_mail_that_cant_be_parsed_subject_and_addresses_still_count() -> None:
    head = "Content-Type: message/rfc822\n"
    nested = f"{head}\n" * 8_000
    assert left(message(head, nested, subject=T)) == [("news",)]
    assert left(message(head, nested, to=f"unsubscribe+{T}@reply.meadow.example")) == [("news",)]


def test_a_text_that_comes_after_too_much_is_not_read() -> None:
    for much in ("x " * reading.MOST, "\n" * 20_000):
        assert understand(message(text=much + link())).finding is Finding.NOTHING
    assert left(message(text="\n" * 19_000 + link())) == [("news",)]


def test_a_part_that_comes_after_a_hundred_is_not_read() -> None:
    def after(parts: int) -> bytes:
        return message(
            "Content-Type: multipart/mixed; boundary=b\n", "--b\n\nx\n" * parts + f"--b\n\n{link()}\n--b--\n"
        )

    assert left(after(90)) == [("news",)]
    assert left(after(100)) == []


def test_several_links_of_one_person_all_count_and_each_once() -> None:
    elsewhere = TOKENS.sign(Link(Purpose.UNSUBSCRIBE, "demo", ANN, ("news",), "another mailing"))
    raw = inbound_emails.reply(link(), link("offers"), link(), elsewhere, link("news", "offers"))
    assert left(raw) == [("news",), ("offers",), ("news", "offers")]


def test_the_subject_counts_before_the_text() -> None:
    assert left(inbound_emails.reply(link("offers"), subject=T)) == [("news",)]


def test_subject_and_addresses_count_together() -> None:
    two = f"unsubscribe+{token(of=BOB)}@reply.meadow.example, unsubscribe+{token('offers')}@reply.meadow.example"
    understood = understand(message(subject=T, to=two))
    assert [(each.subscriber_id == BOB, each.topics) for each in understood.links] == [
        (False, ("news",)),
        (True, ("news",)),
        (False, ("offers",)),
    ]


def test_whoever_puts_two_peoples_links_into_the_subject_means_both() -> None:
    assert len(left(message(subject=f"{T} {token(of=BOB)}"))) == 2


def test_a_complaint_that_a_provider_sends_as_a_report_counts_as_its_machines() -> None:
    head = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n"
    assert left(message(head, subject=T)) == [("news",)]


def test_auto_submitted_no_says_that_it_is_a_person() -> None:
    assert understand(message("Auto-Submitted: no\n", subject=f"Re: {T}"))[2] is Origin.PERSON
    assert left(message("Auto-Submitted: No\n", subject=f"Re: {T}")) == [("news",)]


# --- what SES says of the sender -------------------------------------------------------------------------------------


def test_what_ses_found_out_is_told_and_names_nobody() -> None:
    raw = stored(message(subject=T), results="spf=softfail; dkim=fail; dmarc=none", spam="FAIL")
    assert understand(raw).verdicts == "spf=softfail dkim=fail dmarc=none spam=fail"
    assert left(raw) == [("news",)], "recorded, not refused"


def test_what_came_with_the_mail_is_not_taken_for_ses_own() -> None:
    twice = stored(message(subject=T), results="dkim=pass; dkim=fail")
    assert understand(twice).verdicts == "dkim=pass spam=pass", "the first of several signatures"
    forged = "X-SES-Spam-Verdict: PASS\nAuthentication-Results: amazonses.com; dkim=pass\n"
    raw = stored(message(forged, subject=T), results="dkim=fail", spam="FAIL")
    assert understand(raw).verdicts == "dkim=fail spam=fail"
    assert understand(message("Authentication-Results: mx.example.com; dkim=pass\n", subject=T)).verdicts == ""
    assert understand(message("X-SES-Spam-Verdict: ann@example.com\n", subject=T)).verdicts == ""


# --- hostile emails ---------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.binary(max_size=2_000))
@example(b"")
@example(b"\n")
@example(b"\n\n\n")
@example(b"Content-Type: multipart/mixed; boundary=\xff\n\n--\xff\n--\xff--\n--\xff")
@example(b"Subject: =?utf-8?b?A?=\n\n")
def test_whatever_comes_is_simply_nothing(raw: bytes) -> None:
    for each in (raw, stored(raw), message("Content-Type: multipart/mixed; boundary=b\n", "--b\n").strip() + raw):
        assert understand(each).links == ()


SAMPLES: Final = [
    inbound_emails.gmail(T),
    inbound_emails.apple(T),
    inbound_emails.yahoo(T),
    inbound_emails.outlook(T),
    inbound_emails.reply(link(), link("offers")),
    inbound_emails.bounce(T, link()),
]


@settings(max_examples=300)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 60), st.binary(max_size=20)), min_size=1, max_size=8),
)
def test_a_damaged_mail_opts_out_its_person_or_nobody(raw: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    for at, length, instead in damages:
        raw = raw[:at] + instead + raw[at + length :]
    understood = understand(raw)
    assert {each.subscriber_id for each in understood.links} <= {ANN}
    assert (understood.finding is Finding.OPT_OUT) == bool(understood.links)


@given(st.integers(1, len(T) - 1), st.sampled_from(["\n ", "\n\t", "\r\n ", " ", "\n  \t"]))
def test_a_subject_folded_anywhere_is_read(at: int, fold: str) -> None:
    assert left(message(subject=f"{T[:at]}{fold}{T[at:]}")) == [("news",)]


HOSTILE: Final = {
    "nested parts": "Content-Type: multipart/mixed; boundary=b0\n\n"
    + "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(6_000)),
    "nested parts and short lines": "Content-Type: multipart/mixed; boundary=b0\n\n"
    + "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(95))
    + "\n" * 250_000,
    "nested mails": "Content-Type: message/rfc822\n\n" * 8_000,
    "delivery reports": "Content-Type: message/delivery-status\n\n" + "a: b\n\n" * 40_000,
    "parameters": "Content-Type: multipart/mixed" + ";a*0*=x" * 37_000 + "\n\n",
    "parameters of parts": "Content-Type: multipart/mixed; boundary=b\n\n"
    + ('--b\nContent-Type: multipart/mixed;a="' + ";" * 2_570 + "\n\nx\n") * 97,
    "fields": "a:\n" * 85_000,
    "many parts": "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 50_000,
    "many lines of dashes": "Content-Type: multipart/mixed; boundary=b\n\n" + "--\n" * 90_000,
    "brackets in an address": "Cc: " + "(" * 60_000 + "\n\n",
    "addresses without an end": "Cc: " + "unsubscribe+x," * 4_000 + "\n\n",
    "half encoded words": "Subject: " + "=?a?q?" * 10_000 + "\n\n",
    "encoded words": "Subject: " + "=?a?q?x?= " * 6_000 + "\n\n",
    "words that aren't encoded": "Subject: " + "x=?utf-8?b?!?=" * 18_000 + "\n\n",
    "a subject of words": "Subject: " + "a " * 130_000 + "\n\n",
    "subjects": "Subject: =?a?q?x?=\n" * 13_000 + "\n\n",
    "a subject of folds": "Subject: " + "\n " * 30_000 + "x\n\n",
    "a name without a colon": "a" * 60_000 + "\n\n",
    "one long word": "\n" + "a" * 260_000,
    "words and dots": "\n" + ("a" * 25 + ".") * 10_000,
    "what looks like tokens": "\n" + ("dXx" + "a" * 30 + "." + "b" * 43 + " ") * 3_000,
    "broken lines": "\n" + ("a" * 20 + " \n>") * 11_000,
    "blanks": "\n" + "a" * 20 + " " * 250_000,
    "percent signs": "\n" + "%2F" * 85_000,
    "signatures": "DKIM-Signature: v=1; d=example.com; h=from:to\n" * 6_000 + "\n",
    "a signature of tags": "DKIM-Signature: " + "d=a;" * 65_000 + "\n\n",
    "results": "Authentication-Results: amazonses.com" + "; dkim=pass header.i=@a" * 11_000 + "\n\n",
    "a date": "Date: " + "Fri, " * 50_000 + "\n\n",
    "senders": "From: " + '"' * 130_000 + "<" * 130_000 + "\n\n",
    "unsubscribe addresses": "\n" + f"unsubscribe-{'a2' * 24}@reply.meadow.example " * 3_000,
    "beginnings of unsubscribe addresses": "\n" + "unsubscribe-" * 21_000,
    "links of Proofpoint": "\n" + "/v3/__a*__;JQ!/v2/url?u=a-2Db_" * 8_000,
    "nested percent signs": "\n" + "%2525" * 50_000,
    "what nobody sees": "\n" + "a\u200b" * 60_000,
    "lines without an end": "\n" + ("a" * 20 + "\n" + ">" * 40 + "\n") * 4_000,
    "equals signs": "Content-Transfer-Encoding: quoted-printable\n\n" + "=" * 250_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_mail_made_to_break_parsers_costs_little(raw: str) -> None:
    spent = time.process_time()
    assert understand(f"To: {TO}\n{raw}".encode()).links == ()
    assert time.process_time() - spent < 20, (
        "seconds of CPU: half of one where nothing else runs, and minutes in quadratic time"
    )


def test_no_mail_makes_us_try_tokens_without_end() -> None:
    tried: list[str] = []

    def read(candidate: str) -> Link:
        tried.append(candidate)
        raise NotOursError

    made_up = " ".join(f"dXx{n:030}.{'b' * 43}" for n in range(3_300))
    emails.understand(message(text=made_up), read, NOW)
    assert 0 < len(tried) <= 2_000


def test_what_only_looks_like_a_token_hides_none_however_often_it_stands_there() -> None:
    """A newsletter whose links are tracked by JSON Web Tokens (RFC 7519): two of their three parts look like ours."""
    head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    tracked = [f"https://click.esp.example/{head}.{at:050d}.{at:043d}" for at in range(300)]
    assert left(inbound_emails.reply(*tracked, link())) == [("news",)]


@pytest.mark.parametrize(
    "broken_by", ["<wbr>", "<WBR/>", "&shy;", "&#8203;", "<br>\n&gt; ", "</span><span>", "<wbr>&shy;"]
)
def test_a_token_counts_as_html_shows_it(broken_by: str) -> None:
    html = "Content-Type: text/html; charset=utf-8\n"
    for whole in (link(), T):
        assert left(message(html, f"<p>{whole[:60]}{broken_by}{whole[60:]}</p>")) == [("news",)]
    spelt = link().replace(".", "&#46;").replace("-", "&#x2d;").replace("_", "&lowbar;")
    assert left(message(html, f'<p><a href="{spelt}">here</a></p>')) == [("news",)]
    assert left(message(html, f'<p><a href="{link()[:60]}{broken_by}">{link()[60:]}</a></p>')) == []
