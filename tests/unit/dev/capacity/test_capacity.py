"""The model behind docs/scale.md and docs/costs.md: it is right about items, and the pages say what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.capacity import costs, load, sizes
from dev.capacity.figures import GIVEN, PRICES, given
from dev.capacity.pages import PAGES, TABLES, computed, named
from dev.capacity.template import LARGE, deployed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_say_what_the_model_says(page: Path) -> None:
    again = "PYTHONPATH=tools .venv/bin/python -m dev.capacity"
    assert page.read_text("utf-8") == computed(page), f"write it anew: {again}"


def test_every_table_is_shown_once() -> None:
    assert sorted(name for page in PAGES for name in named(page)) == sorted(TABLES)


def test_a_transaction_pays_twice_for_each_item_begun() -> None:
    assert sizes.Measured({"state": 1024, "event": 1025}).write_units == 2 + 4
    assert sizes.MEASURED["asked"].write_units == 2 * 4


def test_confirming_removes_the_address_that_asking_stored() -> None:
    measured = sizes.STEPS
    assert measured["confirmed"].items["contact"] < measured["asked"].items["contact"]


def test_a_person_who_did_more_has_a_larger_state() -> None:
    states = [each.items["state"] for each in sizes.STEPS.values()]
    assert states == sorted(set(states))


def test_no_partition_is_hotter_than_all_and_none_cooler_than_their_mean() -> None:
    few, many = load.hottest(3600, 6, 4), load.hottest(3600, 6, 16)
    assert 3600 / 4 < few < 3600
    assert 3600 / 16 < many < few


def test_twice_the_clicks_cost_twice_as_much() -> None:
    once, twice = (sum(costs.clicks(many).values()) for many in (1e6, 2e6))
    assert twice == pytest.approx(2 * once)


def test_a_stack_has_something_of_all_that_is_charged_by_the_month() -> None:
    assert all(dollars > 0 for dollars in costs.idle().values())


def test_an_alarm_over_several_metrics_is_paid_for_each() -> None:
    stack = deployed()
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    assert len(alarms["ThrottlesAlarm"]["Metrics"]) > 2
    one_each = sum("MetricName" in each for each in alarms.values())
    several = sum("MetricStat" in metric for each in alarms.values() for metric in each.get("Metrics", ()))
    assert stack.alarm_metrics() == one_each + several > len(alarms)
    assert stack.alarm_metrics(high_resolution=True) == 0


def test_what_is_counted_follows_the_answers() -> None:
    default, rotating = deployed(), deployed(KeyRotationDays="90")
    assert "RotationFailedAlarm" not in default.of_type("AWS::CloudWatch::Alarm")
    assert "RotationFailedAlarm" in rotating.of_type("AWS::CloudWatch::Alarm")
    assert rotating.alarm_metrics() > default.alarm_metrics()
    assert deployed(DeploymentStrategy="AllAtOnce").alarm_metrics() < default.alarm_metrics()
    assert len(deployed(ArchiveEnabled="false").sources("sqs")) == len(default.sources("sqs")) - 1


def test_starting_sooner_costs_nothing_unless_it_is_asked_for() -> None:
    assert [part.dollars for part in costs.start_mode("none")] == [0, 0]
    snapshots, _ = costs.start_mode("snapstart")
    _, running = costs.start_mode("provisioned")
    waited_for = {
        alias["FunctionName"]["Ref"]
        for alias in deployed(StartMode="provisioned").of_type("AWS::Lambda::Alias").values()
        if "ProvisionedConcurrencyConfig" in alias
    }
    assert len(waited_for) == 7
    assert snapshots.many == running.many == 7 * costs.MONTH_S
    twice = deployed(StartMode="provisioned", ProvisionedConcurrency="2").provisioned_gb()
    assert twice == 2 * deployed(StartMode="provisioned").provisioned_gb()


def test_a_dashboard_of_few_metrics_is_free_in_an_account_of_its_own() -> None:
    parts = [part for part in costs.standing() if part.price == "CloudWatch, dashboard"]
    named = deployed().dashboards()
    assert len(parts) == len(named)
    for part, many in zip(parts, named.values(), strict=True):
        assert part.dollars == 3
        assert part.due == (0 if many <= 50 else 3)


def test_the_months_parts_are_the_whole_of_it() -> None:
    assert sum(costs.idle().values()) == pytest.approx(sum(part.dollars for part in costs.standing()))
    assert all(0 <= part.due <= part.dollars for part in costs.standing())


def test_the_table_is_under_dynamodbs_own_key_which_costs_nothing() -> None:
    stack = deployed()
    assert all("SSESpecification" not in each for each in stack.of_type("AWS::DynamoDB::Table").values())
    assert [part.what for part in costs.standing() if part.price == "KMS, key"] == [
        "the key of what SES reports, in its first year"
    ]


def test_slow_endpoints_leave_most_of_the_account_to_clicks() -> None:
    queues = deployed(AccountConcurrency=LARGE).sources("sqs")
    busy = [queues[name]["ScalingConfig"]["MaximumConcurrency"] for name in queues if not name.startswith("Archive")]
    functions = given("functions at once, default quota (a new account has fewer)")
    assert sum(busy) < functions / 2
    assert deployed().answer("ArchiveSegments") + sum(busy) < functions / 2


def test_every_figure_says_where_it_is_from() -> None:
    assert all(each.source.startswith("<https://") for each in PRICES.values())
    assert all(each.source for each in GIVEN.values())
