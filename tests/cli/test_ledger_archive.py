"""The archive on the command line: what was taken from the table is found, years later."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from consentry.actions import archive
from consentry.actions.reports import ReportKind
from consentry.links.keyring import Keyring
from consentry.rules import notices
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind, hash_event
from support import archives
from support.archives import BUCKET
from support.deployments import TABLE, Deployment

VERIFY = ("ledger", "verify", "--brand", "demo", "--archive")
MONTH = "2023-11"
ARRIVED = 1_700_000_000_000
"""In that month."""
NOW = ARRIVED + 20 * 86_400_000
"""The 4th of the next."""
ANN, BOB = "ann@example.com", "bob@example.com"


def report(deployment: Deployment, person: str, *kinds: ReportKind) -> None:
    for number, kind in enumerate(kinds):
        topics = ("news",) if kind in {ReportKind.CLAIMED, ReportKind.UNSUBSCRIBED} else ()
        deployment.report(person, kind, ARRIVED - 1_000 + number, topics)


def run(deployment: Deployment, put: Callable[[str, bytes, bytes], None], month: str = MONTH, *, now: int = NOW) -> str:
    return archives.make(deployment.store, deployment.dynamodb, TABLE, deployment.keyring, put, month, now=now)


@pytest.fixture
def filled(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Three persons with two events each, when their month is over."""
    monkeypatch.setattr("consentry_cli.deployment.now", lambda _: NOW)
    for person in (ANN, BOB, "cy@example.com"):
        report(deployment, person, ReportKind.CLAIMED, ReportKind.UNSUBSCRIBED)
    return deployment


@pytest.fixture
def copy(filled: Deployment) -> Path:
    """A folder with their archive."""
    folder = filled.folder / "archive"
    run(filled, archives.into(folder))
    return folder


@pytest.fixture
def bucket(filled: Deployment) -> Any:
    """A bucket with their archive; answers a client of it."""
    s3: Any = boto3.client("s3")
    archives.create_bucket(s3)
    run(filled, lambda key, body, _: s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256"))
    return s3


def of(deployment: Deployment, person: str) -> list[dict[str, Any]]:
    return [item for item in deployment.items() if deployment.id_of(person) in item["pk"]["S"]]


def drop(deployment: Deployment, *items: dict[str, Any]) -> None:
    for item in items:
        deployment.dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})


# --- what the table has lost ------------------------------------------------------------------------------------------


def test_a_person_who_was_removed_altogether_is_found(filled: Deployment, copy: Path) -> None:
    drop(filled, *of(filled, ANN))
    assert filled.run(*VERIFY[:-1]).exit_code == 0, "what is left adds up"
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 1
    assert done.stdout == f"{filled.id_of(ANN)}\tarchived events are missing; the consent is gone\n"
    assert "1 not intact" in done.stderr


def test_a_person_who_was_put_back_in_time_is_found(filled: Deployment, copy: Path) -> None:
    """Everything as it was before they left: it adds up, and the opt-out is gone."""
    now = of(filled, ANN)
    drop(filled, *now)
    report(filled, ANN, ReportKind.CLAIMED)
    assert filled.status(ANN) == "subscribed"
    assert filled.run(*VERIFY[:-1]).exit_code == 0, "what is there adds up"
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 1
    assert done.stdout == f"{filled.id_of(ANN)}\tarchived events are missing; the ledger went back in time\n"


def test_a_person_whose_past_was_written_anew_is_found(filled: Deployment, copy: Path) -> None:
    drop(filled, *of(filled, ANN))
    report(filled, ANN, ReportKind.CLAIMED)
    filled.report(ANN, ReportKind.CLAIMED, ARRIVED - 500, ("offers",))
    done = filled.run(*VERIFY, copy, "--subscriber-id", filled.id_of(ANN))
    assert done.exit_code == 1
    assert done.stdout == f"{filled.id_of(ANN)}\tarchived events are missing; the ledger is another one\n"
    assert filled.run(*VERIFY, copy, "--subscriber-id", filled.id_of(BOB)).exit_code == 0


