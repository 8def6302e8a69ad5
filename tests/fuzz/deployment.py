"""A deployment in one process and without AWS, for hundreds of calls a second: the functions over a store in memory."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from consentry import deployment, telemetry
from consentry.actions import notifications
from consentry.actions.forms import Form
from consentry.actions.own_links import OwnLinks
from consentry.actions.replay import Replay
from consentry.actions.reports import Reports
from consentry.actions.spool import Recorder
from consentry.http import outgoing
from consentry.http.leaving import UnsubscribePages
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses, ledger
from consentry.rules.brands import Brands, Endpoint, Webhook
from consentry.settings import Settings
from consentry.table import schema
from consentry.table.endpoints import Standing
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Recorded
from consentry_build.__main__ import build
from support import hooks
from support.acts import Acts
from support.memory import MemoryBreaker, MemoryLimits, MemoryOutbox, MemoryStore, contact_image

if TYPE_CHECKING:
    from consentry.actions.mails import Mail
    from consentry.actions.notifications import Notification
    from consentry.aws.mailbox import Arrived
    from consentry.rules.brands import Brand
    from consentry.rules.ledger import Event, Evidence
    from consentry.table.checkpoints import Task
    from consentry.table.schema import Contact

ROOT: Final = Path(__file__).parents[2]
NOW: Final = hooks.NOW
IP: Final = "203.0.113.7"
EMAIL: Final = "ann@example.com"
API_KEY: Final = "ck_demo_0a1b2c3d_b3VyIG93biBrZXksIG1hZGUgdXAgZm9yIGZ1enppbmc"
DOCUMENT: Final = {
    "root": "the root of all keys, made up for fuzzing",
    "brands": {
        "demo": {
            "api_keys": [
                {
                    "id": "0a1b2c3d",
                    "sha256": hashlib.sha256(API_KEY.encode()).hexdigest(),
                    "scopes": ["read", "write", "erase"],
                }
            ],
            "webhooks": {name: hooks.secrets_of(name) for name in (*hooks.SECRETS, "sendgrid")},
            "notifications": {"crm": [f"whsec_{base64.b64encode(b'made up for notifications').decode()}"]},
        }
    },
}
QUEUES: Final = (
    *("SPOOL_QUEUE_URL", "MAIL_QUEUE_URL", "FEEDBACK_QUEUE_URL"),
    *("NOTIFICATION_QUEUE_URL", "NOTIFICATION_DEAD_LETTERS_URL", "ARCHIVE_QUEUE_URL"),
)
_LARGEST_ITEM: Final = 400_000
"""Bytes, roughly: DynamoDB's limit."""
_LARGEST_MESSAGE: Final = 256 * 1024
"""Bytes: SQS's limit."""


class Finding(BaseException):
    """Something came out that may not."""


class Store(MemoryStore):
    """Refuses what DynamoDB would refuse."""

    def record(self, event: Event, *, evidence: Evidence | None = None, **more: Any) -> Recorded:
        _storable(schema.event_item(event))
        ledger.hash_event(b"key", event)
        if evidence:
            ledger.hash_evidence(b"key", event.event_id, evidence)
            json.dumps(evidence, ensure_ascii=False).encode()
        return super().record(event, evidence=evidence, **more)

    def request(self, event: Event, contact: Contact, **more: Any) -> Recorded:
        _storable(contact_image(event, contact))
        return super().request(event, contact, **more)


class Inbox:
    """The email that came in, in place of a bucket."""

    def __init__(self) -> None:
        self.raw = b""

    def read(self, _mail: Arrived, most: int) -> bytes:
        return self.raw[:most]

    def remove(self, _mail: Arrived) -> None:
        """Nothing is kept here."""


class Steps:
    """The archive's steps, which are not done here."""

    def go_on(self, task: Task, _now: int) -> None:
        assert task.segment < task.segments


class Mailer:
    """Takes every email that can be sent."""

    def send(self, _brand: Brand, _mail: Mail, _recipient: str, raw: bytes) -> None:
        if b"\n\n" not in raw.replace(b"\r\n", b"\n"):
            raise Finding("a mail without a body")


