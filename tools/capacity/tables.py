"""The tables of docs/scale.md and docs/costs.md, by the name that stands in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from capacity import assumed, costs, load, prices, sizes
from capacity.template import Template
from consentry.brands import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from capacity.costs import Bill
    from capacity.load import Rate
    from capacity.prices import Price

_TEN_THOUSAND: Final = 10_000


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _words(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _count(number: float) -> str:
    if 0 < number < 10:  # noqa: PLR2004 - below it a decimal says something
        return f"{number:.1f}".removesuffix(".0")
    return f"{number:,.0f}"


def _dollars(number: float) -> str:
    return f"${number:,.0f}" if number >= 1_000 else f"${number:,.2f}"  # noqa: PLR2004 - cents of thousands say nothing


def _total(bill: Bill) -> float:
    return sum(bill.values())


def _hottest(writes: float, partitions: int) -> str:
    return f"{load.hottest(writes, sizes.journey()['left'].write_units, partitions):,.0f}"


# --- Scale ----------------------------------------------------------------------------------------------------------


def items() -> str:
    """What a person's acts write."""
    measured = {**sizes.journey(), "left, without evidence": sizes.journey(evidence=False)["left"]}
    measured["left, never seen before"] = sizes.unknown_leaves()
    kinds = ["state", "event", "contact", "evidence"]
    return _table(
        ["transaction", *(f"{kind}, bytes" for kind in kinds), "write units"],
        [
            [what, *(str(each.items.get(kind, "–")) for kind in kinds), str(each.write_units)]
            for what, each in measured.items()
        ],
    )


def rates() -> str:
    """How often what happens."""
    named: dict[str, Rate] = {
        "opt-outs": load.OPT_OUTS,
        "of these by one click": load.ONE_CLICKS,
        "page visits by scanners": load.SCANS,
        "requests to get mail": load.REQUESTS,
        "confirmations": load.CONFIRMATIONS,
        "bounces and complaints": load.REPORTS,
        "calls by HTTP, decisions aside": load.HTTP,
        "changes that platforms are told": load.CHANGES,
        "write units": load.write_units(),
        "read units, decisions aside": load.read_units(screened=False),
        "read units with all decisions": load.read_units(screened=True),
    }
    return _table(
        ["", "a day", "a second, busiest hour", "a second, busiest minute"],
        [[what, *map(_count, each)] for what, each in named.items()],
    )


