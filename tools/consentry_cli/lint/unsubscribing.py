"""Rules about leaving: List-Unsubscribe (RFC 2369), one click (RFC 8058), and a link that people see."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from consentry_cli.lint.findings import GMAIL, YAHOO, Finding, Level, error, warning
from consentry_cli.lint.mail import is_encoded
from consentry_cli.lint.signatures import signatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consentry_cli.lint.mail import Mail

ONE_CLICK: Final = "List-Unsubscribe=One-Click"
_LONGEST_LINE: Final = 998
_BRACKETED: Final = re.compile(r"<([^<>]*)>")
_MAILTO: Final = re.compile(r"mailto:(?:[^@\s?]+|\?to=[^@\s&]+)@[^@\s?&]+", re.IGNORECASE)
_RFC_2369: Final = "RFC 2369, 2 and 3.2"
_RFC_8058: Final = "RFC 8058, 3.1"


class Ways(NamedTuple):
    """What List-Unsubscribe offers, in its order."""

    https: tuple[str, ...]
    http: tuple[str, ...]
    mailto: tuple[str, ...]
    others: tuple[str, ...]


def ways(mail: Mail) -> Ways:
    """The URIs in the brackets of the topmost List-Unsubscribe, without the blanks that folding left.

    Also those in encoded-words, which no program reads: what else there is to say of them is still said.
    """
    found = ["".join(each.split()) for each in _BRACKETED.findall(mail.decoded("list-unsubscribe"))]

    def of(scheme: str) -> tuple[str, ...]:
        return tuple(each for each in found if each.partition(":")[0].lower() == scheme)

    known = of("https") + of("http") + of("mailto")
    return Ways(of("https"), of("http"), of("mailto"), tuple(each for each in found if each not in known))


def header(mail: Mail) -> Iterator[Finding]:
    """List-Unsubscribe itself."""
    fields = mail.all("list-unsubscribe")
    if not fields:
        yield error(
            "list-unsubscribe-missing",
            "There is no List-Unsubscribe, so no mail program can offer a way out.",
            "Add `List-Unsubscribe: <https://…>, <mailto:…>` to every mail that isn't a receipt or the like.",
            f"{GMAIL}; {YAHOO}",
        )
        return
    if len(fields) > 1:
        yield error(
            "list-unsubscribe-repeated",
            f"List-Unsubscribe is there {len(fields)} times; readers take any one of them, or none.",
            "Put all ways into one field, separated by commas.",
            _RFC_2369,
        )
    yield from _encoded(mail)
    value = mail.decoded("list-unsubscribe")
    outside = without_comments(_BRACKETED.sub("", value)).replace(",", "").strip()
    found = ways(mail)
    if not any(found):
        yield error(
            "list-unsubscribe-unreadable",
            "List-Unsubscribe holds no address in angle brackets, and is therefore ignored.",
            "Write `<https://…>`, brackets included.",
            _RFC_2369,
        )
    elif outside:
        yield warning(
            "list-unsubscribe-outside",
            "List-Unsubscribe holds text outside the angle brackets.",
            "Leave nothing but commas between the bracketed addresses.",
            _RFC_2369,
        )
    if any(re.search(r"\S\s+\S", each) for each in _BRACKETED.findall(value)):
        yield warning(
            "list-unsubscribe-blank",
            "An address in List-Unsubscribe has a blank within it, perhaps where the line was folded.",
            "Fold between addresses, after a comma, never within one.",
            _RFC_2369,
        )
    if found.others:
        yield warning(
            "list-unsubscribe-scheme",
            f"List-Unsubscribe holds {len(found.others)} address(es) that are neither https nor mailto.",
            "Use https and mailto alone.",
            _RFC_2369,
        )
    yield from _mailto(found)


def _encoded(mail: Mail) -> Iterator[Finding]:
    """Encoded-words where none may be: programs look for the brackets, and there are none."""
    fields = {"list-unsubscribe": "List-Unsubscribe", "list-unsubscribe-post": "List-Unsubscribe-Post"}
    names = [shown for name, shown in fields.items() if is_encoded(mail.first(name))]
    if names:
        yield error(
            "list-unsubscribe-encoded",
            f"{' and '.join(names)}: written in encoded-words (`=?charset?Q?…?=`), which mean nothing there, "
            "so it is ignored.",
            "Have the sending program write it in plain ASCII; fold a long line after a comma instead.",
            f"RFC 2047, 5 (3); {_RFC_2369}",
        )


def without_comments(text: str) -> str:
    """What is left of a field without its comments (RFC 5322, 3.2.2), which may hold others."""
    kept, depth = [], 0
    for piece in re.split(r"([()])", text):
        depth += {"(": 1, ")": -1 if depth else 0}.get(piece, 0)
        if not depth and piece != ")":
            kept.append(piece)
    return "".join(kept) if not depth else text


def _mailto(found: Ways) -> Iterator[Finding]:
    if any(found) and not found.mailto:
        yield warning(
            "mailto-missing",
            "There is no mailto way out. Some programs know no other, Apple Mail among them for years.",
            "Add `<mailto:unsubscribe@your-domain?subject=…>` after the https address.",
            f"{_RFC_2369}; {YAHOO}",
        )
    if any(not _MAILTO.match(each) for each in found.mailto):
        yield error(
            "mailto-broken",
            "The mailto address in List-Unsubscribe isn't one.",
            "Write `<mailto:name@domain?subject=token>`.",
            "RFC 6068, 2",
        )


def one_click(mail: Mail) -> Iterator[Finding]:
    """List-Unsubscribe-Post, and the address that it posts to."""
    posts = mail.all("list-unsubscribe-post")
    found = ways(mail)
    if mail.all("list-unsubscribe") and not posts:
        yield error(
            "one-click-missing",
            "There is no List-Unsubscribe-Post: the mail offers no one-click unsubscribe.",
            f"Add `List-Unsubscribe-Post: {ONE_CLICK}`, and answer POST at the https address.",
            f"{_RFC_8058}; {GMAIL}; {YAHOO}",
        )
    if posts and (len(posts) > 1 or "".join(mail.decoded("list-unsubscribe-post").split()) != ONE_CLICK):
        yield error(
            "one-click-value",
            "List-Unsubscribe-Post says something else than it must.",
            f"It has to be there once, as `{ONE_CLICK}` to the letter.",
            _RFC_8058,
        )
    if posts and not found.https:
        yield error(
            "one-click-without-https",
            "List-Unsubscribe-Post is there, but List-Unsubscribe has no https address to post to.",
            "Add an `<https://…>` address that identifies recipient and list by itself.",
            _RFC_8058,
        )
    if found.http:
        yield Finding(
            "unsubscribe-over-http",
            Level.ERROR if not found.https else Level.WARNING,
            "List-Unsubscribe has a plain http address, which one click may not use.",
            "Serve it over https.",
            _RFC_8058,
        )
    for url in found.https:
        yield from _address(url)
    yield from _covered(mail)


def _address(url: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname or "", parts.username is not None
    except ValueError:
        host, secret = "", False
    if not host or "." not in host or secret or _is_ip(host):
        yield error(
            "unsubscribe-host",
            "The unsubscribe address has no public host name, or a user name before it.",
            "Use a name of your own, such as `https://links.example.com/…`.",
            _RFC_8058,
        )
    if "@" in unquote(url.partition("://")[2]) and not secret:
        yield warning(
            "unsubscribe-names-somebody",
            "The unsubscribe address seems to hold an e-mail address: whoever sees a log sees it, "
            "and whoever knows an address can make the link.",
            "Put an opaque, signed token into the link.",
            "RFC 8058, 3.1 and 6",
        )
    if "#" in url:
        yield warning(
            "unsubscribe-fragment",
            "The unsubscribe address has a part after `#`, which no POST ever carries.",
            "Put what identifies the recipient into the path.",
            "RFC 9110, 7.1",
        )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _covered(mail: Mail) -> Iterator[Finding]:
    signed = signatures(mail)
    needed = {"list-unsubscribe", "list-unsubscribe-post"}
    if not mail.all("list-unsubscribe-post") or not signed:
        return  # another rule says that no signature is there
    if not any(needed <= each.covers for each in signed):
        missing = sorted(needed - frozenset().union(*(each.covers for each in signed)))
        names = " and ".join(
            {"list-unsubscribe": "List-Unsubscribe"}.get(each, "List-Unsubscribe-Post") for each in missing
        )
        yield error(
            "one-click-not-signed",
            f"No DKIM signature covers {names or 'both fields together'}, so one-click unsubscribe isn't offered.",
            "Have the signer list `List-Unsubscribe:List-Unsubscribe-Post` in `h=`.",
            "RFC 8058, 4",
        )


def longest_line(mail: Mail) -> Iterator[Finding]:
    """Lines that SMTP can't carry."""
    longest = max((len(each) for each in mail.raw.split(b"\r\n")), default=0)
    if longest > _LONGEST_LINE:
        yield error(
            "line-too-long",
            f"A line has {longest} octets; 998 is the most. Relays cut or refuse it, and the signature breaks.",
            "Send the body as quoted-printable or base64, and shorten links.",
            "RFC 5322, 2.1.1",
        )
