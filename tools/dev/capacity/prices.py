"""List prices, read from docs/costs.md. US dollars, us-east-1, without free tiers, discounts, credits and taxes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dev.places import ROOT

_PAGE: Final = (ROOT / "docs/costs.md").read_text("utf-8")


class Price(NamedTuple):
    """One line of a price list."""

    what: str
    dollars: float
    per: str
    source: str
    """In angle brackets."""
    read: str
    """The date of the source, where one was found."""


def rows(head: str) -> list[list[str]]:
    """The rows of the page's tables that begin with this one."""
    tables = re.findall(rf"^{re.escape(head)}\n\|[-| ]+\n((?:\|.*\n)+)", _PAGE, re.MULTILINE)
    return [line.strip("| ").split(" | ") for table in tables for line in table.splitlines()]


LISTED: Final = {
    what: Price(what, float(dollars.replace(",", "")), *rest)
    for what, dollars, *rest in rows("| price | dollars | for a | source | of |")
}
WRITE: Final = LISTED["DynamoDB, write request unit"]
READ: Final = LISTED["DynamoDB, read request unit"]
STORED: Final = LISTED["DynamoDB, stored"]
RECOVERY: Final = LISTED["DynamoDB, point-in-time recovery"]
GATEWAY: Final = LISTED["API Gateway, HTTP API, first 300 million a month"]
INVOKED: Final = LISTED["Lambda, requests"]
COMPUTED: Final = LISTED["Lambda, arm64"]
PROVISIONED: Final = LISTED["Lambda, provisioned concurrency, arm64"]
SNAPSHOT: Final = LISTED["Lambda, snapshot kept"]
RESTORED: Final = LISTED["Lambda, start from a snapshot"]
LOGGED: Final = LISTED["CloudWatch Logs, taken in"]
LOG_KEPT: Final = LISTED["CloudWatch Logs, kept"]
ALARM: Final = LISTED["CloudWatch, metric of an alarm"]
FAST_ALARM: Final = LISTED["CloudWatch, metric of a high-resolution alarm"]
METRIC: Final = LISTED["CloudWatch, metric of one's own"]
DASHBOARD: Final = LISTED["CloudWatch, dashboard"]
QUEUED: Final = LISTED["SQS, standard queue"]
FAIR: Final = LISTED["SQS, messages with a group (fair queues), more"]
SECRET: Final = LISTED["Secrets Manager, secret"]
COLD: Final = LISTED["S3, Glacier Instant Retrieval"]
KEY: Final = LISTED["KMS, key"]
MAILED: Final = LISTED["SES, mail sent"]
SENT: Final = LISTED["Data out to the internet"]
SERVER: Final = LISTED["Server with 2 vCPU and 4 GB (Hetzner cx23), €4.11 as quoted, taken one to one"]
CAMPAIGN_MONITOR: Final = LISTED[
    "Campaign Monitor Essentials, 5,001 to 10,000 contacts; carried forward, not seen again on that date"
]
FREE_ALARMS: Final = 10
"""Metrics of alarms, as are the next: what every account has free each month, for good."""
FREE_DASHBOARDS: Final = 3
FREE_DASHBOARD_METRICS: Final = 50
"""More than these in a dashboard, and it is none of the free ones: https://aws.amazon.com/cloudwatch/pricing/."""
FREE_REQUESTS: Final = 1
"""Of SQS, in millions."""
