"""What a one-click opt-out and the pages cost, once a function is warm."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from itsdangerous import URLSafeSerializer

from benchmarks.figures import Figure
from benchmarks.lambdas import running, take_turns
from benchmarks.surroundings import BRAND, TABLE
from consentry.actions.circumstances import Circumstances
from consentry.actions.opting_out import OptOuts
from consentry.actions.spool import Recorder
from consentry.links.tokens import Purpose
from consentry.rules.brands import load
from consentry.rules.ledger import Channel
from consentry.table.gateway import Gateway
from consentry.table.limits import Limits
from consentry.table.store import Store
from dev.emulator import build
from support import events
from support.fault_proxy import fault_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.lambdas import Code, Function
    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 12
CALLS: Final = 150
"""In each round."""
COUNTED: Final = 20
"""Calls whose calls of AWS are counted."""
PAGE_MS: Final = 1.0
"""CPU time that a page may take beyond its calls of AWS."""
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_KEY: Final = "a key of the benchmarks"
_signer: Final = URLSafeSerializer(_KEY, signer_kwargs={"digest_method": hashlib.sha256})


def one_click(token: str) -> bytes:
    """The event of a mail provider's post."""
    return json.dumps(events.http("POST", f"/u/{token}", body=ONE_CLICK, headers=FORM)).encode()


def page(path: str) -> bytes:
    """The event of a browser's look at a page."""
    return json.dumps(events.http("GET", path, headers={"accept-language": "de-AT,de;q=0.8"})).encode()


class People:
    """Somebody new for each event."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._numbers = iter(range(10**9))

    def leave(self, count: int) -> list[bytes]:
        """One-click opt-outs."""
        return [one_click(self._around.link(self._next())) for _ in range(count)]

    def leave_barely(self, count: int) -> list[bytes]:
        """Events for the floor that does the bare work of a one-click opt-out."""
        return [json.dumps({"token": _signer.dumps(f"S#{BRAND}#{self._next()}")}).encode() for _ in range(count)]

    def look_to_leave(self, count: int) -> list[bytes]:
        """Looks at the page that unsubscribes."""
        return [page(f"/u/{self._around.link(self._next())}") for _ in range(count)]

    def look_to_choose(self, count: int) -> list[bytes]:
        """Looks at the preferences."""
        return [page(f"/p/{self._around.link(self._next(), Purpose.PREFERENCES)}") for _ in range(count)]

    def read_barely(self, count: int) -> list[bytes]:
        """Events for the floor that reads what the preferences show."""
        return [json.dumps({"pk": f"S#{BRAND}#{self._next()}"}).encode() for _ in range(count)]

    def _next(self) -> str:
        return self._around.subscriber_id(next(self._numbers))


def bare_click(around: Surroundings) -> Code:
    """The floor of a one-click opt-out: the same token and transaction in the same runtime."""
    return around.floor("one_click", FLOOR_KEY=_KEY, FLOOR_WRITES=json.dumps(writes(around)))


def measure(around: Surroundings) -> Iterator[Figure]:
    """Against the bare work in a function of its own."""
    around.create_table()
    people = People(around)
    with ExitStack() as ending:
        oneclick, unsubscribe, click, preferences, read = (
            ending.enter_context(running(code))
            for code in (
                around.function("oneclick"),
                around.function("unsubscribe"),
                bare_click(around),
                around.function("preferences"),
                around.floor("page"),
            )
        )
        mine, least = take_turns(((oneclick, people.leave), (click, people.leave_barely)), ROUNDS, CALLS)
        for kind in ("cpu", "wall"):
            bar = 1.25 if kind == "cpu" else None
            value, floor = (getattr(each, kind) * 1000 for each in (mine, least))
            yield Figure("one click", value, floor, f"ms {kind}", bar, "loads and a boto3 transaction, same runtime")
        against = "one BatchGetItem by boto3, same runtime"
        for name, function, look in (
            ("page unsubscribe", unsubscribe, people.look_to_leave),
            ("page preferences", preferences, people.look_to_choose),
        ):
            mine, least = take_turns(((function, look), (read, people.read_barely)), ROUNDS, CALLS)
            yield Figure(name, mine.cpu * 1000, least.cpu * 1000, "ms cpu", None, against)
            beyond = (mine.cpu - least.cpu) * 1000
            yield Figure(f"{name}, beyond its call", beyond, PAGE_MS, "ms cpu", 1.0, "what a page may take")
    yield from counted(around, people)


def counted(around: Surroundings, people: People) -> Iterator[Figure]:
    """How often each calls AWS, by a proxy that all its calls go through."""
    seen: list[Any] = []
    acts: tuple[tuple[str, str, Callable[[int], list[bytes]]], ...] = (
        ("one click", "oneclick", people.leave),
        ("page unsubscribe", "unsubscribe", people.look_to_leave),
        ("page preferences", "preferences", people.look_to_choose),
    )
    with fault_proxy(random.Random(1), seen.append) as passage:  # noqa: S311 - nothing fails
        passage.target = around.dynamodb_url
        for name, which, make in acts:
            with running(around.function(which, AWS_ENDPOINT_URL_DYNAMODB=passage.url)) as function:
                seen.clear()
                answered(function, make(COUNTED))
            yield Figure(f"{name}, calls of AWS", len(seen) / COUNTED, 1, "calls", 1.0, "one call")


def answered(function: Function, made: list[bytes]) -> None:
    """Handle events, and make sure that each was answered well."""
    for event in made:
        answer = function.call(event)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"answered {answer['statusCode']}")


def writes(around: Surroundings) -> list[dict[str, Any]]:
    """The operations of the transaction that a one-click opt-out is."""
    seen: list[dict[str, Any]] = []

    class Client:
        exceptions = around.dynamodb.exceptions

        def transact_write_items(self, **request: Any) -> None:
            seen.extend(request["TransactItems"])

    client = Client()
    store = Store(Gateway(client, TABLE), around.keyring.ledger_key)
    opt_outs = OptOuts(store, Recorder(store), Limits(Gateway(client, TABLE), around.keyring.limit_key))
    brand = load(build.BUILT / "ConsentryLayer" / "python" / "consentry" / "compiled" / "brands.json").get(BRAND)
    assert brand is not None
    link = around.tokens.read(Purpose.UNSUBSCRIBE, around.link(around.subscriber_id(0)), 0)
    opt_outs.unsubscribe(brand, link, Circumstances(1_800_000_000_000, Channel.ONE_CLICK))
    return seen
