"""The consent rules: what may be mailed to whom, as pure functions of registers and an instant.

What we know of a subscriber is a `Consent`: a set of registers. A *register* is an instant in epoch
milliseconds, when a thing occurred, and only ever grows. A *choice* is a value with the instant at which it
was made; the latest one counts. Two consents join (`|`) by taking the greater of every register and the later
of every choice.

The join is commutative, associative and idempotent. So an event, which is itself a small `Consent` (the
registers that it sets), may arrive late, twice, or in any order: the result is the same. No rule in this
package may change consent in any other way.

    register            set by
    ask.<topic>         a subscribe request: a confirmation email is due
    in.<topic>          the recipient's own opt-in
    claim.<topic>       a platform that says so, or the recipient by a platform's link
    kept.<topic>        the recipient renews: prolongs the opt-in or claim in force, and is nothing without one
    out.<topic>         an opt-out from one topic; out.* from every topic
    undo.<topic>@<at>   the recipient takes the opt-out of that very instant back; the value is the opt-out that
                        stands without it, 0 for none
    complaint           "this is spam"
    bounce              a permanent bounce

Taking an opt-out back opts nobody in: what was there before counts again, as what it was.

Consent can end: `until.<topic>` is a choice with the instant of the claim whose end it names, so that a later claim
without an end has none; and a topic may want opt-ins, claims and renewals anew after some time.

This module has no clock, no I/O and no settings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

DAY_MS: Final = 24 * 3600 * 1000

EVERY_TOPIC: Final = "*"
COMPLAINT: Final = "complaint"
BOUNCE: Final = "bounce"
PAUSE: Final = "pause"
LOCALE: Final = "locale"

FREQUENCIES: Final = ("every", "daily", "weekly", "monthly")
"""From the most emails to the fewest."""


class Mode(StrEnum):
    """What a topic needs before mail may flow."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"


class Status(StrEnum):
    """How a subscriber stands to one topic."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"
    NONE = "none"


class Reason(StrEnum):
    """The rule that made a decision; the first that applies."""

    SUBSCRIBED = "subscribed"  # allowed: opted in, or claimed and never opted out
    OPT_OUT_TOPIC = "opt_out_topic"  # allowed: the topic may be mailed until the person says no
    UNSUBSCRIBED = "unsubscribed"
    EXPIRED = "expired"  # opted in or claimed, never opted out since, and its end has passed
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
    """What was chosen: for `pause` and `until` an instant in epoch ms ("0": not paused); for a frequency one of
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
    expires_at: int | None = None
    """When the opt-in or claim ends or ended, epoch ms; None if it has no end, or there is none."""


def ask(topic: str) -> str:
    """The register of subscribe requests for a topic."""
    return f"ask.{topic}"


def opt_in(topic: str) -> str:
    """The register of the recipient's opt-ins to a topic."""
    return f"in.{topic}"


def claim(topic: str) -> str:
    """The register of a platform's word that the person subscribed to a topic."""
    return f"claim.{topic}"


def kept(topic: str) -> str:
    """The register of the recipient's renewals of a topic."""
    return f"kept.{topic}"


def until(topic: str) -> str:
    """The choice of when the claim of a topic ends."""
    return f"{_UNTIL}{topic}"


def opt_out(topic: str) -> str:
    """The register of opt-outs from a topic, or from `EVERY_TOPIC`."""
    return f"out.{topic}"


def undone(topic: str, at: int) -> str:
    """The register that takes the opt-out of an instant from a topic, or from `EVERY_TOPIC`, back."""
    return f"{_UNDONE}{topic}@{at}"


def topic_of(name: str) -> str:
    """The topic of a register or choice; empty for one that is about none."""
    return name.partition(".")[2].partition("@")[0]


def frequency(topic: str) -> str:
    """The choice of how often a topic may come."""
    return f"frequency.{topic}"


def deciding(topic: str) -> tuple[str, ...]:
    """The registers and choices that a decision on a topic looks at: nothing else of a consent makes a difference.

    Of `undone`, what all of a topic's begin with.
    """
    of_topic = (*(register(topic) for register in (ask, opt_in, claim, kept, opt_out)), f"{_UNDONE}{topic}")
    return (
        *of_topic,
        until(topic),
        frequency(topic),
        opt_out(EVERY_TOPIC),
        f"{_UNDONE}{EVERY_TOPIC}",
        COMPLAINT,
        BOUNCE,
        PAUSE,
    )


def status(consent: Consent, topic: str, now: int = 0, lasts: int = 0) -> Status:
    """How the subscriber stands to a topic. A tie between an opt-in and an opt-out goes to the opt-out.

    `lasts`: see `decide`. Without `now`, as if nothing ever ended.
    """
    return _standing(consent, topic, now, lasts)[0]


