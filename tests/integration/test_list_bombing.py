"""What a list bomber gets: a day of posts to the form, and the mails that come of it.

The clock is turned, everything else is real: the journeys, the budgets, the breaker. A day of 60 posts is tried
always, over moto, whose transactions get slower with every item; the day of an attacker who means it over DynamoDB
Local, when `BOMB=10000` says how many posts (that takes minutes).
"""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import botocore.session
import pytest
from moto import mock_aws

from consentry import addresses, tokens
from consentry.brands import Brand
from consentry.courier import _SPREAD_S
from consentry.journeys import Circumstances, Journeys
from consentry.keyring import Keyring
from consentry.ledger import Channel, Evidence
from consentry.table.breaker import Breaker
from consentry.table.schema import CONTACT
from consentry.table.store import Outcome
from support import people
from support.tables import Table

FEW: Final = 60
DAY: Final = 24 * 3600 * 1000
MORNING: Final = 1_800_000_000_000 // DAY * DAY
KEYS: Final = Keyring(lambda: '{"root": "not so random"}')


class Attack(NamedTuple):
    """Who asks, for which address: by the number of the post."""

    name: str
    ip: Callable[[int, int], str]
    """Of the number of a post, and how many there are."""
    address: Callable[[int, int], str]
    most: Callable[[int, Brand], int]
    """How many mails may come of so many posts."""
    bound: str


def _one_ip(_at: int, _posts: int) -> str:
    return "203.0.113.7"


def _many_ips(at: int, posts: int) -> str:
    number = at % max(1, posts // 20)
    return f"198.51.{number // 250}.{number % 250 + 1}"


def _many_addresses(at: int, posts: int) -> str:
    return f"victim{at % max(1, posts // 10)}@example.com"


def _variants(at: int, _posts: int) -> str:
    return f"v{'.' * (at % 2)}ictim+{at}@gmail.com" if at else "victim@gmail.com"


ATTACKS: Final = (
    Attack(
        "many addresses, one IP",
        _one_ip,
        _many_addresses,
        lambda posts, brand: min(3 * posts // 10, 24 * brand.limits.requests_an_hour_per_ip),
        "the hourly budget of the IP, 3 an address",
    ),
    Attack(
        "many addresses, many IPs", _many_ips, _many_addresses, lambda posts, brand: 3 * posts // 10, "3 an address"
    ),
    Attack("one address, many IPs", _many_ips, lambda _at, _posts: "victim@example.com", lambda *_: 3, "3 an address"),
    Attack(
        "one mailbox's variants, many IPs",
        _many_ips,
        _variants,
        lambda *_: 3 + 3,
        "3 an address, 3 for all its variants",
    ),
)


class Day(NamedTuple):
    """What became of a day's posts."""

    due: list[int]
    """The instants at which mails became due."""
    handed_over: list[int]
    """The instants at which the breaker let them through."""
    openings: int


def attacked(table: Table, attack: Attack, posts: int, brand: Brand, within: int = DAY) -> Day:
    """Post evenly over the day; then hand over what is due, as the courier would."""
    journeys = Journeys(table.store, tokens.Tokens(KEYS), table.store, table.limits)
    openings: list[str] = []
    breaker = Breaker(table.gateway, table.limits, openings.append)
    due = []
    for at in range(posts):
        now = MORNING + at * within // posts
        address = addresses.parse(attack.address(at, posts))
        subscriber_id = addresses.subscriber_id(KEYS.pepper(brand.id), address)
        how = Circumstances(now, Channel.PAGE, Evidence(attack.ip(at, posts), "Mozilla/5.0"), "en")
        if journeys.subscribe(brand, subscriber_id, address, ["news"], how) is Outcome.APPLIED:
            due.append(now)
    return Day(due, list(_delivered(breaker, brand, due)), len(openings))


def _delivered(breaker: Breaker, brand: Brand, due: list[int]) -> Iterator[int]:
    jitter = random.Random(1)  # noqa: S311 - jitter, not a secret
    waiting = list(due)
    heapq.heapify(waiting)
    while waiting:
        now = heapq.heappop(waiting)
        held = breaker.holds(brand, now)
        if held:
            heapq.heappush(waiting, now + held + jitter.randint(1, _SPREAD_S) * 1000)
        else:
            yield now


def report(attack: Attack, posts: int, day: Day) -> None:
    told = f"{attack.name:34}{posts:>8} posts{len(day.due):>7} mails due{len(day.handed_over):>7} sent"
    print(f"\n{told}   {attack.bound}")  # noqa: T201 - the table is for people to read


@pytest.fixture
def mock_table(session: botocore.session.Session) -> Iterator[Table]:
    """An empty table of moto's."""
    with mock_aws():
        yield Table(session.create_client("dynamodb"))


@pytest.fixture
def brand() -> Brand:
    """A brand with the limits that one gets which sets none; it keeps no evidence."""
    return people.brand(evidence_days=0)


def assert_held(table: Table, attack: Attack, posts: int, brand: Brand) -> None:
    day = attacked(table, attack, posts, brand)
    report(attack, posts, day)
    assert 0 < len(day.due) <= attack.most(posts, brand)
    assert len(day.handed_over) == len(day.due), "what is due is sent, if late"
    assert busiest_minute(day.handed_over) <= brand.limits.mails_a_minute
    for contact in (item for item in table.items() if item["sk"]["S"] == CONTACT):
        asked = [int(contact[name]["N"]) for name in ("asked_at", "asked_2", "asked_3")]
        assert all(later - earlier >= 600_000 for later, earlier in pairwise(asked) if earlier)


def busiest_minute(instants: list[int]) -> int:
    minutes = [each // 60_000 for each in instants]
    return max(map(minutes.count, set(minutes)))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_a_list_bomber_gets_few_mails_out_of_a_day_of_posts(mock_table: Table, attack: Attack, brand: Brand) -> None:
    """A visitor has one request an hour here, since so few posts would never wear out 30."""
    narrow = brand._replace(limits=brand.limits._replace(requests_an_hour_per_ip=1))
    assert_held(mock_table, attack, FEW, narrow)


if "BOMB" in os.environ:  # takes minutes

    @pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
    def test_a_list_bomber_who_means_it_gets_no_more(real_table: Table, attack: Attack, brand: Brand) -> None:
        assert_held(real_table, attack, int(os.environ["BOMB"]), brand)


def test_a_burst_that_no_budget_stops_is_spread_by_the_breaker(mock_table: Table, brand: Brand) -> None:
    """Forty people, each from a network of their own, within ten seconds."""
    slow = brand._replace(limits=brand.limits._replace(mails_a_minute=8))
    burst = Attack("burst", lambda at, _: f"198.51.100.{at}", lambda at, _: f"p{at}@example.com", lambda *_: 40, "")
    day = attacked(mock_table, burst, 40, slow, within=10_000)
    assert (len(day.due), len(day.handed_over)) == (40, 40)
    assert busiest_minute(day.handed_over) <= 8
    assert day.openings >= 1
    assert max(day.handed_over) - min(day.handed_over) < 3_600_000
