"""What listens on this machine answers this machine alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dev.emulator import hosts, inside, ports
from dev.emulator.console import Console
from dev.emulator.frontdoor import Gateway, application
from dev.emulator.outbox import Outbox

SECRET = "ck_demo_0a1b2c3d_secret"
FOREIGN = (
    "evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example:{port}",
    "evil.example@127.0.0.1:{port}", "127.0.0.1:{port}.evil.example", "169.254.169.254:{port}", "0.0.0.0:{port}",
    "127.0.0.1", "127.0.0.1:1", "localhost", "localhost.:{port}", "",
)  # fmt: skip
LOCAL = ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}")
FOREIGN_ORIGINS = ("https://evil.example", "http://127.0.0.1.evil.example:{port}", "http://127.0.0.1:1", "null")


async def page(_: web.Request) -> web.Response:
    """In place of the deployed API."""
    return web.Response(text="a page")


def asked(*requests: tuple[str, str, dict[str, str]]) -> list[tuple[int, str]]:
    """What a front door answers: status and body."""

    async def ask() -> list[tuple[int, str]]:
        emulator, listening = web.Application(), ports.listen(0)
        emulator.router.add_route("*", "/{anything:.*}", page)
        port = ports.port_of(listening)
        async with TestServer(emulator) as behind:
            gateway = Gateway(url=f"http://127.0.0.1:{behind.port}", authority=f"127.0.0.1:{port}")
            about = {"api_keys": {"demo": SECRET}, "aws_endpoint_url": "", "inbound_bucket": ""}
            console = Console(about=about, outbox=Outbox(), dynamodb_endpoint="")
            door = application(gateway, console.application(), web.Application())
            server = TestServer(door, port=port, socket_factory=lambda *_: listening)
            async with TestClient(server) as client:
                answers = []
                for method, path, headers in requests:
                    sent = {name: value.format(port=port) for name, value in headers.items()}
                    async with client.request(method, path, headers=sent, data=b"x" * (method == "POST")) as answer:
                        answers.append((answer.status, await answer.text()))
                return answers

    return asyncio.run(ask())


def test_a_site_that_leads_its_name_to_this_machine_reads_no_secret() -> None:
    paths = ("/_local/about", "/_local/outbox", "/_local/", "/_local/preview/index.json", "/healthz", "/s/demo")
    answers = asked(*(("GET", path, {"Host": host}) for path in paths for host in FOREIGN if host))
    assert answers == [(421, "Misdirected Request\n")] * len(answers)


def test_this_machine_sees_its_console_and_pages_under_each_of_its_names() -> None:
    for status, body in asked(*(("GET", "/_local/about", {"Host": host}) for host in LOCAL)):
        assert status == 200
        assert json.loads(body)["api_keys"] == {"demo": SECRET}
    assert asked(*(("GET", "/s/demo", {"Host": host}) for host in LOCAL)) == [(200, "a page")] * len(LOCAL)


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_another_sites_form_does_nothing_here(origin: str) -> None:
    paths = ("/_local/notifications", "/_local/inbound", "/_local/preview/demo/x")
    assert {status for status, _ in asked(*(("POST", path, {"Origin": origin}) for path in paths))} == {403}


def test_the_consoles_own_pages_and_programs_may_post() -> None:
    own = [{}, {"Origin": "http://127.0.0.1:{port}"}, {"Origin": "http://localhost:{port}"}]
    assert [status for status, _ in asked(*(("POST", "/_local/notifications", each) for each in own))] == [200] * 3


def test_a_mail_providers_page_may_post_a_click_as_it_may_to_what_is_deployed() -> None:
    assert asked(("POST", "/u/token", {"Origin": "https://mail.example"})) == [(200, "a page")]


@pytest.mark.parametrize("host", FOREIGN)
def test_no_other_name_is_this_machines(host: str) -> None:
    assert hosts.refusal("GET", host.format(port=8080), None, port=8080) == 421


# --- the emulator -----------------------------------------------------------------------------------------------------


def emulated(method: str, path: str, **headers: str) -> int:
    """The status that the emulator answers."""
    sent: list[dict[str, Any]] = []

    async def emulator(_scope: Any, _receive: Any, send: Callable[[Any], Any]) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(inside.guarded(emulator, hosts.refusal)(scope, None, send))
    return int(sent[0]["status"])


def test_no_site_can_ask_the_emulator_for_a_secret() -> None:
    assert emulated("POST", "/", host="evil.example:4566") == 421
    assert emulated("GET", "/bucket/key", host="evil.example:4566") == 421
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert emulated(method, "/", host="127.0.0.1:4566", origin="https://evil.example") == 403


def test_tools_functions_and_the_front_door_reach_the_emulator() -> None:
    assert emulated("POST", "/", host="127.0.0.1:4566") == 200
    assert emulated("POST", "/", host="localhost:4566") == 200
    public = "/_aws/execute-api/a1/$default/u/token"
    assert emulated("POST", public, host="127.0.0.1:8080", origin="https://mail.example") == 200
    assert emulated("POST", public, host="evil.example", origin="https://evil.example") == 421
