"""What is outside of AWS's API: the DNS, and the stack's own address."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from dns import resolver
from dns.exception import DNSException

_SECONDS: Final = 10
_LARGEST: Final = 4096


class Visit(NamedTuple):
    """What a URL answered."""

    status: int
    body: str
    date: datetime | None
    """What the other side's clock said, to the second."""
    certificate_until: datetime | None
    """None over plain HTTP."""
    fault: str = ""
    """What is wrong with the certificate; nothing else is known then."""


def visit(url: str) -> Visit:
    """GET a URL, once.

    Raises:
        OSError: nobody answers, or what answers isn't HTTP.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connection = (HTTPSConnection if secure else HTTPConnection)(parts.netloc, timeout=_SECONDS)
    try:
        connection.connect()
        until = None
        if isinstance(connection.sock, ssl.SSLSocket):
            certificate = connection.sock.getpeercert() or {}
            until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
        connection.request("GET", parts.path or "/", headers={"User-Agent": "consentry-doctor"})
        answer = connection.getresponse()
        return Visit(
            answer.status, answer.read(_LARGEST).decode("utf-8", "replace"), _instant(answer.headers.get("Date")), until
        )
    except ssl.SSLCertVerificationError as exc:
        return Visit(0, "", None, None, exc.verify_message)
    except HTTPException as exc:
        raise OSError("what answers there isn't HTTP") from exc
    except socket.gaierror as exc:
        raise OSError("the name isn't in the DNS") from exc
    finally:
        connection.close()


def resolve(name: str, kind: str) -> list[str]:
    """What the DNS has of a name and record type: TXT as text, MX as host names.

    Raises:
        OSError: the DNS doesn't answer.
    """
    try:
        found = resolver.resolve(name, kind, lifetime=_SECONDS)
    except (resolver.NXDOMAIN, resolver.NoAnswer):
        return []
    except DNSException as exc:
        raise OSError("the DNS doesn't answer") from exc
    if kind == "MX":
        return [str(each.exchange).rstrip(".").lower() for each in found]
    return [b"".join(each.strings).decode("utf-8", "replace") for each in found]


def _instant(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