def breaks() -> str:
    """What breaks first, in order: the mails a day at which it does, all else as assumed."""
    template, mails = Template(), assumed.MAILS_A_DAY.value
    gateway, opt_outs = template.default("RequestsPerSecond"), template.default("OptOutsPerSecond")
    bounds = Bounds()
    told = load.CHANGES.minute * assumed.ENDPOINTS.value
    most = template.sources("SQS")["NotifierFunction.Due"]["ScalingConfig"]["MaximumConcurrency"]
    at_once = sum(load.concurrency().values())
    found = [
        (
            gateway / load.PAGES.minute,
            "the API's throttle",
            f"`RequestsPerSecond` {gateway:,}",
            "`RequestsRefused`, status 429 in the API's log",
            "`RequestsPerSecond`, `RequestBurst`",
        ),
        (
            opt_outs / load.OPT_OUT_CALLS.minute,
            "the throttle of opt-outs",
            f"`OptOutsPerSecond` {opt_outs:,}",
            "`OptOutsRefused`, which wakes somebody",
            "`OptOutsPerSecond`, `OptOutBurst`",
        ),
        (
            assumed.NEW_READS.value / load.read_units(screened=True).minute,
            "reads of a new table, while all mails are screened",
            f"{assumed.NEW_READS.value:,.0f} units a second",
            "`ReadThrottleEvents`",
            "warm throughput; screening more slowly",
        ),
        (
            assumed.TABLE_UNITS.value / load.read_units(screened=True).minute,
            "the table's quota of reads",
            f"{assumed.TABLE_UNITS.value:,.0f} units a second",
            "`ReadThrottleEvents`",
            "the quota; screening more slowly",
        ),
        (
            assumed.NEW_WRITES.value / load.write_units().minute,
            "writes of a new table",
            f"{assumed.NEW_WRITES.value:,.0f} units a second",
            "`WriteThrottleEvents`; the spool fills",
            "warm throughput",
        ),
        (
            assumed.SES_RATE.value / load.REQUESTS.minute,
            "SES's first rate",
            f"{assumed.SES_RATE.value:,.0f} mails a second",
            "mails wait in the mail queue",
            "the quota of SES",
        ),
        (
            bounds.mails_a_minute / 60 * assumed.BRANDS.value / load.REQUESTS.minute,
            "the breaker of each brand",
            f"`mails_a_minute` {bounds.mails_a_minute}, {assumed.BRANDS.value:.0f} brands",
            "`BreakerOpened`",
            "`mails_a_minute`",
        ),
        (
            bounds.requests_an_hour / 3600 * assumed.BRANDS.value / load.REQUESTS.hour,
            "the form of each brand, silently",
            f"`requests_an_hour` {bounds.requests_an_hour:,}, {assumed.BRANDS.value:.0f} brands",
            "fewer mails than visits of the form",
            "`requests_an_hour`",
        ),
        (
            assumed.ACCOUNT_RATE.value / load.HTTP.minute,
            "API Gateway's quota",
            f"{assumed.ACCOUNT_RATE.value:,.0f} calls a second",
            "status 429, though the throttle is higher",
            "the quota",
        ),
        (
            load.from_stream("NotifierFunction.Changed", assumed.STREAM_MS.value, 4) / load.CHANGES.minute,
            "the notifier on the stream of a new table",
            "4 shards",
            "`IteratorAge` of the notifier",
            "`ParallelizationFactor`; warm throughput makes shards",
        ),
        (
            most / (assumed.TELL_MS.value / 1000) / told,
            "telling platforms",
            f"`MaximumConcurrency` {most}",
            "age of the oldest message in the notification queue",
            "`MaximumConcurrency`, and the concurrency quota before it",
        ),
        (
            assumed.CONCURRENCY.value * assumed.CALLS_A_CONTAINER.value / (load.HTTP.minute + told),
            "calls of functions",
            f"{assumed.CALLS_A_CONTAINER.value:.0f} a second for each of {assumed.CONCURRENCY.value:,.0f} at once",
            "`Throttles`",
            "the quota of functions at once",
        ),
        (
            assumed.CONCURRENCY.value / at_once,
            "functions at once",
            f"{assumed.CONCURRENCY.value:,.0f} of the account",
            "`Throttles`, `ConcurrentExecutions`",
            "the quota",
        ),
        (
            load.from_stream("CourierFunction.Due", assumed.MAIL_MS.value, 4) / load.REQUESTS.minute,
            "the courier on the stream of a new table",
            "4 shards",
            "`IteratorAge` of the courier",
            "warm throughput makes shards",
        ),
    ]
    found.sort()
    return _words(
        ["at mails a day", "breaks", "because", "one sees it by", "one turns"],
        [[_round(part * mails), *rest] for part, *rest in found],
    )


def _round(number: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:,.1f} {word}"
    return f"{number:,.0f}"


def heat() -> str:
    """The hottest second of the hottest partition."""
    writes, reads = load.write_units().minute, load.read_units(screened=True).minute
    held = costs.stored_bytes(assumed.SUBSCRIBERS.value) / costs.GB
    by_size = load.partitions(0, 0, held)
    warmed = load.partitions(1.5 * reads, 1.5 * writes, held)
    cases = {
        f"a new table, {load.partitions(0, 0, 0)}": load.partitions(0, 0, 0),
        f"by its size of {held:,.0f} GB, {by_size}": by_size,
        f"warmed for half more than the peak, {warmed}": warmed,
    }
    return _table(
        ["partitions", "writes, mean", "writes, hottest", "reads, mean", "reads, hottest"],
        [
            [
                what,
                f"{writes / many:,.0f}",
                _hottest(writes, many),
                f"{reads / many:,.0f}",
                f"{load.hottest(reads, 1, many):,.0f}",
            ]
            for what, many in cases.items()
        ],
    )


