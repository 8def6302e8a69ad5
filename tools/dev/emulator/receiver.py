"""The platform's end of notifications: keeps what the notifier sends to the brands, for people and tests to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

PATH = "/_local/notifications"


@dataclass
class Receiver:
    """What arrived in this run, oldest first."""

    received: list[dict[str, Any]] = field(default_factory=list)
    status: int = web.HTTPOk.status_code
    """What it answers; tests have it fail for a while."""

    async def take(self, request: web.Request) -> web.Response:
        """Keep a notification, and answer as set."""
        body = await request.text()
        self.received.append(
            {
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": body,
                "answered": self.status,
                "received_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            }
        )
        return web.Response(status=self.status)

    async def tell(self, _: web.Request) -> web.Response:
        """Everything that arrived."""
        return web.json_response(self.received)

    async def obey(self, request: web.Request) -> web.Response:
        """`PUT {"status": 503}`: answer so from now on."""
        self.status = int((await request.json())["status"])
        return web.json_response({"status": self.status})
