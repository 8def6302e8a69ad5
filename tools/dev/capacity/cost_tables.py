"""The tables of docs/costs.md, by the name that stands in the page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from consentry.telemetry import METRICS
from dev.capacity import assumed, costs, load, metrics, prices
from dev.capacity.markdown import dollars, large, table, words
from dev.capacity.template import deployed

if TYPE_CHECKING:
    from dev.capacity.costs import Bill
    from dev.capacity.metrics import Combination

_TEN_THOUSAND: Final = 10_000


def _total(bill: Bill) -> float:
    return sum(bill.values())


def answers() -> str:
    """What most want to know."""
    million = {
        "one-click opt-outs": costs.clicks(),
        "page visits": costs.visits(),
        "confirmed sign-ups, with their emails": costs.confirmations(),
        "decisions by the API": costs.decisions(),
        "events by the API": costs.events(),
        "notifications to an endpoint": costs.notified(costs.MILLION),
    }
    rows = [[f"a million {what}", dollars(_total(bill))] for what, bill in million.items()]
    rows += [
        [f"{large(people).replace('.0', '')} subscribers kept, a month", dollars(_total(costs.kept(people)))]
        for people in (1e6, 1e7, 1e8)
    ]
    return table(["", "dollars"], [["a month in which nothing happens", dollars(_total(costs.idle()))], *rows])


def services() -> str:
    """The same by service."""
    bills = {
        "one click": costs.clicks(),
        "page visit": costs.visits(),
        "confirmed sign-up": costs.confirmations(),
        "decision": costs.decisions(),
        "event": costs.events(),
        "notification": costs.notified(costs.MILLION),
    }
    names = list(costs.together(*bills.values()))
    return table(
        ["a million", *bills],
        [[name, *(dollars(bill[name]) if name in bill else "–" for bill in bills.values())] for name in names],
    )


def nothing() -> str:
    """Idle, part by part."""
    parts = costs.standing()
    return table(
        ["a month", "how many", "each", "list price", "an account of its own pays"],
        [
            *(
                [
                    f"{part.service}: {part.what}",
                    f"{part.many:,.1f}".removesuffix(".0"),
                    f"${part.price.dollars:.2f}",
                    dollars(part.dollars),
                    dollars(part.due),
                ]
                for part in parts
            ),
            [
                "**together**",
                "",
                "",
                *(f"**{dollars(sum(each))}**" for each in zip(*((p.dollars, p.due) for p in parts), strict=True)),
            ],
        ],
    )


def choices() -> str:
    """What other answers than the defaults do to it."""
    changed: list[dict[str, str]] = [
        {"DeploymentStrategy": "AllAtOnce"},
        {"ArchiveEnabled": "false"},
        {"KeyRotationDays": "90"},
    ]
    usual = sum(part.dollars for part in costs.standing())
    rows = []
    for answers in changed:
        more = sum(part.dollars for part in costs.standing(**answers)) - usual
        said = ", ".join(f"`{name}={value}`" for name, value in answers.items())
        rows.append([said, f"{'+' if more > 0 else '−'}{dollars(abs(more))}"])
    return table(["answer", "a month"], rows)


def sooner() -> str:
    """What starting sooner costs."""
    by_mode = {
        mode: sum(part.dollars for part in costs.start_mode(mode)) for mode in ("none", "snapstart", "provisioned")
    }
    return table(
        ["`StartMode`", "a month", "what a deployment leaves behind, for 14 days", "a million fresh containers"],
        [
            ["`none`", dollars(by_mode["none"]), "–", "–"],
            [
                "`snapstart`",
                dollars(by_mode["snapstart"]),
                dollars(costs.outdated(14)),
                dollars(costs.MILLION * deployed().memory_gb * prices.RESTORED.dollars),
            ],
            ["`provisioned`, one of each", dollars(by_mode["provisioned"]), "–", "–"],
        ],
    )


def _few() -> dict[Combination, float]:
    """What has a value, and how often, in a month of 10,000 people who get an email a week."""
    opt_outs, asked = 4 * _TEN_THOUSAND * assumed.OPT_OUTS.value, _TEN_THOUSAND * assumed.ASKED.value * 30
    by_page = opt_outs * assumed.BY_PAGE.value
    return costs.usual(asked, asked * assumed.CONFIRMED.value, opt_outs - by_page, by_page)


def own_metrics() -> str:
    """What metrics of our own cost."""
    few = _few()
    always = dict.fromkeys(few, float("inf"))
    every = len(metrics.possible()) + metrics.filtered()
    return table(
        ["", "metrics", "a month"],
        [
            ["nothing happens", "0", dollars(0)],
            ["of 10,000 people some ask, confirm and leave now and then", str(len(few)), dollars(costs.counted(few))],
            ["the same in every hour", str(len(few)), dollars(costs.counted(always))],
            ["everything that can happen, faults and all, in every hour", str(every), dollars(costs.everything())],
        ],
    )


def combinations() -> str:
    """How many metrics each name can become."""
    by_name = Counter(each.name for each in metrics.possible())
    several = {name: many for name, many in by_name.most_common() if many > 1}
    rest = len(by_name) - len(several) + metrics.filtered()
    return table(
        ["metric", "distinguished by", "at most"],
        [
            *([f"`{name}`", ", ".join(METRICS[name].dimensions), str(many)] for name, many in several.items()),
            [f"{rest} others", "nothing", str(rest)],
            ["**together**", "", f"**{len(metrics.possible()) + metrics.filtered()}**"],
        ],
    )


def billion() -> str:
    """The bill of a month with a billion emails a day."""
    days = 30
    bills = {
        "opt-outs": costs.clicks(load.OPT_OUTS.a_day * days),
        "scanners' visits and pages": costs.visits((load.SCANS.a_day + load.VISITS.a_day) * days),
        "confirmed sign-ups": costs.confirmations(load.CONFIRMATIONS.a_day * days),
        "bounces and complaints": costs.events(load.REPORTS.a_day * days),
        "notifying platforms": costs.notified(load.CHANGES.a_day * days),
        "decisions, one for each mail": costs.decisions(load.MAILS * days),
        "keeping the subscribers": costs.kept(assumed.SUBSCRIBERS.value),
        "metrics of our own, all that can be": {"CloudWatch": costs.everything()},
        "idle": costs.idle(),
    }
    total = sum(map(_total, bills.values()))
    mailed = load.MAILS * days / costs.MILLION * prices.MAILED.dollars
    return table(
        ["a month", "dollars", "share"],
        [
            *([what, dollars(_total(bill)), f"{_total(bill) / total:.0%}"] for what, bill in bills.items()),
            ["**together**", f"**{dollars(total)}**", ""],
            ["for comparison: these emails by SES, at list price", dollars(mailed), ""],
        ],
    )


def others() -> str:
    """Ten thousand contacts, an email a week, beside a server and services."""
    people, emails = _TEN_THOUSAND, 4 * _TEN_THOUSAND
    opt_outs = emails * assumed.OPT_OUTS.value
    ours = costs.together(
        costs.idle(),
        {"CloudWatch": costs.counted(_few())},
        costs.kept(people),
        costs.clicks(opt_outs),
        costs.visits(emails * assumed.SCANNED.value),
        costs.confirmations(people * assumed.ASKED.value * 30),
        costs.decisions(emails),
        costs.notified(opt_outs),
    )
    ses = emails / costs.MILLION * prices.MAILED.dollars
    return words(
        ["10,000 contacts, 40,000 emails a month", "dollars a month", "what that is"],
        [
            [
                "Consentry, and SES for the emails",
                dollars(_total(ours) + ses),
                "consent alone: something else composes and sends",
            ],
            [
                "listmonk on a server, and SES for the emails",
                dollars(prices.SERVER.dollars + ses),
                "composes and sends too; one server, no second one",
            ],
            [
                "Campaign Monitor Essentials",
                dollars(prices.CAMPAIGN_MONITOR.dollars),
                "composes, sends, and is looked after",
            ],
        ],
    )


def even() -> str:
    """A server, which costs the same whatever it does."""
    rows = []
    for many in (0, 1e5, 1e6, 1e7):
        counted = costs.counted(costs.usual(0, 0, many, 0))
        total = _total(costs.idle()) + counted + _total(costs.clicks(many))
        rows.append([f"{many:,.0f}", dollars(total), dollars(prices.SERVER.dollars)])
    return table(["clicks a month", "Consentry", "the server"], rows)
