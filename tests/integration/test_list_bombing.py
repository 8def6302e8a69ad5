"""What a list bomber gets: a day of posts to the form, and the emails that come of it.

The clock is turned, everything else is real: the journeys, the budgets, the breaker. A day of 60 posts is tried
always, over moto, whose transactions get slower with every item; the day of an attacker who means it over DynamoDB
Local, when `BOMB=10000` says how many posts (that takes minutes).
"""

from __future__ import annotations

import heapq
import math
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import pytest

from consentry.actions.circumstances import Circumstances
from consentry.actions.courier import _SPREAD_S
from consentry.actions.opting_in import OptIns
from consentry.links.keyring import Keyring
from consentry.rules import addresses
from consentry.rules.brands import Brand
from consentry.rules.ledger import Channel, Evidence
from consentry.table.breaker import Breaker
from consentry.table.schema import CONTACT
from consentry.table.store import Outcome
from support import people
from support.tables import ROOT, Table

FEW: Final = 60
MINUTE: Final = 60 * 1000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
MORNING: Final = 1_800_000_000_000 // DAY * DAY
KEYS: Final = Keyring(lambda: '{"root": "not so random"}')


class Attack(NamedTuple):
    """Who asks, for which address: by the number of the post."""

    name: str
    ip: Callable[[int, int], str]
    """Of the number of a post, and how many there are."""
    address: Callable[[int, int], str]
    most: Callable[[int, Brand], int]
    """How many emails may come of so many posts."""
    bound: str


def _one_ip(_at: int, _posts: int) -> str:
    return "203.0.113.7"


def _many_ips(at: int, posts: int) -> str:
    number = at % max(1, posts // 20)
    return f"198.51.{number // 250}.{number % 250 + 1}"


def _many_addresses(at: int, posts: int) -> str:
    return f"victim{at % max(1, posts // 10)}@gmail.com"


def _variants(at: int, _posts: int) -> str:
    return f"v{'.' * (at % 2)}ictim+{at}@gmail.com"


def _names(at: int, _posts: int) -> str:
    return f"victim{at}@{'mail.' * (at % 3)}company.example"


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
        lambda *_: 3,
        "3 a mailbox",
    ),
    Attack("a company's names, many IPs", _many_ips, _names, lambda *_: 20, "20 a domain"),
)


class Day(NamedTuple):
    """What became of a day's posts."""

    due: list[int]
    """The instants at which emails became due."""
    handed_over: list[int]
    """The instants at which the breaker let them through."""
    openings: int


def attacked(table: Table, attack: Attack, posts: int, brand: Brand, within: int = DAY) -> Day:
    """Post evenly over the day; then hand over what is due, as the courier would."""
    opt_ins = OptIns(table.store, table.limits)
    openings: list[str] = []
    breaker = Breaker(table.gateway, openings.append)
    due = []
    for at in range(posts):
        now = MORNING + at * within // posts
        address = addresses.parse(attack.address(at, posts))
        subscriber_id = addresses.subscriber_id(KEYS.pepper(brand.id), address)
        how = Circumstances(now, Channel.PAGE, Evidence(attack.ip(at, posts), "Mozilla/5.0"), "en")
        if opt_ins.subscribe(brand, subscriber_id, address, ["news"], how) is Outcome.APPLIED:
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
    told = f"{attack.name:42}{posts:>8} posts{len(day.due):>7} mails due{len(day.handed_over):>7} sent"
    print(f"\n{told}   {attack.bound}")  # noqa: T201 - the table is for people to read


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
    burst = Attack("burst", lambda at, _: f"198.51.100.{at}", lambda at, _: f"p{at}@gmail.com", lambda *_: 40, "")
    day = attacked(mock_table, burst, 40, slow, within=10_000)
    assert (len(day.due), len(day.handed_over)) == (40, 40)
    assert busiest_minute(day.handed_over) <= 8
    assert day.openings >= 1
    assert max(day.handed_over) - min(day.handed_over) < 3_600_000


# --- the tables of SECURITY.md ----------------------------------------------------------------------------------------


