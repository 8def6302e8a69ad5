"""The one port that people and tests use: the deployed HTTP API, and the console beside it."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
from aiohttp import web

from dev.emulator import gaps, relay

SET_BY_API_GATEWAY = frozenset({"host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Where the deployed HTTP API is."""

    url: str
    """The emulator's address of it, to which raw path and query are added."""
    authority: str
    """Host and port that the API is known under: the front door's own."""


def application(gateway: Gateway, console: web.Application, preview: web.Application) -> web.Application:
    """The front door: ``/_local/`` is the console's, ``/_local/preview/`` the preview's, the rest is the API's."""

    async def proxy(request: web.Request) -> web.Response:
        return await _call_api(gateway, request)

    own_port = int(gateway.authority.rpartition(":")[2])
    guard = relay.guard(own_port, lambda path: not path.startswith("/_local"))
    door = web.Application(client_max_size=relay.LARGEST_BODY, middlewares=[guard])
    door.cleanup_ctx.append(relay.keep_session)
    door.on_response_prepare.append(_leave_no_name)
    door.router.add_get("/_local", _to_console)
    door.add_subapp("/_local/preview/", preview)
    door.add_subapp("/_local/", console)
    door.router.add_route("*", r"/{anything:[\s\S]*}", proxy)  # a link may hold a line break
    return door


async def _leave_no_name(_: web.Request, response: web.StreamResponse) -> None:
    """Drop the Server header: API Gateway sends none."""
    response.headers.pop("Server", None)


async def _to_console(_: web.Request) -> web.Response:
    raise web.HTTPFound("/_local/")


async def _call_api(gateway: Gateway, request: web.Request) -> web.Response:
    """Pass a request to the deployed API as API Gateway would."""
    target = request.raw_path
    if not target.startswith("/"):  # the absolute form, which only proxies are sent
        raise web.HTTPBadRequest
    headers = _forwarded(gateway, request)
    body = await request.read()
    try:
        answer = await relay.send(request.app, request.method, gateway.url + target, headers, body)
    except aiohttp.ClientError:
        return web.json_response({"message": "Service Unavailable"}, status=503)
    status, shown = gaps.as_api_gateway_answers(answer.status, answer.body)
    return relay.Answer(status=status, headers=answer.headers, body=shown).response()


def _forwarded(gateway: Gateway, request: web.Request) -> list[tuple[str, str]]:
    """The request's headers, with those that API Gateway sets."""
    came_through = [*request.headers.getall("X-Forwarded-For", []), request.remote or ""]
    kept = [(name, value) for name, value in request.headers.items() if name.lower() not in SET_BY_API_GATEWAY]
    return [
        ("Host", gateway.authority),
        *kept,
        ("X-Forwarded-For", ", ".join(came_through)),
        ("X-Forwarded-Port", gateway.authority.rpartition(":")[2]),
        ("X-Forwarded-Proto", "http"),
    ]
