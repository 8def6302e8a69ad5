"""List prices, each with where it was read. US dollars, us-east-1, without free tiers, discounts, credits and taxes."""

from __future__ import annotations

from typing import Final, NamedTuple


class Price(NamedTuple):
    """One line of a price list."""

    what: str
    dollars: float
    per: str
    source: str
    read: str
    """The date of the source; empty where no dated source was found, and the figure has to be checked."""
    free: float = 0
    """How many of them every account has free each month, for good."""


_AIRBYTE: Final = "https://airbyte.com/data-engineering-resources/dynamodb-pricing"
_DYNAMODB: Final = "https://aws.amazon.com/dynamodb/pricing/"
_LAMBDA: Final = "https://aws.amazon.com/lambda/pricing/"
_PRICE_LIST: Final = "2026-09-19"
"""Of AWS's own price list for Lambda, which its page names prices from."""
_CLOUDWATCH: Final = "https://aws.amazon.com/cloudwatch/pricing/"
_CLOUDWATCH_LOGS: Final = "https://cloudburn.io/blog/amazon-cloudwatch-pricing"
_GATEWAY: Final = "https://www.apigatewaycost.com/aws"
_SQS: Final = "https://cloudburn.io/blog/amazon-sqs-pricing"
_SECRETS: Final = "https://aws.amazon.com/secrets-manager/pricing/"

WRITE: Final = Price("DynamoDB, write request unit", 0.625, "million", _AIRBYTE, "2025-07-21")
READ: Final = Price("DynamoDB, read request unit", 0.125, "million", _AIRBYTE, "2025-07-21")
STORED: Final = Price("DynamoDB, stored", 0.25, "GB and month", _DYNAMODB, "", free=25)
RECOVERY: Final = Price("DynamoDB, point-in-time recovery", 0.20, "GB and month", _DYNAMODB, "")
GATEWAY: Final = Price("API Gateway, HTTP API, first 300 million a month", 1.00, "million requests", _GATEWAY, "2026")
INVOKED: Final = Price("Lambda, requests", 0.20, "million", _LAMBDA, _PRICE_LIST, free=1)
COMPUTED: Final = Price("Lambda, arm64", 0.0000133334, "GB and second", _LAMBDA, _PRICE_LIST, free=400_000)
PROVISIONED: Final = Price(
    "Lambda, provisioned concurrency, arm64", 0.0000033334, "GB and second", _LAMBDA, _PRICE_LIST
)
SNAPSHOT: Final = Price("Lambda, snapshot kept", 0.0000015046, "GB and second", _LAMBDA, _PRICE_LIST)
RESTORED: Final = Price("Lambda, start from a snapshot", 0.0001397998, "GB", _LAMBDA, _PRICE_LIST)
LOGGED: Final = Price("CloudWatch Logs, taken in", 0.50, "GB", _CLOUDWATCH_LOGS, "2026-02", free=5)
LOG_KEPT: Final = Price("CloudWatch Logs, kept", 0.03, "GB and month", _CLOUDWATCH, "", free=5)
ALARM: Final = Price("CloudWatch, metric of an alarm", 0.10, "month", _CLOUDWATCH, "", free=10)
FAST_ALARM: Final = Price("CloudWatch, metric of a high-resolution alarm", 0.30, "month", _CLOUDWATCH, "")
METRIC: Final = Price(
    "CloudWatch, metric of one's own",
    0.30,
    "month",
    "https://signoz.io/guides/cloudwatch-pricing",
    "2026-02-15",
    free=10,
)
DASHBOARD: Final = Price(
    "CloudWatch, dashboard",
    3.00,
    "month",
    "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
    "2026-06-13",
    free=3,
)
FREE_DASHBOARD_METRICS: Final = 50
"""More than these in a dashboard, and it is none of the free ones: https://aws.amazon.com/cloudwatch/pricing/."""
QUEUED: Final = Price("SQS, standard queue", 0.40, "million requests", _SQS, "2026-03-14", free=1)
FAIR: Final = Price("SQS, messages with a group (fair queues), more", 0.10, "million requests", _SQS, "2026-03-14")
SECRET: Final = Price("Secrets Manager, secret", 0.40, "month", _SECRETS, "2026-09-20")
COLD: Final = Price("S3, Glacier Instant Retrieval", 0.004, "GB and month", "https://aws.amazon.com/s3/pricing/", "")
KEY: Final = Price("KMS, key", 1.00, "month", "https://cloudburn.io/blog/aws-kms-pricing", "2026-03-14")
MAILED: Final = Price(
    "SES, mail sent",
    100.00,
    "million",
    "https://lushbinary.com/blog/cloudflare-email-service-vs-aws-ses-agent-email-guide/",
    "2026-04",
)
SENT: Final = Price("Data out to the internet", 0.09, "GB", _GATEWAY, "2026", free=100)

ALL: Final = (
    *(WRITE, READ, STORED, RECOVERY, GATEWAY, INVOKED, COMPUTED, PROVISIONED, SNAPSHOT, RESTORED),
    *(LOGGED, LOG_KEPT, ALARM, FAST_ALARM, METRIC, DASHBOARD, QUEUED, FAIR, SECRET, KEY, COLD, MAILED, SENT),
)

SERVER: Final = Price(
    "Server with 2 vCPU and 4 GB (Hetzner cx23), €4.11 as quoted, taken one to one",
    4.11,
    "month",
    "https://docs.cnap.tech/compute/providers/hetzner",
    "",
)
MAILCHIMP: Final = Price(
    "Mailchimp Standard, lowest tier, first year's rate",
    20.00,
    "month",
    "https://mailchimp.com/pricing/marketing/",
    "2026-09-20",
)
CAMPAIGN_MONITOR: Final = Price(
    "Campaign Monitor Essentials, 5,001 to 10,000 contacts; carried forward, not seen again on that date",
    89.00,
    "month",
    "https://www.campaignmonitor.com/pricing/",
    "2026-08-13",
)
OTHERS: Final = (SERVER, MAILCHIMP, CAMPAIGN_MONITOR)