def test_an_event_that_was_changed_is_found_by_the_archive_too(filled: Deployment, copy: Path) -> None:
    event = of(filled, ANN)[0]
    filled.dynamodb.put_item(TableName=TABLE, Item={**event, "arrived_at": {"N": str(ARRIVED + 1)}})
    done = filled.run(*VERIFY, copy)
    assert "archived events were changed" in done.stdout
    assert done.exit_code == 1


def test_an_opt_out_that_was_taken_out_by_somebody_who_watched_the_table_is_found_by_the_archive(
    filled: Deployment, copy: Path
) -> None:
    """They saw the state before and after it, so they know its share of the digest, and need no key."""
    after = of(filled, ANN)
    [state] = [item for item in after if item["sk"]["S"] == "STATE"]
    [opt_out] = [item for item in after if item.get("kind", {}).get("S") == "unsubscribed"]
    drop(filled, opt_out)
    [claim] = filled.store.history("demo", filled.id_of(ANN))
    share = int(state["ledger_digest"]["N"]) - hash_event(filled.keyring.ledger_key("demo"), claim)
    filled.dynamodb.update_item(
        TableName=TABLE,
        Key={name: state[name] for name in ("pk", "sk")},
        UpdateExpression="SET ledger_count = ledger_count - :one, ledger_digest = ledger_digest - :share REMOVE #out",
        ExpressionAttributeNames={"#out": "out.news"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":share": {"N": str(share)}},
    )
    assert filled.status(ANN) == "subscribed"
    assert filled.run(*VERIFY[:-1]).exit_code == 0, "what is left adds up"
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 1
    assert done.stdout == f"{filled.id_of(ANN)}\tarchived events are missing; the ledger went back in time\n"


def test_what_came_since_and_whoever_was_erased_is_no_news(filled: Deployment, copy: Path) -> None:
    report(filled, "dee@example.com", ReportKind.UNSUBSCRIBED)
    filled.report(BOB, ReportKind.BOUNCED, ARRIVED + 5_000)
    assert filled.run("erase", "--brand", "demo", "--subscriber-id", filled.id_of(ANN)).exit_code == 0
    done = filled.run(*VERIFY, copy)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"3 archived ledgers of {MONTH} to {MONTH} compared, 0 not intact" in done.stderr


def test_another_brands_people_are_not_asked_for(filled: Deployment, copy: Path) -> None:
    done = filled.run("ledger", "verify", "--brand", "other", "--archive", copy)
    assert done.exit_code == 0
    assert "0 archived ledgers" in done.stderr


def test_somebody_in_several_parts_and_months_is_told_of_once_for_each_loss(
    filled: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("consentry.table.scan._ITEMS_A_PAGE", 1)
    monkeypatch.setattr("consentry.actions.archiving.PART_BYTES", 0)
    for month in ("2023-11", "2023-12"):  # whose window begins four weeks before
        run(filled, archives.into(tmp_path / "archive"), month)
    drop(filled, *of(filled, ANN))
    done = filled.run(*VERIFY, tmp_path / "archive")
    assert sorted(done.stdout.splitlines()) == [
        f"{filled.id_of(ANN)}\tarchived events are missing",
        f"{filled.id_of(ANN)}\tthe consent is gone",
    ]
    assert "1 not intact" in done.stderr


# --- what the archive has lost ----------------------------------------------------------------------------------------


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def test_a_part_that_is_missing_or_was_changed_is_found(filled: Deployment, copy: Path) -> None:
    part = next(copy.rglob("*.gz"))
    body = part.read_bytes()
    for other in (b"", body[:-1], body + b"\0"):
        part.write_bytes(other)
        done = filled.run(*VERIFY, copy)
        assert done.exit_code == 1
        assert re.search(rf"archive\t{MONTH}: 1 of \d parts of run \S+ are missing or changed\n", done.stdout)
    part.unlink()
    assert filled.run(*VERIFY, copy).exit_code == 1
    part.write_bytes(body)
    assert filled.run(*VERIFY, copy).exit_code == 0


def test_a_manifest_that_was_made_to_fit_is_found(filled: Deployment, copy: Path) -> None:
    path = only(copy, "manifest.json")
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "parts": told["parts"][:-1]}))
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 1
    assert done.stdout == "archive\t1 manifests aren't of this deployment, or were changed\n"


