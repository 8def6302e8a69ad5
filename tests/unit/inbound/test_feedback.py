"""Feedback: whatever SES tells, an event is understood or said not to be, and nothing else happens."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.inbound import feedback
from consentry.inbound.feedback import UnintelligibleError
from consentry.rules.brands import Brands
from support import people, ses

BRAND = people.brand()
BRANDS = Brands([BRAND])
ANN = "ann@example.com"
EVENTS: list[dict[str, Any]] = [
    ses.bounce(ANN, "bob@example.com", at=people.NOW, brand="demo"),
    ses.bounce(ANN, at=people.NOW),
    ses.complaint(ANN, at=people.NOW, brand="demo"),
    ses.subscription(ANN, people.NOW, topics=[("news", "OptOut"), ("offers", "OptIn")]),
    ses.reject(ANN, at=people.NOW, brand="demo"),
]
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(ANN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in an event."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [each for name, part in inner for each in places(part, (*path, name))]


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """A real event in which some values are replaced by odd ones, or are missing."""
    event = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for path in draw(st.lists(st.sampled_from(places(event)), min_size=1, max_size=3)):
        holder = event
        try:
            for name in path[:-1]:
                holder = holder[name]
            if draw(st.booleans()):
                holder[path[-1]] = draw(odd)
            else:
                del holder[path[-1]]
        except (KeyError, IndexError, TypeError):
            pass  # an earlier replacement took the place away
    return event


def understand(text: str) -> None:
    """Read an event as the function does; only what can't be understood is an error, and it quotes nothing."""
    try:
        told = feedback.read(text, BRANDS)
        reports = [report for brand in told.brands for report in told.reports(brand)]
    except UnintelligibleError as exc:
        quoted = str(exc)
    else:
        quoted = ""
        assert told.kind in {"Bounce", "Complaint", "Subscription", "Reject", "other"}
        assert isinstance(told.complains_of_our_mail, bool)
        assert all(report.occurred_at >= 0 for report in reports)
    assert ANN not in quoted


@given(bent())
def test_an_event_with_odd_values_is_understood_or_said_not_to_be(event: Any) -> None:
    understand(json.dumps(event))


@given(odd | st.just(ses.HELLO))
def test_any_json_is_understood_or_said_not_to_be(said: Any) -> None:
    understand(json.dumps(said))


@given(st.text())
def test_any_text_is_understood_or_said_not_to_be(text: str) -> None:
    understand(text)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["eventType"])
def test_what_sess_guide_shows_is_understood(event: Any) -> None:
    told = feedback.read(json.dumps(event), BRANDS)
    assert (told.kind, told.brands) == (event["eventType"], (BRAND,))
    assert bool(told.reports(BRAND)) == (told.kind != "Reject")


def test_the_waits_double_to_an_hour_and_come_to_two_days() -> None:
    assert [feedback.WAITS.after(tries) for tries in range(1, 9)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert feedback.WAITS.after(10_000) == 3600
    assert 1.5 < sum(feedback.WAITS.after(tries) for tries in range(1, 50)) / 86_400 < 2.5
