"""HTTP as a person's browser, a mail provider and a platform speak it; each call is timed, by its route."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from dev.preview.forms import Form, forms_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

URLENCODED: Final = "application/x-www-form-urlencoded"
_AGENT: Final = "Mozilla/5.0 (consentry-rehearsal)"
_TIMEOUT_S: Final = 35
"""More than API Gateway's 30."""
_ROUTES: Final = (
    (re.compile(r"/(s|c|p)/[^/]+"), r"/\1/{…}"),
    (re.compile(r"/u/(page|undo)/.+"), r"/u/\1/{…}"),
    (re.compile(r"/u/.+"), "/u/{…}"),
    (re.compile(r"/hooks/[^/]+/"), "/hooks/{…}/"),
    (re.compile(r"/v1/subscribers/[A-Za-z0-9_-]{22}"), "/v1/subscribers/{…}"),
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str

    @property
    def kind(self) -> str:
        """The content type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    def json(self) -> Any:
        """The body, as a platform reads it.

        Raises:
            ValueError: it isn't JSON.
        """
        return json.loads(self.text)

    def form(self, to: str = "", **fields: str) -> Form:
        """The first form of a page that is sent to an address that begins with `to`, and has these fields.

        Raises:
            LookupError: the page has none.
        """
        for form in forms_in(self.text):
            if form.action.startswith(to) and fields.items() <= dict(form.fields).items():
                return form
        raise LookupError


class Timed(NamedTuple):
    """How long a call took."""

    call: str
    """Method and route, without what names somebody: `POST /u/{…}`."""
    status: int
    ms: int


class Caller:
    """Calls a stack."""

    def __init__(self, base_url: str, api_key: str, send: Callable[..., Any] | None = None) -> None:
        """`send` is urllib3's `request`, or stands for it."""
        self.base_url = base_url
        self.timed: list[Timed] = []
        self._api_key = api_key
        self._send = send or urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S).request

    def call(
        self,
        method: str,
        url: str,
        *,
        form: Iterable[tuple[str, str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once, and follow nothing. `url` may be a path.

        Raises:
            urllib3.exceptions.HTTPError: nobody answers, or not in HTTP. Its text may name the link.
        """
        sent = {"user-agent": _AGENT, "accept": "text/html", **(headers or {})}
        if form is not None:
            body, sent["content-type"] = urlencode(list(form)).encode(), URLENCODED
        began = time.perf_counter()
        got = self._send(method, urljoin(self.base_url, url), body=body, headers=sent, redirect=False)
        ms = round((time.perf_counter() - began) * 1000)
        self.timed.append(Timed(f"{method} {_route(url)}", got.status, ms))
        return Answer(got.status, {name.lower(): value for name, value in got.headers.items()}, got.data.decode())

    def press(self, url: str, form: Form, **values: str | list[str]) -> Answer:
        """Send a form of the page at `url`, with some of its fields changed."""
        return self.call("POST", urljoin(urljoin(self.base_url, url), form.action), form=form.with_values(values))

    def api(self, method: str, path: str, body: Any = None, *, key: bool = True) -> Answer:
        """Ask as the platform does; without its key, as anybody."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {self._api_key}"
        return self.call(method, path, body=None if body is None else json.dumps(body).encode(), headers=headers)


def _route(url: str) -> str:
    path = urlsplit(url).path
    found = next(((pattern, plain) for pattern, plain in _ROUTES if pattern.match(path)), None)
    return found[0].sub(found[1], path, count=1) if found else path
