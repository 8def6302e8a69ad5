"""The console at ``/_local/``: what the stack did, for the person who tries it out. It exists only here."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from dev.emulator import incoming
from dev.emulator.aws import client
from dev.emulator.receiver import PATH, Receiver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dev.emulator.outbox import Outbox

PAGES = Path(__file__).parent / "pages"
SAMPLE_ADDRESS = "ada@example.com"
SAMPLE_TOPIC = "news"
MOST_ITEMS = 500
"""How much of the table the console shows."""

MOST_EXACT = 2**53
"""Up to here JavaScript's numbers are exact."""

_READER = TypeDeserializer()
HEADERS = {
    # Emails bring inline styles, and srcdoc frames inherit this policy; nothing is loaded from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class Console:
    """What the console shows."""

    about: Mapping[str, Any]
    """The content of ``stack.json``."""
    outbox: Outbox
    dynamodb_endpoint: str
    """Where the functions keep the table."""
    receiver: Receiver = field(default_factory=Receiver)

    def application(self) -> web.Application:
        """Pages and their JSON."""
        console = web.Application()
        console.on_response_prepare.append(_harden)
        console.router.add_get("/", _page("console.html"))
        console.router.add_get("/mails", _page("mails.html"))
        for asset in ("console.css", "console.js", "mails.js"):
            console.router.add_get(f"/{asset}", _page(asset))
        console.router.add_get("/about", _json(self._about))
        console.router.add_get("/outbox", _json(self._mails))
        console.router.add_get("/items", _json(self._items))
        console.router.add_post(incoming.PATH.removeprefix("/_local"), self._receive)
        notifications = PATH.removeprefix("/_local")
        console.router.add_post(notifications, self.receiver.take)
        console.router.add_get(notifications, self.receiver.tell)
        console.router.add_put(notifications, self.receiver.obey)
        return console

    async def _about(self) -> object:
        return {
            **self.about,
            "brands": list(self.about["api_keys"]),
            "sample_address": SAMPLE_ADDRESS,
            "sample_topic": SAMPLE_TOPIC,
        }

    async def _mails(self) -> object:
        return self.outbox.mails

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        """Take a raw mail as SES would: the functions see it in the bucket."""
        raw = await request.read()
        if not raw.strip():
            return web.json_response({"error": "post a raw mail: header, empty line, text"}, status=400)
        endpoint, bucket = self.about["aws_endpoint_url"], self.about["inbound_bucket"]
        try:
            message_id = await asyncio.to_thread(incoming.deliver, raw, bucket, endpoint, datetime.now(UTC))
        except (BotoCoreError, ClientError) as exc:
            return web.json_response({"error": str(exc)}, status=503)
        return web.json_response({"message_id": message_id}, status=202)

    async def _items(self) -> object:
        try:
            return await asyncio.to_thread(self._scan)
        except (BotoCoreError, ClientError) as exc:
            return {"error": str(exc)}

    def _scan(self) -> list[dict[str, Any]]:
        dynamodb = client("dynamodb", self.dynamodb_endpoint)
        found = dynamodb.scan(TableName=self.about["table_name"], Limit=MOST_ITEMS)
        return [{name: _READER.deserialize(value) for name, value in item.items()} for item in found["Items"]]


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    """Put the console's security headers on every answer."""
    response.headers.update(HEADERS)


def _page(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Serve one file of the console."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / name)

    return answer


def _json(tell: Callable[[], Awaitable[object]]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Serve what ``tell`` returns as JSON."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(await tell(), dumps=partial(json.dumps, default=_plain))

    return answer


def _plain(value: Any) -> Any:
    """What DynamoDB knows and JSON doesn't: bytes as base64, sets as lists, numbers as text where they'd be rounded."""
    match value:
        case Decimal() if value % 1:
            return float(value)
        case Decimal():
            return int(value) if abs(value) <= MOST_EXACT else str(value)
        case set():
            return sorted(value)
        case _:
            return base64.b64encode(bytes(value)).decode()
