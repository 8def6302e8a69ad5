"""The platforms' API as typed bodies: what may be asked and what is answered. Its OpenAPI document is made of them."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from consentry.actions.reports import ReportKind, Result
from consentry.links import tokens
from consentry.rules import addresses
from consentry.rules import consent as rules

MAX_BATCH: Final = 1_000
MAX_EVENTS: Final = 100
MAX_EVENT_ID: Final = 200
MAX_FAULTS: Final = 100
"""So many faults of a call are named."""

Email = Annotated[str, Field(max_length=1_000, examples=["ann@example.com"], json_schema_extra={"format": "email"})]


def _somebodys(text: str) -> str:
    addresses.identify(text)
    return text


AnyEmail = Annotated[
    Email,
    AfterValidator(_somebodys),
    Field(description="Also one that no parser likes. What stands around it, such as a name, is taken off."),
]
TopicId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,15}$")]
SubscriberId = Annotated[str, Field(max_length=100, examples=["K9Xdq1X4AVefMXC3P9olGg"])]


def _well_spelt(subscriber_id: str) -> str:
    if not addresses.is_subscriber_id(subscriber_id):
        raise ValueError("not a subscriber id: 22 characters of base64url")
    return subscriber_id


def _without_address(text: str) -> str:
    if addresses.may_stand_in(text):
        raise ValueError("an address (`@` or `%40`) may not stand here: use a mark of your own")
    return text


_REFERENCE: Final = {
    "max_length": tokens.MAX_REFERENCE,
    "pattern": r"^[\x20-\x7e]*$",
    "examples": ["spring-2027"],
}
Reference = Annotated[
    str,
    Field(
        **_REFERENCE,
        description="Your own, opaque: it stands in links and comes back in events. An address in it (`@` or `%40`) is "
        "refused.",
    ),
    AfterValidator(_without_address),
]
ReportedReference = Annotated[
    str,
    Field(
        **_REFERENCE,
        description="Your own, opaque: it comes back in events. One that holds an address (`@` or `%40`) is left out, "
        "and the event counts without it.",
    ),
]


def _ip_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    return text


class Model(BaseModel):
    """A body. What we don't know is refused: a misspelt field must not be passed over."""

    model_config = ConfigDict(extra="forbid")


class Subscription(Model):
    """Somebody asks for topics."""

    email: Email
    topics: Annotated[list[TopicId], Field(min_length=1, max_length=50)]
    locale: Annotated[
        str | None,
        Field(
            max_length=35,
            pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$",
            description="BCP 47; the email comes in the nearest language that the brand speaks.",
            examples=["de-AT"],
        ),
    ] = None
    reference: Reference | None = None
    source: Annotated[
        Annotated[str, Field(max_length=200), AfterValidator(_without_address)] | None,
        Field(description="Where the request came from, such as a form's name. An address in it is refused."),
    ] = None
    visitor_ip: Annotated[
        Annotated[
            str,
            Field(max_length=45, json_schema_extra={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
            AfterValidator(_ip_address),
        ]
        | None,
        Field(
            description="The IP address of whoever filled in your form. It is counted, like those of our own form's "
            "visitors, and not kept: one visitor has so many emails sent an hour, and the answer is the same. Without "
            "it your own form has to stop whoever types in other people's addresses.",
            examples=["203.0.113.7"],
        ),
    ] = None


class Accepted(BaseModel):
    """The same answer, whatever is known of the address."""

    subscriber_id: str
    status: Literal["accepted"] = "accepted"


class Recipient(Model):
    """One person of a mailing."""

    email: AnyEmail
    reference: Reference | None = None


class Mailing(Model):
    """Who gets an email on a topic."""

    topic: TopicId
    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=MAX_BATCH)]
    keep: Annotated[
        bool, Field(description="Whether each gets a link to renew what ends, too: for a campaign that asks them to.")
    ] = False


class Question(Model):
    """Whom may be mailed on a topic? Addresses or subscriber ids, not both."""

    topic: TopicId
    emails: Annotated[list[AnyEmail] | None, Field(min_length=1, max_length=MAX_BATCH)] = None
    subscriber_ids: Annotated[
        list[Annotated[SubscriberId, AfterValidator(_well_spelt)]] | None, Field(min_length=1, max_length=MAX_BATCH)
    ] = None

    @model_validator(mode="after")
    def one_kind(self) -> Question:
        """Exactly one of the two lists."""
        if (self.emails is None) == (self.subscriber_ids is None):
            raise ValueError("give either emails or subscriber_ids")
        return self


