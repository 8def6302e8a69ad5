"""`consentry import`: what comes of rows, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from consentry.actions.reports import ReportKind
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry_cli import importing
from support.deployments import SAMPLES, Deployment

IMPORT = ("import", "--brand", "demo")
PLAIN = """\
email,status,topics,occurred_at,reference
ann@example.com,subscribed,news,2024-01-01T00:00:00Z,r-1
bob@example.com,unsubscribed,news,1704067200,
cy@example.com,complained,,1704067200000,
dee@example.com,bounced,,,
eve@example.com,unsubscribed,,2024-01-01T00:00:00+02:00,
"""


def counts(output: str) -> dict[str, int]:
    """What the command counted, without what it didn't find."""
    pairs = (line.rpartition(": ") for line in output.splitlines())
    return {name: int(number) for name, _, number in pairs if number != "0"}


def test_rows_become_claims_opt_outs_complaints_and_bounces(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, deployment.write("people.csv", PLAIN))
    assert done.exit_code == 0
    assert counts(done.stdout) == {"new claims": 1, "new opt-outs": 2, "new complaints": 1, "new bounces": 1}
    assert deployment.consent("ann@example.com").registers == {"claim.news": 1_704_067_200_000}
    assert deployment.consent("bob@example.com").registers == {"out.news": 1_704_067_200_999}
    assert deployment.consent("cy@example.com").registers == {"complaint": 1_704_067_200_000}
    assert deployment.consent("eve@example.com").registers == {"out.*": 1_704_060_000_999}
    assert [event["channel"]["S"] for event in deployment.events()] == ["import"] * 5
    assert deployment.run("ledger", "verify", "--brand", "demo").exit_code == 0


def test_a_claim_may_name_its_end(deployment: Deployment) -> None:
    rows = "email,status,topics,occurred_at,expires_at\n"
    rows += "ann@example.com,subscribed,news,2024-01-01,2024-07-01\nbob@example.com,subscribed,news,2024-01-01,\n"
    rows += "cy@example.com,subscribed,news,2024-01-01,2023-01-01\ndee@example.com,subscribed,news,2024-01-01,soon\n"
    rows += "eve@example.com,unsubscribed,news,2024-01-01,soon\n"
    done = deployment.run(*IMPORT, deployment.write("people.csv", rows))
    assert counts(done.stdout) == {"new claims": 2, "new opt-outs": 1, "malformed lines": 2}
    assert done.stderr.count("expires_at") == 2
    assert deployment.consent("ann@example.com").chosen("until.news") == "1719792000000"
    assert deployment.consent("bob@example.com").choices == {}
    again = deployment.run(*IMPORT, "--restart", deployment.write("people.csv", rows))
    assert counts(again.stdout) == {"already known": 3, "malformed lines": 2}


def test_a_dry_run_writes_nothing_and_counts_the_same(deployment: Deployment) -> None:
    deployment.report("bob@example.com", ReportKind.UNSUBSCRIBED, 1_704_067_200_999, ("news",))
    deployment.report("ann@example.com", ReportKind.UNSUBSCRIBED, 1_000)
    before = deployment.items()
    source = deployment.write("people.csv", PLAIN + "nobody,subscribed,news,,\n")
    dry = deployment.run(*IMPORT, "--dry-run", "--report", "dry.csv", source)
    assert dry.exit_code == 1
    assert deployment.items() == before
    assert not list(deployment.folder.glob("*journal*"))
    assert counts(dry.stdout) == {
        "new opt-outs": 1,
        "new complaints": 1,
        "new bounces": 1,
        "already known": 1,
        "claims that an opt-out beats": 1,
        "malformed lines": 1,
    }
    wet = deployment.run(*IMPORT, "--report", "wet.csv", source)
    assert (wet.exit_code, wet.stdout) == (dry.exit_code, dry.stdout)
    assert Path("dry.csv").read_text() == Path("wet.csv").read_text()
    assert Path("wet.csv").read_text() == (
        "line,result,reason\n7,malformed,email: not a valid email address\n2,conflict,an opt-out is on record\n"
    )


