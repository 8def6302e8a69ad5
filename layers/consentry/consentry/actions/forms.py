"""The forms that pages show: which, to whom and when, so that what comes back can be believed."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from consentry.links.tokens import Link, NotOursError, Purpose
from consentry.rules.consent import Consent
from consentry.rules.ledger import event_id_of, new_event_id
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from consentry.links.tokens import Tokens
    from consentry.table.store import Store

FASTEST_PERSON_MS: Final = 1_000
"""A form that comes back sooner than this after its page was shown was not posted by a person."""


class Form(StrEnum):
    """Forms that carry a stamp, the signed instant at which they were shown."""

    CONFIRM = "confirm"
    CONFIRM_AGAIN = "confirm-again"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    KEEP = "keep"


class Forms:
    """What is shown to the holders of links, and what comes back."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        """What it is made of."""
        self._store = store
        self._tokens = tokens

    def glance(self, link: Link) -> Consent:
        """What we know of the link's holder, for a page that works without: nothing while the table is unavailable."""
        try:
            return self._store.read(link.brand, link.subscriber_id)
        except StoreUnavailableError:
            return Consent()

    def stamp(self, form: Form, link: Link, now: int) -> str:
        """A token that shows, when the form comes back, that its page was shown, and when; no two are the same."""
        topics = (form, new_event_id())
        return self._tokens.sign(Link(Purpose.STAMP, link.brand, link.subscriber_id, topics, at=now))

    def shown_at(self, form: Form, link: Link, stamp: str, now: int) -> int:
        """When the form was shown to the holder of the link, epoch ms; 0 if it wasn't, as far as can be known."""
        try:
            shown = self._tokens.read(Purpose.STAMP, stamp, now)
        except NotOursError:
            return 0
        ours = (shown.brand, shown.subscriber_id, shown.topics[:1]) == (link.brand, link.subscriber_id, (form,))
        return min(shown.at, now) if ours else 0

    def stamped(self, form: Form, link: Link, stamp: str, now: int) -> bool:
        """Whether the form was shown to the holder of the link, long enough ago for a person to have read it."""
        shown_at = self.shown_at(form, link, stamp, now)
        return bool(shown_at) and now - shown_at >= FASTEST_PERSON_MS


def form_name(stamp: str, body: bytes) -> str:
    """Names a form by when it was shown and what it says: the same bytes have the same name."""
    return event_id_of(stamp, hashlib.sha256(body).hexdigest())
