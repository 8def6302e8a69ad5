"""`consentry import` of a messy file: words of its own, rows to mend, and no import that is mostly waste."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.deployments import Deployment

IMPORT = ("import", "--brand", "demo")
GERMAN = """\
sep=;
E-Mail;Stand;topics;occurred_at
ann@example.com;Angemeldet;news;2024-01-01T00:00:00Z
bob@example.com;abgemeldet;news;
cy@example.com;neu;news;
dee@example.com;verzogen;news;
"""
COLUMNS = ("--column", "email=E-Mail", "--column", "status=Stand")
WORDS = (
    "--status-map",
    "angemeldet=subscribed",
    "--status-map",
    "ABGEMELDET=unsubscribed",
    "--status-map",
    "neu=nothing",
)


def test_the_words_of_a_file_mean_what_the_operator_says(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, *COLUMNS, *WORDS, deployment.write("people.csv", GERMAN))
    assert (done.exit_code, "malformed lines: 1" in done.stdout) == (1, True)
    assert deployment.status("ann@example.com") == "subscribed"
    assert deployment.status("bob@example.com") == "unsubscribed"
    assert deployment.status("cy@example.com") == "none"
    assert "rows that say nothing: 1" in done.stdout


def test_a_word_that_nobody_explained_names_the_option_that_does(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, *COLUMNS, deployment.write("people.csv", GERMAN))
    assert "--status-map WORD=STATUS takes other words" in done.stderr
    assert "verzogen" not in done.stderr  # it could be a name


@pytest.mark.parametrize("given", ["abgemeldet", "abgemeldet=left", "=unsubscribed", "abgemeldet="])
def test_a_word_means_a_status(deployment: Deployment, given: str) -> None:
    done = deployment.run(*IMPORT, *COLUMNS, "--status-map", given, deployment.write("people.csv", GERMAN))
    assert (done.exit_code, "WORD=STATUS, as in abgemeldet=unsubscribed" in done.stderr) == (2, True)


def test_no_word_makes_a_claim_of_a_list_of_people_who_left(deployment: Deployment) -> None:
    source = deployment.write("people.csv", "EmailAddress,SuppressionReason\nann@example.com,Ok\n")
    done = deployment.run(*IMPORT, "--preset", "postmark", "--topic", "news", "--status-map", "ok=subscribed", source)
    assert (done.exit_code, "aren't to be mailed" in done.stderr) == (2, True)
    assert deployment.items() == []


def test_an_import_that_went_on_with_other_words_is_another(deployment: Deployment) -> None:
    source = deployment.write("people.csv", GERMAN)
    assert deployment.run(*IMPORT, *COLUMNS, *WORDS, source).exit_code == 1
    again = deployment.run(*IMPORT, *COLUMNS, *WORDS, "--status-map", "verzogen=unsubscribed", source)
    assert again.exit_code == 0
    assert deployment.status("dee@example.com") == "unsubscribed"


# --- rows to mend -----------------------------------------------------------------------------------------------------


def test_rejected_rows_stand_as_they_were_under_the_header_and_can_be_brought_back(deployment: Deployment) -> None:
    text = GERMAN.replace("verzogen;news;", '"verzogen;news').replace("\n", "\r\n") + "eve;abgemeldet;;\r\n"
    source = deployment.write("people.csv", text)
    assert deployment.run(*IMPORT, *COLUMNS, *WORDS, "--rejected", "mend.csv", source).exit_code == 1
    header = "sep=;\r\nE-Mail;Stand;topics;occurred_at\r\n"
    rejected = 'dee@example.com;"verzogen;news\r\neve;abgemeldet;;\r\n'
    assert Path("mend.csv").read_bytes().decode() == header + rejected
    mended = (
        Path("mend.csv")
        .read_bytes()
        .replace(b'"verzogen;news', b"abgemeldet;news;")
        .replace(b"eve;", b"eve@example.com;")
    )
    Path("mend.csv").write_bytes(mended)
    back = deployment.run(*IMPORT, *COLUMNS, *WORDS, "--rejected", "rest.csv", "mend.csv")
    assert (back.exit_code, Path("rest.csv").read_bytes().decode()) == (0, header)
    assert deployment.status("dee@example.com") == deployment.status("eve@example.com") == "unsubscribed"


def test_rows_of_several_lines_and_another_encoding_are_set_aside_whole(deployment: Deployment) -> None:
    text = 'email,status,note\nann@example.com,glücklich,"two\nlines"\nbob@example.com,unsubscribed,\n'
    source = deployment.folder / "people.csv"
    source.write_bytes(text.encode("utf-16"))
    assert deployment.run(*IMPORT, "--rejected", "mend.csv", str(source)).exit_code == 1
    assert Path("mend.csv").read_text() == 'email,status,note\nann@example.com,glücklich,"two\nlines"\n'


@pytest.mark.parametrize(("name", "wrap"), [("people.ndjson", False), ("people.json", True)])
def test_rejected_rows_of_json_are_objects(deployment: Deployment, name: str, wrap: bool) -> None:
    rows = [
        {"email": "ann@example.com", "status": "unsubscribed"},
        {"email": "bob@example.com", "status": "glücklich"},
        {"email": "cy", "status": "unsubscribed"},
    ]
    text = json.dumps({"people": rows}) if wrap else "".join(json.dumps(row) + "\n" for row in rows)
    assert deployment.run(*IMPORT, "--rejected", "mend.ndjson", deployment.write(name, text)).exit_code == 1
    assert [json.loads(line) for line in Path("mend.ndjson").read_text().splitlines()] == rows[1:]


# --- too much of it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", ["24%", "0.24", "0", "0%"])
def test_an_import_of_which_too_much_is_malformed_writes_nothing(deployment: Deployment, most: str) -> None:
    source = deployment.write("people.csv", GERMAN)
    done = deployment.run(*IMPORT, *COLUMNS, *WORDS, "--max-malformed", most, source)
    assert done.exit_code == 2
    assert "1 of 4 rows can't be used, more than --max-malformed allows" in done.stderr
    assert "line 6: " in done.stderr
    assert deployment.items() == []
    assert not list(deployment.folder.glob("*journal*"))


def test_an_import_of_which_little_is_malformed_is_done(deployment: Deployment) -> None:
    source = deployment.write("people.csv", GERMAN)
    done = deployment.run(*IMPORT, *COLUMNS, *WORDS, "--max-malformed", "25%", source)
    assert (done.exit_code, deployment.status("bob@example.com")) == (1, "unsubscribed")
    assert done.stderr.count("line 6: ") == 1


@pytest.mark.parametrize("given", ["many", "-1%", "101%", "2%%", "nan", ""])
def test_a_share_is_a_share(deployment: Deployment, given: str) -> None:
    done = deployment.run(*IMPORT, "--max-malformed", given, deployment.write("people.csv", GERMAN))
    assert (done.exit_code, "a share, such as 2% or 0.02" in done.stderr) == (2, True)


@pytest.mark.parametrize("option", [("--rejected", "mend.csv"), ("--max-malformed", "2%")])
def test_standard_input_cannot_be_read_twice(deployment: Deployment, option: tuple[str, str]) -> None:
    done = deployment.run(*IMPORT, *option, "-", stdin=GERMAN)
    assert (done.exit_code, "give a file" in done.stderr) == (2, True)
