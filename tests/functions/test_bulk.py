"""Jobs over millions, in small: steps of the function over a bucket and a table, as the state machine calls them."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentry.actions.bulk import parts
from consentry.actions.bulk.parts import Cutter
from consentry.actions.bulk.rows import CSV, NDJSON, Malformed, Reader, UnusableInputError, text_of, unguarded
from consentry.rules.ledger import Kind
from support import calls
from support.world import DAY, World

BUCKET: Final = "consentry-bulk"
STARTED: Final = "2027-01-15T08:00:00.000Z"


class Bulk:
    """The bucket, and the function behind it; calls it as the state machine does."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.s3.create_bucket(Bucket=BUCKET)

    def step(self, step: str, run: str = "run-1", **told: Any) -> Any:
        return self.world.function("bulk").handler({"step": step, "run": run, **told}, None)

    def put(self, text: str | bytes, key: str = "inputs/people.csv") -> None:
        body = text.encode() if isinstance(text, str) else text
        self.world.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def plan(self, run: str = "run-1", **job: Any) -> Any:
        told = {"brand": "demo", **({} if job["work"] == "export" else {"input": "inputs/people.csv"}), **job}
        return self.step("plan", run, job=told, started_at=STARTED)

    def parts(self, run: str = "run-1") -> list[dict[str, int]]:
        return list(json.loads(self.objects()[f"runs/{run}/parts.json"]))

    def run(self, run: str = "run-1", **job: Any) -> Any:
        """A whole job; what came of it, counted."""
        self.plan(run, **job)
        for part in self.parts(run):
            self.step("part", run, part=part)
        return self.step("finish", run)["counts"]

    def objects(self) -> dict[str, bytes]:
        listed = self.world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: self.world.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in listed}

    def rows(self, kind: str, run: str = "run-1") -> list[dict[str, str]]:
        """The rows of all parts, in order."""
        held = self.objects()
        return [
            row
            for key in sorted(held)
            if key.startswith(f"runs/{run}/{kind}/")
            for row in csv.DictReader(io.StringIO(held[key].decode("utf-8", "surrogateescape"), newline=""))
        ]


@pytest.fixture
def bulk(world: World, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    world.deploy(bulk_bucket=BUCKET, bulk_concurrency=8)
    monkeypatch.setattr("consentry.deployment._BULK_WRITERS", 1)  # moto can't be written to by several threads
    monkeypatch.setattr(parts, "ROWS", 3)
    monkeypatch.setattr("consentry.actions.bulk.importing.PATIENCE", (0.001,))
    return Bulk(world)


def people(count: int, status: str = "unsubscribed") -> str:
    return "email,status,topics\n" + "".join(f"person{each}@example.com,{status},news\n" for each in range(count))


# --- when something goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "job",
    [
        None,
        {},
        {"work": "import"},
        {"work": "erase", "brand": "demo", "input": "inputs/people.csv"},
        {"work": "import", "brand": "nobody", "input": "inputs/people.csv"},
        {"work": "import", "brand": "demo"},
        {"work": "import", "brand": "demo", "input": "runs/run-0/plan.json"},
        {"work": "import", "brand": "demo", "input": "inputs/../people.csv"},
        {"work": "import", "brand": "demo", "input": "inputs/missing.csv"},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "topics": ["unknown"]},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "topics": [["news"]]},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "dry_run": "yes"},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "preset": "unheard-of"},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "concurrency": 10_000},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "surprise": 1},
        {"work": "screen", "brand": "demo", "input": "inputs/people.csv"},
        {"work": "screen", "brand": "demo", "input": "inputs/nobody.csv", "topics": ["news"]},
        {"work": "import", "brand": "demo", "input": "inputs/nobody.csv"},
        {"work": "import", "brand": "demo", "input": "inputs/empty.csv"},
        {"work": "import", "brand": "demo", "input": "inputs/people.csv", "preset": "sendgrid"},
        {"work": "export", "brand": "demo", "what": "addresses"},
        {"work": "export", "brand": "demo", "input": "inputs/people.csv"},
    ],
)
def test_a_job_that_cant_be_meant_is_refused_before_anything_is_done(bulk: Bulk, job: Any) -> None:
    bulk.put("email,created\nann@example.com,1700000000\n")
    bulk.put("name,city\nAnn,Ulm\n", "inputs/nobody.csv")
    bulk.put("", "inputs/empty.csv")
    answer = bulk.step("plan", job=job, started_at=STARTED)
    assert [*answer] == ["refused"]
    assert "ann@example.com" not in answer["refused"]
    assert not [key for key in bulk.objects() if key.startswith("runs/")]
    assert bulk.world.items() == []


