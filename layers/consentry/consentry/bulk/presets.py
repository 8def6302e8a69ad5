"""What rows of other systems' exports say, in this field's words.

Each preset names the columns of an export and what its words mean; docs/moving-here.md says where that is from. The
plain form, without a preset, has the columns `email` or `subscriber_id`, `status`, `topics`, `occurred_at` and
`reference`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry import instants
from consentry.bulk.rows import UnusableInputError, UnusableRowError
from consentry.consent import EVERY_TOPIC
from consentry.instants import Instant
from consentry.intake import ReportKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consentry.bulk.rows import Row


class Meaning(NamedTuple):
    """What a status word means."""

    kind: ReportKind | None
    """None: it says nothing about consent."""
    everywhere: bool = False
    """An opt-out from every topic, whichever the row or the command line names."""


_CLAIMED: Final = Meaning(ReportKind.CLAIMED)
_OUT: Final = Meaning(ReportKind.UNSUBSCRIBED)
_OUT_EVERYWHERE: Final = Meaning(ReportKind.UNSUBSCRIBED, everywhere=True)
_COMPLAINED: Final = Meaning(ReportKind.COMPLAINED)
_BOUNCED: Final = Meaning(ReportKind.BOUNCED)
_NOTHING: Final = Meaning(None)

WORDS: Final[Mapping[str, Meaning]] = {
    "subscribed": _CLAIMED,
    "claimed": _CLAIMED,
    "unsubscribed": _OUT,
    "complained": _COMPLAINED,
    "bounced": _BOUNCED,
}
"""What `--status` and the plain form's `status` may say."""


class Preset(NamedTuple):
    """How one system exports."""

    email: str
    meaning: Callable[[Row, Meaning | None], Meaning]
    """What a row says, given what its file says."""
    of_file: Callable[[str, list[str]], Meaning | None]
    """What every row says, by the file's name and header; None if rows speak for themselves."""
    instants: tuple[str, ...]
    """Columns with the instant of a claim; the first that is filled counts."""
    left_at: tuple[str, ...]
    """The same for opt-outs, complaints and bounces."""
    reference: str = ""


def word(text: str) -> Meaning:
    """What a word of the plain form means.

    Raises:
        UnusableRowError: nothing.
    """
    found = WORDS.get(text.lower())
    if found is None:
        raise UnusableRowError(f"status: none of {', '.join(WORDS)}")
    return found


_LISTMONK: Final = {"enabled": _CLAIMED, "disabled": _OUT_EVERYWHERE, "blocklisted": _OUT_EVERYWHERE}
_LISTMONK_SUBSCRIPTION: Final = {"confirmed": _CLAIMED, "unconfirmed": _NOTHING, "unsubscribed": _OUT}
_POSTMARK: Final = {"hardbounce": _BOUNCED, "spamcomplaint": _COMPLAINED, "manualsuppression": _OUT}
_MAILCHIMP_FILES: Final = {"subscribed_": _CLAIMED, "unsubscribed_": _OUT, "cleaned_": _BOUNCED}
_SENDGRID_FILES: Final = (
    ("spam_report", _COMPLAINED),
    ("bounce", _BOUNCED),
    ("invalid", _BOUNCED),
    ("unsubscribe", _OUT),
)


def _plain(row: Row, of_file: Meaning | None) -> Meaning:
    text = row.text("status")
    if not text and of_file:
        return of_file
    return word(text)


def _listmonk(row: Row, of_file: Meaning | None) -> Meaning:
    account = _LISTMONK.get(row.text("status").lower())
    if account is None:
        raise UnusableRowError(f"status: none of {', '.join(_LISTMONK)}")
    if account is not _CLAIMED:
        return account
    subscription = row.text("subscription_status").lower()
    if subscription and subscription not in _LISTMONK_SUBSCRIPTION:
        raise UnusableRowError(f"subscription_status: none of {', '.join(_LISTMONK_SUBSCRIPTION)}")
    return _LISTMONK_SUBSCRIPTION.get(subscription) or of_file or account


def _mailchimp(row: Row, of_file: Meaning | None) -> Meaning:
    if "abuse" in row.text("UNSUB_REASON").lower():
        return _COMPLAINED
    if row.text("UNSUB_TIME"):
        return _OUT
    if row.text("CLEAN_TIME"):
        return _BOUNCED
    return of_file or _CLAIMED