def at_once() -> str:
    """Functions at once."""
    slow = load.CHANGES.minute * assumed.ENDPOINTS.value * assumed.SLOW_S.value
    rows = [[what, _count(number)] for what, number in load.concurrency().items()]
    rows.append(["telling platforms whose endpoints are all dead, unlimited", _count(slow)])
    return _table(["busiest minute", "functions at once"], rows)


def starts() -> str:
    """Fresh containers."""
    functions = Template().count("AWS::Serverless::Function")
    reads = functions * assumed.SCALE_OUT.value / 10
    return _words(
        ["when every function scales out as fast as it may", "how much"],
        [
            ["functions", str(functions)],
            ["reads of the keyring a second", f"{reads:,.0f} of {assumed.SECRET_READS.value:,.0f}"],
        ],
    )


def streams() -> str:
    """How fast the stream is read."""
    courier, notifier = (
        ("courier, mails", "CourierFunction.Due", assumed.MAIL_MS.value),
        ("notifier, changes", "NotifierFunction.Changed", assumed.STREAM_MS.value),
    )
    due = {"courier, mails": load.REQUESTS.minute, "notifier, changes": load.CHANGES.minute}
    return _table(
        ["a second", "comes, busiest minute", "4 shards", "16 shards"],
        [
            [what, _count(due[what]), *(_count(load.from_stream(source, ms, shards)) for shards in (4, 16))]
            for what, source, ms in (courier, notifier)
        ],
    )


def growth() -> str:
    """What the table holds, and what the archive's scan takes."""
    people = assumed.SUBSCRIBERS.value
    segments = Template().default("ArchiveSegments")
    hours = people * 4 / 1_000 * assumed.SCAN_S.value / segments / 3600
    year = load.ledger_gb_a_year()
    held = year * (prices.STORED.dollars + prices.RECOVERY.dollars)
    return _words(
        ["what", "how much"],
        [
            [
                f"{_round(people)} people who asked, confirmed and left",
                f"{costs.stored_bytes(people) / costs.GB:,.0f} GB",
            ],
            ["the ledger's growth, at a billion mails a day", f"{year:,.0f} GB a year"],
            ["what each such year adds to the monthly bill, storage and recovery", _dollars(held)],
            [f"the archive's scan of these people, `ArchiveSegments` {segments}", f"{hours:,.1f} hours"],
        ],
    )


# --- Costs ----------------------------------------------------------------------------------------------------------


def answers() -> str:
    """What most want to know."""
    million = {
        "one-click opt-outs": costs.clicks(),
        "page visits": costs.visits(),
        "confirmed sign-ups, with their mails": costs.confirmations(),
        "decisions by the API": costs.decisions(),
        "events by the API": costs.events(),
        "changes told to an endpoint": costs.told(costs.MILLION),
    }
    rows = [[f"a million {what}", _dollars(_total(bill))] for what, bill in million.items()]
    rows += [
        [f"{_round(people).replace('.0', '')} subscribers kept, a month", _dollars(_total(costs.kept(people)))]
        for people in (1e6, 1e7, 1e8)
    ]
    return _table(["", "dollars"], [["a month in which nothing happens", _dollars(_total(costs.idle()))], *rows])


def services() -> str:
    """The same by service."""
    bills = {
        "one click": costs.clicks(),
        "page visit": costs.visits(),
        "confirmed sign-up": costs.confirmations(),
        "decision": costs.decisions(),
        "event": costs.events(),
        "change told": costs.told(costs.MILLION),
    }
    names = list(costs.together(*bills.values()))
    return _table(
        ["a million", *bills],
        [[name, *(_dollars(bill[name]) if name in bill else "–" for bill in bills.values())] for name in names],
    )


def nothing() -> str:
    """Idle, by service."""
    return _table(["service", "a month"], [[name, _dollars(each)] for name, each in costs.idle().items()])


