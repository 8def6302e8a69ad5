"""Providers that post to the webhooks, signed as each does."""

from __future__ import annotations

import json
from typing import Any

from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.table.gateway import StoreUnavailableError
from support import hooks
from support.hooks import Sent

ANN = "ann@example.com"
NOTHING = {"applied": 0, "duplicate": 0, "ignored": 0, "spooled": 0}


class Post:
    """Sends what providers send."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.fetched: list[str] = []

    def send(self, sent: Sent, method: str = "POST", **how: Any) -> tuple[int, dict[str, Any]]:
        answer = self.world.call("webhook", method, sent.path, headers=sent.headers, body=sent.body, **how)
        kind = "application/json" if answer["statusCode"] == 200 else "application/problem+json"
        assert answer["headers"]["content-type"] == kind
        return answer["statusCode"], json.loads(answer["body"] or "{}")

    def say(self, provider: str, said: Any, **how: Any) -> dict[str, int]:
        """The counts that a signed call is answered with."""
        status, counts = self.send(hooks.send(provider, said, self.world.now, **how))
        assert status == 200, counts
        assert set(counts) == set(NOTHING)
        return {name: count for name, count in counts.items() if count}

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return hooks.certificate()

    def registers(self, email: str = ANN) -> dict[str, int]:
        return dict(self.world.deployment.store.read("demo", self.world.subscriber_id(email)).registers)

    def opt_in(self, at: int, email: str = ANN) -> None:
        """The person's own opt-in, as their own click records it."""
        event = Event(
            event_id=f"own-{at}",
            kind=Kind.CONFIRMED,
            brand="demo",
            subscriber_id=self.world.subscriber_id(email),
            occurred_at=at,
            arrived_at=at,
            actor=Actor.RECIPIENT,
            channel=Channel.PAGE,
            effect=Consent({"in.news": at}),
            topics=("news",),
        )
        self.world.deployment.store.record(event)


def counts_at(provider: str, at: int) -> int:
    """As of when an opt-out counts, of which the provider tells what it tells of `at`."""
    return at + 999 if provider in hooks.TELL_SECONDS else at


def move(old: str, new: str) -> dict[str, str]:
    return {"type": "upemail", "data[old_email]": old, "data[new_email]": new, "fired_at": "2027-01-15 07:30:00"}


def _unavailable(*_: Any, **__: Any) -> Any:
    raise StoreUnavailableError("unavailable")
