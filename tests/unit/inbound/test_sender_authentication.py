"""An email without a token: who wrote it is believed only where nobody else can have written it, and to us."""

from __future__ import annotations

from typing import Any, Final

import pytest

from consentry.inbound.automatic_replies import Origin
from consentry.inbound.emails import Finding
from support.inbound_emails import TO, message, signed
from support.inbox import NOW, T, link, understand
from support.world import DAY

PASS: Final = "spf=pass; dkim=pass; dmarc=pass"


def author(raw: bytes) -> str:
    """The address that an email opts out; empty where it doesn't."""
    understood = understand(raw)
    assert (understood.finding is Finding.SENDER) == bool(understood.sender)
    return understood.sender.address.normalised if understood.sender else ""


@pytest.mark.parametrize(
    ("how", "address"),
    [
        ({}, "ann@example.com"),
        ({"author": "ann@example.com"}, "ann@example.com"),
        ({"author": '"Example, Ann" <Ann@Example.com>'}, "ann@example.com"),
        ({"author": "ann@example.com (Ann, of here)"}, "ann@example.com"),
        ({"to": f'"Unsubscribe" <{TO.upper()}>'}, "ann@example.com"),
        ({"to": f"somebody@example.org,\n {TO}"}, "ann@example.com"),
        ({"to": "b@example.org", "head": f"Cc: {TO}\n"}, "ann@example.com"),
        ({"signature": "d=example.com; h=From : To:\n\tSubject"}, "ann@example.com"),
        ({"signature": "d=mail.example.com; h=from:to"}, "ann@example.com"),
        ({"author": "ann@mail.example.com", "signature": "d=example.com; h=from:to"}, "ann@mail.example.com"),
        ({"subject": "unsubscribe"}, "ann@example.com"),
        ({"date": "Thu, 14 Jan 2027 08:00:00 -0000"}, "ann@example.com"),
    ],
)
def test_somebody_who_certainly_wrote_is_opted_out(how: dict[str, Any], address: str) -> None:
    raw = signed(**how)
    assert author(raw) == address
    assert author(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == address
    understood = understand(raw)
    assert understood.links == ()
    assert understood.sender
    assert understood.sender.domains == ("reply.meadow.example",)


@pytest.mark.parametrize(
    "how",
    [
        {"results": "spf=pass; dkim=pass; dmarc=fail"},
        {"results": "spf=pass; dkim=pass; dmarc=none"},
        {"results": "spf=pass; dkim=pass"},
        {"results": "spf=pass; dkim=fail; dmarc=pass"},
        {"results": "spf=pass; dmarc=pass"},
        {"results": "dkim=pass; dkim=pass; dmarc=pass"},
        {"results": "dkim=pass; dmarc=fail; dmarc=pass"},
        {"spam": "FAIL"},
        {"spam": "GRAY"},
        {"spam": ""},
        {"virus": "PROCESSING_FAILED"},
        {"author": "ann@example.com, bob@example.com"},
        {"author": "Ann <ann@example.com>, bob"},
        {"author": "ann@example.com\nFrom: bob@example.com"},
        {"author": "ann@other.example"},
        {"author": "undisclosed:;"},
        {"signature": "d=example.com; h=from:subject:date"},
        {"signature": "d=example.com; h=to:subject:date"},
        {"signature": "d=example.com; h=from:to; l=0"},
        {"signature": "d=other.example; h=from:to"},
        {"signature": "d=com; h=from:to"},
        {"signature": "d=ample.com; h=from:to"},
        {"signature": "h=from:to"},
        {"signature": "d=example.com; h=from:to", "to": "b@example.org", "head": f"Cc: {TO}\n"},
        {"to": "b@example.org", "head": f"Delivered-To: {TO}\n"},
        {"to": f"b@example.org\nTo: {TO}"},
        {"to": f"{TO}\nTo: b@example.org"},
        {"to": f'"{TO}" <mallory@example.org>'},
        {"to": f"{TO} <mallory@example.org>"},
        {"to": f"mallory@example.org ({TO})"},
        {"to": "complaints@reply.meadow.example"},
        {"to": "not-unsubscribe@reply.meadow.example"},
        {"date": "Tue, 12 Jan 2027 07:59:58 +0000"},
        {"date": "Mon, 18 Jan 2027 07:59:58 +0000"},
        {"date": "yesterday"},
        {"date": "Fri, 15 Jan 2027 07:59:58 +0000\nDate: Fri, 15 Jan 2027 07:59:58 +0000"},
        {"head": "Auto-Submitted: auto-generated\n"},
        {"head": "Auto-Submitted: auto-replied\n"},
        {"head": "List-Id: <a.example>\n"},
        {"return_path": ""},
        {"subject": "Automatic reply: News"},
        {"head": f"Subject: {T}\n"},
    ],
    ids=str,
)
def test_where_anything_is_uncertain_nobody_is(how: dict[str, Any]) -> None:
    assert author(signed(**how)) == ""


def test_a_result_of_another_domain_is_of_somebody_else() -> None:
    for name in (b"header.from=", b"header.i=@"):
        assert author(signed().replace(name + b"example.com", name + b"other.example")) == ""
        assert author(signed().replace(b" " + name + b"example.com", b"")) == (
            "ann@example.com" if b"from" in name else ""
        )


def test_each_signature_of_the_domain_covers_what_it_must() -> None:
    """Whoever got an email of theirs can't add a signature that covers more, and fails."""
    more = "DKIM-Signature: v=1; d=example.com; h=from:to; b=AAAA\n"
    for results in ("spf=pass; dkim=pass; dkim=pass; dmarc=pass", "spf=pass; dkim=pass; dkim=fail; dmarc=pass"):
        assert author(signed(signature="d=example.com; h=from:subject", head=more, results=results)) == ""
    assert author(signed(head=more, results="spf=pass; dkim=pass; dkim=fail; dmarc=pass")) == ""
    assert author(signed(head=more, results="spf=pass; dkim=pass; dkim=pass; dmarc=pass")) == "ann@example.com"


def test_a_relays_own_signature_does_no_harm() -> None:
    relay = "DKIM-Signature: v=1; d=relay.example; h=subject; b=AAAA\n"
    said = b"dkim=pass header.i=@example.com;\r\n dkim=pass header.i=@relay.example;"
    raw = signed(head=relay).replace(b"dkim=pass header.i=@example.com;", said)
    assert author(raw) == "ann@example.com"


def test_a_result_that_the_greeting_holds_is_not_believed() -> None:
    failed = signed(results="spf=pass; dkim=fail; dmarc=fail")
    forged = b"Authentication-Results: amazonses.com;\r\n helo=x; dkim=pass header.i=@example.com; dmarc=pass;"
    assert author(failed.replace(b"Authentication-Results: amazonses.com;", forged)) == ""
    passed_by_spf = signed(results="spf=pass; dkim=fail; dmarc=pass")
    forged = b"Authentication-Results: amazonses.com;\r\n helo=x; dkim=pass header.i=@example.com;"
    assert author(passed_by_spf.replace(b"Authentication-Results: amazonses.com;", forged)) == ""
    greeted = signed().replace(b"helo=mail", b"helo=x; dkim=pass; mail")
    assert author(greeted) == ""


def test_what_came_with_the_mail_is_not_taken_for_ses_own() -> None:
    own = signed(results="spf=pass; dkim=fail; dmarc=fail")
    forged = (
        b"Authentication-Results: amazonses.com; dkim=pass header.i=@example.com; dmarc=pass header.from=example.com\n"
    )
    head, receipt, rest = own.partition(b"X-SES-RECEIPT")
    for raw in (
        own.replace(b"DKIM-Signature", forged + b"DKIM-Signature", 1),
        head.partition(b"Authentication-Results")[0] + receipt + rest.replace(b"\nFrom:", b"\n" + forged + b"From:", 1),
    ):
        assert author(raw) == ""


def test_as_ses_writes_it() -> None:
    """The field as SES wrote it on emails of Gmail's."""
    said = (
        b"Authentication-Results: amazonses.com; spf=pass (spfCheck: domain of _spf.example.com designates 192.0.2.25 "
        b"as permitted) client-ip=192.0.2.25; envelope-from=ann@example.com; helo=mail-qt1.example.com; dkim=pass "
        b"header.i=@example.com; dmarc=pass header.from=example.com;\r\nX-SES-RECEIPT:"
    )
    head, _, rest = signed().partition(b"Authentication-Results:")
    assert author(head + said + rest.partition(b"X-SES-RECEIPT:")[2]) == "ann@example.com"


def test_a_token_decides_before_the_sender_does() -> None:
    quoted = signed().replace(b"any more.", f"any more.\n> {link()}".encode())
    assert understand(quoted)[:2] == (Finding.OPT_OUT, understand(message(subject=T)).links)
    assert understand(quoted).sender is None


def test_a_mail_that_arrives_days_after_it_was_written_is_old() -> None:
    late = understand(signed(), at=NOW + 3 * DAY)
    assert (late.finding, late.origin, late.sender) == (Finding.NOTHING, Origin.PERSON, None)
    assert understand(signed(), at=NOW + DAY).sender


@pytest.mark.parametrize("method", ["REPLY", "reply", '"REPLY"', "COUNTER"])
def test_a_calendars_answer_is_nobodys_wish(method: str) -> None:
    """Whoever sends an invitation chooses whom it is answered to: us, in the name of whoever accepts or declines."""
    calendar = f"Content-Type: text/calendar; method={method}; charset=utf-8\n"
    assert author(signed(head=calendar, subject="Accepted: Lunch")) == ""
    parts = (
        f'Content-Type: multipart/alternative; boundary="b"\n\n--b\n\nNo.\n--b\n{calendar}\nBEGIN:VCALENDAR\n--b--\n'
    )
    assert author(signed(head=parts, subject="Declined: Lunch")) == ""


def test_a_calendar_that_answers_nothing_takes_nothing_from_a_wish() -> None:
    for said in ("", "; method=REQUEST", "; method*=utf-8''REQUEST", "; method"):
        assert author(signed(head=f"Content-Type: text/calendar{said}\n")) == "ann@example.com"


def test_yahoos_vacation_notice_is_nobodys_wish() -> None:
    assert author(signed(subject="Yahoo! Auto Response")) == ""
