"""Records of the stream and messages of queues with something odd in them: they fail alone, and hold up no other."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from consentry.actions import notifications
from consentry.actions.notifications import Notification
from consentry.actions.spool import Spooled
from consentry.rules.brands import Endpoint
from consentry.table.schema import Contact, last_event
from support.memory import MemoryOutbox, MemoryStore, contact_image
from support.odd import changed
from support.world import NOW, World

from consentry.rules.consent import Consent  # isort: skip
from consentry.rules.ledger import Actor, Channel, Event, Kind  # isort: skip

ANN = "ann@example.com"
EVENT = Event(
    "e-1", Kind.UNSUBSCRIBED, "demo", "K9Xdq1X4AVefMXC3P9olGg", NOW, NOW, Actor.RECIPIENT, Channel.PAGE,
    Consent({"out.news": NOW}), ("news",),
)  # fmt: skip
KEY = {"pk": {"S": EVENT.partition_key}}
STATE = KEY | {"sk": {"S": "STATE"}, "out.news": {"N": str(NOW)}, "last_event": last_event(EVENT)}
CHANGE = {"Keys": KEY | {"sk": {"S": "STATE"}}, "NewImage": STATE, "SequenceNumber": "good"}
DUE = contact_image(EVENT, Contact(ANN, "de", ("news",), NOW, "e-1"))
ANNOUNCED = {"Keys": KEY | {"sk": {"S": "CONTACT"}}, "NewImage": DUE, "SequenceNumber": "good"}
TOLD = Notification("demo", "crm", EVENT.subscriber_id, "e-1", NOW, {"topics": {}})
often = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def store(world: World, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The functions, over a store in memory."""
    found = MemoryStore()
    brand = world.deployment.brands.get("demo")
    assert brand
    brand = brand._replace(notifications=(Endpoint("crm", "https://crm.example.com/", False),))
    monkeypatch.setattr(world.deployment.brands, "_brands", {"demo": brand})
    world.deployment.store = found  # type: ignore[assignment]  # in its place
    return found


def stream(world: World, function: str, *records: Any) -> list[str]:
    """Those of the records that fail."""
    listed = [
        {"eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": each} for each in records
    ]
    answer = world.function(function).handler({"Records": listed}, None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def queue(world: World, function: str, *bodies: str) -> list[str]:
    """Those of the messages that fail, by their place."""
    messages = [
        {
            "messageId": str(at),
            "receiptHandle": "r",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
            "eventSource": "aws:sqs",
        }
        for at, body in enumerate(bodies)
    ]
    answer = world.function(function).handler({"Records": messages}, None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


@pytest.mark.hypothesis
def test_an_odd_record_keeps_no_platform_from_hearing_of_another(
    world: World, store: MemoryStore, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[Notification] = []
    notifications_of = world.deployment.notification_queue
    monkeypatch.setattr(notifications_of, "send", lambda text, **_: queued.append(notifications.from_json(text)))

    @often
    @given(changed(CHANGE))
    def holds(odd: dict[str, Any]) -> None:
        queued.clear()
        assert "good" not in stream(world, "notifier", odd | {"SequenceNumber": "odd"}, CHANGE)
        assert queued[-1].event_id == "e-1"

    holds()
    assert ANN not in logged.getvalue()


@pytest.mark.hypothesis
def test_an_odd_record_keeps_nobody_elses_mail(
    world: World, store: MemoryStore, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(world.deployment.mailer, "send", lambda sender, mail, recipient, raw: sent.append(recipient))
    outbox = MemoryOutbox(store)
    world.deployment.outbox = outbox  # type: ignore[assignment]  # in its place

    @often
    @given(changed(ANNOUNCED))
    def holds(odd: dict[str, Any]) -> None:
        store.contacts[EVENT.subscriber_id] = Contact(ANN, "de", ("news",), NOW, "e-1")
        outbox.claims.clear()
        outbox.gone_out.clear()
        sent.clear()
        assert "good" not in stream(world, "courier", odd | {"SequenceNumber": "odd"}, ANNOUNCED)
        assert sent == [ANN]

    holds()
    assert ANN not in logged.getvalue()


@pytest.mark.hypothesis
def test_an_odd_message_in_the_spool_keeps_no_opt_out_from_being_recorded(
    world: World, store: MemoryStore, logged: io.StringIO
) -> None:
    good = Spooled(EVENT).to_json()

    @often
    @given(changed(json.loads(good)))
    def holds(odd: Any) -> None:
        store.events.clear()
        assert "1" not in queue(world, "drain", json.dumps(odd), good)
        assert "out.news" in store.read("demo", EVENT.subscriber_id).registers

    holds()


@pytest.mark.hypothesis
def test_an_odd_notification_is_not_sent_and_keeps_no_other(
    world: World, store: MemoryStore, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(world.deployment.keyring, "notification_secrets", lambda *_: ["whsec_bWFkZSB1cA=="])
    monkeypatch.setattr("consentry.http.outgoing.post", lambda url, body, *_, **__: sent.append(body) or 200)

    @often
    @given(changed(TOLD._asdict()))
    def holds(odd: Any) -> None:
        sent.clear()
        assert "1" not in queue(world, "notifier", json.dumps(odd), TOLD.to_json())
        assert sent

    holds()


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '["demo"]', '["demo", 1, 2, 3]', '["demo", "a", 2, "STATE"]', "[" * 5_000, "{"]
)
def test_a_mail_that_waits_under_no_reference_stays_in_the_queue(world: World, store: MemoryStore, body: str) -> None:
    assert queue(world, "courier", body) == ["0"]
