"""What metrics of our own there can be: each combination of a name and the values of its dimensions is paid for.

Every test is held to it: what the code emits is listed here (tests/conftest.py).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html has how they are charged.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry import providers, telemetry
from consentry.actions.courier import Delivery
from consentry.actions.mails import Mail
from consentry.http import batches
from consentry.inbound import emails, feedback
from consentry.rules.ledger import Channel, Kind
from consentry.table.store import Outcome
from dev.capacity.template import deployed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MONTH_HOURS: Final = 30 * 24
REFUSED: Final = {
    "page": (
        *("bad_choice", "expired", "failed", "method", "no_brand", "no_keys", "not_ours", "reason_expired"),
        *("too_large", "unavailable"),
    ),
    "api": ("400", "401", "403", "404", "405", "409", "413", "422", "500", "503"),
    "webhook": ("400", "401", "404", "405", "413", "500", "503"),
}
WEBHOOKS: Final = ("applied", "duplicate", "ignored", "spooled")
MAILED: Final = ("not_sent", "sent", "unknown")
NOT_NEEDED: Final = ("goodbye", "link", "of a request", "return")
PUT_OFF: Final = ("held_back", "not_now")
NOTIFIED: Final = ("failed", "queued", "taken")
"""Values of dimensions that no enumeration has."""


class Combination(NamedTuple):
    """One metric as CloudWatch counts them."""

    name: str
    values: tuple[str, ...]
    """Of its dimensions, in their order."""


@cache
def possible() -> frozenset[Combination]:
    """Every combination that the code can emit, and some that it never will: nobody is throttled by a webhook."""
    read = {each["EventSourceArn"]["Fn::GetAtt"][0] for each in deployed().sources("sqs").values()}
    functions = deployed().of_type("AWS::Lambda::Function")
    return by_code() | _listed(
        {"Waiting": _each([*read, batches.STREAM]), "VersionFaults": product(functions, ["each"])}
    )


@cache
def by_code() -> frozenset[Combination]:
    """Those of them whose values stand in the code, and not in the deployment."""
    plain = {name: _each(["consentry"]) for name, each in telemetry.METRICS.items() if each.dimensions == ("service",)}
    return _listed(plain) | _listed(
        {
            "Acts": product(Channel, Outcome),
            "Changes": _each(Kind),
            "Refused": {(where, why) for where, each in REFUSED.items() for why in each},
            "Webhooks": product(providers.NAMES, WEBHOOKS),
            "Unreadable": _each([*providers.NAMES, feedback.SOURCE, emails.SOURCE]),
            "Mails": {*product(Mail, MAILED), *product(NOT_NEEDED, [Delivery.NOT_NEEDED])},
            "MailsPutOff": _each(PUT_OFF),
            "Notifications": _each(NOTIFIED),
        }
    )


def by_name() -> Counter[str]:
    """How many metrics each name can become; of as many, in the order of the names."""
    return Counter(sorted(each.name for each in possible()))


def filtered() -> int:
    """How many metrics CloudWatch counts in logs by itself."""
    return deployed().count("AWS::Logs::MetricFilter")


def hours(events: float) -> float:
    """In how much of a month's hours something happens that happens so often a month, at any time alike.

    A metric is charged by the hours in which it had a value.
    """
    return 1 - math.exp(-events / MONTH_HOURS)


def _each(values: Iterable[str]) -> set[tuple[str, ...]]:
    return {(value,) for value in values}


def _listed(by_name: Mapping[str, Iterable[tuple[str, ...]]]) -> frozenset[Combination]:
    return frozenset(Combination(name, values) for name, listed in by_name.items() for values in listed)
