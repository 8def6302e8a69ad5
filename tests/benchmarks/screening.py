"""What decisions on an audience cost: 1,000 people in one call."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure
from benchmarks.lambdas import running, take_turns
from benchmarks.surroundings import API_KEY, BRAND, TOPIC
from support import events

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 6
CALLS: Final = 5
PEOPLE: Final = 1_000


def asking(**question: object) -> bytes:
    """The event of a platform's question."""
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"}
    body = json.dumps({"topic": TOPIC, **question})
    return json.dumps(events.http("POST", "/v1/decisions", body=body, headers=headers)).encode()


def barely(subscriber_ids: Sequence[str]) -> bytes:
    """The event for the floor that only reads."""
    return json.dumps({"names": [f"S#{BRAND}#{each}" for each in subscriber_ids]}).encode()


def measure(around: Surroundings) -> Iterator[Figure]:
    """By address and by id, each against as many BatchGetItems as it takes."""
    around.populate("bench", PEOPLE)
    addresses = [around.address(number) for number in range(PEOPLE)]
    ids = [around.subscriber_id(number) for number in range(PEOPLE)]
    asked = {"addresses": asking(emails=addresses), "ids": asking(subscriber_ids=ids)}
    with ExitStack() as ending:
        api = ending.enter_context(running(around.function("api")))
        floor = ending.enter_context(running(around.floor("decisions")))
        answer = json.loads(api.call(asked["addresses"])["body"])
        if [each["subscriber_id"] for each in answer["decisions"]] != ids:
            raise RuntimeError("the decisions are of others than were asked for")
        for what, event in asked.items():
            mine, least = take_turns(
                ((api, lambda count, event=event: [event] * count), (floor, lambda count: [barely(ids)] * count)),
                ROUNDS,
                CALLS,
            )
            for kind in ("cpu", "wall"):
                value, low = (getattr(each, kind) * 1000 for each in (mine, least))
                bar = 1.25 if kind == "cpu" else None
                yield Figure(
                    f"1,000 decisions by {what}",
                    value,
                    low,
                    f"ms {kind}",
                    bar,
                    "ten BatchGetItems by boto3, same runtime",
                )
