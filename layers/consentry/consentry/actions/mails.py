"""Emails: composed as RFC 5322.

Templates are made when the layer is built (`consentry_build.mails`); links and headers are made here.
"""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.links.tokens import Link, Purpose
from consentry.links.unsubscribe_addresses import local_part

if TYPE_CHECKING:
    from consentry.links.tokens import LinkSigner, Tokens
    from consentry.rules.brands import Brand
    from consentry.table.schema import Contact

# A List-Unsubscribe folded inside its URL is broken for some readers, so nothing is folded short of SMTP's limit.
_POLICY: Final = SMTP.clone(max_line_length=998, utf8=False)
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPECIALS: Final = re.compile(r'[()<>\[\]:;@\\,"]+')
"""What a phrase may hold only in quotes (RFC 5322, 3.2.3): in List-Id it could pass for the identifier."""
_MAX_TOPICS: Final = 80
"""Characters of topics in a token that stands in a header: with them it stays within 240."""
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
"""RFC 8058, 3.1."""

BRAND_TAG: Final = "brand"
KIND_TAG: Final = "kind"
"""What SES repeats in every event about an email of ours."""
_WIDTH: Final = 76
"""Characters of a line of text; with a quote mark or two before it, it still fits 78 (RFC 5322, 2.1.1)."""


class Mail(StrEnum):
    """The emails that we send. The value names an email's templates, and is what SES's events say of it."""

    CONFIRMATION = "confirmation"
    ALREADY = "already"
    """To somebody who asked for what they get already."""
    RETURN = "return"
    """To somebody who wants back what they left, or what was stopped."""
    LINK = "link"
    """To somebody who asked for their link."""
    GOODBYE = "goodbye"
    """To somebody who left, where the brand wants it."""


class NotSentError(Exception):
    """SES did not take the email, and says so: sending again can't send it twice."""


class UnknownFateError(Exception):
    """No answer, or one that leaves it open: the email may have been sent."""


class Links(NamedTuple):
    """The links that one email carries."""

    confirm: str
    """Empty in an email that asks for nothing."""
    unsubscribe: str
    mailto: str
    """See `unsubscribe_links`."""
    preferences: str = ""
    """Empty in a confirmation email: who gets it has agreed to nothing yet."""


class Letter(NamedTuple):
    """What one email says, to be put into words."""

    mail: Mail
    locale: str
    topics: tuple[str, ...]
    """What was asked for, or left; none: everything was left."""
    at: int
    """When it was asked for, or left, epoch ms."""
    links: Links
    paused_until: int = 0
    """When a running pause ends, epoch ms."""


class Body(NamedTuple):
    """What the templates made."""

    subject: str
    text: str
    html: str


def confirmation_links(tokens: Tokens, brand: Brand, subscriber_id: str, contact: Contact, base_url: str) -> Links:
    """The links of the confirmation email for one request."""
    asked = Link(Purpose.CONFIRM, brand.id, subscriber_id, contact.topics, at=contact.asked_at)
    # The line in the header has room for so many topics; who asked for more leaves them all at once.
    topics = contact.topics if len(",".join(contact.topics)) <= _MAX_TOPICS else ()
    leave = Link(Purpose.UNSUBSCRIBE, brand.id, subscriber_id, topics, at=contact.asked_at, ours=True)
    return Links(f"{base_url}/c/{tokens.sign(asked)}", *unsubscribe_links(tokens, brand, leave, base_url))


def choosing_links(
    tokens: Tokens, brand: Brand, subscriber_id: str, topics: tuple[str, ...], base_url: str, now: int
) -> Links:
    """The links of an email to somebody who has chosen before; the unsubscribe link is for `topics`, or for everything.

    `now` is epoch ms: by the link to choose, the person can come back for a day.
    """
    if len(",".join(topics)) > _MAX_TOPICS:
        topics = ()
    leave = Link(Purpose.UNSUBSCRIBE, brand.id, subscriber_id, topics, at=now, ours=True)
    preferences = tokens.sign(Link(Purpose.PREFERENCES, brand.id, subscriber_id, at=now, ours=True))
    return Links("", *unsubscribe_links(tokens, brand, leave, base_url), f"{base_url}/p/{preferences}")


def unsubscribe_links(signer: LinkSigner, brand: Brand, link: Link, base_url: str) -> tuple[str, str]:
    """The `https:` and the `mailto:` way to opt out as `link` says; the second empty without an inbound domain.

    Programs may drop or overwrite a subject, so the address says it all, where it can: a link of several topics has its
    token in the subject.

    Raises:
        ValueError: it can't be said, or isn't for this signer to say.
    """
    token = signer.sign(link)
    mailto = ""
    if brand.inbound_domain:
        several = len(link.topics) > 1
        local, subject = ("unsubscribe", token) if several else (local_part(signer, link), "unsubscribe")
        mailto = f"mailto:{local}@{brand.inbound_domain}?subject={subject}"
    return f"{base_url}/u/{token}", mailto


def list_headers(unsubscribe: str, mailto_url: str) -> dict[str, str]:
    """`List-Unsubscribe` and `List-Unsubscribe-Post` (RFC 2369, 3.2; RFC 8058, 3.1)."""
    ways = [f"<{way}>" for way in (unsubscribe, mailto_url) if way]
    return {"List-Unsubscribe": ", ".join(ways), "List-Unsubscribe-Post": ONE_CLICK}


def wrapped(text: str) -> str:
    """Text for an email: lines of at most 76 characters where words allow it, one empty line between paragraphs.

    Links aren't broken, nor is the line that shows programs where the footer begins (RFC 3676, 4.3).
    """
    lines = []
    for line in re.sub(r"\n{3,}", "\n\n", text.strip()).splitlines():
        hanging = "  " if line.startswith("* ") else ""
        kept = line in {"", "-- "}
        lines += (
            [line]
            if kept
            else textwrap.wrap(line, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
        )
    return "\n".join(lines) + "\n"


def compose(brand: Brand, contact: Contact, links: Links, body: Body) -> bytes:
    """The email, ready to send.

    Whatever a brand's texts hold, they can't add a header: line breaks become spaces, and `EmailMessage` refuses
    the rest.
    """
    mail = EmailMessage(_POLICY)
    user, _, domain = brand.sender.rpartition("@")
    mail["From"] = Mailbox(_one_line(brand.name(contact.locale)), user, domain)
    mail["To"] = contact.address
    mail["Subject"] = _one_line(body.subject)
    mail["Date"] = datetime.fromtimestamp(contact.asked_at / 1000, UTC)
    mail["Message-ID"] = f"<{contact.event_id}@{brand.list_domain}>"
    if brand.reply_to:
        mail["Reply-To"] = brand.reply_to
    mail["List-Id"] = f"{_SPECIALS.sub('', _one_line(brand.name('en')))} <{brand.id}.{brand.list_domain}>"
    for name, value in list_headers(links.unsubscribe, links.mailto).items():
        mail[name] = value
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(body.text, cte="quoted-printable")
    mail.add_alternative(body.html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = contact.locale  # last: add_alternative moves such headers into the first part
    return mail.as_bytes()


def _one_line(text: str) -> str:
    """Text for a header: without line breaks, and without what `email` would decode into some (RFC 2047)."""
    return _BREAKS.sub(" ", text).replace("=?", "= ?").strip()
