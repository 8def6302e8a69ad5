"""One at a time, across processes: runs of the same clone share virtual environments and build folders."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from embedded.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_one(lock: Path, doing: str) -> Iterator[None]:
    """Hold ``lock`` while ``doing`` something; wait for whoever holds it. The kernel frees it if we die."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that is {doing}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
