"""Handlers over moto: a table, a keyring, and requests as the gateway sends them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import boto3
import pytest

from consentry import wiring
from consentry.http import pages
from consentry.rules import brands
from consentry.rules.brands import Brand
from consentry_build import catalogues
from support import permissions
from support.quick_moto import mock_aws
from support.world import World

_KEPT: Final = {"_session", "brands", "logger"}
"""What `wiring` builds that no test changes."""


@pytest.fixture(scope="session")
def _clients(_environment: None) -> dict[str, Any]:
    session = boto3.Session()
    return {each: session.client(each) for each in ("dynamodb", "s3", "secretsmanager", "sesv2", "sqs")}


@pytest.fixture(scope="session")
def _build() -> Callable[..., Any]:
    """Builds the functions' own clients, each kind once: they hold nothing of a test, and take their time."""
    build = wiring._client
    return cache(lambda *wanted: permissions.watched(build(*wanted)))


@pytest.fixture(scope="session")
def loaded() -> dict[str, ModuleType]:
    """Handler modules that were loaded, by room: a warm container keeps its own, too."""
    return {}


@pytest.fixture
def world(
    load_room: Callable[[str], ModuleType],
    loaded: dict[str, ModuleType],
    _clients: dict[str, Any],
    _build: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A deployment with an empty table."""

    def warm(room: str) -> ModuleType:
        if room not in loaded:
            loaded[room] = permissions.obedient(room, load_room(room))
        return loaded[room]

    _forget(loaded)
    monkeypatch.setattr(wiring, "_client", _build)
    with mock_aws():
        world = World(warm, _clients)
        monkeypatch.setattr("time.time_ns", lambda: world.now * 1_000_000)
        monkeypatch.setattr("consentry.table.store.PATIENCE_S", 60)  # moto copies its table for each transaction
        yield world
    _forget(loaded)


@pytest.fixture
def logged(world: World, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions log: JSON lines."""
    lines = io.StringIO()
    for handler in wiring.logger().handlers:
        monkeypatch.setattr(handler, "stream", lines)
    return lines


def _forget(loaded: dict[str, ModuleType]) -> None:
    """Have everything that depends on a table or a keyring built anew."""
    for module in (wiring, *loaded.values()):
        for name, each in list(vars(module).items()):
            if name not in _KEPT and hasattr(each, "cache_clear") and each.__module__ == module.__name__:
                each.cache_clear()


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Templates can be rendered without a deployment."""

    def forget() -> None:
        wiring.settings.cache_clear()
        pages._environment.cache_clear()

    monkeypatch.setenv("KEYRING_SECRET_ARN", "arn")
    forget()
    yield
    forget()


@pytest.fixture
def brand() -> Brand:
    """The demonstration brand, in every language there is."""
    found = brands.load(Path(os.environ["CONSENTRY_COMPILED"]) / "brands.json").get("demo")
    assert found is not None
    return found._replace(languages=catalogues.languages())
