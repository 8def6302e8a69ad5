"""Webhooks in: one small module a provider, all of the same shape.

A provider's module has

    SECRETS                             the names of what `verify` needs, as they stand in the keyring
    EVENTS                              every kind of event that the provider publishes, with its meaning (`meanings`)
    verify(call, setup, secrets, now)   raises `UnsignedError`, or answers when the call arrived: it is the provider's
    translate(call, setup)              the reports in it; raises `UnreadableError` for a body that can't be read

`verify` sees the raw body and comes first: nothing of a call is parsed before it is known whose it is, but where the
signature itself stands in the body (`mailgun`, `sns`; there it may raise `UnreadableError` too). Signatures are
compared in constant time.

A call whose first try failed comes again, of most providers perhaps under the signature of the first try: none but
Standard Webhooks says that it signs anew. So what ends email is taken at an age of up to a day, wherever a provider
isn't known to sign each try: a repetition says what was said already. Claims may be five minutes old (`late`).

`translate` passes over what means nothing for consent, and over an item that it can't make sense of; the rest of the
call counts (`payload`). What ought to say something of somebody is never passed over in silence: without an address it
is a report of nobody, and what can't be understood is counted (`unclear`). It has no clock: an event without a readable
instant counts as of its arrival. An opt-out that names none of the brand's mapped topics is from every topic; an opt-in
that names none means nothing.
docs/webhooks/adding-a-provider.md walks through adding one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from consentry.actions.reports import ReportKind
from consentry.rules.instants import SECOND_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consentry.actions.reports import Report
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

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

ASKED_FIRST: Final = frozenset({"mailchimp"})
"""Providers that GET the URL before they use it, and want a 200."""

ONE_IS_ENOUGH: Final = frozenset({"mailchimp"})
"""Providers whose calls are proved by any one of their `SECRETS`."""

WHOLE_LIST: Final = "*"
"""In a brand file, instead of a group's name: what an opt-in is to that names no group."""

TOLERANCE_MS: Final = 5 * 60 * 1000
"""How old a call may be that was just signed, and how far ahead its clock."""

RETRIED_MS: Final = 24 * 3600 * 1000
"""How old a call may be that is sent again as it was signed at first."""


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
    urls: tuple[str, ...]
    """The URLs that the provider may have called, with their query: one for each host that leads here."""


class Reading(NamedTuple):
    """What a call says."""

    reports: list[Report]
    ignored: int = 0
    """Events that mean nothing for consent, or of which nothing can be told."""
    unclear: int = 0
    """Those of them that ought to say something of somebody."""
    unknown: int = 0
    """Those of them whose kind is in no table."""
    once: str = ""
    """A value that may come only to say the same, however validly it is signed; empty where the signature covers
    what is said."""
    fetch: str = ""
    """A URL to fetch, checked by the provider's module, to confirm a subscription; else empty."""
    erase: tuple[str, ...] = ()
    """Addresses whose owners asked the provider to be forgotten."""
    moved: tuple[tuple[str, str], ...] = ()
    """Old and new address of persons: opt-outs follow."""


class Provider(Protocol):
    """The shape of a provider's module."""

    SECRETS: tuple[str, ...]
    EVENTS: Mapping[str, Meaning]
    verify: Callable[[Call, Webhook, Mapping[str, str], int], int]
    translate: Callable[[Call, Webhook], Reading]


def late(reading: Reading, signed_at: int) -> Reading:
    """What a call that comes late may still say: what ends email, as of when it was signed at the latest.

    What happened in the second of its signing keeps its instant: it says what the first try said.

    Raises:
        UnsignedError: it says something, and nothing of that ends email.
    """
    ending = [
        report if 0 < report.occurred_at < signed_at + SECOND_MS else report._replace(occurred_at=signed_at)
        for report in reading.reports
        if report.kind is not ReportKind.CLAIMED
    ]
    stale = len(reading.reports) - len(ending)
    if (stale or reading.fetch) and not (ending or reading.erase):
        raise UnsignedError("the timestamp is stale")
    return reading._replace(reports=ending, ignored=reading.ignored + stale)


def provider(name: str) -> Provider:
    """The module of a provider; loaded when it is first called.

    Raises:
        KeyError: no such provider.
    """
    if name not in NAMES:
        raise KeyError(name)
    module: Any = import_module(f"{__name__}.{name}")
    return cast("Provider", module)
