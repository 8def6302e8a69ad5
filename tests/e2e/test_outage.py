"""The table goes away under a running stack: opt-outs are accepted all the same, and recorded when it is back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from support import dynamodb_local
from support.stack import Stack, standing
from support.waiting import eventually
from support.wire import Wire, wire


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Wire]]:
    """A stack whose functions reach DynamoDB Local through a wire that can be cut."""
    with (
        dynamodb_local.running() as url,
        wire(urlsplit(url).port or 0) as line,
        standing(tmp_path_factory.mktemp("outage"), dynamodb_endpoint_url=line.url) as stack,
    ):
        yield stack, line


def mint(stack: Stack, address: str) -> dict[str, Any]:
    body = {"topic": "news", "recipients": [{"email": address}]}
    minted: dict[str, Any] = stack.api("POST", "/v1/links", body).json()["links"][0]
    return minted


def test_an_opt_out_is_accepted_while_the_table_hangs_and_recorded_when_it_is_back(outage: tuple[Stack, Wire]) -> None:
    stack, line = outage
    one_click, by_page, reported = (f"{uuid.uuid4().hex[:12]}@example.com" for _ in range(3))
    links = {address: mint(stack, address)["unsubscribe_url"] for address in (one_click, by_page)}
    assert stack.status(one_click) == "none"
    line.cut()
    try:
        answer = stack.call("POST", links[one_click], body=b"List-Unsubscribe=One-Click")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        page = stack.call("GET", links[by_page])
        assert page.status == 200
        assert stack.call("POST", links[by_page], form=page.fields() | {"scope": "all"}).status == 200
        event = {"event_id": "1", "kind": "unsubscribed", "email": reported, "occurred_at": "2026-01-02T03:04:05Z"}
        told = stack.api("POST", "/v1/events", {"events": [event]}).json()["results"]
        assert [each["result"] for each in told] == ["spooled"]
        assert stack.api("POST", "/v1/decisions", {"topic": "news", "emails": [one_click]}).status == 503
    finally:
        line.mend()
    for address in (one_click, by_page, reported):
        assert eventually(lambda: stack.status(address), lambda status: status == "unsubscribed", 300)  # noqa: B023
