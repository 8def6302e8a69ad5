"""Processes that never outlive us.

Each runs in a process group of its own, so that one signal reaches its children too, and asks the kernel to
be killed when we die, so that not even ``kill -9`` leaves one behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dev.terminal import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PR_SET_PDEATHSIG = 1
GRACE = 3.0
"""Seconds between asking a process to end and ending it."""


def _signal_when_parent_dies(number: int) -> None:
    """Ask Linux for signal ``number`` when the parent dies. Elsewhere there is no such wish: do without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def start(argv: Sequence[str | Path], *, env: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process that writes to ``log`` and dies with us.

    Only for the main thread: the kernel's promise is about the *thread* that started the process.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        _signal_when_parent_dies(signal.SIGKILL)
        if os.getppid() != parent:  # it died before the wish was heard
            os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own commands, no shell
            [str(part) for part in argv],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie_to_parent,  # noqa: PLW1509 - called in the main thread, before any other exists
        )


def stop(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """End a process and whatever it started; returns when it is gone, by force after ``grace`` seconds.

    Does nothing for one that was stopped before: its number may be somebody else's by now.
    """
    if process.returncode is not None:
        return
    if grace:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _await_exit(process, grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _await_exit(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a process to end, but leave its number taken, so that its group can still be signalled."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.02)


def run(argv: Sequence[str | Path], *, env: Mapping[str, str], log: Path, cwd: Path, doing: str) -> None:
    """Run a step to its end.

    Raises:
        StackError: "``doing`` failed", with the log's place.
    """
    process = start(argv, env=env, log=log, cwd=cwd)
    try:
        if process.wait() != 0:
            raise StackError(f"{doing} failed{_reason(log)}", log)
    finally:
        stop(process)


def _reason(log: Path) -> str:
    """The last line in which a tool says what its error is, ready to follow "failed"."""
    said = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("Error: ")]
    return f": {said[-1].removeprefix('Error: ')}" if said else ""


class Make:
    """The `make` that started us, however it ends; nothing where none did.

    Make passes SIGTERM on to its recipe, but no SIGINT or SIGHUP that was sent to it alone: it then waits for the
    recipe. Nor can it pass on a SIGKILL, for which the kernel sends us SIGTERM.
    """

    def __init__(self) -> None:
        """Look at it for the first time."""
        self._status = Path(f"/proc/{os.getppid()}/status") if "MAKELEVEL" in os.environ else Path(os.devnull)
        self._caught = self._caught_signals()
        if "MAKELEVEL" in os.environ:
            _signal_when_parent_dies(signal.SIGTERM)

    def is_ending(self) -> bool:
        """Whether it handles a signal now: it no longer catches that one then, as proc(5) has it."""
        return self._caught_signals() != self._caught

    def _caught_signals(self) -> str:
        """The signals that it has handlers for, as a bit mask; empty where that can't be seen."""
        try:
            return self._status.read_text("ascii", "replace").partition("SigCgt:")[2].partition("\n")[0]
        except OSError:
            return ""
