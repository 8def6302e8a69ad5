"""Handlers over moto: a table, a keyring, and requests as the gateway sends them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from consentry import addresses, wiring
from consentry.keyring import issue_api_key
from consentry.tokens import Link, Purpose
from support import events, tables

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000_000


class Context:
    """What Lambda tells a function of its call."""

    function_name = "consentry-api"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class World:
    """A deployment in this process: call its rooms, look into its table, turn its clock."""

    def __init__(self, load_room: Callable[[str], ModuleType]) -> None:
        self._load = load_room
        self._rooms: dict[str, ModuleType] = {}
        self.now = NOW
        self.dynamodb: Any = boto3.client("dynamodb")
        self.secrets: Any = boto3.client("secretsmanager")
        tables.create(self.dynamodb, os.environ["TABLE_NAME"], (ROOT / "template.yaml").read_text())
        arn = self.secrets.create_secret(
            Name="keyring", SecretString=json.dumps({"root": "not so random", "brands": {}})
        )["ARN"]
        os.environ["KEYRING_SECRET_ARN"] = arn

    def room(self, name: str) -> ModuleType:
        """A function's handler module."""
        if name not in self._rooms:
            self._rooms[name] = self._load(name)
        return self._rooms[name]

    def call(self, room: str, method: str, url: str, **how: Any) -> dict[str, Any]:
        """Answer of a room to one request."""
        answer: dict[str, Any] = self.room(room).handler(events.http(method, url, **how), Context())
        return answer

    def api_key(self, brand: str = "demo", scopes: tuple[str, ...] = ("read", "write", "erase")) -> str:
        """A fresh API key."""
        key = issue_api_key(self.secrets, os.environ["KEYRING_SECRET_ARN"], brand, scopes)
        wiring.keyring.cache_clear()
        wiring.tokens.cache_clear()
        wiring.store.cache_clear()
        wiring.journeys.cache_clear()
        return key

    def subscriber_id(self, email: str, brand: str = "demo") -> str:
        return addresses.subscriber_id(wiring.keyring().pepper(brand), addresses.parse(email))

    def token(
        self,
        purpose: Purpose,
        email: str = "ann@example.com",
        topics: tuple[str, ...] = ("news",),
        *,
        brand: str = "demo",
        reference: str = "",
        at: int = 0,
    ) -> str:
        """A signed link."""
        link = Link(purpose, brand, self.subscriber_id(email, brand), topics, reference, at)
        return wiring.tokens().sign(link)

    def status(self, email: str = "ann@example.com", topic: str = "news", brand: str = "demo") -> str:
        """How somebody stands to a topic, read from the table."""
        from consentry import consent as rules

        return rules.status(wiring.store().read(brand, self.subscriber_id(email, brand)), topic).value

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table."""
        found: list[dict[str, Any]] = self.dynamodb.scan(TableName=os.environ["TABLE_NAME"])["Items"]
        return found

    def events(self) -> list[dict[str, Any]]:
        """Every ledger event in the table."""
        return [item for item in self.items() if item["sk"]["S"].startswith("E#")]


@pytest.fixture
def world(load_room: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A deployment with an empty table."""
    built = [each for each in vars(wiring).values() if hasattr(each, "cache_clear")]
    with mock_aws():
        for each in built:
            each.cache_clear()
        world = World(load_room)
        monkeypatch.setattr("time.time_ns", lambda: world.now * 1_000_000)
        yield world
    for each in built:
        each.cache_clear()
