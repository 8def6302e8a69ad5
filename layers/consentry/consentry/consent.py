"""The consent rules: what may be mailed to whom, as pure functions of registers and an instant.

What we know of a subscriber is a `Consent`: a set of registers. A *register* is an instant in epoch
milliseconds, when a thing occurred, and only ever grows. A *choice* is a value with the instant at which it
was made; the latest one counts. Two consents join (`|`) by taking the greater of every register and the later
of every choice.

The join is commutative, associative and idempotent. So an event, which is itself a small `Consent` (the
registers that it sets), may arrive late, twice, or in any order: the result is the same. No rule in this
package may change consent in any other way.

    register          set by
    ask.<topic>       a subscribe request: a confirmation mail is due
    in.<topic>        the recipient's own opt-in
    claim.<topic>     a platform that says so, without an act of the recipient
    out.<topic>       an opt-out from one topic; out.* from every topic
    complaint         "this is spam"
    bounce            a permanent bounce

This module has no clock, no I/O and no settings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DAY_MS: Final = 24 * 3600 * 1000

EVERY_TOPIC: Final = "*"
COMPLAINT: Final = "complaint"
BOUNCE: Final = "bounce"
PAUSE: Final = "pause"
LOCALE: Final = "locale"

FREQUENCIES: Final = ("every", "daily", "weekly", "monthly")
"""From the most mails to the fewest."""


class Mode(StrEnum):
    """What a topic needs before mail may flow."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"


class Status(StrEnum):
    """How a subscriber stands to one topic."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    NONE = "none"


class Reason(StrEnum):
    """The rule that made a decision; the first that applies."""

    SUBSCRIBED = "subscribed"  # allowed: opted in, or claimed and never opted out
    OPT_OUT_TOPIC = "opt_out_topic"  # allowed: the topic may be mailed until the person says no
    UNSUBSCRIBED = "unsubscribed"
    PENDING = "pending"  # asked, not confirmed
    NONE = "none"  # an opt_in topic that nobody asked for
    COMPLAINT = "complaint"
    BOUNCE = "bounce"
    PAUSED = "paused"


class Choice(NamedTuple):
    """A value that the last writer wins. Choices order by instant, then event, then value: no two ever tie."""

    at: int
    """When it was chosen, epoch ms."""
    by: str
    """The event that chose it."""
    value: str
    """What was chosen: for `pause` the instant at which it ends in epoch ms ("0": not paused); for a frequency one of
    `FREQUENCIES` ("": none any more)."""


class Consent(NamedTuple):
    """All registers and choices of one subscriber, or those that one event sets. Treat as immutable."""

    registers: Mapping[str, int] = {}
    choices: Mapping[str, Choice] = {}

    def __or__(self, other: Consent) -> Consent:
        """Join: the greater of every register, the later of every choice."""
        registers = dict(self.registers)
        for name, at in other.registers.items():
            registers[name] = max(at, registers.get(name, 0))
        choices = dict(self.choices)
        for name, choice in other.choices.items():
            choices[name] = max(choice, choices.get(name, choice))
        return Consent(registers, choices)

    def chosen(self, name: str) -> str | None:
        """The current value of a choice, or None if it was never made."""
        choice = self.choices.get(name)
        return choice.value if choice else None


class Decision(NamedTuple):
    """The answer to "may I mail this person on this topic now?"."""

    allowed: bool
    reason: Reason
    status: Status
    since: int | None
    """When the status began, epoch ms; None for `none`."""
    frequency: str | None
    """How often the subscriber wants the topic; None if never chosen."""
    paused_until: int | None
    """When a running pause ends, epoch ms; None if none runs."""


def ask(topic: str) -> str:
    """The register of subscribe requests for a topic."""
    return f"ask.{topic}"


def opt_in(topic: str) -> str:
    """The register of the recipient's opt-ins to a topic."""
    return f"in.{topic}"


def claim(topic: str) -> str:
    """The register of a platform's word that the person subscribed to a topic."""
    return f"claim.{topic}"


def opt_out(topic: str) -> str:
    """The register of opt-outs from a topic, or from `EVERY_TOPIC`."""
    return f"out.{topic}"


def frequency(topic: str) -> str:
    """The choice of how often a topic may come."""
    return f"frequency.{topic}"


def deciding(topic: str) -> tuple[str, ...]:
    """The registers and choices that a decision on a topic looks at: nothing else of a consent makes a difference."""
    of_topic = (ask(topic), opt_in(topic), claim(topic), opt_out(topic), frequency(topic))
    return (*of_topic, opt_out(EVERY_TOPIC), COMPLAINT, BOUNCE, PAUSE)


