"""What a person can do: ask, confirm, leave, pause, undo, choose. Each is one method, and one write.

A method gets what the person said and who they are by their token; it answers what the page must tell. HTTP, HTML
and the clock stay outside, so that every way in (page, one-click, API) goes through here.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry import addresses
from consentry import consent as rules
from consentry.consent import DAY_MS, EVERY_TOPIC, Choice, Consent, Reason, Status
from consentry.ledger import Actor, Channel, Event, Evidence, Kind, event_id_of, new_event_id
from consentry.spool import Spooled
from consentry.table.gateway import StoreUnavailableError
from consentry.table.schema import Contact
from consentry.table.store import Address, Outcome, Store
from consentry.tokens import Link, NotOursError, Purpose, Tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consentry.brands import Brand
    from consentry.spool import Recorder
    from consentry.table.limits import Limits

PAUSE_DAYS: Final = (30, 60, 90)
FASTEST_PERSON_MS: Final = 1_000
"""A form that comes back sooner than this after its page was shown was not posted by a person."""
LEAVING_TOGETHER: Final = 3
"""People who can leave by the page from one IP address in one second; the next is marked as a machine's doing."""
CONFIRMING_TOGETHER: Final = 8
"""People who can confirm so; the next is asked a second question."""
REASONS: Final = ("too_many", "not_interesting", "never_asked", "other")
"""Why people leave, as far as they are asked."""


class Circumstances(NamedTuple):
    """When and how an act reached us."""

    now: int
    """Epoch ms."""
    channel: Channel
    evidence: Evidence = Evidence()
    locale: str = ""
    """The language of the page that the person saw."""
    suspected_automation: bool = False
    source: str = ""
    """What is known of where it came from; names nobody."""
    event_id: str = ""
    """Names the event, where the same act may reach us again; else it gets a new name."""


class Form(StrEnum):
    """Forms that carry a stamp, the signed instant at which they were shown."""

    CONFIRM = "confirm"
    CONFIRM_AGAIN = "confirm-again"
    UNSUBSCRIBE = "unsubscribe"


class Wishes(NamedTuple):
    """A saved preferences form."""

    on: Collection[str]
    """The topics that are ticked."""
    shown: Collection[str]
    """The topics that the page offered: only those can be turned off by not being ticked."""
    frequencies: Mapping[str, str]
    pause_days: int | None
    """0 ends a pause, None leaves it as it is."""
    locale: str | None
    was_on: Collection[str] | None = None
    """The topics that were ticked when the page was shown, if the form tells."""