@pytest.mark.parametrize("run", ["", "../x", "a b", "x" * 81])
def test_a_run_is_named_so_that_it_stays_in_its_folder(bulk: Bulk, run: str) -> None:
    for step in ("plan", "part", "finish"):
        assert "name" in bulk.step(step, run, job={}, started_at=STARTED, part={"part": 0})["refused"]


def test_while_the_table_is_away_a_part_fails_and_says_nothing_of_anybody(bulk: Bulk) -> None:
    bulk.put(people(2))
    bulk.plan(work="import")
    throttled = calls.failing(
        bulk.world.deployment.bulk._store.gateway.client, "ProvisionedThroughputExceededException"
    )
    with throttled, pytest.raises(Exception, match=r"^StoreUnavailableError$") as failed:
        bulk.step("part", part=bulk.parts()[0])
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__, "Lambda would tell what was behind it"
    bulk.step("part", part=bulk.parts()[0])
    assert bulk.step("finish")["counts"] == {"new opt-outs": 2}


def test_while_the_bucket_is_away_a_part_fails_and_is_done_later(bulk: Bulk) -> None:
    bulk.put(people(2))
    bulk.plan(work="import")
    with (
        calls.failing(bulk.world.deployment.bulk._objects._client, "SlowDown"),
        pytest.raises(Exception, match="ObjectStoreUnavailable"),
    ):
        bulk.step("part", part=bulk.parts()[0])
    bulk.step("part", part=bulk.parts()[0])
    assert bulk.step("finish")["counts"] == {"new opt-outs": 2}


def test_an_input_that_was_changed_under_a_run_is_not_read(bulk: Bulk) -> None:
    bulk.put(people(6))
    bulk.plan(work="import")
    bulk.step("part", part=bulk.parts()[0])
    bulk.put(people(6, "subscribed"))
    assert "changed" in bulk.step("part", part=bulk.parts()[1])["refused"]
    assert len(bulk.world.events()) == 3


def test_a_run_isnt_over_before_its_last_part_is_done(bulk: Bulk) -> None:
    bulk.put(people(6))
    bulk.plan(work="import")
    bulk.step("part", part=bulk.parts()[0])
    with pytest.raises(Exception, match="ObjectStoreUnavailable"):
        bulk.step("finish")


def test_steps_that_are_done_twice_change_nothing(bulk: Bulk) -> None:
    bulk.put(people(7, "subscribed"))
    bulk.run(work="import")
    objects, items = bulk.objects(), bulk.world.items()
    bulk.world.now += DAY
    bulk.run(work="import")
    assert (bulk.objects(), bulk.world.items()) == (objects, items)


def test_a_part_that_died_before_it_was_counted_writes_nothing_twice(bulk: Bulk) -> None:
    bulk.put(people(3))
    bulk.run(work="import")
    bulk.world.s3.delete_object(Bucket=BUCKET, Key="runs/run-1/counts/00000.json")
    assert bulk.step("part", part=bulk.parts()[0]) == {"already known": 3}
    assert len(bulk.world.events()) == 3


# --- import -----------------------------------------------------------------------------------------------------------


