"""Webhooks in: one small module a provider, all of the same shape.

A provider's module has

    SECRETS                      the names of what `verify` needs, as they stand in the keyring
    verify(call, secrets, now)   raises `UnsignedError`, or returns: the call is the provider's
    translate(call, setup)       the reports in it; raises `UnreadableError` for a body that can't be read

`verify` sees the raw body and comes first: nothing of a call is parsed before it is known whose it is. Signatures are
compared in constant time. `translate` passes over what means nothing for consent. docs/webhooks/adding-a-provider.md
walks through adding one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consentry.intake import Report

NAMES: Final = (
    "standard",
    "sendgrid",
    "mailgun",
    "postmark",
    "mailchimp",
    "sns",
    "customerio",
    "hubspot",
    "klaviyo",
)

TOLERANCE_MS: Final = 5 * 60 * 1000
"""How old a signed call may be, and how far ahead its clock."""


class UnsignedError(Exception):
    """The call isn't provably the provider's: signature missing, wrong or stale."""


class UnreadableError(Exception):
    """The call is the provider's, but its body can't be read."""


class Call(NamedTuple):
    """One HTTP call of a provider."""

    method: str
    headers: Mapping[str, str]
    """Names in lower case."""
    query: Mapping[str, str]
    body: bytes
    """As it came, decoded from the gateway's base64."""
    url: str
    """The public URL that the provider called, with its query."""


class Setup(NamedTuple):
    """How a brand set up a provider."""

    topics: Mapping[str, tuple[str, ...]]
    """The brand's topics, by the provider's groups, lists or streams."""
    arns: tuple[str, ...] = ()
    """`sns`: the topics that may call."""

    def topics_of(self, names: Iterable[object]) -> tuple[str, ...]:
        """The brand's topics for some of the provider's names; names that aren't mapped count for nothing."""
        found = (topic for name in names for topic in self.topics.get(str(name), ()))
        return tuple(dict.fromkeys(found))


class Reading(NamedTuple):
    """What a call says."""

    reports: list[Report]
    ignored: int = 0
    """Events that mean nothing for consent."""
    once: str = ""
    """A value that may come only once, however validly it is signed; empty where the signature covers the event."""
    fetch: str = ""
    """A URL to fetch, checked by the provider's module, to confirm a subscription; else empty."""
    erase: tuple[str, ...] = ()
    """Addresses whose owners asked the provider to be forgotten."""
    moved: tuple[tuple[str, str], ...] = ()
    """Old and new address of persons: opt-outs follow."""


class Provider(Protocol):
    """The shape of a provider's module."""

    SECRETS: tuple[str, ...]
    verify: Callable[[Call, Mapping[str, str], int], None]
    translate: Callable[[Call, Setup], Reading]


def provider(name: str) -> Provider:
    """The module of a provider; loaded when it is first called.

    Raises:
        KeyError: no such provider.
    """
    if name not in NAMES:
        raise KeyError(name)
    module: Any = import_module(f"{__name__}.{name}")
    return cast("Provider", module)
