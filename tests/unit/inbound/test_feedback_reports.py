"""Feedback reports: a provider tells that somebody called an email spam, and our own token in it says who."""

from __future__ import annotations

import time
from typing import Final

import pytest

from consentry.inbound import feedback_reports
from consentry.inbound.automatic_replies import Origin
from consentry.inbound.emails import Finding
from support.inbound_emails import TO, feedback_report, marketing, message
from support.inbox import BOB, T, link, token, understand

HTTPS: Final = f"<{link()}>"
MAILTO: Final = f"<mailto:unsubscribe@reply.meadow.example?subject={T}>"
REDACTED: Final = "<https://links.example.com/u/XXXXXXXXXXXXXXXXXXXXXXXX>"


@pytest.mark.parametrize("kind", ["abuse", "Abuse", "fraud"])
@pytest.mark.parametrize("unsubscribe", [HTTPS, MAILTO, f"{MAILTO}, {HTTPS}", f"{MAILTO},\n {HTTPS}"])
@pytest.mark.parametrize("to", ["complaints@reply.meadow.example", TO, "abuse@reply.meadow.example"])
def test_a_complaint_is_of_the_person_whose_token_the_reported_email_holds(
    kind: str, unsubscribe: str, to: str
) -> None:
    understood = understand(feedback_report(marketing(unsubscribe), kind=kind, to=to))
    assert (understood.finding, understood.origin) == (Finding.COMPLAINT, Origin.MACHINE)
    assert [each.subscriber_id for each in understood.links] == ["K9Xdq1X4AVefMXC3P9olGg"]


@pytest.mark.parametrize("part", ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global",
                                  "MESSAGE/RFC822; charset=utf-8"])  # fmt: skip
@pytest.mark.parametrize("encoding", ["", "8bit", "base64", "quoted-printable"])
def test_the_reported_email_is_read_as_mail_or_header_in_every_encoding(part: str, encoding: str) -> None:
    folded = f"<{link()[:50]}\n {link()[50:]}>"
    for unsubscribe in (HTTPS, folded):
        raw = feedback_report(marketing(unsubscribe), part=part, encoding=encoding)
        assert understand(raw).finding is Finding.COMPLAINT


def test_where_the_header_is_redacted_the_links_of_the_text_tell() -> None:
    raw = feedback_report(marketing(REDACTED, link(), link("offers")))
    assert understand(raw).finding is Finding.COMPLAINT
    assert understand(feedback_report(marketing(HTTPS, link(of=BOB)))).links[0].subscriber_id != BOB


@pytest.mark.parametrize("kind", ["opt-out", "opt-out-list"])
def test_an_opt_out_report_opts_out(kind: str) -> None:
    understood = understand(feedback_report(marketing(HTTPS), kind=kind))
    assert (understood.finding, [each.topics for each in understood.links]) == (Finding.OPT_OUT, [("news",)])


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        ("not-spam", Finding.NOT_SPAM),
        ("virus", Finding.REPORT),
        ("auth-failure", Finding.REPORT),
        ("dkim", Finding.REPORT),
        ("other", Finding.UNATTRIBUTED),
        ("x-new", Finding.UNATTRIBUTED),
        ("", Finding.UNATTRIBUTED),
    ],
)
def test_what_nobody_wishes_for_does_nothing(kind: str, finding: Finding) -> None:
    assert understand(feedback_report(marketing(HTTPS), kind=kind))[:2] == (finding, ())


def test_a_report_that_names_nobody_or_several_does_nothing() -> None:
    assert understand(feedback_report(marketing(REDACTED))).finding is Finding.UNATTRIBUTED
    assert understand(feedback_report("")).finding is Finding.UNATTRIBUTED
    both = f"<{link()}>, <mailto:unsubscribe@reply.meadow.example?subject={token(of=BOB)}>"
    assert understand(feedback_report(marketing(both)))[:2] == (Finding.UNATTRIBUTED, ())
    assert understand(feedback_report(marketing(REDACTED, link(), link(of=BOB))))[:2] == (Finding.UNATTRIBUTED, ())


def test_only_the_reported_email_is_looked_into() -> None:
    raw = feedback_report(marketing(REDACTED)).replace(b"This is an email", link().encode())
    assert understand(raw).finding is Finding.UNATTRIBUTED


def test_a_mail_that_calls_itself_a_report_and_holds_none_is_a_machines() -> None:
    head = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n"
    assert understand(message(head, f"--b\n\n{link()}\n--b--\n"))[:3] == (Finding.NOTHING, (), Origin.MACHINE)


HEAD: Final = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n"


@pytest.mark.parametrize(
    "body",
    [
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n" * 3_500,
        "--b\nContent-Type: message/feedback-report\n\n" + "Feedback-Type: abuse\n" * 12_000,
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b\nContent-Type: message/rfc822\n\n"
        + "List-Unsubscribe: <https://a.example/u/" * 6_000,
        "--b\nContent-Type: message/rfc822\n\n" * 8_000,
        ("--b\nContent-Type: message/rfc822\n\n" + "List-Unsubscribe: x\n" * 120) * 90,
        "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b0\n\n"
        + "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(5_000)),
        "--b\nContent-Type:" + "\n" * 200_000,
    ],
    ids=["reports", "types", "a field", "mails", "fields", "nested", "folds"],
)
def test_a_report_made_to_break_parsers_costs_little(body: str) -> None:
    spent = time.process_time()
    assert understand(message(HEAD, body)).links == ()
    assert time.process_time() - spent < 20, (
        "seconds of CPU: far less than one where nothing else runs, and minutes in quadratic time"
    )


def test_every_type_has_its_meaning() -> None:
    published = {"abuse", "fraud", "virus", "not-spam", "auth-failure"}  # IANA's registry, but for `other`
    assert published <= feedback_reports.TYPES.keys()
