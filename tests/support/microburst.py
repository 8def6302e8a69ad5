"""Faults between the functions and DynamoDB, by microburst: as AWS sends them, and as networks do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3

from dev import process
from support import dynamodb_local

# microburst draws from `random`, and has no option to seed it.
_SEEDED: Final = """
import random, sys
random.seed(int(sys.argv.pop(1)))
from microburst.cli import main
sys.exit(main())
"""
_TICK_S: Final = 0.1
_PATIENCE: Final = 3_000
"""Ticks in which it has to answer."""


class Microburst:
    """A proxy that passes everything on, but for what its rules say."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(retries=False, timeout=300)

    def obey(self, *rules: dict[str, Any]) -> None:
        """These rules and no others, for calls of the table (not of its stream); the first that fits applies."""
        said = [{"service": "dynamodb", **rule} for rule in rules]
        answer = self._http.request("POST", f"{self.url}/_microburst/rules", body=json.dumps(said).encode())
        assert answer.status == 200, answer.data

    def fired(self) -> int:
        """How many faults there were so far."""
        told = json.loads(self._http.request("GET", f"{self.url}/_microburst/stats").data)
        return int(told["requests"]["faulted"])

    def answers(self) -> bool:
        """Whether it listens."""
        try:
            return self._http.request("GET", f"{self.url}/_microburst/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False


@contextmanager
def running(upstream: str, log: Path, seed: int) -> Iterator[Microburst]:
    """A microburst in front of `upstream`, without rules, for the time of the block."""
    port = dynamodb_local.free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-c", _SEEDED, str(seed), "--upstream", upstream, "--port", str(port)]
    started = process.start(command, env=environment, log=log, cwd=log.parent)
    try:
        proxy = Microburst(f"http://127.0.0.1:{port}")
        for _ in range(_PATIENCE):
            if proxy.answers():
                break
            try:
                status = started.wait(_TICK_S)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"microburst ended with status {status}: {log.read_text()[-2_000:]}")
        else:
            pytest.fail("microburst doesn't listen")
        yield proxy
    finally:
        process.stop(started)
