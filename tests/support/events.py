"""API Gateway HTTP API events, payload version 2.0, as the gateway sends them."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

ROUTES = (
    ("subscribe", "ANY /s/{brand}", r"/s/(?P<brand>[^/]+)"),
    ("unsubscribe", "POST /u/page/{token}", r"/u/page/(?P<token>[^/]+)"),
    ("unsubscribe", "POST /u/undo/{token}", r"/u/undo/(?P<token>[^/]+)"),
    ("unsubscribe", "POST /u/reason/{token}", r"/u/reason/(?P<token>[^/]+)"),
    ("unsubscribe", "POST /u/page/{token+}", r"/u/page/(?P<token>.+)"),
    ("unsubscribe", "ANY /u/page/{token+}", r"/u/page/(?P<token>.+)"),
    ("unsubscribe", "POST /u/undo/{token+}", r"/u/undo/(?P<token>.+)"),
    ("unsubscribe", "ANY /u/undo/{token+}", r"/u/undo/(?P<token>.+)"),
    ("unsubscribe", "POST /u/reason/{token+}", r"/u/reason/(?P<token>.+)"),
    ("unsubscribe", "ANY /u/reason/{token+}", r"/u/reason/(?P<token>.+)"),
    ("oneclick", "POST /u/{token+}", r"/u/(?P<token>.+)"),
    ("unsubscribe", "ANY /u/{token+}", r"/u/(?P<token>.+)"),
    ("confirm", "ANY /c/{token+}", r"/c/(?P<token>.+)"),
    ("preferences", "ANY /p/{token+}", r"/p/(?P<token>.+)"),
    ("preferences", "ANY /k/{token+}", r"/k/(?P<token>.+)"),
    ("unsubscribe", "ANY /healthz", r"/healthz"),
    ("api", "ANY /v1/{proxy+}", r"/v1/(?P<proxy>.+)"),
    ("webhook", "ANY /hooks/{brand}/{provider}", r"/hooks/(?P<brand>[^/]+)/(?P<provider>[^/]+)"),
    ("subscribe", "$default", r".*"),
)
"""Function, route key and path, as in the template; the first that fits is the one that the gateway takes."""


def function(url: str, method: str = "GET") -> str:
    """The function that answers at a path."""
    path = url.partition("?")[0]
    return next(function for function, route, pattern in ROUTES if _fits(method, path, route, pattern))


def _fits(method: str, path: str, route: str, pattern: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, path, re.DOTALL) if route.split(maxsplit=1)[0] in {"ANY", "$default", method} else None


def http(
    method: str,
    url: str,
    *,
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
    form: list[tuple[str, str]] | dict[str, str] | None = None,
    ip: str = "203.0.113.7",
    as_base64: bool | None = None,
) -> dict[str, Any]:
    """The event of one request. A form is urlencoded, and arrives in base64 as on AWS."""
    path, _, query = url.partition("?")
    sent = {"user-agent": "Mozilla/5.0 (test)", **{name.lower(): value for name, value in (headers or {}).items()}}
    if form is not None:
        body = urlencode(form)
        sent.setdefault("content-type", "application/x-www-form-urlencoded")
        as_base64 = True if as_base64 is None else as_base64
    raw = body.encode() if isinstance(body, str) else body
    route, parameters = _route(method, path)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "links.example.com",
            "domainPrefix": "links",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": ip,
                "userAgent": sent["user-agent"],
            },
            "requestId": "request-1",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Jan/2027:00:00:00 +0000",
            "timeEpoch": 1798761600000,
        },
        "isBase64Encoded": bool(as_base64),
    }
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    if parameters:
        event["pathParameters"] = {name: quote_plus(value) for name, value in parameters.items()}
    if raw is not None:
        event["body"] = base64.b64encode(raw).decode() if as_base64 else raw.decode("utf-8", "surrogateescape")
    return event


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    found = ((route, _fits(method, path, route, pattern)) for _, route, pattern in ROUTES)
    return next((route, fits.groupdict()) for route, fits in found if fits)
