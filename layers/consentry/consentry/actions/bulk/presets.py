"""What rows of other systems' exports say, in this field's words.

Each preset names the columns of an export and what its words mean; docs/moving-here.md says where that is from. The
plain form, without a preset, has the columns `email` or `subscriber_id`, `status`, `topics`, `occurred_at` and
`reference`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry.actions.bulk.dates import instant
from consentry.actions.bulk.exports import EXPORTS
from consentry.actions.bulk.meanings import (
    BOUNCED,
    CLAIMED,
    COMPLAINED,
    NOTHING,
    OUT,
    OUT_EVERYWHERE,
    WORDS,
    Meaning,
    Preset,
    one_of,
    said,
    unspoken,
)
from consentry.actions.bulk.records import Names, UnusableInputError, UnusableRowError, folded, garbled, listed
from consentry.rules.consent import EVERY_TOPIC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from consentry.actions.bulk.records import Row

__all__ = (
    "PLAIN",
    "PRESETS",
    "SAYS_NOTHING",
    "WORDS",
    "Meaning",
    "Preset",
    "certain",
    "doubts",
    "instant",
    "of_file",
    "sounding",
    "topics_of",
    "unread",
)


SAYS_NOTHING: Final = "nothing"
"""What a word means, beside `WORDS`, that says nothing of consent."""
_LISTMONK: Final = {"enabled": CLAIMED, "disabled": OUT_EVERYWHERE, "blocklisted": OUT_EVERYWHERE}
_LISTMONK_SUBSCRIPTION: Final = {"confirmed": CLAIMED, "unconfirmed": NOTHING, "unsubscribed": OUT}
_POSTMARK: Final = {"hardbounce": BOUNCED, "spamcomplaint": COMPLAINED, "manualsuppression": OUT}
_MAILCHIMP_FILES: Final = {"subscribed_": CLAIMED, "unsubscribed_": OUT, "cleaned_": BOUNCED}
_SENDGRID_FILES: Final = (
    ("spam_report", COMPLAINED),
    ("bounce", BOUNCED),
    ("invalid", BOUNCED),
    ("unsubscribe", OUT),
)


def _plain(row: Row, of_file: Meaning | None) -> Meaning:
    return said(row, "status", WORDS, of_file)


def _listmonk(row: Row, of_file: Meaning | None) -> Meaning:
    account = said(row, "status", _LISTMONK, of_file)
    if account is not CLAIMED:
        return account
    subscription = (
        one_of(row, "subscription_status", _LISTMONK_SUBSCRIPTION) if row.word("subscription_status") else None
    )
    return subscription or of_file or account


def _mailchimp(row: Row, of_file: Meaning | None) -> Meaning:
    if "abuse" in row.word("UNSUB_REASON"):
        return COMPLAINED
    if row.text("UNSUB_TIME"):
        return OUT
    if row.text("CLEAN_TIME"):
        return BOUNCED
    return of_file or NOTHING


def _mailchimp_file(name: str, columns: Collection[str]) -> Meaning | None:
    if name.startswith("nonsubscribed_"):
        raise UnusableInputError("a nonsubscribed_ file holds people who never agreed: there is nothing to import")
    if "CLEAN_TIME" in columns:
        return BOUNCED
    if "UNSUB_TIME" in columns:
        return OUT
    return next((meaning for start, meaning in _MAILCHIMP_FILES.items() if name.startswith(start)), None)


def _of_file_alone(_row: Row, of_file: Meaning | None) -> Meaning:
    return of_file or NOTHING


def _sendgrid_file(name: str, _columns: Collection[str]) -> Meaning | None:
    if "block" in name:
        raise UnusableInputError("blocks are passing refusals by a server: there is nothing to import")
    return next((meaning for part, meaning in _SENDGRID_FILES if part in name), None)


def _postmark(row: Row, of_file: Meaning | None) -> Meaning:
    word = row.word("SuppressionReason")
    found = _POSTMARK.get(word) or (None if word else of_file)
    if found is None:
        raise UnusableRowError("SuppressionReason: must be one of HardBounce, SpamComplaint, ManualSuppression")
    return found


PLAIN: Final = Preset(("email",), _plain, unspoken, ("occurred_at",), ("occurred_at",), "reference", speaks=("status",))
PRESETS: Final[Mapping[str, Preset]] = {
    "listmonk": Preset(
        ("email",),
        _listmonk,
        unspoken,
        ("created_at",),
        ("updated_at",),
        "uuid",
        speaks=("status",),
        knows=("subscription_status",),
    ),
    "mailchimp": Preset(
        ("Email Address",),
        _mailchimp,
        _mailchimp_file,
        ("CONFIRM_TIME", "OPTIN_TIME"),
        ("UNSUB_TIME", "CLEAN_TIME", "LAST_CHANGED"),
        "EUID",
        knows=("OPTIN_IP", "CONFIRM_IP", "UNSUB_REASON", "MEMBER_RATING"),
    ),
    "sendgrid": Preset(
        ("email",),
        _of_file_alone,
        _sendgrid_file,
        ("created",),
        ("created", "created_at"),
        knows=("status", "reason"),
        suppressions=True,
    ),
    **EXPORTS,
    "postmark": Preset(
        ("EmailAddress",), _postmark, unspoken, (), ("CreatedAt",), speaks=("SuppressionReason",), suppressions=True
    ),
}


def of_file(preset: Preset, path: str, columns: Iterable[str], status: str | None) -> Meaning | None:
    """What every row of a file says where it doesn't speak for itself: by `--status`, or as the preset sees it.

    Raises:
        UnusableInputError: the file holds nothing that can be imported, or what it says itself is no claim.
    """
    meaning = WORDS[status] if status else None
    if meaning is CLAIMED and preset.suppressions:
        raise UnusableInputError(
            "these exports list people who aren't to be mailed, so --status can't say that they are subscribed;"
            " import subscribers without --preset"
        )
    if meaning and meaning is not CLAIMED:
        return meaning
    seen = preset.of_file(Path(path).name.lower(), Names(columns))
    if meaning and seen and seen is not CLAIMED:
        raise UnusableInputError(
            "the file itself says that its people left, so --status can't say that they are subscribed"
        )
    return meaning or seen


def in_their_words(preset: Preset, words: Mapping[str, str]) -> Preset:
    """A preset of an export that has words of its own for how somebody stands.

    Args:
        preset: how the export is read otherwise.
        words: what each of them means: one of `WORDS`, or `SAYS_NOTHING`.

    Raises:
        UnusableInputError: the export has no column for such words, or no word of it can mean that.
    """
    if not words:
        return preset
    meanings = {word.strip().casefold(): WORDS.get(said, NOTHING) for word, said in words.items()}
    if not preset.speaks:
        raise UnusableInputError("this export has no column of a status: say with --status what all of its rows are")
    if preset.suppressions and CLAIMED in meanings.values():
        raise UnusableInputError("these exports list people who aren't to be mailed, so no word means subscribed")

    def meaning(row: Row, of_file: Meaning | None) -> Meaning:
        found = (meanings.get(row.word(column)) for column in preset.speaks)
        return next(filter(None, found), None) or preset.meaning(row, of_file)

    return preset._replace(meaning=meaning)


_PARTS: Final = re.compile(r"[^\W\d_]+")
_CAMEL: Final = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")
_CONSENT: Final = re.compile(
    r"(un|re|de)?subscri(be|bed|bes|ption|ptions)|opt|opts|optin|optout|opted|consents?|consented|permissions?|gdpr|dsgvo"
    r"|(black|block)list(ed)?|blocked|suppress(ed|ion|ions)?|bounce[ds]?|bouncing|complain(t|ts|ed)?|spam|abuse|junk"
    r"|status|disabled|enabled|active|inactive|cleaned|dnc|noemail|donotemail|donotmail|donotcontact|marketing|accepts"
    r"|newsletters?|confirmed|confirmation|unconfirmed|deliverable|undeliverable|deliverability|invalid|deleted|removed|mailable|reachable"
    r"|unreachable|cancell?ed|paused|quarantined?|deactivated|left|unsub|unsubs|allowed|preferences?|mailings?"
    r"|banned|archived|excluded?|exclusions?|stopped|rejected|revoked|withdrawn|withdrawal|objections?|refused|declined"
    r"|churned|unwanted|trashed|sendable"
    r"|zustimmung|bestatigt|widerspruch|werbung|inscrit|baja|statut|estado|stato|estatus|consenso|afgemeld|aangemeld"
    r"|uitgeschreven|inscrito|zgody?"
)
"""Words in the name of a column that says, or may say, whether somebody may be mailed; without accents."""
_WITHIN: Final = (
    r"unsub|subscription|opt(ed)?out|opt(ed)?in|status|suppress|blacklist|blocklist|bounc|complain|consent|permission"
    r"|gdpr|dsgvo|newsletter|donot(e?mail|contact|send)"
    r"|abgemeldet|angemeldet|abmeld|anmeld|abbestell|einwillig|sperr[et]|abonn|desinscri|inscription|suscri|iscritt|iscrizion"
    r"|toestemming|descadastr|wypisa"
    r"|配信|購読|停止|解除|退会|同意|許諾|拒否|状態|ステータス|オプトアウト|オプトイン|メルマガ|退订|订阅|屏蔽|状态|拒收"
    r"|수신|구독|подпис|отпис|рассыл|согласи|статус"
)
"""The same where words are written as one, and in languages that leave no blanks between them."""
_REFUSALS: Final = frozenset(
    {"do not", "no mail", "no email", "dont email", "dont mail", "no contact", "mail ok", "email ok"}
)
_LEFT: Final = frozenset(
    {"unsubscribed", "unsubscribe", "opted out", "opted-out", "opted_out", "optout", "opt-out", "opt out", "bounced"}
    | {"hard bounce", "hardbounce", "hard_bounce", "complained", "spam complaint", "spamcomplaint", "spam_complaint"}
    | {
        "cancelled",
        "canceled",
        "cleaned",
        "suppressed",
        "blocklisted",
        "blacklisted",
        "nonsubscribed",
        "non-subscribed",
    }
    | {"do not contact", "do not email", "abgemeldet", "désabonné", "désinscrit", "desuscrito", "disiscritto"}
)
"""What a cell that nobody reads says of somebody who left."""


def _plain_letters(text: str) -> str:
    """A text without accents, however they are written (`é`, or `e` and an accent), and without case."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


