"""Mailchimp's audience webhooks.

https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/

Mailchimp signs nothing: a secret stands in the URL that it is given, as `?key=`. It asks for the URL with GET before it
uses it, and posts forms with fields such as `data[email]`. `fired_at` is UTC. Since no instant is signed, no retry is
ever too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from consentry.intake import ReportKind
from consentry.providers import Reading, UnreadableError, payload, proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.providers import Call, Setup

SECRETS: Final = ("key",)
"""What follows `?key=` in the URL."""

_MAX_FIELDS: Final = 1_000
"""An audience's merge fields come too."""

_KINDS: Final = {
    ("subscribe", ""): ReportKind.CLAIMED,
    ("unsubscribe", ""): ReportKind.UNSUBSCRIBED,
    ("unsubscribe", "abuse"): ReportKind.COMPLAINED,
    ("cleaned", "abuse"): ReportKind.COMPLAINED,
    ("cleaned", "hard"): ReportKind.BOUNCED,
}
"""By type and reason, where the reason makes a difference."""


def verify(call: Call, _setup: Setup, secrets: Mapping[str, str], now: int) -> int:
    """The key must be right."""
    proof.require(call.query.get("key", ""), proof.values(secrets, "key"))
    return now


def translate(call: Call, setup: Setup) -> Reading:
    """One event a call."""
    fields = _form(call.body)
    name, reason = fields.get("type", ""), fields.get("data[reason]", "")
    if name == "upemail":
        # The person has another address: what they said under the old one holds for it.
        old, new = fields.get("data[old_email]", ""), fields.get("data[new_email]", "")
        return Reading([], moved=((old, new),)) if old and new else Reading([], ignored=1)
    found = payload.reports(
        _KINDS.get((name, reason)) or _KINDS.get((name, "")),
        fields.get("data[email]", ""),
        payload.from_iso(fields.get("fired_at", "")),
        setup.topics_of([fields.get("data[list_id]", "")]),
    )
    return Reading(found, ignored=not found)


def _form(body: bytes) -> dict[str, str]:
    """The last value of each field."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MAX_FIELDS)
    except ValueError as exc:
        raise UnreadableError("the form has too many fields") from exc
    if "type" not in fields:
        raise UnreadableError("the form has no type")
    return {name: listed[-1].strip() for name, listed in fields.items()}
