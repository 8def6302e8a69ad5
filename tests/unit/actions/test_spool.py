"""What waits in the spool's queue is what was put there, or is refused whole."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given

from consentry.actions import spool
from consentry.actions.spool import Spooled
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table import schema
from consentry.table.store import Address
from support.odd import changed
from support.people import NOW, SUBSCRIBER

EVENT = Event(
    event_id="e-1",
    kind=Kind.UNSUBSCRIBED,
    brand="demo",
    subscriber_id=SUBSCRIBER,
    occurred_at=NOW,
    arrived_at=NOW,
    actor=Actor.RECIPIENT,
    channel=Channel.PAGE,
    effect=Consent({"out.news": NOW}, {"pause": Choice(NOW, "e-1", "0")}),
    topics=("news",),
    locale="de",
    reference="spring",
    suspected_automation=True,
    link="platform",
)
WAITING = Spooled(EVENT, Evidence("203.0.113.7", "x"), 365, Address.FORGET, "form-1")


@given(changed(json.loads(WAITING.to_json())))
def test_a_message_that_was_tampered_with_is_refused_or_can_be_recorded(message: object) -> None:
    with suppress(ValueError, TypeError, KeyError):
        waiting = spool.from_json(json.dumps(message))
        json.dumps(schema.event_item(waiting.event), ensure_ascii=False).encode()
        assert spool.from_json(waiting.to_json()) == waiting


def test_what_waits_is_what_was_put_there() -> None:
    assert spool.from_json(WAITING.to_json()) == WAITING


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", 5),
        ("occurred_at", 1e12),
        ("arrived_at", True),
        ("reference", "\ud800"),
        ("topics", [1]),
        ("brand", None),
    ],
)
def test_a_field_of_another_kind_is_refused(field: str, value: object) -> None:
    message = json.loads(WAITING.to_json())
    message[0][Event._fields.index(field)] = value
    with pytest.raises((ValueError, TypeError)):
        spool.from_json(json.dumps(message))
