"""The main job, as people and platforms live it, through API Gateway, Lambda, DynamoDB, its stream and SES."""

from __future__ import annotations

import re
import time
import uuid
from email import message_from_string
from email.policy import default
from typing import Any

import pytest

LINK = re.compile(r"https?://[^\s\"<>]+/([cup])/([\w.-]+)")


@pytest.fixture
def someone() -> str:
    """An address that nobody else in this run has."""
    return f"{uuid.uuid4().hex[:12]}@example.com"


def links(mail: dict[str, Any]) -> dict[str, str]:
    """The links of an email's text, by what they do."""
    return {found[1]: found[0] for found in LINK.finditer(mail["text"])}


def confirm(stack: Any, url: str) -> Any:
    """What a person does: opens the page, reads, presses the button."""
    page = stack.call("GET", url)
    assert page.status == 200
    time.sleep(1.1)  # a form that comes back sooner was not posted by a person
    return stack.call("POST", url, form=page.fields())


def subscribed(stack: Any, address: str, *topics: str) -> dict[str, str]:
    """Somebody who asked and confirmed; the links of their mail."""
    form = [("email", address), *(("topics", topic) for topic in topics or ("news",))]
    assert stack.call("POST", "/s/demo", form=form).status == 200
    found = links(stack.mail_to(address))
    assert confirm(stack, found["c"]).status == 200
    return found


def mint(stack: Any, address: str, topic: str = "news") -> dict[str, Any]:
    body = {"topic": topic, "recipients": [{"email": address, "reference": "spring"}]}
    minted: dict[str, Any] = stack.api("POST", "/v1/links", body).json()["links"][0]
    return minted


def test_a_scanner_that_follows_links_and_posts_forms_confirms_nobody(stack: Any, someone: str) -> None:
    stack.call("POST", "/s/demo", form={"email": someone, "topics": "news"})
    url = links(stack.mail_to(someone))["c"]
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        stack.call(method, url)
    page = stack.call("GET", url)
    answer = stack.call("POST", url, form=page.fields())
    assert answer.status == 200
    assert 'name="answer"' in answer.text
    assert stack.status(someone) == "pending"


def test_somebody_subscribes_reads_the_mail_and_confirms(stack: Any, someone: str) -> None:
    assert stack.status(someone) == "none"
    answer = stack.call("POST", "/s/demo", form={"email": someone, "topics": "news"})
    assert answer.status == 200
    assert stack.status(someone) == "pending"
    mail = stack.mail_to(someone)
    assert confirm(stack, links(mail)["c"]).status == 200
    assert stack.status(someone) == "subscribed"
    assert confirm(stack, links(mail)["c"]).status == 200, "the second time too"
    subscriber_id = mint(stack, someone)["subscriber_id"]
    items = {item["sk"]["S"].partition("#")[0]: item for item in stack.items(subscriber_id)}
    assert int(items["STATE"]["in.news"]["N"]) == int(items["STATE"]["ask.news"]["N"])
    assert "address" not in items["CONTACT"], "nothing needs the address any more"


def test_the_mail_is_what_mailbox_providers_want(stack: Any, someone: str) -> None:
    stack.call("POST", "/s/demo?lang=de", form={"email": someone, "topics": "news"})
    mail = message_from_string(stack.mail_to(someone)["raw"], policy=default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    https, mailto = (way.strip("<> ") for way in mail["List-Unsubscribe"].split(","))
    assert https.startswith(stack.base + "/u/")
    assert re.fullmatch(r"mailto:unsubscribe-[a-z2-7]{48}@reply\.meadow\.example\?subject=unsubscribe", mailto)
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    assert "demo." in mail["List-Id"]
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, page):
        assert "12 Orchard Lane" in part
        assert 'lang="de"' in page
    assert stack.call("POST", https, body=b"List-Unsubscribe=One-Click").status == 200
    assert stack.status(someone) == "unsubscribed"


