"""A deployment in this process: its functions, over a table and a keyring of moto's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from consentry.aws.keyring_document import issue_api_key
from consentry.deployment import Deployment
from consentry.links.tokens import Link, Purpose
from consentry.rules import addresses, ledger
from consentry.rules import consent as rules
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.settings import Settings
from support import calls, events, tables
from support.page import Page

NOW: Final = 1_800_000_000_000
"""When a test begins, epoch ms."""
SECOND: Final = 1_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR


class Context:
    """What Lambda tells a function of its call."""

    function_name = "consentry-api"
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class Answer:
    """What a person or platform gets."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.status: int = raw["statusCode"]
        self.body: str = raw["body"]
        single = {name.lower(): value for name, value in (raw.get("headers") or {}).items()}
        several = {name.lower(): ", ".join(each) for name, each in (raw.get("multiValueHeaders") or {}).items()}
        self.headers: dict[str, str] = single | several

    @property
    def page(self) -> Page:
        """The body, as a person sees it."""
        assert self.headers["content-type"] == "text/html; charset=utf-8"
        return Page(self.body)

    @property
    def json(self) -> Any:
        """The body, as a platform reads it."""
        return json.loads(self.body)


class World:
    """A deployment in this process: call its functions, look into its table, turn its clock."""

    def __init__(
        self,
        load_function: Callable[[str], ModuleType],
        clients: dict[str, Any],
        build: Callable[[Settings], Deployment],
    ) -> None:
        self._load = load_function
        self._build = build
        self._functions: dict[str, ModuleType] = {}
        self.now = NOW
        self.dynamodb, self.secrets, self.ses, self.sqs, self.s3 = (
            clients[each] for each in ("dynamodb", "secretsmanager", "sesv2", "sqs", "s3")
        )
        tables.create(self.dynamodb, os.environ["TABLE_NAME"])
        document = json.dumps({"root": "not so random", "brands": {}})
        os.environ["KEYRING_SECRET_ARN"] = self.secrets.create_secret(Name="keyring", SecretString=document)["ARN"]
        self.deployment = build(Settings.read())

    def deploy(self, **changed: Any) -> None:
        """Deploy anew, with some settings changed: nothing is left of what was built."""
        self.deployment = self._build(self.deployment.settings._replace(**changed))
        for name in self._functions:
            self.function(name)

    # --- coming in from outside --------------------------------------------------------------------------------

    def function(self, name: str) -> ModuleType:
        """A function's handler module, of this deployment."""
        module = self._functions[name] = self._load(name)
        module.deployment = self.deployment  # type: ignore[attr-defined]  # which it has
        return module

    def call(self, function: str, method: str, url: str, **how: Any) -> dict[str, Any]:
        """Answer of a function to one request, as Lambda gives it to the gateway."""
        answer: dict[str, Any] = self.function(function).handler(events.http(method, url, **how), Context())
        return answer

    def get(self, url: str, **how: Any) -> Answer:
        """Open a page."""
        return Answer(self.call(events.function(url, "GET"), "GET", url, **how))

    def post(self, url: str, form: Any = None, **how: Any) -> Answer:
        """Send a form, or a body."""
        return Answer(self.call(events.function(url, "POST"), "POST", url, form=form, **how))

    def send(self, method: str, url: str, **how: Any) -> Answer:
        """Any other request."""
        return Answer(self.call(events.function(url, method), method, url, **how))

    def api(self, method: str, path: str, body: Any = None, *, key: str = "", **how: Any) -> Answer:
        """A platform's call."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        raw = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        sent = {"content-type": "application/json", **headers, **how.pop("headers", {})}
        return Answer(self.call("api", method, path, body=raw, headers=sent, **how))

    def api_key(self, brand: str = "demo", scopes: tuple[str, ...] = ("read", "write", "erase")) -> str:
        """A fresh API key."""
        key = issue_api_key(self.secrets, os.environ["KEYRING_SECRET_ARN"], brand, scopes)
        self.deployment.keyring.renew()
        return key

    # --- people and links --------------------------------------------------------------------------------------

    def subscriber_id(self, email: str = "ann@example.com", brand: str = "demo") -> str:
        """Who somebody is to a brand."""
        return addresses.subscriber_id(self.deployment.keyring.pepper(brand), addresses.identify(email).address)

    def token(
        self,
        purpose: Purpose,
        email: str = "ann@example.com",
        topics: tuple[str, ...] = ("news",),
        *,
        brand: str = "demo",
        reference: str = "",
        at: int | None = None,
        ours: bool = False,
    ) -> str:
        """A signed link: as a platform mints it, or, of this moment, as we mail it."""
        dated = ours or purpose in {Purpose.CONFIRM, Purpose.UNDO, Purpose.STAMP, Purpose.REASON}
        instant = (self.now if dated else 0) if at is None else at
        subscriber_id = self.subscriber_id(email, brand)
        return self.deployment.tokens.sign(Link(purpose, brand, subscriber_id, topics, reference, instant, ours))

    def confirm_url(self, topics: tuple[str, ...] = ("news",), **of: Any) -> str:
        """The link of a confirmation email for a request of this moment."""
        return f"/c/{self.token(Purpose.CONFIRM, topics=topics, **of)}"

    def leave_url(self, topics: tuple[str, ...] = ("news",), **of: Any) -> str:
        """The unsubscribe link of an email."""
        return f"/u/{self.token(Purpose.UNSUBSCRIBE, topics=topics, **of)}"

    def choose_url(self, **of: Any) -> str:
        """The preferences link of an email."""
        return f"/p/{self.token(Purpose.PREFERENCES, topics=(), **of)}"

    def happened(
        self,
        registers: dict[str, int],
        *,
        email: str = "ann@example.com",
        brand: str = "demo",
        kind: Kind = Kind.CONFIRMED,
        at: int | None = None,
        **more: Any,
    ) -> None:
        """Something happened to somebody's consent before the test."""
        instant = max(registers.values()) if at is None else at
        event = Event(
            ledger.new_event_id(),
            kind,
            brand,
            self.subscriber_id(email, brand),
            instant,
            instant,
            Actor.RECIPIENT,
            Channel.PAGE,
            Consent(registers),
            tuple({name.partition(".")[2] or "*": 0 for name in registers}),
            **more,
        )
        self.deployment.store.record(event)

    def subscribed(self, *topics: str, email: str = "ann@example.com", brand: str = "demo") -> None:
        """Somebody confirmed these topics a day ago."""
        for topic in topics:
            self.happened({f"in.{topic}": self.now - DAY}, email=email, brand=brand)

    # --- what is known -----------------------------------------------------------------------------------------

    def consent(self, email: str = "ann@example.com", brand: str = "demo") -> Consent:
        """What the table knows of somebody."""
        return self.deployment.store.read(brand, self.subscriber_id(email, brand))

    def status(self, email: str = "ann@example.com", topic: str = "news", brand: str = "demo") -> str:
        """How somebody stands to a topic, read from the table."""
        return rules.status(self.consent(email, brand), topic).value

    def decision(self, topic: str = "news", email: str = "ann@example.com", brand: str = "demo") -> str:
        """Why somebody may or may not be mailed on a topic now."""
        found = self.deployment.brands.get(brand)
        assert found
        return rules.decide(self.consent(email, brand), topic, found.mode(topic), self.now).reason.value

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table, in the order of its keys."""
        found = self.dynamodb.scan(TableName=os.environ["TABLE_NAME"])["Items"]
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def people(self) -> list[dict[str, Any]]:
        """The same without what belongs to nobody, such as spent budgets."""
        return [item for item in self.items() if item["pk"]["S"].startswith("S#")]

    def events(self) -> list[dict[str, Any]]:
        """Every ledger event in the table."""
        return [item for item in self.items() if item["sk"]["S"].startswith("E#")]

    def intact(self, email: str = "ann@example.com", brand: str = "demo") -> bool:
        """Whether somebody's ledger verifies."""
        return self.deployment.store.ledger(brand, self.subscriber_id(email, brand)).intact

    # --- what AWS does -----------------------------------------------------------------------------------------

    @property
    def table_client(self) -> Any:
        """The client through which the functions reach the table."""
        return self.deployment.table_client

    @contextmanager
    def table_unavailable(self) -> Iterator[None]:
        """The table throttles whatever is asked of it."""
        with calls.failing(self.table_client, "ProvisionedThroughputExceededException"):
            yield
