"""`consentry erase`."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest

from consentry.actions.reports import ReportKind

if TYPE_CHECKING:
    from support.deployments import Deployment

ERASE = ("erase", "--brand", "demo")
ANN = "ann@example.com"


@pytest.fixture
def known(deployment: Deployment) -> Deployment:
    """Somebody is on record, with evidence and an address."""
    deployment.report(ANN, ReportKind.UNSUBSCRIBED, 1_704_067_200_000, ("news",))
    (event,) = deployment.events()
    for sk, fields in (("CONTACT", {"address": {"S": ANN}}), ("V#" + event["sk"]["S"][2:], {"ip": {"S": "192.0.2.1"}})):
        deployment.dynamodb.put_item(TableName="consentry-test", Item={"pk": event["pk"], "sk": {"S": sk}, **fields})
    return deployment


def sort_keys(deployment: Deployment) -> set[str]:
    return {item["sk"]["S"].partition("#")[0] for item in deployment.items()}


def test_an_address_on_standard_input_is_forgotten_and_its_opt_out_stays(known: Deployment) -> None:
    done = known.run(*ERASE, stdin=f" {ANN.upper()} \n\n")
    assert (done.exit_code, done.stdout) == (0, f"{known.id_of(ANN)}\terased\n")
    assert "example" not in done.output
    assert sort_keys(known) == {"STATE", "E"}
    assert known.status(ANN) == "unsubscribed"
    assert known.run("ledger", "verify", "--brand", "demo").exit_code == 0


def test_an_id_may_be_an_argument_and_ids_may_stand_in_a_file(known: Deployment) -> None:
    assert known.run(*ERASE, "--subscriber-id", known.id_of(ANN)).exit_code == 0
    assert sort_keys(known) == {"STATE", "E"}
    assert known.run(*ERASE, known.write("ids", known.id_of(ANN) + "\n")).exit_code == 0


def test_a_dry_run_erases_nothing_and_tells_who_is_known(known: Deployment) -> None:
    before = known.items()
    done = known.run(*ERASE, "--dry-run", stdin=f"{ANN}\nbob@example.com\n")
    assert done.stdout == f"{known.id_of(ANN)}\tknown\n{known.id_of('bob@example.com')}\tunknown\n"
    assert known.items() == before


def test_somebody_unknown_leaves_no_trace(known: Deployment) -> None:
    before = known.items()
    assert known.run(*ERASE, stdin="bob@example.com\n").exit_code == 0
    assert known.items() == before


def test_a_malformed_line_is_told_by_number_and_the_rest_is_erased(known: Deployment) -> None:
    done = known.run(*ERASE, stdin=f"secret person\n{ANN}\n")
    assert done.exit_code == 1
    assert "line 1: not a valid email address" in done.stderr
    assert "secret" not in done.output
    assert sort_keys(known) == {"STATE", "E"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", f"\n{ANN}\nbob@example.com\n"),
        ("list.csv", f"Name;E-Mail;Email\nAnn;x;Ann <{ANN}>\nBob;x;bob@example.com;;\n"),
        ("list.csv", f"sep=;\r\nEMAIL;name\r\n{ANN};Ann\r\nbob@example.com\r\n"),
        ("list.ndjson", f'{{"Email": "{ANN}"}}\n{{"Email": "bob@example.com"}}\n'),
        ("list.json", f'{{"people": [{{"email": "{ANN}"}}, {{"email": "bob@example.com"}}]}}'),
        ("list", f'[{{"email": "{ANN}"}}, {{"email": "bob@example.com"}}]'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_list_or_a_table_says_whom_to_forget(known: Deployment, name: str, text: str, encoding: str) -> None:
    done = known.run(*ERASE, known.write(name, text.encode(encoding)))
    assert done.exit_code == 0
    assert done.stdout == f"{known.id_of(ANN)}\terased\n{known.id_of('bob@example.com')}\terased\n"
    assert sort_keys(known) == {"STATE", "E"}


def test_a_list_of_nobody_forgets_nobody(known: Deployment) -> None:
    before = known.items()
    assert known.run(*ERASE, stdin="\n").exit_code == 0
    assert known.items() == before


def test_somebody_whose_address_no_parser_likes_can_be_forgotten(known: Deployment) -> None:
    known.report("a..b@docomo.ne.jp", ReportKind.UNSUBSCRIBED, 1_700_000_000_000)
    done = known.run(*ERASE, stdin="A..b@docomo.ne.jp\n")
    assert (done.exit_code, done.stdout) == (0, f"{known.id_of('a..b@docomo.ne.jp')}\terased\n")


def test_an_id_that_is_misspelled_erases_nobody(known: Deployment) -> None:
    before = known.items()
    done = known.run(*ERASE, "--subscriber-id", known.id_of(ANN), "--subscriber-id", "abc")
    assert done.exit_code == 2
    assert known.items() == before


@pytest.mark.parametrize(("answer", "status", "left"), [(b"n\n", 1, 4), (b"y\n", 0, 3)])
def test_on_a_terminal_it_asks(served: Deployment, answer: bytes, status: int, left: int) -> None:
    served.report(ANN, ReportKind.UNSUBSCRIBED, 1_704_067_200_000, ("news",))
    pk = served.items()[0]["pk"]
    for sk in ("CONTACT", "V#1"):
        served.dynamodb.put_item(TableName="consentry-test", Item={"pk": pk, "sk": {"S": sk}})
    ours, theirs = pty.openpty()
    process = served.spawn(*ERASE, "--subscriber-id", served.id_of(ANN), stdin=theirs)
    os.close(theirs)
    os.write(ours, answer)
    _, said = process.communicate(timeout=300)
    os.close(ours)
    assert b"Forget 1 person of demo?" in said
    assert process.returncode == status
    assert len(served.items()) == left