class ReportedEvent(Model):
    """One thing that you heard."""

    event_id: Annotated[str, Field(min_length=1, max_length=MAX_EVENT_ID, description="Yours; echoed.")]
    kind: ReportKind
    email: Email | None = None
    subscriber_id: SubscriberId | None = None
    topics: Annotated[
        list[Annotated[str, BeforeValidator(str)]] | None,
        Field(
            max_length=MAX_BATCH,
            description="Of an opt-out that names none: every topic. A claim must name some. Of an opt-out, names that "
            "neither the brand nor the person ever had are passed over, unless there is no other.",
        ),
    ] = None
    occurred_at: Annotated[
        AwareDatetime | None,
        Field(
            validate_default=True,
            description="RFC 3339. Later than now counts as now. A claim needs it; anything else without one that can "
            "be read counts as of its arrival.",
        ),
    ] = None
    reference: ReportedReference | None = None
    expires_at: Annotated[
        AwareDatetime | None,
        Field(
            description="Of a claim: when it ends, RFC 3339, after `occurred_at`. Then the person is `expired`, "
            "until they keep it, or it is claimed anew. A later claim without an end has none. It is passed over in "
            "anything else."
        ),
    ] = None

    @field_validator("occurred_at", "reference", "expires_at", mode="wrap")
    @classmethod
    def spoils_no_opt_out(cls, given: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """What ends email counts without instants or a reference that can be read; a claim doesn't."""
        claimed = info.data.get("kind") is ReportKind.CLAIMED
        try:
            found = validate(given)
        except ValidationError:
            if claimed:
                raise
            return None
        if claimed and info.field_name == "occurred_at" and (found is None or found.timestamp() <= 0):
            raise ValueError("a claim needs the instant at which it was made, after 1970")
        begun = info.data.get("occurred_at")
        if claimed and info.field_name == "expires_at" and found and begun and found <= begun:
            raise ValueError("a claim ends after it was made (occurred_at)")
        return found


class Events(Model):
    """What you heard. Each item is a ReportedEvent; one that isn't spoils no other."""

    events: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=MAX_EVENTS,
            json_schema_extra={
                "items": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/ReportedEvent"},
                        {"description": "Anything else is answered `invalid`, and spoils no other event."},
                    ]
                }
            },
        ),
    ]


class Reported(BaseModel):
    """What became of one event."""

    event_id: str
    result: Result
    error: Annotated[str | None, Field(description="Why it is invalid.")] = None
    note: Annotated[str | None, Field(description="What was passed over or made up for it; it counts.")] = None


class Results(BaseModel):
    """In the order of the events."""

    results: list[Reported]


class Erased(BaseModel):
    """It is done."""

    erased: Literal[True]


class Person(Model):
    """Whose consent."""

    email: AnyEmail


Note = Annotated[str | None, Field(description="Where something was taken off the address that you gave: so.")]


class Link(BaseModel):
    """What goes into one person's mail."""

    subscriber_id: str
    unsubscribe_url: str
    preferences_url: str
    keep_url: Annotated[
        str | None,
        Field(description="With `keep`: a page that asks whether they go on getting the topic. It lifts no opt-out."),
    ] = None
    headers: Annotated[
        dict[str, str],
        Field(description="Add them to the mail as they are, and have DKIM cover both (RFC 8058)."),
    ]
    note: Note = None


class Links(BaseModel):
    """In the order of the recipients."""

    links: list[Link]


ExpiresAt = Annotated[
    str | None,
    Field(description="RFC 3339, UTC: when the opt-in or claim ends, or ended. Left out where it has no end."),
]


class Decision(BaseModel):
    """May this person be mailed on the topic now?"""

    subscriber_id: str
    allowed: bool
    reason: rules.Reason
    status: rules.Status
    frequency: Annotated[str | None, Field(description="How often the person wants the topic.")] = None
    paused_until: Annotated[str | None, Field(description="RFC 3339, UTC.")] = None
    expires_at: ExpiresAt = None
    note: Note = None


class Decisions(BaseModel):
    """In the order of the question."""

    decisions: list[Decision]


class Standing(BaseModel):
    """How a person stands to one topic."""

    status: rules.Status
    allowed: bool
    reason: rules.Reason
    since: str | None
    frequency: str | None
    expires_at: ExpiresAt = None


