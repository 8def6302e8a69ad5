"""What the model takes for granted: quotas with their source, and assumptions that say that they are some."""

from __future__ import annotations

from typing import Final, NamedTuple


class Given(NamedTuple):
    """A number that isn't computed."""

    what: str
    value: float
    why: str
    """Its source, or "assumption" with the reason for it."""


_DYNAMODB: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
_QUEUES: Final = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"

# --- The business ---------------------------------------------------------------------------------------------------

MAILS_A_DAY: Final = Given("mails a day", 1e9, "the question")
SUBSCRIBERS: Final = Given("subscribers", 1e8, "the question")
OPT_OUTS: Final = Given("opt-outs a mail", 0.002, "assumption: senders tell of 0.1 to 0.5 %")
BY_PAGE: Final = Given("of these by the page, the rest by one click", 0.3, "assumption")
SCANNED: Final = Given(
    "page visits by scanners, a mail", 0.02, "assumption: one mail in fifty has its unsubscribe link opened"
)
BOUNCED: Final = Given("bounces and complaints reported, a mail", 0.002, "assumption: a list that is kept clean")
ASKED: Final = Given("new requests a day, a subscriber", 0.001, "assumption: a third of the list anew each year")
CONFIRMED: Final = Given("of these confirmed", 0.7, "assumption")
PEAK_HOUR: Final = Given("share of a day in its busiest hour", 0.20, "assumption: campaigns leave in the morning")
PEAK_MINUTE: Final = Given(
    "busiest minute against that hour's mean", 3, "assumption: people act in the minutes after the mail"
)
SCREENING_HOURS: Final = Given("hours in which a day's mails are screened", 8, "assumption")
ENDPOINTS: Final = Given("endpoints that are told of each change", 1, "assumption")
BRANDS: Final = Given("brands of equal size", 20, "assumption")

# --- Time and bytes -------------------------------------------------------------------------------------------------

CLICK_MS: Final = Given(
    "billed time of a click or a page, ms",
    15,
    "assumption: 2 to 3 ms of a core, as `make bench` counts them, 0.58 of a core at 1,024 MB, and a call of 8 ms",
)
CALL_MS: Final = Given(
    "billed time of a call with 1,000 decisions, ms",
    400,
    "assumption: `make bench` counts 145 to 380 ms on a full core",
)
EVENT_MS: Final = Given(
    "billed time of one event in a call of 100, ms", 12, "assumption: one transaction each, one after the other"
)
MAIL_MS: Final = Given("billed time of a mail, ms", 120, "assumption: five calls of DynamoDB, one of SES at 80 ms")
TELL_MS: Final = Given(
    "billed time of telling an endpoint, ms", 250, "assumption: a fair endpoint; a bad one takes until the timeout"
)
STREAM_MS: Final = Given("time of a record that becomes a queue's message, ms", 10, "assumption: one call of SQS")
SLOW_S: Final = Given(
    "seconds that a dead endpoint holds a call", 10, "assumption: consentry.http.outgoing gives up after about as long"
)
SCAN_S: Final = Given("seconds for a page of 1,000 items in the archive's scan", 0.3, "assumption")
START_MS: Final = Given(
    "billed time of a fresh container, ms",
    700,
    "assumption: `make bench` counts 360 to 420 ms on a full core, 670 for the API",
)
STARTS: Final = Given("of the calls that meet a fresh container", 0.005, "assumption")
PAGE_BYTES: Final = Given("bytes of a page with its headers", 9_000, "assumption")
ANSWER_BYTES: Final = Given("bytes of another answer with its headers", 600, "assumption")
DECISION_BYTES: Final = Given("bytes of a decision in an answer", 130, "assumption")
LOG_BYTES: Final = Given(
    "bytes in the logs, a call", 1_000, "assumption: Lambda's three lines, the gateway's one and one of ours"
)

# --- Quotas ---------------------------------------------------------------------------------------------------------

PARTITION_WRITES: Final = Given(
    "write units a second, a partition", 1_000, f"{_DYNAMODB}warm-throughput-scenarios.html"
)
PARTITION_READS: Final = Given("read units a second, a partition", 3_000, f"{_DYNAMODB}warm-throughput-scenarios.html")
NEW_WRITES: Final = Given(
    "write units a second of a new table", 4_000, f"{_DYNAMODB}pre-warming-on-demand-capacity-mode.html"
)
NEW_READS: Final = Given(
    "read units a second of a new table", 12_000, f"{_DYNAMODB}pre-warming-on-demand-capacity-mode.html"
)
TABLE_UNITS: Final = Given(
    "read or write units a second of a table, default quota", 40_000, f"{_DYNAMODB}ServiceQuotas.html"
)
PARTITION_GB: Final = Given("GB in a partition", 10, f"{_DYNAMODB}HowItWorks.Partitions.html")
ACCOUNT_RATE: Final = Given(
    "requests a second through API Gateway, a region, default quota",
    10_000,
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
)
CONCURRENCY: Final = Given(
    "functions at once, default quota (a new account has fewer)",
    1_000,
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
)
CALLS_A_CONTAINER: Final = Given(
    "calls a second, for each function at once",
    10,
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html",
)
SCALE_OUT: Final = Given(
    "containers more in 10 seconds, a function",
    1_000,
    "https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html",
)
SECRET_READS: Final = Given(
    "reads of a secret a second",
    10_000,
    "https://aws.amazon.com/about-aws/whats-new/2025/03/aws-secrets-manager-increases-api-requests-seconds",
)
POLLERS: Final = Given("long polls beside each other of a queue that is idle", 2, _QUEUES)
POLLERS_LIMITED: Final = Given("the same with MaximumConcurrency", 5, _QUEUES)
POLL_S: Final = Given("seconds of a long poll", 20, "assumption: SQS's longest")
SES_RATE: Final = Given(
    "mails a second that SES gives an account first", 14, "assumption: what most are given out of the sandbox"
)

ALL: Final = tuple(each for each in list(globals().values()) if isinstance(each, Given))
"""In the order in which they stand here."""
