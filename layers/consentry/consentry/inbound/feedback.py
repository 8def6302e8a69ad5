"""Feedback: what SES reports of the emails that went out through the deployment's own configuration set.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html

What an event says is read as the `sns` webhook reads it. Whose it is stands in the email that it is about: ours are
tagged with their brand; the brand of a platform's mail is the one that sends under the address in From.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions.mails import BRAND_TAG, KIND_TAG, Mail
from consentry.actions.waiting import doubling
from consentry.providers import UnreadableError, payload, sns
from consentry.providers.meanings import UnclearError, UnknownKindError
from consentry.rules.brands import Webhook

if TYPE_CHECKING:
    from consentry.actions.reports import Report
    from consentry.rules.brands import Brand, Brands

SOURCE: Final = "ses"
"""Who says it, in the ledger."""

_KINDS: Final = frozenset({"Bounce", "Complaint", "Subscription", "Reject"})
"""The events that our event destination lets through."""
_HELLO: Final = "Successfully validated SNS topic for Amazon SES"
"""How SES greets a new event destination: in plain text."""
WAITS: Final = doubling(60, 3600)
"""Until an event that couldn't be recorded is tried again: doubled, so that nothing waits longer than the table did."""


class UnintelligibleError(ValueError):
    """The event can't be understood, or not wholly; repeats nothing of it."""


class Feedback(NamedTuple):
    """One event of SES."""

    kind: str
    """`Bounce`, `Complaint`, `Subscription` or `Reject`; `other` for all that mean nothing to us."""
    brands: tuple[Brand, ...]
    """Whose mail it is about: none, if it isn't ours; several only if they share a sender."""
    about_our_mail: bool
    """It is about an email that we sent, which somebody else may have asked for."""
    event: Any
    """As SES published it."""

    @property
    def complains_of_our_mail(self) -> bool:
        """Somebody complained of an email of ours that they got: SES also reports those that it kept back."""
        complained = self.kind == "Complaint" and _counts(self.kind, self.event)
        kept_back = payload.text(self.event, "complaint", "complaintSubType") == "OnAccountSuppressionList"
        return self.about_our_mail and complained and not kept_back

    def reports(self, brand: Brand) -> list[Report]:
        """What it says of a brand's people: nothing where it means nothing for consent.

        A person whose address is missing is reported without one.

        Raises:
            UnintelligibleError: it ought to say something, and doesn't.
        """
        try:
            found = sns.reports(self.event, Webhook(_topics(brand)))
        except (UnclearError, UnknownKindError):
            found = []
        if not found and _counts(self.kind, self.event):
            raise UnintelligibleError("an event that says nothing of anybody")
        return found


def read(text: str, brands: Brands) -> Feedback:
    """The event in a message of the queue.

    Raises:
        UnintelligibleError: it is no event of SES.
    """
    if text.startswith(_HELLO):
        return Feedback("other", (), about_our_mail=False, event=None)
    try:
        event = payload.parse_object(text.encode("utf-8", "surrogatepass"))
    except UnreadableError as exc:
        raise UnintelligibleError("not a JSON object") from exc
    kind = payload.text(event, "eventType") or payload.text(event, "notificationType")
    if not kind:
        raise UnintelligibleError("an event of no kind")
    if kind not in _KINDS:
        return Feedback("other", (), about_our_mail=False, event=event)
    if not isinstance(event.get("mail"), dict):
        raise UnintelligibleError("an event about no mail")
    ours = _ours(event, brands)
    about_our_mail = bool(ours) and not {*Mail}.isdisjoint(_tags(event, KIND_TAG))
    return Feedback(kind, ours, about_our_mail, event)


def _ours(event: Any, brands: Brands) -> tuple[Brand, ...]:
    """The brand that the tag names, or else those that send under the address in From."""
    for name in _tags(event, BRAND_TAG):
        if brand := brands.get(name):
            return (brand,)
    froms = [payload.text(event, "mail", "source"), *payload.texts(event, "mail", "commonHeaders", "from")]
    senders = {sns.bare(each).casefold() for each in froms}
    return tuple(brand for brand in brands if brand.sender.casefold() in senders)


def _tags(event: Any, name: str) -> list[str]:
    return payload.texts(event, "mail", "tags", name)


def _topics(brand: Brand) -> dict[str, tuple[str, ...]]:
    """The brand's topics, by SES's contact list topics: as the `sns` webhook maps them, or by the same name."""
    if "sns" in brand.webhooks:
        return dict(brand.webhooks["sns"].topics)
    return {topic: (topic,) for topic in brand.topics}


def _counts(kind: str, event: Any) -> bool:
    """Whether an event of this kind has to say something of somebody."""
    match kind:
        case "Bounce":
            return payload.text(event, "bounce", "bounceType") not in {"Transient", "Undetermined"}
        case "Complaint":
            return payload.text(event, "complaint", "complaintFeedbackType") != "not-spam"
        case "Subscription":
            # An opt-in to topics that nobody mapped says nothing, and that is in order.
            preferences = payload.at(event, "subscription", "newTopicPreferences")
            return not isinstance(preferences, dict) or not payload.texts(event, "mail", "destination")
        case _:
            return False
