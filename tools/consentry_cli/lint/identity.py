"""Rules about who sends: From, DKIM, what the receiver found out, List-Id, and what makes an email whole."""

from __future__ import annotations

import re
from email.utils import getaddresses, parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from consentry_cli.lint.findings import GMAIL, OUTLOOK, YAHOO, Finding, Level, error, warning
from consentry_cli.lint.mail import is_encoded
from consentry_cli.lint.parts import MOST_FIELD
from consentry_cli.lint.signatures import holds, organisation, signatures
from consentry_cli.lint.unsubscribing import without_comments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry_cli.lint.mail import Mail

_FREE: Final = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "ymail.com",
        "aol.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
        "me.com",
    }
)
_LIST_ID: Final = re.compile(r"[^<>]*<([^<>]*)>\s*(?:\(.*\))?\s*", re.DOTALL)
_LABEL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_ONCE: Final = ("from", "date", "subject", "message-id", "to", "reply-to", "sender", "list-id")
_MOST_SENDERS: Final = 10
_NEEDED: Final = {"date": "Date", "message-id": "Message-ID", "subject": "Subject"}
_SEALED: Final = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
"""Bodies that only their recipient, or a program for such bodies, can read (RFC 1847, 2.2; RFC 8551, 3.2)."""
_CLIPPED: Final = 102 * 1024
_RESULT: Final = re.compile(r"\b(spf|dkim|dmarc)=(pass|fail|softfail|permerror|none|temperror)\b", re.IGNORECASE)


def senders(mail: Mail) -> list[str]:
    """The domains in From, in lower case."""
    try:
        found = getaddresses([each[:MOST_FIELD] for each in mail.all("from")[:_MOST_SENDERS]])
    except RecursionError:  # comments within comments
        return []
    return [address.rpartition("@")[2].lower() for _, address in found if "@" in address]


def sender(mail: Mail) -> Iterator[Finding]:
    """From."""
    domains = senders(mail)
    if not domains and is_encoded(mail.first("from")) and "@" in mail.decoded("from"):
        yield error(
            "from-encoded",
            "From has its address in encoded-words (`=?charset?Q?…?=`), where no program reads it; DMARC then fails.",
            "Encode the name alone: `From: =?utf-8?Q?Name?= <address@your-domain>`.",
            "RFC 2047, 5 (3)",
        )
    elif len(mail.all("from")) != 1 or len(domains) != 1:
        yield error(
            "from-not-one",
            "From is missing, can't be read, or names more than one address; DMARC then fails.",
            "Name one sender: `From: Name <address@your-domain>`.",
            f"RFC 5322, 3.6.2; RFC 7489, 6.6.1; {GMAIL}",
        )
    if any(each in _FREE for each in domains):
        yield error(
            "from-free-mail",
            "From names a free mail provider; its DMARC policy has such mail refused unless it sent it.",
            "Send from a domain of your own.",
            GMAIL,
        )


def signed(mail: Mail) -> Iterator[Finding]:
    """DKIM, without asking the DNS."""
    found = signatures(mail)
    if not found:
        yield error(
            "dkim-missing",
            "There is no DKIM signature. (A mail that was saved before it was sent has none yet.)",
            "Have your mail service sign with a key of your domain.",
            f"{GMAIL}; {YAHOO}; {OUTLOOK}; RFC 8058, 4",
        )
        return
    if any(not each.domain for each in found):
        yield error("dkim-unreadable", "A DKIM signature can't be read.", "Look at the signer.", "RFC 6376, 3.5")
    ours = {organisation(each) for each in senders(mail)}
    if ours and not any(organisation(each.domain) in ours for each in found if each.domain):
        yield error(
            "dkim-not-aligned",
            "No DKIM signature is of the domain in From: DMARC then rests on SPF alone, which forwarding breaks.",
            "Have the service sign with a key of the domain in From.",
            f"{GMAIL}; RFC 7489, 3.1.1",
        )
    if any(each.algorithm == "rsa-sha1" for each in found):
        yield Finding(
            "dkim-sha1",
            Level.ERROR if all(each.algorithm == "rsa-sha1" for each in found) else Level.WARNING,
            "A DKIM signature uses rsa-sha1, which counts as no signature.",
            "Sign with rsa-sha256 or ed25519-sha256.",
            "RFC 8301, 3.1",
        )
    if any(each.limits_length for each in found):
        yield warning(
            "dkim-length",
            "A DKIM signature covers only the beginning of the body (l=): anybody may add to it.",
            "Sign the whole body.",
            "RFC 6376, 8.2",
        )


