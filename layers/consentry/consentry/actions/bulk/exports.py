"""Presets of mail platforms and providers, beside the first four of `consentry.actions.bulk.presets`.

What a column or a word means is from each provider's documentation, named beside it; docs/moving-here.md says it to
those who move. A flag that only says who left (`EMAIL_BLACKLISTED` is `No`) is no claim of the rest: `--status
subscribed` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.actions.bulk.meanings import (
    BOUNCED,
    CLAIMED,
    COMPLAINED,
    NOTHING,
    OUT,
    OUT_EVERYWHERE,
    Meaning,
    Preset,
    said,
    unspoken,
)
from consentry.actions.bulk.records import UnusableInputError, UnusableRowError, folded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consentry.actions.bulk.records import Row

_TRUE: Final = frozenset({"true", "wahr", "vrai", "vero", "verdadero", "verdadeiro", "waar", "prawda"})
"""As spreadsheets write it where they are German, French, Italian, Spanish, Portuguese, Dutch or Polish."""
_YES: Final = _TRUE | {"yes", "1", "y", "t", "x", "ja", "oui", "sí", "si", "sì", "sim"}
_NO: Final = frozenset(
    {"", "no", "false", "0", "n", "f", "nein", "non", "não", "null", "none"}
    | {"falsch", "faux", "falso", "onwaar", "fałsz"}
)
_NONE: Final = frozenset({"", "[]", "{}", "null", "none"})


def _flag(row: Row, column: str) -> bool | None:
    """Whether a column says yes; None where it is empty.

    Raises:
        UnusableRowError: it says neither yes nor no.
    """
    word = row.word(column)
    if word in _YES:
        return True
    if word in _NO:
        return False if word else None
    raise UnusableRowError(f"{column}: neither yes nor no")


def _ghost(row: Row, of_file: Meaning | None) -> Meaning:
    """A member, by Ghost's members CSV: https://ghost.org/help/exports/, `packages/members-csv` in TryGhost/Ghost."""
    subscribed = _flag(row, "subscribed_to_emails")
    if subscribed is False:
        return OUT
    if row.text("deleted_at"):
        return NOTHING
    return CLAIMED if subscribed else of_file or NOTHING


def _substack(row: Row, of_file: Meaning | None) -> Meaning:
    """A subscriber of `email_list.….csv`, whose emails the subscriber may have turned off (`email_disabled`)."""
    disabled = _flag(row, "email_disabled")
    if disabled is None:
        return of_file or NOTHING
    return OUT if disabled else CLAIMED


_KLAVIYO: Final = {
    "subscribed": CLAIMED,
    "subscribe": CLAIMED,
    "unsubscribed": OUT_EVERYWHERE,
    "unsubscribe": OUT_EVERYWHERE,
    "never subscribed": NOTHING,
    "never_subscribed": NOTHING,
    "": NOTHING,
}
_KLAVIYO_SUPPRESSIONS: Final = (
    ("spam", COMPLAINED),
    ("unsub", OUT_EVERYWHERE),
    ("bounce", BOUNCED),
    ("invalid", BOUNCED),
)


def _klaviyo(row: Row, of_file: Meaning | None) -> Meaning:
    """A profile: https://help.klaviyo.com/hc/en-us/articles/115005246108 has why profiles are suppressed."""
    consent = "Email Marketing Consent"
    value = row.value("Email Suppressions")
    why = str(value).casefold() if isinstance(value, list | dict) else row.word("Email Suppressions")
    if why not in _NONE:
        return next((meaning for part, meaning in _KLAVIYO_SUPPRESSIONS if part in why), OUT_EVERYWHERE)
    found = said(row, consent, _KLAVIYO, of_file) if consent in row.names else of_file or NOTHING
    if found is CLAIMED and of_file is not CLAIMED and "Email Suppressions" not in row.names:
        raise UnusableRowError(
            "Email Suppressions: not in the file, and people who are suppressed may be SUBSCRIBED all the same:"
            " export it with that column"
        )
    return found