def test_a_month_that_is_missing_between_others_is_found(filled: Deployment, copy: Path) -> None:
    run(filled, archives.into(copy), "2023-08")
    run(filled, archives.into(copy), "2023-09")
    done = filled.run(*VERIFY, copy)
    assert done.stdout == "archive\t2023-10 is missing\n"
    assert "2023-08 to 2023-11" in done.stderr
    run(filled, archives.into(copy), "2023-10")
    assert filled.run(*VERIFY, copy).exit_code == 0


def test_an_archive_that_goes_on_no_longer_is_found(
    filled: Deployment, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever means to take something away may first see to it that nothing is archived any more."""
    february = archive.window("2024-01").until
    for day, status in ((-29, 0), (2, 1), (3, 1)):
        monkeypatch.setattr("consentry_cli.deployment.now", lambda _, day=day: february + day * 86_400_000)
        assert filled.run(*VERIFY, copy).exit_code == status, day
    assert filled.run(*VERIFY, copy).stdout == f"archive\tthere is nothing after {MONTH}\n"
    run(filled, archives.into(copy), "2023-12")
    assert filled.run(*VERIFY, copy).exit_code == 1, "it began when the month was not over"
    run(filled, archives.into(copy), "2023-12", now=february)
    assert filled.run(*VERIFY, copy).stdout == "archive\tthere is nothing after 2023-12\n"


def test_a_run_that_never_came_to_its_end_proves_nothing(filled: Deployment, copy: Path) -> None:
    only(copy, "manifest.json").unlink()
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 2
    assert "no manifest" in done.stderr


def test_what_is_no_archive_can_not_be_compared(filled: Deployment, tmp_path: Path) -> None:
    for where in ("nowhere", "people.csv", filled.folder / "brands", f"s3://{BUCKET}"):
        done = filled.run(*VERIFY, where)
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


# --- in a bucket ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bucket")
def test_the_bucket_itself_can_be_asked(filled: Deployment) -> None:
    assert filled.run(*VERIFY, f"s3://{BUCKET}").exit_code == 0
    drop(filled, *of(filled, ANN))
    done = filled.run(*VERIFY, f"s3://{BUCKET}/")
    assert done.stdout.startswith(filled.id_of(ANN))


def test_what_somebody_hid_or_wrote_over_in_the_bucket_is_read_all_the_same(filled: Deployment, bucket: Any) -> None:
    keys = [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    for key in keys:
        if key.endswith(".gz"):
            bucket.put_object(Bucket=BUCKET, Key=key, Body=b"other", ChecksumAlgorithm="SHA256")
        bucket.delete_object(Bucket=BUCKET, Key=key)
    assert "Contents" not in bucket.list_objects_v2(Bucket=BUCKET)
    done = filled.run(*VERIFY, f"s3://{BUCKET}")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "3 archived ledgers" in done.stderr


def test_a_copy_in_a_folder_of_another_bucket_can_be_asked(filled: Deployment, bucket: Any) -> None:
    bucket.create_bucket(Bucket="elsewhere")
    for key, body in archives.objects(bucket).items():
        bucket.put_object(Bucket="elsewhere", Key=f"copies/{key}", Body=body)
    assert filled.run(*VERIFY, "s3://elsewhere/copies").exit_code == 0


# --- starting a run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def queue_url(deployment: Deployment) -> str:
    queues: Any = boto3.client("sqs")
    return str(queues.create_queue(QueueName="archive")["QueueUrl"])


def waiting(queue_url: str) -> list[dict[str, Any]]:
    queues: Any = boto3.client("sqs")
    messages = queues.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(each["Body"]) for each in messages]


def test_a_month_can_be_archived_now(deployment: Deployment, queue_url: str) -> None:
    done = deployment.run("ledger", "archive", "--queue", queue_url, "--month", MONTH, "--segments", "3")
    assert done.exit_code == 0
    found = re.fullmatch(rf"ledger/{MONTH}/(\S+)/\n", done.stdout)
    assert found
    sent = sorted(waiting(queue_url), key=lambda task: task["segment"])
    assert sent == [{"month": MONTH, "run": found[1], "segment": n, "segments": 3} for n in range(3)]


def test_without_a_month_it_is_the_last_one(deployment: Deployment, queue_url: str) -> None:
    assert deployment.run("ledger", "archive", "--queue", queue_url).exit_code == 0
    month = archive.month_before(time.time_ns() // 1_000_000)
    assert {(task["month"], task["segments"]) for task in waiting(queue_url)} == {(month, 8)}


@pytest.mark.parametrize("month", ["2023-13", "11-2023", "2099-01", "' OR 1"])
def test_a_month_that_is_none_or_has_not_begun_can_not_be_archived(
    deployment: Deployment, queue_url: str, month: str
) -> None:
    done = deployment.run("ledger", "archive", "--queue", queue_url, "--month", month)
    assert done.exit_code == 2
    assert "--month" in done.stderr
    assert waiting(queue_url) == []


def test_another_deployments_archive_is_not_believed(filled: Deployment, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    keys = Keyring(lambda: json.dumps({"root": "another root", "brands": {}}))
    archives.make(filled.store, filled.dynamodb, TABLE, keys, archives.into(other), MONTH, now=NOW)
    shutil.copytree(other, copy, dirs_exist_ok=True)
    done = filled.run(*VERIFY, copy)
    assert done.exit_code == 1
    assert "aren't of this deployment" in done.stdout


# --- the words of notices ---------------------------------------------------------------------------------------------

WORDS, TEXT = notices.write({"brand": "demo", "languages": {}})


def read_by(deployment: Deployment, *named: str) -> None:
    """Somebody acted who had read these notices."""
    for number, notice in enumerate(named):
        made = Event(f"n-{number}", Kind.ASKED, "demo", deployment.id_of(ANN), ARRIVED, ARRIVED, Actor.RECIPIENT,
                     Channel.PAGE, Consent(), ("news",), "de", notice)  # fmt: skip
        deployment.store.record(made)


def test_words_that_nobody_has_are_found_and_those_of_before_they_were_kept_are_noted(
    filled: Deployment, copy: Path
) -> None:
    read_by(filled, WORDS, "f" * 32, "1234567890ab")
    (copy / notices.FOLDER).mkdir()
    (copy / notices.key(WORDS)).write_bytes(TEXT)
    alone = filled.run(*VERIFY[:-1])
    assert alone.exit_code == 0
    assert "2 notices named; --archive looks for their words\n" in alone.stderr
    for options in ((), ("--subscriber-id", filled.id_of(ANN))):
        done = filled.run(*VERIFY, copy, *options)
        assert done.exit_code == 1
        assert done.stdout == f"notice {'f' * 32}\tnobody has its words\n"
        assert "1 notice of before words were kept" in done.stderr
        assert "2 notices named, the words of 1 are in the archive" in done.stderr


def test_words_that_were_changed_are_looked_for_among_what_they_hide(filled: Deployment, bucket: Any) -> None:
    read_by(filled, WORDS)
    for body in (TEXT, b"{}"):
        bucket.put_object(Bucket=BUCKET, Key=notices.key(WORDS), Body=body, ChecksumAlgorithm="SHA256")
    assert filled.run(*VERIFY, f"s3://{BUCKET}").exit_code == 0
