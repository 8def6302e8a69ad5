"""Leaving: by one click in whatever shape a mail provider sends it, by the page, and back by undo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consentry.actions import recipients
from consentry.links.tokens import Purpose
from consentry.table import limits
from support import calls, events
from support.page import Form, Page
from support.world import DAY, HOUR, SECOND, Answer, World

ONE_CLICK: Final = "List-Unsubscribe=One-Click"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = (
    '--b0undary\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b0undary--\r\n'
)

SHAPES: Final[dict[str, dict[str, Any]]] = {
    "urlencoded": {"body": ONE_CLICK, "headers": {"content-type": FORM}},
    "urlencoded, in base64": {"body": ONE_CLICK, "headers": {"content-type": FORM}, "as_base64": True},
    "multipart": {"body": MULTIPART, "headers": {"content-type": "multipart/form-data; boundary=b0undary"}},
    "multipart, in base64": {
        "body": MULTIPART,
        "headers": {"content-type": 'multipart/form-data; boundary="b0undary"'},
        "as_base64": True,
    },
    "multipart of another boundary": {
        "body": MULTIPART,
        "headers": {"content-type": "multipart/form-data; boundary=x"},
    },
    "multipart without a boundary": {"body": MULTIPART, "headers": {"content-type": "multipart/form-data"}},
    "multipart that was cut off": {
        "body": MULTIPART[:50],
        "headers": {"content-type": "multipart/form-data; boundary=b0undary"},
    },
    "multipart, nested a thousand times": {
        "body": "".join(f"--b{at}\r\nContent-Type: multipart/mixed; boundary=b{at + 1}\r\n\r\n" for at in range(1_000)),
        "headers": {"content-type": "multipart/mixed; boundary=b0"},
    },
    "nothing": {},
    "nothing, said to be a form": {"body": "", "headers": {"content-type": FORM}},
    "no content type": {"body": ONE_CLICK},
    "a wrong content type": {"body": ONE_CLICK, "headers": {"content-type": "text/plain"}},
    "an unreadable content type": {"body": ONE_CLICK, "headers": {"content-type": ";;=\x01multipart/"}},
    "a form said to be multipart": {"body": ONE_CLICK, "headers": {"content-type": "multipart/form-data; boundary=x"}},
    "with fields besides": {"body": f"{ONE_CLICK}&a=1&a=2&reason=none&scope=", "headers": {"content-type": FORM}},
    "in other letters": {"body": "list-unsubscribe=one-click", "headers": {"content-type": FORM}},
    "JSON": {"body": '{"List-Unsubscribe": "One-Click"}', "headers": {"content-type": "application/json"}},
    "junk": {"body": bytes(range(256)), "as_base64": True},
    "junk in form's clothes": {"body": b"\xff=\xfe&%&%zz&=", "headers": {"content-type": FORM}, "as_base64": True},
    "more than any other page takes": {"body": ONE_CLICK + "&" + "x" * 200_000, "headers": {"content-type": FORM}},
    "more than any other page takes, in base64": {
        "body": "x" * 200_000,
        "headers": {"content-type": "application/octet-stream"},
        "as_base64": True,
    },
    "more fields than are looked at": {"body": "&".join(["a=b"] * 9_000), "headers": {"content-type": FORM}},
    "an unknown scope": {"body": "scope=nonsense", "headers": {"content-type": FORM}},
    "a frequency that says it is one click": {
        "body": f"{ONE_CLICK}&scope=frequency&frequency=weekly",
        "headers": {"content-type": FORM},
    },
    "everything, said to be one click": {"body": f"scope=all&{ONE_CLICK}", "headers": {"content-type": FORM}},
    "a pause, said to be one click": {
        "body": "scope=pause&days=30&LIST-UNSUBSCRIBE=",
        "headers": {"content-type": FORM},
    },
    "a pause without its days": {"body": "scope=pause", "headers": {"content-type": FORM}},
    "a pause of a length that isn't offered": {"body": "scope=pause&days=31", "headers": {"content-type": FORM}},
}


def assert_left_by_one_click(world: World, answer: Answer) -> None:
    """The answer and the record of a one-click opt-out from `news`."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body == "You are unsubscribed.\n"
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert world.status() == "unsubscribed"


# --- one click --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_one_click_opts_out_in_whatever_shape_it_comes(world: World, shape: str) -> None:
    world.subscribed("news", "offers")
    answer = world.post(world.leave_url(), **SHAPES[shape])
    assert_left_by_one_click(world, answer)
    assert world.status(topic="offers") == "subscribed"
    assert world.events()[-1]["channel"] == {"S": "one-click"}


