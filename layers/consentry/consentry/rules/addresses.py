"""Email addresses: parsed, normalised, and turned into subscriber ids.

`parse` is for where email is to be sent. `identify` is for everywhere else: people get email at addresses that no
parser likes, and whoever gets it has to be able to leave. An address that both take is the same subscriber.

An address is never a key, and never stands in a URL or a log: errors here name the fault, not the address.
"""

from __future__ import annotations

import base64
import hmac
import html
import re
import string
import unicodedata
from typing import Final, NamedTuple
from urllib.parse import unquote

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
_MAX_WRAPPED: Final = 1_000
"""Characters of an address with its name."""
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and halves of surrogate pairs."""
_SEPARATING: Final = re.compile(r"[<>,\s]")
"""Outside quotes, these end an address."""
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A quoted string (RFC 5322, 3.2.4), as a local part or a name may have it."""
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
"""A name and its address (RFC 5322, 3.4)."""
_LABEL: Final = re.compile(r"(?:(mailto)|[a-z][a-z +.-]{0,20}):\s*", re.IGNORECASE)
"""What stands before an address in a link or a directory: `mailto:`, `email:`, `smtp:` (Exchange's proxyAddresses)."""
_ENTITY: Final = re.compile(r"&(?:lt|gt|quot|amp|#[0-9]{1,4}|#x[0-9a-f]{1,4});", re.IGNORECASE)
_AROUND: Final = re.compile(r"(?:[^\w@]|%[0-9a-f]{2})*|\?.*", re.IGNORECASE)
"""What follows a domain and is none of it: punctuation, or what a `mailto:` link asks for."""
_DOMAIN: Final = re.compile(r"[\w.-]*")
_OPENING: Final = "<([“‘„«"
_LEFT_OVER: Final = "\x00\ufeff"
"""What fields of a fixed length and byte-order marks leave at the ends."""
_UNSEEN: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""What nobody sees and copying leaves: soft hyphen, zero-width space, marks of direction, word joiner, byte-order mark.
No address is spelt with them (RFC 8264, 9.13, has them in no identifier); joiners are let be, which IDNA needs in some
scripts (RFC 5892, A.1)."""
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class MalformedAddressError(ValueError):
    """The text isn't an email address; says why, without repeating it."""


class Address(NamedTuple):
    """One mailbox."""

    deliverable: str
    """As email is sent to it: domain in IDNA's ASCII form, which SES and header fields need, local part as its owner
    writes it."""
    normalised: str
    """As subscribers are distinguished: ASCII letters in lower case, domain in IDNA's ASCII form. Nothing else is
    folded: `straße@` and `strasse@` are two people."""


class Identified(NamedTuple):
    """Whose address it is."""

    address: Address
    note: str = ""
    """What was taken off to find it; empty where nothing was."""


def parse(text: str) -> Address:
    """The address in `text`, to send email to.

    Syntax is judged by `email-validator`, without DNS: RFC 5321 and 5322, with internationalised domains. Local parts
    outside ASCII are malformed, since SES can't send to them
    (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html), and so are names that can never
    receive email from here (`localhost`, `.local`).

    Raises:
        MalformedAddressError: it isn't one.
    """
    stripped = text.strip()
    if len(stripped) > MAX_LENGTH:
        raise MalformedAddressError(f"the address is longer than {MAX_LENGTH} characters")
    return _plain(stripped) or _judged(stripped)


