"""The command over moto: in this process, or in its own where it is killed, piped or measured."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.deployments import ROOT, Deployment
from support.quick_moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Empty, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("consentry_cli.deployment.WRITERS", 1)  # moto can't be written to by several threads
    with mock_aws():
        yield Deployment(tmp_path)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Empty, behind a port."""
    monkeypatch.chdir(tmp_path)
    port_file = tmp_path / "port"
    command = [sys.executable, str(ROOT / "tests/support/aws_server.py"), str(port_file)]
    server = subprocess.Popen(command)  # noqa: S603 - our own
    try:
        for _ in range(300):
            if port_file.exists():
                break
            assert server.poll() is None
            time.sleep(0.1)
        yield Deployment(tmp_path, f"http://127.0.0.1:{port_file.read_text()}")
    finally:
        server.kill()
        server.wait()
