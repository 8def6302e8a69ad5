"""What a person can do: ask, confirm, leave, pause, undo, choose. Each is one method, and one write.

A method gets what the person said and who they are by their token; it answers what the page must say. HTTP, HTML
and the clock stay outside, so that every way in (page, one-click, API) goes through here.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from consentry.actions.spool import Spooled
from consentry.links.tokens import Link, NotOursError, Purpose, Tokens
from consentry.rules import addresses, preferences
from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, EVERY_TOPIC, Choice, Consent, Status
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, event_id_of, new_event_id
from consentry.table.gateway import StoreUnavailableError
from consentry.table.schema import RETURN, Contact
from consentry.table.store import Address, Outcome, Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consentry.actions.spool import Recorder
    from consentry.rules.brands import Brand
    from consentry.rules.preferences import Wishes
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
_FREQUENCY: Final = rules.frequency("")


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
    form: str = ""
    """Names the form that said it, if we showed it: the same form does nothing again."""
    seen: bool = True
    """Whether the person acts now: an opt-out comes after all that is held by then. What waited keeps its instant."""


class Form(StrEnum):
    """Forms that carry a stamp, the signed instant at which they were shown."""

    CONFIRM = "confirm"
    CONFIRM_AGAIN = "confirm-again"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"


class Saved(NamedTuple):
    """What came of a preferences form."""

    consent: Consent
    """As it is now."""
    lifting: tuple[str, ...] = ()
    """Topics that were left, or stopped, and come back by a link that we mail alone."""
    refused: tuple[str, ...] = ()
    """Topics that aren't opted in to, since there were too many opt-ins today."""
    repeated: bool = False
    """The same form was saved before; nothing was done."""


class Undone(NamedTuple):
    """What came of an undo."""

    done: bool
    """Whether what was done is undone, now or before; for opt-outs, at least for one topic."""
    still_out: tuple[str, ...] = ()
    """The brand's topics, of those that it is about, that are left all the same."""