def billion() -> str:
    """The bill of a month with a billion mails a day."""
    days = 30
    bills = {
        "opt-outs": costs.clicks(load.OPT_OUTS.a_day * days),
        "scanners' visits and pages": costs.visits((load.SCANS.a_day + load.VISITS.a_day) * days),
        "confirmed sign-ups": costs.confirmations(load.CONFIRMATIONS.a_day * days),
        "bounces and complaints": costs.events(load.REPORTS.a_day * days),
        "telling platforms": costs.told(load.CHANGES.a_day * days),
        "decisions, one for each mail": costs.decisions(load.MAILS * days),
        "keeping the subscribers": costs.kept(assumed.SUBSCRIBERS.value),
        "idle": costs.idle(),
    }
    total = sum(map(_total, bills.values()))
    mailed = load.MAILS * days / costs.MILLION * prices.MAILED.dollars
    return _table(
        ["a month", "dollars", "share"],
        [
            *([what, _dollars(_total(bill)), f"{_total(bill) / total:.0%}"] for what, bill in bills.items()),
            ["**together**", f"**{_dollars(total)}**", ""],
            ["for comparison: these mails by SES, at list price", _dollars(mailed), ""],
        ],
    )


def others() -> str:
    """Ten thousand contacts, a mail a week, beside a server and services."""
    people, mails = _TEN_THOUSAND, 4 * _TEN_THOUSAND
    opt_outs = mails * assumed.OPT_OUTS.value
    ours = costs.together(
        costs.idle(),
        costs.kept(people),
        costs.clicks(opt_outs),
        costs.visits(mails * assumed.SCANNED.value),
        costs.confirmations(people * assumed.ASKED.value * 30),
        costs.decisions(mails),
        costs.told(opt_outs),
    )
    ses = mails / costs.MILLION * prices.MAILED.dollars
    return _words(
        ["10,000 contacts, 40,000 mails a month", "dollars a month", "what that is"],
        [
            [
                "Consentry, and SES for the mails",
                _dollars(_total(ours) + ses),
                "consent alone: something else composes and sends",
            ],
            [
                "listmonk on a server, and SES for the mails",
                _dollars(prices.SERVER.dollars + ses),
                "composes and sends too; one server, no second one",
            ],
            [
                "Campaign Monitor Essentials",
                _dollars(prices.CAMPAIGN_MONITOR.dollars),
                "composes, sends, and is looked after",
            ],
        ],
    )


def even() -> str:
    """A server, which costs the same whatever it does."""
    idle = _total(costs.idle())
    return _table(
        ["clicks a month", "Consentry", "the server"],
        [
            [f"{many:,.0f}", _dollars(idle + _total(costs.clicks(many))), _dollars(prices.SERVER.dollars)]
            for many in (0, 1e5, 1e6, 1e7)
        ],
    )


def _listed(listed: Sequence[Price]) -> str:
    return _words(
        ["price", "dollars", "for a", "source", "of"],
        [
            [
                each.what,
                f"{each.dollars:.10f}".rstrip("0").ljust(4, "0").rstrip("."),
                each.per,
                f"<{each.source}>",
                each.read or "undated: check it",
            ]
            for each in listed
        ],
    )


def price_list() -> str:
    """Every price, with its source."""
    return _listed(prices.ALL)


def other_prices() -> str:
    """Those of others."""
    return _listed(prices.OTHERS)


def assumptions() -> str:
    """Everything that isn't computed."""
    return _words(
        ["", "figure", "from"],
        [[each.what, f"{each.value:,.10g}", _linked(each.why)] for each in assumed.ALL],
    )


def _linked(why: str) -> str:
    return f"<{why}>" if why.startswith("https://") else why


TABLES: Final[dict[str, Callable[[], str]]] = {
    each.__name__: each
    for each in (
        *(items, rates, breaks, heat, at_once, starts, streams, growth),
        *(answers, services, nothing, billion, others, even, price_list, other_prices, assumptions),
    )
}
