"""What stops the embedded stack, told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StackError(Exception):
    """A step failed. Its text is the one line that the person at the terminal gets."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        """Name what failed, and the file that holds the whole story, if there is one."""
        super().__init__(f"{message} (log: {log})" if log else message)


class Interrupted(BaseException):
    """Somebody asked us to stop. No error: nothing but the top may catch it."""
