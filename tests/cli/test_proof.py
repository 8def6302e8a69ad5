"""`consentry proof`: a page that proves what somebody agreed to, and says at its top where it doesn't."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import boto3
import html5lib
import pytest

from consentry.actions.reports import ReportKind
from consentry.rules import notices
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.rules.ledger import hash_evidence as hashed
from consentry.table import sent_mails
from consentry.table.sent_mails import SentMail
from support import archives
from support.deployments import TABLE, Deployment

ANN = "ann@example.com"
AT = 1_700_000_000_000
NOW = AT + 20 * 86_400_000
PROOF = ("proof", "--brand", "demo")
WORDS, TEXT = notices.write(
    {
        "brand": "demo",
        "languages": {
            "de": {
                "form": "Möchten Sie Post?\n[ ] Newsletter",
                "mail": {"subject": "Bitte bestätigen", "text": "Angefordert am {date}."},
                "page": "[ Ja <b>bitte</b> ]",
            }
        },
    }
)


def event(who: str, number: int, kind: Kind, effect: dict[str, int], **more: Any) -> Event:
    made = Event(f"e-{number}", kind, "demo", who, AT + number * 60_000, AT + number * 60_000, Actor.RECIPIENT,
                 Channel.PAGE, Consent(effect), ("news",), "de", WORDS)  # fmt: skip
    return made._replace(**more)


@pytest.fixture
def filled(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Ann's double opt-in in German, with evidence, an email and an archive that has the words."""
    monkeypatch.setattr("consentry_cli.deployment.now", lambda _: NOW)
    who, seen = deployment.id_of(ANN), Evidence("203.0.113.7", "Firefox")
    deployment.store.record(event(who, 0, Kind.ASKED, {"ask.news": AT}))
    confirmed = event(who, 1, Kind.CONFIRMED, {"in.news": AT}, link="ours")
    evidence = hashed(deployment.keyring.ledger_key("demo"), confirmed.event_id, seen)
    deployment.store.record(confirmed._replace(evidence_hash=evidence), evidence=seen, evidence_days=9_000)
    mail = SentMail(AT + 1_000, "confirmation", "0100018c-ses", "de", WORDS, ("news",), AT)
    deployment.store.gateway.update(sent_mails.update_of(f"S#demo#{who}", mail))
    archives.make(deployment.store, deployment.dynamodb, TABLE, deployment.keyring,
                  archives.into(deployment.folder / "archive"), "2023-11", now=NOW)  # fmt: skip
    (deployment.folder / "archive/notices").mkdir()
    (deployment.folder / "archive" / notices.key(WORDS)).write_bytes(TEXT)
    return deployment


def text_of(page: str) -> str:
    body = html5lib.parse(page, namespaceHTMLElements=False).find("body")
    return " ".join("".join(body.itertext()).split())


def test_a_double_opt_in_is_proved_on_a_page_that_loads_nothing_and_names_nobody(filled: Deployment) -> None:
    done = filled.run(*PROOF, "--archive", "archive", "-o", "proof.html", stdin=f"{ANN}\n")
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    page = (filled.folder / "proof.html").read_text("utf-8")
    said = text_of(page)
    assert "Everything that was checked verifies." in said
    assert "Nothing is gone or changed of what the locked archive has of this person. Months: 2023-11." in said
    assert "22:13:20 The recipient asked for “Newsletter”, on a page." in said
    assert "By a link that Consentry mailed to the person. IP address 203.0.113.7. Browser: Firefox." in said
    assert "SES message id 0100018c-ses." in said
    assert "1. The subscribe form" in said
    assert "Möchten Sie Post? [ ] Newsletter" in said
    assert "Bitte bestätigen Angefordert am {date}." in said
    assert "[ Ja <b>bitte</b> ]" in said, "words are text, whatever is in them"
    assert '<div class="words" lang="de" dir="ltr">' in page
    assert ANN not in page
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import", page)
    assert filled.run(*PROOF, "--archive", "archive", "--email", ANN).stdout == page
    assert filled.run(*PROOF, "--archive", "archive", "--subscriber-id", filled.id_of(ANN)).stdout == page


def test_as_json_it_is_what_the_api_answers_and_what_the_archive_says(filled: Deployment) -> None:
    found = json.loads(filled.run(*PROOF, "--json", "--archive", "archive", "--email", ANN).stdout)
    assert found["checks"]["archive"] == {
        "intact": True, "losses": [], "faults": [], "months": ["2023-11"], "parts": 1,
    }  # fmt: skip
    assert [each["words"] for each in found["acts"]] == [["form"], ["mail", "page"]]
    assert found["notices"][WORDS]["de"]["page"] == "[ Ja <b>bitte</b> ]"
    assert "address" not in found


def test_the_address_stands_there_where_it_is_asked_for(filled: Deployment) -> None:
    assert ANN in text_of(filled.run(*PROOF, "--with-address", "--email", ANN).stdout)
    assert "not held" in text_of(filled.run(*PROOF, "--with-address", "--subscriber-id", filled.id_of(ANN)).stdout)


