"""The API's OpenAPI document: what Powertools writes of its routes, with what it doesn't know of them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, Server

from consentry.http import problems
from consentry.http.api_models import ConsentChanged, Problem, ReportedEvent

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
    from pydantic import BaseModel

MAX_IDEMPOTENCY_KEY: Final = 255
"""Characters."""
_REF: Final = "#/components/schemas/{model}"
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own name for this request: for 24 hours, the same request under it gets the same answer and "
    "does nothing again; a different one gets 422. Use a UUID.",
    "schema": {
        "type": "string",
        "maxLength": MAX_IDEMPOTENCY_KEY,
        "examples": ["0d0f6b6c-6a5c-4f5e-9c1a-9d1a4f7f6a11"],
    },
}
_WEBHOOK_HEADERS: Final = {
    "webhook-id": "The event's id, the same at each try: what comes twice has it twice.",
    "webhook-timestamp": "When this try was made, Unix seconds.",
    "webhook-signature": "One or more of `v1,` and base64 of HMAC-SHA256, with blanks between (Standard Webhooks).",
}


@cache
def document(app: APIGatewayHttpResolver) -> str:
    """The document as JSON."""
    described = json.loads(
        app.get_openapi_json_schema(
            title="Consentry",
            version="1",
            openapi_version="3.1.0",
            description="Links, decisions and consent, for the systems that send email.",
            servers=[Server(url="/")],
            security_schemes={"key": HTTPBearer(description="An API key; it belongs to one brand.")},
            security=[{"key": []}],
        )
    )
    schemas = described["components"]["schemas"]
    # Powertools documents its own validation errors; ours are RFC 9457 problems.
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    for model in (ReportedEvent, Problem, ConsentChanged):
        schemas |= _schemas(model)
    for operations in described["paths"].values():
        for method, operation in operations.items():
            answers = {code: each for code, each in operation["responses"].items() if code not in {"422", "500"}}
            operation["responses"] = answers | _refusals(method)
            if method == "post":
                operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]
    described["webhooks"] = {"consentChanged": {"post": _consent_changed()}}
    return json.dumps(described)


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _refusals(method: str) -> dict[str, Any]:
    """What else may be answered, by status."""
    titles: dict[int, list[str]] = {}
    for kind in problems.KINDS.values():
        if kind is not problems.UNVERIFIED and not (method != "post" and kind in problems.OF_POST):
            titles.setdefault(kind.status, []).append(kind.title)
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        str(status): {
            "description": ", or: ".join(titles[status]),
            "content": content,
            **({"headers": _RETRY_AFTER} if status == problems.UNAVAILABLE.status else {}),
        }
        for status in sorted(titles)
    }


def _consent_changed() -> dict[str, Any]:
    """What an endpoint of the brand file's `notifications` gets."""
    return {
        "operationId": "consentChanged",
        "tags": ["Notifications"],
        "summary": "A person's consent changed",
        "description": "Sent to each endpoint of the brand, at least once, and tried again for three days.",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in _WEBHOOK_HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model="ConsentChanged")}}},
        },
        "responses": {
            "2XX": {"description": "Taken."},
            "default": {
                "description": "Not taken: it comes again, after 5 seconds at first, and then less and less often."
            },
        },
    }
