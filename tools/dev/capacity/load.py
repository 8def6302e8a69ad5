"""A billion emails a day: how often what happens, what is asked of each part, and how hot partitions get."""

from __future__ import annotations

import math
import random
from typing import Final, NamedTuple

from consentry.table.endpoints import PAUSES_S
from dev.capacity import assumed, costs, prices, sizes
from dev.capacity.template import LARGE, deployed

_HOUR_S: Final = 3600
_SEED: Final = 20261124


class Rate(NamedTuple):
    """How often something happens."""

    a_day: float
    hour: float
    """A second, in the busiest hour."""
    minute: float
    """A second, in its busiest minute."""


def rate(a_day: float) -> Rate:
    """Of something that people do after an email."""
    hour = a_day * assumed.PEAK_HOUR.value / _HOUR_S
    return Rate(a_day, hour, hour * assumed.PEAK_MINUTE.value)


MAILS: Final = assumed.MAILS_A_DAY.value
OPT_OUTS: Final = rate(MAILS * assumed.OPT_OUTS.value)
ONE_CLICKS: Final = rate(OPT_OUTS.a_day * (1 - assumed.BY_PAGE.value))
SCANS: Final = rate(MAILS * assumed.SCANNED.value)
VISITS: Final = rate(OPT_OUTS.a_day * assumed.BY_PAGE.value * 2)
"""A page that is shown, and its form."""
REQUESTS: Final = rate(assumed.SUBSCRIBERS.value * assumed.ASKED.value)
CONFIRMATIONS: Final = rate(REQUESTS.a_day * assumed.CONFIRMED.value)
REPORTS: Final = rate(MAILS * assumed.BOUNCED.value)
SCREENED: Final = Rate(
    MAILS, MAILS / assumed.SCREENING_HOURS.value / _HOUR_S, MAILS / assumed.SCREENING_HOURS.value / _HOUR_S
)
"""Evenly: a platform does it at its own pace."""


def _summed(*rates: Rate) -> Rate:
    return Rate(*(sum(part) for part in zip(*rates, strict=True)))


CHANGES: Final = _summed(OPT_OUTS, REQUESTS, CONFIRMATIONS, REPORTS)
HTTP: Final = _summed(
    ONE_CLICKS, SCANS, VISITS, Rate(*(2 * each for each in REQUESTS)), Rate(*(2 * each for each in CONFIRMATIONS))
)
"""Without the API: decisions are screened a thousand a call, and reports come a hundred a call or by a queue."""
OPT_OUT_CALLS: Final = _summed(ONE_CLICKS, Rate(*(each / 2 for each in VISITS)))
"""Those of them that have a throttle of their own: one click, and the page's form."""
PAGES: Final = _summed(HTTP, Rate(*(-each for each in OPT_OUT_CALLS)))
"""The others of them."""


def write_units() -> Rate:
    """What all writes take of the table."""
    measured = sizes.STEPS
    reported = sizes.REPORTED.write_units
    return _summed(
        Rate(*(each * measured["left"].write_units for each in OPT_OUTS)),
        Rate(*(each * (measured["asked"].write_units + sizes.EMAIL_BUDGETS + 2 + 3) for each in REQUESTS)),
        Rate(*(each * (measured["confirmed"].write_units + 1 + 1) for each in CONFIRMATIONS)),
        Rate(*(each * reported for each in REPORTS)),
    )


def read_units(*, screened: bool) -> Rate:
    """What all reads take: a unit for each page, for each first confirmation's address, and for each decision."""
    pages = _summed(SCANS, VISITS, CONFIRMATIONS, CONFIRMATIONS, Rate(*(4 * each for each in REQUESTS)))
    return _summed(pages, SCREENED) if screened else pages


def partitions(reads: float, writes: float, gigabytes: float) -> int:
    """How many partitions the table has, by what it was warmed for and by what it holds."""
    by_rate = math.ceil(
        max(
            reads / assumed.PARTITION_READS.value,
            writes / assumed.PARTITION_WRITES.value,
            assumed.NEW_WRITES.value / assumed.PARTITION_WRITES.value,
        )
    )
    return max(by_rate, math.ceil(gigabytes / assumed.PARTITION_GB.value))


def hottest(units: float, each: int, partitions: int, seconds: int = 600) -> float:
    """Units in the hottest second of the hottest partition, in so many seconds of `units` a second.

    Ids are HMACs, so each act falls on any partition alike; acts come as they like (Poisson, drawn by its normal
    approximation), `each` units at once.
    """
    dice = random.Random(_SEED)  # noqa: S311 - a simulation, repeatable on purpose
    mean = units / each / partitions
    drawn = (dice.gauss(mean, math.sqrt(mean)) for _ in range(seconds * partitions))
    return max(drawn) * each


def concurrency() -> dict[str, float]:
    """Functions at once in the busiest minute, by what they do."""
    clicks = HTTP.minute * assumed.CLICK_MS.value / 1000
    decisions = SCREENED.minute / 1000 * assumed.CALL_MS.value / 1000
    reports = REPORTS.minute * assumed.EVENT_MS.value / 1000
    emails = REQUESTS.minute * assumed.MAIL_MS.value / 1000
    notified = CHANGES.minute * assumed.ENDPOINTS.value * assumed.NOTIFY_MS.value / 1000
    return {
        "clicks and pages": clicks,
        "decisions": decisions,
        "reports": reports,
        "emails": emails,
        "notifying platforms": notified,
    }


def from_stream(source: str, record_ms: float, shards: int) -> float:
    """Records a second that a function takes from the stream."""
    factor = deployed(AccountConcurrency=LARGE).sources("dynamodb")[source].get("ParallelizationFactor", 1)
    return float(shards * factor * 1000 / record_ms)


def rounds(seconds: float) -> int:
    """How often a notification comes by and is deferred while its endpoint is unavailable for so long."""
    pauses = [*PAUSES_S[:-1]]
    at, times = 0.0, 1
    while at + (pause := pauses.pop(0) if pauses else PAUSES_S[-1]) <= seconds:
        at, times = at + pause, times + 1
    return times


def waited(messages: float) -> costs.Bill:
    """So many messages that come out of the queue and go into it again, since their endpoint is unavailable."""
    requests = 3 * messages / costs.MILLION * (prices.QUEUED.dollars + prices.FAIR.dollars)
    return costs.together(costs.functions(messages, assumed.STREAM_MS.value), {"SQS": requests})


def ledger_gb_a_year() -> float:
    """What a year adds to the table for good: each event, and a state for most who are reported or leave."""
    measured = sizes.STEPS
    event = sizes.STORED_OVERHEAD + sum(each.items["event"] for each in measured.values()) / len(measured)
    return CHANGES.a_day * 365 * event / costs.GB
