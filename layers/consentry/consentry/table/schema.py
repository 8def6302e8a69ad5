"""The schema: every key of the table, and what lies under it, read and written.

    item       sk                       holds
    state      STATE                    registers, choices, the ledger's count and digest; `suspected.<topic>`: the
                                        opt-out that looked like a machine's; `erased_at`; `moved_to`, another id
    event      E#<occurred>#<event_id>  one ledger event
    evidence   V#<occurred>#<event_id>  IP address and user agent of that event; expires
    contact    CONTACT                  the address, while an email is due or may be asked for again; expires
    return     RETURN                   that an email is due to somebody who wants back what they left; expires
    link       LINK                     that an email is due to whoever asked for their link, with its address; expires
    goodbye    GOODBYE                  that an email is due to somebody who left, without the address; expires
    again      AGAIN                    opt-outs that came while another stood, and so changed nothing: `out.<topic>`
    form       F#<name>                 that a form was taken, and what came of it; expires

`pk` is `S#<brand>#<subscriber_id>` for all of them: one person, one partition, and no key that two people share.
What belongs to nobody lies under `L#<what>#<which>`, and expires: budgets, bursts, the breaker, what was claimed once,
answers under an `Idempotency-Key`, how platforms' endpoints stand, the archive's checkpoints.

Attributes are written by hand in DynamoDB's own spelling: boto3's serialiser costs more than all the rest of a click.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules import consent as rules
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind, Record, partition_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATE: Final = "STATE"
CONTACT: Final = "CONTACT"
GOODBYE: Final = "GOODBYE"
RETURN: Final = "RETURN"
LINK: Final = "LINK"
AGAIN: Final = "AGAIN"
FORM: Final = "F#"
IDENTIFYING: Final = frozenset({CONTACT, GOODBYE, RETURN, LINK})
"""Items about who somebody is, or where an email to them goes; evidence beside them."""
DAY_S: Final = 24 * 3600
EVER_S: Final = 253_402_300_799
"""The end of the year 9999, epoch seconds."""
_GOODBYE_DAYS: Final = 30
_FORM_DAYS: Final = 30
"""A browser that is opened again may send a form again; what it says is then found to be known anyway."""
SUSPECTED: Final = "suspected."
"""Before a topic: the instant of an opt-out that looked like a machine's."""
_UNDO: Final = "undo."
_CONTACT_DAYS: Final = 37
"""A link's 7 days, and 30 in which an expired one can be asked for again."""


class Contact(NamedTuple):
    """An email that is due, and where it goes."""

    address: str
    locale: str
    topics: tuple[str, ...]
    """In a goodbye, what was left; none: everything."""
    asked_at: int
    """The request that it confirms, or the opt-out that it reports, epoch ms."""
    event_id: str
    reference: str = ""
    domain_budget: str = ""
    """What `Limits.domain_budget` answered: where it counts until it is confirmed."""


class Head(NamedTuple):
    """How a subscriber's ledger stands."""

    brand: str
    subscriber_id: str
    ledger_count: int
    """How many events there are."""
    ledger_digest: int
    """The sum of their hashes."""


class Change(NamedTuple):
    """One change of a person's state, as the table's stream has it."""

    brand: str
    subscriber_id: str
    before: Consent
    after: Consent
    event: dict[str, Any]
    """What made it: `event_id`, `kind`, `channel`, `reference`, `occurred_at` (epoch ms), `suspected_automation`,
    `correlation_id`."""


def change_of(record: Mapping[str, Any]) -> Change | None:
    """The change in a stream record's `dynamodb` part; None if it is of another item, or of a deletion.

    Raises:
        KeyError, ValueError: it can't be understood.
    """
    new, old = record.get("NewImage", {}), record.get("OldImage", {})
    if record["Keys"]["sk"]["S"] != STATE or "last_event" not in new:
        return None
    last = new["last_event"]["M"]
    event: dict[str, Any] = {name: last[name]["S"] for name in ("event_id", "kind", "channel", "reference")}
    event["occurred_at"] = int(last["occurred_at"]["N"])
    event["suspected_automation"] = last["suspected_automation"]["BOOL"]
    event["correlation_id"] = text(last, "correlation_id")  # older items have none
    _, brand, subscriber_id = new["pk"]["S"].split("#", 2)
    return Change(brand, subscriber_id, consent(old), consent(new), event)


