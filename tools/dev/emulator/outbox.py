"""Every email that the functions send, as they sent it.

The emulator's SES keeps subject and bodies, and drops the raw message and its headers. So the functions reach
SES through this recorder: it passes each request on unchanged, and keeps what SES accepted.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiohttp import web

from dev.emulator import relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEND_EMAIL = ("POST", "/v2/email/outbound-emails")


@dataclass
class Outbox:
    """The emails of this run, oldest first."""

    mails: list[dict[str, Any]] = field(default_factory=list)
    after: Callable[[Mapping[str, Any], str], None] = lambda _request, _message_id: None
    """Called with each request that SES accepted, and the id that SES gave the email."""

    def application(self, emulator: str, port: int) -> web.Application:
        """The recorder: an HTTP server on `port` that stands where the functions expect SES."""

        async def pass_on(request: web.Request) -> web.Response:
            body = await request.read()
            # With Host, since it is signed.
            url, headers = emulator + request.raw_path, request.headers.items()
            answer = await relay.send(request.app, request.method, url, headers, body)
            if (request.method, request.path) == SEND_EMAIL and answer.status == web.HTTPOk.status_code:
                accepted = json.loads(body)
                self.mails.append(as_mail(accepted, datetime.now(UTC)))
                await asyncio.to_thread(self.after, accepted, json.loads(answer.body)["MessageId"])
            return answer.response()

        application = web.Application(client_max_size=4 * relay.LARGEST_BODY, middlewares=[relay.guard(port)])
        application.router.add_route("*", "/{anything:.*}", pass_on)
        application.cleanup_ctx.append(relay.keep_session)
        return application


def as_mail(request: Mapping[str, Any], sent_at: datetime) -> dict[str, Any]:
    """What SES v2's `SendEmail` was asked to send (its JSON body, with a raw message), as the outbox has it."""
    raw = base64.b64decode(request["Content"]["Raw"]["Data"])
    message = message_from_bytes(raw, policy=policy.default)
    recipients = [each for kind in ("To", "Cc", "Bcc") for each in request["Destination"].get(f"{kind}Addresses") or []]
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    texts = {kind: body.get_content().replace("\r\n", "\n") if body else "" for kind, body in bodies.items()}
    return {
        "to": ", ".join(recipients) or str(message.get("To", "")),
        "from": str(message.get("From") or request.get("FromEmailAddress", "")),
        "subject": str(message.get("Subject", "")),
        "text": texts["plain"],
        "html": texts["html"],
        "headers": {name: ", ".join(map(str, message.get_all(name, ()))) for name in dict.fromkeys(message.keys())},
        "raw": raw.decode("utf-8", "replace"),
        "sent_at": sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
