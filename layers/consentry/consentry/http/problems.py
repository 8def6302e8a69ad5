"""Problem details for HTTP APIs (RFC 9457): what went wrong, distinguished by `type`, each of which has a page.

https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.http.web import NO_CONTENT_POLICY, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATH: Final = "/v1/problems/"
"""Where the pages are."""


class Kind(NamedTuple):
    """One kind of problem."""

    name: str
    """The end of its `type`."""
    status: int
    title: str
    remedy: str
    """What whoever gets it can do."""


INVALID: Final = Kind(
    "invalid-request",
    400,
    "The request is invalid",
    "`errors` names each field that is wrong, and why; of a list each entry by its index, up to a hundred. "
    "Nothing was done: correct them and send the request again.",
)
NOT_JSON: Final = Kind(
    "not-json",
    400,
    "The body is not JSON",
    "Send one JSON value in UTF-8. Whatever the content type says, the body is read as JSON.",
)
UNAUTHORIZED: Final = Kind(
    "unauthorized",
    401,
    "No valid API key",
    "Send `Authorization: Bearer ck_…`. A key that was revoked stops within five minutes; a new one works at once.",
)
UNVERIFIED: Final = Kind(
    "unverified-webhook",
    401,
    "The call can't be verified",
    "The signature is missing, wrong or stale, or the deployment has no secret for this provider. Its log says which.",
)
FORBIDDEN: Final = Kind(
    "forbidden",
    403,
    "The API key may not do this",
    "The key lacks a scope, which `detail` names, or its brand is no longer deployed. "
    "`consentry api-keys create` makes a key with other scopes.",
)
NOT_FOUND: Final = Kind(
    "not-found", 404, "Nothing is here", "Compare path and method with the OpenAPI document, `/v1/openapi.json`."
)
NOT_ALLOWED: Final = Kind(
    "method-not-allowed", 405, "Another method is needed", "The header `Allow` lists the methods that this path takes."
)
IN_PROGRESS: Final = Kind(
    "request-in-progress",
    409,
    "A request with this Idempotency-Key is in progress",
    "Wait until the first request is answered, then send the same again: it gets the same answer.",
)
TOO_LARGE: Final = Kind(
    "too-large", 413, "The body is too large", "Send fewer entries in one request; `detail` says how many bytes fit."
)
KEY_REUSED: Final = Kind(
    "idempotency-key-reused",
    422,
    "This Idempotency-Key was used with a different request",
    "Use a new key for a new request, and the same key for a repetition of the same bytes alone.",
)
TOO_MANY: Final = Kind(
    "too-many-requests",
    429,
    "Too many requests",
    'API Gateway refuses what exceeds the deployment\'s rate, and answers `{"message":"Too Many Requests"}`. '
    "Wait a second or more, longer each time, and send the same again.",
)
FAILED: Final = Kind(
    "internal-error",
    500,
    "Something went wrong here",
    "It was logged. Send the same again; with an Idempotency-Key nothing happens twice.",
)
UNAVAILABLE: Final = Kind(
    "unavailable",
    503,
    "The service is unavailable for a moment",
    "Wait as long as `Retry-After` says, and send the same again: nothing is lost or doubled.",
)

KINDS: Final = {
    kind.name: kind
    for kind in (
        *(INVALID, NOT_JSON, UNAUTHORIZED, UNVERIFIED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED),
        *(IN_PROGRESS, TOO_LARGE, KEY_REUSED, TOO_MANY, FAILED, UNAVAILABLE),
    )
}
"""Every kind, by its name."""

OF_POST: Final = (NOT_JSON, IN_PROGRESS, KEY_REUSED)
"""Kinds that no call without a body meets."""


def response(
    base_url: str,
    kind: Kind,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that met a problem.

    Args:
        base_url: scheme and host of this deployment.
        kind: of problem.
        detail: what is special about this one; never a value that was sent.
        errors: `field` and `detail` of each field that is wrong.
        headers: such as `retry-after`.
    """
    body: dict[str, Any] = {
        "type": f"{base_url}{PATH}{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    return Response(kind.status, json.dumps(body), "application/problem+json", headers or {})


def page(kind: Kind) -> Response:
    """The page of a kind of problem, for developers."""
    title, remedy = html.escape(f"{kind.title} ({kind.status})"), html.escape(kind.remedy)
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title></head><body><main><h1>{title}</h1><p>{remedy}</p></main></body></html>"
    )
    return Response(200, body, headers={"content-security-policy": NO_CONTENT_POLICY})
