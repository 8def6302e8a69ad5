"""What the model takes for granted, read from docs/costs.md: quotas, and assumptions that say that they are some."""

from __future__ import annotations

from typing import Final, NamedTuple

from dev.capacity.prices import rows


class Given(NamedTuple):
    """A number that isn't computed."""

    what: str
    value: float
    why: str
    """Its source, or "assumption" with the reason for it."""


ALL: Final = {
    what: Given(what, float(figure.replace(",", "")), why) for what, figure, why in rows("|  | figure | from |")
}
MAILS_A_DAY: Final = ALL["emails a day"]
SUBSCRIBERS: Final = ALL["subscribers"]
OPT_OUTS: Final = ALL["opt-outs an email"]
BY_PAGE: Final = ALL["of these by the page, the rest by one click"]
SCANNED: Final = ALL["page visits by scanners, an email"]
BOUNCED: Final = ALL["bounces and complaints reported, an email"]
ASKED: Final = ALL["new requests a day, a subscriber"]
CONFIRMED: Final = ALL["of these confirmed"]
PEAK_HOUR: Final = ALL["share of a day in its busiest hour"]
PEAK_MINUTE: Final = ALL["busiest minute against that hour's mean"]
SCREENING_HOURS: Final = ALL["hours in which a day's emails are screened"]
ENDPOINTS: Final = ALL["endpoints that are notified of each change"]
BRANDS: Final = ALL["brands of equal size"]
CLICK_MS: Final = ALL["billed time of a click or a page, ms"]
CALL_MS: Final = ALL["billed time of a call with 1,000 decisions, ms"]
EVENT_MS: Final = ALL["billed time of one event in a call of 100, ms"]
MAIL_MS: Final = ALL["billed time of an email, ms"]
NOTIFY_MS: Final = ALL["billed time of notifying an endpoint, ms"]
STREAM_MS: Final = ALL["time of a record that becomes a queue's message, ms"]
SLOW_S: Final = ALL["seconds that a dead endpoint holds a call"]
SCAN_S: Final = ALL["seconds for a page of 1,000 items in the archive's scan"]
START_MS: Final = ALL["billed time of a fresh container, ms"]
STARTS: Final = ALL["of the calls that meet a fresh container"]
PAGE_BYTES: Final = ALL["bytes of a page with its headers"]
ANSWER_BYTES: Final = ALL["bytes of another answer with its headers"]
DECISION_BYTES: Final = ALL["bytes of a decision in an answer"]
LOG_BYTES: Final = ALL["bytes in the logs, a call"]
PARTITION_WRITES: Final = ALL["write units a second, a partition"]
PARTITION_READS: Final = ALL["read units a second, a partition"]
NEW_WRITES: Final = ALL["write units a second of a new table"]
NEW_READS: Final = ALL["read units a second of a new table"]
TABLE_UNITS: Final = ALL["read or write units a second of a table, default quota"]
PARTITION_GB: Final = ALL["GB in a partition"]
ACCOUNT_RATE: Final = ALL["requests a second through API Gateway, a region, default quota"]
CONCURRENCY: Final = ALL["functions at once, default quota (a new account has fewer)"]
CALLS_A_CONTAINER: Final = ALL["calls a second, for each function at once"]
SCALE_OUT: Final = ALL["containers more in 10 seconds, a function"]
SECRET_READS: Final = ALL["reads of a secret a second"]
POLLERS: Final = ALL["long polls beside each other of a queue that is idle"]
POLLERS_LIMITED: Final = ALL["the same with MaximumConcurrency"]
POLL_S: Final = ALL["seconds of a long poll"]
SES_RATE: Final = ALL["emails a second that SES gives an account first"]