def test_a_body_that_is_not_the_base64_it_is_said_to_be_opts_out(world: World) -> None:
    event = events.http("POST", world.leave_url(), body="x", headers={"content-type": FORM})
    for broken in ("A", "é", "====", "List-Unsubscribe=One-Click", "\ud800"):
        answer = Answer(world.function("oneclick").handler({**event, "body": broken, "isBase64Encoded": True}, None))
        assert_left_by_one_click(world, answer)


def test_a_request_without_headers_or_body_opts_out(world: World) -> None:
    event = events.http("POST", world.leave_url())
    for missing in ("headers", "body", "queryStringParameters", "rawQueryString"):
        event.pop(missing, None)
    assert_left_by_one_click(world, Answer(world.function("oneclick").handler(event, None)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content_type=st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [
                FORM,
                "multipart/form-data; boundary=b",
                'multipart/form-data; boundary=""',
                "multipart/mixed; boundary=b; charset=x",
            ]
        ),
    ),
    body=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    b"--b",
                    b"--b--",
                    b"\r\n",
                    b"\n",
                    b"\r\n\r\n",
                    b"Content-Disposition: form-data; name=scope",
                    b"Content-Disposition: form-data; name*=utf-8''scope",
                    b"Content-Type: multipart/mixed; boundary=b",
                    b"Content-Transfer-Encoding: base64",
                    b"=?utf-8?q?x?=",
                    b";",
                    b'"',
                    b"\xff",
                    b"Subject: x",
                ]
            ),
            max_size=20,
        ).map(b"".join),
    ),
)
def test_nothing_that_is_posted_can_keep_a_person_from_leaving(world: World, content_type: str, body: bytes) -> None:
    email = "bob@example.com"
    world.now += SECOND
    world.happened({"in.news": world.now}, email=email)
    answer = world.post(world.leave_url(email=email), body=body, headers={"content-type": content_type}, as_base64=True)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert world.status(email) == "unsubscribed"


def test_one_click_is_one_call_to_aws(world: World) -> None:
    world.get("/healthz")
    url = world.leave_url()
    with calls.counted(world.table_client) as seen, calls.counted(world.secrets) as secrets:
        world.post(url, body=ONE_CLICK)
    assert seen == ["TransactWriteItems"]
    assert secrets == []


def test_one_click_of_somebody_we_never_heard_of_counts(world: World) -> None:
    assert_left_by_one_click(world, world.post(world.leave_url(), body=ONE_CLICK))
    assert world.intact()


def test_a_second_click_still_says_done_and_writes_nothing(world: World) -> None:
    url, left_at = world.leave_url(), world.now
    for _ in range(3):
        assert_left_by_one_click(world, world.post(url, body=ONE_CLICK))
        assert world.consent().registers == {"out.news": left_at}, "since then, and no later"
        world.now += DAY
    world.now -= DAY
    assert_left_by_one_click(world, world.post(url, body=ONE_CLICK))
    assert len(world.events()) == 1
    assert world.intact()


def test_a_click_after_coming_back_counts_again(world: World) -> None:
    url = world.leave_url()
    for times in (1, 2, 3):
        world.happened({"in.news": world.now})
        assert_left_by_one_click(world, world.post(url, body=ONE_CLICK))
        assert [event["kind"]["S"] for event in world.events()].count("unsubscribed") == times
        world.now += SECOND


@pytest.mark.parametrize("minutes", [1, 5])
def test_a_click_counts_though_the_clock_that_opted_in_was_ahead(world: World, minutes: int) -> None:
    world.happened({"in.news": world.now + minutes * 60 * SECOND}, at=world.now)
    assert_left_by_one_click(world, world.post(world.leave_url(), body=ONE_CLICK))
    world.now += 2 * minutes * 60 * SECOND
    assert world.status() == "unsubscribed"
    assert world.intact()


def test_one_click_leaves_whatever_the_link_is_of(world: World) -> None:
    world.subscribed("news", "offers")
    world.now += SECOND
    world.post(world.leave_url(("offers", "product")), body=ONE_CLICK)
    assert [world.decision(topic) for topic in ("news", "offers", "product")] == [
        "subscribed",
        "unsubscribed",
        "unsubscribed",
    ]
    world.now += SECOND
    world.post(world.leave_url(()), body=ONE_CLICK)
    assert world.decision("news") == "unsubscribed"
    assert world.events()[-1]["topics"] == {"S": "*"}


