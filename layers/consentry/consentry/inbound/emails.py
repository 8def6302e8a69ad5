"""Emails that came in: what each asks for, and of whom. Pure.

    a person's mail                   an opt-out by each token in subject and addresses, else by those in the text
    a machine's, a mail program's     an opt-out if it is a button: the subject is the token and nothing else, or
                                      `unsubscribe` and an address names the person
    a delivery report, a receipt,     nothing, whatever they quote
    a vacation notice
    a feedback report                 by its type: a complaint, an opt-out, or nothing
    no token at all                   an opt-out from everything for the sender, if it is certain who that is

Who wrote an email with a token doesn't matter, the token does; but what a machine answers by itself is nobody's wish. A
token is an unsubscribe token, as `mails.unsubscribe_links` puts it into a subject, or an unsubscribe address's code.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.inbound import automatic_replies, feedback_reports, reading, rewritten_links, sender_authentication
from consentry.inbound.automatic_replies import Origin
from consentry.inbound.feedback_reports import Meaning
from consentry.inbound.reading import first
from consentry.links import repair, unsubscribe_addresses
from consentry.links.tokens import SPELLING, Link, NotOursError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from email.message import EmailMessage

    from consentry.inbound.feedback_reports import FeedbackReport
    from consentry.inbound.reading import Fields
    from consentry.inbound.sender_authentication import Sender

SOURCE: Final = "mailbox"
"""Who says it, in the ledger and in metrics."""

_MOST_CANDIDATES: Final = 2_000
"""More than the links of any email: trackers sign theirs as JSON Web Tokens (RFC 7519), which look like ours."""

# Overlapping: what only looks like a token may end within one. Nothing is asked of what follows: a signature has
# one length, so words that were run on to it don't count.
_CANDIDATE: Final = re.compile(rf"(?<![A-Za-z0-9_-])(?=({SPELLING}))")
_BROKEN: Final = re.compile(r"(?<=[^\s<>\"']{20})[ \t\r]*\n[ \t>]*(?=[A-Za-z0-9_.%-])")
"""A line break within what may be a link or token, also where it is quoted."""
_ADDRESSED: Final = re.compile("unsubscribe", re.IGNORECASE)
_AROUND: Final = "<>()[]\"'"
_OURS: Final = re.compile(r"(?<![\w.+-])unsubscribe(?:[+-][^@\s]{0,300})?@", re.IGNORECASE)
_PRESSED: Final = "unsubscribe"
"""The subject that the header of an email asks for where an address names the person (`?subject=unsubscribe`)."""

_RECIPIENTS: Final = (
    *("to", "cc", "bcc", "resent-to", "resent-cc", "delivered-to", "x-delivered-to", "x-original-to", "envelope-to"),
    *("x-envelope-to", "x-rcpt-to", "received"),
)


class Finding(StrEnum):
    """What came of an email."""

    OPT_OUT = "opt-out"
    SENDER = "opt-out-of-sender"
    """No token, and it is certain who wrote it."""
    COMPLAINT = "complaint"
    """A feedback report of somebody who called an email spam."""
    NOTHING = "nothing"
    """No token of ours that opts anybody out."""
    REPLY = "reply"
    """A machine's reply or report: not looked into."""
    VIRUS = "virus"
    """Not looked into."""
    SEVERAL_PEOPLE = "several-people"
    """Its text holds the links of more than one, as a forwarded digest does."""
    NOT_SPAM = "not-spam"
    """A feedback report of somebody who took "spam" back: that gives nobody's mail back."""
    REPORT = "report"
    """A feedback report of something that nobody wishes for: a virus, a signature that failed."""
    UNATTRIBUTED = "unattributed-report"
    """A feedback report of which isn't clear whom it is about, or what it says."""


class Understood(NamedTuple):
    """What an email asks for."""

    finding: Finding
    links: tuple[Link, ...] = ()
    """What to opt out of, or whose complaint it is; nothing of who wrote it."""
    origin: Origin = Origin.PERSON
    verdicts: str = ""
    """What SES found out about the sender, such as `spf=pass dkim=fail dmarc=pass spam=pass`."""
    sender: Sender | None = None
    """Who is to be opted out of everything. The only thing here that holds an address."""


def understand(raw: bytes, read: Callable[[str], Link], at: int) -> Understood:
    """What an email asks for.

    Args:
        raw: the email as SES stored it, or its first `mail_reading.MOST` bytes.
        read: the link that an unsubscribe token, or the code of an unsubscribe address, stands for; raises
            `NotOursError`.
        at: when SES stored it, epoch ms.

    Raises:
        what `read` raises, but for `NotOursError`.
    """
    mail = reading.read(raw)
    header, ours = reading.fields(mail), reading.fields(mail, until="x-ses-receipt")
    subjects = reading.subjects(mail)
    origin = automatic_replies.origin(header, subjects, reading.types(mail))
    report = feedback_reports.read(raw) if automatic_replies.is_feedback_report(header) else None
    sender = None
    found: tuple[Finding, tuple[Link, ...]]
    if first(ours, "x-ses-virus-verdict").upper() == "FAIL":
        found = Finding.VIRUS, ()
    elif report:
        found = _reported(report, read)
    elif origin is Origin.PERSON:
        found = _asked_by_person(header, subjects, mail, read)
        sender = sender_authentication.sender(ours, header, at) if found[0] is Finding.NOTHING else None
        found = (Finding.SENDER, ()) if sender else found
    else:
        found = _pressed(origin, header, subjects, read)
    finding, links = found
    return Understood(finding, links, origin, sender_authentication.verdicts(ours), sender)