class RecipientActions:
    """The acts of recipients, over a store and the keys to their links."""

    def __init__(self, store: Store, tokens: Tokens, recorder: Recorder, limits: Limits) -> None:
        """`recorder` is for what must not be lost while the table is unavailable: opt-outs and pauses."""
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
        """Record that somebody asks for topics; the confirmation email follows from the record.

        Nothing is recorded when a budget is spent: of the visitor, the form, the mailbox or its domain. Whoever calls
        must answer the visitor the same, whatever the outcome. `visitor_ip` is who asked a platform for it: it is
        counted, and not kept.
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
        """Ask for a fresh email in place of one that has expired; False if we no longer have the address.

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
            link=link,
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
        burst = self._limits.burst(brand.id, link.subscriber_id, how.evidence.ip, CONFIRMING_TOGETHER, how.now)
        return self._limits.has_room(burst)

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
            link=link,
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
            sees=_sees(brand, how),
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
            known = self.store.read(brand.id, link.subscriber_id)
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
            sees=_sees(brand, how),
        )
        return known | recorded.effect

    def unsubscribe_sender(self, brand: Brand, subscriber_id: str, how: Circumstances) -> None:
        """Opt somebody out of everything who wrote that they want to leave, by no link of ours."""
        everything = Consent({rules.opt_out(EVERY_TOPIC): how.now})
        self._recorder.record(
            self._event(Kind.SENDER, brand, subscriber_id, how, everything, (EVERY_TOPIC,)),
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            address=None if brand.keeps_address else Address.FORGET,
            sees=_sees(brand, how),
        )

    def _left(self, brand: Brand, link: Link, how: Circumstances, *, everything: bool) -> Spooled:
        topics = (EVERY_TOPIC,) if everything else self._known_topics(brand, link)
        event = self._event(
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
                known |= set(map(rules.topic_of, self.store.read(brand.id, link.subscriber_id).registers))
            except StoreUnavailableError:
                known = set()  # whoever waits has waited long enough; everything is what can't be too little
        return tuple(topic for topic in link.topics if topic in known) or (EVERY_TOPIC,)

    def pause(self, brand: Brand, link: Link, days: int, how: Circumstances) -> Link:
        """No mail for some days. Answers the link that undoes it."""
        until = str(how.now + days * DAY_MS)
        event = self._event(Kind.PAUSED, brand, link.subscriber_id, how, Consent(), (), link=link)
        return self._choose(brand, link, event, {rules.PAUSE: until}, how)._replace(topics=())

    def less_often(self, brand: Brand, link: Link, frequency: str, how: Circumstances) -> Link:
        """The link's topics, less often: nobody is opted out or in. Answers the link that undoes it."""
        event = self._event(Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), link.topics, link=link)
        return self._choose(brand, link, event, {rules.frequency(topic): frequency for topic in link.topics}, how)

    def _choose(self, brand: Brand, link: Link, event: Event, values: Mapping[str, str], how: Circumstances) -> Link:
        choices = {name: Choice(how.now, event.event_id, value) for name, value in values.items()}
        recorded = self._recorder.record(
            event._replace(effect=Consent({}, choices)),
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            form=how.form,
            sees=_sees(brand, how),
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
        event = self._event(*said, link=link, source=reason)
        self.store.record(event._replace(occurred_at=link.at, arrived_at=max(how.now, link.at)))

    def undo(self, brand: Brand, link: Link, how: Circumstances) -> Undone:
        """Take back the opt-out, pause or frequency that the link is of. Answers what came of it.

        An opt-out that is taken back counts as if it had never been, and what was there before counts again as what it
        was. An opt-out by anybody else, before or since, stands. What it undoes may still wait in the spool: it finds
        itself undone. What calls itself a scanner undoes nothing, and nobody more often than a day's budget allows.
        """
        if how.suspected_automation or not self._limits.opt_ins(brand, link.subscriber_id, how.now):
            return Undone(done=False)
        event = self._event(Kind.UNDONE, brand, link.subscriber_id, how, Consent(), link.topics, link=link)
        if not link.topics or all(name.startswith(_FREQUENCY) for name in link.topics):
            return self._undo_choices(link, event, how, link.topics or (rules.PAUSE,))
        recorded = self.store.undo(
            event, link.topics, link.at, evidence=how.evidence, evidence_days=brand.evidence_days
        )
        now = recorded.known | recorded.effect
        topics = _topics_of(brand, now) if EVERY_TOPIC in link.topics else link.topics
        left = {topic for topic in topics if rules.status(now, topic) is Status.UNSUBSCRIBED}
        return Undone(not left.issuperset(topics), tuple(topic for topic in brand.topics if topic in left))

    def _undo_choices(self, link: Link, event: Event, how: Circumstances, names: Sequence[str]) -> Undone:
        history = self.store.history(link.brand, link.subscriber_id)
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
            self.store.record(event._replace(effect=Consent({}, choices), topics=topics), sees=())
        return Undone(done)

    def glance(self, link: Link) -> Consent:
        """What we know of the link's holder, for a page that works without: nothing while the table is unavailable."""
        try:
            return self.store.read(link.brand, link.subscriber_id)
        except StoreUnavailableError:
            return Consent()

    # --- choosing ----------------------------------------------------------------------------------------------

    def save(self, brand: Brand, link: Link, wishes: Wishes, how: Circumstances) -> Saved:
        """Do what the form changes of what it showed, and nothing else.

        A topic that was ticked is opted in to as of the showing, so that an opt-out since then beats it: as the
        person's own act by a link that we mailed; by a platform's link as a claim, if they never left the topic.
        What they left, or what was stopped, comes back by an email of ours alone (`come_back`).

        While the table is unavailable, how it was is taken from the form; the rest of what it changes is spooled.
        """
        try:
            known, sure = self.store.read(brand.id, link.subscriber_id), True
        except StoreUnavailableError:
            known, sure = preferences.as_shown(brand, wishes), False
        opting_in, lifting = self._wanted(brand, link, wishes, known, how)
        refused: tuple[str, ...] = ()
        if opting_in and sure and not self._may_opt_in(brand, link, how):
            opting_in, refused = {}, tuple(map(rules.topic_of, opting_in))
        left = [topic for topic in brand.topics if preferences.is_left(brand, wishes, known, topic, how.now)]
        event = self._event(Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), (), link=link)
        effect = Consent(
            {**opting_in, **{rules.opt_out(topic): how.now for topic in left}},
            {
                name: Choice(how.now, event.event_id, value)
                for name, value in preferences.changed(wishes, known, how.now, sure=sure).items()
            },
        )
        if effect == Consent({}, {}):
            return Saved(known, lifting, refused)
        event = event._replace(effect=effect, topics=tuple(map(rules.topic_of, effect.registers)))
        if not sure:
            self._recorder.keep(Spooled(event, how.evidence, brand.evidence_days, None, how.form))
            return Saved(known | effect, lifting, refused)
        recorded = self._recorder.record(
            event,
            evidence=how.evidence,
            evidence_days=brand.evidence_days,
            form=how.form,
            sees=_sees(brand, how),
        )
        now = known | recorded.known | recorded.effect
        return Saved(now, lifting, refused, recorded.outcome is Outcome.REPEATED)

    def _may_opt_in(self, brand: Brand, link: Link, how: Circumstances) -> bool:
        """Whether the day's budget of opt-ins allows one more; no, while the table is unavailable: the rest counts."""
        try:
            return self._limits.opt_ins(brand, link.subscriber_id, how.now)
        except StoreUnavailableError:
            return False

    def _wanted(
        self, brand: Brand, link: Link, wishes: Wishes, known: Consent, how: Circumstances
    ) -> tuple[dict[str, int], tuple[str, ...]]:
        """The opt-ins of a form, and the topics that an email has to bring back; none of what no person was shown."""
        if not wishes.shown_at or how.suspected_automation:
            return {}, ()
        was_on = wishes.was_on or ()
        on = [topic for topic in brand.topics if topic in wishes.on and topic not in was_on]
        wanted = [topic for topic in on if not preferences.accepts(known, topic, brand, how.now)]
        if link.lifts(how.now):
            return {rules.opt_in(topic): wishes.shown_at for topic in wanted}, ()
        lifting = tuple(each for each in wanted if rules.opted_out_at(known, each) or rules.suppressed(known))
        return {rules.claim(topic): wishes.shown_at for topic in wanted if topic not in lifting}, lifting

    def come_back(
        self,
        brand: Brand,
        link: Link,
        topics: Sequence[str],
        address: addresses.Address,
        typed_id: str,
        how: Circumstances,
    ) -> None:
        """Send the email by which a person opts in again to what they left, if the address is the link holder's.

        `typed_id` is the subscriber id of the address. Whoever calls answers the same, whosever it is; as many calls
        are made, so that nobody who holds a link finds out by trying whose it is.
        """
        if not self._limits.admits(brand, how.evidence.ip, how.now):
            return
        budgets = self._limits.mail_to(brand, address, how.now, anonymous=False)
        if not hmac.compare_digest(typed_id, link.subscriber_id):
            self._limits.take(budgets)
            return
        asked = {rules.ask(topic): how.now for topic in topics}
        event = self._event(Kind.ASKED, brand, link.subscriber_id, how, Consent(asked), topics, link=link)
        locale = how.locale or brand.languages[0]
        contact = Contact(address.deliverable, locale, tuple(topics), how.now, event.event_id)
        self.store.request(
            event, contact, to=RETURN, evidence=how.evidence, evidence_days=brand.evidence_days, budgets=budgets
        )

    # --- forms -------------------------------------------------------------------------------------------------

    def stamp(self, form: Form, link: Link, now: int) -> str:
        """A token that shows, when the form comes back, that its page was shown, and when; no two are the same."""
        topics = (form, new_event_id())
        return self.tokens.sign(Link(Purpose.STAMP, link.brand, link.subscriber_id, topics, at=now))

    def shown_at(self, form: Form, link: Link, stamp: str, now: int) -> int:
        """When the form was shown to the holder of the link, epoch ms; 0 if it wasn't, as far as can be known."""
        try:
            shown = self.tokens.read(Purpose.STAMP, stamp, now)
        except NotOursError:
            return 0
        ours = (shown.brand, shown.subscriber_id, shown.topics[:1]) == (link.brand, link.subscriber_id, (form,))
        return min(shown.at, now) if ours else 0

    def stamped(self, form: Form, link: Link, stamp: str, now: int) -> bool:
        """Whether the form was shown to the holder of the link, long enough ago for a person to have read it."""
        shown_at = self.shown_at(form, link, stamp, now)
        return bool(shown_at) and now - shown_at >= FASTEST_PERSON_MS

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
        link: Link | None = None,
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
            reference=reference or (link.reference if link else ""),
            source=source or how.source,
            suspected_automation=how.suspected_automation,
            link=("ours" if link.ours else "platform") if link else "",
        )


def form_name(stamp: str, body: bytes) -> str:
    """Names a form by when it was shown and what it says: the same bytes have the same name."""
    return event_id_of(stamp, hashlib.sha256(body).hexdigest())


def _sees(brand: Brand, how: Circumstances) -> tuple[str, ...] | None:
    """The topics that an opt-out from everything comes after, of a person who acts now."""
    return tuple(brand.topics) if how.seen else None


def _locale(event: Event) -> Consent:
    """The language that the person used, as their choice."""
    if not event.locale:
        return Consent()
    return Consent({}, {rules.LOCALE: Choice(event.occurred_at, event.event_id, event.locale)})


def _topics_of(brand: Brand, consent: Consent) -> list[str]:
    """The brand's topics, and those that it no longer has but the person decided on."""
    known = map(rules.topic_of, consent.registers)
    return list(dict.fromkeys([*brand.topics, *(each for each in known if each and each != EVERY_TOPIC)]))
