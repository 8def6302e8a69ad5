"""What can be wrong with the documents."""

from __future__ import annotations


class HandbookError(Exception):
    """The site can't be made; says what to mend."""