def correlation_id(record: Mapping[str, Any]) -> str:
    """The id of the request that a stream record's `dynamodb` part follows from; empty where there is none."""
    new = record.get("NewImage", {})
    return text(new.get("last_event", {}).get("M", new), "correlation_id")


def contact(item: Mapping[str, Any]) -> Contact:
    """The contact in an item."""
    return Contact(
        address=item["address"]["S"],
        locale=item["locale"]["S"],
        topics=tuple(filter(None, text(item, "topics").split(","))),
        asked_at=integer(item, "asked_at"),
        event_id=text(item, "event_id"),
        reference=text(item, "reference"),
        domain_budget=text(item, "domain_budget"),
    )


def request_update(event: Event, contact: Contact, sk: str, correlation_id: str = "") -> dict[str, Any]:
    """An update that makes the item `CONTACT` or `RETURN` that of a request, with its email due; it expires.

    What the request before it left is written over, but for the instants of the last three requests.
    """
    fields = {
        "mail": string("due"),
        "topics": string(",".join(contact.topics)),
        "asked_at": number(contact.asked_at),
        "event_id": string(contact.event_id),
        "reference": string(contact.reference),
        "correlation_id": string(correlation_id),
        "expires_at": number(event.arrived_at // 1000 + _CONTACT_DAYS * DAY_S),
    }
    if sk == CONTACT:
        fields |= {**_held(contact), "domain_budget": string(contact.domain_budget)}
    # Every right side sees the item as it was before, so the instants move on by one.
    shifted = ["asked_3 = if_not_exists(asked_2, :never)", "asked_2 = if_not_exists(asked_at, :never)"]
    sets = [*shifted, *(f"#{name} = :{name}" for name in fields if name != "expires_at")]
    sets.append("#expires_at = if_not_exists(kept_until, :expires_at)")
    return {
        "Key": key(event.partition_key, sk),
        "UpdateExpression": f"SET {', '.join(sets)} REMOVE claimed_by, claim_ends",
        "ExpressionAttributeNames": {f"#{name}": name for name in fields},
        "ExpressionAttributeValues": {":never": number(0)} | {f":{name}": value for name, value in fields.items()},
    }


def address_update(event: Event, contact: Contact) -> dict[str, Any]:
    """An update that holds the address for an email that is due by another item."""
    fields = {**_held(contact), "expires_at": number(event.arrived_at // 1000 + _CONTACT_DAYS * DAY_S)}
    sets = [f"#{name} = :{name}" for name in fields if name != "expires_at"]
    return {
        "Key": key(event.partition_key, CONTACT),
        "UpdateExpression": f"SET {', '.join(sets)}, #expires_at = if_not_exists(kept_until, :expires_at)",
        "ExpressionAttributeNames": {f"#{name}": name for name in fields},
        "ExpressionAttributeValues": {f":{name}": value for name, value in fields.items()},
    }


def _held(contact: Contact) -> dict[str, Any]:
    """The address, and the request that needs it: a later one still does when an earlier one no longer does."""
    return {
        "address": string(contact.address),
        "locale": string(contact.locale),
        "held_for": number(contact.asked_at),
    }


def link_update(brand: str, subscriber_id: str, contact: Contact, correlation_id: str) -> dict[str, Any]:
    """An update that makes an email due with somebody's own link; it expires, address and all, after a day."""
    fields = {
        "mail": string("due"),
        "topics": string(""),
        "asked_at": number(contact.asked_at),
        "event_id": string(contact.event_id),
        "reference": string(""),
        "address": string(contact.address),
        "locale": string(contact.locale),
        "correlation_id": string(correlation_id),
        "expires_at": number(contact.asked_at // 1000 + DAY_S),
    }
    return {
        "Key": key(partition_key(brand, subscriber_id), LINK),
        "UpdateExpression": f"SET {', '.join(f'#{name} = :{name}' for name in fields)} REMOVE claimed_by, claim_ends",
        "ExpressionAttributeNames": {f"#{name}": name for name in fields},
        "ExpressionAttributeValues": {f":{name}": value for name, value in fields.items()},
    }


def goodbye_update(change: Change, topics: Iterable[str]) -> dict[str, Any]:
    """An update that makes an email due which says to somebody that they left `topics`; it expires."""
    left_at = change.event["occurred_at"]
    return {
        "Key": key(partition_key(change.brand, change.subscriber_id), GOODBYE),
        "UpdateExpression": "SET mail = :due, topics = :topics, asked_at = :left, event_id = :event, #r = :none,"
        " expires_at = :end,"
        " correlation_id = :correlation_id REMOVE claimed_by, claim_ends",
        "ExpressionAttributeNames": {"#r": "reference"},
        "ExpressionAttributeValues": {
            ":due": string("due"),
            ":topics": string(",".join(topics)),
            ":left": number(left_at),
            ":event": string(change.event["event_id"]),
            ":none": string(""),
            ":correlation_id": string(change.event["correlation_id"]),
            ":end": number(left_at // 1000 + _GOODBYE_DAYS * DAY_S),
        },
    }


def head(item: Mapping[str, Any]) -> Head:
    """How the ledger stands, in a state item."""
    _, brand, subscriber_id = item["pk"]["S"].split("#", 2)
    return Head(brand, subscriber_id, integer(item, "ledger_count"), integer(item, "ledger_digest"))


def record(pk: str, items: Iterable[dict[str, Any]], now: int) -> Record:
    """Everything held on one subscriber, from the items of a partition; `now` in epoch seconds.

    Evidence whose time is over isn't held any more, even if TTL has yet to delete it.
    """
    state, count, digest, unreadable = None, 0, 0, 0
    evidences: dict[str, Evidence] = {}
    events: list[Event] = []
    for item in items:
        sk = item["sk"]["S"]
        try:
            if sk == STATE:
                state = consent(item)
                count, digest = integer(item, "ledger_count"), integer(item, "ledger_digest")
            elif sk.startswith("E#"):
                read = event(item)
                if read.sort_key == sk:
                    events.append(read)
                else:
                    unreadable += 1
            elif sk.startswith("V#") and not 0 < integer(item, "expires_at") <= now:
                evidences[sk[2:]] = Evidence(item["ip"]["S"], item["user_agent"]["S"])
        except (KeyError, ValueError, TypeError):
            # Not of our making: something else wrote it, and that is for `faults` to find.
            unreadable += 1
    return Record(pk.rpartition("#")[2], state, count, digest, tuple(events), evidences, unreadable)


def event_item(event: Event) -> dict[str, Any]:
    """The item of a ledger event."""
    item: dict[str, Any] = {
        **key(event.partition_key, event.sort_key),
        "event_id": string(event.event_id),
        "kind": string(event.kind),
        "occurred_at": number(event.occurred_at),
        "arrived_at": number(event.arrived_at),
        "actor": string(event.actor),
        "channel": string(event.channel),
        "registers": {"M": {name: number(at) for name, at in event.effect.registers.items()}},
        "topics": string(",".join(event.topics)),
    }
    if event.effect.choices:
        item["choices"] = {"M": {name: choice_value(each) for name, each in event.effect.choices.items()}}
    for name in ("locale", "notice", "reference", "source", "evidence_hash", "link"):
        if text := getattr(event, name):
            item[name] = string(text)
    if event.suspected_automation:
        item["suspected_automation"] = {"BOOL": True}
    return item


def event(item: Mapping[str, Any]) -> Event:
    """The ledger event in an item."""
    _, brand, subscriber_id = item["pk"]["S"].split("#", 2)
    return Event(
        event_id=item["event_id"]["S"],
        kind=Kind(item["kind"]["S"]),
        brand=brand,
        subscriber_id=subscriber_id,
        occurred_at=integer(item, "occurred_at"),
        arrived_at=integer(item, "arrived_at"),
        actor=Actor(item["actor"]["S"]),
        channel=Channel(item["channel"]["S"]),
        effect=Consent(
            {name: int(each["N"]) for name, each in item["registers"]["M"].items()},
            {name: choice(each) for name, each in item.get("choices", {"M": {}})["M"].items()},
        ),
        topics=tuple(item["topics"]["S"].split(",")) if item["topics"]["S"] else (),
        locale=text(item, "locale"),
        notice=text(item, "notice"),
        reference=text(item, "reference"),
        source=text(item, "source"),
        suspected_automation="suspected_automation" in item,
        evidence_hash=text(item, "evidence_hash"),
        link=text(item, "link"),
    )


def consent(item: Mapping[str, Any]) -> Consent:
    """Registers and choices of a state item; none for an empty one."""
    registers: dict[str, int] = {}
    choices: dict[str, Choice] = {}
    for name, value in item.items():
        if name.startswith(("in.", "out.", "ask.", "claim.", "kept.")) or name in {rules.COMPLAINT, rules.BOUNCE}:
            registers[name] = int(value["N"])
        elif name.startswith(("frequency.", "until.")) or name in {rules.PAUSE, rules.LOCALE}:
            choices[name] = choice(value)
        elif name.startswith(_UNDO):
            registers |= {f"{name}@{at}": int(before["N"]) for at, before in value["M"].items()}
    return Consent(registers, choices)


def attributes(effect: Consent, state: Mapping[str, Any]) -> dict[str, Any]:
    """Registers and choices, as attributes of a state item that is to hold them beside what it holds."""
    made: dict[str, Any] = {name: choice_value(each) for name, each in effect.choices.items()}
    for name, at in effect.registers.items():
        if name.startswith(_UNDO):
            together, _, undone_at = name.partition("@")
            held = made.get(together) or state.get(together) or {"M": {}}
            made[together] = {"M": {**held["M"], undone_at: number(at)}}
        else:
            made[name] = number(at)
    return made


def taken_back(topic: str) -> str:
    """The attribute of a topic's opt-outs, or of those from `EVERY_TOPIC`, that were taken back: all are in one map."""
    return f"{_UNDO}{topic}"


def is_plain(register: str) -> bool:
    """Whether a register is an attribute of its own, which an update can set without having read the item."""
    return not register.startswith(_UNDO)


class Taken(NamedTuple):
    """A form that was taken before."""

    at: int
    """The instant under which what it said was recorded, epoch ms."""
    names: tuple[str, ...]
    """The opt-outs and choices that it made."""

    @property
    def left(self) -> tuple[str, ...]:
        """The topics that it left, or `EVERY_TOPIC`."""
        return tuple(rules.topic_of(name) for name in self.names if name.startswith("out."))


def form_item(event: Event, form: str) -> dict[str, Any]:
    """The item that keeps a form from being taken twice."""
    instants = {name: at for name, at in event.effect.registers.items() if name.startswith("out.")}
    instants |= {name: choice.at for name, choice in event.effect.choices.items()}
    return {
        **key(event.partition_key, FORM + form),
        "at": number(max(instants.values(), default=event.occurred_at)),
        "names": string(",".join(instants)),
        "expires_at": number(event.arrived_at // 1000 + _FORM_DAYS * DAY_S),
    }


def taken(item: Mapping[str, Any]) -> Taken:
    """What came of the form that an item is of."""
    return Taken(integer(item, "at"), tuple(filter(None, text(item, "names").split(","))))


def evidence_item(event: Event, evidence: Evidence, days: int) -> dict[str, Any]:
    """The item of an event's evidence."""
    return {
        **key(event.partition_key, f"V#{event.evidence_key}"),
        "ip": string(evidence.ip),
        "user_agent": string(evidence.user_agent),
        "expires_at": number(event.arrived_at // 1000 + days * DAY_S),
    }


def again(item: Mapping[str, Any]) -> Consent:
    """The opt-outs that an `AGAIN` item holds."""
    return Consent({name: int(value["N"]) for name, value in item.items() if name.startswith("out.")})


def last_event(event: Event, correlation_id: str = "") -> dict[str, Any]:
    """The event that changed the state last: what the stream passes to listeners beside the old and new registers.

    `correlation_id` names the request that made it; it is no part of the ledger.
    """
    texts = {
        "event_id": event.event_id,
        "kind": event.kind,
        "channel": event.channel,
        "reference": event.reference,
        "correlation_id": correlation_id,
    }
    return {
        "M": {
            **{name: string(text) for name, text in texts.items()},
            "occurred_at": number(event.occurred_at),
            "suspected_automation": {"BOOL": event.suspected_automation},
        }
    }


def choice_value(choice: Choice) -> dict[str, Any]:
    """A choice, as an attribute."""
    return {"L": [number(choice.at), string(choice.by), string(choice.value)]}


def choice(value: Mapping[str, Any]) -> Choice:
    """The choice in an attribute."""
    at, by, chosen = value["L"]
    return Choice(int(at["N"]), by["S"], chosen["S"])


def key(pk: str, sk: str) -> dict[str, Any]:
    """A primary key."""
    return {"pk": string(pk), "sk": string(sk)}


def string(text: str) -> dict[str, str]:
    """A string attribute."""
    return {"S": text}


def number(number: int) -> dict[str, str]:
    """A number attribute."""
    return {"N": str(number)}


def integer(item: Mapping[str, Any], name: str) -> int:
    """An attribute's number; 0 where there is none."""
    return int(item[name]["N"]) if name in item else 0


def text(item: Mapping[str, Any], name: str) -> str:
    """An attribute's string; empty where there is none."""
    return str(item[name]["S"]) if name in item else ""