class Journeys:
    """The acts of recipients, over a store and the keys to their links."""

    def __init__(self, store: Store, tokens: Tokens, recorder: Recorder, limits: Limits) -> None:
        """`recorder` is for what must not be lost while the table is away: opt-outs and pauses."""
        self.store = store
        self.tokens = tokens
        self._recorder = recorder
        self._limits = limits

    # --- opting in ---------------------------------------------------------------------------------------------

    def subscribe(
        self,
        brand: Brand,
        subscriber_id: str,
        address: addresses.Address,
        topics: Sequence[str],
        how: Circumstances,
        *,
        reference: str = "",
        source: str = "",
        visitor_ip: str = "",
    ) -> Outcome:
        """Record that somebody asks for topics; the confirmation mail follows from the record.

        Nothing is recorded when a budget is spent: of the visitor, the form, the mailbox or its domain. Whoever calls
        must tell the visitor the same, whatever the outcome. `visitor_ip` is who asked a platform for it; it is counted
        and not kept.
        """
        if not self._admits(brand, how, visitor_ip):
            return Outcome.THROTTLED
        event = self._event(
            Kind.ASKED,
            brand,
            subscriber_id,
            how,
            Consent(
                {rules.ask(topic): how.now for topic in topics},
            ),
            topics,
            reference=reference,
            source=source,
        )
        event = event._replace(effect=event.effect | _locale(event))
        contact = Contact(
            address.deliverable,
            how.locale or brand.languages[0],
            tuple(topics),
            how.now,
            event.event_id,
            reference,
            self._limits.domain_budget(address, how.now),
        )
        return self.store.request(
            event,
            contact,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            budgets=self._limits.mail_to(brand, address, how.now),
        ).outcome

    def ask_again(self, brand: Brand, link: Link, how: Circumstances) -> bool:
        """Ask for a fresh mail in place of one that has expired; False if we no longer have the address.

        A budget that is spent makes no difference to the answer.
        """
        admitted = self._admits(brand, how)
        contact = self.store.contact(brand.id, link.subscriber_id)
        if contact is None:
            return False
        if not admitted:
            return True
        event = self._event(
            Kind.ASKED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.ask(topic): how.now for topic in link.topics}),
            link.topics,
        )
        address = addresses.parse(contact.address)
        renewed = contact._replace(
            topics=link.topics,
            asked_at=how.now,
            event_id=event.event_id,
            domain_budget=self._limits.domain_budget(address, how.now),
        )
        self.store.request(
            event,
            renewed,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            budgets=self._limits.mail_to(brand, address, how.now, anonymous=False),
        )
        return True

    def alone(self, brand: Brand, link: Link, how: Circumstances) -> bool:
        """Whether no more people confirm from this IP address in this second than a busy office might."""
        crowd = self._limits.crowd(brand.id, link.subscriber_id, how.evidence.ip, CONFIRMING_TOGETHER, how.now)
        return self._limits.has_room(crowd)

    def confirm(self, brand: Brand, link: Link, how: Circumstances) -> tuple[str, ...]:
        """Opt in to what was asked for, as of the instant of the request: an opt-out since then stands.

        Answers those of the link's topics that the person is subscribed to now; none, if they left them all since.
        """
        event = self._event(
            Kind.CONFIRMED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.opt_in(topic): link.at for topic in link.topics}),
            link.topics,
        )
        recorded = self.store.record(
            event,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            address=Address.KEEP if brand.keeps_address else Address.FORGET,
        )
        if recorded.outcome is Outcome.APPLIED:
            with suppress(StoreUnavailableError):  # it is confirmed, and one email less a day for a domain is no harm
                self._limits.confirmed(brand.id, link.subscriber_id, link.at)
        now = recorded.known | event.effect
        return tuple(topic for topic in link.topics if rules.status(now, topic) is Status.SUBSCRIBED)

    # --- opting out --------------------------------------------------------------------------------------------

    def unsubscribe(self, brand: Brand, link: Link, how: Circumstances, *, everything: bool = False) -> Link:
        """Opt out of the link's topics, or of everything. Answers the link that undoes it.

        By the page, somebody who leaves with too many others at once is marked as a machine's doing, and leaves.
        """
        left = self._left(brand, link, how, everything=everything)
        crowd = None
        if how.channel is Channel.PAGE:  # one click comes from providers' machines, which act for many
            crowd = self._limits.crowd(brand.id, link.subscriber_id, how.evidence.ip, LEAVING_TOGETHER, how.now)
        self._recorder.record(**left._asdict(), crowd=crowd)
        return Link(Purpose.UNDO, brand.id, link.subscriber_id, left.event.topics, at=how.now)

    def unsubscribe_from_everything(self, brand: Brand, link: Link, how: Circumstances) -> Consent:
        """Opt out of everything; answers consent as far as it is known, for a page that shows it."""
        left = self._left(brand, link, how, everything=True)
        try:
            known = self.store.read(brand.id, link.subscriber_id)
        except StoreUnavailableError:
            # Whoever waits has waited long enough for a table that is away.
            self._recorder.keep(left)
            return left.event.effect
        self._recorder.record(**left._asdict())
        return known | left.event.effect

    def _left(self, brand: Brand, link: Link, how: Circumstances, *, everything: bool) -> Spooled:
        topics = (EVERY_TOPIC,) if everything or not link.topics else link.topics
        event = self._event(
            Kind.UNSUBSCRIBED,
            brand,
            link.subscriber_id,
            how,
            Consent({rules.opt_out(topic): how.now for topic in topics}),
            topics,
            reference=link.reference,
        )
        forget = topics == (EVERY_TOPIC,) and not brand.keeps_address
        return Spooled(event, how.evidence, brand.evidence_days, Address.FORGET if forget else None)

    def pause(self, brand: Brand, link: Link, days: int, how: Circumstances) -> Link:
        """No mail for some days. Answers the link that undoes it."""
        event = self._event(Kind.PAUSED, brand, link.subscriber_id, how, Consent(), ())
        until = str(how.now + days * DAY_MS)
        effect = Consent({}, {rules.PAUSE: Choice(how.now, event.event_id, until)})
        self._recorder.record(event._replace(effect=effect), evidence=how.evidence, evidence_days=brand.evidence_days)
        return Link(Purpose.UNDO, brand.id, link.subscriber_id, (), at=how.now)

    def less_often(self, brand: Brand, link: Link, frequency: str, how: Circumstances) -> Link:
        """The link's topics, less often: nobody is opted out or in. Answers the link that undoes it."""
        names = tuple(rules.frequency(topic) for topic in link.topics)
        event = self._event(
            Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), link.topics, reference=link.reference
        )
        effect = Consent({}, {name: Choice(how.now, event.event_id, frequency) for name in names})
        self._recorder.record(event._replace(effect=effect), evidence=how.evidence, evidence_days=brand.evidence_days)
        return Link(Purpose.UNDO, brand.id, link.subscriber_id, names, at=how.now)

    def tell_why(self, brand: Brand, link: Link, reason: str, how: Circumstances) -> None:
        """Note why the person left, once for each opt-out: the first answer counts. It changes no consent.

        The event stands at the instant of the opt-out, under a name that follows from it.

        Raises:
            StoreUnavailableError: it isn't noted; nothing else is lost.
        """
        how = how._replace(event_id=event_id_of(Kind.REASON, brand.id, link.subscriber_id, link.at))
        event = self._event(Kind.REASON, brand, link.subscriber_id, how, Consent({}, {}), link.topics, source=reason)
        self.store.record(event._replace(occurred_at=link.at, arrived_at=max(how.now, link.at)))

    def undo(self, brand: Brand, link: Link, how: Circumstances) -> None:
        """Put consent back as it was before the opt-out, pause or frequency that the link is of.

        What it was follows from the ledger: the events before that instant, joined. Only what the person accepted
        then, and no longer does, is opted in to; nothing else is touched. A later opt-out stands. What it undoes may
        still wait in the spool; it counts as if it had been recorded, so that it finds itself undone.
        """
        history = self.store.history(brand.id, link.subscriber_id)
        before = rules.join(event.effect for event in history if event.occurred_at < link.at)
        current = rules.join(event.effect for event in history)
        current |= Consent({rules.opt_out(topic): link.at for topic in link.topics})
        event = self._event(Kind.UNDONE, brand, link.subscriber_id, how, Consent(), link.topics)
        if link.topics and all(name.startswith(_FREQUENCY) for name in link.topics):
            at = max(how.now, link.at + 1)
            effect = Consent(
                {},
                {
                    name: Choice(at, event.event_id, before.chosen(name) or "")
                    for name in link.topics
                    if name not in current.choices or current.choices[name].at <= link.at
                },
            )
            if not effect.choices:
                return
            event = event._replace(topics=tuple(name.removeprefix(_FREQUENCY) for name in effect.choices))
        elif not link.topics:
            ended = rules.pause_end(before, how.now)
            back = Choice(how.now, event.event_id, str(ended or 0))
            paused = current.choices.get(rules.PAUSE)
            if paused and paused.at >= link.at and paused.value == back.value:
                return
            effect = Consent({}, {rules.PAUSE: back})
        else:
            topics = _topics_of(brand, before) if link.topics == (EVERY_TOPIC,) else link.topics
            lost = [
                topic
                for topic in topics
                if accepts(before, topic, brand, link.at)
                and not accepts(current, topic, brand, how.now)
                and rules.opted_out_at(current, topic) <= link.at
            ]
            if not lost:
                return
            # After the opt-out that it undoes, whatever another machine's clock says; and not after a complaint or
            # bounce that came since, which it doesn't undo.
            at = max(how.now, link.at + 1)
            reported = max(current.registers.get(each, 0) for each in (rules.COMPLAINT, rules.BOUNCE))
            if reported > link.at:
                at = min(at, reported)
            effect = Consent({rules.opt_in(topic): at for topic in lost})
            event = event._replace(topics=tuple(lost))
        self.store.record(event._replace(effect=effect), evidence=how.evidence, evidence_days=brand.evidence_days)

    def glance(self, link: Link) -> Consent:
        """What we know of the link's holder, for a page that works without it: nothing while the table is away."""
        try:
            return self.store.read(link.brand, link.subscriber_id)
        except StoreUnavailableError:
            return Consent()

    # --- choosing ----------------------------------------------------------------------------------------------

    def save(self, brand: Brand, link: Link, wishes: Wishes, how: Circumstances) -> Consent:
        """Make consent what the form says; answers it. What the form leaves as it was is not written.

        While the table is away, how it was is taken from the form, which tells what was ticked when it was shown; one
        that doesn't opts nobody in. A topic that is turned off is an opt-out, and so what the form changes is spooled.
        """
        try:
            known = self.store.read(brand.id, link.subscriber_id)
        except StoreUnavailableError:
            shown = brand.topics if wishes.was_on is None else wishes.was_on
            ticked = Consent({rules.opt_in(topic): how.now for topic in brand.topics if topic in shown})
            event = self._saved(brand, link, wishes, how, ticked, sure=False)
            if event.effect != Consent({}, {}):
                self._recorder.keep(Spooled(event, how.evidence, brand.evidence_days))
            return ticked | event.effect
        event = self._saved(brand, link, wishes, how, known)
        if event.effect == Consent({}, {}):
            return known
        self._recorder.record(event, evidence=how.evidence, evidence_days=brand.evidence_days)
        return known | event.effect

    def _saved(
        self, brand: Brand, link: Link, wishes: Wishes, how: Circumstances, known: Consent, *, sure: bool = True
    ) -> Event:
        """The event of a saved form: what it changes of what is known. If that isn't sure, a pause may run unseen."""
        event = self._event(Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), (), reference=link.reference)
        registers: dict[str, int] = {}
        for topic in brand.topics:
            accepted = accepts(known, topic, brand, how.now)
            if topic in wishes.on and not accepted:
                registers[rules.opt_in(topic)] = how.now
            elif topic in wishes.shown and topic not in wishes.on and accepted:
                registers[rules.opt_out(topic)] = how.now
        values = {rules.frequency(topic): value for topic, value in wishes.frequencies.items()}
        if wishes.pause_days is not None:
            running = not sure or rules.pause_end(known, how.now) is not None
            if wishes.pause_days or running:
                until = how.now + wishes.pause_days * DAY_MS if wishes.pause_days else 0
                values[rules.PAUSE] = str(until)
        if wishes.locale:
            values[rules.LOCALE] = wishes.locale
        choices = {
            name: Choice(how.now, event.event_id, value)
            for name, value in values.items()
            if known.chosen(name) != value
        }
        topics = tuple(name.partition(".")[2] for name in registers)
        return event._replace(effect=Consent(registers, choices), topics=topics)

    # --- forms -------------------------------------------------------------------------------------------------

    def stamp(self, form: Form, link: Link, now: int) -> str:
        """A token that tells, when the form comes back, that its page was shown, and when."""
        return self.tokens.sign(Link(Purpose.STAMP, link.brand, link.subscriber_id, (form,), at=now))

    def stamped(self, form: Form, link: Link, stamp: str, now: int) -> bool:
        """Whether the form was shown to the holder of the link, long enough ago for a person to have read it."""
        try:
            shown = self.tokens.read(Purpose.STAMP, stamp, now)
        except NotOursError:
            return False
        ours = (shown.brand, shown.subscriber_id, shown.topics) == (link.brand, link.subscriber_id, (form,))
        return ours and now - shown.at >= FASTEST_PERSON_MS

    def _admits(self, brand: Brand, how: Circumstances, visitor_ip: str = "") -> bool:
        """Whether there is room for a request. Platforms hold a key; what is counted are visitors that they name."""
        if how.channel is Channel.API:
            return not visitor_ip or self._limits.admits_visitor(brand, visitor_ip, how.now)
        return self._limits.admits(brand, how.evidence.ip, how.now)

    def _event(
        self,
        kind: Kind,
        brand: Brand,
        subscriber_id: str,
        how: Circumstances,
        effect: Consent,
        topics: Sequence[str],
        *,
        reference: str = "",
        source: str = "",
    ) -> Event:
        return Event(
            event_id=how.event_id or new_event_id(),
            kind=kind,
            brand=brand.id,
            subscriber_id=subscriber_id,
            occurred_at=how.now,
            arrived_at=how.now,
            actor=Actor.PLATFORM if how.channel is Channel.API else Actor.RECIPIENT,
            channel=how.channel,
            effect=effect,
            topics=tuple(topics),
            locale=how.locale,
            notice=brand.notice,
            reference=reference,
            source=source or how.source,
            suspected_automation=how.suspected_automation,
        )


