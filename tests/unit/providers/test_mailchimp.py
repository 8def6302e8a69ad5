"""Mailchimp's audience webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.intake import ReportKind
from consentry.providers import UnreadableError
from support import hooks
from support.hooks import Sent


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
    assert (reading.moved, reading.ignored) == ((), 1)


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
