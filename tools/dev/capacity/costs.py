"""What things cost, by service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dev.capacity import assumed, metrics, prices, sizes
from dev.capacity.metrics import Combination
from dev.capacity.template import deployed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.capacity.prices import Price

MILLION: Final = 1_000_000
GB: Final = 1e9
"""AWS bills some of these by the GiB, which is 7 % more; that lies within what the assumptions are worth."""
MONTH_S: Final = 30 * 24 * 3600

Bill = dict[str, float]
"""Dollars by service."""


class Part(NamedTuple):
    """Something that is paid for each month, whether it is used or not."""

    service: str
    what: str
    many: float
    """In the unit of the price."""
    price: Price
    free: float = 0
    """How many of them an account of its own has free."""

    @property
    def dollars(self) -> float:
        """By the price list."""
        return self.many * self.price.dollars

    @property
    def due(self) -> float:
        """What is left of it in an account that has nothing else."""
        return max(0.0, self.many - self.free) * self.price.dollars


def http(calls: float, ms: float, bytes_out: float) -> Bill:
    """So many calls by HTTP, each of so many milliseconds, answered with so many bytes."""
    return {
        "API Gateway": calls / MILLION * prices.GATEWAY.dollars,
        **functions(calls, ms),
        "Data out": calls * bytes_out / GB * prices.SENT.dollars,
    }


def functions(calls: float, ms: float) -> Bill:
    """So many invocations, with their logs and their share of fresh containers."""
    seconds = calls * (ms + assumed.STARTS.value * assumed.START_MS.value) / 1000
    gb_s = seconds * deployed().memory_gb
    return {
        "Lambda": calls / MILLION * prices.INVOKED.dollars + gb_s * prices.COMPUTED.dollars,
        "Logs": calls * assumed.LOG_BYTES.value / GB * (prices.LOGGED.dollars + logs_kept() * prices.LOG_KEPT.dollars),
    }


def table(reads: float = 0, writes: float = 0) -> Bill:
    """So many read and write units."""
    return {"DynamoDB": reads / MILLION * prices.READ.dollars + writes / MILLION * prices.WRITE.dollars}


def together(*bills: Bill) -> Bill:
    """The sum."""
    services = dict.fromkeys(service for bill in bills for service in bill)
    return {service: sum(bill.get(service, 0.0) for bill in bills) for service in services}


def notified(changes: float) -> Bill:
    """So many changes notified to the platform's endpoints: from the stream into the queue, and out of it."""
    messages = changes * assumed.ENDPOINTS.value
    return together(
        functions(changes, assumed.STREAM_MS.value),
        functions(messages, assumed.NOTIFY_MS.value),
        {
            "SQS": messages * 3 / MILLION * (prices.QUEUED.dollars + prices.FAIR.dollars),
            "Data out": messages * 1_000 / GB * prices.SENT.dollars,
        },
    )


def logs_kept() -> float:
    """For how many months logs are kept."""
    return deployed().answer("LogRetentionDays") / 30


def standing(**answers: str) -> list[Part]:
    """What a stack costs in a month in which nothing happens, part by part; with other answers than the defaults."""
    stack = deployed(**answers)
    alarms = stack.count("AWS::CloudWatch::Alarm")
    polled = sum(
        assumed.POLLERS_LIMITED.value if "ScalingConfig" in source else assumed.POLLERS.value
        for source in stack.sources("sqs").values()
    )
    polls = polled * MONTH_S / assumed.POLL_S.value / MILLION
    return [
        Part("CloudWatch", f"metrics of {alarms} alarms", stack.alarm_metrics(), prices.ALARM, prices.FREE_ALARMS),
        *(
            [Part("CloudWatch", "metrics of alarms that look every ten seconds", fast, prices.FAST_ALARM)]
            if (fast := stack.alarm_metrics(high_resolution=True))
            else []
        ),
        *(
            Part(
                "CloudWatch",
                f"a dashboard that names {named} metrics",
                1,
                prices.DASHBOARD,
                prices.FREE_DASHBOARDS if named <= prices.FREE_DASHBOARD_METRICS else 0,
            )
            for named in stack.dashboards().values()
        ),
        Part(
            "SQS",
            f"looking into {len(stack.sources('sqs'))} queues, millions",
            polls,
            prices.QUEUED,
            prices.FREE_REQUESTS,
        ),
        Part("KMS", "the key of what SES reports, in its first year", stack.count("AWS::KMS::Key"), prices.KEY),
        Part("Secrets Manager", "the keyring", stack.count("AWS::SecretsManager::Secret"), prices.SECRET),
    ]


