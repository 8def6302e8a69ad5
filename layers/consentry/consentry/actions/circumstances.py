"""When and how an act of a recipient reached us, and the event that it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from consentry.rules.ledger import Actor, Channel, Event, Evidence, new_event_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand
    from consentry.rules.consent import Consent
    from consentry.rules.ledger import Kind


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


def event_of(
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
    """What somebody did, as the ledger has it; `link` is the one that they held."""
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


def sees(brand: Brand, how: Circumstances) -> tuple[str, ...] | None:
    """The topics that an opt-out from everything comes after, of a person who acts now."""
    return tuple(brand.topics) if how.seen else None