def status(consent: Consent, topic: str) -> Status:
    """How the subscriber stands to a topic. A tie between an opt-in and an opt-out goes to the opt-out."""
    return _standing(consent, topic)[0]


def decide(consent: Consent, topic: str, mode: Mode, now: int) -> Decision:
    """Whether a mail on `topic` may be sent at `now` (epoch ms), and the rule that says so.

    Consent is asked first, then suppression (unless a later opt-in to this very topic lifted it), then pause.
    """
    standing, since = _standing(consent, topic)
    if standing is Status.SUBSCRIBED:
        allowed, reason = True, Reason.SUBSCRIBED
    elif mode is Mode.OPT_OUT and standing is not Status.UNSUBSCRIBED and not opted_out_at(consent, topic):
        allowed, reason = True, Reason.OPT_OUT_TOPIC
    else:
        allowed, reason = False, Reason(standing.value)

    paused_until = pause_end(consent, now)
    if allowed:
        opted_in = consent.registers.get(opt_in(topic), 0)
        for suppression, why in ((COMPLAINT, Reason.COMPLAINT), (BOUNCE, Reason.BOUNCE)):
            if suppressed_at := consent.registers.get(suppression, 0):
                allowed, reason = (False, why) if suppressed_at >= opted_in else (allowed, reason)
            if not allowed:
                break
    if allowed and paused_until is not None:
        allowed, reason = False, Reason.PAUSED
    return Decision(allowed, reason, standing, since, consent.chosen(frequency(topic)) or None, paused_until)


def opted_out_at(consent: Consent, topic: str) -> int:
    """When the person last left the topic, or every topic, epoch ms; 0 if never."""
    registers = consent.registers
    return max(registers.get(opt_out(topic), 0), registers.get(opt_out(EVERY_TOPIC), 0))


def pause_end(consent: Consent, now: int) -> int | None:
    """When the pause that runs at `now` ends, epoch ms; None if none runs."""
    until = int(consent.chosen(PAUSE) or 0)
    return until if until > now else None


def suppressed(consent: Consent) -> bool:
    """Whether a complaint or a permanent bounce is on record."""
    return bool(consent.registers.get(COMPLAINT) or consent.registers.get(BOUNCE))


def news(consent: Consent, change: Consent) -> Consent:
    """What of `change` could still alter a status or decision, were it joined to `consent`.

    Left out is what is not greater than what is there, and what an opt-out has beaten for good: an opt-in that
    is not after the opt-out, and any claim once there is an opt-out. Opt-outs never shrink, so no later event
    can make the part that is left out count. An empty answer means that the change is already known, or
    superseded.
    """
    registers = {
        name: at
        for name, at in change.registers.items()
        if at > consent.registers.get(name, 0) and not _beaten(consent, name, at)
    }
    choices = {
        name: choice
        for name, choice in change.choices.items()
        if name not in consent.choices or choice > consent.choices[name]
    }
    return Consent(registers, choices)


def rivals(register: str) -> tuple[str, ...]:
    """The opt-out registers that can beat a register: those of its topic for `in` and `claim`, none for others."""
    kind, _, topic = register.partition(".")
    return (opt_out(topic), opt_out(EVERY_TOPIC)) if kind in {"in", "claim"} else ()


def yields_to_any_opt_out(register: str) -> bool:
    """True for claims: no machine lifts an opt-out, however old. An opt-in yields only to one not older than it."""
    return register.startswith("claim.")


def join(consents: Iterable[Consent]) -> Consent:
    """All of them joined; in whatever order, the same."""
    result = Consent()
    for each in consents:
        result |= each
    return result


def _standing(consent: Consent, topic: str) -> tuple[Status, int | None]:
    registers = consent.registers
    out = opted_out_at(consent, topic)
    opted_in = registers.get(opt_in(topic), 0)
    claimed = registers.get(claim(topic), 0)
    asked = registers.get(ask(topic), 0)
    if opted_in > out:
        return Status.SUBSCRIBED, opted_in
    if claimed and not out:
        return Status.SUBSCRIBED, claimed
    if asked > out:
        return Status.PENDING, asked
    if out:
        return Status.UNSUBSCRIBED, out
    return Status.NONE, None


def _beaten(consent: Consent, register: str, at: int) -> bool:
    out = max((consent.registers.get(rival, 0) for rival in rivals(register)), default=0)
    return bool(out) and (out >= at or yields_to_any_opt_out(register))
