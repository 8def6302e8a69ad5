"""Waiting for what happens in other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(look: Callable[[], Any], there: Callable[[Any], bool], seconds: float = 300) -> Any:
    """What `look` sees once `there` holds; the stream takes its time."""
    until = time.monotonic() + seconds
    while True:
        seen = look()
        if there(seen):
            return seen
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)
