"""Emails: the confirmation email says who asks and how to leave, whatever a brand or a person put into it."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.hooks import HierarchicalEmitter
from hypothesis import example, given
from hypothesis import strategies as st

from consentry.actions import mails
from consentry.actions.mails import Body, Links, Mail, NotSentError, UnknownFateError
from consentry.aws.email import Mailer
from consentry.links import unsubscribe_addresses
from consentry.links.keyring import Keyring
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses
from consentry.rules.brands import Brands
from consentry.table.schema import Contact
from support import people

BASE = "https://links.example.com"
CONTACT = Contact(
    address="ann@example.com", locale="en", topics=("news", "offers"), asked_at=people.NOW, event_id="event-1"
)
BODY = Body("Please confirm", "Do you?\n\nhttps://links.example.com/c/x\n", "<p>Do you?</p>\n")
BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x00", "\r\n\r\n"]
HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
}


def tokens() -> Tokens:
    return Tokens(Keyring(lambda: '{"root": "r"}'))


def compose(contact: Contact = CONTACT, body: Body = BODY, links: Links | None = None, **otherwise: Any) -> bytes:
    """The email of a brand with some fields replaced."""
    brand = people.brand(**otherwise)
    links = links or mails.confirmation_links(tokens(), brand, people.SUBSCRIBER, contact, BASE)
    return mails.compose(brand, contact, links, body)


def parsed(raw: bytes) -> EmailMessage:
    """The email, as a program of the other side reads it: without a defect."""
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
        for value in part.values():
            assert not getattr(value, "defects", ())
    return message


def header_lines(raw: bytes) -> dict[str, bytes]:
    """The raw lines above the body."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    return {line.partition(b":")[0].decode(): line for line in head.split(b"\r\n")}


# --- nothing gets in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_a_brands_name_and_a_subject_cant_add_a_header(line_break: str) -> None:
    evil = f"Meadow{line_break}Bcc: everyone@evil.example{line_break}{line_break}<p>body"
    raw = compose(body=BODY._replace(subject=evil), names={"en": evil})
    message = parsed(raw)
    assert set(message.keys()) == HEADERS
    assert message["Subject"] == "Meadow Bcc: everyone@evil.example <p>body"
    assert message["From"].addresses[0].addr_spec == "hello@meadow.example"
    assert message["To"].addresses[0].addr_spec == "ann@example.com"


@given(st.text(max_size=300), st.text(max_size=300))
@example('", <evil@evil.example>', "=?utf-8?q?=0d=0aBcc:_x@evil.example?=")
@example("=?utf-8?q?=0d=0aBcc:_x@evil.example?=", "é" * 300)
@example("علي <evil.example>", "")
def test_whatever_a_brand_is_called_the_mail_is_from_its_sender(name: str, subject: str) -> None:
    name, subject = (text.encode("utf-8", "replace").decode() for text in (name, subject))
    raw = compose(body=BODY._replace(subject=subject), names={"en": name})
    message = email.message_from_bytes(raw, policy=default)
    assert set(message.keys()) == HEADERS
    assert [each.addr_spec for each in message["From"].addresses] == ["hello@meadow.example"]
    assert [each.addr_spec for each in message["To"].addresses] == ["ann@example.com"]
    assert re.findall("<[^>]*>", message["List-Id"]) == ["<demo.meadow.example>"]
    assert raw.isascii()


@pytest.mark.parametrize("field", ["address", "event_id", "locale"])
@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\u2028"])
def test_a_line_break_where_none_can_be_stops_the_mail(field: str, line_break: str) -> None:
    """Those fields were checked on the way in; should a check fail, no mail is better than a forged one."""
    with pytest.raises(ValueError, match=r"linefeed|CR or LF|invalid"):
        compose(CONTACT._replace(**{field: f"x{line_break}Bcc: everyone@evil.example"}))


@pytest.mark.parametrize("reference", ["\r\nBcc: x@evil.example", "a\u2028b"])
def test_a_reference_cant_add_a_header(reference: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        tokens().sign(Link(Purpose.UNSUBSCRIBE, "demo", people.SUBSCRIBER, ("news",), reference))


def test_a_topic_cant_add_a_header() -> None:
    """Should an odd topic ever get into a link, it is in base64 there."""
    raw = compose(CONTACT._replace(topics=("news\r\nBcc: everyone@evil.example",)))
    assert set(parsed(raw).keys()) == HEADERS


# --- what it carries -----------------------------------------------------------------------------------------------


def test_the_mail_carries_every_header_that_providers_ask_for() -> None:
    message = parsed(compose())
    assert set(message.keys()) == HEADERS
    assert message["From"] == "Meadow & Finch <hello@meadow.example>"
    assert message["To"] == "ann@example.com"
    assert message["Reply-To"] == "people@meadow.example"
    assert message["List-Id"] == "Meadow & Finch <demo.meadow.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Content-Language"] == "en"
    assert message["Message-ID"] == "<event-1@meadow.example>"
    assert message["Date"].datetime == datetime.fromtimestamp(people.NOW / 1000, UTC)