def idle() -> Bill:
    """A month in which nothing happens."""
    return together(*({part.service: part.dollars} for part in standing()))


def start_mode(mode: str) -> list[Part]:
    """What a way of starting sooner costs in a month, whether anybody calls or not."""
    stack = deployed(StartMode=mode)
    return [
        Part("Lambda", "snapshots of one version of each function", stack.snapshots_gb() * MONTH_S, prices.SNAPSHOT),
        Part("Lambda", "one of each function kept running", stack.provisioned_gb() * MONTH_S, prices.PROVISIONED),
    ]


def outdated(days: float) -> float:
    """Dollars for snapshots of what a deployment replaced, until they are deleted."""
    return deployed(StartMode="snapstart").snapshots_gb() * days * 24 * 3600 * prices.SNAPSHOT.dollars


def counted(events: Mapping[Combination, float]) -> float:
    """Dollars for metrics of our own that have a value so often a month."""
    return sum(metrics.hours(often) for often in events.values()) * prices.METRIC.dollars


def everything() -> float:
    """Dollars for metrics of our own if every one that can be had a value in every hour."""
    return (len(metrics.possible()) + metrics.filtered()) * prices.METRIC.dollars


def usual(asked: float, confirmed: float, one_clicks: float, by_page: float) -> dict[Combination, float]:
    """The metrics of people who ask, confirm and leave, and how often each has a value."""
    left = one_clicks + by_page
    notified = asked + confirmed + left
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
        Combination("Notifications", ("queued",)): notified,
        Combination("Notifications", ("taken",)): notified,
        Combination("NotificationDelay", service): notified,
    }


def clicks(calls: float = MILLION) -> Bill:
    """One-click opt-outs, with evidence, notified to nobody."""
    writes = sizes.STEPS["left"].write_units
    return together(http(calls, assumed.CLICK_MS.value, assumed.ANSWER_BYTES.value), table(writes=calls * writes))


def visits(calls: float = MILLION) -> Bill:
    """Visits of the unsubscribe page, which read and write nothing but the language."""
    return together(http(calls, assumed.CLICK_MS.value, assumed.PAGE_BYTES.value), table(reads=calls))


def confirmations(people: float = MILLION) -> Bill:
    """The whole double opt-in: the form, the email, the page, the button."""
    measured = sizes.STEPS
    # Two budgets of the form, the crowd, and what a domain is given back; the email's count, claim and note. Two items
    # and the breaker are read, the language, and the budget's name.
    asked = measured["asked"].write_units + sizes.EMAIL_BUDGETS
    writes = asked + measured["confirmed"].write_units + 2 + 1 + 1 + 3
    return together(
        http(4 * people, assumed.CLICK_MS.value, assumed.PAGE_BYTES.value),
        functions(people, assumed.MAIL_MS.value),
        table(reads=people * 5, writes=people * writes),
        {"SES": people / MILLION * prices.MAILED.dollars},
    )


def decisions(people: float = MILLION) -> Bill:
    """Decisions by the API, a thousand a call."""
    calls = people / 1000
    return together(http(calls, assumed.CALL_MS.value, 1000 * assumed.DECISION_BYTES.value), table(reads=people))


def events(count: float = MILLION) -> Bill:
    """Events by the API, a hundred a call, without evidence."""
    writes = sizes.REPORTED.write_units
    return together(
        http(count / 100, 100 * assumed.EVENT_MS.value, 100 * assumed.DECISION_BYTES.value),
        table(writes=count * writes),
    )


def stored_bytes(people: float) -> float:
    """Of people who asked, confirmed and left, when evidence and address are gone: a state and three events each."""
    measured = sizes.STEPS
    state = measured["left"].items["state"] + sizes.STORED_OVERHEAD
    written = sum(each.items["event"] + sizes.STORED_OVERHEAD for each in measured.values())
    return people * (state + written)


def kept(people: float) -> Bill:
    """A month of keeping so many people, with the archive, and its reading of the table."""
    held = stored_bytes(people)
    archived = people * sum(each.items["event"] for each in sizes.STEPS.values())
    return {
        "Storage": held / GB * prices.STORED.dollars,
        "Recovery": held / GB * prices.RECOVERY.dollars,
        "Archive": archived / GB * prices.COLD.dollars,
        "Archive's scan": held / 4096 / 2 / MILLION * prices.READ.dollars,
    }