def _asked_by_person(
    header: Fields, subjects: list[str], mail: EmailMessage, read: Callable[[str], Link]
) -> tuple[Finding, tuple[Link, ...]]:
    """The links in subject and addresses: whoever puts one there means it. Else those in the text: it may be quoted."""
    recipients = _recipients(header)
    if links := _links(_candidates(_squeezed([*subjects, *recipients])), read):
        return _opting_out(links)
    if not any(_OURS.search(each) for each in recipients):
        return Finding.NOTHING, ()
    return _of_one_person(_links(_candidates(reading.texts(mail)), read), Finding.OPT_OUT)


def _pressed(
    origin: Origin, header: Fields, subjects: list[str], read: Callable[[str], Link]
) -> tuple[Finding, tuple[Link, ...]]:
    """The links of a button: a mail program or provider writes what our header asks for, and nothing more.

    Apple Mail says so itself (`X-Apple-Unsubscribe`), and may call the email what a platform's own header asks for.
    """
    nothing = Finding.NOTHING if origin is Origin.MACHINE else Finding.REPLY
    if origin is Origin.REPORT:
        return nothing, ()
    bare = ["".join(each.split()).strip(_AROUND) for each in subjects]
    links = _links(bare, read)
    apple = any(each.lower() == "true" for each in header.get("x-apple-unsubscribe", ()))
    if links or apple or any(each.lower() == _PRESSED for each in bare):
        named = [*(subjects if apple else ()), *_recipients(header)]
        links = _distinct((*links, *_links(_candidates(_squeezed(named)), read)))
    return _opting_out(links) if links else (nothing, ())


def _reported(report: FeedbackReport, read: Callable[[str], Link]) -> tuple[Finding, tuple[Link, ...]]:
    """What a feedback report says, of the person whose token the email that it is about holds."""
    match report.meaning:
        case Meaning.NOT_SPAM:
            return Finding.NOT_SPAM, ()
        case Meaning.NOTHING:
            return Finding.REPORT, ()
        case Meaning.UNKNOWN:
            return Finding.UNATTRIBUTED, ()
    for place in report.places:
        if links := _links(_candidates(_squeezed(place)), read):
            wish = Finding.COMPLAINT if report.meaning is Meaning.COMPLAINT else Finding.OPT_OUT
            found = _of_one_person(links, wish)
            return (Finding.UNATTRIBUTED, ()) if found[0] is Finding.SEVERAL_PEOPLE else found
    return Finding.UNATTRIBUTED, ()


def _opting_out(links: tuple[Link, ...]) -> tuple[Finding, tuple[Link, ...]]:
    return (Finding.OPT_OUT if links else Finding.NOTHING), links


def _of_one_person(links: tuple[Link, ...], finding: Finding) -> tuple[Finding, tuple[Link, ...]]:
    people = {(link.brand, link.subscriber_id) for link in links}
    if len(people) > 1:
        return Finding.SEVERAL_PEOPLE, ()
    return (finding, links) if links else (Finding.NOTHING, ())


def _recipients(header: Fields) -> list[str]:
    return [each for name in _RECIPIENTS for each in header.get(name, ())]


def _squeezed(texts: Iterable[str]) -> list[str]:
    """Texts, and the same without white space: fields are folded anywhere."""
    return [each for text in texts for each in dict.fromkeys((text, "".join(text.split())))]


def _links(candidates: Iterable[str], read: Callable[[str], Link]) -> tuple[Link, ...]:
    """The links among what may be tokens, each thing that they do once."""
    links = []
    for candidate in candidates:
        try:
            links.append(read(candidate))
        except NotOursError:
            continue
    return _distinct(links)


def _distinct(links: Iterable[Link]) -> tuple[Link, ...]:
    found: dict[tuple[object, ...], Link] = {}
    for link in links:
        found.setdefault((link.brand, link.subscriber_id, link.topics), link)
    return tuple(found.values())


def _candidates(texts: Iterable[str]) -> list[str]:
    """What may be a token in some texts, as it stands, across line breaks, or in links that were rewritten."""
    found: dict[str, None] = {}
    for shown in texts:
        text = repair.UNSEEN.sub("", shown)
        for whole in dict.fromkeys((text, _BROKEN.sub("", text))):
            for spelt in rewritten_links.spellings(whole):
                codes = unsubscribe_addresses.find(spelt) if _ADDRESSED.search(spelt) else ()
                for candidate in (*codes, *(match[1] for match in _CANDIDATE.finditer(spelt))):
                    found.setdefault(candidate)
                    if len(found) == _MOST_CANDIDATES:
                        return list(found)
    return list(found)
