"""The mailbox: an email to the unsubscribe address opts out, once, and is not kept."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from consentry.inbound import reading
from consentry.links import unsubscribe_addresses
from consentry.links.tokens import Link, Purpose
from consentry.rules.brands import Brands
from support import calls, inbound_emails
from support.inbound_emails import message, stored
from support.world import DAY, HOUR, SECOND, World

BUCKET: Final = "consentry-inbound"


class Post:
    """SES, which stores emails, S3, which tells of them, and the queue, which has the function read them."""

    def __init__(self, world: World, s3: Any) -> None:
        self._world = world
        self._s3 = s3
        s3.create_bucket(Bucket=BUCKET)

    def store(self, raw: bytes, key: str = "mail/1 of+many", at: int | None = None) -> str:
        """Store an email; answers the body of the message that tells of it."""
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=raw)
        instant = datetime.fromtimestamp((self._world.now if at is None else at) / 1000, UTC)
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": instant.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(key, safe="/"), "size": len(raw)}},
        }
        return json.dumps({"Records": [record]})

    def deliver(self, *bodies: str) -> list[str]:
        """Have the function read messages; answers the numbers of those that come back."""
        records = [
            {
                "messageId": str(number),
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
        answer = self._world.function("mailbox").handler({"Records": records}, None)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def kept(self) -> list[str]:
        """The emails that are still there."""
        return [each["Key"] for each in self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


@pytest.fixture(scope="module")
def s3() -> Any:
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def post(world: World, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Post:
    world.deploy(spool_queue_url="")  # the function has none: its own queue keeps what can't be written
    return Post(world, s3)


def token(world: World, **of: Any) -> str:
    return world.token(Purpose.UNSUBSCRIBE, **of)


# --- when something is unavailable ------------------------------------------------------------------------------------


def test_while_the_table_is_away_a_mail_waits_and_counts_from_when_it_came(world: World, post: Post) -> None:
    world.subscribed("news")
    told = post.store(inbound_emails.gmail(token(world)))
    with world.table_unavailable():
        assert post.deliver(told) == ["0"]
    assert post.kept()
    world.now += 3 * HOUR
    assert post.deliver(told) == []
    assert world.status() == "unsubscribed"
    assert int(world.events()[-1]["occurred_at"]["N"]) == world.now - 3 * HOUR
    assert post.kept() == []


def test_a_mail_that_cant_be_read_now_waits(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)))
    mails = world.deployment.mailbox._client
    for fault in ("SlowDown", "AccessDenied", ReadTimeoutError(endpoint_url="https://s3")):
        with calls.answering(mails, "GetObject", fault):
            assert post.deliver(told) == ["0"]
    assert post.kept()
    assert world.status() == "none"


def test_a_mail_that_cant_be_removed_comes_again_and_changes_nothing(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)))
    with calls.failing(world.deployment.mailbox._client, "SlowDown"):
        assert post.deliver(told) == ["0"]
    with calls.answering(world.deployment.mailbox._client, "DeleteObject", "SlowDown"):
        assert post.deliver(told) == ["0"]
    before = world.items()
    assert world.status() == "unsubscribed"
    world.now += HOUR
    assert post.deliver(told) == []
    assert world.items() == before
    assert post.kept() == []


def test_a_message_that_makes_no_sense_holds_up_no_mail(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)))
    assert post.deliver("[", told, '{"Records": [{}]}') == ["0", "2"]
    assert world.status() == "unsubscribed"


# --- opting out ------------------------------------------------------------------------------------------------------


def test_a_mail_opts_out_and_is_removed(world: World, post: Post) -> None:
    world.subscribed("news", "offers")
    raw = inbound_emails.gmail(token(world, reference="spring"))
    assert post.deliver(post.store(raw)) == []
    assert (world.status(), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    event = world.events()[-1]
    told = {name: event[name]["S"] for name in ("kind", "actor", "channel", "topics", "reference", "source")}
    assert told == {
        "kind": "unsubscribed",
        "actor": "recipient",
        "channel": "mailto",
        "topics": "news",
        "reference": "spring",
        "source": "mailbox spf=pass dkim=pass dmarc=pass spam=pass",
    }
    assert "suspected_automation" not in event
    assert world.intact()
    assert post.kept() == []


def test_a_mail_that_a_machine_sent_is_recorded_as_such(world: World, post: Post) -> None:
    post.deliver(post.store(inbound_emails.yahoo(token(world))))
    assert world.status() == "unsubscribed"
    assert world.events()[-1]["suspected_automation"] == {"BOOL": True}


def test_a_mail_without_topics_is_an_opt_out_from_everything(world: World, post: Post) -> None:
    post.deliver(post.store(inbound_emails.gmail(token(world, topics=()))))
    assert {world.status(topic=each) for each in ("news", "offers", "product")} == {"unsubscribed"}


def test_links_of_several_topics_in_one_mail_all_count(world: World, post: Post) -> None:
    links = (f"https://links.example.com{world.leave_url((topic,))}" for topic in ("news", "offers"))
    post.deliver(post.store(inbound_emails.reply(*links)))
    assert {world.status(topic=each) for each in ("news", "offers")} == {"unsubscribed"}
    assert world.status(topic="product") == "none"


def test_a_mail_for_a_brand_or_topic_that_is_gone_still_counts(world: World, post: Post) -> None:
    for number, brand in enumerate(("demo", "gone")):
        link = Link(Purpose.UNSUBSCRIBE, brand, world.subscriber_id(brand=brand), ("retired",))
        assert post.deliver(post.store(inbound_emails.apple(world.deployment.tokens.sign(link)), key=str(number))) == []
        assert world.status(topic="retired", brand=brand) == "unsubscribed"


def test_a_mail_that_is_told_of_twice_is_recorded_once(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)))
    again = post.store(inbound_emails.gmail(token(world)))
    assert post.deliver(told, again, told) == []
    assert len(world.events()) == 1
    assert world.intact()


def test_the_same_mail_stored_twice_ends_in_the_same_consent(world: World, post: Post) -> None:
    raw = inbound_emails.gmail(token(world))
    later = post.store(raw, key="b", at=world.now)
    sooner = post.store(raw, key="a", at=world.now - SECOND)
    assert post.deliver(later, sooner) == []
    assert world.consent().registers == {"out.news": world.now}
    assert world.intact()


def test_a_mail_that_waited_doesnt_undo_what_the_person_chose_since(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)), at=world.now - 2 * DAY)
    world.subscribed("news")
    post.deliver(told)
    assert world.status() == "subscribed"


def test_a_clock_that_is_fast_doesnt_put_an_opt_out_into_the_future(world: World, post: Post) -> None:
    post.deliver(post.store(inbound_emails.gmail(token(world)), at=world.now + HOUR))
    assert world.consent().registers == {"out.news": world.now}


def test_a_mail_with_a_large_picture_counts(world: World, post: Post) -> None:
    head = "Content-Type: multipart/mixed; boundary=b\n"
    picture = (
        "--b\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\n" + "/9j/" * reading.MOST + "\n--b--\n"
    )
    in_text = message(head, f"--b\n\n{world.leave_url()}\n{picture}")
    in_subject = message(head, picture, subject=token(world, topics=("offers",)))
    with calls.asked(world.deployment.mailbox._client, "GetObject", "Range") as fetched:
        assert post.deliver(post.store(in_text, key="1"), post.store(in_subject, key="2")) == []
    assert (world.status(), world.status(topic="offers")) == ("unsubscribed", "unsubscribed")
    assert fetched == [f"bytes=0-{reading.MOST - 1}"] * 2, "no more of it than is looked at"


# --- unsubscribe addresses -------------------------------------------------------------------------------------------


def address(world: World, *topics: str, domain: str = "reply.meadow.example", brand: str = "demo") -> str:
    """The address that opts somebody out of a topic, or of everything."""
    link = Link(Purpose.UNSUBSCRIBE, brand, world.subscriber_id(brand=brand), topics)
    return f"{unsubscribe_addresses.local_part(world.deployment.tokens, link)}@{domain}"


@pytest.mark.parametrize("subject", ["unsubscribe", "", "Please keep me!", "Re: Stories from the garden"])
def test_a_mail_to_somebodys_unsubscribe_address_opts_out_whatever_it_says(
    world: World, post: Post, subject: str
) -> None:
    world.subscribed("news", "offers")
    quoted = world.leave_url(email="bob@example.com")
    to = address(world, "news").upper() if subject else f'"Stop" <{address(world, "news", domain="other.example")}>'
    assert post.deliver(post.store(message(text=f"I like it.\n> {quoted}", subject=subject, to=to))) == []
    assert (world.status(), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    assert world.status("bob@example.com") == "none"
    event = world.events()[-1]
    assert (event["kind"]["S"], event["channel"]["S"]) == ("unsubscribed", "mailto")
    assert "suspected_automation" not in event


@pytest.mark.parametrize("name", ["Cc", "Delivered-To", "X-Original-To", "Resent-To"])
def test_the_unsubscribe_address_is_found_wherever_the_recipient_stands(world: World, post: Post, name: str) -> None:
    raw = message(f"{name}: {address(world)}\n", to="somebody@example.org")
    post.deliver(post.store(raw), post.store(stored(message(to=address(world, "news"))), key="2"))
    assert {world.status(topic=each) for each in ("news", "offers")} == {"unsubscribed"}


def test_the_envelope_alone_may_name_the_unsubscribe_address(world: World, post: Post) -> None:
    raw = message(to="undisclosed-recipients:;")
    raw = f"Received: from a by b\r\n for {address(world)};\r\n Fri, 15 Jan 2027 08:00:00 +0000\r\n".encode() + raw
    post.deliver(post.store(raw))
    assert world.status() == "unsubscribed"


def test_a_machine_at_an_unsubscribe_address_opts_nobody_out_but_by_a_button(world: World, post: Post) -> None:
    to = address(world, "news")
    for number, raw in enumerate(
        (
            message("Auto-Submitted: auto-replied\n", subject="Away", to=to),
            message(subject="Automatic reply: News", to=to),
            message("From: postmaster@example.com\n", subject="News", to=to),
            message("Return-Path: <>\n", subject="News", to=to),
        )
    ):
        post.deliver(post.store(raw, key=str(number)))
    assert world.status() == "none"
    post.deliver(post.store(message("Auto-Submitted: auto-replied\n", subject="Unsubscribe", to=to)))
    assert world.status() == "unsubscribed"
    assert world.events()[-1]["suspected_automation"] == {"BOOL": True}


def test_a_quoted_unsubscribe_address_counts_in_a_mail_to_us(world: World, post: Post) -> None:
    post.deliver(post.store(inbound_emails.reply(f"mailto:{address(world, 'news')}?subject=unsubscribe")))
    assert world.status() == "unsubscribed"


def test_two_peoples_unsubscribe_addresses_opt_both_out(world: World, post: Post) -> None:
    bob = Link(Purpose.UNSUBSCRIBE, "demo", world.subscriber_id("bob@example.com"), ("news",))
    both = f"{address(world)}, {unsubscribe_addresses.local_part(world.deployment.tokens, bob)}@reply.meadow.example"
    post.deliver(post.store(message(to=both)))
    assert (world.status(), world.status("bob@example.com")) == ("unsubscribed", "unsubscribed")


def test_an_unsubscribe_address_with_another_character_is_nobodys(world: World, post: Post) -> None:
    right = address(world)
    post.deliver(post.store(message(to=right.replace(right[20], "a" if right[20] != "a" else "b", 1))))
    assert world.items() == []


# --- feedback reports ------------------------------------------------------------------------------------------------


def test_a_feedback_report_is_a_complaint_of_the_person_whose_email_it_was(world: World, post: Post) -> None:
    world.subscribed("news")
    for number, unsubscribe in enumerate((f"<{world.leave_url()}>", f"<mailto:{address(world)}?subject=unsubscribe>")):
        reported = inbound_emails.marketing(unsubscribe)
        told = post.store(inbound_emails.feedback_report(reported), key=str(number), at=world.now + number * SECOND)
        assert post.deliver(told, told) == []
        event = world.events()[-1]
        said = {name: event[name]["S"] for name in ("kind", "actor", "channel", "source")}
        assert said == {
            "kind": "complained",
            "actor": "provider",
            "channel": "feedback",
            "source": "mailbox spf=pass dkim=pass dmarc=pass spam=pass",
        }
    assert world.consent().registers["complaint"]
    assert not any(name.startswith("out") for name in world.consent().registers)
    assert world.intact()
    assert post.kept() == []


def test_a_report_that_somebody_wants_out_opts_out(world: World, post: Post) -> None:
    reported = inbound_emails.marketing(f"<https://links.example.com{world.leave_url()}>")
    post.deliver(post.store(inbound_emails.feedback_report(reported, kind="opt-out")))
    assert world.status() == "unsubscribed"
    assert world.events()[-1]["suspected_automation"] == {"BOOL": True}


@pytest.mark.parametrize("kind", ["not-spam", "virus", "auth-failure"])
def test_a_report_of_something_else_does_nothing(
    world: World, post: Post, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reported = inbound_emails.marketing(f"<{world.leave_url()}>")
    assert post.deliver(post.store(inbound_emails.feedback_report(reported, kind=kind))) == []
    assert world.items() == []
    assert "Unreadable" not in capfd.readouterr().out


@pytest.mark.parametrize(("kind", "unsubscribe"), [("abuse", "<https://x.example/u/XXXX>"), ("other", "")])
def test_a_report_of_nobody_or_of_nothing_that_can_be_told_is_counted(
    world: World, post: Post, kind: str, unsubscribe: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reported = inbound_emails.marketing(unsubscribe or f"<{world.leave_url()}>")
    assert post.deliver(post.store(inbound_emails.feedback_report(reported, kind=kind))) == []
    assert world.items() == []
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "Unreadable" in line]
    assert [(each["Unreadable"], each["provider"]) for each in lines] == [(1, "mailbox")]


# --- no token at all -------------------------------------------------------------------------------------------------


def test_somebody_who_certainly_wrote_leaves_everything_of_the_brands_of_that_address(world: World, post: Post) -> None:
    world.subscribed("news")
    told = post.store(inbound_emails.signed())
    again = post.store(inbound_emails.signed())
    assert post.deliver(told, again, told) == []
    assert len(world.events()) == 2, "it opts out once"
    assert {world.status(topic=each) for each in ("news", "offers", "product")} == {"unsubscribed"}
    assert world.consent().registers["out.*"] == world.now
    event = world.events()[-1]
    said = {name: event[name]["S"] for name in ("kind", "actor", "channel", "topics", "source")}
    assert said == {
        "kind": "unsubscribed_by_sender",
        "actor": "recipient",
        "channel": "mailto",
        "topics": "*",
        "source": "mailbox spf=pass dkim=pass dmarc=pass spam=pass",
    }
    assert "link" not in event or not event["link"]["S"]
    assert world.status(brand="other") == "none", "its mail comes in elsewhere"
    assert world.intact()
    assert post.kept() == []


def test_brands_that_share_the_domain_are_all_left(world: World, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    sharing = Brands(brand._replace(inbound_domain="Reply.Meadow.example") for brand in world.deployment.brands)
    monkeypatch.setattr(world.deployment, "brands", sharing)
    post.deliver(post.store(inbound_emails.signed()))
    assert (world.status(), world.status(brand="other")) == ("unsubscribed", "unsubscribed")


def test_somebody_whom_nobody_knows_is_opted_out_all_the_same(world: World, post: Post) -> None:
    post.deliver(post.store(inbound_emails.signed(author="Zoe <ZOE@Example.com>")))
    assert world.status("zoe@example.com") == "unsubscribed"
    assert world.items()


def test_somebody_who_may_not_have_written_is_not(world: World, post: Post) -> None:
    for number, how in enumerate(
        ({"results": "spf=pass; dkim=pass; dmarc=fail"}, {"signature": "d=example.com; h=from"}, {"spam": "FAIL"})
    ):
        assert post.deliver(post.store(inbound_emails.signed(**how), key=str(number))) == []  # type: ignore[arg-type]  # texts by name, as the table has them
    assert post.deliver(post.store(inbound_emails.signed(to="unsubscribe@nobodys.example"), key="elsewhere")) == []
    assert post.deliver(post.store(inbound_emails.signed(), key="old", at=world.now - 3 * DAY)) == []
    assert world.items() == []


def test_a_sender_who_leaves_while_the_table_is_away_waits(world: World, post: Post) -> None:
    told = post.store(inbound_emails.signed())
    with world.table_unavailable():
        assert post.deliver(told) == ["0"]
    assert post.deliver(told) == []
    assert world.status() == "unsubscribed"


# --- what comes to nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write", [inbound_emails.vacation, lambda token: inbound_emails.bounce(token, f"https://x.example/u/{token}")]
)
def test_a_machines_reply_opts_nobody_out_and_is_removed(world: World, post: Post, write: Any) -> None:
    world.subscribed("news")
    assert post.deliver(post.store(write(token(world)))) == []
    assert world.status() == "subscribed"
    assert post.kept() == []


@pytest.mark.parametrize(
    "raw", [b"", b"\xff" * 100, message(text="Please stop."), stored(message(subject="x"), virus="FAIL")]
)
def test_a_mail_that_isnt_understood_is_removed(world: World, post: Post, raw: bytes) -> None:
    assert post.deliver(post.store(raw)) == []
    assert post.kept() == []
    assert world.items() == []


def test_a_mail_that_is_gone_is_done(world: World, post: Post) -> None:
    told = post.store(inbound_emails.gmail(token(world)))
    assert post.deliver(told) == []
    assert post.deliver(told) == []


def test_the_message_with_which_s3_tries_the_queue_is_nothing(world: World, post: Post) -> None:
    tried = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2027-01-15T08:00:00.000Z", "Bucket": BUCKET}
    assert post.deliver(json.dumps(tried)) == []


# --- telling nobody --------------------------------------------------------------------------------------------------


def test_nothing_is_ever_answered(world: World, post: Post) -> None:
    for number, raw in enumerate(
        (inbound_emails.gmail(token(world)), message(text="Who are you?"), inbound_emails.vacation("x"))
    ):
        post.deliver(post.store(raw, key=str(number)))
    assert not {"mailer", "_queue_client"} & vars(world.deployment).keys(), "neither is built"


def test_no_log_line_names_a_sender_a_subject_or_a_token(
    world: World,
    post: Post,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = token(world)
    write = (
        inbound_emails.gmail,
        inbound_emails.apple,
        inbound_emails.yahoo,
        inbound_emails.outlook,
        inbound_emails.vacation,
        inbound_emails.reply,
    )
    raws = [each(secret) for each in write]
    raws += [
        inbound_emails.signed(),
        inbound_emails.feedback_report(inbound_emails.marketing(f"<{world.leave_url()}>")),
    ]
    raws += [inbound_emails.feedback_report(inbound_emails.marketing("<https://ann.example>"))]
    told = [post.store(raw, key=f"mail-{number}") for number, raw in enumerate(raws)]
    with world.table_unavailable():
        assert post.deliver(*told)
    with calls.answering(world.deployment.mailbox._client, "GetObject", "SlowDown"):
        assert post.deliver(told[0]) == ["0"]
    assert post.deliver(*told, "ann@example.com") == ["9"]
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert {"opt-out", "reply", "opt-out-of-sender", "complaint", "unattributed-report"} <= {
        line.get("finding") for line in lines
    }
    everything = "".join([logged.getvalue(), *capfd.readouterr(), caplog.text])
    for private in (secret, secret[:30], "ann@", "Ann", "example", "Stories", "mail-1", world.subscriber_id()):
        assert private not in everything, private
