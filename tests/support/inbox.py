"""Reading emails that came in, with tokens of a made-up brand and of two people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.inbound import emails
from consentry.links.tokens import Link, Purpose, Tokens

if TYPE_CHECKING:
    from consentry.inbound.emails import Understood

NOW: Final = 1_800_000_000_000


ANN: Final = "K9Xdq1X4AVefMXC3P9olGg"
BOB: Final = "ZZZdq1X4AVefMXC3P9olGg"


class _Keys:
    def signing_keys(self, brand: str) -> tuple[bytes, ...]:
        return (brand.encode(),)

    def retired_keys(self, brand: str) -> tuple[bytes, ...]:
        return ()

    def refresh(self) -> bool:
        return False


TOKENS: Final = Tokens(_Keys())


def token(*topics: str, of: str = ANN, brand: str = "demo", purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
    """A token of somebody's."""
    at = NOW if purpose is Purpose.CONFIRM else 0
    return TOKENS.sign(Link(purpose, brand, of, topics or ("news",), at=at))


def link(*topics: str, **of: str) -> str:
    """A link of somebody's."""
    return f"https://links.example.com/u/{token(*topics, **of)}"  # type: ignore[arg-type]  # the purpose is no text, and never among these


def understand(raw: bytes, at: int = NOW) -> Understood:
    """What an email that arrived at an instant asks for."""
    return emails.understand(raw, lambda each: TOKENS.read(Purpose.UNSUBSCRIBE, each, NOW), at)


def left(raw: bytes) -> list[tuple[str, ...]]:
    """The topics that an email opts out of, a link each."""
    return [each.topics for each in understand(raw).links]


T: Final = token()
"""Ann's, to leave `news`."""
