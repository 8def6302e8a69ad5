"""A stack of one's own, for tests."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dev import process
from dev.emulator import ministack
from dev.places import ROOT, STACK_FILE, VENV_PYTHON
from dev.terminal import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SETTINGS = ("PORT", "AWS_PORT", "DYNAMODB_ENDPOINT_URL", "MAKELEVEL", "MAKEFLAGS")
"""What a test's stack must not inherit from the ``make test`` around it."""


@contextmanager
def running(
    state_dir: Path,
    *,
    port: int = 0,
    dynamodb_endpoint_url: str | None = None,
    functions_environment: Mapping[str, str] | None = None,
    emulator: str | Path = ministack.FILLED,
    within: float = 240,
) -> Iterator[dict[str, Any]]:
    """Run a stack of its own for the time of a ``with`` block; gives the content of its ``stack.json``.

    Beside a ``make run`` and other tests, too: it takes free ports, and keeps its files in ``state_dir``.
    Only for the main thread. `functions_environment` adds to what the functions find in theirs; `emulator` is the
    program that the emulator's Python runs.

    Raises:
        StackError: when it isn't ready ``within`` so many seconds; says what it printed.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "stack.log"
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    env |= {"PORT": str(port), "PYTHONPATH": str(ROOT / "tools")}
    if dynamodb_endpoint_url:
        env["DYNAMODB_ENDPOINT_URL"] = dynamodb_endpoint_url
    log.unlink(missing_ok=True)
    stack_file = state_dir / STACK_FILE
    stack_file.unlink(missing_ok=True)
    extra = [f"--functions-environment={name}={value}" for name, value in (functions_environment or {}).items()]
    command = [VENV_PYTHON, "-m", "dev.emulator", "--state-dir", state_dir, "--emulator", emulator, *extra]
    started = process.start(command, env=env, log=log, cwd=ROOT)
    try:
        deadline = time.monotonic() + within
        while not stack_file.exists():
            if started.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the stack didn't come up:\n{log.read_text()}")
            time.sleep(0.1)
        yield json.loads(stack_file.read_text())
    finally:
        process.stop(started, grace=15)
