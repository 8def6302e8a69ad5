"""The page says what is in the events: recounted here from the events themselves, by another way."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.actions.opting_out import REASONS
from consentry.actions.platforms import rfc3339
from consentry.rules.ledger import Actor, Channel, Kind
from consentry_cli.report import counting, periods
from consentry_cli.report.counting import Counts, NotAnEventError
from consentry_cli.report.page import render
from consentry_cli.report.periods import By

NOON = int(datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 24 * 3600 * 1000


def event(kind: str = "asked", at: int = NOON, registers: dict[str, int] | None = None, **other: Any) -> dict[str, Any]:
    plain = {
        "brand": "demo",
        "subscriber_id": "S" * 22,
        "event_id": "E" * 16,
        "kind": kind,
        "topics": [],
        "occurred_at": rfc3339(at),
        "arrived_at": rfc3339(at),
        "actor": "recipient",
        "channel": "page",
        "suspected_automation": False,
        "registers": registers or {},
        "reference": "ann@example.com",
        "evidence": {"ip": "203.0.113.9"},
    }
    return plain | other


class Page(HTMLParser):
    """What somebody reads: tables by their caption, headings, tiles, the rest as text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[tuple[str, str]] = []
        self.tiles: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in = ""
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")
        elif tag in {"h1", "h2"}:
            self.headings.append((tag, ""))
        elif tag == "dt":
            self.tiles.append([""])
        elif tag == "dd":
            self.tiles[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.tables[self._caption] = self._rows
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in == "caption":
            self._caption += data
        elif self._in in {"td", "th"}:
            self._rows[-1][-1] += data
        elif self._in in {"h1", "h2"}:
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)
        elif self._in in {"dt", "dd"}:
            self.tiles[-1][-1] += data

    def column(self, caption: str, name: str) -> dict[str, int]:
        """A table's column of numbers, by the rows' headings."""
        header, *rows = self.tables[caption]
        return {row[0]: int(row[header.index(name)].replace(",", "")) for row in rows}


def report(rows: list[dict[str, Any]], *, zone: str = "UTC", **how: Any) -> Page:
    return Page(html_of(rows, zone=zone, **how))


def html_of(rows: list[dict[str, Any]], *, zone: str = "UTC", brand: str | None = None, **how: Any) -> str:
    counts = Counts(ZoneInfo(zone), first=how.get("first"), last=how.get("last"), brand=brand)
    for row in rows:
        counts.add(row)
    return render(counts, zone=zone, brand=brand, **how)


topics = st.sampled_from(["news", "offers", "product"])
instants = st.integers(NOON, NOON + 40 * DAY)


@st.composite
def ledgers(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 12))):
        at = draw(instants)
        about = draw(st.lists(topics, min_size=1, unique=True))
        kind = draw(st.sampled_from([*Kind, "astonished"]))
        channel = draw(st.sampled_from(list(Channel)))
        actor = draw(st.sampled_from(list(Actor)))
        suspected = draw(st.booleans())
        prefix = {"asked": "ask", "unsubscribed": "out", "claimed": "claim", "undone": "in"}.get(kind, "")
        registers = {f"{prefix}.{topic}": at for topic in about} if prefix else {}
        if kind == "preferences_saved":
            registers = {f"{draw(st.sampled_from(['in', 'out']))}.{topic}": at for topic in about}
        if kind == "erased":
            registers = {"out.*": at}
        if kind == "confirmed":
            asked_at = draw(instants)
            rows.append(event("asked", asked_at, {f"ask.{topic}": asked_at for topic in about}))
            at = asked_at + draw(st.integers(0, 7 * DAY))
            registers = {f"in.{topic}": asked_at for topic in about}
        rows.append(event(kind, at, registers, channel=channel, actor=actor, suspected_automation=suspected))
    return rows


def starting(rows: list[dict[str, Any]], prefix: str) -> Counter[str]:
    return Counter(
        name.partition(".")[2]
        for row in rows
        for name in row["registers"]
        if name.startswith(prefix) and (prefix != "out." or row["kind"] != "erased")
    )