def identify(text: str) -> Identified:
    """Whose address `text` is, whether or not a parser likes it: nothing is sent to it from here.

    What stands around it is taken off: a name, `mailto:` and its like, quotes, brackets, the apostrophe that
    spreadsheets begin a text with, punctuation at the end. What nobody sees is taken out. What is left is an address if
    it has a last `@` with something before it and a domain after it (RFC 1123; letters of any script, and `_`), at most
    254 octets, no control character, and no `<`, `>`, comma or blank outside quotes.

    Raises:
        MalformedAddressError: it names nobody, or several.
    """
    stripped = text.strip()
    if (plain := _plain(stripped)) and not stripped.startswith("'"):
        return Identified(plain)
    bare = _unwrapped(_UNSEEN.sub("", stripped).strip()) if len(stripped) <= _MAX_WRAPPED else ""
    local, _, domain = bare.rpartition("@")
    unquoted = _QUOTED.sub("", local)
    if not local or not _is_domain(domain) or _NEVER.search(bare) or _SEPARATING.search(f"{unquoted}@{domain}"):
        raise MalformedAddressError("not a valid email address")
    address = _address(local, domain)
    if len(address.normalised.encode()) > MAX_LENGTH:
        raise MalformedAddressError(f"the address is longer than {MAX_LENGTH} octets")
    return Identified(address, "" if bare == stripped else "what stood around the address was taken off")


def _plain(text: str) -> Address | None:
    """A plain address, parsed to what `_judged` makes of it, in a twentieth of the time; None if it isn't plain."""
    found = _PLAIN.fullmatch(text)
    if found is None or len(text) > MAX_LENGTH:
        return None
    local, domain, last = found.groups()
    if "--" in domain or last.lower() in _RESERVED or _ENCODED_WORD in local:
        return None
    normalised = f"{local}@{domain}".lower()
    return Address(normalised if local.lower() in _ROLES else f"{local}@{domain.lower()}", normalised)


def _judged(stripped: str) -> Address:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - 40 ms, and a click needs none of it

    try:
        found = validate_email(stripped, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        found = None  # raised below, not here: that error may quote the address, and would stay in the chain
    if found is None or _ENCODED_WORD in found.local_part:
        raise MalformedAddressError("not a valid email address")
    return _address(found.local_part, found.ascii_domain)


def _unwrapped(text: str) -> str:
    """A mailbox without what stands around it; empty where that is another address."""
    bare = text.strip(_LEFT_OVER).strip().removesuffix(".")
    if _ENTITY.search(bare):
        bare = html.unescape(bare)
    shape = _QUOTED.sub(lambda found: "_" * len(found[0]), bare)
    if named := _NAMED.fullmatch(shape):
        name, (start, end) = named["name"], named.span("address")
        if "@" in name and not {",", ";"}.isdisjoint(name):
            return ""
        bare = bare[start:end].strip()
    if label := _LABEL.match(bare):
        bare = bare[label.end() :]
        bare = unquote(bare.partition("?")[0]) if label[1] else bare
    bare = bare.removeprefix("'").lstrip(_OPENING)
    bare = bare[1:] if (bare[:1], bare[-1:]) == ("{", "}") else bare
    local, at, domain = bare.rpartition("@")
    found = _DOMAIN.match(domain)
    if found and found[0] and _AROUND.fullmatch(domain, found.end()):
        bare = local + at + found[0].rstrip(".-")
    return bare[1:] if bare.startswith('"') and bare.count('"') == 1 else bare


def _is_domain(domain: str) -> bool:
    """Whether something can be a domain, or is an address in brackets (RFC 5321, 4.1.3)."""
    return bool(domain) and (_DOMAIN.fullmatch(domain) is not None or (domain[0], domain[-1]) == ("[", "]"))


def _address(local: str, domain: str) -> Address:
    local, domain = unicodedata.normalize("NFC", local), _in_ascii(domain)
    return Address(f"{local}@{domain}", f"{local.translate(_LOWER)}@{domain}")


def _in_ascii(domain: str) -> str:
    """A domain in IDNA's ASCII form (UTS 46), where it has one."""
    if not domain.isascii():
        import idna  # noqa: PLC0415 - 10 ms, for few domains

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except UnicodeError:
            domain = unicodedata.normalize("NFC", domain)
    return domain.translate(_LOWER).removesuffix(".")


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
