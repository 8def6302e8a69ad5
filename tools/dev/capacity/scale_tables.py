"""The tables of docs/scale.md, by the name that stands in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consentry.actions import notifications
from consentry.actions.waiting import LONGEST_DELAY_S
from consentry.rules.brands import Bounds
from dev.capacity import archiving, assumed, costs, load, prices, sizes
from dev.capacity.markdown import count, dollars, large, table, words
from dev.capacity.template import LARGE, deployed

if TYPE_CHECKING:
    from dev.capacity.load import Rate


def _hottest(writes: float, partitions: int) -> str:
    return f"{load.hottest(writes, sizes.STEPS['left'].write_units, partitions):,.0f}"


def items() -> str:
    """What a person's acts write."""
    shown = ("left, without evidence", "left, never seen before")
    measured = {**sizes.STEPS, **{name: sizes.MEASURED[name] for name in shown}}
    kinds = ["state", "event", "contact", "evidence"]
    return table(
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
        "changes that platforms are notified of": load.CHANGES,
        "write units": load.write_units(),
        "read units, decisions aside": load.read_units(screened=False),
        "read units with all decisions": load.read_units(screened=True),
    }
    return table(
        ["", "a day", "a second, busiest hour", "a second, busiest minute"],
        [[what, *map(count, each)] for what, each in named.items()],
    )


