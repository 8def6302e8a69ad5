"""What providers' `verify` have in common: secrets, comparison in constant time, and the age of a call."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

from consentry.providers import RETRIED_MS, TOLERANCE_MS, UnsignedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DIGITS: Final = re.compile(r"[0-9]{1,15}")


def values(secrets: Mapping[str, str], name: str) -> list[str]:
    """The values of a secret: more than one, with spaces between, while it is exchanged for another.

    Raises:
        UnsignedError: it isn't set, so nothing can be verified.
    """
    found = secrets.get(name, "").split()
    if not found:
        raise UnsignedError(f"no {name} is set")
    return found


def require(presented: str, expected: Iterable[str]) -> None:
    """What was presented must be one of the expected; which, and how nearly, doesn't show in the time it takes.

    Raises:
        UnsignedError: it is none of them.
    """
    if not matches(presented, expected):
        raise UnsignedError("the signature doesn't match")


def matches(presented: str, expected: Iterable[str]) -> bool:
    """Whether what was presented is one of the expected; every one is compared, in constant time."""
    given = presented.encode("utf-8", "surrogatepass")
    same = [hmac.compare_digest(given, each.encode("utf-8", "surrogatepass")) for each in expected]
    return any(same)


def digest(key: str, message: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.digest(key.encode("utf-8", "surrogatepass"), message, "sha256")


def arrival(at: int, now: int, *, fresh: int = TOLERANCE_MS, oldest: int = RETRIED_MS) -> int:
    """When a call arrived, epoch ms: `now`, or when it was signed, where it comes too late to say all that it says.

    Args:
        at: when it was signed, epoch ms.
        now: our clock, epoch ms.
        fresh: how old it may be to say anything, ms.
        oldest: how old it may be to say what ends email, ms.

    Raises:
        UnsignedError: it is older than that, or from the future.
    """
    if not -TOLERANCE_MS <= now - at <= oldest:
        raise UnsignedError("the timestamp is stale")
    return now if now - at <= fresh else at


def number(text: str) -> int:
    """A timestamp's digits.

    Raises:
        UnsignedError: there are none, or other characters among them.
    """
    if not _DIGITS.fullmatch(text):
        raise UnsignedError("no readable timestamp")
    return int(text)
