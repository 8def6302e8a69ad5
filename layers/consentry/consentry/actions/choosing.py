"""Choosing: what a saved form of preferences changes is one write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from consentry.actions.circumstances import event_of, sees
from consentry.actions.spool import Spooled
from consentry.rules import consent as rules
from consentry.rules import preferences
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from consentry.actions.circumstances import Circumstances
    from consentry.actions.spool import Recorder
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand
    from consentry.rules.preferences import Wishes
    from consentry.table.limits import Limits
    from consentry.table.store import Store


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


class Choices:
    """What recipients choose by the form of preferences."""

    def __init__(self, store: Store, recorder: Recorder, limits: Limits) -> None:
        """`recorder` is for what must not be lost while the table is unavailable."""
        self._store = store
        self._recorder = recorder
        self._limits = limits

    def save(self, brand: Brand, link: Link, wishes: Wishes, how: Circumstances) -> Saved:
        """Do what the form changes of what it showed, and nothing else.

        A topic that was ticked is opted in to as of the showing, so that an opt-out since then beats it: as the
        person's own act by a link that we mailed; by a platform's link as a claim, if they never left the topic.
        What they left, or what was stopped, comes back by an email of ours alone (`OptIns.come_back`).

        While the table is unavailable, how it was is taken from the form; the rest of what it changes is spooled.
        """
        try:
            known, sure = self._store.read(brand.id, link.subscriber_id), True
        except StoreUnavailableError:
            known, sure = preferences.as_shown(brand, wishes), False
        opting_in, lifting = self._wanted(brand, link, wishes, known, how)
        refused: tuple[str, ...] = ()
        if opting_in and sure and not self._may_opt_in(brand, link, how):
            opting_in, refused = {}, tuple(map(rules.topic_of, opting_in))
        left = [topic for topic in brand.topics if preferences.is_left(brand, wishes, known, topic, how.now)]
        event = event_of(Kind.PREFERENCES, brand, link.subscriber_id, how, Consent(), (), link=link)
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
            sees=sees(brand, how),
        )
        now = known | recorded.known | recorded.effect
        return Saved(now, lifting, refused, recorded.outcome is Outcome.REPEATED)

    def renew(self, brand: Brand, link: Link, shown_at: int, how: Circumstances) -> Consent:
        """Renew what the link is of, as of the showing of its page (epoch ms), so that an opt-out since then beats it.

        It prolongs an opt-in or claim that nobody left, ended or not, and is nothing without one. Answers what is known
        of the person then. It takes from the budget of opt-ins; whoever has spent that renewed it today.

        Raises:
            StoreUnavailableError: it isn't renewed.
        """
        if not self._limits.opt_ins(brand, link.subscriber_id, how.now):
            return self._store.read(brand.id, link.subscriber_id)
        effect = Consent({rules.kept(topic): shown_at for topic in link.topics})
        event = event_of(Kind.KEPT, brand, link.subscriber_id, how, effect, link.topics, link=link)
        recorded = self._store.record(event, evidence=how.evidence, evidence_days=brand.evidence_days)
        return recorded.known | recorded.effect

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
