"""HTTP for recipients: API Gateway's payload in, a page or a line of text out, errors mapped once.

A function's `handler.py` has one function a method; `router` turns them into a Lambda handler. What
goes wrong is an exception, and `_PROBLEMS` below says which page and status each becomes.

Payload format: version 2.0 of the HTTP API integration
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote_plus

from consentry import telemetry
from consentry.links import tokens
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import ExpiredError, NotOursError
from consentry.rules.ledger import Evidence
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Respond = Callable[["Request"], "Response"]

PROXY: Final = "x-consentry-proxy"
"""The header by which a CDN before the API proves itself."""
MAX_BODY: Final = 64 * 1024
_MAX_EVIDENCE: Final = 512
_BOUNDARY: Final = re.compile(r'[;\s]boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(rb"^content-disposition:.*", re.IGNORECASE | re.MULTILINE)
_FIELD_NAME: Final = re.compile(rb'[; \t]name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)

ALWAYS: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
"""Headers of every answer, whatever its kind."""

ANY: Final = "ANY"
"""In a table of routes: whatever the method."""
LEFT: Final = "You are unsubscribed."
"""The line that answers an opt-out where no page can be shown, or nobody would see one."""
NO_CONTENT_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Site(NamedTuple):
    """What is to be known of a deployment to read a request."""

    public_url: str = ""
    """Scheme and host of links, no trailing slash; empty: whatever host the visitor used."""
    trusted_proxy: str = ""
    """Of what a CDN before the API proves itself by, the beginning of the SHA-256, hex; empty: none is believed."""


class Request(NamedTuple):
    """One HTTP request, as far as anything here cares."""

    method: str
    """`HEAD` comes as `GET`; `router` takes the body off again."""
    route: str
    """API Gateway's route key, such as `ANY /u/{token+}`: never a path, which holds a token."""
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case; values of a repeated one joined by commas."""
    body: bytes
    base_url: str
    """Scheme and host that the visitor used, no trailing slash."""
    ip: str
    now: int
    """Epoch ms at which the request was taken up."""

    @property
    def evidence(self) -> Evidence:
        """What identifies the visitor's device."""
        agent = self.headers.get("user-agent", "")[:_MAX_EVIDENCE]
        return Evidence(self.ip[:_MAX_EVIDENCE], agent.encode("utf-8", "replace").decode())

    def form(self) -> dict[str, list[str]]:
        """The fields of a form, urlencoded or multipart; empty when the body is neither, or larger than `MAX_BODY`.

        What a body claims to be counts for little: mail providers send one-click posts under odd content types,
        or none. Anything that isn't plainly multipart is tried as urlencoded.
        """
        if len(self.body) > MAX_BODY:
            return {}
        content_type = self.headers.get("content-type", "")
        if content_type.lower().startswith("multipart/"):
            return _multipart(content_type, self.body)
        return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)


class Response(NamedTuple):
    """One HTTP answer."""

    status: int
    body: str
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = {}


class ProblemError(Exception):
    """Something that the visitor has to be told: the page `problem.html` with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


_PROBLEMS: Final[dict[type[Exception], tuple[int, str]]] = {
    NotOursError: (404, "not_ours"),
    ExpiredError: (410, "expired"),
    StoreUnavailableError: (503, "unavailable"),
    SecretUnavailableError: (503, "no_keys"),
}


def router(
    routes: Mapping[str, Mapping[str, Respond]],
    problem: Callable[[Request, int, str], Response],
    site: Site,
    *,
    largest: int | None = MAX_BODY,
) -> Callable[[dict[str, Any], object], dict[str, Any]]:
    """A Lambda handler.

    Args:
        routes: by path as in the template (`/u/{token+}`; `$default` for every other), by method (`GET`, `POST`, or
            `ANY` for every other), what answers.
        problem: makes the page of an error: request, status, code.
        site: where it answers.
        largest: bytes of a body that are taken; None: whatever the gateway passes on.
    """

    def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
        method = event["requestContext"]["http"]["method"]
        begin(event)
        methods = routes.get(event["routeKey"].rpartition(" ")[2], {})
        request = None
        try:
            request = read(event, site)
            respond = methods.get("GET" if method == "HEAD" else method) or methods.get(ANY)
            if respond is None:
                response = _page(problem, request, 405, "method")
                response = response._replace(headers={**response.headers, "allow": _allowed(methods)})
            elif largest is not None and len(request.body) > largest:
                response = _page(problem, request, 413, "too_large")
            else:
                response = respond(request)
        except ProblemError as exc:
            response = _page(problem, request, exc.status, exc.code)
        except tuple(_PROBLEMS) as exc:
            status, code = _PROBLEMS[type(exc)]
            if status >= 500:  # noqa: PLR2004 - a server's fault, which its operator should know of
                telemetry.report(exc, event["routeKey"])
            response = _page(problem, request, status, code)
        except Exception as exc:  # noqa: BLE001 - the last resort: a page rather than a stack trace
            telemetry.report(exc, event["routeKey"])
            response = _page(problem, request, 500, "failed")
        return write(response, head=method == "HEAD")

    return handler


def begin(event: dict[str, Any]) -> None:
    """From now on everything is done for this request: by API Gateway's own name of it, whatever the client says."""
    telemetry.begin(str(event["requestContext"].get("requestId", "")))


