"""The person or script at the terminal: lines for them, errors of one line, signals to stop, and other runs."""

from __future__ import annotations

import fcntl
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StackError(Exception):
    """A step failed. Its text is the one line that the person at the terminal gets."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        """Name what failed, and the file that holds the details, if there is one."""
        super().__init__(f"{message} (log: {log})" if log else message)


class Interrupted(BaseException):
    """Somebody asked us to stop. No error: nothing but the top may catch it."""


def say(line: str) -> None:
    """Print a line at once, also into a pipe: a script may wait for it."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print a line that explains a failure."""
    print(line, file=sys.stderr, flush=True)


def raise_on_signals() -> None:
    """From now on, a signal to stop raises `Interrupted`, with the signal's name, in the main thread."""

    def interrupt(number: signal.Signals) -> None:
        raise Interrupted(number.name)

    call_on_signals(interrupt)


def call_on_signals(handler: Callable[[signal.Signals], object]) -> None:
    """From now on, a signal to stop calls `handler` in the main thread."""
    for number in ENDING:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # started with nohup: closing the terminal is no wish to stop
        signal.signal(number, lambda received, _: handler(signal.Signals(received)))


def ignore_signals() -> None:
    """From now on, nothing interrupts the cleaning up: make and the terminal often signal twice."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def only_one(lock: Path, doing: str) -> Iterator[None]:
    """Hold `lock` while `doing` something, across processes; wait for its holder. The kernel frees it if we die."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that is {doing}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
