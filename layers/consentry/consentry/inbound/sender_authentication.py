"""Who wrote an email: what SES found out about its sender, and when that is enough to take them at their word. Pure.

SES puts its own fields above those that came with the email, `X-SES-RECEIPT` beneath its findings
(https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-examples.html); below it anybody can write.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.inbound import reading
from consentry.inbound.reading import first
from consentry.rules import addresses
from consentry.rules.consent import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.inbound.reading import Fields
    from consentry.rules.addresses import Address

RECENT_MS: Final = 2 * DAY_MS
"""How far an email's own date may be from its arrival."""

_RESULT: Final = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc)=([a-z]{2,12})\b")
_CLAUSE: Final = re.compile(r"(dkim|dmarc)=([a-z]{2,12})\b(.*)")
_ABOUT: Final = re.compile(r"\bheader\.(?:i|d|from)=(\S+)")
_LONGEST_DATE: Final = 100
_LONGEST_RESULTS: Final = 8_000
_MOST_SIGNATURES: Final = 10
_OURS: Final = "unsubscribe@"


class Sender(NamedTuple):
    """Somebody who is known to have written an email, and wrote it to us."""

    address: Address
    domains: tuple[str, ...]
    """Where the email was to go: `unsubscribe@` each."""


def verdicts(ours: Fields) -> str:
    """What SES found out, by the fields that it put there, such as `spf=pass dkim=fail dmarc=pass spam=pass`."""
    said = first(ours, "authentication-results")
    results = dict(reversed(_RESULT.findall(said))) if said.startswith("amazonses.com") else {}
    spam = first(ours, "x-ses-spam-verdict")
    if re.fullmatch(r"[A-Z_]{2,20}", spam):
        results["spam"] = spam
    order = ("spf", "dkim", "dmarc", "spam")
    return " ".join(f"{name}={results[name].lower()}" for name in order if name in results)


def sender(ours: Fields, header: Fields, at: int) -> Sender | None:
    """Who wrote an email to `unsubscribe@`, if nobody else can have; None where that isn't certain.

    That needs all of this: DMARC and DKIM passed, for the domain of the one address in the one From field; each of the
    mail's own signatures of that domain covers From and the field in which we are a recipient, and the whole text (no
    `l=`), so that an email that they signed for somebody else can't be sent here again; SES found neither spam nor a
    virus; its date is within two days of its arrival.

    Args:
        ours: the fields that SES put there.
        header: all fields.
        at: when it arrived, epoch ms.
    """
    author = _author(header)
    if author is None or not _clean(ours) or not _is_recent(header, at):
        return None
    domain = author.normalised.rpartition("@")[2]
    signatures = [_tags(each) for each in header.get("dkim-signature", ())]
    aligned = [each for each in signatures if _are_aligned(each.get("d", "").lower(), domain)]
    if len(signatures) > _MOST_SIGNATURES or not _passed(ours, domain, aligned, len(signatures)):
        return None
    domains = [
        recipient.normalised.removeprefix(_OURS)
        for name in ("to", "cc")
        if len(header.get(name, ())) == 1 and all(_covers(each, "from", name) for each in aligned)
        for recipient in _mailboxes(header[name][0])
        if recipient and recipient.normalised.startswith(_OURS)
    ]
    return Sender(author, tuple(dict.fromkeys(domains))) if domains else None


def _author(header: Fields) -> Address | None:
    """The one address in the one From field."""
    froms = header.get("from", ())
    found = _mailboxes(froms[0]) if len(froms) == 1 else []
    return found[0] if len(found) == 1 else None


def _mailboxes(value: str) -> list[Address | None]:
    """The addresses in a field, None for what can't be read as one; names, comments and quotes count for nothing.

    A field that is longer than what is ever parsed holds none.
    """
    plain = _UNFOLDED.sub(" ", value)
    if len(plain) > reading.MOST_FIELD:
        return []
    found: list[Address | None] = []
    for each in _COMMENT.sub(" ", _QUOTED.sub(" ", plain)).split(","):
        angled = _ANGLED.fullmatch(each.strip())
        try:
            found.append(addresses.identify(angled[1] if angled else each).address)
        except addresses.MalformedAddressError:
            found.append(None)
    return found


_UNFOLDED: Final = re.compile(r"[\r\n]+[ \t]*")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT: Final = re.compile(r"\([^()]*\)")
_ANGLED: Final = re.compile(r"[^<>]*<([^<>]+)>")


def _clean(ours: Fields) -> bool:
    return all(first(ours, f"x-ses-{each}-verdict").upper() == "PASS" for each in ("spam", "virus"))


def _is_recent(header: Fields, at: int) -> bool:
    dates = header.get("date", ())
    if len(dates) != 1:
        return False
    try:
        written = parsedate_to_datetime(dates[0][:_LONGEST_DATE])
        written = written if written.tzinfo else written.replace(tzinfo=UTC)
        return abs(written.timestamp() * 1000 - at) <= RECENT_MS
    except (ValueError, TypeError, IndexError, OverflowError):
        return False


def _passed(ours: Fields, domain: str, aligned: list[Mapping[str, str]], signatures: int) -> bool:
    """Whether DMARC passed for the domain, and DKIM by signatures that are aligned with it, and by no other of these.

    Who greets SES by a name with a `;` in it might write results of their own: there is one of DMARC, no more of DKIM
    than signatures, and none in what SES says of the greeting elsewhere.
    """
    said = " ".join(first(ours, "authentication-results").lower().split())
    server, *clauses = [each.strip() for each in said.split(";")]
    greeted = first(ours, "received-spf").lower()
    found = [match for each in clauses if (match := _CLAUSE.match(each))]
    dmarc = [match for match in found if match[1] == "dmarc"]
    dkim = [match for match in found if match[1] == "dkim"]
    if (
        server != "amazonses.com"
        or len(said) > _LONGEST_RESULTS
        or '"' in said
        or (said.count("dmarc="), said.count("dkim=")) != (1, len(dkim))
        or len(dkim) > signatures
        or "dmarc=" in greeted
        or "dkim=" in greeted
        or len(dmarc) != 1
        or dmarc[0][2] != "pass"
        or _about(dmarc[0][3]) not in {"", domain}
    ):
        return False
    of_domain = [match for match in dkim if _are_aligned(_about(match[3]), domain)]
    signed_as = {each["d"].lower() for each in aligned}
    return (
        bool(of_domain)
        and all(match[2] == "pass" for match in of_domain)
        and all(any(_is_within(_about(match[3]), each) for each in signed_as) for match in of_domain)
    )


def _about(said: str) -> str:
    """The domain that a result is about; empty where it doesn't say."""
    found = _ABOUT.search(said)
    return found[1].rpartition("@")[2] if found else ""


def _tags(signature: str) -> Mapping[str, str]:
    """A signature's tags, without white space (RFC 6376, 3.2)."""
    if len(signature) > reading.MOST_FIELD:
        return {}
    pairs = ("".join(each.split()).partition("=") for each in signature.split(";"))
    return {name: value for name, _, value in pairs if name}


def _covers(tags: Mapping[str, str], *names: str) -> bool:
    """Whether the signature of these tags is over some fields, and over the whole text."""
    signed = tags.get("h", "").lower().split(":")
    return "l" not in tags and all(name in signed for name in names)


def _are_aligned(one: str, other: str) -> bool:
    """Whether two domains are the same, or one within the other."""
    return "." in one and "." in other and (_is_within(one, other) or _is_within(other, one))


def _is_within(domain: str, of: str) -> bool:
    return domain == of or domain.endswith(f".{of}")