def test_an_import_in_parts_says_and_writes_what_one_in_one_piece_does(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.put(
        "email,status,topics,occurred_at\r\n"
        'ann@example.com,unsubscribed,"news,\r\noffers",2026-01-01T00:00:00Z\r\n'
        "bob@example.com,subscribed,news,2026-01-01T00:00:00Z\r\n"
        "ann@example.com,subscribed,news,2026-02-01T00:00:00Z\r\n"
        "no address,unsubscribed,news,\r\n"
        "eve@example.com,unsubscribed\r\n"
        "zoë@example.com,complained,,soon\r\n"
        'dan@example.com,"bounced,,\r\n'
        "fay@example.com,bounced,,\r\n"
    )
    assert bulk.run("many", work="import") is not None
    assert len(bulk.parts("many")) > 2
    in_parts, told, events = bulk.step("finish", "many")["counts"], bulk.rows("report", "many"), bulk.world.events()
    for item in bulk.world.items():
        bulk.world.dynamodb.delete_item(
            TableName=os.environ["TABLE_NAME"], Key={name: item[name] for name in ("pk", "sk")}
        )
    monkeypatch.setattr(parts, "ROWS", 1_000)
    assert bulk.run("one", work="import") == in_parts
    assert len(bulk.parts("one")) == 1

    def by_line(report: list[dict[str, str]]) -> list[dict[str, str]]:
        return sorted(report, key=lambda each: int(each["line"]))

    assert by_line(bulk.rows("report", "one")) == by_line(told)
    assert [each["line"] for each in by_line(told)] == ["5", "6", "7", "8", "9"]

    def said(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in item.items() if name != "attempt"} for item in items]

    assert said(bulk.world.events()) == said(events)


def test_an_import_lifts_no_opt_out(bulk: Bulk) -> None:
    leaving = bulk.world.leave_url(email="person1@example.com")
    assert bulk.world.post(leaving, {"List-Unsubscribe": "One-Click"}).status == 200
    bulk.world.now += DAY
    bulk.put(people(3, "subscribed"))
    assert bulk.run(work="import") == {"claims that an opt-out beats": 1, "new claims": 2}
    assert bulk.rows("report") == [{"line": "3", "result": "conflict", "reason": "an opt-out is on record"}]
    assert {item["kind"]["S"] for item in bulk.world.events()} == {Kind.UNSUBSCRIBED, Kind.CLAIMED}


def test_a_dry_run_counts_and_writes_nothing(bulk: Bulk) -> None:
    bulk.put(people(4))
    assert bulk.run(work="import", dry_run=True) == {"new opt-outs": 4}
    assert bulk.world.items() == []


def test_an_export_of_another_system_is_understood(bulk: Bulk) -> None:
    bulk.put("\ufeffEmail Address,UNSUB_TIME\nann@example.com,2026-01-01 10:00:00\nbob@example.com,\n")
    assert bulk.run(work="import", preset="mailchimp", topics=["news"]) == {"new opt-outs": 2}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_is_read_in_parts_whatever_its_dialect(bulk: Bulk, encoding: str, separator: str) -> None:
    lines = ["", f"Email {separator}STATUS{separator}Note"]
    lines += [f"zoë{each}@example.com{separator}unsubscribed{separator}Ζωή 🎈" for each in range(4)]
    lines += [f'open@example.com{separator}unsubscribed{separator}"open', f"ann@example.com{separator}Unsubscribed"]
    bulk.put("\r\n".join(lines).encode(encoding))
    assert bulk.run(work="import") == {"malformed lines": 1, "new opt-outs": 5}
    assert len(bulk.parts()) > 1
    assert [each["line"] for each in bulk.rows("report")] == ["7", "8"]
    assert bulk.world.status("zoë3@example.com") == "unsubscribed"


