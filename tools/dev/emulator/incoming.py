"""Emails that come in: puts a raw mail into the deployment's bucket as SES would. The emulator's SES receives none.

The fields that SES adds are those in AWS's example of an email that it received:
https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-examples.html
"""

from __future__ import annotations

import re
import uuid
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import format_datetime
from typing import TYPE_CHECKING

from dev.emulator.aws import REGION, client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PATH = "/_local/inbound"
RECIPIENT = "unsubscribe@reply.meadow.example"
"""The demonstration brand's, where an email names no recipient."""

_FOUND_OUT = {
    "return-path": "<",
    "x-ses-spam-verdict": "",
    "x-ses-virus-verdict": "",
    "authentication-results": "amazonses.com",
}
"""Fields of SES's that say what it found out, and how they begin."""

_ADDRESS = rb"([\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+)"
"""What may stand before the `@` without quotes: RFC 5322, 3.2.3."""
_SENDER = re.compile(rb"^from:(?:[^\r\n]|\r?\n[ \t])*?" + _ADDRESS, re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(rb"^to:(?:[^\r\n]|\r?\n[ \t])*?" + _ADDRESS, re.IGNORECASE | re.MULTILINE)
_SIGNED_BY = re.compile(rb"^dkim-signature:(?:[^\r\n]|\r?\n[ \t])*?\bd=([\w.-]+)", re.IGNORECASE | re.MULTILINE)


def deliver(raw: bytes, bucket: str, endpoint: str, at: datetime) -> str:
    """Put an email into the bucket; answers the id that SES would have given it.

    What an email says that SES found out about it (`_FOUND_OUT`) is what SES found out: so every finding can be tried.
    """
    message_id = uuid.uuid4().hex
    overrides = {
        name: value for name, value in _unfolded(raw) if name in _FOUND_OUT and value.startswith(_FOUND_OUT[name])
    }
    body = as_ses_stores_it(raw, message_id, at, overrides=overrides)
    client("s3", endpoint).put_object(Bucket=bucket, Key=message_id, Body=body)
    return message_id


def as_ses_stores_it(
    raw: bytes,
    message_id: str,
    at: datetime,
    *,
    return_path: str | None = None,
    spam: str = "PASS",
    virus: str = "PASS",
    results: str = "spf=pass; dkim=pass; dmarc=pass",
    overrides: Mapping[str, str] | None = None,
) -> bytes:
    """An email with the fields that SES puts above its own.

    Args:
        raw: RFC 5322.
        message_id: what SES calls it.
        at: when it came.
        return_path: the envelope's sender; None for the email's own, empty for none, as bounces have it.
        spam: `X-SES-Spam-Verdict`.
        virus: `X-SES-Virus-Verdict`.
        results: what `Authentication-Results` says, each followed by the domain that it is about: for DKIM those of the
            mail's own signatures, one after the other.
        overrides: fields of SES's that say something else, by name in lower case.
    """
    head = raw.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0]
    sender = _found(_SENDER, head, "somebody@example.com") if return_path is None else return_path
    domain = sender.rpartition("@")[2] or "mail.example.com"
    signed_by = iter([each.decode() for each in _SIGNED_BY.findall(head)])
    about = {
        "spf": lambda: f"smtp.mailfrom={domain}",
        "dkim": lambda: f"header.i=@{next(signed_by, domain)}",
        "dmarc": lambda: f"header.from={domain}",
    }
    found = ";\r\n ".join(f"{each} {about[each.partition('=')[0]]()}" for each in results.split("; "))
    host = f"mail.{domain}"
    fields = {
        "Return-Path": f"<{sender}>",
        "Received": f"from {host} ({host} [192.0.2.25])\r\n"
        f" by inbound-smtp.{REGION}.amazonaws.com with SMTP id {message_id}\r\n"
        f" for {_found(_RECIPIENT, head, RECIPIENT)};\r\n {format_datetime(at)} (UTC)",
        "X-SES-Spam-Verdict": spam,
        "X-SES-Virus-Verdict": virus,
        "Received-SPF": f"pass client-ip=192.0.2.25; envelope-from={sender}; helo={host};",
        "Authentication-Results": f"amazonses.com;\r\n {found};",
        "X-SES-RECEIPT": "AEFBQUFBQUFBQUFF",
        "X-SES-DKIM-SIGNATURE": "a=rsa-sha256; q=dns/txt; b=ZXhhbXBsZQ==; c=relaxed/simple; s=example; d=amazonses.com",
    }
    overrides = overrides or {}
    written = "".join(f"{name}: {overrides.get(name.lower(), value)}\r\n" for name, value in fields.items())
    return written.encode("ascii", "replace") + raw


def _unfolded(raw: bytes) -> list[tuple[str, str]]:
    """An email's fields, names in lower case, the topmost last."""
    header = BytesHeaderParser(policy=compat32).parsebytes(raw)
    return [(name.lower(), " ".join(str(value).split())) for name, value in reversed(header.items())]


def _found(pattern: re.Pattern[bytes], head: bytes, otherwise: str) -> str:
    match = pattern.search(head)
    return match[1].decode("ascii", "replace") if match else otherwise
