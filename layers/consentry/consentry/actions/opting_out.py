"""Opting out: to leave, to pause, to get less, to say why, and to take that back. Each is one method, and one write.

A method gets what the person said and who they are by their token; it answers what the page must say. HTTP, HTML
and the clock stay outside, so that every way out (page, one click, email) goes through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.actions.circumstances import event_of, sees
from consentry.actions.spool import Spooled
from consentry.links.tokens import Purpose
from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, EVERY_TOPIC, Choice, Consent, Reason, Status
from consentry.rules.ledger import Channel, Kind, event_id_of
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consentry.actions.circumstances import Circumstances
    from consentry.actions.spool import Recorder
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand
    from consentry.rules.ledger import Event
    from consentry.table.limits import Limits
    from consentry.table.store import Store

PAUSE_DAYS: Final = (30, 60, 90)
LEAVING_TOGETHER: Final = 3
"""People who can leave by the page from one IP address in one second; the next is marked as a machine's doing."""
REASONS: Final = ("too_many", "not_interesting", "never_asked", "other")
"""Why people leave, as far as they are asked."""
_FREQUENCY: Final = rules.frequency("")


class Undone(NamedTuple):
    """What came of an undo."""

    done: bool
    """Whether what was done is undone, now or before; for opt-outs, at least for one topic."""
    still_out: tuple[str, ...] = ()
    """The brand's topics, of those that it is about, that are left all the same."""
    stopped: bool = False
    """Whether emails of the others don't come all the same, after a complaint or a bounce."""


