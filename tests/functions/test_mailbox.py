"""The mailbox: a mail to the unsubscribe address opts out, once, and is not kept."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from consentry import mail_reading, wiring
from consentry.tokens import Link, Purpose
from support import calls, letters
from support.letters import letter, stored
from support.world import DAY, HOUR, SECOND, World

BUCKET: Final = "consentry-inbound"


class Post:
    """SES, which stores mails, S3, which tells of them, and the queue, which has the function read them."""

    def __init__(self, world: World, s3: Any) -> None:
        self._world = world
        self._s3 = s3
        s3.create_bucket(Bucket=BUCKET)

    def store(self, raw: bytes, key: str = "mail/1 of+many", at: int | None = None) -> str:
        """Store a mail; answers the body of the message that tells of it."""
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
        answer = self._world.room("mailbox").handler({"Records": records}, None)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def kept(self) -> list[str]:
        """The mails that are still there."""
        return [each["Key"] for each in self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


@pytest.fixture(scope="module")
def s3() -> Any:
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def post(world: World, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Post:
    monkeypatch.delenv("SPOOL_QUEUE_URL")  # the function has none: its own queue keeps what can't be written
    return Post(world, s3)


def token(world: World, **of: Any) -> str:
    return world.token(Purpose.UNSUBSCRIBE, **of)


# --- when something is away ------------------------------------------------------------------------------------------


def test_while_the_table_is_away_a_mail_waits_and_counts_from_when_it_came(world: World, post: Post) -> None:
    world.subscribed("news")
    told = post.store(letters.gmail(token(world)))
    with world.table_away():
        assert post.deliver(told) == ["0"]
    assert post.kept()
    world.now += 3 * HOUR
    assert post.deliver(told) == []
    assert world.status() == "unsubscribed"
    assert int(world.events()[-1]["occurred_at"]["N"]) == world.now - 3 * HOUR
    assert post.kept() == []


def test_a_mail_that_cant_be_read_now_waits(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)))
    mails = wiring.mailbox()._client
    for fault in ("SlowDown", "AccessDenied", ReadTimeoutError(endpoint_url="https://s3")):
        with calls.answering(mails, "GetObject", fault):
            assert post.deliver(told) == ["0"]
    assert post.kept()
    assert world.status() == "none"


def test_a_mail_that_cant_be_removed_comes_again_and_changes_nothing(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)))
    with calls.failing(wiring.mailbox()._client, "SlowDown"):
        assert post.deliver(told) == ["0"]
    with calls.answering(wiring.mailbox()._client, "DeleteObject", "SlowDown"):
        assert post.deliver(told) == ["0"]
    before = world.items()
    assert world.status() == "unsubscribed"
    world.now += HOUR
    assert post.deliver(told) == []
    assert world.items() == before
    assert post.kept() == []


def test_a_message_that_makes_no_sense_holds_up_no_mail(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)))
    assert post.deliver("[", told, '{"Records": [{}]}') == ["0", "2"]
    assert world.status() == "unsubscribed"


# --- opting out ------------------------------------------------------------------------------------------------------


def test_a_mail_opts_out_and_is_removed(world: World, post: Post) -> None:
    world.subscribed("news", "offers")
    raw = letters.gmail(token(world, reference="spring"))
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
    post.deliver(post.store(letters.yahoo(token(world))))
    assert world.status() == "unsubscribed"
    assert world.events()[-1]["suspected_automation"] == {"BOOL": True}


def test_a_mail_without_topics_is_an_opt_out_from_everything(world: World, post: Post) -> None:
    post.deliver(post.store(letters.gmail(token(world, topics=()))))
    assert {world.status(topic=each) for each in ("news", "offers", "product")} == {"unsubscribed"}


def test_links_of_several_topics_in_one_mail_all_count(world: World, post: Post) -> None:
    links = (f"https://links.example.com{world.leave_url((topic,))}" for topic in ("news", "offers"))
    post.deliver(post.store(letters.reply(*links)))
    assert {world.status(topic=each) for each in ("news", "offers")} == {"unsubscribed"}
    assert world.status(topic="product") == "none"


def test_a_mail_for_a_brand_or_topic_that_is_gone_still_counts(world: World, post: Post) -> None:
    for number, brand in enumerate(("demo", "gone")):
        link = Link(Purpose.UNSUBSCRIBE, brand, world.subscriber_id(brand=brand), ("retired",))
        assert post.deliver(post.store(letters.apple(wiring.tokens().sign(link)), key=str(number))) == []
        assert world.status(topic="retired", brand=brand) == "unsubscribed"


def test_a_mail_that_is_told_of_twice_is_recorded_once(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)))
    again = post.store(letters.gmail(token(world)))
    assert post.deliver(told, again, told) == []
    assert len(world.events()) == 1
    assert world.intact()


def test_the_same_mail_stored_twice_ends_in_the_same_consent(world: World, post: Post) -> None:
    raw = letters.gmail(token(world))
    later = post.store(raw, key="b", at=world.now)
    sooner = post.store(raw, key="a", at=world.now - SECOND)
    assert post.deliver(later, sooner) == []
    assert world.consent().registers == {"out.news": world.now}
    assert world.intact()


def test_a_mail_that_waited_doesnt_undo_what_the_person_chose_since(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)), at=world.now - 2 * DAY)
    world.subscribed("news")
    post.deliver(told)
    assert world.status() == "subscribed"


def test_a_clock_that_is_fast_doesnt_put_an_opt_out_into_the_future(world: World, post: Post) -> None:
    post.deliver(post.store(letters.gmail(token(world)), at=world.now + HOUR))
    assert world.consent().registers == {"out.news": world.now}


def test_a_mail_with_a_large_picture_counts(world: World, post: Post) -> None:
    head = "Content-Type: multipart/mixed; boundary=b\n"
    picture = (
        "--b\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\n"
        + "/9j/" * mail_reading.MOST
        + "\n--b--\n"
    )
    in_text = letter(head, f"--b\n\n{world.leave_url()}\n{picture}")
    in_subject = letter(head, picture, subject=token(world, topics=("offers",)))
    fetched: list[str] = []
    mails = wiring.mailbox()._client
    mails.meta.events.register(
        "before-call.s3.GetObject", lambda params, **_: fetched.append(params["headers"]["Range"])
    )
    assert post.deliver(post.store(in_text, key="1"), post.store(in_subject, key="2")) == []
    assert (world.status(), world.status(topic="offers")) == ("unsubscribed", "unsubscribed")
    assert fetched == [f"bytes=0-{mail_reading.MOST - 1}"] * 2, "no more of it than is looked at"


# --- what comes to nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write", [letters.vacation, lambda token: letters.bounce(token, f"https://x.example/u/{token}")]
)
def test_a_machines_reply_opts_nobody_out_and_is_removed(world: World, post: Post, write: Any) -> None:
    world.subscribed("news")
    assert post.deliver(post.store(write(token(world)))) == []
    assert world.status() == "subscribed"
    assert post.kept() == []


@pytest.mark.parametrize(
    "raw", [b"", b"\xff" * 100, letter(text="Please stop."), stored(letter(subject="x"), virus="FAIL")]
)
def test_a_mail_that_isnt_understood_is_removed(world: World, post: Post, raw: bytes) -> None:
    assert post.deliver(post.store(raw)) == []
    assert post.kept() == []
    assert world.items() == []


def test_a_mail_that_is_gone_is_done(world: World, post: Post) -> None:
    told = post.store(letters.gmail(token(world)))
    assert post.deliver(told) == []
    assert post.deliver(told) == []


def test_the_message_with_which_s3_tries_the_queue_is_nothing(world: World, post: Post) -> None:
    tried = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2027-01-15T08:00:00.000Z", "Bucket": BUCKET}
    assert post.deliver(json.dumps(tried)) == []


# --- telling nobody --------------------------------------------------------------------------------------------------


def test_nothing_is_ever_answered(world: World, post: Post) -> None:
    for number, raw in enumerate((letters.gmail(token(world)), letter(text="Who are you?"), letters.vacation("x"))):
        post.deliver(post.store(raw, key=str(number)))
    assert wiring._mail_client.cache_info().currsize == 0
    assert wiring._queue_client.cache_info().currsize == 0


def test_no_log_line_names_a_sender_a_subject_or_a_token(
    world: World,
    post: Post,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = token(world)
    write = (letters.gmail, letters.apple, letters.yahoo, letters.outlook, letters.vacation, letters.reply)
    told = [post.store(each(secret), key=f"mail-{number}") for number, each in enumerate(write)]
    with world.table_away():
        assert post.deliver(*told)
    with calls.answering(wiring.mailbox()._client, "GetObject", "SlowDown"):
        assert post.deliver(told[0]) == ["0"]
    assert post.deliver(*told, "ann@example.com") == ["6"]
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert {"opt-out", "reply"} <= {line.get("finding") for line in lines}
    everything = "".join([logged.getvalue(), *capfd.readouterr(), caplog.text])
    for private in (secret, secret[:30], "ann@", "Ann", "example", "Stories", "mail-1", world.subscriber_id()):
        assert private not in everything, private
