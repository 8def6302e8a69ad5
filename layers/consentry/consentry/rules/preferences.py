"""What a saved preferences form means: which topics, how often, a pause, a language. Pure, as all rules are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, Consent, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consentry.rules.brands import Brand


ACCEPTING: Final = frozenset({Reason.SUBSCRIBED, Reason.OPT_OUT_TOPIC, Reason.PAUSED})
"""Of decisions on what a person wants: mail may flow, or would if no pause ran."""


class Wishes(NamedTuple):
    """A saved preferences form: what it says, and what it showed."""

    on: Collection[str]
    """The topics that are ticked."""
    shown: Collection[str]
    """The topics that the page offered: only those can be turned off by not being ticked."""
    frequencies: Mapping[str, str]
    pause_days: int | None
    """0 ends a pause, None leaves it as it is."""
    locale: str | None
    was_on: Collection[str] | None = None
    """The topics that were ticked when the page was shown, if the form says."""
    shown_at: int = 0
    """When the page was shown, epoch ms, as it was signed; 0: not known, and nothing opts in."""
    were: Mapping[str, str] = {}
    """The choices as the page showed them, by name."""


def fewer(brand: Brand, topics: Collection[str]) -> tuple[str, ...]:
    """The frequencies, other than every email, that each of the topics can be had in; the fewest emails last."""
    choices = [brand.topics[topic].frequencies if topic in brand.topics else () for topic in topics]
    return tuple(each for each in rules.FREQUENCIES[1:] if choices and all(each in offered for offered in choices))


def slower(brand: Brand, topics: Collection[str], consent: Consent) -> tuple[str, ...]:
    """Those of `fewer` that mean fewer emails on each of the topics than the person gets now."""
    now = max((_rank(consent.chosen(rules.frequency(topic))) for topic in topics), default=0)
    return tuple(each for each in fewer(brand, topics) if _rank(each) > now)


def accepts(consent: Consent, topic: str, brand: Brand, now: int) -> bool:
    """Whether the person wants the topic: mail may flow, or would if no pause ran."""
    return brand.decide(consent, topic, now).reason in ACCEPTING


def if_kept(consent: Consent, topic: str, brand: Brand, now: int) -> Reason:
    """The rule that would decide on the topic, had the person renewed it at `now`, epoch ms."""
    return brand.decide(consent | Consent({rules.kept(topic): now}), topic, now).reason


def can_be_kept_after(consent: Consent, topic: str, brand: Brand, now: int) -> int:
    """When the person's opt-in or claim ends or ended, epoch ms, if they can keep it; 0: they can't, or it has none."""
    end = rules.end(consent, topic, brand.lasts(topic))
    return end if end and if_kept(consent, topic, brand, now) in ACCEPTING else 0


def _rank(frequency: str | None) -> int:
    return rules.FREQUENCIES.index(frequency) if frequency in rules.FREQUENCIES else 0


def as_shown(brand: Brand, wishes: Wishes) -> Consent:
    """What is known of a person by their form alone: that they had what was ticked, and never left anything."""
    on = brand.topics if wishes.was_on is None else wishes.was_on
    return Consent({rules.opt_in(topic): 1 for topic in brand.topics if topic in on})


def is_left(brand: Brand, wishes: Wishes, known: Consent, topic: str, now: int) -> bool:
    """Whether a form takes a topic off that it showed: as ticked, or, if it doesn't say, that the person has."""
    if topic in wishes.on or topic not in wishes.shown:
        return False
    return topic in wishes.was_on if wishes.was_on is not None else accepts(known, topic, brand, now)


def changed(wishes: Wishes, known: Consent, now: int, *, sure: bool) -> dict[str, str]:
    """The choices that a form changes of what it showed; if it doesn't say, of what is known."""
    values = {rules.frequency(topic): value for topic, value in wishes.frequencies.items()}
    if wishes.locale:
        values[rules.LOCALE] = wishes.locale
    changed = {
        name: value
        for name, value in values.items()
        if value != wishes.were.get(name, value + "?") and value != known.chosen(name)
    }
    if wishes.pause_days is not None:
        running = not sure or rules.pause_end(known, now) is not None
        if wishes.pause_days or running:
            changed[rules.PAUSE] = str(now + wishes.pause_days * DAY_MS if wishes.pause_days else 0)
    return changed
