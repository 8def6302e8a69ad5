"""Emails that are posted to the local stack look as if SES had received them."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from dev.emulator import aws, incoming
from support.quick_moto import mock_aws

AT = datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)
MAIL = b"From: Ada <ada@example.com>\r\nTo: unsubscribe@reply.meadow.example\r\nSubject: x\r\n\r\nText\r\n"
AWS = "https://s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize("raw", [MAIL, MAIL.replace(b"\r\n", b"\n")], ids=["CRLF", "LF"])
def test_what_ses_adds_stands_above_what_was_posted(raw: bytes) -> None:
    stored = incoming.as_ses_stores_it(raw, "an-id", AT, virus="FAIL")
    assert stored.endswith(raw)
    mail = message_from_bytes(stored, policy=default)
    assert mail.keys()[:2] == ["Return-Path", "Received"]
    assert mail["Return-Path"] == "<ada@example.com>"
    assert "for unsubscribe@reply.meadow.example; Mon, 23 Nov 2026 14:05:06 +0000" in mail["Received"]
    assert (mail["X-SES-Spam-Verdict"], mail["X-SES-Virus-Verdict"]) == ("PASS", "FAIL")
    assert mail["Authentication-Results"].startswith("amazonses.com; spf=pass smtp.mailfrom=example.com;")
    assert (mail["Subject"], mail.get_content().strip()) == ("x", "Text")


@pytest.mark.parametrize("local", ["unsubscribe-" + "a2" * 24, "UNSUBSCRIBE-" + "A2" * 24, "complaints", "a=b/c+d"])
@pytest.mark.parametrize("written", ["{}", "<{}>", '"Leave" <{}>', "Leave\r\n\t<{}>"])
def test_whoever_it_is_for_at_the_domain_it_is_for_them(local: str, written: str) -> None:
    to = f"{local}@reply.meadow.example"
    raw = f"From: Ada <ada@example.com>\r\nTo: {written.format(to)}\r\nSubject: x\r\n\r\nText\r\n".encode()
    mail = message_from_bytes(incoming.as_ses_stores_it(raw, "an-id", AT), policy=default)
    assert f"for {to}; Mon" in mail["Received"]


def test_a_mail_of_nobody_to_nobody_comes_from_somebody() -> None:
    mail = message_from_bytes(incoming.as_ses_stores_it(b"\n\nFrom: not@a.header\n", "an-id", AT), policy=default)
    assert mail["Return-Path"] == "<somebody@example.com>"
    assert incoming.RECIPIENT in mail["Received"]


@pytest.mark.parametrize("results", ["dkim=fail header.i=@example.com;\n dmarc=fail", "spf=none"])
@mock_aws
def test_what_a_posted_mail_says_that_ses_found_out_is_what_ses_found_out(results: str) -> None:
    s3 = aws.client("s3", AWS)
    s3.create_bucket(Bucket="inbound")
    said = f"Return-Path: <>\nX-SES-Spam-Verdict: FAIL\nAuthentication-Results: amazonses.com; {results};\n"
    other = "Authentication-Results: mx.example.org; dkim=pass\n"
    for above, below in ((said, other), (other, said)):
        raw = f"{above}{below}".encode() + MAIL.replace(b"\r\n", b"\n")
        stored = s3.get_object(Bucket="inbound", Key=incoming.deliver(raw, "inbound", AWS, AT))["Body"].read()
        assert stored.endswith(raw)
        mail = message_from_bytes(stored, policy=default)
        assert (mail["Return-Path"], mail["X-SES-Spam-Verdict"], mail["X-SES-Virus-Verdict"]) == ("<>", "FAIL", "PASS")
        assert mail["Authentication-Results"] == f"amazonses.com; {' '.join(results.split())};"
        assert mail.keys()[7:9] == [
            "X-SES-DKIM-SIGNATURE",
            "Return-Path" if above == said else "Authentication-Results",
        ]


def test_each_signature_is_found_to_be_good() -> None:
    raw = b"DKIM-Signature: v=1;\r\n\ts=a; d=mail.example.org; bh=x\r\nDKIM-Signature: d=relay.example\r\n" + MAIL
    results = "spf=pass; dkim=pass; dkim=fail; dmarc=pass"
    mail = message_from_bytes(incoming.as_ses_stores_it(raw, "an-id", AT, results=results), policy=default)
    assert mail["Authentication-Results"] == (
        "amazonses.com; spf=pass smtp.mailfrom=example.com; dkim=pass header.i=@mail.example.org; "
        "dkim=fail header.i=@relay.example; dmarc=pass header.from=example.com;"
    )


@mock_aws
def test_a_posted_mail_lies_in_the_bucket() -> None:
    s3 = aws.client("s3", AWS)
    s3.create_bucket(Bucket="inbound")
    key = incoming.deliver(MAIL, "inbound", AWS, AT)
    assert s3.get_object(Bucket="inbound", Key=key)["Body"].read().endswith(MAIL)
