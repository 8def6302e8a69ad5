"""The running stack's settings for a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dev.emulator import build, seed, shell

ABOUT = {
    "base_url": "http://127.0.0.1:9",
    "brand": "nordlicht",
    "api_keys": {"nordlicht": "ck_it's", "other": "ck_other"},
    "table_name": "consentry-Table-1",
    "keyring_secret_arn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:Keyring-1",
    "aws_endpoint_url": "http://127.0.0.1:10",
    "region": "us-east-1",
}


def test_whoever_sources_them_reaches_the_stack_and_never_an_account_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(shell.settings(ABOUT), "utf-8")
    names = "$CONSENTRY_BRANDS $BASE $KEY $TABLE_NAME $AWS_ENDPOINT_URL ${AWS_PROFILE-none} ${AWS_SESSION_TOKEN-none}"
    asked = f'echo "{names} ${{PATH%%:*}}"'
    done = subprocess.run(  # noqa: S603 - our own file
        ["/bin/sh", "-euc", f". {file}; {asked}"],
        env={"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "theirs", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        str(build.BRANDS), "http://127.0.0.1:9", "ck_it's", "consentry-Table-1", "http://127.0.0.1:10", "none", "none",
        str(Path(seed.__file__).parents[3] / ".venv/bin"),
    ]  # fmt: skip


def test_every_brand_file_is_a_brand_of_the_stack_and_demo_is_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("allium.yaml", "demo.yaml", "nordlicht.yaml", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.setattr(seed, "BRAND_FILES", tmp_path)
    assert seed.brands() == ["demo", "allium", "juniper", "nordlicht"]  # one is the made-up site's, beside demo alone
    (tmp_path / "demo.yaml").unlink()
    assert seed.brands() == ["allium", "nordlicht"]
