"""Replay: makes count what had to wait, in the spool or in the log, as of its own instant.

Doing it again changes nothing: an event is recorded under its own id once, and registers only grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.actions import spool
from consentry.actions.circumstances import Circumstances
from consentry.actions.forms import Form
from consentry.actions.spool import Unverified
from consentry.actions.waiting import doubling
from consentry.links.tokens import ExpiredError, NotOursError, Purpose
from consentry.rules.ledger import Channel, event_id_of
from consentry.table.store import Outcome

if TYPE_CHECKING:
    from consentry.actions.forms import Forms
    from consentry.actions.opting_out import OptOuts
    from consentry.links.tokens import Tokens
    from consentry.rules.brands import Brands
    from consentry.table.store import Store

NOT_OURS: Final = "not_ours"
"""The outcome of a token that turned out to be forged, damaged or of a purpose that opts nobody out."""


WAITS: Final = doubling(5, 300)
"""Until what could not be recorded is tried again. The queue's `maxReceiveCount` in the template gives a message up
after nearly two days of these waits. It is deleted on its fourteenth day: whoever the alarm wakes has twelve left."""


class Replay:
    """Applies what waited."""

    def __init__(self, store: Store, tokens: Tokens, brands: Brands, opt_outs: OptOuts, forms: Forms) -> None:
        """`opt_outs` go straight to the table: what can't be recorded now goes on waiting where it is."""
        self._store = store
        self._tokens = tokens
        self._brands = brands
        self._opt_outs = opt_outs
        self._forms = forms

    def apply(self, text: str) -> str:
        """Record what a message or dead letter says. Answers an `Outcome`, or `NOT_OURS`.

        Raises:
            ValueError, TypeError, KeyError: it is none of ours.
            StoreUnavailableError, SecretUnavailableError: not now.
        """
        waiting = spool.from_json(text)
        if isinstance(waiting, Unverified):
            return self._leave(waiting)
        event, evidence, evidence_days, address, form = waiting
        recorded = self._store.record(event, evidence=evidence, evidence_days=evidence_days, address=address, form=form)
        return recorded.outcome.value

    def _leave(self, waiting: Unverified) -> str:
        try:
            link = self._tokens.read(waiting.purpose, waiting.token, waiting.at, leaving=True)
        except ExpiredError as exc:
            link = exc.link  # an opt-out is never refused, however old its link
        except NotOursError:
            return NOT_OURS
        brand = self._brands.even_if_gone(link.brand)
        by_form = waiting.channel is Channel.PAGE
        refused = waiting.purpose is Purpose.CONFIRM
        person = not by_form or refused or self._forms.stamped(Form.UNSUBSCRIBE, link, waiting.stamp, waiting.at)
        how = Circumstances(
            waiting.at,
            waiting.channel,
            waiting.evidence,
            waiting.locale,
            not person,
            event_id=event_id_of("waited", waiting.token, waiting.at, waiting.topics),
            seen=False,
        )
        if waiting.pause_days:
            self._opt_outs.pause(brand, link, waiting.pause_days, how)
        elif waiting.frequency:
            self._opt_outs.less_often(brand, link, waiting.frequency, how)
        else:
            link = link._replace(topics=waiting.topics or link.topics)
            self._opt_outs.unsubscribe(brand, link, how, everything=waiting.everything)
        return Outcome.APPLIED.value
