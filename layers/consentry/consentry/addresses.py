"""E-mail addresses: parsed, normalised, and turned into subscriber ids.

An address is never a key, and never stands in a URL or a log: errors here name the fault, not the address.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import Final, NamedTuple

_SUBSCRIBER_ID: Final = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
_ID_BYTES: Final = 16
_ENCODED_WORD: Final = "=?"
"""Mail programs would decode what follows, into other characters of an address or header (RFC 2047, 5)."""
_PLAIN: Final = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,63}))"
)
"""RFC 5322's dot-atom in ASCII, at a host name of two labels or more (RFC 1123): what nearly everybody has."""
_RESERVED: Final = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
"""Last labels that need a closer look (RFC 6761, 6762, 7686)."""
_ROLES: Final = frozenset(
    {"info", "marketing", "sales", "support", "abuse", "noc", "security", "postmaster", "hostmaster", "usenet"}
    | {"news", "webmaster", "www", "uucp", "ftp"}
)
"""Local parts that are the same in every case (RFC 2142), even where mail is sent to them."""
_ONE_AS: Final = {"googlemail.com": "gmail.com"}
"""Domains under which a provider keeps the same mailboxes (https://support.google.com/mail/answer/10313)."""
_DOTLESS: Final = frozenset({"gmail.com"})
"""Where dots before the @ count for nothing (https://support.google.com/mail/answer/7436150)."""
_SUBDOMAINS: Final = (".fastmail.com", ".fastmail.fm")
"""Where `anything@name` is `name+anything` (https://www.fastmail.help/hc/en-us/articles/360060591053)."""
MAX_LENGTH: Final = 254
"""Octets of an address in SMTP (RFC 5321 4.5.3.1.3, less the angle brackets)."""


class MalformedAddressError(ValueError):
    """The text isn't an e-mail address; says why, without repeating it."""


class Address(NamedTuple):
    """One mailbox."""

    deliverable: str
    """As mail is sent to it: domain in IDNA's ASCII form, which SES and header fields need, local part as its owner
    writes it."""
    normalised: str
    """As a subscriber is told from another: case-folded, domain in IDNA's ASCII form."""


def parse(text: str) -> Address:
    """The address in `text`.

    Syntax is judged by `email-validator`, without DNS: RFC 5321 and 5322, with internationalised domains and local
    parts (RFC 6531). Names that can never receive mail from here (`localhost`, `.local`) are malformed.

    Raises:
        MalformedAddressError: it isn't one.
    """
    stripped = text.strip()
    if len(stripped) > MAX_LENGTH:
        raise MalformedAddressError(f"the address is longer than {MAX_LENGTH} characters")
    return _plain(stripped) or _judged(stripped)


def _plain(text: str) -> Address | None:
    """A plain address, parsed to what `_judged` makes of it, in a twentieth of the time; None if it isn't plain."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    local, domain, last = found.groups()
    if "--" in domain or last.lower() in _RESERVED or _ENCODED_WORD in local:
        return None
    normalised = f"{local}@{domain}".lower()
    return Address(normalised if local.lower() in _ROLES else f"{local}@{domain.lower()}", normalised)


def _judged(stripped: str) -> Address:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - 40 ms, and a click needs none of it

    try:
        found = validate_email(stripped, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        found = None  # raised below, not here: that error may quote the address, and would stay in the chain
    if found is None or _ENCODED_WORD in found.local_part:
        raise MalformedAddressError("not a valid e-mail address")
    domain = found.ascii_domain.lower()
    return Address(f"{found.local_part}@{domain}", f"{found.local_part.casefold()}@{domain}")


def masked(address: str) -> str:
    """An address that its owner recognises and nobody else can write to: `j•••@e•••.com`."""
    mailbox, _, domain = address.rpartition("@")
    host, _, ending = domain.rpartition(".")
    return f"{mailbox[:1]}•••@{host[:1]}•••.{ending}"


def subscriber_id(pepper: bytes, address: Address) -> str:
    """The name of the person as one brand sees them: 22 characters, the same every time, no way back.

    The first 16 bytes of HMAC-SHA256(pepper, normalised address), base64url.
    """
    digest = hmac.digest(pepper, address.normalised.encode(), "sha256")[:_ID_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def mailbox(address: Address) -> str:
    """The mailbox as which emails to the address are counted.

    `ann+1@gmail.com` and `a.nn@googlemail.com` are `ann@gmail.com`. What follows a `+` is cut on every domain: nearly
    everywhere it is a tag of the same mailbox (RFC 5233), and from outside nobody can see where it isn't. The rest
    follows what providers publish. This is for counting alone: an address and its variant remain two subscribers.
    """
    local, _, domain = address.normalised.rpartition("@")
    domain = _ONE_AS.get(domain, domain)
    for suffix in _SUBDOMAINS:
        if domain.endswith(suffix) and "." not in domain.removesuffix(suffix):
            local, domain = domain.removesuffix(suffix), suffix[1:]
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def may_stand_in(text: str) -> bool:
    """Whether an address may stand in `text`: it has an `@`, plain or as URLs spell it."""
    return "@" in text or "%40" in text


def is_subscriber_id(text: str) -> bool:
    """Whether `text` is spelled as a subscriber id. 16 bytes leave the last character one of four."""
    return _SUBSCRIBER_ID.fullmatch(text) is not None
