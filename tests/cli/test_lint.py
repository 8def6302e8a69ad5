"""`consentry lint`: an email in, plain words out."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from consentry_cli.main import main

UNSIGNED = b"""From: Shop <news@shop.example>
To: ann@example.com
Subject: News
Date: Mon, 23 Nov 2026 09:00:00 +0000
Message-ID: <1@shop.example>
List-Id: News <news.shop.example>
List-Unsubscribe: <https://links.shop.example/u/token>, <mailto:unsubscribe@reply.shop.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

News. Unsubscribe: https://links.shop.example/u/token
"""


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["lint", *arguments], input=stdin)


def test_what_is_no_mail_cannot_be_linted(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(b"<html></html>")
    done = run(str(page))
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "this is no mail" in done.output
    assert run(str(tmp_path / "missing.eml")).exit_code == 2


def test_a_fault_is_told_with_what_to_do_and_who_says_so() -> None:
    done = run("-", stdin=UNSIGNED)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[:3] == ["-: 1 error, 0 warnings", "", "error: dkim-missing"]
    assert "sign with a key of your domain" in done.output
    assert "support.google.com" in done.output


def test_a_mail_without_fault_says_so(tmp_path: Path) -> None:
    """Signed, as far as can be told without the DNS."""
    covered = "From:To:Subject:Date:List-Unsubscribe:List-Unsubscribe-Post"
    signature = f"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=one; h={covered}; bh=eA==; b=eA==\n"
    file = tmp_path / "good.eml"
    file.write_bytes(signature.encode() + UNSIGNED)
    done = run(str(file))
    assert (done.exit_code, done.output) == (0, f"{file}: nothing to fix\n")


def test_a_script_reads_json() -> None:
    done = run("--json", "-", stdin=UNSIGNED)
    told = json.loads(done.output)
    assert done.exit_code == 1
    assert told["mail"] == "-"
    assert [(each["rule"], each["level"]) for each in told["findings"]] == [("dkim-missing", "error")]
    assert set(told["findings"][0]) == {"rule", "level", "says", "mend", "source"}


def test_several_mails_are_told_one_after_the_other(tmp_path: Path) -> None:
    for name in ("one.eml", "two.eml"):
        (tmp_path / name).write_bytes(UNSIGNED)
    done = run("--json", str(tmp_path / "one.eml"), str(tmp_path / "two.eml"))
    assert [json.loads(line)["mail"].rpartition("/")[2] for line in done.output.splitlines()] == ["one.eml", "two.eml"]