_WRITTEN_AS_ONE: Final = re.compile(_plain_letters(_WITHIN))


def unread(names: Names, preset: Preset, ignored: Collection[str]) -> list[str]:
    """The columns that nobody reads, and nobody waves away.

    Args:
        names: all columns.
        preset: which of them are read.
        ignored: names of those that are waved away.
    """
    read = preset.reads() | {folded(name) for name in (*ignored, *preset.further(names.of))} | names.mapped_to()
    return [column for column in names.of if folded(column) not in read]


def sounding(columns: Iterable[str]) -> list[str]:
    """Those columns that say something of consent, or may, by their names."""
    return [column for column in columns if _sounds(column)]


@lru_cache(maxsize=1_024)
def _sounds(column: str) -> bool:
    words = _PARTS.findall(_plain_letters(_CAMEL.sub(" ", column)))
    pairs = {" ".join(pair) for pair in pairwise(words)}
    return bool(
        any(_CONSENT.fullmatch(word) for word in words)
        or not pairs.isdisjoint(_REFUSALS)
        or _WRITTEN_AS_ONE.search("".join(words))
    )


_LEAVING: Final = re.compile(
    r"un(subscri|sub)|opt(ed)?out|bounc|complain|spam|abuse|suppress|bla?(ck|ock)list|block|donot|nomail|noemail|dnc"
    r"|disabled|inactive|undeliver|invalid|deleted|removed|cleaned|cancel|banned|excluded|exclusion|stopped|rejected"
    r"|revoked|withdraw|objection|refused|declined|churned|unwanted|quarantine|deactivat|unreachable|paused|archived"
    r"|abgemeldet|abmeld|abbestell|sperr|widerspruch|desinscri|desabonn|baja|disiscri|afgemeld|uitgeschreven|descadastr"
    r"|wypisa|停止|解除|退会|拒否|退订|屏蔽|拒收|отпис"
)
"""Within a name of a column whose *yes*, or whose date, says that somebody left."""
_NO: Final = re.compile(
    r"|[-–0]+|0000-00-00.*|no?|not|false|f|off|never|none|null|nil|n/?a|undefined|nein|non|nee|nie|não|нет|いいえ|否"
)
"""What a cell of a column about leaving says of somebody who didn't."""
_DENIAL: Final = re.compile(
    r"(0|no?|false|f|off|nein|non|nee|nie|não|нет|いいえ|否)"
    r"|(never|not|no|un|non|de|dis)[ _-]?"
    r"(subscri|consent|opt|confirm|active|allow|mail|marketing|accept|given|deliver).*"
    r"|(opt(ed)?[ _-]?out|declin|den(y|ied)|refus|revok|withdr|reject|disabl|inactiv|invalid|block|suppress|bounc"
    r"|complain|cancel|delet|remov|spam|abuse|archiv|clean|expir|abgemeldet|widerruf).*"
)
"""What a cell of any other column of consent says of somebody who doesn't have it."""


