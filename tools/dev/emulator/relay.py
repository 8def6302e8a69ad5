"""Passing an HTTP request on, unchanged but for what belongs to the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from dev.emulator import hosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOP_BY_HOP = frozenset(
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"]
)
"""Headers that are about one connection, not about the message (RFC 9110, 7.6.1)."""

LARGEST_BODY = 10 * 1024 * 1024
"""What API Gateway takes."""


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


HTTP: web.AppKey[aiohttp.ClientSession] = web.AppKey("http", aiohttp.ClientSession)


async def keep_session(application: web.Application) -> AsyncIterator[None]:
    """Keep one client session, `HTTP`, as long as an application runs: for its `cleanup_ctx`."""
    async with session() as http:
        application[HTTP] = http
        yield


def guard(port: int, is_public: Callable[[str], bool] = lambda _: False) -> Callable[..., Awaitable[Any]]:
    """A middleware that answers this machine alone, on `port`; other sites may post to public paths (`hosts`)."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        named = request.headers.getall("Host", [])
        host = named[0] if len(named) == 1 else ""
        status = hosts.refusal(
            request.method, host, request.headers.get("Origin"), port=port, public=is_public(request.path)
        )
        if status is not None:
            return web.Response(status=status, text=f"{status.phrase}\n")
        return await handler(request)

    return answer


async def send(
    application: web.Application, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Answer:
    """Send a request with just these headers to `url`, which is taken as it is."""
    async with application[HTTP].request(
        method,
        URL(url, encoded=True),
        headers=CIMultiDict(_end_to_end(headers)),
        data=body or None,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        allow_redirects=False,
    ) as upstream:
        content = await upstream.read()
        return Answer(status=upstream.status, headers=CIMultiDict(_end_to_end(upstream.headers.items())), body=content)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are about the message; its length is counted anew."""
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | {"content-length"}]
