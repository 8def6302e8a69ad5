"""Ann, who does what recipients do, over a store in memory."""

from __future__ import annotations

from typing import Any, Final

from consentry.actions import spool
from consentry.actions.choosing import Saved
from consentry.actions.circumstances import Circumstances
from consentry.actions.opting_out import Undone
from consentry.actions.spool import Recorder, Spooled
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses, preferences
from consentry.rules import consent as rules
from consentry.rules.brands import Brand
from consentry.rules.consent import Consent, Reason, Status
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, new_event_id
from consentry.rules.preferences import Wishes
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Outcome
from support import people
from support.acts import Acts
from support.memory import MemoryLimits, MemoryStore

MINUTE_MS: Final = 60_000
ANN = addresses.Address("Ann@example.com", "ann@example.com")
EVIDENCE = Evidence("203.0.113.7", "Mozilla")


class Ann:
    """One subscriber, her clock, and everything that she can do."""

    def __init__(self, brand: Brand) -> None:
        self.brand = brand
        self.now = people.NOW
        self.store = MemoryStore()
        self.tokens = Tokens(Keyring(lambda: '{"root": "r"}'))
        self.spool: list[str] | None = None
        """What is spooled; None while there is no spool."""
        self.limits = MemoryLimits()
        self.actions = Acts.over(
            self.store,
            self.tokens,
            Recorder(self.store, self._spool),  # type: ignore[arg-type]
            self.limits,
        )

    def _spool(self, text: str) -> None:
        if self.spool is None:
            raise StoreUnavailableError("unavailable, too")
        self.spool.append(text)

    def drains(self) -> None:
        """What was spooled is recorded."""
        for waiting in map(spool.from_json, self.spool or ()):
            assert isinstance(waiting, Spooled)
            self.store.record(waiting.event)
        self.spool = []

    def how(self, channel: Channel = Channel.PAGE, **otherwise: Any) -> Circumstances:
        self.now += 1_000
        return Circumstances(self.now, channel, EVIDENCE, "de")._replace(**otherwise)

    def link(self, purpose: Purpose, *topics: str, at: int = 0, reference: str = "", ours: bool = False) -> Link:
        return Link(
            purpose, self.brand.id, people.SUBSCRIBER, topics, reference, at, ours or purpose is Purpose.CONFIRM
        )

    def asks(self, *topics: str, **otherwise: Any) -> Link:
        """Her request; the link of the email that follows from it."""
        how = self.how(**otherwise)
        self.outcome = self.actions.opt_ins.subscribe(self.brand, people.SUBSCRIBER, ANN, topics, how)
        return self.link(Purpose.CONFIRM, *topics, at=how.now)

    def confirms(self, link: Link) -> tuple[str, ...]:
        return self.actions.opt_ins.confirm(self.brand, link, self.how())

    def subscribes(self, *topics: str) -> None:
        assert self.confirms(self.asks(*topics)) == topics

    def leaves(
        self, *topics: str, everything: bool = False, channel: Channel = Channel.PAGE, **otherwise: Any
    ) -> Link | None:
        link = self.link(Purpose.UNSUBSCRIBE, *topics, reference="spring")
        return self.actions.opt_outs.unsubscribe(
            self.brand, link, self.how(channel, **otherwise), everything=everything
        )

    def clicks(self, *topics: str) -> None:
        """One click."""
        self.leaves(*topics, channel=Channel.ONE_CLICK)

    def pauses(self, days: int = 30) -> Link:
        return self.actions.opt_outs.pause(self.brand, self.link(Purpose.UNSUBSCRIBE, "news"), days, self.how())

    def undoes(self, link: Link | None, **otherwise: Any) -> Undone:
        assert link
        return self.actions.opt_outs.undo(self.brand, link, self.how(**otherwise))

    def opens(self) -> Wishes:
        """The preferences page: its form, as it is shown."""
        self.now += 1_000
        known = self.consent
        names = [rules.LOCALE, *map(rules.frequency, self.brand.topics)]
        on = [topic for topic in self.brand.topics if self.accepts(topic)]
        were = {name: known.chosen(name) or "" for name in names}
        return Wishes(on, tuple(self.brand.topics), {}, None, None, on, self.now, were)

    def saves(self, *on: str, page: Wishes | None = None, ours: bool = True, **otherwise: Any) -> Saved:
        """She opens the page (or has opened it before), ticks what is `on` and nothing else, and saves it.

        `ours`: by a link that we have just mailed; else by a platform's.
        """
        link = self.link(Purpose.PREFERENCES, ours=ours, at=self.now if ours else 0)
        how = {name: otherwise.pop(name) for name in ("form", "suspected_automation") if name in otherwise}
        wishes = (page or self.opens())._replace(on=on, **otherwise)
        return self.actions.choices.save(self.brand, link, wishes, self.how(Channel.PREFERENCES, **how))

    def comes_back(self, *topics: str, typed_id: str = people.SUBSCRIBER) -> None:
        """She asks, by a platform's link, for the email that brings topics back, and types an address."""
        link = self.link(Purpose.PREFERENCES)
        self.actions.opt_ins.come_back(self.brand, link, topics, ANN, typed_id, self.how(Channel.PREFERENCES))

    def is_reported(self, register: str) -> None:
        """Her mailbox provider reports a complaint or a bounce."""
        self.now += 1_000
        kind = Kind.COMPLAINED if register == rules.COMPLAINT else Kind.BOUNCED
        self.store.record(self._said(kind, Actor.PROVIDER, Channel.FEEDBACK, register))

    def is_claimed(self, topic: str) -> Outcome:
        """A platform says that she subscribed."""
        self.now += 1_000
        claimed = self._said(Kind.CLAIMED, Actor.PLATFORM, Channel.IMPORT, rules.claim(topic))
        return self.store.record(claimed).outcome

    def is_erased(self) -> None:
        """The platform has her erased."""
        self.now += 1_000
        self.store.erase(self._said(Kind.ERASED, Actor.PLATFORM, Channel.API, rules.opt_out(rules.EVERY_TOPIC)))

    def _said(self, kind: Kind, actor: Actor, channel: Channel, register: str) -> Event:
        """Somebody else's word, of this moment."""
        effect = Consent({register: self.now})
        return Event(new_event_id(), kind, self.brand.id, people.SUBSCRIBER, self.now, self.now, actor, channel, effect)

    @property
    def consent(self) -> Consent:
        return self.store.read(self.brand.id, people.SUBSCRIBER)

    @property
    def events(self) -> list[Event]:
        return self.store.events[people.SUBSCRIBER]

    def accepts(self, topic: str) -> bool:
        return preferences.accepts(self.consent, topic, self.brand, self.now)

    def status(self, topic: str) -> Status:
        return rules.status(self.consent, topic)

    def decision(self, topic: str) -> Reason:
        return rules.decide(self.consent, topic, self.brand.mode(topic), self.now).reason

    def allowed(self, topic: str) -> bool:
        return rules.decide(self.consent, topic, self.brand.mode(topic), self.now).allowed

    def allows(self) -> list[bool]:
        """Of each topic, whether its email may flow."""
        return [self.allowed(topic) for topic in self.brand.topics]
