"""Handlers over moto: a table, a keyring, and requests as the gateway sends them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import botocore.session
import pytest

from consentry import telemetry
from consentry.deployment import Deployment
from consentry.providers import NAMES, sns
from consentry.rules import brands
from consentry.rules.brands import Brand, Brands
from consentry.settings import Settings
from consentry_build import catalogues
from support import hooks, permissions
from support.mailroom import ANN, BASE, Mailroom
from support.quick_moto import mock_aws
from support.reporting import Post
from support.world import World


@pytest.fixture(scope="session")
def _clients(_environment: None) -> dict[str, Any]:
    session = boto3.Session()
    return {each: session.client(each) for each in ("dynamodb", "s3", "secretsmanager", "sesv2", "sqs")}


class SharedSession(botocore.session.Session):
    """Builds the functions' own clients, each kind once: they hold nothing of a test, and take their time."""

    @cache  # noqa: B019 - there is one
    def create_client(self, service: str, config: Any) -> Any:
        """One that notes what it is asked."""
        return permissions.watched(super().create_client(service, config=config))


@pytest.fixture(scope="session")
def deploy(_environment: None) -> Callable[[Settings], Deployment]:
    """Builds deployments that share what no test changes."""
    session, shared = SharedSession(), _brands()

    def build(settings: Settings) -> Deployment:
        deployment = Deployment(settings, session)
        deployment.brands = shared
        return deployment

    return build


@pytest.fixture(scope="session")
def loaded() -> dict[str, ModuleType]:
    """Handler modules that were loaded, by function: a warm container keeps its own, too."""
    return {}


@pytest.fixture
def world(
    load_function: Callable[[str], ModuleType],
    loaded: dict[str, ModuleType],
    _clients: dict[str, Any],
    deploy: Callable[[Settings], Deployment],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A deployment with an empty table."""

    def warm(function: str) -> ModuleType:
        if function not in loaded:
            loaded[function] = permissions.obedient(function, load_function(function))
        return loaded[function]

    monkeypatch.setenv("KEYRING_SECRET_ARN", "")  # the world makes one, and it ends with the test
    with mock_aws():
        world = World(warm, _clients, deploy)
        monkeypatch.setattr("time.time_ns", lambda: world.now * 1_000_000)
        monkeypatch.setattr("consentry.table.store.PATIENCE_S", 60)  # moto copies its table for each transaction
        yield world


@pytest.fixture
def logged(world: World, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions log: JSON lines."""
    lines = io.StringIO()
    for handler in telemetry.logger().handlers:
        monkeypatch.setattr(handler, "stream", lines)
    return lines


def _brands() -> Brands:
    return brands.load(Path(os.environ["CONSENTRY_COMPILED"]) / "brands.json")


@pytest.fixture
def brand() -> Brand:
    """The demonstration brand, in every language there is."""
    found = _brands().get("demo")
    assert found is not None
    return found._replace(languages=catalogues.languages())


@pytest.fixture
def mailroom(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailroom]:
    """A mailroom with nothing in it."""
    mailroom = Mailroom(world)
    world.deploy(public_url=BASE, mail_queue_url=mailroom.queue)

    def undelayed(params: dict[str, Any], **_: Any) -> None:
        mailroom.delays.append(params.pop("DelaySeconds"))

    hooks = world.deployment._queue_client.meta.events
    hooks.register("provide-client-params.sqs.SendMessage", undelayed)
    yield mailroom
    hooks.unregister("provide-client-params.sqs.SendMessage", undelayed)


@pytest.fixture
def mail(mailroom: Mailroom) -> EmailMessage:
    """The email that Ann gets, who asked for news and offers."""
    mailroom.stream(mailroom.ask(ANN, "news", "offers"))
    (sent,) = mailroom.sent
    return sent


@pytest.fixture
def post(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """A deployment whose brand `demo` has every provider's secrets set."""
    document = {"root": "r", "brands": {"demo": {"webhooks": {name: hooks.secrets_of(name) for name in NAMES}}}}
    world.secrets.put_secret_value(SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=json.dumps(document))
    post = Post(world)
    monkeypatch.setattr(sns, "fetch", post.fetch)
    sns._keys.clear()
    yield post
    sns._keys.clear()
