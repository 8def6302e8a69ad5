"""What is counted is a line that CloudWatch understands, and that names nobody."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any, Final

import pytest

from consentry import telemetry
from consentry.actions.spool import Recorder, Spooled, Unverified
from consentry.links.tokens import Purpose
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.table.store import Outcome
from support.memory import MemoryStore

ROOT: Final = Path(__file__).parents[2]
NOW: Final = 1_800_000_000_000
EVENT: Final = Event(
    event_id="e-1",
    kind=Kind.CONFIRMED,
    brand="demo",
    subscriber_id="A" * 22,
    occurred_at=NOW,
    arrived_at=NOW,
    actor=Actor.RECIPIENT,
    channel=Channel.PAGE,
    effect=Consent({"in.news": NOW - 90_000}),
    topics=("news",),
    reference="order-1234",
)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_operator_sees_each_act_by_channel_and_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time_ns() // 1_000_000
    telemetry.begin("request-7")
    telemetry.recorded(EVENT._replace(kind=Kind.UNSUBSCRIBED, effect=Consent({"out.news": NOW})), Outcome.APPLIED)
    [line] = written(capsys)
    assert before <= line["_aws"]["Timestamp"] <= time.time_ns() // 1_000_000
    assert line["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Consentry/test",
            "Dimensions": [["channel", "outcome"]],
            "Metrics": [{"Name": "Acts", "Unit": "Count"}],
        },
        {"Namespace": "Consentry/test", "Dimensions": [["kind"]], "Metrics": [{"Name": "Changes", "Unit": "Count"}]},
    ]
    assert {name: line[name] for name in ("Acts", "Changes", "channel", "outcome", "kind", "correlation_id")} == {
        "Acts": 1,
        "Changes": 1,
        "channel": "page",
        "outcome": "applied",
        "kind": "unsubscribed",
        "correlation_id": "request-7",
    }


def test_what_changed_nothing_is_an_act_and_no_change(capsys: pytest.CaptureFixture[str]) -> None:
    for outcome in set(Outcome) - {Outcome.APPLIED}:
        telemetry.recorded(EVENT, outcome)
    lines = written(capsys)
    assert {line["outcome"] for line in lines} == set(Outcome) - {Outcome.APPLIED}
    assert all("Acts" in line and "Changes" not in line and "ConfirmedAfter" not in line for line in lines)


def test_an_operator_sees_how_long_people_take_to_confirm(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.recorded(EVENT, Outcome.APPLIED)
    [line] = written(capsys)
    assert line["ConfirmedAfter"] == 90
    assert {"Name": "ConfirmedAfter", "Unit": "Seconds"} in line["_aws"]["CloudWatchMetrics"][2]["Metrics"]


def test_a_line_names_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.recorded(EVENT, Outcome.APPLIED)
    telemetry.spooled(Unverified(Purpose.UNSUBSCRIBE, "token.signature", NOW, Channel.ONE_CLICK))
    text = capsys.readouterr().out
    assert not [each for each in (EVENT.subscriber_id, EVENT.reference, "token.signature") if each in text]


@pytest.mark.parametrize(
    ("waiting", "channel"),
    [(Spooled(EVENT), "page"), (Unverified(Purpose.UNSUBSCRIBE, "t", NOW, Channel.ONE_CLICK), "one-click")],
    ids=["the table is unavailable", "the keys are unavailable"],
)
def test_what_waits_is_counted_once_it_is_in_the_spool(
    waiting: Spooled | Unverified, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queued: list[str] = []
    Recorder(MemoryStore(), queued.append, telemetry.spooled).keep(waiting)  # type: ignore[arg-type]  # a fake
    [line] = written(capsys)
    assert queued
    assert (line["channel"], line["outcome"], line["Acts"]) == (channel, "spooled", 1)


def test_a_log_that_cant_be_written_loses_no_opt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _text: str) -> int:
            raise OSError("no space left")

    monkeypatch.setattr("sys.stdout", Full())
    telemetry.recorded(EVENT, Outcome.APPLIED)


def _emitting() -> list[tuple[str, ast.FunctionDef]]:
    """Every function of the code that ships that counts something, with where it is."""
    code = [*(ROOT / "functions").glob("*/handler.py"), *(ROOT / "layers/consentry/consentry").rglob("*.py")]
    return [
        (f"{path.parent.name}/{path.name}: {each.name}", each)
        for path in code
        for each in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(each, ast.FunctionDef) and _calls(each)
    ]


def _calls(function: ast.FunctionDef) -> list[ast.Call]:
    calls = [each for each in ast.walk(function) if isinstance(each, ast.Call)]
    return [each for each in calls if ast.unparse(each.func) in {"telemetry.emit", "emit"}]


def test_a_fault_is_counted_under_the_version_that_met_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "stack-UnsubscribeFunction-1A2B")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    telemetry.fault("TypeError", permanent=False)
    [line] = written(capsys)
    directives = {each["Metrics"][0]["Name"]: each["Dimensions"] for each in line["_aws"]["CloudWatchMetrics"]}
    assert directives == {"Faults": [["service"]], "VersionFaults": [["function", "version"]]}
    assert {name: line[name] for name in ("Faults", "VersionFaults", "function", "version", "kind")} == {
        "Faults": 1,
        "VersionFaults": 1,
        "function": "stack-UnsubscribeFunction-1A2B",
        "version": "7",
        "kind": "TypeError",
    }


def test_every_metric_is_counted_somewhere_and_told_apart_by_what_it_says() -> None:
    counted: set[str] = set()
    for where, function in _emitting():
        texts = [each.value for each in ast.walk(function) if isinstance(each, ast.Constant)]
        names = {each for each in texts if each in telemetry.METRICS}
        assert names, where
        counted |= names
        said = {str(each.arg) for call in _calls(function) for each in call.keywords} | {"service"}
        assert {each for name in names for each in telemetry.METRICS[name].dimensions} <= said, where
        assert not said & {"subscriber_id", "email", "token", "ip", "path", "reference"}, where
    assert counted == set(telemetry.METRICS)