def _brevo(row: Row, of_file: Meaning | None) -> Meaning:
    """A contact: https://developers.brevo.com/reference/request-contact-export; "unsubscribed" is blocklisted there.

    As https://developers.brevo.com/reference/get-contacts answers, `listUnsubscribed` has the lists that somebody left.
    """
    column = next((name for name in ("EMAIL_BLACKLISTED", "emailBlacklisted") if name in row.names), "")
    if column and _flag(row, column):
        return OUT_EVERYWHERE
    if str(row.value("listUnsubscribed") or "").strip().casefold() not in _NONE:
        return OUT  # from one list of Brevo's, or several: which of ours that is, only `--topic` says
    return of_file or NOTHING


_KIT: Final = {
    "active": CLAIMED,
    "confirmed": CLAIMED,
    "inactive": NOTHING,
    "unconfirmed": NOTHING,
    "cold": NOTHING,
    "cancelled": OUT_EVERYWHERE,
    "canceled": OUT_EVERYWHERE,
    "unsubscribed": OUT_EVERYWHERE,
    "bounced": BOUNCED,
    "complained": COMPLAINED,
}


def _kit(row: Row, of_file: Meaning | None) -> Meaning:
    """A subscriber's state: https://developers.kit.com/api-reference/subscribers; `inactive` hasn't confirmed."""
    found = [said(row, name, _KIT, of_file) for name in ("status", "state") if row.word(name)]
    found = found or [said(row, "status", _KIT, of_file)]
    return next((meaning for meaning in found if meaning is not CLAIMED), CLAIMED)


_ACTIVECAMPAIGN: Final = {
    "active": CLAIMED,
    "subscribed": CLAIMED,
    "1": CLAIMED,
    "unconfirmed": NOTHING,
    "0": NOTHING,
    "excluded": NOTHING,
    "unsubscribed": OUT,
    "2": OUT,
    "bounced": BOUNCED,
    "3": BOUNCED,
}
_KEILA: Final = {"active": CLAIMED, "unsubscribed": OUT, "unreachable": BOUNCED}
_BEEHIIV: Final = {
    "active": CLAIMED,
    "inactive": OUT,
    "unsubscribed": OUT,
    "pending": NOTHING,
    "needs approval": NOTHING,
    "needs_approval": NOTHING,
    "needs_attention": NOTHING,
    "validating": NOTHING,
    "invalid": NOTHING,
}
_SES: Final = {"bounce": BOUNCED, "complaint": COMPLAINED}


def _activecampaign(row: Row, of_file: Meaning | None) -> Meaning:
    """A contact's status on a list, by word or code: https://help.activecampaign.com/hc/en-us/articles/221073788."""
    return said(row, "Status", _ACTIVECAMPAIGN, of_file)


def _keila(row: Row, of_file: Meaning | None) -> Meaning:
    """A contact, by `lib/keila/contacts/schemas/contact.ex` in pentacent/keila."""
    return said(row, "Status", _KEILA, of_file)


def _beehiiv(row: Row, of_file: Meaning | None) -> Meaning:
    """A subscriber: https://www.beehiiv.com/newsletter-glossary/subscriber-status; who unsubscribes is `inactive`."""
    return said(row, "status", _BEEHIIV, of_file)


def _ses(row: Row, of_file: Meaning | None) -> Meaning:
    """https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SuppressedDestinationSummary.html."""
    return said(row, "Reason", _SES, of_file)


_HUBSPOT: Final = (
    ("Portal Spam Report", COMPLAINED),
    ("Portal Unsubscribe", OUT_EVERYWHERE),
    ("Unsubscribed from all email", OUT_EVERYWHERE),
)
_HUBSPOT_BOUNCES: Final = ("Portal Bounce", "Email hard bounce reason", "Global Bounce")
_HUBSPOT_TYPES: Final = "opted out of email"
"""`Opted out of email: Newsletter`, a column for each type of subscription that contacts have
(https://knowledge.hubspot.com/articles/kcs_article/email/once-a-new-email-type-is-created-when-will-a-corresponding-contact-property-be-created)."""
_HUBSPOT_OWN: Final = frozenset(folded(name) for name in (*dict(_HUBSPOT), *_HUBSPOT_BOUNCES))