def verified(mail: Mail, ask: Callable[..., bytes | None] | None = None) -> Iterator[Finding]:
    """DKIM, with the keys that the DNS has."""
    for number, signature in enumerate(signatures(mail)):
        if why := holds(mail, number, ask):
            yield error(
                "dkim-fails",
                f"The DKIM signature of {signature.domain or 'nobody'} doesn't hold: {why}.",
                "Is the key published? Was the mail changed after it was signed, or saved in another form?",
                "RFC 6376, 6",
            )


def received(mail: Mail) -> Iterator[Finding]:
    """What the receiver found out, if the email was received. Of several signatures one that passed is enough."""
    found = {
        (kind.lower(), result.lower())
        for kind, result in _RESULT.findall(without_comments(mail.first("authentication-results")))
    }
    passed = {kind for kind, result in found if result == "pass"}
    for kind, result in sorted(each for each in found if each[0] not in passed):
        harmless = result in {"none", "temperror"}
        yield Finding(
            f"{kind}-result",
            Level.WARNING if harmless else Level.ERROR,
            f"The receiver wrote {kind}={result}.",
            f"Look at your domain's {kind.upper()} record and at who sent this mail.",
            "RFC 8601, 2.7",
        )


def list_id(mail: Mail) -> Iterator[Finding]:
    """List-Id: which list it is."""
    value = mail.first("list-id")
    if not value:
        yield warning(
            "list-id-missing",
            "There is no List-Id, by which readers sort and providers distinguish your emails.",
            "Add `List-Id: Name <topic.your-domain>`, the same for every mail of a topic.",
            f"RFC 2919; {GMAIL}",
        )
    elif is_encoded(value) and not _is_list_id(value) and _is_list_id(mail.decoded("list-id")):
        yield error(
            "list-id-encoded",
            "List-Id has its identifier in encoded-words (`=?charset?Q?…?=`), where no program reads it.",
            "Encode the name before the angle brackets alone.",
            "RFC 2047, 5 (3); RFC 2919, 3",
        )
    elif not _is_list_id(value):
        yield error(
            "list-id-broken",
            "List-Id has not the form that it must have.",
            "Write `Name <topic.your-domain>`: a name with a dot in it, in angle brackets, and no @.",
            "RFC 2919, 2 and 3",
        )


def whole(mail: Mail) -> Iterator[Finding]:
    """What every email has, once."""
    for name, shown in _NEEDED.items():
        if not mail.all(name):
            yield Finding(
                f"{name}-missing",
                Level.ERROR if name != "subject" else Level.WARNING,
                f"There is no {shown}.",
                f"Have the sending program add {shown}.",
                f"RFC 5322, 3.6; {GMAIL}",
            )
    for name in _ONCE:
        if name != "from" and len(mail.all(name)) > 1:
            yield error("field-repeated", f"{name} is there more than once.", "Keep one.", f"RFC 5322, 3.6; {GMAIL}")
    if mail.all("date") and not _is_date(mail.first("date")):
        yield error("date-broken", "Date can't be read.", "Use the form of RFC 5322.", "RFC 5322, 3.3")
    if any(not value.isascii() for _, value in mail.fields):
        yield warning(
            "header-not-ascii",
            "The header holds letters that aren't ASCII and aren't encoded.",
            "Encode them (RFC 2047), unless every relay on the way takes SMTPUTF8.",
            "RFC 5322, 2.2; RFC 6532",
        )


def body(mail: Mail) -> Iterator[Finding]:
    """What the reader gets."""
    if mail.first("content-type").lower().startswith(_SEALED):
        return
    if not mail.text and not mail.html:
        yield error(
            "body-missing",
            "There is no text in it; what is attached doesn't count.",
            "Add a text part.",
            "RFC 2046, 5.1.4",
        )
    elif not mail.text:
        yield warning(
            "text-missing",
            "There is an HTML part alone.",
            "Add a plain text part of equal worth, as multipart/alternative.",
            "RFC 2046, 5.1.4",
        )
    if (size := len(mail.html.encode("utf-8", "replace"))) > _CLIPPED:
        yield warning(
            "html-clipped",
            f"The HTML part has {size // 1024} KiB; Gmail cuts it off at 102, and the way out with it.",
            "Make it smaller, or put the way out at the top as well.",
            "Observed by senders; Gmail says nothing of it",
        )


def _is_list_id(value: str) -> bool:
    """Whether it is an identifier of two labels at least in angle brackets, with or without a name before it."""
    found = _LIST_ID.fullmatch(value)
    labels = found[1].split(".") if found else []
    return len(labels) > 1 and all(_LABEL.fullmatch(each) for each in labels)


def _is_date(value: str) -> bool:
    try:
        parsedate_to_datetime(value[:MOST_FIELD])
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return True