def test_an_opt_out_counts_without_a_reference_that_may_hold_an_address(deployment: Deployment) -> None:
    source = deployment.write("people.csv", "email,status,reference\nann@example.com,unsubscribed,ann@example.com\n")
    assert deployment.run(*IMPORT, "--report", "report.csv", source).exit_code == 0
    assert deployment.status("ann@example.com") == "unsubscribed"
    assert "example.com" not in json.dumps(deployment.items())
    assert "no address" in Path("report.csv").read_text()


def test_an_import_lifts_nothing(deployment: Deployment) -> None:
    deployment.report("ann@example.com", ReportKind.UNSUBSCRIBED, 1_000, ("news",))
    deployment.run(*IMPORT, deployment.write("people.csv", PLAIN))
    assert deployment.status("ann@example.com") == "unsubscribed"


def test_the_same_file_again_is_not_imported_twice(deployment: Deployment) -> None:
    source = deployment.write("people.csv", PLAIN)
    first = deployment.run(*IMPORT, source)
    before = deployment.items()
    again = deployment.run(*IMPORT, source)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert "was imported before" in again.stderr
    assert deployment.items() == before


def test_restart_forgets_and_rows_with_an_instant_are_known_all_the_same(deployment: Deployment) -> None:
    source = deployment.write("people.csv", PLAIN.replace("bounced,,,", "bounced,,1704067200,"))
    deployment.run(*IMPORT, source)
    before = deployment.items()
    assert counts(deployment.run(*IMPORT, "--restart", source).stdout) == {"already known": 5}
    assert deployment.items() == before


def test_a_file_of_the_same_name_with_other_rows_is_another_import(deployment: Deployment) -> None:
    deployment.run(*IMPORT, deployment.write("people.csv", PLAIN))
    more = deployment.write("people.csv", PLAIN + "fay@example.com,subscribed,news,1704067200,\n")
    assert counts(deployment.run(*IMPORT, more).stdout)["new claims"] == 1
    assert deployment.status("fay@example.com") == "subscribed"


def test_a_pipe_is_imported_without_a_journal(deployment: Deployment) -> None:
    assert deployment.run(*IMPORT, "-", stdin=PLAIN).exit_code == 0
    assert not list(deployment.folder.glob("*journal*"))


def test_ndjson_may_name_topics_as_a_list(deployment: Deployment) -> None:
    row = {
        "email": "ann@example.com",
        "status": "subscribed",
        "topics": ["news", "offers"],
        "occurred_at": 1_704_067_200,
    }
    done = deployment.run(*IMPORT, "-", "--format", "ndjson", stdin=json.dumps(row))
    assert done.exit_code == 0
    assert set(deployment.consent("ann@example.com").registers) == {"claim.news", "claim.offers"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ann@example.com,happy,news,,", "status: must be one of"),
        ("ann@example.com,,news,,", "status: must be one of"),
        ("ann@example.com,subscribed,,,", "topics: a claim names"),
        ("ann@example.com,subscribed,unheard,,", "topics: not of demo"),
        ("ann@example.com,subscribed,News letter,,", "topics: not of demo"),
        ("ann@example.com,unsubscribed,unheard,,", "topics: not of demo: 1 of 1; it has news, "),
        ("ann@example.com,subscribed,news,yesterday,", "occurred_at:"),
        ("ann@example.com,subscribed,news,1901-01-01,", "occurred_at:"),
        (",subscribed,news,,", "give email or subscriber_id"),
        ("secret.person,unsubscribed,news,,", "email: not a valid"),
        ("ann@example.com,subscribed,news", "3 fields where the header has 5"),
    ],
)
def test_a_malformed_line_is_told_by_number_and_spoils_nothing(deployment: Deployment, row: str, reason: str) -> None:
    done = deployment.run(*IMPORT, "-", stdin=f"{PLAIN}{row}\n")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"line 7: {reason}")
    assert "secret" not in done.output
    assert counts(done.stdout)["malformed lines"] == 1
    assert len(deployment.events()) == 5


