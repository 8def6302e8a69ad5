"""What things cost, by service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dev.capacity import metrics, sizes
from dev.capacity.figures import PRICES, given, price
from dev.capacity.metrics import Combination
from dev.capacity.template import deployed

if TYPE_CHECKING:
    from collections.abc import Mapping

MILLION: Final = 1_000_000
GB: Final = 1e9
"""AWS bills some of these by the GiB, which is 7 % more; that lies within what the assumptions are worth."""
MONTH_S: Final = 30 * 24 * 3600
FREE_DASHBOARD_METRICS: Final = 50
"""More than these in a dashboard, and it is none of the free ones: https://aws.amazon.com/cloudwatch/pricing/."""

Bill = dict[str, float]
"""Dollars by service."""


class Part(NamedTuple):
    """Something that is paid for each month, whether it is used or not."""

    what: str
    many: float
    """In the unit of the price."""
    price: str
    free: float = 0
    """How many of them every account has free each month, for good."""

    @property
    def service(self) -> str:
        """Whose price it is."""
        return self.price.partition(",")[0]

    @property
    def each(self) -> float:
        """Dollars for one of the price's unit."""
        return PRICES[self.price].value

    @property
    def dollars(self) -> float:
        """By the price list."""
        return self.many * self.each

    @property
    def due(self) -> float:
        """What is left of it in an account that has nothing else."""
        return max(0.0, self.many - self.free) * self.each


def total(bill: Bill) -> float:
    """Of all services."""
    return sum(bill.values())


def together(*bills: Bill) -> Bill:
    """The sum, by service."""
    services = dict.fromkeys(service for bill in bills for service in bill)
    return {service: sum(bill.get(service, 0.0) for bill in bills) for service in services}


# --- what is paid for by use ------------------------------------------------------------------------------------------


def http(calls: float, ms: float, bytes_out: float) -> Bill:
    """So many calls by HTTP, each of so many milliseconds, answered with so many bytes."""
    return {
        "API Gateway": calls * price("API Gateway, HTTP API, first 300 million a month"),
        **functions(calls, ms),
        "Data out": calls * bytes_out / GB * price("Data out to the internet"),
    }


def functions(calls: float, ms: float) -> Bill:
    """So many invocations, with their logs and their share of fresh containers."""
    starting = given("of the calls that meet a fresh container") * given("billed time of a fresh container, ms")
    gb_s = calls * (ms + starting) / 1000 * deployed().memory_gb
    months = deployed().answer("LogRetentionDays") / 30
    logged = price("CloudWatch Logs, taken in") + months * price("CloudWatch Logs, kept")
    return {
        "Lambda": calls * price("Lambda, requests") + gb_s * price("Lambda, arm64"),
        "Logs": calls * given("bytes in the logs, a call") / GB * logged,
    }


def table(reads: float = 0, writes: float = 0) -> Bill:
    """So many read and write units."""
    return {
        "DynamoDB": reads * price("DynamoDB, read request unit") + writes * price("DynamoDB, write request unit"),
    }


def queue(messages: float) -> Bill:
    """So many messages with a group, each sent, received and deleted."""
    fair = price("SQS, messages with a group (fair queues), more")
    return {"SQS": 3 * messages * (price("SQS, standard queue") + fair)}


def clicks(calls: float = MILLION) -> Bill:
    """One-click opt-outs, with evidence, notified to nobody."""
    ms, answer = given("billed time of a click or a page, ms"), given("bytes of another answer with its headers")
    return together(http(calls, ms, answer), table(writes=calls * sizes.STEPS["left"].write_units))


def visits(calls: float = MILLION) -> Bill:
    """Visits of the unsubscribe page, which read and write nothing but the language."""
    ms, page = given("billed time of a click or a page, ms"), given("bytes of a page with its headers")
    return together(http(calls, ms, page), table(reads=calls))


def confirmations(people: float = MILLION) -> Bill:
    """The whole double opt-in: the form, the email, the page, the button."""
    ms, page = given("billed time of a click or a page, ms"), given("bytes of a page with its headers")
    # Two budgets of the form, the crowd, and what a domain is given back; the email's count, claim and note. Two items
    # and the breaker are read, the language, and the budget's name.
    asked = sizes.STEPS["asked"].write_units + sizes.EMAIL_BUDGETS
    writes = asked + sizes.STEPS["confirmed"].write_units + 2 + 1 + 1 + 3
    return together(
        http(4 * people, ms, page),
        functions(people, given("billed time of an email, ms")),
        table(reads=people * 5, writes=people * writes),
        {"SES": people * price("SES, mail sent")},
    )


def decisions(people: float = MILLION) -> Bill:
    """Decisions by the API, a thousand a call."""
    ms, answer = given("billed time of a call with 1,000 decisions, ms"), given("bytes of a decision in an answer")
    return together(http(people / 1000, ms, 1000 * answer), table(reads=people))


def events(count: float = MILLION) -> Bill:
    """Events by the API, a hundred a call, without evidence."""
    ms, answer = given("billed time of one event in a call of 100, ms"), given("bytes of a decision in an answer")
    return together(http(count / 100, 100 * ms, 100 * answer), table(writes=count * sizes.REPORTED.write_units))


def notified(changes: float = MILLION) -> Bill:
    """So many changes notified to the platform's endpoints: from the stream into the queue, and out of it."""
    messages = changes * given("endpoints that are notified of each change")
    return together(
        functions(changes, given("time of a record that becomes a queue's message, ms")),
        functions(messages, given("billed time of notifying an endpoint, ms")),
        queue(messages),
        {"Data out": messages * 1_000 / GB * price("Data out to the internet")},
    )