class Attacker(NamedTuple):
    """Where posts come from."""

    ip: Callable[[int], str]
    """Of the number of a post: as many networks in turn as there are."""
    posts: int
    """More than get through in an hour."""


ATTACKERS: Final = {
    "one IPv4 address": Attacker(lambda _: "203.0.113.7", 40),
    "one IPv6 /56, as a home has": Attacker(lambda at: f"2001:db8:0:{at % 256:x}::1", 80),
    "one IPv6 /48, as a company or a hosted machine has": Attacker(
        lambda at: f"2001:db8:0:{at * 257 % 65_536:x}::1", 260
    ),
    "a thousand IPv4 addresses": Attacker(lambda at: f"198.18.{at % 1_000 // 250}.{at % 250 + 1}", 2_010),
}
HOURS: Final = (0, 18)
"""Of a day, at which an attacker comes again."""


def day_of(table: Table, attacker: Attacker, email: str, brands: list[Brand]) -> int:
    """How many emails come of a day's posts to the brands' forms, in turn, with an address by the post's number."""
    opt_ins = OptIns(table.store, table.limits)
    due = 0
    for hour in HOURS:
        for at in range(24):
            now, brand = MORNING + hour * HOUR + at * MINUTE, brands[at % len(brands)]
            address = addresses.parse(email.format(hour * 100 + at))
            subscriber_id = addresses.subscriber_id(KEYS.pepper(brand.id), address)
            how = Circumstances(now, Channel.PAGE, Evidence(attacker.ip(at), "Mozilla/5.0"), "en")
            due += opt_ins.subscribe(brand, subscriber_id, address, ["news"], how) is Outcome.APPLIED
    return due


def hour_of(table: Table, attacker: Attacker, brand: Brand) -> int:
    """How many posts with addresses that nobody counts together the brand's form takes within an hour."""
    return sum(table.limits.admits(brand, attacker.ip(at), MORNING) for at in range(attacker.posts))


def rows(heading: str) -> list[list[str]]:
    """The cells of a table below a heading of SECURITY.md."""
    _, found, text = (ROOT / "SECURITY.md").read_text("utf-8").partition(f"\n{heading}\n")
    assert found, heading
    lines = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_security_page_says_how_many_emails_an_attacker_gets(real_table: Table, brand: Brand) -> None:
    brands = [brand, brand._replace(id="other")]
    computed = []
    for at, (name, attacker) in enumerate(ATTACKERS.items()):
        mailbox = day_of(real_table, attacker, f"victim{at}+{{}}@gmail.com", brands)
        domain = day_of(real_table, attacker, f"p{{}}@company{at}.example", brands)
        hour = hour_of(real_table, attacker, brand._replace(id=f"brand{at}"))
        computed.append([name, f"{mailbox}", f"{domain}", f"{hour:,}", f"{24 * hour:,}"])
    assert rows("## What a list bomber gets")[2:6] == computed


def test_the_security_page_says_what_it_takes_to_keep_others_from_emails(real_table: Table, brand: Brand) -> None:
    hours = [int(row[3]) for row in rows("## What a list bomber gets")[2:5]]
    address, home, company = (math.ceil(brand.limits.requests_an_hour / each) for each in hours)
    home_line = ATTACKERS["one IPv6 /56, as a home has"]
    mailbox, domain = (day_of(real_table, home_line, email, [brand]) for email in ("ann+{}@gmail.com", "p{}@a.example"))
    breaker = Breaker(real_table.gateway, lambda _: None)
    for _ in range(7):
        breaker.complained(brand.id, MORNING)
    left = sum(breaker.holds(brand, MORNING + minute * MINUTE) == 0 for minute in range(60) for _ in range(14))
    assert [row[1] for row in rows("### What keeps others out")[2:]] == [
        f"{mailbox} requests",
        f"{domain} requests that nobody confirms",
        f"{address} IPv4 addresses, {home} IPv6 /56, or {company} IPv6 /48",
        f"can't be done: seven complaints, or a thousand, leave {left} an hour",
    ]
