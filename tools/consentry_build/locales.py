"""Which languages pages and emails are written in; apart from `catalogues`, which takes Babel to load."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import consentry

LOCALES: Final = Path(consentry.__file__).parent / "locales"
"""Where the catalogues are."""
SOURCE_LANGUAGE: Final = "en"


def languages() -> tuple[str, ...]:
    """Every language that pages and emails are written in, English first."""
    return (SOURCE_LANGUAGE, *sorted(path.stem for path in LOCALES.glob("*.po")))