@lru_cache(maxsize=1_024)
def _about_leaving(column: str) -> bool:
    return bool(_LEAVING.search("".join(_PARTS.findall(_plain_letters(column)))))


def _gainsays(column: str, word: str) -> bool:
    """Whether a column that sounds of consent says that somebody left, whatever their row says elsewhere."""
    if _about_leaving(column):
        return _NO.fullmatch(word) is None
    return _DENIAL.fullmatch(word) is not None


def doubts(row: Row, columns: Iterable[str], *, itself: bool) -> list[str]:
    """Those of some unread columns in which a row may say that somebody left.

    Args:
        row: of which it isn't said yet that somebody left.
        columns: that nobody reads.
        itself: the row says how somebody stands; what sounds of consent and says otherwise counts, and nothing else.
    """
    found = []
    for column in columns:
        value = row.values.get(column)
        if isinstance(value, dict | list):
            held = list(_within(value))
            if any(word in _LEFT or (not itself and _sounds(name)) for name, word in held) or (
                itself and any(_sounds(name) and _gainsays(name, word) for name, word in held if name)
            ):
                found.append(column)
        elif (not itself and row.word(column) in _LEFT) or (
            itself and _sounds(column) and _gainsays(column, row.word(column))
        ):
            found.append(column)
    return found