def decide(consent: Consent, topic: str, mode: Mode, now: int, lasts: int = 0) -> Decision:
    """Whether an email on `topic` may be sent at `now` (epoch ms), and the rule that says so.

    Consent is asked first, then suppression (unless a later opt-in to this very topic lifted it), then pause.
    `lasts`: how many milliseconds an opt-in, a renewal, or a claim without an end lasts; 0: for ever.
    """
    standing, since = _standing(consent, topic, now, lasts)
    if standing is Status.SUBSCRIBED:
        allowed, reason = True, Reason.SUBSCRIBED
    elif mode is Mode.OPT_OUT and standing is not Status.UNSUBSCRIBED and not opted_out_at(consent, topic):
        allowed, reason = True, Reason.OPT_OUT_TOPIC
    else:
        allowed, reason = False, Reason(standing.value)

    paused_until = pause_end(consent, now)
    if allowed:
        opted_in = consent.registers.get(opt_in(topic), 0)
        stopped = (each for each in (COMPLAINT, BOUNCE) if consent.registers.get(each, 0) >= max(opted_in, 1))
        if why := next(stopped, None):
            allowed, reason = False, Reason(why)
    if allowed and paused_until is not None:
        allowed, reason = False, Reason.PAUSED
    often = consent.chosen(frequency(topic)) or None
    return Decision(allowed, reason, standing, since, often, paused_until, end(consent, topic, lasts))


def end(consent: Consent, topic: str, lasts: int) -> int | None:
    """When the opt-in or claim that is in force ends or ended, epoch ms; None if there is none, or it has no end.

    The latest that anything in force says counts. `lasts`: see `decide`.
    """
    registers, out = consent.registers, opted_out_at(consent, topic)
    opted_in, claimed = registers.get(opt_in(topic), 0), 0 if out else registers.get(claim(topic), 0)
    if not claimed and opted_in <= out:
        return None
    said = consent.choices.get(until(topic))
    ends = [int(said.value)] if claimed and said and said.at >= claimed else []
    lasting = [at for at in (opted_in, 0 if ends else claimed, registers.get(kept(topic), 0)) if at > out]
    return None if lasting and not lasts else max([*ends, *(at + lasts for at in lasting)])


def opted_out_at(consent: Consent, topic: str) -> int:
    """When the person last left the topic, or every topic, and didn't take it back, epoch ms; 0 if never."""
    return max(left_at(consent, topic), left_at(consent, EVERY_TOPIC))


def left_at(consent: Consent, topic: str) -> int:
    """When the person last left just this topic, or just `EVERY_TOPIC`, and didn't take it back, epoch ms; 0: never."""
    at = consent.registers.get(opt_out(topic), 0)
    while at and (before := consent.registers.get(undone(topic, at))) is not None:
        at = min(before, at - 1)
    return at


def in_force(consent: Consent, topic: str) -> int:
    """The opt-out, epoch ms, that stands against all that could bring the topic's mail back; 0 if none does.

    It is as late as every opt-in, renewal and request of the topic; from `EVERY_TOPIC`, of any topic.
    """
    out = left_at(consent, EVERY_TOPIC) if topic == EVERY_TOPIC else opted_out_at(consent, topic)
    return out if out >= _brought_back_at(consent, topic) else 0


def _brought_back_at(consent: Consent, topic: str) -> int:
    """The latest opt-in to a topic, renewal of it, or request for it; of `EVERY_TOPIC`, to any."""
    if topic != EVERY_TOPIC:
        return max(consent.registers.get(register(topic), 0) for register in (opt_in, kept, ask))
    return max((at for name, at in consent.registers.items() if name.startswith((_ASKED, _IN, _KEPT))), default=0)


def after(consent: Consent, change: Consent) -> Consent:
    """A person's own change, made after all that it can see: no clock that was ahead makes it count for nothing.

    Its opt-outs are as late as every opt-in, renewal and request that is there for their topics (a tie goes to the
    opt-out), and later than what was taken back; a complaint is as late as every opt-in; choices are later than those
    they replace, but for the end of a claim, which has the claim's own instant.
    """
    outs = [name for name in change.registers if name.startswith(_OUT)]
    newest = max((at for name, at in consent.registers.items() if name.startswith(_IN)), default=0)
    ends = {name: max(newest, at) for name, at in change.registers.items() if name in {COMPLAINT, BOUNCE}}
    late = [_brought_back_at(consent, topic_of(name)) for name in outs]
    late += [
        int(name.rpartition("@")[2]) + 1
        for name in consent.registers
        if name.startswith(_UNDONE) and opt_out(topic_of(name)) in outs
    ]
    at = max([*late, *(change.registers[name] for name in outs)], default=0)
    choices = {
        name: choice._replace(at=max(choice.at, consent.choices[name].at + 1))
        for name, choice in change.choices.items()
        if name in consent.choices and not name.startswith(_UNTIL)
    }
    return Consent({**change.registers, **ends, **dict.fromkeys(outs, at)}, {**change.choices, **choices})