def breaks() -> str:
    """What breaks first, in order: the emails a day at which it does, all else as assumed."""
    template, emails = deployed(AccountConcurrency=LARGE), assumed.MAILS_A_DAY.value
    gateway, opt_outs = template.answer("RequestsPerSecond"), template.answer("OptOutsPerSecond")
    bounds = Bounds()
    notified = load.CHANGES.minute * assumed.ENDPOINTS.value
    most = template.sources("sqs")["NotifierFunctionDue"]["ScalingConfig"]["MaximumConcurrency"]
    at_once = sum(load.concurrency().values())
    new, quota = assumed.NEW_READS.value, assumed.TABLE_UNITS.value
    all_reads, brands = load.read_units(screened=True).minute, assumed.BRANDS.value
    found = [
        (gateway / load.PAGES.minute,
         (f"the API's throttle | `RequestsPerSecond` {gateway:,} | `RequestsRefused`, status 429 in the API's log"
          " | `RequestsPerSecond`, `RequestBurst`")),
        (opt_outs / load.OPT_OUT_CALLS.minute,
         (f"the throttle of opt-outs | `OptOutsPerSecond` {opt_outs:,} | `OptOutsRefused`, which wakes somebody"
          " | `OptOutsPerSecond`, `OptOutBurst`")),
        (new / all_reads,
         (f"reads of a new table, while all emails are screened | {new:,.0f} units a second | `ReadThrottleEvents`"
          " | warm throughput; screening more slowly")),
        (quota / all_reads,
         (f"the table's quota of reads | {quota:,.0f} units a second | `ReadThrottleEvents`"
          " | the quota; screening more slowly")),
        (assumed.NEW_WRITES.value / load.write_units().minute,
         (f"writes of a new table | {assumed.NEW_WRITES.value:,.0f} units a second"
          " | `WriteThrottleEvents`; the spool fills | warm throughput")),
        (assumed.SES_RATE.value / load.REQUESTS.minute,
         (f"SES's first rate | {assumed.SES_RATE.value:,.0f} emails a second | emails wait in the mail queue"
          " | the quota of SES")),
        (bounds.mails_a_minute / 60 * brands / load.REQUESTS.minute,
         (f"the breaker of each brand | `mails_a_minute` {bounds.mails_a_minute}, {brands:.0f} brands"
          " | `BreakerOpened` | `mails_a_minute`")),
        (bounds.requests_an_hour / 3600 * brands / load.REQUESTS.hour,
         (f"the form of each brand, silently | `requests_an_hour` {bounds.requests_an_hour:,}, {brands:.0f} brands"
          " | fewer emails than visits of the form | `requests_an_hour`")),
        (assumed.ACCOUNT_RATE.value / load.HTTP.minute,
         (f"API Gateway's quota | {assumed.ACCOUNT_RATE.value:,.0f} calls a second"
          " | status 429, though the throttle is higher | the quota")),
        (load.from_stream("NotifierFunctionChanged", assumed.STREAM_MS.value, 4) / load.CHANGES.minute,
         ("the notifier on the stream of a new table | 4 shards | `IteratorAge` of the notifier"
          " | `ParallelizationFactor`; warm throughput makes shards")),
        (most / (assumed.NOTIFY_MS.value / 1000) / notified,
         (f"notifying platforms | `MaximumConcurrency` {most} | age of the oldest message in the notification queue"
          " | `MaximumConcurrency` in the template, and the concurrency quota before it")),
        (assumed.CONCURRENCY.value * assumed.CALLS_A_CONTAINER.value / (load.HTTP.minute + notified),
         (f"calls of functions | {assumed.CALLS_A_CONTAINER.value:.0f} a second for each of"
          f" {assumed.CONCURRENCY.value:,.0f} at once | `Throttles` | the quota of functions at once")),
        (assumed.CONCURRENCY.value / at_once,
         (f"functions at once | {assumed.CONCURRENCY.value:,.0f} of the account | `Throttles`, `ConcurrentExecutions`"
          " | the quota")),
        (load.from_stream("CourierFunctionDue", assumed.MAIL_MS.value, 4) / load.REQUESTS.minute,
         ("the courier on the stream of a new table | 4 shards | `IteratorAge` of the courier"
          " | warm throughput makes shards")),
    ]  # fmt: skip
    found.sort()
    return words(
        ["at emails a day", "breaks", "because", "one sees it by", "one turns"],
        [[large(part * emails), rest] for part, rest in found],
    )


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
    return table(
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
    rows = [[what, count(number)] for what, number in load.concurrency().items()]
    rows.append(["notifying platforms whose endpoints are all dead, unlimited", count(slow)])
    return table(["busiest minute", "functions at once"], rows)


def workers() -> str:
    """The most that runs behind each source of events, by the account's size."""
    named = {
        "the spool: opt-outs that waited": "DrainFunctionSpooled",
        "the stream, of each shard: emails": "CourierFunctionDue",
        "emails that were deferred": "CourierFunctionPutOff",
        "bounces and complaints": "FeedbackFunctionTold",
        "the stream, of each shard: changes": "NotifierFunctionChanged",
        "notifying platforms": "NotifierFunctionDue",
        "opt-outs by email": "MailboxFunctionArrived",
    }
    answers = ("10", LARGE)
    read = [deployed(AccountConcurrency=each).of_type("AWS::Lambda::EventSourceMapping") for each in answers]
    rows = [[what, *(str(_at_once(each[source])) for each in read)] for what, source in named.items()]
    return table(["functions at once, at most", *(f"`AccountConcurrency` {each}" for each in answers)], rows)


def _at_once(source: dict[str, Any]) -> int:
    """How many functions a queue starts at once, or a shard of the stream."""
    limit = source.get("ScalingConfig", {}).get("MaximumConcurrency")
    return int(limit or source["ParallelizationFactor"])


def starts() -> str:
    """Fresh containers."""
    functions = deployed().count("AWS::Lambda::Function")
    reads = functions * assumed.SCALE_OUT.value / 10
    return words(
        ["when every function scales out as fast as it may", "how much"],
        [
            ["functions", str(functions)],
            ["reads of the keyring a second", f"{reads:,.0f} of {assumed.SECRET_READS.value:,.0f}"],
        ],
    )


def streams() -> str:
    """How fast the stream is read."""
    courier, notifier = (
        ("courier, emails", "CourierFunctionDue", assumed.MAIL_MS.value),
        ("notifier, changes", "NotifierFunctionChanged", assumed.STREAM_MS.value),
    )
    due = {"courier, emails": load.REQUESTS.minute, "notifier, changes": load.CHANGES.minute}
    return table(
        ["a second", "comes, busiest minute", "4 shards", "16 shards"],
        [
            [what, count(due[what]), *(count(load.from_stream(source, ms, shards)) for shards in (4, 16))]
            for what, source, ms in (courier, notifier)
        ],
    )


def growth() -> str:
    """What the table holds."""
    people = assumed.SUBSCRIBERS.value
    year = load.ledger_gb_a_year()
    held = year * (prices.STORED.dollars + prices.RECOVERY.dollars)
    return words(
        ["what", "how much"],
        [
            [
                f"{large(people)} people who asked, confirmed and left",
                f"{costs.stored_bytes(people) / costs.GB:,.0f} GB",
            ],
            ["the ledger's growth, at a billion emails a day", f"{year:,.0f} GB a year"],
            ["what each such year adds to the monthly bill, storage and recovery", dollars(held)],
        ],
    )


def archived() -> str:
    """A run of the archive over all subscribers."""
    run, segments = archiving.of_a_billion(), deployed().answer("ArchiveSegments")
    return words(
        [f"a month's run over {large(assumed.SUBSCRIBERS.value)} people, `ArchiveSegments` {segments}", "how much"],
        [
            ["from the first step to the manifest", f"{run.hours:,.1f} hours"],
            ["steps of each segment, one after the other", f"{run.steps:,}"],
            ["messages of all segments, each sent by the step before", f"{run.steps * segments:,}"],
            ["bytes of such a message", f"{run.message_bytes:,}"],
            ["parts, each at most a little over 16 MiB", f"{run.parts:,}"],
            ["the manifest that names them", f"{run.manifest_bytes / 1000:,.0f} kB"],
        ],
    )


def waiting() -> str:
    """What a million notifications cost while their endpoint is unavailable."""
    cases = {"an hour": 3_600, "a day": 86_400, "three days, and are given up": notifications.SPAN_MS // 1000}
    return table(
        ["a million notifications that wait", "messages, for each", "a second", "dollars"],
        [
            [
                what,
                f"{load.rounds(seconds):,}",
                f"{1e6 / LONGEST_DELAY_S:,.0f}",
                dollars(sum(load.waited(1e6 * load.rounds(seconds)).values())),
            ]
            for what, seconds in cases.items()
        ],
    )