class Subscriber(BaseModel):
    """How a person stands to every topic."""

    subscriber_id: str
    topics: dict[str, Standing]
    paused_until: str | None
    suppressed: bool
    locale: str | None
    note: Note = None


class LedgerEvent(BaseModel):
    """One thing that happened."""

    event_id: str
    kind: str
    topics: list[str]
    occurred_at: str
    arrived_at: str
    actor: str
    channel: str
    suspected_automation: bool
    evidence: dict[str, str]
    expires_at: Annotated[str | None, Field(description="Of a claim that names its end: that.")] = None


class Ledger(BaseModel):
    """Oldest first."""

    events: list[LedgerEvent]
    intact: Annotated[bool, Field(description="Nothing was changed, removed or slipped in.")]
    next: Annotated[str | None, Field(description="Pass it as `start` for the next page.")] = None


class ConsentRecords(BaseModel):
    """In the terms of ISO/IEC TS 27560."""

    schema_version: str
    intact: bool
    records: list[dict[str, Any]]


class NoticeInOneLanguage(BaseModel):
    """What people read in one language."""

    brand: Annotated[dict[str, str], Field(description="Its name, postal address, privacy notice and contact.")]
    topics: Annotated[dict[str, dict[str, Any]], Field(description="By id: name, description, mode, frequencies.")]
    form: Annotated[str, Field(description="The subscribe form. `[ ]` is a box to tick, `[ … ]` a button.")]
    mail: Annotated[dict[str, str], Field(description="The confirmation email: `subject` and `text`.")]
    page: Annotated[str, Field(description="The page that its link opens.")]
    return_mail: Annotated[dict[str, str], Field(description="The email to somebody who left, and asks again.")]
    preferences: str
    unsubscribe: str
    left: Annotated[str, Field(description="The page after they left.")]
    keep: Annotated[str | None, Field(description="The page that asks whether to go on, before a consent ends.")] = None


class Notice(BaseModel):
    """The words of a notice. What differs from one person to the next stands there by its name, as `{date}`."""

    version: str
    brand: Annotated[str, Field(description="The brand's id.")]
    languages: dict[str, NoticeInOneLanguage]


class Proof(BaseModel):
    """What proves a person's consent. Nothing in it is an address."""

    brand: dict[str, str]
    subscriber_id: str
    made_at: str
    verified: Annotated[bool, Field(description="The ledger is intact, and the words of every notice are held.")]
    checks: Annotated[dict[str, Any], Field(description="`ledger`, `notices`, and `archive`: null here.")]
    stands: Annotated[Subscriber, Field(description="How the person stands to each topic.")]
    story: Annotated[list[str], Field(description="The same in sentences.")]
    acts: Annotated[
        list[dict[str, Any]], Field(description="The events, each with a sentence, and the parts that were read.")
    ]
    mails: Annotated[list[dict[str, Any]], Field(description="Emails that went out, with SES's `message_id`.")]
    notices: Annotated[
        dict[str, dict[str, dict[str, Any]]],
        Field(description="The words that acts and emails name: by version, language and part."),
    ]
    records: Annotated[list[dict[str, Any]], Field(description="In the terms of ISO/IEC TS 27560.")]
    dpv: Annotated[dict[str, Any], Field(description="The same as JSON-LD, in the Data Privacy Vocabulary 2.3.")]


class TopicChange(BaseModel):
    """How a person stood to a topic before and after."""

    status: rules.Status
    previous: rules.Status
    expires_at: ExpiresAt = None


class Change(BaseModel):
    """What changed."""

    event_id: Annotated[str, Field(description="The same as the header `webhook-id`.")]
    brand: str
    subscriber_id: Annotated[
        SubscriberId, Field(description="As every answer of the API names the person: store it with them.")
    ]
    email: Annotated[str | None, Field(description="Only of brands that keep addresses and send them.")] = None
    reference: Annotated[str | None, Field(description="Yours, from the link or call that it follows from.")] = None
    topics: Annotated[
        dict[str, TopicChange],
        Field(
            description="By topic, where the status or the end changed; empty where only a pause, a frequency or a "
            "suppression did."
        ),
    ]
    kind: str
    channel: str
    occurred_at: AwareDatetime
    suspected_automation: bool


class ConsentChanged(BaseModel):
    """A notification (Standard Webhooks)."""

    type: Literal["consent.changed"]
    timestamp: AwareDatetime
    data: Change


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: Annotated[str, Field(examples=["recipients[3].email"])]
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: Annotated[str, Field(description="Says what kind of problem it is; its page says what to do.")]
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | None = None
