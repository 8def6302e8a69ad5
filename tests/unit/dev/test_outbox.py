"""What the local outbox tells of an email."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from dev.emulator.outbox import as_mail

AT = datetime(2026, 11, 23, 14, 5, 6, 789000, tzinfo=UTC)
RAW = (
    b"From: Meadow & Finch <hello@meadow.example>\r\n"
    b"To: ada@example.com\r\n"
    b"Subject: =?utf-8?q?Best=C3=A4tigen?=\r\n"
    b"List-Unsubscribe: <https://example.com/u/x>,\r\n <mailto:unsubscribe@example.com>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nTwo\r\nlines\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Two</p>\r\n--b--\r\n"
)


def request(content: dict[str, Any], **destination: list[str]) -> dict[str, Any]:
    return {
        "FromEmailAddress": "hello@meadow.example",
        "Destination": destination or {"ToAddresses": ["ada@example.com"]},
        "Content": content,
    }


def raw(message: bytes) -> dict[str, Any]:
    return {"Raw": {"Data": base64.b64encode(message).decode()}}


def test_a_raw_mail_is_told_with_all_its_parts() -> None:
    mail = as_mail(request(raw(RAW)), AT)
    assert mail["to"] == "ada@example.com"
    assert mail["from"] == "Meadow & Finch <hello@meadow.example>"
    assert mail["subject"] == "Bestätigen"
    assert mail["text"].splitlines() == ["Two", "lines"]
    assert "\r" not in mail["text"]
    assert mail["html"].strip() == "<p>Two</p>"
    assert mail["headers"]["List-Unsubscribe"] == "<https://example.com/u/x>, <mailto:unsubscribe@example.com>"
    assert mail["raw"] == RAW.decode()
    assert mail["sent_at"] == "2026-11-23T14:05:06.789Z"


def test_who_gets_it_counts_not_what_the_header_says() -> None:
    mail = as_mail(request(raw(RAW), ToAddresses=["bo@example.com"], BccAddresses=["cy@example.com"]), AT)
    assert mail["to"] == "bo@example.com, cy@example.com"


def test_a_mail_of_one_part_has_no_html() -> None:
    mail = as_mail(request(raw(b"From: a@example.com\r\nSubject: s\r\n\r\nhello")), AT)
    assert (mail["text"], mail["html"]) == ("hello", "")
