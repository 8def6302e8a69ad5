"""What a check comes to."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """One check's."""

    told: str
    """In a line."""
    found: list[str]
    """What has to be mended; a line each."""
