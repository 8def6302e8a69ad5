"""Rules about a way to unsubscribe that people see."""

from __future__ import annotations

import re
from bisect import bisect
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from consentry_cli.lint import words
from consentry_cli.lint.findings import GMAIL, Finding, Level, error
from consentry_cli.lint.unsubscribing import ways

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consentry_cli.lint.mail import Mail

_NEAR: Final = 200
"""Characters between the word and its link: about a sentence."""
_MOST_TARGETS: Final = 20
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+|\bwww\.[^\s<>\"]+|[\w.+=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
"""What mail programs make a link of."""
_NOTE: Final = re.compile(r"\[(\d{1,3})\]")
"""A link's number, where the text leaves links to its end, as programs do that make text of HTML."""
_NOTED: Final = re.compile(r"(?:\[(\d{1,3})\]|(?<!\S)(\d{1,3})[.:)])[ :]{0,3}<?(?:https?://|mailto:|www\.)")
_LIST_SOFTWARE: Final = re.compile(
    r"/mailman3?/|/listinfo/|/sympa/|-(?:request|leave|off)@|(?:^|:)(?:leave|signoff)-[^@]{1,64}@", re.IGNORECASE
)
"""The pages and addresses at which subscribers of Mailman, Sympa and others leave
(https://docs.mailman3.org/en/latest/userguide.html#leaving-a-mailing-list, https://www.sympa.community/manual/)."""
_SCHEMES: Final = ("http://", "https://", "mailto:")


def visible_link(mail: Mail) -> Iterator[Finding]:
    """A way to unsubscribe that a reader sees."""
    targets = [words.plain(each) for each in (*ways(mail).https, *ways(mail).http, *ways(mail).mailto)[:_MOST_TARGETS]]
    if mail.html and not _in_html(mail, targets) and not _in_text(words.plain(mail.beside), targets):
        yield error(
            "link-not-visible",
            "The HTML part has no link that reads like a way to unsubscribe, in its own words or those around it.",
            "Add one, by that name, where readers look for it: at the end, in a size that can be read.",
            f"{GMAIL}; CAN-SPAM, 16 CFR 316; GDPR Art. 7(3)",
        )
    if mail.text and not _in_text(words.plain(mail.text), targets):
        yield Finding(
            "link-not-in-text",
            Level.WARNING if mail.html else Level.ERROR,
            "The plain text part names no address to unsubscribe at.",
            "Write the link out there as well.",
            GMAIL,
        )


def _in_html(mail: Mail, targets: list[str]) -> bool:
    seen = mail.seen
    links = [each for each in seen.links if each.href.lower().startswith(_SCHEMES)]
    if any(words.plain(each.href) in targets or words.offers(each.said) or _says(each.href) for each in links):
        return True
    addresses = (found.span() for found in _ADDRESS.finditer(seen.text))
    return _beside(seen.text, [*((each.start, each.end) for each in links), *addresses])


def _in_text(text: str, targets: list[str]) -> bool:
    """Whether a text, as `words.plain` has it, names an address to unsubscribe at."""
    if any(each.removeprefix("mailto:").partition("?")[0] in text for each in targets):
        return True
    found = list(_ADDRESS.finditer(text))
    if any(_says(each[0]) for each in found):
        return True
    noted = {each[1] or each[2] for each in _NOTED.finditer(text)}
    notes = (each.span() for each in _NOTE.finditer(text) if each[1] in noted)
    return _beside(text, [*(each.span() for each in found), *notes])


def _says(address: str) -> bool:
    """Whether an address says itself that it is for unsubscribing."""
    return _LIST_SOFTWARE.search(address) is not None or words.offers(words.plain(unquote(address)))


def _beside(text: str, addresses: Iterable[tuple[int, int]]) -> bool:
    """Whether one of the addresses stands in a word that offers to unsubscribe, or near one, before or after it."""
    places = words.places(text)
    starts = [start for start, _ in places]
    for start, end in addresses:
        at = bisect(starts, start)
        before, after = places[at - 1 : at], places[at : at + 1]
        if (before and start - before[0][1] <= _NEAR) or (after and after[0][0] - end <= _NEAR):
            return True
    return False