def test_an_answer_of_an_api_is_read_in_parts(bulk: Bulk) -> None:
    reasons = ("HardBounce", "SpamComplaint", "ManualSuppression")
    people = [{"EmailAddress": f"p{n}@example.com", "SuppressionReason": reasons[n % 3]} for n in range(9)]
    bulk.put(json.dumps({"Suppressions": people, "Total": 9}), "inputs/dump.json")
    counts = bulk.run(work="import", preset="postmark", input="inputs/dump.json")
    assert counts == {"new bounces": 3, "new complaints": 3, "new opt-outs": 3}
    assert len(bulk.parts()) == 3


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({}, "--status"),
        ({"status": "subscribed", "topics": ["news"]}, "email_disabled"),
        ({"status": "subscribed", "topics": ["news"], "columns": ["email"]}, "NAME=COLUMN"),
        ({"status": "subscribed", "topics": ["news"], "columns": ["email=who"]}, "neither email"),
        ({"status": "subscribed", "topics": ["news"], "ignore_columns": [1]}, "names"),
    ],
)
def test_what_is_not_certain_is_refused_in_aws_too(bulk: Bulk, job: dict[str, Any], said: str) -> None:
    bulk.put("E-Mail,email_disabled\nann@example.com,true\n")
    job = {"work": "import", "brand": "demo", "input": "inputs/people.csv", "columns": ["email=E-Mail"], **job}
    assert said in bulk.step("plan", job=job, started_at=STARTED)["refused"]


def test_columns_may_be_mapped_and_waved_away_in_aws_too(bulk: Bulk) -> None:
    bulk.put("E-Mail,email_disabled\n" + "".join(f"p{n}@example.com,false\n" for n in range(5)))
    told = {"columns": ["email=E-Mail"], "ignore_columns": ["email_disabled"]}
    assert bulk.run(work="import", status="subscribed", topics=["news"], **told) == {"new claims": 5}


# --- screen -----------------------------------------------------------------------------------------------------------


def test_an_audience_is_screened_row_by_row_in_order(bulk: Bulk) -> None:
    bulk.world.subscribed("news", email="person1@example.com")
    bulk.put("name,email\n" + "".join(f"N{each},person{each}@example.com\n" for each in range(5)) + "N5,nobody\n")
    counts = bulk.run(work="screen", topics=["news"])
    assert counts == {"allowed": 1, "malformed lines": 1, "not allowed": 4}
    rows = bulk.rows("result")
    assert [row["name"] for row in rows] == [f"N{each}" for each in range(5)]
    assert [row["allowed"] for row in rows] == ["false", "true", "false", "false", "false"]
    assert unguarded(rows[1]["subscriber_id"]) == bulk.world.subscriber_id("person1@example.com")
    assert [row["line"] for row in bulk.rows("report")] == ["7"]


def test_an_audience_of_ids_alone_comes_as_ndjson_and_leaves_as_it(bulk: Bulk) -> None:
    ids = [bulk.world.subscriber_id(f"person{each}@example.com") for each in range(4)]
    bulk.put("".join(json.dumps({"subscriber_id": each}) + "\n" for each in ids), "inputs/people.ndjson")
    bulk.run(work="screen", topics=["product"], input="inputs/people.ndjson")
    held = bulk.objects()
    lines = [json.loads(line) for key in sorted(held) if "/result/" in key for line in held[key].splitlines()]
    assert [line["subscriber_id"] for line in lines] == ids
    assert all(line["allowed"] for line in lines), "an opt_out topic"


def test_an_audience_may_be_written_for_spreadsheets(bulk: Bulk) -> None:
    bulk.put("email\tnote\nann@example.com\t=1+1\n")
    bulk.run(work="screen", topics=["news"], for_spreadsheets=True)
    assert [row["note"] for row in bulk.rows("result")] == ["'=1+1"]


def test_an_audience_of_nobody_has_a_result_of_nobody(bulk: Bulk) -> None:
    bulk.put("email\n")
    assert bulk.run(work="screen", topics=["news"]) == {}
    assert bulk.objects()["runs/run-1/result/00000.csv"].startswith(b"email,subscriber_id,allowed")


# --- export -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["consents", "ledger"])
def test_an_export_holds_everybody_of_the_brand_once(bulk: Bulk, what: str) -> None:
    for each in range(8):
        bulk.world.subscribed("news", email=f"person{each}@example.com")
    bulk.world.subscribed("news", brand="other")
    assert bulk.run(work="export", what=what) == {"rows": 8}
    ids = {bulk.world.subscriber_id(f"person{each}@example.com") for each in range(8)}
    assert {unguarded(row["subscriber_id"]) for row in bulk.rows("result")} == ids
    assert len(bulk.rows("result")) == 8
    assert len(bulk.parts()) == 4


