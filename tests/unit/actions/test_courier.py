"""The courier: each request's mail goes out once, and none is lost."""

from __future__ import annotations

import email
from email.policy import default
from typing import Any

import pytest

from consentry.actions import mails
from consentry.actions.courier import Courier, Delivery, HeldBackError
from consentry.actions.mails import Body, Letter, Mail, NotSentError, UnknownFateError
from consentry.actions.waiting import LaterError
from consentry.http.letters import Letters
from consentry.links.keyring import Keyring
from consentry.links.tokens import Tokens
from consentry.rules import consent as rules
from consentry.rules.brands import Brand, Brands
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind
from consentry.table.gateway import StoreUnavailableError
from consentry.table.outbox import MailDue
from consentry.table.schema import RETURN, Contact
from consentry.table.store import COOLDOWN_MS
from consentry.table.writing import SUPPRESSED_COOLDOWN_MS
from support import people
from support.memory import MemoryBreaker, MemoryOutbox, MemoryStore

DUE = MailDue("demo", people.SUBSCRIBER, people.NOW)
CONTACT = Contact("ann@example.com", "en", ("news",), people.NOW, "event-1")


class Post:
    """Where emails go; refuses with a fault, once for each that it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[Brand, str, bytes]] = []
        self.kinds: list[Mail] = []
        self.faults: list[Exception] = []
        self.before_answering: Any = lambda: None

    def send(self, brand: Brand, mail: Mail, recipient: str, raw: bytes) -> str:
        if self.faults:
            raise self.faults.pop()
        self.kinds.append(mail)
        self.sent.append((brand, recipient, raw))
        self.before_answering()
        return f"ses-{len(self.sent)}"


class Office:
    """A courier, its store and its post, with one email due."""

    def __init__(self, *brands: Brand) -> None:
        self.store, self.post, self.breaker = MemoryStore(), Post(), MemoryBreaker()
        self.outbox = MemoryOutbox(self.store)
        self.store.contacts[people.SUBSCRIBER] = CONTACT
        self.courier = Courier(
            self.store,  # type: ignore[arg-type]  # in memory
            self.outbox,  # type: ignore[arg-type]  # in memory
            Brands(brands),
            Plain(),
            self.post,
            self.breaker,  # type: ignore[arg-type]  # in memory
        )

    def deliver(self, due: MailDue = DUE, claimant: str = "first") -> Delivery:
        return self.courier.deliver(due, claimant, people.NOW + 5)


class Plain(Letters):
    """Emails of nothing but their links."""

    def __init__(self) -> None:
        none: Any = None
        super().__init__(Tokens(Keyring(lambda: '{"root": "r"}')), none, none, "https://links.example.com")

    def body(self, brand: Brand, letter: Letter) -> Body:
        links = letter.links
        return Body(f"{brand.id} {letter.locale}", f"{links.confirm}\n", f"<a>{links.unsubscribe}</a>\n")


@pytest.fixture
def office() -> Office:
    return Office(people.brand())


def test_a_mail_that_ses_refused_is_tried_again_soon_by_anyone(office: Office) -> None:
    office.post.faults = [NotSentError()]
    with pytest.raises(LaterError) as caught:
        office.deliver()
    assert caught.value.seconds == 60
    assert office.deliver(claimant="second") is Delivery.SENT
    assert len(office.post.sent) == 1


def test_a_mail_of_unknown_fate_is_left_alone_for_the_cooldown(office: Office) -> None:
    """Who sent it, or not, may try again; others find it claimed, and come back after it."""
    office.post.faults = [UnknownFateError()]
    with pytest.raises(LaterError) as caught:
        office.deliver()
    assert caught.value.seconds * 1000 > COOLDOWN_MS
    with pytest.raises(LaterError) as caught:
        office.deliver(claimant="second")
    assert caught.value.seconds * 1000 > COOLDOWN_MS
    assert office.post.sent == []


def test_a_mail_that_the_breaker_holds_back_is_not_claimed_and_comes_back_when_sqs_can_bring_it(office: Office) -> None:
    office.breaker.held = 300_000
    waits = set()
    for _ in range(50):
        with pytest.raises(HeldBackError) as caught:
            office.deliver()
        waits.add(caught.value.seconds)
    assert 300 < min(waits) <= max(waits) <= 900
    assert len(waits) > 5, "those that wait together come back apart"
    assert office.outbox.claims == {}
    office.breaker.held = 0
    assert office.deliver(claimant="second") is Delivery.SENT


def test_a_mail_that_nobody_waits_for_is_not_counted(office: Office) -> None:
    office.breaker.held = 300_000
    assert office.deliver(DUE._replace(brand="gone")) is Delivery.NOT_NEEDED
    assert office.deliver(DUE._replace(asked_at=people.NOW - 1)) is Delivery.NOT_NEEDED


def test_nothing_is_sent_that_could_not_be_claimed(office: Office) -> None:
    office.store.unavailable = True
    with pytest.raises(StoreUnavailableError):
        office.deliver()
    assert office.post.sent == []


def test_a_mail_that_went_out_counts_as_sent_even_if_that_cant_be_noted(office: Office) -> None:
    office.post.before_answering = lambda: setattr(office.store, "unavailable", True)
    assert office.deliver() is Delivery.SENT
    office.store.unavailable = False
    office.post.before_answering = lambda: None
    with pytest.raises(LaterError):
        office.deliver(claimant="second")
    assert len(office.post.sent) == 1


def test_a_fault_of_our_own_is_not_hidden(office: Office) -> None:
    office.post.faults = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        office.deliver()


def test_a_mail_is_sent_once_however_often_it_is_announced(office: Office) -> None:
    assert office.deliver() is Delivery.SENT
    assert office.deliver() is Delivery.NOT_NEEDED
    assert office.deliver(claimant="second") is Delivery.NOT_NEEDED
    assert len(office.post.sent) == 1


@pytest.mark.parametrize(
    "due",
    [
        DUE._replace(brand="gone"),
        DUE._replace(subscriber_id="somebody-else-entirely"),
        DUE._replace(asked_at=people.NOW - 1),
        DUE._replace(asked_at=people.NOW + 1),
    ],
    ids=["brand gone", "erased", "asked again since", "of a request that isn't the last"],
)
def test_a_mail_that_nobody_waits_for_any_more_is_not_sent(office: Office, due: MailDue) -> None:
    assert office.deliver(due) is Delivery.NOT_NEEDED
    assert office.post.sent == []
    assert office.outbox.claims == {}


def said_of_ann(office: Office, register: str, at: int) -> None:
    """SES told of Ann's mailbox."""
    office.store.record(
        Event(
            "told",
            Kind.COMPLAINED if register == rules.COMPLAINT else Kind.BOUNCED,
            "demo",
            people.SUBSCRIBER,
            at,
            at,
            Actor.PROVIDER,
            Channel.FEEDBACK,
            Consent({register: at}),
        )
    )


