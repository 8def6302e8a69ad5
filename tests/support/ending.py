"""Consent that ends, for tests of the functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from consentry.rules.brands import Brand, Brands
from support.world import DAY

if TYPE_CHECKING:
    from support.world import World


def claimed(world: World, *, ends: int, topic: str = "news") -> None:
    """A platform reported that Ann subscribed yesterday, until `ends`, epoch ms."""
    instants = {"occurred_at": world.now - DAY, "expires_at": ends}
    event = {"event_id": "1", "kind": "claimed", "email": "ann@example.com", "topics": [topic]}
    event |= {name: datetime.fromtimestamp(at / 1000, UTC).isoformat() for name, at in instants.items()}
    answer = world.api("POST", "/v1/events", {"events": [event]}, key=world.api_key())
    assert answer.json["results"] == [{"event_id": "1", "result": "applied"}]


def decided(world: World, topic: str = "news") -> dict[str, Any]:
    """What a platform is answered of Ann now."""
    question = {"topic": topic, "emails": ["ann@example.com"]}
    decision: dict[str, Any] = world.api("POST", "/v1/decisions", question, key=world.api_key()).json["decisions"][0]
    return {name: decision.get(name) for name in ("allowed", "reason", "status", "expires_at")}


def with_topic(world: World, topic: str = "news", **fields: Any) -> Brand:
    """The brand, with a topic changed."""
    demo = world.deployment.brands.get("demo")
    assert demo
    changed = demo._replace(topics={**demo.topics, topic: demo.topics[topic]._replace(**fields)})
    world.deployment.brands = Brands([changed])
    return changed
