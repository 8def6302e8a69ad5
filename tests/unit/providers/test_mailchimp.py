"""Mailchimp's audience webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.actions.reports import ReportKind
from consentry.providers import UnreadableError
from support import hooks
from support.hooks import NOW, Sent

KEY = hooks.SECRETS["mailchimp"]["key"]
SECRET = "signed-by-mailchimp"
BOTH = {"key": KEY, "signing_secret": SECRET}
DAY = 24 * 3600 * 1000


@pytest.mark.parametrize("path", ["/", "/?key=", "/?key=wrong", "/?key=f3b9-very-rando", "/?Key=f3b9-very-random"])
def test_another_key_is_refused(desk: Any, path: str) -> None:
    assert desk.refuses("mailchimp", Sent(path, {}, b"type=unsubscribe"))


def test_a_cleaned_address_bounced_for_good_only_if_it_says_so(desk: Any) -> None:
    said = hooks.saying("mailchimp", "bounced")
    assert desk.read("mailchimp", said).reports[0].kind is ReportKind.BOUNCED
    assert desk.read("mailchimp", {**said, "data[reason]": "abuse"}).reports[0].kind is ReportKind.COMPLAINED
    reading = desk.read("mailchimp", {**said, "data[reason]": "soft"})
    assert (reading.reports, reading.ignored) == ([], 1)


def test_an_opt_out_of_an_audience_that_is_not_mapped_is_from_everything(desk: Any) -> None:
    said = {**hooks.saying("mailchimp", "unsubscribed"), "data[list_id]": "other", "data[reason]": "new reason"}
    (report,) = desk.read("mailchimp", said).reports
    assert (report.kind, report.topics) == (ReportKind.UNSUBSCRIBED, ())


def test_a_changed_address_is_told_as_a_move(desk: Any) -> None:
    said = {"type": "upemail", "data[old_email]": "ann@example.com", "data[new_email]": "ann@example.org"}
    reading = desk.read("mailchimp", said)
    assert (reading.reports, reading.moved) == ([], (("ann@example.com", "ann@example.org"),))
    reading = desk.read("mailchimp", {"type": "upemail", "data[old_email]": "ann@example.com"})
    assert (reading.moved, reading.ignored, reading.unclear) == ((), 1, 1)


@pytest.mark.parametrize("name", ["profile", "campaign", "new"])
def test_other_events_are_ignored(desk: Any, name: str) -> None:
    reading = desk.read("mailchimp", {"type": name, "data[email]": "ann@example.com"})
    assert (reading.reports, reading.ignored) == ([], 1)


def test_an_odd_byte_in_a_merge_field_spoils_nothing(desk: Any) -> None:
    form = b"type=unsubscribe&data[email]=ann@example.com&data[merges][LNAME]=M%FCller&fired_at=2027-01-15+07:00:00"
    (report,) = desk.read("mailchimp", form).reports
    assert report.occurred_at == 1_799_996_400_999


@pytest.mark.parametrize("form", [b"", b"type=", b"a=b", b"&".join(b"a=%d" % at for at in range(1001)) + b"&type=x"])
def test_a_form_without_type_or_with_too_many_fields_is_unreadable(desk: Any, form: bytes) -> None:
    with pytest.raises(UnreadableError):
        desk.read("mailchimp", form)


# --- signatures -----------------------------------------------------------------------------------------------------


def signed(body: bytes = b"type=unsubscribe&data[email]=ann@example.com", at: int = NOW, secret: str = SECRET) -> Sent:
    """A call of a webhook that was made by Mailchimp's API, without a key in its URL."""
    return Sent("/hooks/demo/mailchimp", {"X-Mailchimp-Signature": hooks.mailchimp_signature(body, at, secret)}, body)


@pytest.mark.parametrize("secrets", [{"signing_secret": SECRET}, BOTH, {"signing_secret": f"another {SECRET} third"}])
def test_a_signed_call_is_believed_without_a_key(desk: Any, secrets: dict[str, str]) -> None:
    assert desk.verify("mailchimp", signed(), secrets=secrets) == NOW


def test_one_of_several_signatures_is_enough(desk: Any) -> None:
    header = signed().headers["X-Mailchimp-Signature"]
    timestamp, right = header.split(",")
    headers = {"X-Mailchimp-Signature": f"{timestamp}, v1={'0' * 64}, {right.upper().replace('V1', 'v1')}"}
    assert desk.verify("mailchimp", signed()._replace(headers=headers), secrets={"signing_secret": SECRET}) == NOW


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1800000000",
        "t=1800000000,v1=",
        f"v1={'0' * 64}",
        f"t=1800000000,v1={'0' * 64}",
        f"t=1800000000,v1={'é' * 64}",
        f"t=soon,v1={'0' * 64}",
        "nonsense",
    ],
)
def test_a_wrong_signature_proves_nothing_and_takes_nothing_from_a_right_key(desk: Any, header: str) -> None:
    sent = Sent("/hooks/demo/mailchimp", {"X-Mailchimp-Signature": header}, b"type=unsubscribe")
    assert desk.refuses("mailchimp", sent, secrets={"signing_secret": SECRET})
    assert desk.refuses("mailchimp", sent, secrets=BOTH)
    assert desk.refuses("mailchimp", sent._replace(path="/hooks/demo/mailchimp?key=guess"), secrets=BOTH)
    desk.verify("mailchimp", sent._replace(path=f"/hooks/demo/mailchimp?key={KEY}"), secrets=BOTH)


def test_a_signature_is_of_one_body_one_instant_and_one_secret(desk: Any) -> None:
    only = {"signing_secret": SECRET}
    assert desk.refuses("mailchimp", signed()._replace(body=b"type=subscribe"), secrets=only)
    later = signed().headers["X-Mailchimp-Signature"].replace("t=1800000000", "t=1800000001")
    assert desk.refuses("mailchimp", signed()._replace(headers={"X-Mailchimp-Signature": later}), secrets=only)
    assert desk.refuses("mailchimp", signed(secret="another"), secrets=only)


def test_a_signed_call_is_as_old_as_its_signature(desk: Any) -> None:
    only = {"signing_secret": SECRET}
    assert desk.verify("mailchimp", signed(), NOW + 299_000, secrets=only) == NOW + 299_000
    assert desk.verify("mailchimp", signed(), NOW + 301_000, secrets=only) == NOW
    assert desk.refuses("mailchimp", signed(), NOW + DAY + 1000, secrets=only)


def test_webhooks_that_were_made_by_hand_go_on_beside_signed_ones(desk: Any) -> None:
    by_hand = hooks.send("mailchimp", hooks.saying("mailchimp", "unsubscribed"))
    desk.verify("mailchimp", by_hand, secrets=BOTH)
    assert desk.refuses("mailchimp", by_hand, secrets={"signing_secret": SECRET})


def test_without_a_signing_secret_the_key_decides(desk: Any) -> None:
    sent = signed()._replace(path=f"/hooks/demo/mailchimp?key={KEY}")
    desk.verify("mailchimp", sent)
    assert desk.refuses("mailchimp", signed())


def test_mailchimp_may_ask_whether_the_url_is_there(desk: Any) -> None:
    asked = Sent("/hooks/demo/mailchimp", {}, b"")
    desk.verify("mailchimp", asked, secrets={"signing_secret": SECRET}, method="GET")
    assert desk.refuses("mailchimp", asked, secrets=BOTH, method="GET")
    assert desk.refuses("mailchimp", asked, secrets={}, method="GET")
    assert desk.refuses("mailchimp", asked, secrets={"signing_secret": " "}, method="GET")
