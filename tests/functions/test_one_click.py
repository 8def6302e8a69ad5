"""One click: whatever a machine posts to the link opts out, and no less."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import calls, events
from support.leaving import ONE_CLICK, assert_left_by_one_click
from support.world import DAY, SECOND, Answer, World

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
