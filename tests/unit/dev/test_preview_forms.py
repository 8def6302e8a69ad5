"""Forms of previewed pages: they go where the page came from."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from consentry.links.keyring import Keyring
from dev.emulator.outbox import Outbox
from dev.preview.server import Preview
from support import people


def test_a_form_before_its_page_is_answered() -> None:
    copies: Any = SimpleNamespace()  # nothing is unavailable in what is asked here
    preview = Preview(
        base_url="http://127.0.0.1:9",
        brands={"demo": people.brand()},
        keys=Keyring(lambda: '{"root": "not so random"}'),
        api_keys={},
        copies=copies,
        outbox=Outbox(),
        console_headers={},
    )

    async def post() -> tuple[int, str]:
        async with TestClient(TestServer(preview.application())) as client:
            answer = await client.post("/demo/preferences", data={"scope": "all"})
            return answer.status, await answer.text()

    assert asyncio.run(post()) == (409, "open the page first: this stack hasn't shown it yet\n")
