"""Every page in every state, at ``/_local/preview/``: for brand owners to look at, and for tests.

A state is played on the running stack when somebody asks for it, and the last answer is shown as it came, with its own
headers. Its links and forms work: what is posted to a previewed page goes where the page itself would have sent it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from consentry.rules import languages
from dev.emulator import relay
from dev.preview.page_states import PAGES, State
from dev.preview.visitor import NotOfferedError, Page, Visitor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.links.keyring import Keyring
    from consentry.rules.brands import Brand
    from dev.emulator.outbox import Outbox
    from dev.preview.unavailable import Copies, Without

PATH = "/_local/preview"
MAIL_WITHIN = 20.0
"""Seconds in which an email has to come: it takes the way through the table's stream."""
USER_AGENT = "Mozilla/5.0 (somebody who has a look)"
LOOK_EVERY = 0.05


@dataclass(kw_only=True)
class Preview:
    """What plays states, for the brands of one stack."""

    base_url: str
    """The front door, through which all requests go."""
    brands: Mapping[str, Brand]
    keys: Keyring
    api_keys: Mapping[str, str]
    copies: Copies
    outbox: Outbox
    console_headers: Mapping[str, str]
    """Of the list, and of emails."""
    _shown: dict[tuple[str, str], str] = field(default_factory=dict)
    """Where the forms of the page go that was shown last, by brand and state."""

    def application(self) -> web.Application:
        """The list, its JSON, and the pages."""
        preview = web.Application(client_max_size=relay.LARGEST_BODY)
        preview.cleanup_ctx.append(relay.keep_session)
        preview.router.add_get("/", self._list)
        preview.router.add_get("/index.json", self._index)
        preview.router.add_get("/{brand}/mail/{state}", self._mail)
        preview.router.add_get("/{brand}/{state}", self._show)
        preview.router.add_post("/{brand}/{state}", self._pass_on)
        return preview

    # --- lists -------------------------------------------------------------------------------------------------

    async def _list(self, _: web.Request) -> web.Response:
        lists: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for entry in self._entries():
            lists.setdefault(entry["brand"], {}).setdefault(entry["page"], []).append(entry)
        page = _TEMPLATES.get_template("preview.html").render(
            brands=list(self.brands.values()), lists=lists, path=PATH, own_name=languages.own_name
        )
        return web.Response(text=page, content_type="text/html", headers=self.console_headers)

    async def _index(self, _: web.Request) -> web.Response:
        return web.json_response(self._entries(), headers=self.console_headers)

    def _entries(self) -> list[dict[str, Any]]:
        """What can be looked at."""
        return [
            {
                "brand": brand.id,
                "languages": list(brand.languages),
                "kind": state.kind,
                "page": page,
                "state": state.name,
                "title": state.title,
                "status": state.status,
                "path": f"{PATH}/{brand.id}/{'mail/' if state.kind == 'mail' else ''}{state.name}",
            }
            for brand in self.brands.values()
            for page, states in PAGES.items()
            for state in states
            if state.fits(brand)
        ]

    # --- pages -------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        """Play a state, and show what came of it."""
        brand, state = self._asked_for(request)
        return await self._played(brand.id, state.name, lambda: state.play(self._visitor(request, brand)))

    async def _pass_on(self, request: web.Request) -> web.Response:
        """Send a form that has no address of its own where the page that it was on came from."""
        brand, state = self._asked_for(request)
        target = self._shown.get((brand.id, state.name))
        if target is None:
            return self._say(409, "open the page first: this stack hasn't shown it yet")
        headers = {"content-type": request.headers.get("Content-Type", "")}
        body = await request.read()
        visitor = self._visitor(request, brand)

        async def pass_on() -> Page:
            return Page(target=target, answer=await visitor.send("POST", target, headers, body, None))

        return await self._played(brand.id, state.name, pass_on)

    async def _played(self, brand: str, state: str, play: Any) -> web.Response:
        try:
            page: Page = await play()
        except NotOfferedError as exc:
            return self._say(501, f"the pages of this stack don't lead there: {exc}")
        except (RuntimeError, aiohttp.ClientError, BotoCoreError, ClientError) as exc:
            return self._say(503, f"the stack didn't play along: {exc}")
        self._shown[brand, state] = page.target
        return page.answer.response()

    async def _mail(self, request: web.Request) -> web.Response:
        """Have an email sent, and show its HTML, or its text with ``?part=text``."""
        brand, state = self._asked_for(request)
        visitor = self._visitor(request, brand)
        await state.play(visitor)
        deadline = time.monotonic() + MAIL_WITHIN
        while time.monotonic() < deadline:
            came = [sent for sent in self.outbox.mails if sent["to"] == visitor.address]
            if len(came) >= state.emails:
                kind = "text/plain" if request.query.get("part") == "text" else "text/html"
                part = came[-1]["text" if kind == "text/plain" else "html"]
                return web.Response(text=part, content_type=kind, headers=self.console_headers)
            await asyncio.sleep(LOOK_EVERY)
        return self._say(503, "no mail came")

    # --- what it takes -----------------------------------------------------------------------------------------

    def _asked_for(self, request: web.Request) -> tuple[Brand, State]:
        """The brand and the state that an address names."""
        brand = self.brands.get(request.match_info["brand"])
        state = _STATES.get(("/mail/" in request.path, request.match_info["state"]))
        if brand is None or state is None or not state.fits(brand):
            raise web.HTTPNotFound(text="there is no such brand or state\n")
        return brand, state

    def _visitor(self, request: web.Request, brand: Brand) -> Visitor:
        """A fresh person, who reads what the request asks for."""
        wished = {
            name.lower(): request.headers[name] for name in ("Accept-Language", "User-Agent") if name in request.headers
        }

        async def send(
            method: str, target: str, headers: Mapping[str, str], body: bytes, without: Without | None
        ) -> relay.Answer:
            base = self.base_url if without is None else await asyncio.to_thread(self.copies.url, without)
            sent = {"user-agent": USER_AGENT, **wished, **headers}
            return await relay.send(request.app, method, base + target, sent.items(), body)

        return Visitor(
            brand=brand,
            language=request.query.get("lang", ""),
            keys=self.keys,
            api_key=self.api_keys[brand.id],
            send=send,
        )

    def _say(self, status: int, line: str) -> web.Response:
        return web.Response(status=status, text=f"{line}\n", headers=self.console_headers)


_STATES = {(state.kind == "mail", state.name): state for states in PAGES.values() for state in states}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