def test_a_mail_that_is_composed_again_has_the_same_identity() -> None:
    """A second attempt must look like the first to the reader's program."""
    one, other = parsed(compose()), parsed(compose())
    assert (one["Message-ID"], one["Date"]) == (other["Message-ID"], other["Date"])


def test_the_mail_reads_as_text_and_as_html() -> None:
    body = BODY._replace(text="Grüße\n" + "x" * 2_000 + "\n", html="<p>Grüße " + "x" * 2_000 + "</p>\n")
    raw = compose(body=body)
    message = parsed(raw)
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == body.text
    assert html.get_content().replace("\r\n", "\n") == body.html
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_a_brand_without_a_reply_address_has_no_such_header() -> None:
    assert "Reply-To" not in parsed(compose(reply_to=""))


@pytest.mark.parametrize(
    "name", ["Café Größe", "مرج", "牧場", 'Finch, "Inc." & Co.', "a (b) [c] <d@e.example>", "x" * 300, "é" * 300]
)
def test_a_brands_name_is_shown_as_it_is(name: str) -> None:
    message = parsed(compose(names={"en": name}))
    assert message["From"].addresses[0].display_name == name
    assert message["From"].addresses[0].addr_spec == "hello@meadow.example"


def test_the_list_is_identified_by_one_name_in_angle_brackets() -> None:
    """RFC 2919: what a brand calls itself can't pass for the identifier."""
    message = parsed(compose(names={"en": "Evil <news.bank.example> (Inc.)"}))
    assert message["List-Id"] == "Evil news.bank.example Inc. <demo.meadow.example>"


@pytest.mark.parametrize(
    "typed",
    [
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.com",
        "o'neil+news=x@example.com",
        "ann@bücher.example",
        "a" * 64 + "@example.com",
    ],
)
def test_the_mail_goes_to_the_whole_address(typed: str) -> None:
    """Not folded, not encoded: `To: ann@=?utf-8?…` would reach nobody."""
    address = addresses.parse(typed).deliverable
    raw = compose(CONTACT._replace(address=address))
    assert header_lines(raw)["To"] == b"To: " + address.encode("ascii")
    assert parsed(raw)["To"].addresses[0].addr_spec == address


LOCAL_PARTS = st.from_regex(r"\A[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,30})?\Z")


@given(LOCAL_PARTS)
@example("=?utf-8?q?=0d=0aBcc=3a_x=40evil.example?=")
@example("=?utf-8?q?x=40evil.example=2c?=")
@example("?=")
def test_no_address_that_can_be_typed_keeps_a_mail_from_being_written_or_changes_where_it_goes(local: str) -> None:
    """Anybody may type anything into the form; what looks encoded, `email` would decode."""
    try:
        address = addresses.parse(f"{local}@example.com").deliverable
    except addresses.MalformedAddressError:
        return
    assert header_lines(compose(CONTACT._replace(address=address)))["To"] == f"To: {local}@example.com".encode()


# --- links ---------------------------------------------------------------------------------------------------------


def test_the_links_confirm_and_leave_what_was_asked_for() -> None:
    links = mails.confirmation_links(tokens(), people.brand(), people.SUBSCRIBER, CONTACT, BASE)
    assert links.confirm.startswith(f"{BASE}/c/")
    assert links.unsubscribe.startswith(f"{BASE}/u/")
    confirm = tokens().read(Purpose.CONFIRM, links.confirm.rpartition("/")[2], people.NOW)
    leave = tokens().read(Purpose.UNSUBSCRIBE, links.unsubscribe.rpartition("/")[2], people.NOW)
    assert (confirm.subscriber_id, confirm.topics, confirm.at) == (people.SUBSCRIBER, ("news", "offers"), people.NOW)
    assert (leave.subscriber_id, leave.topics) == (people.SUBSCRIBER, ("news", "offers"))
    assert links.mailto == f"mailto:unsubscribe@reply.meadow.example?subject={links.unsubscribe.rpartition('/')[2]}"


