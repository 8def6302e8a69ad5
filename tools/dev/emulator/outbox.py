"""Every mail that the functions send, as they sent it.

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
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from aiohttp import web

from dev.emulator import relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEND_EMAIL = ("POST", "/v2/email/outbound-emails")


@dataclass
class Outbox:
    """The mails of this run, oldest first."""

    mails: list[dict[str, Any]] = field(default_factory=list)
    after: Callable[[Mapping[str, Any], str], None] = lambda _request, _message_id: None
    """Called with each request that SES accepted, and the id that SES gave the mail."""

    def application(self, emulator: str, port: int) -> web.Application:
        """The recorder: an HTTP server on `port` that stands where the functions expect SES."""

        async def pass_on(request: web.Request) -> web.Response:
            body = await request.read()
            answer = await relay.relay(
                request.app[_HTTP],
                request,
                emulator + request.raw_path,
                headers=request.headers.items(),  # with Host: it is signed
                body=body,
            )
            if (request.method, request.path) == SEND_EMAIL and answer.status == web.HTTPOk.status_code:
                accepted = json.loads(body)
                self.mails.append(as_mail(accepted, datetime.now(UTC)))
                await asyncio.to_thread(self.after, accepted, json.loads(answer.body)["MessageId"])
            return answer.response()

        application = web.Application(client_max_size=4 * relay.LARGEST_BODY, middlewares=[relay.guard(port)])
        application.router.add_route("*", "/{anything:.*}", pass_on)
        application.cleanup_ctx.append(_http_session)
        return application


_HTTP: web.AppKey[Any] = web.AppKey("http", object)


async def _http_session(application: web.Application) -> Any:
    """Keep one client session as long as the recorder runs."""
    async with relay.session() as http:
        application[_HTTP] = http
        yield


def as_mail(request: Mapping[str, Any], sent_at: datetime) -> dict[str, Any]:
    """What SES v2's ``SendEmail`` was asked to send (its JSON body), as the outbox tells it."""
    destination = request.get("Destination") or {}
    raw = _raw_message(request)
    message = message_from_bytes(raw, policy=policy.default)
    recipients = [address for kind in ("To", "Cc", "Bcc") for address in destination.get(f"{kind}Addresses") or []]
    return {
        "to": ", ".join(recipients) or str(message.get("To", "")),
        "from": str(message.get("From") or request.get("FromEmailAddress", "")),
        "subject": str(message.get("Subject", "")),
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "headers": _headers(message),
        "raw": raw.decode("utf-8", "replace"),
        "sent_at": sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _raw_message(request: Mapping[str, Any]) -> bytes:
    """The message itself: given as such, or put together from SES's simple form."""
    content = request.get("Content") or {}
    if "Raw" in content:
        return base64.b64decode(content["Raw"]["Data"])
    simple = content.get("Simple") or {}
    message = EmailMessage()
    message["From"] = request.get("FromEmailAddress", "")
    message["To"] = ", ".join((request.get("Destination") or {}).get("ToAddresses") or [])
    message["Subject"] = (simple.get("Subject") or {}).get("Data", "")
    for header in simple.get("Headers") or []:
        message[header["Name"]] = header["Value"]
    body = simple.get("Body") or {}
    message.set_content((body.get("Text") or {}).get("Data", ""))
    if "Html" in body:
        message.add_alternative(body["Html"]["Data"], subtype="html")
    return message.as_bytes(policy=policy.SMTP)


def _body(message: EmailMessage, subtype: str) -> str:
    """The decoded text of the first part of type ``text/<subtype>``."""
    for part in message.walk():
        if part.get_content_type() == f"text/{subtype}":
            return str(part.get_content()).replace("\r\n", "\n")
    return ""


def _headers(message: EmailMessage) -> dict[str, str]:
    """Unfolded headers by name; a repeated one is joined with commas."""
    headers: dict[str, str] = {}
    for name, value in message.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else str(value)
    return headers
