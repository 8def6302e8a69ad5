"""Checkpoints: where each segment of each run of the archive is. `pk` is `L#archive#<run>`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.table import schema
from consentry.table.gateway import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.table.gateway import Gateway

_KEPT_S: Final = 60 * schema.DAY_S
"""How long it is known where a run is; a message lives for 14 days, among the dead letters too, and as long again
once somebody has put it back."""


class Task(NamedTuple):
    """One segment of a run."""

    month: str
    run: str
    segment: int
    segments: int

    def to_json(self) -> str:
        """As it waits in the queue."""
        return json.dumps(self._asdict())


class Part(NamedTuple):
    """One object of a run."""

    key: str
    size: int
    """Bytes."""
    sha256: str
    """Of the object, hex."""
    events: int
    heads: int


class Checkpoint(NamedTuple):
    """How far a segment is."""

    step: int = 0
    """How many are done."""
    start: Mapping[str, Any] | None = None
    """The key after which the scan goes on."""
    open: str = ""
    """The partition whose events were written, and its head not yet: a page may end between them."""
    done: bool = False


class Checkpoints:
    """Where each segment of each run is."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read(self, task: Task) -> Checkpoint:
        """Where a segment is; at its beginning, if nothing is known of it."""
        item = self._gateway.get(_key(task))
        if not item:
            return Checkpoint()
        return Checkpoint(
            schema.integer(item, "step"), item.get("start", {}).get("M"), schema.text(item, "open"), "done" in item
        )

    def advance(self, task: Task, place: Checkpoint, after: Checkpoint, part: Part | None, now: int) -> bool:
        """Note a step; False if it was noted before."""
        expires = {"expires_at": schema.number(now // 1000 + _KEPT_S)}
        item: dict[str, Any] = {
            **_key(task),
            "step": schema.number(after.step),
            "open": schema.string(after.open),
            **expires,
        }
        if after.start is not None:
            item["start"] = {"M": dict(after.start)}
        if after.done:
            item["done"] = {"BOOL": True}
        operations: list[dict[str, Any]] = [
            {
                "Put": {
                    "Item": item,
                    # Nobody has done this step yet.
                    "ConditionExpression": "step = :step" if place.step else "attribute_not_exists(step)",
                    **({"ExpressionAttributeValues": {":step": schema.number(place.step)}} if place.step else {}),
                }
            }
        ]
        if part is not None:
            noted = {
                **schema.key(f"L#archive#{task.run}", f"P#{task.segment:03d}#{place.step:05d}"),
                "part": schema.string(json.dumps(part)),
                **expires,
            }
            operations.append({"Put": {"Item": noted}})
        return self._gateway.transact(operations, time.monotonic() + PATIENCE_S) is None

    def of_run(self, run: str) -> tuple[int, list[Part]]:
        """How many segments of a run are done, and its parts."""
        done, parts = 0, []
        for item in self._gateway.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": schema.string(f"L#archive#{run}")},
            ConsistentRead=True,
        ):
            done += "done" in item
            if "part" in item:
                parts.append(Part(*json.loads(item["part"]["S"])))
        return done, parts


def _key(task: Task) -> dict[str, Any]:
    return schema.key(f"L#archive#{task.run}", f"S#{task.segment:03d}")