def refused(front: str, reason: str | int) -> None:
    """Count a call that is answered with an error.

    Args:
        front: `page`, `api` or `webhook`.
        reason: the code of the problem, or the status.
    """
    telemetry.emit("refused", {"Refused": 1}, front=front, reason=str(reason))


def read(event: dict[str, Any], site: Site) -> Request:
    """The request in an HTTP API event, payload version 2.0."""
    context = event["requestContext"]
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    method = context["http"]["method"]
    return Request(
        method="GET" if method == "HEAD" else method,
        route=event["routeKey"],
        parameters={
            name: _token(value) if name == "token" else unquote_plus(value)
            for name, value in (event.get("pathParameters") or {}).items()
        },
        query=event.get("queryStringParameters") or {},
        headers=headers,
        body=_body(event),
        base_url=site.public_url or f"https://{context['domainName']}",
        ip=_visitor(context["http"].get("sourceIp", ""), headers, site.trusted_proxy),
        now=time.time_ns() // 1_000_000,
    )


def _token(text: str) -> str:
    """The token in a link's end; what repairs a damaged link is loaded by the first one."""
    if tokens.is_whole(text):
        return text
    from consentry.links import repair  # noqa: PLC0415 - one click doesn't need it

    return repair.find(text)


def _visitor(caller: str, headers: Mapping[str, str], trusted: str) -> str:
    """The visitor's address: the caller's, or, if that is the CDN that may stand before the API, whom it names.

    It proves itself by a value that only its own settings and the deployment know; of several, with commas between, one
    is enough, so that it can be changed. How CloudFront names visitors:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html
    """
    if not trusted:
        return caller
    for shown in headers.get(PROXY, "").split(","):
        digest = hashlib.sha256(shown.strip().encode("utf-8", "replace")).hexdigest()
        if hmac.compare_digest(digest[: len(trusted)], trusted):
            return headers.get("cloudfront-viewer-address", "").rpartition(":")[0].strip("[]") or caller
    return caller


def write(response: Response, *, head: bool = False) -> dict[str, Any]:
    """The answer as API Gateway wants it."""
    return {
        "statusCode": response.status,
        "headers": {
            "content-security-policy": NO_CONTENT_POLICY,
            **ALWAYS,
            "content-type": response.content_type,
            **response.headers,
        },
        "body": "" if head else response.body,
        "isBase64Encoded": False,
    }


def text(status: int, line: str, headers: Mapping[str, str] | None = None) -> Response:
    """A line of plain text, for machines."""
    return Response(status, f"{line}\n", "text/plain; charset=utf-8", headers or {})


def see_other(url: str) -> Response:
    """Send a browser elsewhere with a GET, whatever it posted (RFC 9110, 15.4.4).

    Only for addresses of the brand's file: one that a request named would make the brand's links lead anywhere.
    """
    return Response(303, "", "text/plain; charset=utf-8", {"location": url})


def _page(
    problem: Callable[[Request, int, str], Response], request: Request | None, status: int, code: str
) -> Response:
    refused("page", code)
    if request is not None:
        try:
            response = problem(request, status, code)
        except Exception as exc:  # noqa: BLE001 - the page of an error must not become another error
            telemetry.report(exc, request.route)
        else:
            if status == 503:  # noqa: PLR2004 - Service Unavailable, RFC 9110 15.6.4
                response = response._replace(headers={**response.headers, "retry-after": "5"})
            return response
    return text(status, code)


def _allowed(methods: Mapping[str, Respond]) -> str:
    return ", ".join([*methods, "HEAD"] if "GET" in methods else methods)


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    try:
        return base64.b64decode(body) if event.get("isBase64Encoded") else bytes(body, "utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return b""


def _multipart(content_type: str, body: bytes) -> dict[str, list[str]]:
    """The text fields of multipart/form-data (RFC 7578); files are passed over.

    Not the standard library's MIME parser: over parts that no form would send it takes seconds, or recurses until it
    raises, and the opt-out with it.
    """
    boundary = _BOUNDARY.search(content_type)
    if not boundary:
        return {}
    fields: dict[str, list[str]] = {}
    delimiter = b"\n--" + (boundary[1] or boundary[2]).encode("utf-8", "replace")
    for part in (b"\n" + body.replace(b"\r\n", b"\n")).split(delimiter)[1:]:
        if part.startswith(b"--"):
            break
        head, _, content = part.partition(b"\n\n")
        disposition = _DISPOSITION.search(head)
        name = _FIELD_NAME.search(disposition[0]) if disposition else None
        if disposition and name and b"filename" not in disposition[0].lower():
            field = (name[1] or name[2] or b"").decode("utf-8", "replace")
            fields.setdefault(field, []).append(content.decode("utf-8", "replace"))
    return fields