@pytest.mark.parametrize("register", [rules.COMPLAINT, rules.BOUNCE])
@pytest.mark.parametrize("at", [people.NOW - SUPPRESSED_COOLDOWN_MS + 1, people.NOW - 1, people.NOW, people.NOW + 1])
def test_a_mail_that_waits_does_not_go_out_once_its_address_complained_or_bounced(
    office: Office, register: str, at: int
) -> None:
    office.post.faults = [NotSentError()]
    with pytest.raises(LaterError):
        office.deliver()
    said_of_ann(office, register, at)
    assert office.deliver(claimant="second") is Delivery.NOT_NEEDED
    assert office.post.sent == []


@pytest.mark.parametrize("register", [rules.COMPLAINT, rules.BOUNCE])
def test_a_mail_goes_out_a_day_after_a_complaint_or_bounce(office: Office, register: str) -> None:
    """The request was taken, so the email is sent: both go by the same day."""
    said_of_ann(office, register, people.NOW - SUPPRESSED_COOLDOWN_MS)
    assert office.deliver() is Delivery.SENT


@pytest.mark.parametrize("register", [rules.COMPLAINT, rules.BOUNCE])
def test_the_way_back_goes_out_whatever_ended_mail_before(office: Office, register: str) -> None:
    """Whoever asks for it holds a link of the person's."""
    said_of_ann(office, register, people.NOW - 1)
    office.store.returns[people.SUBSCRIBER] = CONTACT
    assert office.deliver(DUE._replace(item=RETURN)) is Delivery.SENT
    assert office.post.kinds == [Mail.RETURN]
    assert office.deliver() is Delivery.NOT_NEEDED


def test_the_mail_goes_to_who_asked_in_their_language(office: Office) -> None:
    office.store.contacts[people.SUBSCRIBER] = CONTACT._replace(locale="de")
    assert office.deliver() is Delivery.SENT
    brand, recipient, raw = office.post.sent[0]
    assert (brand.sender, recipient) == ("hello@meadow.example", "ann@example.com")
    message = email.message_from_bytes(raw, policy=default)
    assert message["Subject"] == "demo de"
    assert message["List-Unsubscribe-Post"] == mails.ONE_CLICK
    assert "https://links.example.com/c/" in message.get_body(("plain",)).get_content()


def test_why_a_mail_was_put_off_names_nobody() -> None:
    assert str(LaterError(60)) == "to be tried again in 60 s"
    assert not any("@" in str(field) for field in DUE)
