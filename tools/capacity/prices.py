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


_AIRBYTE: Final = "https://airbyte.com/data-engineering-resources/dynamodb-pricing"
_LAMBDA: Final = "https://cloudchipr.com/blog/aws-lambda-pricing"
_CLOUDWATCH: Final = "https://cloudburn.io/blog/amazon-cloudwatch-pricing"
_SQS: Final = "https://cloudburn.io/blog/amazon-sqs-pricing"
_SECRETS: Final = "https://aws.amazon.com/secrets-manager/pricing/"

WRITE: Final = Price("DynamoDB, write request unit", 0.625, "million", _AIRBYTE, "2025-07-21")
READ: Final = Price("DynamoDB, read request unit", 0.125, "million", _AIRBYTE, "2025-07-21")
STORED: Final = Price("DynamoDB, stored", 0.25, "GB and month", "https://aws.amazon.com/dynamodb/pricing/", "")
RECOVERY: Final = Price(
    "DynamoDB, point-in-time recovery", 0.20, "GB and month", "https://aws.amazon.com/dynamodb/pricing/", ""
)
GATEWAY: Final = Price(
    "API Gateway, HTTP API, first 300 million a month",
    1.00,
    "million requests",
    "https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html",
    "",
)
INVOKED: Final = Price("Lambda, requests", 0.20, "million", _LAMBDA, "2025")
COMPUTED: Final = Price("Lambda, arm64", 0.0000133334, "GB and second", _LAMBDA, "2025")
LOGGED: Final = Price("CloudWatch Logs, taken in", 0.50, "GB", _CLOUDWATCH, "2026-02")
ALARM: Final = Price("CloudWatch, metric of an alarm", 0.10, "month", "https://aws.amazon.com/cloudwatch/pricing/", "")
DASHBOARD: Final = Price(
    "CloudWatch, dashboard of more than 50 metrics", 3.00, "month", "https://aws.amazon.com/cloudwatch/pricing/", ""
)
QUEUED: Final = Price("SQS, standard queue", 0.40, "million requests", _SQS, "2026-03-14")
FAIR: Final = Price("SQS, messages with a group (fair queues), more", 0.10, "million requests", _SQS, "2026-03-14")
SECRET: Final = Price("Secrets Manager, secret", 0.40, "month", _SECRETS, "2026-09-20")
KEY: Final = Price("KMS, key", 1.00, "month", "https://aws.amazon.com/kms/pricing/", "")
MAILED: Final = Price("SES, mail sent", 100.00, "million", "https://aws.amazon.com/ses/pricing/", "")
SENT: Final = Price("Data out to the internet", 0.09, "GB", "https://www.apigatewaycost.com/aws", "2026")

ALL: Final = (
    *(WRITE, READ, STORED, RECOVERY, GATEWAY, INVOKED, COMPUTED),
    *(LOGGED, ALARM, DASHBOARD, QUEUED, FAIR, SECRET, KEY, MAILED, SENT),
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