def fewer(brand: Brand, topics: Collection[str]) -> tuple[str, ...]:
    """The frequencies, other than every mail, that each of the topics can be had in; the fewest mails last."""
    choices = [brand.topics[topic].frequencies if topic in brand.topics else () for topic in topics]
    return tuple(each for each in rules.FREQUENCIES[1:] if choices and all(each in offered for offered in choices))


def slower(brand: Brand, topics: Collection[str], consent: Consent) -> tuple[str, ...]:
    """Those of `fewer` that mean fewer mails on each of the topics than the person gets now."""
    now = max((_rank(consent.chosen(rules.frequency(topic))) for topic in topics), default=0)
    return tuple(each for each in fewer(brand, topics) if _rank(each) > now)


def accepts(consent: Consent, topic: str, brand: Brand, now: int) -> bool:
    """Whether the person wants the topic: mail may flow, or would if no pause ran."""
    return rules.decide(consent, topic, brand.mode(topic), now).reason in {
        Reason.SUBSCRIBED,
        Reason.OPT_OUT_TOPIC,
        Reason.PAUSED,
    }


_FREQUENCY: Final = rules.frequency("")


def _rank(frequency: str | None) -> int:
    return rules.FREQUENCIES.index(frequency) if frequency in rules.FREQUENCIES else 0


def _locale(event: Event) -> Consent:
    """The language that the person used, as their choice."""
    if not event.locale:
        return Consent()
    return Consent({}, {rules.LOCALE: Choice(event.occurred_at, event.event_id, event.locale)})


def _topics_of(brand: Brand, consent: Consent) -> list[str]:
    """The brand's topics, and those that it no longer has but the person decided on."""
    known = [name.partition(".")[2] for name in consent.registers]
    return list(dict.fromkeys([*brand.topics, *(each for each in known if each and each != EVERY_TOPIC)]))
