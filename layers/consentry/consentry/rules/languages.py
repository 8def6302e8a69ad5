"""Languages: which one a person gets, and the texts in it.

Texts are gettext catalogues, compiled into the layer; English is what the sources say.
"""

from __future__ import annotations

import gettext
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DOMAIN: Final = "consentry"
SOURCE: Final = "en"
"""What the sources say, without a catalogue."""
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
_NAMES: Final = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "ja": "日本語",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
}
_MAX_HEADER: Final = 500
"""Characters of an Accept-Language that are looked at."""
_MAX_TAG: Final = 35
"""Characters of a language tag that are looked at (RFC 5646, 4.4.1)."""


def negotiate(offered: Sequence[str], *wishes: str | None, accept_language: str = "") -> str:
    """The language to answer in.

    Args:
        offered: what the brand speaks, its favourite first.
        wishes: asked for outright, strongest first; empty ones and those that aren't offered are passed over.
        accept_language: the header (RFC 9110, 12.5.4), which is asked after the wishes.
    """
    for wish in (*wishes, *_accepted(accept_language)):
        if wish and (found := _nearest(wish, offered)):
            return found
    return offered[0]


@cache
def spoken(folder: Path) -> tuple[str, ...]:
    """Every language that there are texts in, English first; `folder` holds the compiled catalogues."""
    return (SOURCE, *sorted(each.parents[1].name.replace("_", "-") for each in folder.glob(f"*/*/{DOMAIN}.mo")))


def direction(language: str) -> str:
    """`rtl` or `ltr`, for HTML's `dir`."""
    return "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def own_name(language: str) -> str:
    """What the language calls itself."""
    return _NAMES.get(language.partition("-")[0], language)


@lru_cache(maxsize=32)
def texts(folder: Path, language: str) -> gettext.NullTranslations:
    """The catalogue of a language; the English source texts where there is none."""
    return gettext.translation(DOMAIN, folder, [language.replace("-", "_")], fallback=True)


def format_date(when: datetime | int, catalogue: gettext.NullTranslations) -> str:
    """The day in UTC as people write it: `3 March 2027`.

    Args:
        when: an aware datetime, or epoch ms.
        catalogue: of the language; it holds the names of the months and the order of the parts.
    """
    moment = _in_utc(when)
    # Translators: the months as they stand in a date, January to December, each followed by ", ".
    months = catalogue.gettext(
        "January, February, March, April, May, June, July, August, September, October, November, December"
    )
    # Translators: a date, such as "3 March 2027".
    pattern = catalogue.gettext("%(day)s %(month)s %(year)s")
    return pattern % {"day": moment.day, "month": months.split(", ")[moment.month - 1], "year": moment.year}


def format_moment(when: datetime | int, catalogue: gettext.NullTranslations) -> str:
    """Day and time in UTC: `3 March 2027 at 14:05 UTC`. Arguments as for `format_date`."""
    # Translators: a date and a time, such as "3 March 2027 at 14:05 UTC".
    pattern = catalogue.gettext("%(date)s at %(time)s UTC")
    return pattern % {"date": format_date(when, catalogue), "time": f"{_in_utc(when):%H:%M}"}


def _in_utc(when: datetime | int) -> datetime:
    return datetime.fromtimestamp(when / 1000, UTC) if isinstance(when, int) else when.astimezone(UTC)


def _nearest(wish: str, offered: Sequence[str]) -> str | None:
    """RFC 4647 lookup: `de-AT` finds `de`."""
    by_name = {each.lower(): each for each in offered}
    parts = wish.strip()[:_MAX_TAG].lower().replace("_", "-").split("-")
    while parts:
        if found := by_name.get("-".join(parts)):
            return found
        parts.pop()
    return None


def _accepted(header: str) -> list[str]:
    ranked = []
    for place, part in enumerate(header[:_MAX_HEADER].split(",")):
        tag, _, parameter = part.partition(";")
        try:
            quality = float(parameter.strip().lower().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            quality = 0.0
        if quality > 0:
            ranked.append((-quality, place, tag.strip()))
    return [tag for _, _, tag in sorted(ranked)]
