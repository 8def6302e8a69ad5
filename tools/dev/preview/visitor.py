"""Somebody whom nobody knows yet, and who uses the stack as people do: opens links, fills in forms and sends them.

Each has an address of their own. The links that an email would bring are signed here, with the stack's own keys: so a
link can be as old as one likes, and nobody waits for an email.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses
from dev.preview.forms import Form, forms_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consentry.links.keyring import Keyring
    from consentry.rules.brands import Brand
    from dev.emulator.relay import Answer
    from dev.preview.unavailable import Without

    Values = Mapping[str, str | Sequence[str]]

READ_FOR_MS = 20_000
"""How long our visitor looks at a page before sending its form."""
_URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
_STAMP = "stamp"
"""The field that says when its page was shown."""


class NotOfferedError(Exception):
    """The page has no form that takes what was to be entered."""


class Send(Protocol):
    """Carries a request to the stack: through its gateway, or to a function that lacks something."""

    async def __call__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, without: Without | None
    ) -> Answer:
        """The answer."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """An answer, and where it came from."""

    target: str
    """Path and query of the request: where its forms go that name no other place."""
    answer: Answer

    @property
    def forms(self) -> list[Form]:
        """Its forms."""
        return forms_in(self.answer.body.decode())


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """One person, of one brand, who reads one language."""

    brand: Brand
    language: str
    """What every address is asked for in; empty to leave it to the stack."""
    keys: Keyring
    api_key: str
    send: Send
    address: str = field(default_factory=lambda: f"visitor-{uuid.uuid4().hex[:12]}@example.com")

    # --- what they do ------------------------------------------------------------------------------------------

    async def open(self, path: str, *, without: Without | None = None) -> Page:
        """Open a page."""
        return await self.request("GET", path, without=without)

    async def submit(
        self, page: Page, values: Values | None = None, *, hasty: bool = False, without: Without | None = None
    ) -> Page:
        """Enter values into the first form that takes them, and send it; `hasty`: without having read the page.

        Raises:
            NotOfferedError: there is no such form.
        """
        for form in page.forms:
            if form.takes(values or {}):
                fields = [
                    (name, value if hasty or name != _STAMP else self._shown_earlier(value))
                    for name, value in form.with_values(values or {})
                ]
                return await self.post(form.action or page.target, fields, without=without)
        raise NotOfferedError(f"no form takes {values}")

    async def post(self, target: str, fields: Sequence[tuple[str, str]], *, without: Without | None = None) -> Page:
        """Send fields as a form does."""
        return await self.request("POST", target, urlencode(fields).encode(), without=without)

    async def request(self, method: str, target: str, body: bytes = b"", *, without: Without | None = None) -> Page:
        """Any request; in the visitor's language, unless the address names one."""
        if self.language and "?" not in target:
            target += "?" + urlencode({"lang": self.language})
        headers = _URLENCODED if body else {}
        return Page(target=target, answer=await self.send(method, target, headers, body, without))

    async def told_by_the_platform(self, path: str, content: Mapping[str, Any]) -> None:
        """The brand's platform calls the API about this person.

        Raises:
            RuntimeError: the API didn't take it.
        """
        headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        answer = await self.send("POST", path, headers, json.dumps(content).encode(), None)
        if answer.status >= 400:  # noqa: PLR2004 - whatever isn't a success
            raise RuntimeError(f"POST {path} answered {answer.status}")

    async def reported(self, kind: str, topics: Sequence[str] = (), *, ends_in: timedelta | None = None) -> None:
        """The platform reports an event about this person; one with an end is of two months ago."""
        now = datetime.now(UTC)
        at = now if ends_in is None else now - timedelta(days=60)
        event = {"event_id": uuid.uuid4().hex, "kind": kind, "email": self.address, "occurred_at": at.isoformat()}
        event |= {"expires_at": (now + ends_in).isoformat()} if ends_in is not None else {}
        await self.told_by_the_platform(
            "/v1/events", {"events": [event | ({"topics": list(topics)} if topics else {})]}
        )

    async def has_mails(self, ends_in: timedelta | None = None) -> None:
        """From a time before: the platform says that this person gets all of the brand's topics, or did until then."""
        await self.reported("claimed", list(self.brand.topics), ends_in=ends_in)
        # An opt-out of the same millisecond would have nothing to opt out of.
        await asyncio.sleep(0.002)

    async def asked(self, topics: Sequence[str]) -> None:
        """This person asked for topics, and has yet to confirm."""
        content = {"email": self.address, "topics": list(topics), "locale": self.language or self.brand.languages[0]}
        await self.told_by_the_platform("/v1/subscriptions", content)

    # --- their links -------------------------------------------------------------------------------------------

    def link(self, purpose: Purpose, topics: Sequence[str] = (), *, age_ms: int = 0, brand: str = "") -> str:
        """The token of a link; `age_ms` counts for the purposes that have an instant."""
        dated = purpose in {Purpose.CONFIRM, Purpose.UNDO}
        at = time.time_ns() // 1_000_000 - age_ms if dated else 0
        whose = brand or self.brand.id
        person = addresses.subscriber_id(self.keys.pepper(whose), addresses.parse(self.address))
        return Tokens(self.keys).sign(Link(purpose, whose, person, tuple(topics), at=at))

    def _shown_earlier(self, stamp: str) -> str:
        """A page's stamp as it would be, had the page been open for a while."""
        tokens = Tokens(self.keys)
        shown = tokens.read(Purpose.STAMP, stamp, time.time_ns() // 1_000_000)
        return tokens.sign(shown._replace(at=shown.at - READ_FOR_MS))