def test_a_link_as_old_as_can_be_still_works(world: World) -> None:
    url = world.leave_url()
    world.now += 10 * 365 * DAY
    assert_left_by_one_click(world, world.post(url, body=ONE_CLICK))


@pytest.mark.parametrize("brand", ["demo", "gone"])
def test_a_link_of_a_topic_or_brand_that_is_gone_still_works(world: World, brand: str) -> None:
    url = world.leave_url(("retired",), brand=brand)
    assert "retired" in world.get(url).page.text
    assert world.post(url, body=ONE_CLICK).status == 200
    assert world.status(topic="retired", brand=brand) == "unsubscribed"
    assert world.post(url, {"scope": "all"}).status == 200


def test_a_link_signed_with_an_older_key_still_works(world: World) -> None:
    import json

    url = world.leave_url()
    document = json.loads(world.secrets.get_secret_value(SecretId="keyring", VersionStage="AWSCURRENT")["SecretString"])
    document["brands"]["demo"] = {"generations": ["1", "2"]}
    world.secrets.update_secret(SecretId="keyring", SecretString=json.dumps(document))
    world.deploy()
    assert world.leave_url() != url
    assert_left_by_one_click(world, world.post(url, body=ONE_CLICK))


def test_the_platforms_reference_is_in_the_record(world: World) -> None:
    world.post(world.leave_url(reference="spring-2027"), body=ONE_CLICK)
    assert world.events()[0]["reference"] == {"S": "spring-2027"}


def test_one_click_keeps_no_evidence_of_the_providers_machine(world: World) -> None:
    world.post(world.leave_url(), body=ONE_CLICK)
    assert [item["sk"]["S"][:2] for item in world.items()] == ["E#", "ST"]


def test_one_click_loads_no_page_rendering() -> None:
    """In an interpreter of its own: what it imports is what a cold start pays for."""
    program = (
        "import sys; sys.path.insert(0, 'functions/oneclick'); sys.dont_write_bytecode = True\n"
        "import handler\n"
        "print(sorted(each for each in sys.modules if each.partition('.')[0] in"
        " {'jinja2', 'markupsafe', 'boto3', 'pydantic', 'email_validator', 'aws_lambda_powertools'}"
        " or each in {'consentry.actions.mails', 'consentry.inbound', 'consentry.links.unsubscribe_addresses'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout.strip() == "[]"


# --- the page ---------------------------------------------------------------------------------------------------------


def send(world: World, url: str, wait: int = 5 * SECOND, **choice: str) -> Answer:
    """Open the page and, after a while, press one of its buttons."""
    form = world.get(url).page.form(scope=choice.pop("scope"))
    world.now += wait
    answer = world.post(url, dict(form.fields) | choice)
    world.now += SECOND
    return answer


def test_the_page_offers_the_topic_everything_a_pause_fewer_mails_and_the_preferences(world: World) -> None:
    page = world.get(world.leave_url()).page
    assert [dict(form.fields)["scope"] for form in page.forms] == ["topic", "all", "pause", "frequency"]
    assert "Newsletter" in page.forms[0].button
    (choose,) = [link for link in page.links if link.startswith("/p/")]
    assert world.get(choose).status == 200


def test_the_page_looks_the_same_for_known_and_unknown_people(world: World) -> None:
    world.subscribed("news", email="bob@example.com")
    unknown, known = (
        world.get(world.leave_url(email=email)).page.text for email in ("ann@example.com", "bob@example.com")
    )
    assert unknown == known


def scopes(page: Page) -> list[str]:
    """What the page's buttons do."""
    return [dict(form.fields)["scope"] for form in page.forms]


def test_who_is_out_is_shown_since_when_what_is_still_on_and_the_way_back(world: World) -> None:
    world.subscribed("offers")
    url = world.leave_url()
    world.post(url, body=ONE_CLICK)
    page = world.get(url).page
    assert page.heading == "You’re unsubscribed"
    assert "since" in page.text
    assert "15" in page.text
    still = page.text.partition("You still get")[2]
    assert "Offers" in still
    assert scopes(page) == ["all", "pause"]
    assert len([link for link in page.links if link.startswith("/p/")]) == 2
    send(world, url, scope="all")
    page = world.get(url).page
    assert (page.heading, scopes(page)) == ("You’re unsubscribed", ["all"])


@pytest.mark.parametrize("back", ["in.news", "ask.news"])
@pytest.mark.parametrize("topics", [("news",), ("news", "offers")])
def test_who_left_and_is_in_again_or_asked_to_be_can_leave_again(
    world: World, back: str, topics: tuple[str, ...]
) -> None:
    url = world.leave_url(topics)
    world.post(url, body=ONE_CLICK)
    world.now += SECOND
    world.happened({back: world.now})
    page = world.get(url).page
    assert page.heading == "Unsubscribe or pause emails"
    assert scopes(page)[:2] == ["topic", "all"]
    world.now += SECOND
    send(world, url, scope="topic")
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize("brand", ["demo", "gone"])
def test_a_link_to_leave_everything_offers_to_until_that_is_done(world: World, brand: str) -> None:
    url = world.leave_url((), brand=brand)
    assert world.get(url).page.heading == "Unsubscribe or pause emails"
    send(world, url, scope="all")
    page = world.get(url).page
    assert (page.heading, scopes(page)) == ("You’re unsubscribed", ["all"])


def test_leaving_a_topic_by_the_page_leaves_that_topic(world: World) -> None:
    world.subscribed("news", "offers")
    answer = send(world, world.leave_url(), scope="topic")
    assert answer.page.heading == "You’re unsubscribed"
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "subscribed")
    recorded = world.events()[-1]
    assert (recorded["channel"]["S"], "suspected_automation" in recorded) == ("page", False)
    assert recorded["locale"] == {"S": "en"}