def undo(held: Consent, history: Collection[Consent], others: Consent, topics: Iterable[str], at: int) -> Consent:
    """What takes the opt-outs of an instant from some topics, or from `EVERY_TOPIC`, back.

    Args:
        held: what is known.
        history: the effect of each event.
        others: the person's opt-outs that changed nothing when they came, since this one stood: now they count.
        topics: which of the opt-outs.
        at: their instant, epoch ms.
    """
    back = {}
    for topic in topics:
        register, prefix = opt_out(topic), f"{_UNDONE}{topic}@"
        earlier = [each.registers.get(register, 0) for each in history]
        earlier += [before for name, before in held.registers.items() if name.startswith(prefix)]
        before = max((each for each in earlier if each < at), default=0)
        back[undone(topic, at)] = left_at(Consent({**held.registers, register: before}), topic)
    change = Consent(back)
    return change | news(held | change, others)


def pause_end(consent: Consent, now: int) -> int | None:
    """When the pause that runs at `now` ends, epoch ms; None if none runs."""
    until = int(consent.chosen(PAUSE) or 0)
    return until if until > now else None


def suppressed(consent: Consent) -> bool:
    """Whether a complaint or a permanent bounce is on record."""
    return bool(consent.registers.get(COMPLAINT) or consent.registers.get(BOUNCE))


def news(consent: Consent, change: Consent) -> Consent:
    """What of `change` could still alter a status or decision, were it joined to `consent`.

    Left out is what is not greater than what is there, and what an opt-out has beaten: an opt-in or renewal that is not
    after the opt-out, and any claim, with its end, once there is an opt-out; and the end of a claim before the one that
    is there. An empty answer means that the change is already known, or superseded.

    An opt-out that is older than one that was taken back is what stands without that one: it is found in the answer
    under `undone`, since the register of the topic is further on.
    """

    def is_past(register: str, at: int) -> bool:
        return at < consent.registers.get(register, 0) or _beaten(consent, register, at)

    registers = {
        name: at
        for name, at in change.registers.items()
        if at != consent.registers.get(name, -1) and not is_past(name, at)
    }
    for name, at in change.registers.items():
        if name.startswith(_OUT):
            registers |= _standing_without(consent, topic_of(name), at)
    choices = {
        name: choice
        for name, choice in change.choices.items()
        if (name not in consent.choices or choice > consent.choices[name])
        and not (name.startswith(_UNTIL) and is_past(claim(topic_of(name)), choice.at))
    }
    return Consent(registers, choices)


def rivals(register: str) -> tuple[str, ...]:
    """The opt-out registers that can beat a register: those of its topic for what brings mail, none for others."""
    topic = topic_of(register)
    return (opt_out(topic), opt_out(EVERY_TOPIC)) if register.startswith((_IN, _CLAIMED, _KEPT)) else ()


def yields_to_any_opt_out(register: str) -> bool:
    """True for claims: no machine lifts an opt-out, however old. An opt-in yields only to one not older than it."""
    return register.startswith(_CLAIMED)


def join(consents: Iterable[Consent]) -> Consent:
    """All of them joined; in whatever order, the same."""
    result = Consent()
    for each in consents:
        result |= each
    return result


def _standing(consent: Consent, topic: str, now: int, lasts: int) -> tuple[Status, int | None]:
    registers = consent.registers
    out = opted_out_at(consent, topic)
    opted_in = registers.get(opt_in(topic), 0)
    asked = registers.get(ask(topic), 0)
    if since := opted_in if opted_in > out else 0 if out else registers.get(claim(topic), 0):
        ended = end(consent, topic, lasts)
        if ended is None or now < ended:
            return Status.SUBSCRIBED, since
        if asked < ended:  # one that came later waits for its confirmation
            return Status.EXPIRED, ended
    if asked > out:
        return Status.PENDING, asked
    if out:
        return Status.UNSUBSCRIBED, out
    return Status.NONE, None


def _beaten(consent: Consent, register: str, at: int) -> bool:
    out = max((left_at(consent, topic_of(rival)) for rival in rivals(register)), default=0)
    return bool(out) and (out >= at or yields_to_any_opt_out(register))


def _standing_without(consent: Consent, topic: str, at: int) -> dict[str, int]:
    """The opt-out of an instant, as what stands without later ones that were taken back."""
    prefix = f"{_UNDONE}{topic}@"
    return {
        name: at
        for name, before in consent.registers.items()
        if name.startswith(prefix) and before < at < int(name.removeprefix(prefix))
    }


_ASKED: Final = ask("")
_IN: Final = opt_in("")
_CLAIMED: Final = claim("")
_KEPT: Final = kept("")
_UNTIL: Final = "until."
_OUT: Final = opt_out("")
_UNDONE: Final = "undo."
