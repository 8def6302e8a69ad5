"""Lines for the person (or the script) that watches the terminal."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print a line at once, also into a pipe: a script may wait for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Print a line that explains a failure."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