def some_people(count: int) -> list[str]:
    """As many addresses."""
    return [f"person{each}@example.com" for each in range(count)]


def test_no_id_in_a_jobs_csv_is_a_formula_and_each_is_read_back(bulk: Bulk) -> None:
    """One of 64 begins with `-`. A few people are enough: moto copies the whole table for each transaction."""
    begins_with_a_dash = {bulk.world.subscriber_id(person)[0] == "-": person for person in some_people(400)}
    people = [*begins_with_a_dash.values(), *some_people(5)]
    for person in people:
        bulk.world.subscribed("news", email=person)
    bulk.run(work="export", what="consents")
    exported = [row["subscriber_id"] for row in bulk.rows("result")]
    assert [each for each in exported if each.startswith("'-")]
    assert not [each for each in exported if each.startswith("-")]
    bulk.put("subscriber_id,status,topics\n" + "".join(f"{each},unsubscribed,news\n" for each in exported))
    assert bulk.run("run-2", work="import")["new opt-outs"] == len(set(people)) == 7
    assert {bulk.world.status(person) for person in people} == {"unsubscribed"}


def test_a_large_table_is_read_in_more_parts(bulk: Bulk) -> None:
    bulk.world.subscribed("news")
    bulk.world.deployment.bulk._table_bytes = lambda: 640 << 20
    assert bulk.plan(work="export")["parts"] == 10


# --- what the state machine gets to know ------------------------------------------------------------------------------


def test_nothing_that_step_functions_keeps_or_a_log_tells_names_anybody(bulk: Bulk, logged: io.StringIO) -> None:
    bulk.put(people(7) + "person8@example.com,nonsense,news\n")
    kept = [bulk.plan(work="import"), bulk.parts()]
    kept += [bulk.step("part", part=part) for part in bulk.parts()]
    kept.append(bulk.step("finish"))
    text = json.dumps(kept) + logged.getvalue()
    assert "bulk step" in text
    assert "example.com" not in text
    for each in range(9):
        assert bulk.world.subscriber_id(f"person{each}@example.com") not in text


def test_a_job_may_say_how_much_is_done_at_once(bulk: Bulk) -> None:
    bulk.put(people(1))
    assert bulk.plan(work="import") == {"run": "run-1", "parts": 1, "concurrency": 8}
    assert bulk.plan(work="import", concurrency=2)["concurrency"] == 2


# --- where an input is cut --------------------------------------------------------------------------------------------

_PIECES: Final = st.sampled_from(
    [
        b"a@example.com",
        b"\xc3\xab",
        b"\xff",
        b'"',
        b'""',
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"\xef\xbb\xbf",
        b"{",
        b"}",
        b"1",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(body=st.lists(_PIECES, max_size=60).map(b"".join), form=st.sampled_from([CSV, NDJSON]), most=st.integers(1, 4))
def test_whatever_an_input_holds_its_parts_read_as_the_whole(
    monkeypatch: pytest.MonkeyPatch, body: bytes, form: str, most: int
) -> None:
    monkeypatch.setattr(parts, "ROWS", most)
    try:
        whole = Reader(text_of(io.BytesIO(body)), form)
    except UnusableInputError:
        with pytest.raises(UnusableInputError):
            Cutter(io.BufferedReader(io.BytesIO(body)), form)  # type: ignore[arg-type]  # a BytesIO serves as a raw one
        return
    expected: list[Any] = list(whole)
    cutter = Cutter(io.BufferedReader(io.BytesIO(body)), form)  # type: ignore[arg-type]  # as above
    seen: list[Any] = []
    cut = list(cutter.parts(seen.append))
    read: list[Any] = []
    for part in cut:
        text = text_of(io.BytesIO(body[part.start : part.end]), whole=False)
        read += Reader(text, form, header=cutter.reader.columns, after=part.after)
    assert read == expected
    assert seen == [row for row in expected if not isinstance(row, Malformed)]
    assert [part.start for part in cut[1:]] == [part.end for part in cut[:-1]]
