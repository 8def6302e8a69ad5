"""Which languages pages and emails are written in; apart from `catalogues`, which takes Babel to load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import consentry

LOCALES: Final = Path(consentry.__file__).parent / "locales"
"""Where the catalogues are."""
SOURCE_LANGUAGE: Final = "en"
_TEXT: Final = re.compile(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n)+)', re.MULTILINE)
"""Of a catalogue as Babel writes it: a text without a plural, and its translation."""


def languages() -> tuple[str, ...]:
    """Every language that pages and emails are written in, English first."""
    return (SOURCE_LANGUAGE, *sorted(path.stem for path in LOCALES.glob("*.po")))


def texts(language: str) -> dict[str, str]:
    """The translations of a language by their English; empty for English, and without texts that have a plural."""
    if language == SOURCE_LANGUAGE:
        return {}
    catalogue = (LOCALES / f"{language}.po").read_text(encoding="utf-8")
    return {_joined(source): _joined(translation) for source, translation in _TEXT.findall(catalogue)}


def _joined(lines: str) -> str:
    return "".join(json.loads(line) for line in lines.splitlines())  # gettext's escapes are JSON's
