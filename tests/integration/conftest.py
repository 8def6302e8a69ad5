"""The store over two engines: moto in this process, and Amazon's DynamoDB Local."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore.config import Config

from consentry.actions.spool import Recorder
from consentry.links import tokens
from consentry.links.keyring import Keyring
from consentry.rules import brands
from consentry.rules.brands import Brand
from support import dynamodb_local
from support.acts import Acts
from support.quick_moto import mock_aws
from support.tables import Table

ENGINES: Final = ("moto", "dynamodb-local")


@pytest.fixture(scope="session")
def session() -> botocore.session.Session:
    """What clients are made of."""
    return botocore.session.get_session()


@pytest.fixture(scope="session")
def dynamodb_local_client(session: botocore.session.Session) -> Iterator[Any]:
    """A client of a DynamoDB Local that runs as long as the tests."""
    with dynamodb_local.running() as url:
        client = session.create_client(
            "dynamodb", endpoint_url=url, config=Config(max_pool_connections=20, retries={"total_max_attempts": 2})
        )
        yield client
        client.close()


@pytest.fixture(scope="session")
def moto_client(session: botocore.session.Session) -> Any:
    """A client that moto answers, where it is switched on."""
    return session.create_client("dynamodb")


@pytest.fixture
def mock_table(moto_client: Any) -> Iterator[Table]:
    """An empty table of moto's."""
    with mock_aws():
        yield Table(moto_client)


@pytest.fixture(params=ENGINES)
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """An empty table, on each engine in turn."""
    if request.param == "moto":
        yield request.getfixturevalue("mock_table")
    else:
        table = Table(request.getfixturevalue("dynamodb_local_client"))
        yield table
        table.client.delete_table(TableName=table.name)


@pytest.fixture
def real_table(dynamodb_local_client: Any) -> Iterator[Table]:
    """An empty table on DynamoDB Local alone: for races, which moto doesn't have."""
    table = Table(dynamodb_local_client)
    yield table
    table.client.delete_table(TableName=table.name)


@pytest.fixture(scope="session")
def brand() -> Brand:
    """The demonstration brand: `news` and `offers` are opt_in, `product` is opt_out."""
    found = brands.load(Path(os.environ["CONSENTRY_COMPILED"]) / "brands.json").get("demo")
    assert found
    return found


@pytest.fixture
def actions(table: Table) -> Acts:
    """What a person can do, on the table."""
    keys = Keyring(lambda: '{"root": "not so random"}')
    return Acts.over(table.store, tokens.Tokens(keys), Recorder(table.store), table.limits)