def drop(deployment: Deployment) -> None:
    for item in deployment.events():
        deployment.dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})


def forge(deployment: Deployment) -> None:
    (deployment.folder / "archive" / notices.key(WORDS)).write_bytes(b'{"brand":"demo","languages":{}}')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "The ledger is not intact."),
        (forge, f"Nobody has the words of {WORDS}."),
        (lambda each: shutil.rmtree(each.folder / "archive/notices"), f"Nobody has the words of {WORDS}."),
    ],
)
def test_a_page_that_does_not_verify_says_so_at_its_top_and_in_the_exit_status(
    filled: Deployment, change: Any, said: str
) -> None:
    change(filled)
    done = filled.run(*PROOF, "--archive", "archive", "--email", ANN)
    assert done.exit_code == 1
    text = text_of(done.stdout)
    assert text.startswith("Proof of consent This does not verify. Don’t rely on this page.")
    assert said in text
    assert "NOT verified" in done.stderr


def test_what_the_archive_has_and_the_table_lost_does_not_verify(filled: Deployment) -> None:
    who = filled.id_of(ANN)
    for item in filled.items():
        if who in item["pk"]["S"] and not item["sk"]["S"].startswith("M#"):
            filled.dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})
    done = filled.run(*PROOF, "--archive", "archive", "--email", ANN)
    assert done.exit_code == 1
    assert "The archive says otherwise: archived events are missing; the consent is gone." in text_of(done.stdout)
    assert filled.run(*PROOF, "--email", ANN).exit_code == 0, "nobody asked the archive"


def test_without_an_archive_the_words_are_said_not_to_have_been_looked_for(filled: Deployment) -> None:
    done = filled.run(*PROOF, "--email", ANN)
    assert done.exit_code == 0
    assert "Words were not looked for: no archive was found. The archive was not compared." in text_of(done.stdout)
    assert filled.run(*PROOF, "--email", ANN, "--archive").exit_code == 2


def test_words_of_a_notice_that_changed_twice_are_those_that_each_act_names(filled: Deployment, tmp_path: Path) -> None:
    who = filled.id_of(ANN)
    for number, form in ((2, "Second words"), (3, "Third words")):
        version, text = notices.write({"brand": "demo", "languages": {"de": {"form": form}}})
        (filled.folder / "archive" / notices.key(version)).write_bytes(text)
        made = event(who, number, Kind.ASKED, {"ask.news": AT + number * 60_000}, notice=version)
        filled.store.record(made)
    said = text_of(filled.run(*PROOF, "--archive", "archive", "--email", ANN).stdout)
    assert said.index("Möchten Sie Post?") < said.index("Second words") < said.index("Third words")


def test_the_stacks_own_archive_is_found_by_the_tables_name(
    filled: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3: Any = boto3.client("s3")
    archives.create_bucket(s3)
    for path in (filled.folder / "archive").rglob("*.*"):
        key = str(path.relative_to(filled.folder / "archive"))
        s3.put_object(Bucket=archives.BUCKET, Key=key, Body=path.read_bytes(), ChecksumAlgorithm="SHA256")
    monkeypatch.setattr("consentry_cli.deployment.archive_of", lambda _: f"s3://{archives.BUCKET}")
    for more in ((), ("--archive",)):
        done = filled.run(*PROOF, "--email", ANN, *more)
        assert done.exit_code == 0
        assert "Möchten Sie Post?" in text_of(done.stdout)


def test_the_archive_of_a_stack_in_its_first_month_has_nothing_yet_and_that_is_no_fault(
    filled: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(filled.folder / "archive/ledger")
    monkeypatch.setattr("consentry_cli.deployment.archive_of", lambda _: str(filled.folder / "archive"))
    done = filled.run(*PROOF, "--email", ANN, "--archive")
    assert done.exit_code == 0, done.output
    assert "The locked archive has nothing of this person yet. Months: none that is over." in text_of(done.stdout)
    assert filled.run(*PROOF, "--email", ANN, "--archive", "archive").exit_code == 2, "a copy should have a month"


@pytest.mark.parametrize(
    ("options", "status"), [(("--email", "nobody"), 2), (("--email", ANN, "--subscriber-id", "x" * 22), 2)]
)
def test_whoever_is_named_wrongly_is_not_looked_for(filled: Deployment, options: tuple[str, ...], status: int) -> None:
    done = filled.run(*PROOF, *options)
    assert done.exit_code == status
    assert "nobody" not in done.output


def test_a_report_is_no_act_of_the_person(filled: Deployment) -> None:
    filled.report("bob@example.com", ReportKind.CLAIMED, AT, ("news",))
    said = text_of(filled.run(*PROOF, "--email", "bob@example.com").stdout)
    assert "A platform reported a subscription to “Newsletter”, by the API" in said
    assert "None is noted." in said