def _hubspot(row: Row, of_file: Meaning | None) -> Meaning:
    """A row of "unsubscribes and bounces", or a contact.

    https://knowledge.hubspot.com/articles/kcs_article/contacts/how-can-i-delete-contacts-who-have-unsubscribed-or-hard-bounce
    has the columns: a bounce's reason or TRUE; every further column is a type of subscription, TRUE for who left it.
    A contact has `Opted out of email: …` for each type.
    """
    for column, meaning in _HUBSPOT:
        if _flag(row, column):
            return meaning
    if any(row.word(column) not in _NO for column in _HUBSPOT_BOUNCES):
        return BOUNCED
    if "Portal Unsubscribe" in row.names:
        types = (column for column in row.names.of if folded(column) not in _HUBSPOT_OWN)
        return OUT if any(row.word(column) in _TRUE for column in types) else NOTHING
    left = (column for column in row.names.of if folded(column).startswith(_HUBSPOT_TYPES))
    return OUT if any(_flag(row, column) for column in left) else of_file or NOTHING


def _of_file(_row: Row, of_file: Meaning | None) -> Meaning:
    return of_file or NOTHING


def _mailgun_file(name: str, columns: Collection[str]) -> Meaning | None:
    """Mailgun's lists have columns of their own: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/.

    `tags` are of unsubscribes, `code` and `error` of bounces; complaints have neither.
    """
    if "whitelist" in name or "allowlist" in name:
        raise UnusableInputError("an allowlist says nothing about consent: there is nothing to import")
    if "tags" in columns:
        return OUT
    if "code" in columns and "error" in columns:
        return BOUNCED
    words = {"complaint": COMPLAINED, "unsubscribe": OUT, "bounce": BOUNCED}
    return next((meaning for part, meaning in words.items() if part in name), None)


EXPORTS: Final[Mapping[str, Preset]] = {
    "ghost": Preset(
        ("email",), _ghost, unspoken, ("created_at",), (), "id", speaks=("subscribed_to_emails",), knows=("deleted_at",)
    ),
    "substack": Preset(
        ("email",),
        _substack,
        unspoken,
        ("created_at",),
        (),
        speaks=("email_disabled",),
        knows=("active_subscription",),
    ),
    "klaviyo": Preset(
        ("Email", "Email Address"),
        _klaviyo,
        unspoken,
        ("Email Marketing Consent Timestamp",),
        ("Email Marketing Consent Timestamp",),
        "Klaviyo ID",
        speaks=("Email Marketing Consent", "Email Suppressions"),
        knows=("SMS Marketing Consent", "SMS Marketing Consent Timestamp", "SMS Suppressions"),
    ),
    "brevo": Preset(
        ("EMAIL",),
        _brevo,
        unspoken,
        ("ADDED_TIME", "createdAt"),
        ("MODIFIED_TIME", "modifiedAt"),
        speaks=("EMAIL_BLACKLISTED", "emailBlacklisted"),
        knows=("SMS_BLACKLISTED", "smsBlacklisted", "listUnsubscribed"),
    ),
    "kit": Preset(
        ("email_address", "email", "Email Address"),
        _kit,
        unspoken,
        ("created_at",),
        ("canceled_at", "cancelled_at"),
        speaks=("state", "status"),
    ),
    "activecampaign": Preset(
        ("Email", "Email Address"),
        _activecampaign,
        unspoken,
        ("sdate",),
        ("udate",),
        speaks=("Status",),
    ),
    "keila": Preset(
        ("Email",), _keila, unspoken, ("double_opt_in_at", "inserted_at"), ("updated_at",), "id", speaks=("Status",)
    ),
    "hubspot": Preset(
        ("Email", "Email Address"),
        _hubspot,
        unspoken,
        ("Create Date",),
        (),
        "Record ID",
        speaks=(*dict(_HUBSPOT), *_HUBSPOT_BOUNCES),
        begins=_HUBSPOT_TYPES,
    ),
    "beehiiv": Preset(
        ("email", "Email Address"),
        _beehiiv,
        unspoken,
        ("created_at", "created"),
        (),
        "id",
        speaks=("status",),
    ),
    "mailgun": Preset(("address",), _of_file, _mailgun_file, ("created_at",), ("created_at",), suppressions=True),
    "ses": Preset(("EmailAddress",), _ses, unspoken, (), ("LastUpdateTime",), speaks=("Reason",), suppressions=True),
}
