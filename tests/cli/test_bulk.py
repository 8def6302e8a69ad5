"""`consentry bulk`, up to where the deployment takes over; tests/e2e/test_bulk.py has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.bulk.rows import UnusableInputError
from consentry_cli.bulk import _status
from consentry_cli.rows import Rows

if TYPE_CHECKING:
    from pathlib import Path


MAILCHIMPS = "Email Address\nann@example.com\n"


def rows_of(preset: str) -> Rows:
    return Rows(preset, None, (), {}, (), {}, "", None)


@pytest.mark.parametrize(
    ("preset", "name", "text", "status"),
    [
        ("mailchimp", "unsubscribed_ann@example.com.csv", MAILCHIMPS, "unsubscribed"),
        ("mailchimp", "cleaned_members.csv", MAILCHIMPS, "bounced"),
        ("mailchimp", "subscribed_members.csv", MAILCHIMPS, "subscribed"),
        ("sendgrid", "suppression_spam_reports.csv", "email\nann@example.com\n", "complained"),
        ("listmonk", "subscribers.csv", "email,status\nann@example.com,enabled\n", ""),
    ],
)
def test_what_a_files_name_says_goes_along_and_the_name_does_not(
    tmp_path: Path, preset: str, name: str, text: str, status: str
) -> None:
    (tmp_path / name).write_text(text)
    assert _status(rows_of(preset), tmp_path / name) == status


def test_a_file_that_holds_nothing_to_import_is_refused_before_it_leaves(tmp_path: Path) -> None:
    (tmp_path / "nonsubscribed_members.csv").write_text(MAILCHIMPS)
    with pytest.raises(UnusableInputError, match="nothing to import"):
        _status(rows_of("mailchimp"), tmp_path / "nonsubscribed_members.csv")
