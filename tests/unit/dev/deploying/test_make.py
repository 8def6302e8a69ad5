"""How `make deploy` passes on what is typed."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_what_is_typed_arrives_as_it_was_meant(tmp_path: Path) -> None:
    told = tmp_path / "told"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$SET" "$REMOVE" "$HOLDS" "$WITHOUT" "$*" "$PYTHONPATH" > "{told}"\n')
    python.chmod(0o755)
    values = 'SenderAddresses="a@example.com, b@example.com" PublicUrl= DomainName=it\'s'
    typed = ["ARGS=--config-env test", f"SET={values}", "REMOVE=domain inbound", "HOLDS=stack", "WITHOUT=bytecode"]
    command = ["make", "deploy", "SETUP=true", f"SAM_PYTHON={python}", *typed]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own words
    assert told.read_text().splitlines() == [
        values, "domain inbound", "stack", "bytecode", "-m dev.deploying --config-env test", str(ROOT / "tools"),
    ]  # fmt: skip
