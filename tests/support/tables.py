"""The table, as the template declares it."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any, Final

from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms

from consentry.table.gateway import Gateway
from consentry.table.limits import Limits
from consentry.table.outbox import Outbox
from consentry.table.store import Store

ROOT: Final = Path(__file__).parents[2]
ANN: Final = "K9Xdq1X4AVefMXC3P9olGg"
BOB: Final = "ZZZdq1X4AVefMXC3P9olGg"
LEDGER_KEY: Final = b"a ledger key of the tests"
LIMIT_KEY: Final = b"a limit key of the tests"
_numbers: Final = itertools.count(1)


def create(client: Any, name: str) -> None:
    """Create the template's table, so that tests can't drift from what is deployed.

    It has no stream, which nothing reads here: moto copies a table with all of its stream for every transaction.
    """
    client.create_table(TableName=name, **_as_declared())


@cache
def _as_declared() -> dict[str, Any]:
    properties = loads((ROOT / "template.yaml").read_text())["Resources"]["Table"]["Properties"]
    return {
        "BillingMode": str(properties["BillingMode"]),
        "AttributeDefinitions": [_plain(each) for each in properties["AttributeDefinitions"]],
        "KeySchema": [_plain(each) for each in properties["KeySchema"]],
    }


class Table:
    """An empty table, a store on it, and a look behind the store's back."""

    def __init__(self, client: Any) -> None:
        self.name = f"consentry-{next(_numbers)}"
        self.client = client
        self.slept: list[float] = []
        """How long the store wanted to wait before each retry, in seconds; nobody waits for real."""
        create(client, self.name)
        self.gateway = Gateway(client, self.name, self.slept.append)
        self.store = Store(self.gateway, lambda brand: LEDGER_KEY + brand.encode())
        self.outbox = Outbox(self.gateway)
        self.limits = Limits(self.gateway, lambda brand: LIMIT_KEY + brand.encode())

    @property
    def is_mock(self) -> bool:
        """Whether it is moto's."""
        return "127.0.0.1" not in self.client.meta.endpoint_url

    def items(self) -> list[dict[str, Any]]:
        """Everything, in the order of its keys."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        found = [item for page in pages for item in page["Items"]]
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def kinds(self) -> list[str]:
        """What is in the table: `STATE`, `CONTACT`, `E` for an event, `V` for evidence."""
        return [item["sk"]["S"].partition("#")[0] for item in self.items()]

    def item(self, kind: str, subscriber_id: str = ANN) -> dict[str, Any]:
        """The first of a subscriber's items of a kind."""
        return next(
            each
            for each in self.items()
            if each["pk"]["S"].endswith(f"#{subscriber_id}") and each["sk"]["S"].partition("#")[0] == kind
        )

    def put(self, item: dict[str, Any]) -> None:
        """Write over an item."""
        self.client.put_item(TableName=self.name, Item=item)

    def remove(self, item: dict[str, Any]) -> None:
        """Delete an item."""
        self.client.delete_item(TableName=self.name, Key={"pk": item["pk"], "sk": item["sk"]})


def _plain(node: Any) -> Any:
    return {str(key): str(value) for key, value in node.items()}
