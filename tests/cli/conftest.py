"""The command over moto: in this process, or in its own where it is killed, piped or measured."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import boto3
import pytest
import requests

from support.deployments import ROOT, Deployment
from support.quick_moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests, so that botocore reads once what services are like."""
    return boto3.Session()


@pytest.fixture(autouse=True)
def _brands_of_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose tests these are: brand files are looked for where the command is run."""
    monkeypatch.delenv("CONSENTRY_BRANDS", raising=False)


@pytest.fixture
def deployment(session: boto3.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Empty, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("consentry_cli.deployment.WRITERS", 1)  # moto can't be written to by several threads
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        yield Deployment(tmp_path)


@pytest.fixture
def served(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Empty, behind a port."""
    monkeypatch.chdir(tmp_path)
    requests.post(f"{aws}/moto-api/reset", timeout=60).raise_for_status()
    return Deployment(tmp_path, aws)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto behind a port; answers its URL."""
    port_file = tmp_path_factory.mktemp("aws") / "port"
    command = [sys.executable, str(ROOT / "tests/support/aws_server.py"), str(port_file)]
    server = subprocess.Popen(command)  # noqa: S603 - our own
    try:
        for _ in range(300):
            if port_file.exists():
                break
            assert server.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port_file.read_text()}"
    finally:
        server.kill()
        server.wait()