class Queue:
    """Holds nothing; `look` is shown what is sent."""

    name = "queue"

    def __init__(self, look: Callable[[str], None] = lambda _: None) -> None:
        self._look = look

    def send(self, text: str, **_: Any) -> None:
        self._look(text)

    def hide(self, _receipt_handle: str, _seconds: int) -> None:
        pass


class AllWell:
    """Endpoints that take what they are told."""

    def standing(self, _brand: str, _endpoint: str, _now: int) -> Standing:
        return Standing()

    def took(self, _brand: str, _endpoint: str, _now: int) -> None:
        pass


class Deployment:
    """The functions, and what they did in one run."""

    def __init__(self) -> None:
        os.environ.update(
            TABLE_NAME="table",
            KEYRING_SECRET_ARN="keyring",
            PUBLIC_URL="https://links.example.com",
            **dict.fromkeys(QUEUES, "https://sqs.us-east-1.amazonaws.com/123456789012/queue"),
            CONFIGURATION_SET="consentry",
            ARCHIVE_BUCKET="archive",
            ARCHIVE_SEGMENTS="1",
            POWERTOOLS_SERVICE_NAME="consentry",
            METRICS_NAMESPACE="Consentry/fuzz",
            POWERTOOLS_LOG_LEVEL="DEBUG",
            CONSENTRY_COMPILED=os.environ.get("CONSENTRY_COMPILED") or _compiled(),
        )
        time.time_ns = lambda: NOW * 1_000_000
        self.keyring = Keyring(lambda: json.dumps(DOCUMENT))
        self.tokens = Tokens(self.keyring)
        self.functions: dict[str, ModuleType] = {}
        self.queued: list[Notification] = []
        self.log = io.StringIO()
        self.inbox: Any = Inbox()
        self.breaker: Any = MemoryBreaker()
        self.store = Store()
        self.parts: Any = self._deployed()
        self.forget()

    def forget(self) -> None:
        """Nothing has happened yet."""
        self.store = Store()
        recorder: Any = Recorder(self.store, self._spool)
        store: Any = self.store
        limits: Any = MemoryLimits()
        acts = Acts.over(store, self.tokens, recorder, limits)
        reports = Reports(store, self.keyring.pepper, recorder)
        self.parts.store = store
        self.parts.opt_ins, self.parts.opt_outs, self.parts.choices, self.parts.forms = acts
        self.parts.queued_opt_outs = acts.opt_outs
        outbox: Any = MemoryOutbox(store)
        self.parts.own_links = OwnLinks(outbox, limits, lambda: "")
        self.parts.reports = self.parts.queued_reports = reports
        self.parts.replay = Replay(store, self.tokens, self.parts.brands, acts.opt_outs, acts.forms)
        self.parts.unsubscribe_pages = UnsubscribePages(
            self.parts.pages, self.tokens, self.parts.brands, acts.opt_outs, acts.forms, recorder
        )
        self.queued.clear()
        self.log.seek(0)
        self.log.truncate()

    def function(self, name: str) -> ModuleType:
        """A function's handler module, loaded as Lambda does."""
        if name not in self.functions:
            spec = importlib.util.spec_from_file_location(f"function_{name}", ROOT / "functions" / name / "handler.py")
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            module.deployment = self.parts  # type: ignore[attr-defined]  # which it has
            self.functions[name] = module
        return self.functions[name]

    @property
    def subscriber_id(self) -> str:
        """Whose links these are."""
        return addresses.subscriber_id(self.keyring.pepper("demo"), addresses.parse(EMAIL))

    def token(self, purpose: Purpose, topics: tuple[str, ...] = ("news",), reference: str = "", at: int = 0) -> str:
        """A link that we signed."""
        return self.tokens.sign(Link(purpose, "demo", self.subscriber_id, topics, reference, at))

    def places(self) -> dict[str, str]:
        """What a made-up request may name instead of spelling out."""
        minute = 60_000
        return {
            "{confirm}": self.token(Purpose.CONFIRM, at=NOW - minute),
            "{expired}": self.token(Purpose.CONFIRM, at=NOW - 8 * 24 * 60 * minute),
            "{unsubscribe}": self.token(Purpose.UNSUBSCRIBE, reference="spring-2027"),
            "{preferences}": self.token(Purpose.PREFERENCES, topics=()),
            "{keep}": self.token(Purpose.KEEP),
            "{undo}": self.token(Purpose.UNDO, at=NOW - minute),
            "{reason}": self.token(Purpose.REASON, at=NOW - minute),
            "{stamp}": self.token(Purpose.STAMP, (Form.CONFIRM,), at=NOW - minute),
            "{left}": self.token(Purpose.STAMP, (Form.UNSUBSCRIBE,), at=NOW - minute),
            "{kept}": self.token(Purpose.STAMP, (Form.KEEP,), at=NOW - minute),
            "{id}": self.subscriber_id,
        }

    def secrets(self) -> list[str]:
        """What may neither be answered nor logged."""
        found = [str(DOCUMENT["root"]), API_KEY, "made up for notifications"]
        found += [value for each in hooks.SECRETS.values() for value in each.values()]
        keys = [*self.keyring.signing_keys("demo"), self.keyring.pepper("demo"), self.keyring.ledger_key("demo")]
        found += [spelt for key in keys for spelt in (key.hex(), base64.urlsafe_b64encode(key).decode().rstrip("="))]
        return found

    def require_quiet(self, more: Iterable[str] = ()) -> None:
        """The log of this run names nobody, and holds no secret."""
        logged = self.log.getvalue()
        for each in (EMAIL, IP, *self.places().values(), *self.secrets(), *more):
            if each in logged:
                raise Finding(f"logged: {each!r}")

    def _deployed(self) -> deployment.Deployment:
        parts: Any = deployment.Deployment(Settings.read())
        brand = parts.brands.get("demo")
        assert brand
        webhooks = {name: Webhook(hooks.TOPICS, (hooks.ARN,)) for name in (*hooks.SECRETS, "sendgrid")}
        brand = brand._replace(webhooks=webhooks, notifications=(Endpoint("crm", "https://crm.example.com/", False),))
        parts.brands = Brands([brand])
        parts.keyring = self.keyring
        parts.tokens = self.tokens
        parts.mailer = Mailer()
        parts.mail_queue = parts.spool_queue = parts.feedback_queue = Queue()
        parts.notification_queue = parts.notification_dead_letters = Queue(self._queue)
        parts.endpoints = AllWell()
        parts.breaker = self.breaker
        parts.mailbox = self.inbox
        parts.archivist = Steps()
        telemetry.sys = SimpleNamespace(stdout=self.log)  # what is counted is a line in the log, too
        outgoing.post = lambda *_, **__: 200
        outgoing.get = lambda url: (200, hooks.certificate())
        for handler in telemetry.logger().handlers:
            handler.setStream(self.log)
        return parts

    def _spool(self, text: str) -> None:
        raise StoreUnavailableError("nothing is unavailable here")

    def _queue(self, text: str) -> None:
        told = notifications.from_json(text)
        if told.to_json() != text or len(text.encode()) > _LARGEST_MESSAGE:
            raise Finding("a notification that can't be queued")
        self.queued.append(told)


def _compiled() -> str:
    folder = tempfile.mkdtemp(prefix="consentry-fuzz-")
    build(ROOT / "tests/brands", Path(folder))
    return folder


def _storable(item: dict[str, Any]) -> None:
    """DynamoDB's own rules for an item, as far as what somebody typed could break them."""
    text = json.dumps(item, ensure_ascii=False)
    if len(text.encode()) > _LARGEST_ITEM or not 0 < len(item["sk"]["S"].encode()) <= 1024:
        raise Finding("an item that DynamoDB refuses")
    for value in _values(item):
        if "S" in value and not isinstance(value["S"], str):
            raise Finding("a string that is none")
        if "N" in value and not value["N"].lstrip("-").isdecimal():
            raise Finding("a number that is none")


def _values(part: Any) -> Iterable[dict[str, Any]]:
    for each in part.values() if isinstance(part, dict) else part:
        if isinstance(each, dict) and set(each) & {"S", "N", "BOOL"}:
            yield each
        elif isinstance(each, (dict, list)):
            yield from _values(each)