def test_leaving_everything_leaves_every_topic_there_is_and_will_be(world: World) -> None:
    world.subscribed("news", "offers")
    send(world, world.leave_url(), scope="all")
    assert {world.decision(topic) for topic in ("news", "offers", "product", "future")} == {"unsubscribed"}


def test_a_pause_ends_by_itself(world: World) -> None:
    world.subscribed("news")
    answer = send(world, world.leave_url(), scope="pause", days="60")
    assert answer.page.heading == "Your emails are paused"
    world.now -= SECOND
    assert {world.decision(topic) for topic in ("news", "product")} == {"paused"}
    assert world.status() == "subscribed"
    world.now += 60 * DAY - 1
    assert world.decision() == "paused"
    world.now += 1
    assert world.decision() == "subscribed"


@pytest.mark.parametrize("days", ["30", "60", "90"])
def test_every_pause_that_is_offered_can_be_had(world: World, days: str) -> None:
    answer = send(world, world.leave_url(), scope="pause", days=days)
    assert answer.page.heading == "Your emails are paused"
    assert world.consent().chosen("pause") == str(world.now - SECOND + int(days) * DAY)


def test_a_form_that_comes_back_too_fast_or_unseen_opts_out_and_is_marked(world: World) -> None:
    url = world.leave_url()
    assert send(world, url, wait=SECOND - 1, scope="topic").status == 200
    assert world.status() == "unsubscribed"
    world.post(url, {"scope": "all"})
    assert [event["suspected_automation"] for event in world.events()] == [{"BOOL": True}] * 2


def test_a_stamp_of_another_person_marks_the_opt_out(world: World) -> None:
    stamp = dict(world.get(world.leave_url(email="bob@example.com")).page.forms[0].fields)["stamp"]
    world.now += 5 * SECOND
    world.post(world.leave_url(), {"scope": "topic", "stamp": stamp})
    assert "suspected_automation" in world.events()[0]


def test_the_address_goes_when_everything_is_left(world: World) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    world.now += HOUR
    send(world, world.leave_url(), scope="all")
    assert "ann@example.com" not in str(world.items())


# --- undo -------------------------------------------------------------------------------------------------------------


def undo_url(answer: Answer) -> str:
    """Where the page's undo button leads."""
    (form,) = (form for form in answer.page.forms if form.action.startswith("/u/undo/"))
    return form.action


def test_an_hour_later_nothing_is_undone(world: World) -> None:
    world.subscribed("news")
    url = undo_url(send(world, world.leave_url(), scope="topic"))
    world.now += HOUR - SECOND
    before = world.items()
    answer = world.post(url)
    assert (answer.status, answer.page.heading) == (410, "It’s too late to undo this")
    assert world.items() == before
    world.now -= 1
    assert world.post(url).status == 200
    assert world.status() == "subscribed"


@pytest.mark.parametrize("scope", ["topic", "all", "pause"])
def test_undo_puts_everything_back_as_it_was(world: World, scope: str) -> None:
    world.subscribed("news")
    world.happened({"out.offers": world.now - DAY})
    topics = ("news", "offers", "product")
    before = [world.decision(topic) for topic in topics]
    assert before == ["subscribed", "unsubscribed", "opt_out_topic"]

    left = send(world, world.leave_url(), scope=scope)
    assert [world.decision(topic) for topic in topics] != before
    answer = world.post(undo_url(left))

    assert answer.page.heading == "Undone"
    after = [world.decision(topic) for topic in topics]
    assert [reason.replace("opt_out_topic", "subscribed") for reason in after] == [
        reason.replace("opt_out_topic", "subscribed") for reason in before
    ]
    assert world.intact()