@pytest.mark.parametrize(
    ("row", "register"),
    [
        ("gil@example.com,unsubscribed,news,some day in spring,", "out.news"),
        ("gil@example.com,unsubscribed,news,1901-01-01,", "out.news"),
        ("gil@example.com,unsubscribed,news,9999999999999999999999,", "out.news"),
        (f"gil@example.com,unsubscribed,news,,{'r' * 65}", "out.news"),
        ("gil@example.com,UNSUBSCRIBED,unheard;News;news,,", "out.news"),
        ("Gil <gil@example.com>,unsubscribed,news,,", "out.news"),
        ("mailto:gil@example.com,unsubscribed,news,,", "out.news"),
        ("'gil@example.com,unsubscribed,news,,", "out.news"),
        ("gil@example.com\0,unsubscribed,news,,", "out.news"),
        ("gil@example.com,unsubscribed,all,,", "out.*"),
    ],
)
def test_an_opt_out_counts_whatever_else_its_row_says(deployment: Deployment, row: str, register: str) -> None:
    done = deployment.run(*IMPORT, "--report", "report.csv", "-", stdin=f"{PLAIN}{row}\n")
    assert done.exit_code == 0
    assert register in deployment.consent("gil@example.com").registers
    if register != "out.*":
        assert Path("report.csv").read_text().startswith("line,result,reason\n7,note,")


def test_people_whose_address_no_parser_likes_are_imported_like_others(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, "-", stdin=f"{PLAIN}A..b@docomo.ne.jp,unsubscribed,news,1704067200,\n")
    assert done.exit_code == 0
    assert deployment.consent("a..b@docomo.ne.jp").registers == {"out.news": 1_704_067_200_999}


@pytest.mark.parametrize("told", ["2024-01-10", "2024-01-10 09:00", "2024-01-10 09:00:00", "1704877200"])
def test_whoever_opted_in_and_left_on_the_same_day_has_left(deployment: Deployment, told: str) -> None:
    """The list has a date, or a minute, or a second; the opt-in has its millisecond."""
    subscriber = deployment.id_of("gil@example.com")
    at = 1_704_877_200_900  # 2024-01-10, 09:00:00.9
    confirmed = Event("confirmed", Kind.CONFIRMED, "demo", subscriber, at, at, Actor.RECIPIENT, Channel.PAGE,
                      Consent({"in.news": at}), ("news",))  # fmt: skip
    deployment.store.record(confirmed)
    assert deployment.status("gil@example.com") == "subscribed"
    rows = f"email,status,topics,occurred_at\ngil@example.com,unsubscribed,news,{told}\n"
    assert deployment.run(*IMPORT, "-", stdin=rows).exit_code == 0
    assert deployment.status("gil@example.com") == "unsubscribed"


def test_a_claim_without_a_time_of_day_is_as_of_the_days_beginning(deployment: Deployment) -> None:
    rows = "email,status,topics,occurred_at\ngil@example.com,subscribed,news,2024-01-10\n"
    assert deployment.run(*IMPORT, "-", stdin=rows).exit_code == 0
    assert deployment.consent("gil@example.com").registers == {"claim.news": 1_704_844_800_000}


