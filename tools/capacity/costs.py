"""What things cost, by service."""

from __future__ import annotations

from typing import Final

from capacity import assumed, prices, sizes
from capacity.template import Template

MILLION: Final = 1_000_000
GB: Final = 1e9
"""AWS bills some of these by the GiB, which is 7 % more; that lies within what the assumptions are worth."""
MONTH_S: Final = 30 * 24 * 3600

Bill = dict[str, float]
"""Dollars by service."""


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
    gb_s = seconds * Template().memory_gb
    return {
        "Lambda": calls / MILLION * prices.INVOKED.dollars + gb_s * prices.COMPUTED.dollars,
        "Logs": calls * assumed.LOG_BYTES.value / GB * prices.LOGGED.dollars,
    }


def table(reads: float = 0, writes: float = 0) -> Bill:
    """So many read and write units."""
    return {"DynamoDB": reads / MILLION * prices.READ.dollars + writes / MILLION * prices.WRITE.dollars}


def together(*bills: Bill) -> Bill:
    """The sum."""
    services = dict.fromkeys(service for bill in bills for service in bill)
    return {service: sum(bill.get(service, 0.0) for bill in bills) for service in services}


def told(changes: float) -> Bill:
    """So many changes told to the platform's endpoints: from the stream into the queue, and out of it."""
    messages = changes * assumed.ENDPOINTS.value
    return together(
        functions(changes, assumed.STREAM_MS.value),
        functions(messages, assumed.TELL_MS.value),
        {
            "SQS": messages * 3 / MILLION * (prices.QUEUED.dollars + prices.FAIR.dollars),
            "Data out": messages * 1_000 / GB * prices.SENT.dollars,
        },
    )


def idle() -> Bill:
    """A month in which nothing happens."""
    template = Template()
    pollers = sum(
        assumed.POLLERS_LIMITED.value if "ScalingConfig" in source else assumed.POLLERS.value
        for source in template.sources("SQS").values()
    )
    return {
        "CloudWatch": template.alarm_metrics * prices.ALARM.dollars
        + template.count("AWS::CloudWatch::Dashboard") * prices.DASHBOARD.dollars,
        "KMS": template.count("AWS::KMS::Key") * prices.KEY.dollars,
        "Secrets Manager": template.count("AWS::SecretsManager::Secret") * prices.SECRET.dollars,
        "SQS": pollers * MONTH_S / assumed.POLL_S.value / MILLION * prices.QUEUED.dollars,
    }


def clicks(calls: float = MILLION) -> Bill:
    """One-click opt-outs, with evidence, told to nobody."""
    writes = sizes.journey()["left"].write_units
    return together(http(calls, assumed.CLICK_MS.value, assumed.ANSWER_BYTES.value), table(writes=calls * writes))


def visits(calls: float = MILLION) -> Bill:
    """Visits of the unsubscribe page, which read and write nothing but the language."""
    return together(http(calls, assumed.CLICK_MS.value, assumed.PAGE_BYTES.value), table(reads=calls))


def confirmations(people: float = MILLION) -> Bill:
    """The whole double opt-in: the form, the mail, the page, the button."""
    measured = sizes.journey()
    # Two budgets of the form, the crowd, and what a domain is given back; the mail's count, claim and note. Two items
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
    writes = sizes.unknown_leaves(evidence=False).write_units
    return together(
        http(count / 100, 100 * assumed.EVENT_MS.value, 100 * assumed.DECISION_BYTES.value),
        table(writes=count * writes),
    )


def stored_bytes(people: float) -> float:
    """Of people who asked, confirmed and left, when evidence and address are gone: a state and three events each."""
    measured = sizes.journey()
    state = measured["left"].items["state"] + sizes.STORED_OVERHEAD
    written = sum(each.items["event"] + sizes.STORED_OVERHEAD for each in measured.values())
    return people * (state + written)


def kept(people: float) -> Bill:
    """A month of keeping so many people, with the archive's reading of the table."""
    held = stored_bytes(people)
    return {
        "Storage": held / GB * prices.STORED.dollars,
        "Recovery": held / GB * prices.RECOVERY.dollars,
        "Archive's scan": held / 4096 / 2 / MILLION * prices.READ.dollars,
    }