def test_who_asked_for_one_topic_leaves_it_by_an_email_to_an_address_of_their_own() -> None:
    contact = CONTACT._replace(topics=("offers",))
    links = mails.confirmation_links(tokens(), people.brand(), people.SUBSCRIBER, contact, BASE)
    assert links.mailto.endswith("@reply.meadow.example?subject=unsubscribe")
    assert left_by(links) == Link(Purpose.UNSUBSCRIBE, "demo", people.SUBSCRIBER, ("offers",), ours=True)


@pytest.mark.parametrize(
    ("topics", "left"), [((), ()), (("news",), ("news",)), (tuple(f"{n}{'t' * 15}" for n in range(9)), ())]
)
def test_who_has_chosen_before_leaves_a_topic_or_everything_by_an_address(
    topics: tuple[str, ...], left: tuple[str, ...]
) -> None:
    links = mails.choosing_links(tokens(), people.brand(), people.SUBSCRIBER, topics, BASE, people.NOW)
    assert left_by(links).topics == left


def left_by(links: mails.Links) -> Link:
    """What an email to the address in a letter's header opts out of."""
    (code,) = unsubscribe_addresses.find(links.mailto)
    return unsubscribe_addresses.read(tokens(), Brands([people.brand()]), code)


@pytest.mark.parametrize("topics", [("t" * 16,), ("t" * 16, "u" * 16)])
def test_the_way_out_is_one_line_with_both_ways(topics: tuple[str, ...]) -> None:
    """Folded inside its URL, some readers lose it; over 998 octets, SMTP does."""
    brand = people.brand(
        id="b" * 16, inbound_domain=f"{'d' * 63}.{'e' * 63}.example", sender="s@meadow.example", list_domain="x.example"
    )
    contact = CONTACT._replace(topics=topics)
    links = mails.confirmation_links(tokens(), brand, people.SUBSCRIBER, contact, f"https://{'l' * 63}.example.com")
    raw = mails.compose(brand, contact, links, BODY)
    line = header_lines(raw)["List-Unsubscribe"]
    assert line == f"List-Unsubscribe: <{links.unsubscribe}>, <{links.mailto}>".encode()
    assert len(line) <= 998


def test_a_brand_without_an_inbound_domain_offers_no_mailto() -> None:
    raw = compose(inbound_domain="")
    assert parsed(raw)["List-Unsubscribe"].count("<") == 1
    assert "mailto" not in parsed(raw)["List-Unsubscribe"]


def test_platforms_get_the_same_two_headers() -> None:
    assert mails.list_headers("https://a/u/t", "mailto:u@a?subject=t") == {
        "List-Unsubscribe": "<https://a/u/t>, <mailto:u@a?subject=t>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


# --- handing over --------------------------------------------------------------------------------------------------


class Ses:
    """SES's SendEmail: notes the call, and raises what it is told to."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.calls: list[dict[str, Any]] = []
        self.meta = SimpleNamespace(events=HierarchicalEmitter())

    def send_email(self, **call: Any) -> dict[str, str]:
        self.calls.append(call)
        if self.fault:
            raise self.fault
        return {"MessageId": f"ses-{len(self.calls)}"}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "ann@example.com"}}, "SendEmail")


@pytest.mark.parametrize(
    "code", ["TooManyRequestsException", "MessageRejected", "ThrottlingException", "AccountSuspendedException"]
)
def test_a_mail_that_ses_refused_was_surely_not_sent(code: str) -> None:
    with pytest.raises(NotSentError) as caught:
        Mailer(Ses(refusal(code)), "set").send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw")
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        refusal("InternalFailure"),
        refusal("ServiceUnavailable"),
        ClientError({}, "SendEmail"),
        ReadTimeoutError(endpoint_url="https://email"),
        ConnectTimeoutError(endpoint_url="https://email"),
    ],
)
def test_without_an_answer_that_tells_a_mail_may_have_gone_out(fault: Exception) -> None:
    with pytest.raises(UnknownFateError):
        Mailer(Ses(fault), "set").send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw")


def test_a_fault_of_our_own_is_not_taken_for_one_of_ses() -> None:
    with pytest.raises(ZeroDivisionError):
        Mailer(Ses(ZeroDivisionError()), "set").send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw")


def test_a_mail_is_handed_over_as_it_was_composed_and_tagged_for_what_ses_tells_of_it() -> None:
    ses = Ses()
    assert Mailer(ses, "set").send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw") == "ses-1"
    assert ses.calls == [
        {
            "FromEmailAddress": "hello@meadow.example",
            "Destination": {"ToAddresses": ["ann@example.com"]},
            "Content": {"Raw": {"Data": b"raw"}},
            "ConfigurationSetName": "set",
            "EmailTags": [{"Name": "brand", "Value": "demo"}, {"Name": "kind", "Value": "confirmation"}],
        }
    ]