def test_an_opt_out_of_today_is_not_of_tonight(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = 1_704_888_000_000  # 2024-01-10
    monkeypatch.setattr("consentry_cli.deployment.now", lambda _: noon)
    rows = "email,status,occurred_at\ngil@example.com,unsubscribed,2024-01-10\n"
    assert deployment.run(*IMPORT, "-", stdin=rows).exit_code == 0
    assert deployment.consent("gil@example.com").registers == {"out.*": noon}


def test_an_instant_in_the_future_is_taken_as_now(deployment: Deployment) -> None:
    deployment.run(*IMPORT, "-", stdin="email,status,occurred_at\ngil@example.com,unsubscribed,2999-01-01T00:00:00Z\n")
    (event,) = deployment.events()
    assert event["occurred_at"] == event["arrived_at"]


@pytest.mark.parametrize(
    ("preset", "sample", "options", "expected"),
    [
        (
            "listmonk",
            "listmonk_subscribers.csv",
            ("--topic", "news"),
            {
                "ann": {"claim.news": 1_680_674_828_123},
                "bob": {"out.*": 1_706_913_306_999},
                "cy": {"out.*": None},
            },
        ),
        (
            "listmonk",
            "listmonk_subscribers.csv",
            ("--topic", "news", "--status", "unsubscribed"),
            {"ann": {"out.news": 1_704_164_645_678}},
        ),
        (
            "mailchimp",
            "subscribed_email_audience_export_1a10653875.csv",
            ("--topic", "news"),
            {"ann": {"claim.news": 1_539_251_894_000}, "dee": {"claim.news": None}},
        ),
        (
            "mailchimp",
            "unsubscribed_email_audience_export_1a10653875.csv",
            ("--topic", "news"),
            {"bob": {"out.news": 1_583_298_367_999}, "eve": {"complaint": 1_583_384_767_999}},
        ),
        ("mailchimp", "cleaned_email_audience_export_1a10653875.csv", (), {"cy": {"bounce": 1_617_602_828_999}}),
        (
            "sendgrid",
            "suppression_unsubscribes.csv",
            (),
            {"ann": {"out.*": 1_443_651_141_999}, "bob": {"out.*": 1_443_651_154_999}},
        ),
        ("sendgrid", "suppression_unsubscribes.csv", ("--topic", "offers"), {"ann": {"out.offers": 1_443_651_141_999}}),
        ("sendgrid", "suppression_bounces.csv", (), {"cy": {"bounce": 1_443_651_125_999}}),
        ("sendgrid", "suppression_spam_reports.csv", (), {"dee": {"complaint": 1_443_651_116_999}}),
        *(
            (
                "postmark",
                f"postmark_suppressions.{suffix}",
                (),
                {
                    "ann": {"out.*": 1_576_591_113_999},
                    "bob": {"bounce": 1_576_591_113_999},
                    "cy": {"complaint": 1_576_591_113_999},
                },
            )
            for suffix in ("csv", "ndjson", "json")
        ),
    ],
)
def test_an_export_of_another_system_is_understood(
    deployment: Deployment,
    preset: str,
    sample: str,
    options: tuple[str, ...],
    expected: dict[str, dict[str, int | None]],
) -> None:
    source = deployment.write(sample, SAMPLES.joinpath(sample).read_bytes())
    done = deployment.run(*IMPORT, "--preset", preset, *options, source)
    assert (done.exit_code, done.stderr) == (0, "")
    for person, registers in expected.items():
        found = deployment.consent(f"{person}@example.com").registers
        assert {name: at if registers.get(name) else None for name, at in found.items()} == registers


@pytest.mark.parametrize(
    ("preset", "name", "said"),
    [
        ("mailchimp", "nonsubscribed_email_audience_export_1a10653875.csv", "never agreed"),
        ("sendgrid", "suppression_blocks.csv", "passing refusals"),
        ("sendgrid", "unnamed.csv", "say it with --status"),
    ],
)
def test_files_that_would_say_the_wrong_thing_are_refused(
    deployment: Deployment, preset: str, name: str, said: str
) -> None:
    text = "Email Address,email,created\nann@example.com,ann@example.com,1443651141\n"
    done = deployment.run(*IMPORT, "--preset", preset, deployment.write(name, text))
    assert done.exit_code == 2
    assert said in done.stderr
    assert deployment.events() == []


def test_listmonk_subscriptions_count_where_the_file_has_them(deployment: Deployment) -> None:
    text = (
        "email,status,subscription_status,created_at,updated_at\n"
        "ann@example.com,enabled,unconfirmed,,\n"
        "bob@example.com,enabled,unsubscribed,,\n"
        "cy@example.com,enabled,confirmed,,\n"
        "dee@example.com,enabled,odd,,\n"
        "eve@example.com,odd,,,\n"
    )
    done = deployment.run(*IMPORT, "--preset", "listmonk", "--topic", "news", "-", stdin=text)
    assert counts(done.stdout) == {
        "new claims": 1,
        "new opt-outs": 1,
        "rows that say nothing": 1,
        "malformed lines": 2,
    }


def test_a_table_that_is_away_stops_the_import_and_the_journal_stays(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consentry.actions.bulk.importing.PATIENCE", (0.001, 0.001))
    monkeypatch.setattr(importing, "BATCH", 10)
    from consentry.table.gateway import StoreUnavailableError
    from consentry.table.store import Store

    record, calls = Store.record, 0

    def failing(self: Store, *arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 25:
            raise StoreUnavailableError("the table can't be written") from ClientError({"Error": {"Code": "X"}}, "T")
        return record(self, *arguments, **named)

    monkeypatch.setattr(Store, "record", failing)
    people = "".join(f"p{n}@example.com,unsubscribed,\n" for n in range(50))
    source = deployment.write("people.csv", "email,status,occurred_at\nnobody,unsubscribed,\n" + people)
    stopped = deployment.run(*IMPORT, "--report", "report.csv", source)
    assert stopped.exit_code == 2
    assert "the table can't be written" in stopped.stderr
    assert "done up to line 21" in stopped.stderr
    assert "Traceback" not in stopped.output

    calls = -1_000
    with Path("report.csv").open("a") as report:
        report.write("22,malformed,told before it was done\n")
    resumed = deployment.run(*IMPORT, "--report", "report.csv", source)
    assert resumed.exit_code == 1
    assert "going on after line 21" in resumed.stderr
    assert counts(resumed.stdout)["malformed lines"] == 1
    assert len(deployment.events()) == 50
    assert len({event["occurred_at"]["N"] for event in deployment.events()}) == 1
    assert len(Path("report.csv").read_text().splitlines()) == 2
    assert deployment.run("ledger", "verify", "--brand", "demo").exit_code == 0


def test_a_passing_fault_is_waited_for(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    from consentry.table.gateway import StoreUnavailableError
    from consentry.table.store import Store

    monkeypatch.setattr("consentry.actions.bulk.importing.PATIENCE", (0.001, 0.001, 0.001))
    read_many, record, failures = Store.read_many, Store.record, 2

    def flaky(real: object) -> object:
        def call(*arguments: object) -> object:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise StoreUnavailableError("unavailable")
            return real(*arguments)

        return call

    monkeypatch.setattr(Store, "record", flaky(record))
    monkeypatch.setattr(Store, "read_many", flaky(read_many))
    source = deployment.write("people.csv", PLAIN)
    assert deployment.run(*IMPORT, "--dry-run", source).exit_code == 0
    failures = 2
    assert deployment.run(*IMPORT, source).exit_code == 0


def test_what_waiting_does_not_change_is_said_at_once(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, "--table", "gone", "-", stdin=PLAIN)
    assert done.exit_code == 2
    assert "ResourceNotFoundException" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unfinished_import_of_other_rows_is_not_gone_on_with(deployment: Deployment) -> None:
    source = deployment.write("people.csv", PLAIN)
    deployment.run(*IMPORT, "--table", "gone", source)
    done = deployment.run(*IMPORT, source)
    assert done.exit_code == 2
    assert "--restart" in done.stderr
    assert deployment.run(*IMPORT, "--restart", source).exit_code == 0


def test_a_journal_that_was_cut_short_is_read_up_to_there(deployment: Deployment) -> None:
    source = deployment.write("people.csv", PLAIN)
    deployment.run(*IMPORT, "--table", "consentry-test", source)
    journal = Path("people.csv.consentry-journal")
    whole = journal.read_text().splitlines()
    journal.write_text("\n".join(whole[:-2]) + '\n{"line": 6, "cou')
    done = deployment.run(*IMPORT, source)
    assert done.exit_code == 0
    assert len(deployment.events()) == 5