@settings(max_examples=20)
@given(ledgers(), st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles"]), st.sampled_from([None, *By]))
def test_every_number_on_the_page_is_one_of_the_events(rows: list[dict[str, Any]], zone: str, by: By | None) -> None:
    page = report(rows, zone=zone, by=by)
    if not rows:
        assert "nothing on record" in page.text
        return
    tiles = {name: value for name, value, _ in page.tiles}
    kinds = Counter(row["kind"] for row in rows)
    assert page.column("Every kind of event", "Events") == kinds
    assert tiles["Events"] == str(len(rows))
    assert (tiles["Bounces"], tiles["Complaints"]) == (str(kinds["bounced"]), str(kinds["complained"]))

    into, out = starting(rows, "in."), starting(rows, "out.")
    for topic, count in into.items():
        assert page.column("Opt-ins by topic", topic)["Total"] == count
    by_topic = page.column("Opt-outs by topic", "Opt-outs")
    assert by_topic.pop("Total") == out.total()
    assert by_topic == out
    leaving = [row for row in rows if starting([row], "out.")]
    assert tiles["Opt-outs"] == str(len(leaving)) == str(page.column("Ways out", "Opt-outs")["Total"])
    assert tiles["Opt-ins"] == str(sum(bool(starting([row], "in.")) for row in rows))
    assert page.column("Ways out", "Opt-outs")["mailto"] == sum(row["channel"] == "mailto" for row in leaving)

    per_day = Counter(datetime.fromisoformat(row["occurred_at"]).astimezone(ZoneInfo(zone)).date() for row in leaving)
    total = page.column("Opt-outs by channel", "Total")
    assert total.pop("Total") == len(leaving)
    if by is By.DAY:
        assert {day: count for day, count in total.items() if count} == {str(day): n for day, n in per_day.items()}

    assert page.column("Confirm rate", "Requests")["Total"] == kinds["asked"]
    assert page.column("Confirm rate", "Confirmed")["Total"] == kinds["confirmed"]
    acts = [row for row in rows if row["actor"] == "recipient"]
    assert page.column("Suspected automation", "Acts of recipients")["Total"] == len(acts)
    assert page.column("Suspected automation", "Suspected")["Total"] == sum(row["suspected_automation"] for row in acts)
    for header, *table in page.tables.values():  # what stands in a column adds up to its total
        if table[-1][0] == "Total":
            for at, name in enumerate(header):
                if at and name not in {"Share", "Rate"}:
                    values = [int(row[at].replace(",", "")) for row in table]
                    assert sum(values[:-1]) == values[-1]


@pytest.mark.parametrize(
    ("took", "called"),
    [(0, "under 1 minute"), (59_999, "under 1 minute"), (60_000, "1 to 5 minutes"), (5 * DAY, "3 days or more")],
)
def test_a_confirmation_counts_for_the_request_that_it_confirms(took: int, called: str) -> None:
    rows = [event("asked", NOON, {"ask.news": NOON}), event("confirmed", NOON + took, {"in.news": NOON})]
    page = report(rows, by=By.DAY)
    assert page.column("Confirm rate", "Confirmed")["2026-11-02"] == 1
    assert page.column("Time from request to confirmation", "Confirmations")[called] == 1
    only = report(rows, first=date(2026, 11, 2), last=date(2026, 11, 2))
    assert only.column("Confirm rate", "Confirmed")["Total"] == 1
    assert "100.0%" in only.text


def test_more_confirmations_than_requests_give_no_rate() -> None:
    page = report([event("confirmed", NOON, {"in.news": NOON})])
    assert "the export lacks requests" in page.text
    assert ["Confirm rate", "–", "1 of 0 requests"] in page.tiles


def test_days_without_events_are_there_with_zero() -> None:
    rows = [event("bounced", NOON, {"bounce": NOON}), event("bounced", NOON + 3 * DAY, {"bounce": NOON})]
    assert page_days(report(rows)) == ["2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05", "Total"]


def page_days(page: Page) -> list[str]:
    return list(page.column("Bounces and complaints", "bounces"))


@pytest.mark.parametrize(("days", "by"), [(0, By.DAY), (62, By.WEEK), (500, By.MONTH), (365 * 60, By.YEAR)])
def test_the_longer_the_time_the_longer_a_period(days: int, by: By) -> None:
    assert periods.fitting(date(2020, 1, 1), date(2020, 1, 1) + timedelta(days)) is by


def test_fifty_years_of_days_are_too_many() -> None:
    rows = [event(at=1), event()]
    assert "by year" in report(rows).text
    with pytest.raises(periods.TooManyError, match="--by"):
        report(rows, by=By.DAY)


def test_the_end_of_the_calendar_is_the_end() -> None:
    assert periods.between(date(9999, 12, 30), date.max, By.DAY) == [date(9999, 12, 30), date.max]
    assert periods.between(date(1, 1, 1), date(1, 1, 9), By.WEEK) == [date(1, 1, 1), date(1, 1, 8)]


def test_a_day_is_that_of_the_time_zone() -> None:
    late = int(datetime(2026, 11, 2, 23, 30, tzinfo=UTC).timestamp() * 1000)
    assert page_days(report([event(at=late)], zone="Europe/Berlin")) == ["2026-11-03", "Total"]


def test_brands_are_counted_together_or_one_alone() -> None:
    rows = [event(), event(brand="other"), event(brand="other")]
    both, one = report(rows), report(rows, brand="other")
    assert both.headings[0] == ("h1", "Consent report: demo, other")
    assert one.tiles[0][:2] == ["Events", "2"]
    assert "1 left out" in one.text


def test_what_a_later_version_records_is_listed() -> None:
    page = report([event("astonished"), event("astonished")])
    assert ["astonished", "not known to this version", "2"] in page.tables["Every kind of event"]


def test_reasons_are_counted_in_words_and_what_is_no_code_is_not_shown() -> None:
    rows = [
        event("reason_given", source="too_many"),
        event("reason_given", source="too_many"),
        event("reason_given", source="tired_of_it"),
        event("reason_given", source="ann@example.com, call me"),
        event("reason_given", source={}),
        event("unsubscribed", source="spf=pass"),
    ]
    page = report(rows)
    assert page.column("Reasons given", "Answers") == {"too many mails": 2, "tired_of_it": 1, "Total": 3}
    assert "Reasons given" not in report([event()]).tables


def test_every_reason_that_a_person_can_pick_has_words() -> None:
    page = report([event("reason_given", source=reason) for reason in REASONS])
    assert not set(REASONS) & page.column("Reasons given", "Answers").keys()


def test_an_undone_pause_is_told_apart_from_topics() -> None:
    rows = [event("undone"), event("undone", registers={"in.news": NOON, "in.offers": NOON})]
    assert report(rows).column("What was undone", "Undone") == {"a pause": 1, "news": 1, "offers": 1, "Total": 3}


def test_names_are_text_whatever_they_hold() -> None:
    evil = '"><script>alert(1)</script>&'
    html = html_of([event("undone", registers={f"in.{evil}": NOON}, brand=evil, channel=evil)])
    html += html_of([event("unsubscribed", registers={f"out.{evil}": NOON}, channel=evil)])
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_page_names_nobody() -> None:
    html = html_of([event("asked"), event("undone", registers={"in.news": NOON})])
    assert "@" not in re.sub(r"@media|@page", "", html)
    for told in ("S" * 22, "E" * 16, "203.0.113.9"):
        assert told not in html


def test_the_page_loads_nothing_and_has_no_script() -> None:
    html = html_of([event()])
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert set(re.findall(r"https?://[^\"' <]+", html)) == {"http://www.w3.org/2000/svg"}
    loaded = [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert loaded == ["#main"]
    assert html_of([event()]) == html  # nothing of the run is in it


def test_plots_have_names_and_tables_have_headers() -> None:
    page = report([event(), event("unsubscribed", registers={"out.news": NOON})])
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    plots = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(plots) >= 7
    assert all({each["aria-labelledby"], each["aria-describedby"]} <= set(ids) for each in plots)
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert [tag for tag, _ in page.headings].count("h1") == 1
    assert {"header", "main", "footer"} <= {tag for tag, _ in page.tags}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_and_plots_stand_out_from_their_ground() -> None:
    schemes = re.findall(r":root \{(.*?)\}", html_of([]), re.DOTALL)
    assert len(schemes) == 3  # light, dark, print
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for ground in ("ground", "card"):
            for name, least in {
                "ink": 4.5,
                "soft": 4.5,
                "link": 4.5,
                **dict.fromkeys(("c0", "c1", "c2", "c3"), 3),
            }.items():
                bright, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (bright + 0.05) / (dark + 0.05) >= least, (name, ground)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": None},
        {"brand": "a@b"},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-11-02T12:00:00"},
        {"occurred_at": "1066-10-14T00:00:00Z"},
        {"occurred_at": 5},
        {"suspected_automation": "perhaps"},
        {"suspected_automation": None},
        {"registers": None},
        {"registers": "{"},
        {"registers": "[" * 100_000},
        {"registers": {"in.news": "now"}},
        {"registers": {"in.news": True}},
        {"registers": {"in.ann@example.com": NOON}},
        {"registers": {"in.news": -1}},
    ],
)
def test_what_is_no_event_is_refused_and_not_counted(wrong: dict[str, Any]) -> None:
    counts = Counts()
    with pytest.raises(NotAnEventError) as caught:
        counts.add(event() | wrong)
    assert "ann" not in str(caught.value)
    assert (counts.events, counts.days) == (0, {})


def test_csv_and_json_say_the_same() -> None:
    row = event("undone", registers={"in.news": NOON})
    assert counting.read(row | {"registers": json.dumps(row["registers"]), "suspected_automation": "false"}) == (
        counting.read(row)
    )


def test_a_file_of_made_up_names_fills_no_memory() -> None:
    counts = Counts()
    for at in range(2 * counting.MANY):
        counts.add(event(f"kind{at}", registers={f"in.topic{at}": NOON}))
    assert sum(len(day) for day in counts.days.values()) < 5 * counting.MANY
    assert Page(render(counts)).column("Every kind of event", "Events")[counting.OTHERS] == counting.MANY
