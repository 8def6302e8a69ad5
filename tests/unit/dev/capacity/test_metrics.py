"""What metrics of our own there can be: listed; tests/conftest.py holds every test to it."""

from __future__ import annotations

import re

import pytest

from consentry import telemetry
from dev.capacity import costs, metrics
from dev.capacity.metrics import Combination
from dev.places import ROOT


def test_every_metric_is_counted_with_a_value_for_each_of_its_dimensions() -> None:
    names = {each.name for each in metrics.possible()}
    assert names == set(telemetry.METRICS)
    for each in metrics.possible():
        assert len(each.values) == len(telemetry.METRICS[each.name].dimensions), each
        assert all(each.values), each


@pytest.mark.parametrize(
    "emitted",
    [
        Combination("Acts", ("one-click", "spooled")),
        Combination("Refused", ("page", "no_brand")),  # passed to an exception
        Combination("Refused", ("page", "unavailable")),  # in a table
        Combination("Refused", ("page", "too_large")),  # passed on
        Combination("Refused", ("api", "422")),
        Combination("Refused", ("webhook", "413")),
        Combination("Webhooks", ("hubspot", "ignored")),
        Combination("Mails", ("goodbye", "not_sent")),  # a name that was given before
        Combination("Mails", ("of a request", "not_needed")),
        Combination("MailsPutOff", ("held_back",)),
        Combination("Notifications", ("failed",)),
        Combination("Waiting", ("SpoolQueue",)),
        Combination("Waiting", ("stream",)),
        Combination("Unreadable", ("ses",)),
        Combination("Unreadable", ("mailbox",)),
    ],
)
def test_what_the_code_can_emit_is_found(emitted: Combination) -> None:
    assert emitted in metrics.possible()


@pytest.mark.parametrize(
    "never",
    [
        Combination("Refused", ("webhook", "422")),
        Combination("Refused", ("page", "404")),
        Combination("Mails", ("of a request", "sent")),
        Combination("Mails", ("confirmation", "")),
    ],
)
def test_what_it_cant_is_not(never: Combination) -> None:
    assert never not in metrics.possible()


def test_every_value_that_is_listed_stands_in_the_code() -> None:
    code = "".join(
        path.read_text() for folder in ("functions", "layers/consentry") for path in (ROOT / folder).rglob("*.py")
    )
    refused = [why for each in metrics.REFUSED.values() for why in each]
    listed = [*refused, *metrics.WEBHOOKS, *metrics.MAILED, *metrics.NOT_NEEDED, *metrics.PUT_OFF, *metrics.NOTIFIED]
    assert [value for value in listed if not re.search(rf"[\"']{value}[\"']|\b{value}\b(?<=\d)", code)] == []


def test_a_metric_is_charged_by_the_hours_in_which_it_has_a_value() -> None:
    assert metrics.hours(0) == 0
    assert metrics.hours(1) == pytest.approx(1 / metrics.MONTH_HOURS, rel=0.01)
    assert metrics.hours(float("inf")) == 1
    acts = Combination("Acts", ("page", "applied"))
    assert costs.counted({acts: 0}) == 0
    assert costs.counted({acts: float("inf")}) == pytest.approx(0.30)


def test_a_usual_month_has_nothing_that_cant_be_and_costs_less_than_everything() -> None:
    usual = costs.usual(asked=300, confirmed=210, one_clicks=56, by_page=24)
    assert set(usual) <= metrics.possible()
    assert 0 < costs.counted(usual) < len(usual) * 0.30 < costs.everything()
