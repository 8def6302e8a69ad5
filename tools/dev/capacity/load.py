"""A billion emails a day: how often what happens, what is asked of each part, and how hot partitions get."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from consentry.table.endpoints import PAUSES_S
from dev.capacity import costs, sizes
from dev.capacity.figures import given
from dev.capacity.template import LARGE, deployed

_SEED: Final = 20261124


@dataclass(frozen=True)
class Rate:
    """How often something happens."""

    a_day: float
    hour: float
    """A second, in the busiest hour."""
    minute: float
    """A second, in its busiest minute."""

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.a_day + other.a_day, self.hour + other.hour, self.minute + other.minute)

    def __mul__(self, times: float) -> Rate:
        return Rate(self.a_day * times, self.hour * times, self.minute * times)


def rate(a_day: float) -> Rate:
    """Of something that people do after an email."""
    hour = a_day * given("share of a day in its busiest hour") / 3600
    return Rate(a_day, hour, hour * given("busiest minute against that hour's mean"))


MAILS: Final = given("emails a day")
PEOPLE: Final = given("subscribers")
_BY_PAGE: Final = given("of these by the page, the rest by one click")
OPT_OUTS: Final = rate(MAILS * given("opt-outs an email"))
ONE_CLICKS: Final = OPT_OUTS * (1 - _BY_PAGE)
SCANS: Final = rate(MAILS * given("page visits by scanners, an email"))
VISITS: Final = OPT_OUTS * (2 * _BY_PAGE)
"""A page that is shown, and its form."""
REQUESTS: Final = rate(PEOPLE * given("new requests a day, a subscriber"))
CONFIRMATIONS: Final = REQUESTS * given("of these confirmed")
REPORTS: Final = rate(MAILS * given("bounces and complaints reported, an email"))
_SCREENED_S: Final = MAILS / given("hours in which a day's emails are screened") / 3600
SCREENED: Final = Rate(MAILS, _SCREENED_S, _SCREENED_S)
"""Evenly: a platform does it at its own pace."""
CHANGES: Final = OPT_OUTS + REQUESTS + CONFIRMATIONS + REPORTS
OPT_OUT_CALLS: Final = ONE_CLICKS + VISITS * 0.5
"""Calls that have a throttle of their own: one click, and the page's form."""
PAGES: Final = SCANS + VISITS * 0.5 + REQUESTS * 2 + CONFIRMATIONS * 2
HTTP: Final = OPT_OUT_CALLS + PAGES
"""Without the API: decisions are screened a thousand a call, and reports come a hundred a call or by a queue."""
WRITES: Final = (
    OPT_OUTS * sizes.STEPS["left"].write_units
    + REQUESTS * (sizes.STEPS["asked"].write_units + sizes.EMAIL_BUDGETS + 2 + 3)
    + CONFIRMATIONS * (sizes.STEPS["confirmed"].write_units + 1 + 1)
    + REPORTS * sizes.REPORTED.write_units
)
"""Units that all writes take of the table."""
READS: Final = SCANS + VISITS + CONFIRMATIONS * 2 + REQUESTS * 4
"""Units that reads take, decisions aside: one for each page, and for each first confirmation's address."""
NOTIFIED: Final = CHANGES.minute * given("endpoints that are notified of each change")
"""Notifications a second, in the busiest minute."""


def concurrency() -> dict[str, float]:
    """Functions at once in the busiest minute, by what they do."""
    ms = {
        "clicks and pages": HTTP.minute * given("billed time of a click or a page, ms"),
        "decisions": SCREENED.minute / 1000 * given("billed time of a call with 1,000 decisions, ms"),
        "reports": REPORTS.minute * given("billed time of one event in a call of 100, ms"),
        "emails": REQUESTS.minute * given("billed time of an email, ms"),
        "notifying platforms": NOTIFIED * given("billed time of notifying an endpoint, ms"),
    }
    return {what: each / 1000 for what, each in ms.items()}


def partitions(reads: float, writes: float, gigabytes: float) -> int:
    """How many partitions the table has, by what it was warmed for and by what it holds."""
    writes = max(writes, given("write units a second of a new table"))
    return math.ceil(
        max(
            reads / given("read units a second, a partition"),
            writes / given("write units a second, a partition"),
            gigabytes / given("GB in a partition"),
        )
    )


def hottest(units: float, each: int, partitions: int, seconds: int = 600) -> float:
    """Units in the hottest second of the hottest partition, in so many seconds of `units` a second.

    Ids are HMACs, so each act falls on any partition alike; acts come as they like (Poisson, drawn by its normal
    approximation), `each` units at once.
    """
    dice = random.Random(_SEED)  # noqa: S311 - a simulation, repeatable on purpose
    mean = units / each / partitions
    drawn = (dice.gauss(mean, math.sqrt(mean)) for _ in range(seconds * partitions))
    return max(drawn) * each


def heat() -> dict[str, int]:
    """Partitions of the table, by how it came to have them."""
    held = costs.stored_bytes(PEOPLE) / costs.GB
    reads, writes = (READS + SCREENED).minute, WRITES.minute
    return {
        "a new table": partitions(0, 0, 0),
        f"by its size of {held:,.0f} GB": partitions(0, 0, held),
        "warmed for half more than the peak": partitions(1.5 * reads, 1.5 * writes, held),
    }


def from_stream(source: str, record_ms: float, shards: int) -> float:
    """Records a second that a function takes from the stream."""
    factor = deployed(AccountConcurrency=LARGE).sources("dynamodb")[source].get("ParallelizationFactor", 1)
    return float(shards * factor * 1000 / record_ms)


def at_once(source: str, account: str) -> int:
    """The most functions that a queue, or a shard of the stream, starts at once in an account of this size."""
    read = deployed(AccountConcurrency=account).of_type("AWS::Lambda::EventSourceMapping")[source]
    return int(read.get("ScalingConfig", {}).get("MaximumConcurrency") or read["ParallelizationFactor"])


def rounds(seconds: float) -> int:
    """How often a notification comes by and is deferred while its endpoint is unavailable for so long."""
    pauses = [*PAUSES_S[:-1]]
    at, times = 0.0, 1
    while at + (pause := pauses.pop(0) if pauses else PAUSES_S[-1]) <= seconds:
        at, times = at + pause, times + 1
    return times


def ledger_gb_a_year() -> float:
    """What a year adds to the table for good: each event, and a state for most who are reported or leave."""
    event = sizes.STORED_OVERHEAD + sum(each.items["event"] for each in sizes.STEPS.values()) / len(sizes.STEPS)
    return CHANGES.a_day * 365 * event / costs.GB
