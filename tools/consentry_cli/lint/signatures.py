"""DKIM: which signatures an email has, what they cover, and whether they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value
from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry_cli.lint.mail import Mail

    AskDns = Callable[..., bytes | None]

_SUFFIXES: Final = PublicSuffixList()
_LONGEST_NAME: Final = 253
"""Characters of a domain (RFC 1035, 2.3.4)."""


class Signature(NamedTuple):
    """One DKIM-Signature (RFC 6376, 3.5)."""

    domain: str
    """`d=`, in lower case; empty if the field can't be read."""
    algorithm: str
    covers: frozenset[str]
    """`h=`, in lower case."""
    limits_length: bool
    """It has `l=`."""


def signatures(mail: Mail) -> list[Signature]:
    """Every signature, the topmost first."""
    return [_signature(value) for value in mail.all("dkim-signature")]


def holds(mail: Mail, number: int, ask: AskDns | None = None) -> str:
    """Why a signature doesn't hold; empty if it does.

    Args:
        mail: the email as it arrived: an email that was saved in another form fails.
        number: which of its signatures, from 0.
        ask: answers the TXT record of a name, as bytes, or None; left out, the DNS does.
    """
    checked = dkim.DKIM(mail.raw)
    more = {} if ask is None else {"dnsfunc": ask}
    try:
        return "" if checked.verify(idx=number, **more) else "it doesn't match the mail"
    except dkim.DKIMException as exc:
        return str(exc) or type(exc).__name__
    except Exception as exc:  # noqa: BLE001 - dkimpy and the DNS raise many things over keys that others publish
        return f"its key can't be had ({type(exc).__name__})"


def organisation(domain: str) -> str:
    """The domain that somebody registered: `news.shop.example.co.uk` is of `example.co.uk`."""
    if len(domain) > _LONGEST_NAME:
        return domain
    return str(_SUFFIXES.privatesuffix(domain) or domain)


def _signature(value: str) -> Signature:
    try:
        tags = parse_tag_value(value.encode("ascii", "replace"))
    except InvalidTagValueList:
        return Signature("", "", frozenset(), limits_length=False)
    said = {name.decode(): text.decode("ascii", "replace") for name, text in tags.items()}
    return Signature(
        "".join(said.get("d", "").split()).lower(),
        "".join(said.get("a", "").split()).lower(),
        frozenset("".join(each.split()).lower() for each in said.get("h", "").split(":")),
        limits_length="l" in said,
    )
