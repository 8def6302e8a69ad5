"""Dead letters: opt-outs that neither the table nor the spool could take, kept in the log, sealed.

Whoever left was asked to come back, and may not. So the line in the log holds what they wanted, encrypted and
authenticated with a key of the keyring: who reads the log learns nothing, and `consentry spool replay` can still
make it count.

The seal is Fernet (https://cryptography.io/en/latest/fernet/).
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELD: Final = "dead_letter"
"""The log line's field."""
_LETTER: Final = re.compile(_FIELD + r'[\\"]{1,8}:? ?[\\":]{1,9}(gAAAAA[A-Za-z0-9_-]{60,}={0,2})')
"""Also where the line is a string within JSON or CSV, as the console and Logs Insights export it."""


class BrokenSealError(Exception):
    """The letter was changed, or sealed with another key."""


def seal(key: bytes, text: str) -> str:
    """A letter that only the key opens."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - 40 ms, for a day when nearly everything is unavailable

    return Fernet(base64.urlsafe_b64encode(key)).encrypt(text.encode()).decode()


def unseal(key: bytes, letter: str) -> str:
    """What `seal` was given.

    Raises:
        BrokenSealError: see there.
    """
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - as above

    try:
        return Fernet(base64.urlsafe_b64encode(key)).decrypt(letter.encode()).decode()
    except InvalidToken:
        raise BrokenSealError from None


def find(line: str) -> Iterator[str]:
    """The letters in a line of a log, in whatever form it was exported."""
    for found in _LETTER.finditer(line):
        yield found[1]
