"""`consentry bulk`, up to where the deployment takes over; tests/e2e/test_bulk.py has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.bulk import presets
from consentry.actions.bulk.rows import UnusableInputError
from consentry_cli.bulk import _status_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("preset", "name", "status"),
    [
        ("mailchimp", "unsubscribed_ann@example.com.csv", "unsubscribed"),
        ("mailchimp", "cleaned_members.csv", "bounced"),
        ("mailchimp", "subscribed_members.csv", "subscribed"),
        ("sendgrid", "suppression_spam_reports.csv", "complained"),
        ("listmonk", "subscribers.csv", ""),
    ],
)
def test_what_a_files_name_says_goes_along_and_the_name_does_not(
    tmp_path: Path, preset: str, name: str, status: str
) -> None:
    (tmp_path / name).write_text("Email Address\nann@example.com\n")
    assert _status_of(presets.PRESETS[preset], tmp_path / name, "csv") == status


def test_a_file_that_holds_nothing_to_import_is_refused_before_it_leaves(tmp_path: Path) -> None:
    (tmp_path / "nonsubscribed_members.csv").write_text("Email Address\nann@example.com\n")
    with pytest.raises(UnusableInputError, match="nothing to import"):
        _status_of(presets.PRESETS["mailchimp"], tmp_path / "nonsubscribed_members.csv", "csv")