def waited(messages: float) -> Bill:
    """So many messages that come out of the queue and go into it again, since their endpoint is unavailable."""
    return together(functions(messages, given("time of a record that becomes a queue's message, ms")), queue(messages))


# --- what is paid for by the month ------------------------------------------------------------------------------------


def standing(**answers: str) -> list[Part]:
    """What a stack costs in a month in which nothing happens, part by part; with other answers than the defaults."""
    stack = deployed(**answers)
    queues = stack.sources("sqs")
    unlimited = sum("ScalingConfig" not in each for each in queues.values())
    polled = unlimited * given("long polls beside each other of a queue that is idle")
    polled += (len(queues) - unlimited) * given("the same with MaximumConcurrency")
    polls = polled * MONTH_S / given("seconds of a long poll") / MILLION
    alarms, fast = stack.alarm_metrics(), stack.alarm_metrics(high_resolution=True)
    watched = f"metrics of {stack.count('AWS::CloudWatch::Alarm')} alarms"
    parts = [
        Part(watched, alarms, "CloudWatch, metric of an alarm", free=10),
        Part("metrics of alarms that look every ten seconds", fast, "CloudWatch, metric of a high-resolution alarm"),
    ]
    parts += [
        Part(
            f"a dashboard that names {named} metrics",
            1,
            "CloudWatch, dashboard",
            free=3 if named <= FREE_DASHBOARD_METRICS else 0,
        )
        for named in stack.dashboards().values()
    ]
    parts += [
        Part(f"looking into {len(queues)} queues, millions", polls, "SQS, standard queue", free=1),
        Part("the key of what SES reports, in its first year", stack.count("AWS::KMS::Key"), "KMS, key"),
        Part("the keyring", stack.count("AWS::SecretsManager::Secret"), "Secrets Manager, secret"),
    ]
    return [part for part in parts if part.many]


def monthly(parts: list[Part]) -> float:
    """Dollars for parts, by the price list."""
    return sum(part.dollars for part in parts)


def idle() -> Bill:
    """A month in which nothing happens."""
    return together(*({part.service: part.dollars} for part in standing()))


def start_mode(mode: str) -> list[Part]:
    """What a way of starting sooner costs in a month, whether anybody calls or not."""
    stack = deployed(StartMode=mode)
    kept, running = stack.snapshots_gb() * MONTH_S, stack.provisioned_gb() * MONTH_S
    return [
        Part("snapshots of one version of each function", kept, "Lambda, snapshot kept"),
        Part("one of each function kept running", running, "Lambda, provisioned concurrency, arm64"),
    ]


def outdated(days: float) -> float:
    """Dollars for snapshots of what a deployment replaced, until they are deleted."""
    return deployed(StartMode="snapstart").snapshots_gb() * days * 24 * 3600 * price("Lambda, snapshot kept")


def stored_bytes(people: float) -> float:
    """Of people who asked, confirmed and left, when evidence and address are gone: a state and three events each."""
    written = sum(each.items["event"] + sizes.STORED_OVERHEAD for each in sizes.STEPS.values())
    return people * (sizes.STEPS["left"].items["state"] + sizes.STORED_OVERHEAD + written)


def kept(people: float) -> Bill:
    """A month of keeping so many people, with the archive, and its reading of the table."""
    held = stored_bytes(people)
    archived = people * sum(each.items["event"] for each in sizes.STEPS.values())
    return {
        "Storage": held / GB * price("DynamoDB, stored"),
        "Recovery": held / GB * price("DynamoDB, point-in-time recovery"),
        "Archive": archived / GB * price("S3, Glacier Instant Retrieval"),
        "Archive's scan": held / 4096 / 2 * price("DynamoDB, read request unit"),
    }


# --- metrics of our own -----------------------------------------------------------------------------------------------


def counted(events: Mapping[Combination, float]) -> float:
    """Dollars for metrics of our own that have a value so often a month."""
    return sum(metrics.hours(often) for often in events.values()) * price("CloudWatch, metric of one's own")


def everything() -> float:
    """Dollars for metrics of our own if every one that can be had a value in every hour."""
    return (len(metrics.possible()) + metrics.filtered()) * price("CloudWatch, metric of one's own")


def usual(asked: float, confirmed: float, one_clicks: float, by_page: float) -> dict[Combination, float]:
    """The metrics of people who ask, confirm and leave, and how often each has a value."""
    left = one_clicks + by_page
    changes = asked + confirmed + left
    service = ("consentry",)
    return {
        Combination("Acts", ("page", "applied")): asked + confirmed + by_page,
        Combination("Acts", ("one-click", "applied")): one_clicks,
        Combination("Changes", ("asked",)): asked,
        Combination("Changes", ("confirmed",)): confirmed,
        Combination("Changes", ("unsubscribed",)): left,
        Combination("ConfirmedAfter", service): confirmed,
        Combination("Mails", ("confirmation", "sent")): asked,
        Combination("MailDelay", service): asked,
        Combination("Notifications", ("queued",)): changes,
        Combination("Notifications", ("taken",)): changes,
        Combination("NotificationDelay", service): changes,
    }


def small(people: float = 10_000) -> dict[Combination, float]:
    """The same of a month of so many people who get an email a week."""
    opt_outs = 4 * people * given("opt-outs an email")
    by_page = opt_outs * given("of these by the page, the rest by one click")
    asked = people * given("new requests a day, a subscriber") * 30
    return usual(asked, asked * given("of these confirmed"), opt_outs - by_page, by_page)
