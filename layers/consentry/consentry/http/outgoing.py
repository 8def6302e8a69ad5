"""Calls to other people's servers: where they may lead, how long they may take, how much is read.

An endpoint's name is resolved here, once; every address that it has must be public, and the connection goes to the
very address that was checked. So neither a name that points inward nor one that changes its mind between check and
call (DNS rebinding) reaches anything of ours.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import urllib3

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_S: Final = 3.0
TOTAL_S: Final = 10.0
SHORT_S: Final = 3.0
MAX_ANSWER: Final = 64 * 1024
_CHUNK: Final = 8 * 1024
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that IANA gives to the public internet (RFC 4291, 2.4, and its registry): what stands elsewhere, such as
IPv4-compatible (`::7f00:1`), site-local (`fec0::`) and local NAT64 (`64:ff9b:1::`, RFC 8215) addresses, isn't."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address, in its last 32 bits, as a network without IPv4 sees it (RFC 6052, 2.1)."""
_6TO4: Final = ipaddress.IPv6Network("2002::/16")
"""Routers that nobody runs any more (RFC 7526), to an IPv4 address within."""


class UnreachableError(Exception):
    """No answer: the text says at what it failed, and names no host."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, private_network: bool = False) -> int:
    """POST, and answer the status. Redirects aren't followed; of the answer at most 64 KiB are read, for 10 s.

    Args:
        url: `https:`, or also `http:` where `private_network`.
        body: as it goes out.
        headers: the same.
        private_network: whether private and loopback addresses may be called.

    Raises:
        UnreachableError: it may not be called, or doesn't answer.
    """
    return _send("POST", url, body, headers, TOTAL_S, private_network=private_network)[0]


def get(url: str) -> tuple[int, bytes]:
    """GET from a public `https:` URL, and answer status and body. Redirects aren't followed; it ends after 3 s.

    Raises:
        UnreachableError: it may not be called, doesn't answer, or answers more than 64 KiB or too slowly.
    """
    until = time.monotonic() + SHORT_S
    status, body = _send("GET", url, b"", {}, SHORT_S)
    if len(body) > MAX_ANSWER or time.monotonic() > until:
        raise UnreachableError("the answer is too large, or too slow")
    return status, body


def _send(
    method: str, url: str, body: bytes, headers: Mapping[str, str], seconds: float, *, private_network: bool = False
) -> tuple[int, bytes]:
    """Status, and the answer's body up to a little over 64 KiB."""
    until = time.monotonic() + seconds
    parts = urlsplit(url)
    if parts.scheme != "https" and not (private_network and parts.scheme == "http"):
        raise UnreachableError("the endpoint is not https")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _resolve(host, port, private_network=private_network)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    pool = _pool(parts.scheme, host, address, port)
    try:
        answer = pool.urlopen(
            method,
            target,
            body=body or None,
            headers={**headers, "host": parts.netloc},
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=max(0.1, until - time.monotonic())),
        )
        return int(answer.status), _drain(answer, until)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
        raise UnreachableError(f"the call failed: {type(exc).__name__}") from None
    finally:
        pool.close()


def _pool(scheme: str, host: str, address: str, port: int) -> urllib3.HTTPConnectionPool:
    """Connects to the address that was checked; the certificate has to be the name's."""
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        maxsize=1,
        server_hostname=host,
        assert_hostname=host,
        ssl_context=ssl.create_default_context(),
    )


def _resolve(host: str, port: int, *, private_network: bool) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise UnreachableError("the endpoint's name can't be resolved") from exc
    addresses = [str(each[4][0]) for each in found]
    if not private_network and not all(_is_public(each) for each in addresses):
        raise UnreachableError("the endpoint's address is not public")
    if not addresses:
        raise UnreachableError("the endpoint's name has no address")
    return addresses[0]


def _is_public(address: str) -> bool:
    """Whether an address is one of the public internet's. An IPv4 address within one of IPv6 is what counts."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        elif parsed in _NAT64:
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        elif parsed not in _GLOBAL_UNICAST or parsed in _6TO4:
            return False
    return parsed.is_global and not parsed.is_multicast


def _drain(answer: Any, until: float) -> bytes:
    read = b""
    while len(read) <= MAX_ANSWER and time.monotonic() < until:
        chunk = answer.read1(_CHUNK) if hasattr(answer, "read1") else answer.read(_CHUNK)
        if not chunk:
            break
        read += chunk
    answer.close()
    return read
