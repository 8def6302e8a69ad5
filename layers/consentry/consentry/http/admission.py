"""Which calls of the API are let in, and as whose: settled before anything of a call is looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from consentry.http import openapi, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consentry.http.problems import Kind
    from consentry.http.web import Request
    from consentry.links.keyring import ApiKey, Keyring
    from consentry.rules.brands import Brand, Brands
    from consentry.table.gateway import Gateway

MAX_BODY: Final = 1024 * 1024
OPENAPI_PATH: Final = "/v1/openapi.json"
NOTICES_PATH: Final = "/v1/notices/"
_TO_POST: Final = {
    "/v1/subscriptions": "write",
    "/v1/events": "write",
    "/v1/links": "mint",
    "/v1/decisions": "read",
    "/v1/subscribers/lookup": "read",
}
"""The scope that each call takes that is posted."""
_COMPUTED: Final = {"/v1/links", "/v1/decisions", "/v1/subscribers/lookup"}
"""What a call only computes can be computed again, and may be too large to keep."""


class ApiProblemError(Exception):
    """An error that the caller gets, as RFC 9457 problem details."""

    def __init__(self, kind: Kind, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors or []


def is_open(path: str) -> bool:
    """Whether a path needs no key: what describes the API, and its problems."""
    return path == OPENAPI_PATH or path.startswith(problems.PATH)


def method(event: Mapping[str, Any]) -> str:
    """The method, as Powertools looks for a route: whatever its case, so that no call gets past what its key may do."""
    return str(event["requestContext"]["http"]["method"]).upper()


def authenticate(keyring: Keyring, request: Request) -> ApiKey:
    """The key that a call presents (RFC 6750).

    Raises:
        ApiProblemError: there is none, or it isn't ours.
    """
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    key = keyring.api_key(presented.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise ApiProblemError(problems.UNAUTHORIZED, "A valid API key is needed: Authorization: Bearer <key>")
    return key


def permit(brands: Brands, key: ApiKey, event: Mapping[str, Any]) -> Brand | None:
    """The caller's brand, if its key may make this call; None if there is no such call.

    Raises:
        ApiProblemError: the key lacks the scope, or its brand is gone.
    """
    verb = method(event)
    scope = _TO_POST.get(event["rawPath"]) if verb == "POST" else {"GET": "read", "DELETE": "erase"}.get(verb)
    if scope is None:
        return None
    brand = brands.get(key.brand)
    # Whoever visited the form has read a notice, so it is no brand's secret; it has to outlive its brand.
    if brand is None and not event["rawPath"].startswith(NOTICES_PATH):
        raise ApiProblemError(problems.FORBIDDEN, "This key's brand is no longer deployed")
    if not key.may(scope):
        raise ApiProblemError(problems.FORBIDDEN, f"This key lacks the scope `{scope}`")
    return brand


def readable(event: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """The event with its body as text, taken as JSON whatever its content type says.

    Raises:
        ApiProblemError: the body is too large, or no JSON.
    """
    if len(request.body) > MAX_BODY:
        raise ApiProblemError(problems.TOO_LARGE, f"A body has at most {MAX_BODY} bytes")
    try:
        text = request.body.decode()
        if text:
            json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ApiProblemError(problems.NOT_JSON, "The body is not JSON") from exc
    headers = {**request.headers, "content-type": "application/json"}
    return {**event, "headers": headers, "body": text, "isBase64Encoded": False}


def once(
    gateway: Gateway,
    secret: bytes,
    key: ApiKey,
    event: Mapping[str, Any],
    answer: Callable[[], dict[str, Any]],
    *,
    now: int,
    ends: int,
) -> dict[str, Any]:
    """The answer under an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

    Args:
        gateway: to where answers are kept.
        secret: that names what is kept.
        key: whose call it is.
        event: the call, readable.
        answer: makes the answer, if there is none yet.
        now: in milliseconds.
        ends: when whoever answers is out of time, in milliseconds.

    Raises:
        ApiProblemError: the header is malformed, or came with a different request, or that one is in progress.
        StoreUnavailableError: the table is away.
    """
    from consentry.table import idempotency  # noqa: PLC0415 - few calls carry the header

    repeated = event["headers"]["idempotency-key"]
    if len(repeated) > openapi.MAX_IDEMPOTENCY_KEY or not repeated.isascii() or not repeated.isprintable():
        raise ApiProblemError(
            problems.INVALID, f"Idempotency-Key: at most {openapi.MAX_IDEMPOTENCY_KEY} printable ASCII characters"
        )
    try:
        return idempotency.once(
            gateway,
            secret,
            (key.brand, key.key_id, repeated),
            f"{event['rawPath']} {event['body']}",
            answer,
            now=now,
            ends=ends,
            keep=event["rawPath"] not in _COMPUTED,
        )
    except idempotency.OtherBodyError as exc:
        raise ApiProblemError(problems.KEY_REUSED, "This Idempotency-Key was used with a different request") from exc
    except idempotency.InProgressError as exc:
        raise ApiProblemError(problems.IN_PROGRESS, "A request with this Idempotency-Key is in progress") from exc
