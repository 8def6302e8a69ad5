"""All rules over one email."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry_cli.lint import identity, mail, unsubscribing, visible
from consentry_cli.lint.findings import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry_cli.lint.findings import Finding
    from consentry_cli.lint.mail import Mail

    Rule = Callable[[Mail], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    unsubscribing.header,
    unsubscribing.one_click,
    visible.visible_link,
    identity.sender,
    identity.signed,
    identity.received,
    identity.list_id,
    identity.whole,
    identity.body,
    unsubscribing.longest_line,
)
_ORDER: Final = list(Level)


def check(raw: bytes, *, ask_dns: bool = False) -> list[Finding]:
    """What there is to say of an email, the worst first.

    Args:
        raw: the email.
        ask_dns: whether DKIM signatures are verified with the keys that the DNS has.

    Raises:
        NotAMailError: it isn't one.
    """
    read = mail.read(raw)
    found = [finding for rule in RULES for finding in rule(read)]
    if ask_dns:
        found += identity.verified(read)
    return sorted(found, key=lambda finding: _ORDER.index(finding.level))