class OptOuts:
    """What recipients leave, pause and get less often, and take back."""

    def __init__(self, store: Store, recorder: Recorder, limits: Limits) -> None:
        """`recorder` is for what must not be lost while the table is unavailable: opt-outs and pauses."""
        self._store = store
        self._recorder = recorder
        self._limits = limits

    def unsubscribe(self, brand: Brand, link: Link, how: Circumstances, *, everything: bool = False) -> Link | None:
        """Opt out of the link's topics, or of everything. Answers the link that undoes it.

        That is none where nothing had to be done: what was left already isn't for whoever repeats it to undo. The same
        form gets the same answer again.

        By the page, somebody who leaves with too many others at once is marked as a machine's doing, and leaves.
        """
        left = self._left(brand, link, how, everything=everything)
        burst = None
        if how.channel is Channel.PAGE:  # one click comes from providers' machines, which act for many
            burst = self._limits.burst(brand.id, link.subscriber_id, how.evidence.ip, LEAVING_TOGETHER, how.now)
        recorded = self._recorder.record(
            left.event,
            evidence=left.evidence,
            evidence_days=left.evidence_days,
            address=left.address,
            burst=burst,
            form=how.form,
            sees=sees(brand, how),
        )
        undo = link._replace(purpose=Purpose.UNDO, reference="")
        if recorded.taken:
            return undo._replace(topics=recorded.taken.left, at=recorded.taken.at)
        outs = {rules.topic_of(name): at for name, at in recorded.effect.registers.items()}
        return undo._replace(topics=tuple(outs), at=max(outs.values())) if outs else None

    def unsubscribe_from_everything(self, brand: Brand, link: Link, how: Circumstances) -> Consent:
        """Opt out of everything; answers consent as far as it is known, for a page that shows it."""
        left = self._left(brand, link, how, everything=True)
        try:
            known = self._store.read(brand.id, link.subscriber_id)
        except StoreUnavailableError:
            # Whoever waits has waited long enough for a table that is unavailable.
            self._recorder.keep(left)
            return left.event.effect
        recorded = self._recorder.record(
            left.event,
            evidence=left.evidence,
            evidence_days=left.evidence_days,
            address=left.address,
            form=how.form,
            sees=sees(brand, how),
        )
        return known | recorded.effect

    def unsubscribe_sender(self, brand: Brand, subscriber_id: str, how: Circumstances) -> None:
        """Opt somebody out of everything who wrote that they want to leave, by no link of ours."""
        everything = Consent({rules.opt_out(EVERY_TOPIC): how.now})
        self._recorder.record(
            event_of(Kind.SENDER, brand, subscriber_id, how, everything, (EVERY_TOPIC,)),
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            address=None if brand.keeps_address else Address.FORGET,
            sees=sees(brand, how),
        )

    def _left(self, brand: Brand, link: Link, how: Circumstances, *, everything: bool) -> Spooled:
        topics = (EVERY_TOPIC,) if everything else self._known_topics(brand, link)
        event = event_of(
            Kind.UNSUBSCRIBED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.opt_out(topic): how.now for topic in topics}),
            topics,
            link=link,
        )
        forget = topics == (EVERY_TOPIC,) and not brand.keeps_address
        return Spooled(event, how.evidence, brand.evidence_days, Address.FORGET if forget else None, how.form)

    def _known_topics(self, brand: Brand, link: Link) -> tuple[str, ...]:
        """The link's topics that the brand has or had, or the person's registers name; everything, if it names none.

        Whoever mints links can sign any names: those that nobody has are never written. Else nothing is read.
        """
        known = {*brand.topics, *brand.retired_topics}
        if not known.issuperset(link.topics):
            try:
                known |= set(map(rules.topic_of, self._store.read(brand.id, link.subscriber_id).registers))
            except StoreUnavailableError:
                known = set()  # whoever waits has waited long enough; everything is what can't be too little
        return tuple(topic for topic in link.topics if topic in known) or (EVERY_TOPIC,)

    def pause(self, brand: Brand, link: Link, days: int, how: Circumstances) -> Link:
        """No mail for some days. Answers the link that undoes it."""
        until = str(how.now + days * DAY_MS)
        event = event_of(Kind.PAUSED, brand, link.subscriber_id, how, Consent(), (), link=link)
        return self._choose(brand, link, event, {rules.PAUSE: until}, how)._replace(topics=())

    def less_often(self, brand: Brand, link: Link, frequency: str, how: Circumstances) -> Link:
        """The link's topics, less often: nobody is opted out or in. Answers the link that undoes it."""
        event = event_of(Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), link.topics, link=link)
        return self._choose(brand, link, event, {rules.frequency(topic): frequency for topic in link.topics}, how)

    def _choose(self, brand: Brand, link: Link, event: Event, values: Mapping[str, str], how: Circumstances) -> Link:
        choices = {name: Choice(how.now, event.event_id, value) for name, value in values.items()}
        recorded = self._recorder.record(
            event._replace(effect=Consent({}, choices)),
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            form=how.form,
            sees=sees(brand, how),
        )
        made = recorded.effect.choices.values() or choices.values()
        at = recorded.taken.at if recorded.taken else max(each.at for each in made)
        return link._replace(purpose=Purpose.UNDO, topics=tuple(values), reference="", at=at)

    def tell_why(self, brand: Brand, link: Link, reason: str, how: Circumstances) -> None:
        """Note why the person left, once for each opt-out: the first answer counts. It changes no consent.

        The event stands at the instant of the opt-out, under a name that follows from it.

        Raises:
            StoreUnavailableError: it isn't noted; nothing else is lost.
        """
        how = how._replace(event_id=event_id_of(Kind.REASON, brand.id, link.subscriber_id, link.at))
        said = Kind.REASON, brand, link.subscriber_id, how, Consent({}, {}), link.topics
        event = event_of(*said, link=link, source=reason)
        self._store.record(event._replace(occurred_at=link.at, arrived_at=max(how.now, link.at)))

    def undo(self, brand: Brand, link: Link, how: Circumstances) -> Undone:
        """Take back the opt-out, pause or frequency that the link is of. Answers what came of it.

        An opt-out that is taken back counts as if it had never been, and what was there before counts again as what it
        was. An opt-out by anybody else, before or since, stands. What it undoes may still wait in the spool: it finds
        itself undone. What calls itself a scanner undoes nothing, and nobody more often than a day's budget allows.
        """
        if how.suspected_automation or not self._limits.opt_ins(brand, link.subscriber_id, how.now):
            return Undone(done=False)
        event = event_of(Kind.UNDONE, brand, link.subscriber_id, how, Consent(), link.topics, link=link)
        if not link.topics or all(name.startswith(_FREQUENCY) for name in link.topics):
            return self._undo_choices(link, event, how, link.topics or (rules.PAUSE,))
        recorded = self._store.undo(
            event, link.topics, link.at, evidence=how.evidence, evidence_days=brand.evidence_days
        )
        now = recorded.known | recorded.effect
        topics = _topics_of(brand, now) if EVERY_TOPIC in link.topics else link.topics
        left = {topic for topic in topics if rules.status(now, topic) is Status.UNSUBSCRIBED}
        reasons = {rules.decide(now, topic, brand.mode(topic), how.now).reason for topic in topics if topic not in left}
        return Undone(
            not left.issuperset(topics),
            tuple(topic for topic in brand.topics if topic in left),
            stopped=not reasons.isdisjoint({Reason.COMPLAINT, Reason.BOUNCE}),
        )

    def _undo_choices(self, link: Link, event: Event, how: Circumstances, names: Sequence[str]) -> Undone:
        history = self._store.history(link.brand, link.subscriber_id)
        earlier = rules.join(
            Consent({}, {name: each for name, each in event.effect.choices.items() if each.at < link.at})
            for event in history
        )
        current = rules.join(event.effect for event in history)
        at = max(how.now, link.at + 1)
        choices, done = {}, False
        for name in names:
            held, value = current.choices.get(name), earlier.chosen(name) or ""
            if name == rules.PAUSE:
                value = str(rules.pause_end(earlier, how.now) or 0)
            if held is None or held.at <= link.at:
                choices[name] = Choice(at, event.event_id, value)
            done = done or name in choices or (held is not None and held.value == value)
        if choices:
            topics = tuple(filter(None, map(rules.topic_of, choices)))
            self._store.record(event._replace(effect=Consent({}, choices), topics=topics), sees=())
        return Undone(done)


def _topics_of(brand: Brand, consent: Consent) -> list[str]:
    """The brand's topics, and those that it no longer has but the person decided on."""
    known = map(rules.topic_of, consent.registers)
    return list(dict.fromkeys([*brand.topics, *(each for each in known if each and each != EVERY_TOPIC)]))