def _mailchimp_file(name: str, columns: list[str]) -> Meaning | None:
    if name.startswith("nonsubscribed_"):
        raise UnusableInputError("a nonsubscribed_ file holds people who never agreed: there is nothing to import")
    for start, meaning in _MAILCHIMP_FILES.items():
        if name.startswith(start):
            return meaning
    if "CLEAN_TIME" in columns:
        return _BOUNCED
    return _OUT if "UNSUB_TIME" in columns else None


def _sendgrid(_row: Row, of_file: Meaning | None) -> Meaning:
    if of_file is None:
        raise UnusableInputError("SendGrid's files don't say what they hold: say it with --status")
    return of_file


def _sendgrid_file(name: str, _columns: list[str]) -> Meaning | None:
    if "block" in name:
        raise UnusableInputError("blocks are passing refusals by a server: there is nothing to import")
    return next((meaning for part, meaning in _SENDGRID_FILES if part in name), None)


def _postmark(row: Row, _of_file: Meaning | None) -> Meaning:
    found = _POSTMARK.get(row.text("SuppressionReason").lower())
    if found is None:
        raise UnusableRowError("SuppressionReason: none of HardBounce, SpamComplaint, ManualSuppression")
    return found


def _unspoken(_name: str, _columns: list[str]) -> Meaning | None:
    return None


PLAIN: Final = Preset("email", _plain, _unspoken, ("occurred_at",), ("occurred_at",), "reference")
PRESETS: Final[Mapping[str, Preset]] = {
    "listmonk": Preset("email", _listmonk, _unspoken, ("created_at",), ("updated_at",), "uuid"),
    "mailchimp": Preset(
        "Email Address",
        _mailchimp,
        _mailchimp_file,
        ("CONFIRM_TIME", "OPTIN_TIME"),
        ("UNSUB_TIME", "CLEAN_TIME", "LAST_CHANGED"),
        "EUID",
    ),
    "sendgrid": Preset("email", _sendgrid, _sendgrid_file, ("created",), ("created", "created_at")),
    "postmark": Preset("EmailAddress", _postmark, _unspoken, (), ("CreatedAt",)),
}


def of_file(preset: Preset, path: str, columns: list[str], status: str | None) -> Meaning | None:
    """What every row of a file says where it doesn't speak for itself: by `--status`, or as the preset sees it.

    Raises:
        UnusableInputError: the file holds nothing that can be imported.
    """
    return WORDS[status] if status else preset.of_file(Path(path).name.lower(), columns)


def topics_of(value: object) -> tuple[str, ...]:
    """Topics as a row names them: a list, or text with commas, semicolons or bars. `all` and `*` are every topic."""
    parts = value if isinstance(value, list) else _SEPARATORS.split(value) if isinstance(value, str) else []
    named = [str(part).strip() for part in parts]
    topics = [EVERY_TOPIC if name.lower() in {"all", EVERY_TOPIC} else name for name in named if name]
    return (EVERY_TOPIC,) if EVERY_TOPIC in topics else tuple(dict.fromkeys(topics))


_SEPARATORS: Final = re.compile(r"[,;|]")
_EPOCH: Final = re.compile(r"[0-9]{9,13}(\.[0-9]{1,9})?")
_MILLISECONDS: Final = 100_000_000_000
"""Epochs from here on are milliseconds: as seconds they would be after the year 5000."""
_GO: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})(?: [+-]?\w+)?(?: m=\S+)?")
"""Go's time.Time.String()."""


def instant(text: str) -> Instant:
    """What a text means.

    RFC 3339, a date alone, seconds or milliseconds since 1970, or as exports write it. Without an offset it is UTC.

    Raises:
        ValueError, OverflowError: it is none of these, or not after 1970.
    """
    if _EPOCH.fullmatch(text):
        number = float(text)
        at = Instant(int(number)) if number >= _MILLISECONDS else instants.from_seconds(number)
    else:
        if go := _GO.fullmatch(text):
            text = f"{go[1]}{go[2]}"
        at = instants.from_iso(text)
    if at <= 0:
        raise ValueError("before 1970")
    return at
