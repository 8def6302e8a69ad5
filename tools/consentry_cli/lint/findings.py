"""What is found in an email."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Somebody refuses the email, or shows no way to unsubscribe, because of it."""
    WARNING = "warning"
    """It costs readers or reputation, or works with some providers alone."""


class Finding(NamedTuple):
    """One thing that is worth saying of an email."""

    rule: str
    """Its name, stable: what a script can rely on."""
    level: Level
    says: str
    """What is the matter, in one sentence."""
    mend: str
    """What to do about it."""
    source: str
    """Who says so."""


def error(rule: str, says: str, mend: str, source: str) -> Finding:
    """A finding of the worse kind."""
    return Finding(rule, Level.ERROR, says, mend, source)


def warning(rule: str, says: str, mend: str, source: str) -> Finding:
    """A finding of the better kind."""
    return Finding(rule, Level.WARNING, says, mend, source)


GMAIL = "Gmail's email sender guidelines (https://support.google.com/mail/answer/81126)"
YAHOO = "Yahoo's sender best practices (https://senders.yahooinc.com/best-practices/)"
OUTLOOK = "Outlook's requirements for high-volume senders (Microsoft Defender for Office 365 blog, April 2025)"
