"""What others report: every report could be made out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry import providers
from consentry.inbound import emails, feedback
from consentry_cli.doctor.findings import Check, number, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Ill

_OTHERS: Final = {
    feedback.SOURCE: ("feedback", ""),
    emails.SOURCE: ("mailbox", "docs/deploying.md#email-that-comes-in and "),
}
"""The function whose log tells more, and a page, of sources that aren't webhooks."""


def readable(deployed: Deployed) -> Generator[Ill, None, str]:
    """No webhook, nothing that SES tells, and no report by email said something of nobody, or made no sense."""
    sources = (*providers.NAMES, *_OTHERS)
    found = deployed.last_hour(f"Consentry/{deployed.name}", "provider", ("Unreadable",), sources, hours=24)
    for (source, _), count in sorted(found.items()):
        where, page = _OTHERS.get(source, ("webhook", f"docs/webhooks/{source}.md and "))
        yield warning(
            f"{number(count, 'report')} of {source} counted for nothing within the last day: it can't be told whom "
            f"{'it is' if count == 1 else 'they are'} about, or what {'it says' if count == 1 else 'they say'}. "
            "Whoever it is goes on getting email.",
            f"Look for `unreadable address` in the log of the {where} function; {page}the provider's own settings say "
            "what is sent.",
        )
    return "Within the last day, every report could be made out."


CHECKS = (Check("unreadable-reports", readable, "docs/webhooks/README.md#when-nothing-arrives"),)