@pytest.mark.parametrize("scope", ["topic", "all", "pause"])
def test_undo_pressed_twice_changes_nothing_more(world: World, scope: str) -> None:
    world.subscribed("news")
    url = undo_url(send(world, world.leave_url(), scope=scope))
    world.post(url)
    before = world.people()
    world.now += SECOND
    assert world.post(url).page.heading == "Undone"
    assert world.people() == before


def test_undo_of_an_opt_out_topic_lets_its_mail_flow_again(world: World) -> None:
    left = send(world, world.leave_url(("product",)), scope="topic")
    assert world.decision("product") == "unsubscribed"
    world.post(undo_url(left))
    assert world.decision("product") in {"subscribed", "opt_out_topic"}
    assert world.decision("news") == "none"


def test_undo_signs_nobody_up_who_was_not(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    assert world.post(undo_url(left)).page.heading == "Undone"
    assert (world.status(), world.decision()) == ("none", "none")


def test_what_was_left_before_is_left_all_the_same_and_nothing_is_offered_to_undo(world: World) -> None:
    world.subscribed("news")
    world.happened({"out.news": world.now - HOUR})
    page = world.post(world.leave_url(), {"scope": "topic"}).page
    assert page.heading == "You’re unsubscribed"
    assert not [form for form in page.forms if form.action.startswith(("/u/undo/", "/u/reason/"))]
    assert world.consent().registers["out.news"] == world.now - HOUR


def test_undo_of_everything_keeps_what_was_left_before_also_for_topics_to_come(world: World) -> None:
    world.happened({"out.*": world.now - 2 * DAY})
    world.happened({"in.news": world.now - HOUR})
    topics = ("news", "offers", "product", "future")
    before = [world.status(topic=topic) for topic in topics]
    answer = world.post(undo_url(send(world, world.leave_url(), scope="all")))
    assert answer.page.heading == "Undone"
    assert [world.status(topic=topic) for topic in topics] == before == ["subscribed", *["unsubscribed"] * 3]
    assert "You’re still unsubscribed from" in answer.page.text


def test_one_click_between_an_opt_out_of_the_page_and_its_undo_stands(world: World) -> None:
    """Who minted the link presses the page's buttons; the click is the person's, and its mail program's answer true."""
    world.happened({"claim.news": world.now - DAY})
    left = send(world, world.leave_url(), scope="topic")
    assert_left_by_one_click(world, world.post(world.leave_url(), body=ONE_CLICK))
    world.now += SECOND
    answer = world.post(undo_url(left))
    assert answer.page.heading == "This couldn’t be undone"
    assert world.status() == "unsubscribed"
    assert world.intact()


def test_the_same_form_again_gets_the_same_undo_and_the_same_question(world: World) -> None:
    """A reload of the answer. Anybody else's repetition is told that they left, too, and gets neither."""
    world.subscribed("news")
    url = world.leave_url()
    form = world.get(url).page.form(scope="topic")
    world.now += 5 * SECOND
    first = world.post(form.action, form.fields)
    events = world.events()
    for _ in range(2):
        world.now += SECOND
        again = world.post(form.action, form.fields)
        assert (undo_url(again), reason_form(again).action) == (undo_url(first), reason_form(first).action)
    assert world.events() == events
    world.post(undo_url(first))
    assert world.status() == "subscribed"


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (compatible; BarracudaSentinel/1.0)", "Slackbot-LinkExpanding 1.0"])
def test_a_scanner_undoes_nothing(world: World, agent: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    answer = world.post(undo_url(left), headers={"user-agent": agent})
    assert answer.page.heading == "This couldn’t be undone"
    assert world.items() == before


def test_undo_has_a_days_budget_and_leaving_has_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPT_INS", 2)
    world.subscribed("news")
    for _ in range(2):
        assert world.post(undo_url(send(world, world.leave_url(), scope="topic"))).page.heading == "Undone"
    left = send(world, world.leave_url(), scope="topic")
    assert world.post(undo_url(left)).page.heading == "This couldn’t be undone"
    assert world.status() == "unsubscribed"
    world.now += DAY
    world.happened({"in.news": world.now})
    assert world.post(undo_url(send(world, world.leave_url(), scope="topic"))).page.heading == "Undone"


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_undo_does_not_lift_a_complaint_or_bounce_of_before(world: World, suppression: str) -> None:
    world.subscribed("news")
    world.happened({suppression: world.now - HOUR})
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    assert world.decision() in {"unsubscribed", suppression}


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_undo_does_not_lift_a_complaint_or_bounce_since(world: World, suppression: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.happened({suppression: world.now})
    world.now += SECOND
    for _ in range(2):
        assert world.post(undo_url(left)).status == 200
        assert world.status() == "subscribed"
        assert world.decision() == suppression


def test_undo_works_where_another_machines_clock_is_behind(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.now -= 2 * SECOND
    world.post(undo_url(left))
    assert world.status() == "subscribed"


def test_undo_of_a_pause_returns_to_the_pause_before(world: World) -> None:
    world.subscribed("news")
    send(world, world.leave_url(), scope="pause", days="30")
    first = world.consent().chosen("pause")
    world.now += HOUR
    second = send(world, world.leave_url(), scope="pause", days="90")
    world.post(undo_url(second))
    assert world.consent().chosen("pause") == first


def test_undo_touches_nothing_but_what_it_undoes(world: World) -> None:
    world.subscribed("news", "offers")
    left = send(world, world.leave_url(), scope="topic")
    send(world, world.leave_url(("offers",)), scope="topic")
    world.post(undo_url(left))
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "unsubscribed")


def test_undo_after_a_claim_gives_back_what_the_person_had(world: World) -> None:
    world.happened({"claim.news": world.now - DAY})
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    assert world.status() == "subscribed"
    assert "in.news" not in world.consent().registers, "as a claim, and no opt-in that they never gave"


@pytest.mark.parametrize(
    ("query", "accepted", "lang"),
    [("?lang=de", "ar", "de"), ("", "ar", "ar"), ("", "tlh", "en"), ("?lang=tlh", "", "en")],
)
def test_a_brand_that_is_gone_speaks_the_visitors_language(world: World, query: str, accepted: str, lang: str) -> None:
    url = world.leave_url(("retired",), brand="gone")
    page = world.get(url + query, headers={"accept-language": accepted})
    assert page.status == 200
    assert f'<html lang="{lang}"' in page.body


def test_undo_of_a_brand_that_is_gone_still_answers(world: World) -> None:
    url = world.leave_url(("retired",), brand="gone")
    left = world.post(url, {"scope": "topic"})
    assert world.post(undo_url(left)).status == 200


def test_an_undo_token_says_nothing_to_another_person(world: World) -> None:
    world.subscribed("news")
    world.subscribed("news", email="bob@example.com")
    for email in ("ann@example.com", "bob@example.com"):
        send(world, world.leave_url(email=email), scope="topic")
    undone = world.token(Purpose.UNDO, email="bob@example.com", at=world.now - SECOND)
    world.post(f"/u/undo/{undone}")
    assert world.status("ann@example.com") == "unsubscribed"
    assert world.status("bob@example.com") == "subscribed"


def test_undoing_an_earlier_opt_out_leaves_a_later_one_in_force(world: World) -> None:
    world.subscribed("news", "offers")
    undo_everything = undo_url(send(world, world.leave_url(), scope="all"))
    world.now += SECOND
    world.post(world.leave_url(("offers",)))
    world.now += SECOND
    assert world.post(undo_everything).status == 200
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "unsubscribed")


def test_one_click_loads_no_more_than_it_needs() -> None:
    """A click that wakes a function waits for every import: rendering, emails, reports and schemas come when needed."""
    function = Path(__file__).parents[2] / "functions" / "oneclick" / "handler.py"
    code = f"import runpy, sys; runpy.run_path({str(function)!r}); print(*sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "AWS_LAMBDA_FUNCTION_NAME"}
    ran = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    loaded = set(ran.stdout.split())
    assert "consentry.actions.recipients" in loaded
    assert not loaded & {
        "aws_lambda_powertools",
        "boto3",
        "consentry.actions.reports",
        "consentry.http.leaving",
        "consentry.actions.mails",
        "consentry.http.pages",
        "email_validator",
        "jinja2",
        "pydantic",
        "yaml",
    }


# --- fewer emails -----------------------------------------------------------------------------------------------------


def options(answer: Answer) -> list[str]:
    """The frequencies that the page offers."""
    select = answer.body.partition('name="frequency"')[2].partition("</select>")[0]
    return re.findall(r'<option value="(\w+)"', select)


@pytest.mark.parametrize("frequency", ["", "every", "daily", "hourly", "<b>", "weekly "])
def test_a_frequency_that_the_topic_does_not_have_changes_nothing_and_the_page_comes_again(
    world: World, frequency: str
) -> None:
    world.subscribed("news")
    before = world.items()
    answer = world.post(world.leave_url(), {"scope": "frequency", "frequency": frequency, "lang": "de"})
    assert (answer.status, answer.page.language) == (400, "de")
    assert 'role="alert"' in answer.body
    assert [dict(form.fields)["scope"] for form in answer.page.forms] == ["topic", "all", "pause", "frequency"]
    assert world.items() == before
    world.now += 5 * SECOND
    assert world.post(world.leave_url(), dict(answer.page.form(scope="topic").fields)).status == 200
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize(
    ("topics", "brand"), [(("retired",), "demo"), (("news", "retired"), "demo"), (("news",), "gone")]
)
def test_no_frequency_is_offered_where_the_brand_has_none(world: World, topics: tuple[str, ...], brand: str) -> None:
    url = world.leave_url(topics, brand=brand)
    assert options(world.get(url)) == []
    answer = world.post(url, {"scope": "frequency", "frequency": "weekly"})
    assert answer.status == 400
    assert world.items() == []


def test_only_what_is_slower_than_now_is_offered(world: World) -> None:
    url = world.leave_url()
    assert options(world.get(url)) == ["weekly", "monthly"]
    send(world, url, scope="frequency", frequency="weekly")
    assert options(world.get(url)) == ["monthly"]
    send(world, url, scope="frequency", frequency="monthly")
    assert options(world.get(url)) == []
    assert options(world.get(world.leave_url(("news", "product")))) == []


def test_several_topics_can_be_had_as_rarely_as_all_of_them_can(world: World) -> None:
    url = world.leave_url(("news", "product"))
    assert options(world.get(url)) == ["monthly"]
    answer = send(world, url, scope="frequency", frequency="monthly")
    assert answer.page.heading == "You’ll get fewer emails"
    assert [world.consent().chosen(f"frequency.{topic}") for topic in ("news", "offers", "product")] == [
        "monthly",
        None,
        "monthly",
    ]


def test_who_asks_for_fewer_mails_stays_subscribed_and_can_see_it_in_the_preferences(world: World) -> None:
    world.subscribed("news", "offers")
    answer = send(world, world.leave_url(), scope="frequency", frequency="weekly")
    assert answer.page.heading == "You’ll get fewer emails"
    assert "once a week at most" in answer.page.text
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "subscribed")
    assert dict(world.get(world.choose_url()).page.forms[0].fields)["frequency.news"] == "weekly"
    event = world.events()[-1]
    assert (event["kind"]["S"], event["channel"]["S"]) == ("preferences_saved", "page")
    assert world.intact()


def test_fewer_mails_asked_for_twice_is_said_to_be_done(world: World) -> None:
    for _ in range(2):
        answer = world.post(world.leave_url(), {"scope": "frequency", "frequency": "weekly"})
        assert (answer.status, answer.page.heading) == (200, "You’ll get fewer emails")
        world.now += SECOND


@pytest.mark.parametrize("before", [None, "every", "weekly"])
def test_undo_of_fewer_mails_gives_back_how_often_they_came(world: World, before: str | None) -> None:
    world.subscribed("news")
    if before:
        world.post(world.choose_url(), {"topics": "news", "frequency.news": before})
        world.now += SECOND
    answer = send(world, world.leave_url(), scope="frequency", frequency="monthly")
    for _ in range(2):
        assert world.post(undo_url(answer)).page.heading == "Undone"
        world.now += SECOND
    assert (world.consent().chosen("frequency.news") or None) == before
    assert world.status() == "subscribed"
    assert world.intact()
    assert [event["kind"]["S"] for event in world.events()].count("undone") == 1


def test_undo_of_fewer_mails_leaves_a_later_choice(world: World) -> None:
    answer = send(world, world.leave_url(), scope="frequency", frequency="monthly")
    world.post(world.choose_url(), {"topics": "product", "frequency.news": "weekly"})
    world.now += SECOND
    world.post(undo_url(answer))
    assert world.consent().chosen("frequency.news") == "weekly"


def test_an_undone_frequency_is_told_to_nobody_as_one(world: World) -> None:
    world.subscribed("news")
    world.post(undo_url(send(world, world.leave_url(), scope="frequency", frequency="monthly")))
    key = world.api_key()
    found = world.api("POST", "/v1/decisions", {"emails": ["ann@example.com"], "topic": "news"}, key=key)
    assert found.json["decisions"][0].get("frequency") is None


# --- why --------------------------------------------------------------------------------------------------------------


def reason_form(answer: Answer) -> Form:
    """The form that asks why."""
    (form,) = (form for form in answer.page.forms if form.action.startswith("/u/reason/"))
    return form


def test_nobody_is_asked_why_before_they_have_left(world: World) -> None:
    assert "/u/reason/" not in world.get(world.leave_url()).body
    assert "/u/reason/" not in send(world, world.leave_url(), scope="pause", days="30").body
    assert "/u/reason/" not in send(world, world.leave_url(), scope="frequency", frequency="weekly").body


@pytest.mark.parametrize("said", ["x", "too_many ", "<script>", "x" * 60_000])
def test_a_reason_that_is_not_offered_is_not_kept(world: World, said: str) -> None:
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    answer = world.post(reason_form(left).action, {"reason": said})
    assert (answer.status, answer.page.heading) == (400, "You don’t have to say why")
    assert "<script" not in answer.body
    assert world.items() == before


def test_a_reason_left_open_is_fine(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    before = world.items()
    form = reason_form(left)
    assert dict(form.fields) == {"lang": "en"}, "nothing is picked beforehand"
    assert world.post(form.action, form.fields).status == 200
    assert world.items() == before


@pytest.mark.parametrize("scope", ["topic", "all"])
@pytest.mark.parametrize("reason", recipients.REASONS)
def test_a_reason_is_noted_beside_the_opt_out_and_changes_nothing(world: World, scope: str, reason: str) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope=scope)
    before, opted_out = world.consent(), world.events()[-1]
    answer = world.post(reason_form(left).action, {"reason": reason, "lang": "de"})
    assert (answer.status, answer.page.language) == (200, "de")
    (event,) = [event for event in world.events() if event["kind"]["S"] == "reason_given"]
    assert event["source"] == {"S": reason}
    assert (event["topics"], event["occurred_at"]) == (opted_out["topics"], opted_out["occurred_at"])
    assert event["registers"] == {"M": {}}
    assert world.consent() == before
    assert world.intact()


def test_one_reason_counts_for_each_time_of_leaving(world: World) -> None:
    first = reason_form(send(world, world.leave_url(), scope="topic")).action
    for reason in ("too_many", "other", "too_many"):
        assert world.post(first, {"reason": reason}).page.heading == "Thanks for telling us"
        world.now += SECOND
    world.happened({"in.news": world.now})
    second = reason_form(send(world, world.leave_url(), scope="topic")).action
    world.post(second, {"reason": "never_asked"})
    given = [event["source"]["S"] for event in world.events() if event["kind"]["S"] == "reason_given"]
    assert given == ["too_many", "never_asked"]
    assert world.intact()


def test_a_reason_after_an_undo_is_no_opt_out(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="topic")
    world.post(undo_url(left))
    world.now += SECOND
    world.post(reason_form(left).action, {"reason": "other", "scope": "all", "List-Unsubscribe": "One-Click"})
    assert world.status() == "subscribed"
    assert world.intact()


def test_undo_works_after_a_reason(world: World) -> None:
    world.subscribed("news")
    left = send(world, world.leave_url(), scope="all")
    world.post(reason_form(left).action, {"reason": "other"})
    world.post(undo_url(left))
    assert world.status() == "subscribed"
    assert world.intact()


def test_a_day_later_nobody_asks_for_a_reason(world: World) -> None:
    url = reason_form(send(world, world.leave_url(), scope="topic")).action
    before = world.items()
    world.now += DAY
    answer = world.post(url, {"reason": "other"})
    assert (answer.status, answer.page.heading) == (410, "It’s too late to tell us why")
    assert world.items() == before


def test_whoever_says_why_while_the_table_is_away_is_thanked(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    with world.table_unavailable():
        answer = world.post(reason_form(left).action, {"reason": "other"})
    assert (answer.status, answer.page.heading) == (200, "Thanks for telling us")


def test_a_reason_is_in_the_ledger_that_platforms_see_and_names_no_device(world: World) -> None:
    left = send(world, world.leave_url(), scope="topic")
    world.post(reason_form(left).action, {"reason": "too_many"})
    person = f"/v1/subscribers/{world.subscriber_id()}"
    found = world.api("GET", f"{person}/ledger", key=world.api_key()).json
    (told,) = [event for event in found["events"] if event["kind"] == "reason_given"]
    assert told["source"] == "too_many"
    assert told["evidence"] == {}
    assert found["intact"] is True
    assert world.api("GET", f"{person}/record", key=world.api_key()).status == 200
