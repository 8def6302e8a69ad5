"""How far a command is: one line on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY_S: Final = 0.2


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with how many there are by now; `what` names them."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    started = time.monotonic()
    shown_at = 0.0

    def show(count: int) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if now - shown_at >= _EVERY_S:
            shown_at = now
            rate = count / max(now - started, 0.001)
            sys.stderr.write(f"\r\x1b[K{count:,} {what}, {rate:,.0f} a second")
            sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
