"""`/hooks/{brand}/{provider}`: what marketing platforms and mail providers report, under their own signatures.

200  `{"applied", "duplicate", "ignored", "spooled"}`: everything in the call is durable. `ignored` counts what
     means nothing for consent, what can't be understood, and what something later or an opt-out beats; what is
     about somebody who can't be found, or says something of them that can't be told, is counted as a metric of its
     own, and logged
400  the body can't be read
401  signature missing, wrong or stale (how old is stale: `providers`), or no secret set to verify it with
404  the brand's file doesn't name the provider
503  the table, the keyring or what has to be fetched is unavailable; sending the same again loses and doubles nothing
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from consentry import providers, telemetry
from consentry.actions.reports import Result
from consentry.deployment import Deployment
from consentry.http import problems, web
from consentry.http.outgoing import UnreachableError
from consentry.links.keyring import SecretUnavailableError
from consentry.providers import Call, UnreadableError, UnsignedError
from consentry.rules.ledger import Channel
from consentry.settings import Settings
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.http.problems import Kind
    from consentry.http.web import Request, Response
    from consentry.providers import Provider, Reading
    from consentry.rules.brands import Brand, Webhook

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))

MAX_BODY: Final = 1024 * 1024
RETRY_AFTER_S: Final = 30
SPENT_S: Final = (providers.RETRIED_MS + 2 * providers.TOLERANCE_MS) // 1000
"""How long a value that may come once is remembered: until its call is stale, however early it came."""

_COUNTED_AS: Final = {
    Result.APPLIED: "applied",
    Result.DUPLICATE: "duplicate",
    Result.SPOOLED: "spooled",
    Result.SUPERSEDED: "ignored",
    Result.INVALID: "ignored",
}


class RefusedError(Exception):
    """The call is refused before anything of it is looked at."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Every answer is JSON; a bad call is never a fault of ours."""
    route = event["routeKey"]
    web.begin(event)
    request = web.read(event, deployment.site)

    def problem(kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        web.refused("webhook", kind.status)
        return problems.response(request.base_url, kind, detail, headers=headers)

    try:
        response = _receive(event, request)
    except RefusedError as exc:
        response = problem(exc.kind, exc.detail, exc.headers)
    except UnreadableError as exc:
        response = problem(problems.INVALID, str(exc))
    except UnsignedError as exc:
        # Why is for the operator: whoever has no key learns nothing of how the brand is set up.
        telemetry.logger().warning("webhook refused", route=route, reason=str(exc))
        response = problem(problems.UNVERIFIED, "The call can't be verified")
    except (StoreUnavailableError, SecretUnavailableError, UnreachableError) as exc:
        telemetry.report(exc, route)
        response = problem(problems.UNAVAILABLE, "Send the same again", {"retry-after": str(RETRY_AFTER_S)})
    except Exception as exc:  # noqa: BLE001 - the last resort: a problem rather than a stack trace
        telemetry.report(exc, route)
        response = problem(problems.FAILED, "Something went wrong here; it was logged")
    return web.write(response, head=event["requestContext"]["http"]["method"] == "HEAD")


def _receive(event: dict[str, Any], request: Request) -> Response:
    brand = deployment.brands.get(request.parameters.get("brand", ""))
    name = request.parameters.get("provider", "")
    if brand is None or name not in brand.webhooks:
        raise RefusedError(problems.NOT_FOUND, "This brand has no such webhook")
    asks = request.method == "GET" and name in providers.ASKED_FIRST
    if request.method != "POST" and not asks:
        allowed = "GET, HEAD, POST" if name in providers.ASKED_FIRST else "POST"
        raise RefusedError(problems.NOT_ALLOWED, "Not allowed here", {"allow": allowed})
    if len(request.body) > MAX_BODY:
        raise RefusedError(problems.TOO_LARGE, f"A body has at most {MAX_BODY} bytes")

    query = event.get("rawQueryString") or ""
    hosts = dict.fromkeys((request.base_url, f"https://{event['requestContext']['domainName']}"))
    urls = tuple(f"{host}{event['rawPath']}{'?' if query else ''}{query}" for host in hosts)
    call = Call(request.method, request.headers, request.query, request.body, urls)
    setup = brand.webhooks[name]
    provider = providers.provider(name)
    arrived = _verify(provider, call, setup, brand, name, request.now)
    if asks:
        return _answer(Counter())
    counts = _apply(provider.translate(call, setup), brand, name, arrived, request.now)
    for outcome, count in counts.items():
        if count:
            telemetry.emit("webhook", {"Webhooks": count}, provider=name, outcome=outcome, brand=brand.id)
    return _answer(counts)


def _verify(provider: Provider, call: Call, setup: Webhook, brand: Brand, name: str, now: int) -> int:
    """When the call arrived, as `verify` answers it.

    A call that can't be verified is looked at once more with fresh secrets, at most once a minute.
    """
    keyring = deployment.keyring
    try:
        return provider.verify(call, setup, keyring.webhook_secrets(brand.id, name), now)
    except UnsignedError:
        if not provider.SECRETS or not keyring.refresh():
            raise
        return provider.verify(call, setup, keyring.webhook_secrets(brand.id, name), now)


def _apply(reading: Reading, brand: Brand, name: str, arrived: int, now: int) -> Counter[str]:
    store, reports = deployment.store, deployment.reports
    if reading.once and not store.spend(_once(brand, name, reading.once), _said(reading), now, SPENT_S):
        raise UnsignedError("this token was used before, for something else")
    if arrived < now:
        reading = providers.late(reading, arrived)
    receipts = reports.take_all(brand, reading.reports, Channel.WEBHOOK, now, name)
    others = [reports.move(brand, old, new, Channel.WEBHOOK, now, name) for old, new in reading.moved]
    others += [reports.forget(brand, email, Channel.WEBHOOK, now) for email in reading.erase]
    nobody = [receipt for receipt in receipts if receipt.nobody]
    nobody += [receipt for receipt in others if receipt.result is Result.INVALID]
    if unreadable := len(nobody) + reading.unclear:
        telemetry.unreadable(unreadable, name, brand.id)
    if reading.unknown:
        telemetry.logger().warning("unknown kind of event", brand=brand.id, provider=name, count=reading.unknown)
    if reading.fetch:
        from consentry.providers import sns  # noqa: PLC0415 - once in a subscription's life

        sns.fetch(reading.fetch)
        telemetry.logger().info("subscription confirmed", brand=brand.id, provider=name)
    counts = Counter(_COUNTED_AS[receipt.result] for receipt in (*receipts, *others))
    counts["ignored"] += reading.ignored
    return counts


def _once(brand: Brand, name: str, value: str) -> str:
    return f"hook#{brand.id}#{name}#{hashlib.sha256(value.encode()).hexdigest()}"


def _said(reading: Reading) -> str:
    """What a call says, hashed with nothing of it to be found again: its token is random, and part of it."""
    said = json.dumps([reading.once, reading.reports, reading.erase, reading.moved])
    return hashlib.sha256(said.encode()).hexdigest()


def _answer(counts: Counter[str]) -> Response:
    body = {count: counts[count] for count in ("applied", "duplicate", "ignored", "spooled")}
    return web.Response(200, json.dumps(body), "application/json")


deployment.prepare()