def test_a_second_request_within_the_cooldown_sends_no_second_mail(stack: Any, someone: str) -> None:
    first = stack.call("POST", "/s/demo", form={"email": someone, "topics": "news"})
    stack.mail_to(someone)
    second = stack.call("POST", "/s/demo", form={"email": someone, "topics": "news"})
    assert (second.status, second.text) == (first.status, first.text)
    other = f"later-{someone}"
    stack.call("POST", "/s/demo", form={"email": other, "topics": "news"})
    stack.mail_to(other)  # it was asked for later, so by now the second email would be there
    assert len(stack.mails_to(someone)) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"List-Unsubscribe=One-Click", {"content-type": "application/x-www-form-urlencoded"}),
        (
            b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
            {"content-type": "multipart/form-data; boundary=x"},
        ),
        (b"", {}),
        (b"", {"content-type": "text/plain"}),
        (b"\xff\xfe\x00", {"content-type": "application/octet-stream"}),
        (b"{}", {"content-type": "application/json"}),
    ],
    ids=["urlencoded", "multipart", "empty", "odd type", "junk", "json"],
)
def test_a_providers_one_click_opts_out_however_it_is_posted(
    stack: Any, someone: str, body: bytes, headers: dict[str, str]
) -> None:
    subscribed(stack, someone)
    answer = stack.call("POST", mint(stack, someone)["unsubscribe_url"], body=body, headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "set-cookie" not in answer.headers
    assert stack.status(someone) == "unsubscribed"
    decision = stack.api("POST", "/v1/decisions", {"topic": "news", "emails": [someone]}).json()["decisions"][0]
    assert (decision["allowed"], decision["reason"]) == (False, "unsubscribed")


def test_somebody_leaves_by_the_page_and_changes_their_mind(stack: Any, someone: str) -> None:
    subscribed(stack, someone, "news", "offers")
    url = mint(stack, someone)["unsubscribe_url"]
    page = stack.call("GET", url)
    left = stack.call("POST", url, form=page.fields() | {"scope": "all"})
    assert left.status == 200
    assert {stack.status(someone, topic) for topic in ("news", "offers", "product")} == {"unsubscribed"}
    undo = re.search(r'action="(/u/undo/[^"]+)"', left.text)
    assert undo is not None
    assert stack.call("POST", undo[1], form={}).status == 200
    stands = [stack.status(someone, topic) for topic in ("news", "offers", "product")]
    assert stands == ["subscribed", "subscribed", "none"]  # as it was: nobody ever asked for `product`


def test_an_old_confirmation_mail_doesnt_undo_a_later_opt_out(stack: Any, someone: str) -> None:
    found = subscribed(stack, someone)
    stack.call("POST", found["u"], body=b"List-Unsubscribe=One-Click")
    assert confirm(stack, found["c"]).status == 409
    assert stack.status(someone) == "unsubscribed"


def test_somebody_chooses_their_mails(stack: Any, someone: str) -> None:
    subscribed(stack, someone, "news", "offers")
    url = mint(stack, someone)["preferences_url"]
    form = {"topics": "news", "frequency.news": "weekly", "pause_days": "30", "locale": "fr"}
    shown = [("shown", topic) for topic in ("news", "offers", "product")]
    saved = stack.call("POST", url, form=[*form.items(), *shown])
    assert saved.status == 200
    assert '<html lang="fr"' in saved.text
    told = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()
    assert {topic: each["status"] for topic, each in told["topics"].items()} == {
        "news": "subscribed",
        "offers": "unsubscribed",
        "product": "unsubscribed",
    }
    assert (told["topics"]["news"]["frequency"], told["locale"]) == ("weekly", "fr")
    assert told["paused_until"] is not None
    assert told["topics"]["news"]["reason"] == "paused"


def test_a_platform_reads_the_whole_story(stack: Any, someone: str) -> None:
    subscribed(stack, someone)
    subscriber_id = mint(stack, someone)["subscriber_id"]
    ledger = stack.api("GET", f"/v1/subscribers/{subscriber_id}/ledger").json()
    assert [event["kind"] for event in ledger["events"]] == ["asked", "confirmed"]
    assert ledger["intact"] is True
    record = stack.api("GET", f"/v1/subscribers/{subscriber_id}/record").json()
    assert record["records"][0]["status"] == "subscribed"


def test_an_api_subscription_is_confirmed_by_the_person(stack: Any, someone: str) -> None:
    body = {"email": someone, "topics": ["offers"], "locale": "es", "reference": "shop", "source": "checkout"}
    answer = stack.api("POST", "/v1/subscriptions", body)
    assert (answer.status, answer.json()["status"]) == (202, "accepted")
    mail = stack.mail_to(someone)
    assert stack.status(someone, "offers") == "pending"
    assert confirm(stack, links(mail)["c"]).status == 200
    assert stack.status(someone, "offers") == "subscribed"


def test_brands_know_nothing_of_each_other(stack: Any, someone: str) -> None:
    found = subscribed(stack, someone)
    assert stack.status(someone, brand="other") == "none"
    token = found["u"].rpartition("/")[2]
    for path in ("/c/", "/p/", "/u/undo/"):
        assert stack.call("POST", path + token, body=b"").status == 404


def test_the_other_answers_of_the_contract(stack: Any) -> None:
    assert stack.call("GET", "/healthz").json() == {"status": "ok"}
    assert stack.call("GET", "/s/nobody").status == 404
    for path in ("/c/x", "/u/x", "/p/x"):
        assert stack.call("GET", path).status == 404
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert stack.call(method, "/s/demo").status == 405
    assert stack.call("POST", "/s/demo", body=b"x" * 70_000).status == 413
    assert stack.api("GET", "/v1/openapi.json").json()["openapi"].startswith("3.1")
    assert stack.call("POST", "/v1/decisions", body=b"{}").status == 401
    head, get = stack.call("HEAD", "/s/demo"), stack.call("GET", "/s/demo")
    assert (head.status, head.text) == (200, "")
    assert {name: get.headers[name] for name in ("x-frame-options", "referrer-policy", "cache-control")} == {
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
