"""Passing an HTTP request on, unchanged but for what belongs to the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    }
)
"""Headers that are about one connection, not about the message (RFC 9110, 7.6.1)."""

LARGEST_BODY = 10 * 1024 * 1024
"""What API Gateway takes."""

NEVER_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What the HTTP client would add by itself."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def response(self) -> web.Response:
        """As our own answer."""
        return web.Response(status=self.status, headers=self.headers, body=self.body)


def session() -> aiohttp.ClientSession:
    """A client that follows nothing, decodes nothing and adds nothing."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=60),
        connector=aiohttp.TCPConnector(limit=0),
        trust_env=False,
    )


async def relay(
    http: aiohttp.ClientSession,
    request: web.Request,
    url: str,
    *,
    headers: Iterable[tuple[str, str]],
    body: bytes,
) -> Answer:
    """Send the request's method, ``headers`` and ``body`` to ``url``, which is taken as it is."""
    async with http.request(
        request.method,
        URL(url, encoded=True),
        headers=CIMultiDict(_end_to_end(headers)),
        data=body or None,
        skip_auto_headers=NEVER_ADDED,
        allow_redirects=False,
    ) as upstream:
        return answer_of(upstream, await upstream.read())


def answer_of(upstream: aiohttp.ClientResponse, body: bytes) -> Answer:
    """What an upstream answered."""
    headers = CIMultiDict(_end_to_end(upstream.headers.items()))
    return Answer(status=upstream.status, headers=headers, body=body)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are about the message; its length is counted anew."""
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | {"content-length"}]
