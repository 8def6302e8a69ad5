"""Being told to stop: Ctrl-C, make, a service manager, a closed terminal."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from embedded.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_when_told() -> None:
    """From now on, being told to stop raises `Interrupted`, with the signal's name, in the main thread."""

    def interrupt(number: signal.Signals) -> None:
        raise Interrupted(number.name)

    _handle(interrupt)


def call_when_told(callback: Callable[[], object]) -> None:
    """From now on, being told to stop calls ``callback`` in the main thread."""
    _handle(lambda _: callback())


def _handle(handler: Callable[[signal.Signals], object]) -> None:
    for number in ENDING:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # started with nohup: closing the terminal is no wish to stop
        signal.signal(number, lambda received, _: handler(signal.Signals(received)))


def ignore() -> None:
    """From now on, nothing interrupts the cleaning up: make and the terminal often tell us twice."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
