"""Feedback reports: what a mailbox provider says that somebody thinks of an email of ours (ARF, RFC 5965). Pure.

Whose email it was stands in the report as the email itself, or its header: our own token in its `List-Unsubscribe`. The
addresses in reports are often redacted (RFC 6590), and are never asked for. The types: RFC 5965, 7.3; RFC 6430; RFC
6591; and `opt-out`, which earlier drafts had (draft-shafranovich-feedback-report).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.inbound import reading
from consentry.inbound.reading import first

if TYPE_CHECKING:
    from collections.abc import Sequence


class Meaning(StrEnum):
    """What a report says."""

    COMPLAINT = "complaint"
    OPT_OUT = "opt-out"
    NOT_SPAM = "not-spam"
    NOTHING = "nothing"
    """Of the email, but nothing that somebody wishes."""
    UNKNOWN = "unknown"


TYPES: Final = {
    "abuse": Meaning.COMPLAINT,
    "fraud": Meaning.COMPLAINT,
    "opt-out": Meaning.OPT_OUT,
    "opt-out-list": Meaning.OPT_OUT,
    "not-spam": Meaning.NOT_SPAM,
    "virus": Meaning.NOTHING,
    "auth-failure": Meaning.NOTHING,
    "dkim": Meaning.NOTHING,
}
"""By `Feedback-Type`. `other`, and what isn't here, can't be told."""


class FeedbackReport(NamedTuple):
    """What a report says, and where it may say of whom."""

    meaning: Meaning
    places: Sequence[Sequence[str]]
    """Texts that may hold a token of the person's, the best first: how to unsubscribe, then what it says."""


def read(raw: bytes) -> FeedbackReport | None:
    """The report in an email; None where an email that calls itself one holds none.

    `raw` is the email, or its first `mail_reading.MOST` bytes.
    """
    # As plain parts: what they hold may be encoded, which an email within an email mustn't be, and is.
    mail = reading.read(_WITHIN.sub(rb"\1application/x-", raw[: reading.MOST]))
    said: list[str] = []
    fields: list[str] = []
    texts: list[str] = []
    for part in mail.iter_parts():
        held = reading.payload(part).lstrip()
        if part.get_content_type() == "application/x-feedback-report":
            said.append(first(reading.fields(reading.read(held)), "feedback-type"))
        elif part.get_content_type() in _REPORTED:
            reported = reading.read(held)
            fields += reading.fields(reported).get("list-unsubscribe", ())
            texts += reading.texts(reported)
    if not said:
        return None
    return FeedbackReport(TYPES.get(said[0].strip().lower(), Meaning.UNKNOWN), (fields, texts))


_WITHIN: Final = re.compile(rb"^(content-type:\s*)message/", re.IGNORECASE | re.MULTILINE)
_REPORTED: Final = frozenset({"application/x-rfc822", "application/x-global", "text/rfc822-headers", "text/rfc822"}) | {
    f"application/x-{each}-headers" for each in ("rfc822", "global")
}
"""The email that is reported, or its header (RFC 5965, 2; RFC 6532; RFC 6533)."""