def _within(value: object) -> Iterator[tuple[str, str]]:
    """The names and words that a value of JSON holds, however deep."""
    held = [("", value)]
    while held:
        name, value = held.pop()
        if isinstance(value, dict):
            held.extend((str(key), each) for key, each in value.items())
        elif isinstance(value, list):
            held.extend((name, each) for each in value)
        yield name, str(value).strip().casefold() if isinstance(value, str | int) else ""


_OF_MANY: Final = frozenset({"status", "state", "reason", "list status"})
"""Columns that many systems have."""
_SIGNS: Final = {
    **{
        name: [column for column in preset.speaks if folded(column) not in _OF_MANY] for name, preset in PRESETS.items()
    },
    "mailchimp": ["MEMBER_RATING", "OPTIN_TIME", "UNSUB_TIME", "CLEAN_TIME"],
}


def like(names: Names, chosen: Preset) -> str:
    """A hint at the presets whose columns these are, if there are any but the one that was chosen."""
    found = [
        name for name, signs in _SIGNS.items() if PRESETS[name] is not chosen and any(sign in names for sign in signs)
    ]
    return f"; the columns look like {' or '.join(f'--preset {name}' for name in found)}" if found else ""


_SAY_ENCODING: Final = (
    "; not all names of columns are in UTF-8: save the file as UTF-8, or say its encoding with --encoding"
)


def certain(preset: Preset, of_file: Meaning | None, names: Names, ignored: Collection[str]) -> None:
    """See that what rows mean is certain: nothing is taken for a claim because nobody says otherwise.

    Args:
        preset: how they are read.
        of_file: what the file says.
        names: the columns that there are; none where rows differ.
        ignored: columns that the operator waves away.

    Raises:
        UnusableInputError: it isn't.
    """
    if not names.of:
        return
    unreadable = any(garbled(column) for column in names.of)
    spoken = any(column in names for column in preset.speaks) or preset.further(names.of)
    if of_file is None and not spoken:
        looked = f" and there is no column {' or '.join(preset.speaks)}" if preset.speaks else ""
        raise UnusableInputError(
            f"what the rows mean isn't certain: the file's name doesn't say it{looked};"
            f" say it with --status: {', '.join(WORDS)}{like(names, preset)}{_SAY_ENCODING if unreadable else ''}"
        )
    if doubled := sorted(names.twice & preset.reads()):
        raise UnusableInputError(
            f"more than one column is called {', '.join(doubled)}: rename all but the one that counts"
        )
    if of_file is CLAIMED and unreadable:
        raise UnusableInputError(f"a column may say that somebody left{_SAY_ENCODING}")
    if of_file is CLAIMED and (doubtful := sounding(unread(names, preset, ignored))):
        raise UnusableInputError(
            f"{listed(doubtful)} may say that somebody left, and isn't read: say whose export it is with --preset, or"
            f" which column counts with --column status=NAME, or --ignore-column NAME{like(names, preset)}"
        )


def topics_of(value: object) -> tuple[str, ...]:
    """Topics as a row names them: a list, or text with commas, semicolons or bars. `all` and `*` are every topic."""
    parts = value if isinstance(value, list) else _SEPARATORS.split(value) if isinstance(value, str) else []
    named = [str(part).strip() for part in parts]
    topics = [EVERY_TOPIC if name.lower() in {"all", EVERY_TOPIC} else name for name in named if name]
    return (EVERY_TOPIC,) if EVERY_TOPIC in topics else tuple(dict.fromkeys(topics))


_SEPARATORS: Final = re.compile(r"[,;|]")
