"""Confirming: a person can, a machine that follows links and posts forms can't."""

from __future__ import annotations

import pytest

from consentry.links.tokens import Purpose
from consentry.rules.brands import Bounds
from consentry.rules.ledger import Kind
from consentry.table.breaker import Breaker
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from support.world import DAY, HOUR, SECOND, Answer, World

ANN = "ann@example.com"


def press(world: World, url: str, wait: int = 5 * SECOND, **more: str) -> Answer:
    """Open the page and, after a while, send its own form."""
    return submit(world, url, world.get(url), wait, **more)


def submit(world: World, url: str, shown: Answer, wait: int = 5 * SECOND, **more: str) -> Answer:
    """Send the form of a page that is shown."""
    (form,) = shown.page.forms
    world.now += wait
    return world.post(url, dict(form.fields) | more)


# --- machines ---------------------------------------------------------------------------------------------------------


def test_a_scanner_that_opens_the_page_and_posts_its_form_at_once_opts_nobody_in(world: World) -> None:
    url = world.confirm_url()
    for wait in (0, 1, SECOND - 1):
        answer = press(world, url, wait)
        assert (answer.status, answer.page.heading) == (200, "One quick question")
    assert world.items() == []


@pytest.mark.parametrize(
    "body", ["", "List-Unsubscribe=One-Click", "stamp=", "stamp=nonsense", "answer=yes", "x" * 999]
)
def test_a_post_that_saw_no_page_opts_nobody_in(world: World, body: str) -> None:
    answer = world.post(world.confirm_url(), body=body)
    assert (answer.status, answer.page.heading) == (200, "One quick question")
    assert world.items() == []


def test_the_second_question_posted_as_it_is_opts_nobody_in(world: World) -> None:
    """It has no default: a machine that sends the form as it found it has not answered."""
    url = world.confirm_url()
    question = world.post(url)
    (form,) = question.page.forms
    assert "answer" in form.offered
    assert "answer" not in dict(form.fields)
    answer = submit(world, url, question)
    assert answer.page.heading == "One quick question"
    assert world.items() == []


@pytest.mark.parametrize("wait", [0, SECOND - 1])
def test_the_second_question_answered_too_fast_opts_nobody_in(world: World, wait: int) -> None:
    url = world.confirm_url()
    answer = submit(world, url, world.post(url), wait, answer="yes")
    assert answer.page.heading == "One quick question"
    assert world.items() == []


def test_the_first_forms_stamp_does_not_answer_the_second_question_for_another_link(world: World) -> None:
    stamp = dict(world.get(world.confirm_url(email="bob@example.com")).page.forms[0].fields)["stamp"]
    world.now += 5 * SECOND
    assert world.post(world.confirm_url(), {"stamp": stamp}).page.heading == "One quick question"
    assert world.items() == []


def test_a_confirm_token_is_not_its_own_stamp(world: World) -> None:
    url = world.confirm_url(at=world.now - HOUR)
    assert world.post(url, {"stamp": url.rpartition("/")[2], "answer": "yes"}).page.heading == "One quick question"
    assert world.items() == []


def test_a_person_who_answers_the_second_question_is_opted_in(world: World) -> None:
    url = world.confirm_url()
    answer = submit(world, url, world.post(url), SECOND, answer="yes")
    assert answer.page.heading == "You’re signed up"
    assert world.status() == "subscribed"


@pytest.mark.parametrize("form", ["first", "second", "none"])
def test_a_person_who_says_no_has_left_what_was_asked_for(world: World, form: str) -> None:
    url = world.confirm_url(("news", "offers"))
    if form == "none":
        answer = world.post(url, {"answer": "no"})
    else:
        answer = submit(world, url, world.get(url) if form == "first" else world.post(url), answer="no")
    assert (answer.status, answer.page.heading) == (200, "OK, we won’t email you")
    assert {name.partition(".")[2] for name in world.consent().registers} == {"news", "offers"}
    assert world.status() == "unsubscribed"
    (event,) = world.events()
    assert (event["kind"]["S"], event["actor"]["S"], event["channel"]["S"]) == ("unsubscribed", "recipient", "page")
    again = world.post(url, {"answer": "no"})
    assert (again.status, len(world.events())) == (200, 1)
    assert press(world, url, SECOND).status == 409


@pytest.mark.parametrize("later", [7 * DAY, 400 * DAY])
def test_a_refusal_counts_however_old_its_link_is(world: World, later: int) -> None:
    url = world.confirm_url()
    world.now += later
    assert world.post(url, {"answer": "no"}).status == 200
    assert world.status() == "unsubscribed"


def test_a_refusal_is_kept_while_the_table_or_the_keys_are_away(world: World) -> None:
    queue = world.sqs.create_queue(QueueName="spool")["QueueUrl"]
    world.deploy(spool_queue_url=queue)
    url = world.confirm_url()
    with world.table_unavailable():
        assert world.post(url, {"answer": "no"}).page.heading == "OK, we won’t email you"
    waiting = world.sqs.receive_message(QueueUrl=queue)["Messages"]
    assert len(waiting) == 1
    assert '"unsubscribed"' in waiting[0]["Body"]


@pytest.mark.parametrize("fault", [StoreUnavailableError, PermanentFaultError])
def test_a_refusal_that_the_breaker_can_not_count_counts_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def refused(*_: object) -> None:
        raise fault("the table took the opt-out, and no more")

    monkeypatch.setattr(Breaker, "refused", refused)
    assert world.post(world.confirm_url(), {"answer": "no"}).status == 200
    assert world.status() == "unsubscribed"


def test_a_refusal_of_a_link_that_is_not_ours_is_none(world: World) -> None:
    assert world.post("/c/nonsense", {"answer": "no"}).status == 404
    assert world.items() == []


def test_what_opens_a_refusing_page_changes_nothing(world: World) -> None:
    assert world.get(f"{world.confirm_url()}?answer=no").status == 200
    assert world.items() == []


# --- too late ---------------------------------------------------------------------------------------------------------


def test_a_link_of_seven_days_ago_offers_a_fresh_mail(world: World) -> None:
    url = world.confirm_url()
    world.now += 7 * DAY - 1
    assert world.get(url).status == 200
    world.now += 1
    answer = world.get(url)
    assert (answer.status, answer.page.heading) == (410, "This link has expired")
    assert answer.page.form(action="resend").button == "Send me a new link"


def test_a_form_opened_in_time_and_sent_too_late_opts_nobody_in(world: World) -> None:
    url = world.confirm_url()
    assert press(world, url, 7 * DAY).status == 410
    assert world.items() == []


def test_a_fresh_mail_can_be_asked_for_with_an_expired_link(world: World) -> None:
    world.post("/s/demo", {"email": ANN, "topics": "news", "lang": "de"})
    url = world.confirm_url()
    world.now += 8 * DAY
    answer = submit(world, url, world.get(url))
    assert (answer.status, answer.page.heading) == (200, "Bitte prüfen Sie jetzt Ihr Postfach")
    contact = world.deployment.store.contact("demo", world.subscriber_id())
    assert contact
    assert (contact.address, contact.topics, contact.asked_at, contact.locale) == (ANN, ("news",), world.now, "de")
    assert world.status() == "pending"
    press(world, world.confirm_url(at=world.now))
    assert world.status() == "subscribed"


def test_a_second_fresh_mail_within_ten_minutes_is_not_sent(world: World) -> None:
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    url = world.confirm_url()
    world.now += 8 * DAY
    first = submit(world, url, world.get(url))
    before = world.people()
    second = submit(world, url, world.get(url))
    assert second.body == first.body
    assert world.people() == before


def test_without_the_address_an_expired_link_leads_to_the_form(world: World) -> None:
    url = world.confirm_url()
    world.now += 8 * DAY
    answer = submit(world, url, world.get(url))
    assert (answer.status, answer.page.heading) == (200, "Please sign up again")
    assert any(link.startswith("/s/demo") for link in answer.page.links)
    assert world.people() == []


def test_asking_for_a_fresh_mail_with_a_link_that_is_good_opts_nobody_in(world: World) -> None:
    assert world.post(world.confirm_url(), {"action": "resend"}).page.heading == "One quick question"
    assert world.items() == []


# --- an opt-out since -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["out.news", "out.*"])
def test_an_opt_out_since_the_request_stands(world: World, left: str) -> None:
    url = world.confirm_url()
    world.now += HOUR
    world.happened({left: world.now})
    before = world.people()
    answer = press(world, url)
    assert (answer.status, answer.page.heading) == (409, "You’re unsubscribed")
    assert world.status() == "unsubscribed"
    assert world.people() == before


def test_an_opt_out_at_the_very_instant_of_the_request_stands(world: World) -> None:
    url = world.confirm_url()
    world.happened({"out.news": world.now})
    assert press(world, url).status == 409
    assert world.status() == "unsubscribed"


def test_of_several_topics_those_that_were_not_left_since_are_confirmed(world: World) -> None:
    url = world.confirm_url(("news", "offers"))
    world.now += HOUR
    world.happened({"out.offers": world.now})
    answer = press(world, url)
    assert answer.status == 200
    assert "Newsletter" in answer.page.text
    assert "Offers" not in answer.page.text
    assert (world.status(topic="news"), world.status(topic="offers")) == ("subscribed", "unsubscribed")


def test_an_opt_out_before_the_request_is_lifted_by_confirming(world: World) -> None:
    world.happened({"out.*": world.now - 1})
    assert press(world, world.confirm_url()).status == 200
    assert world.status() == "subscribed"
    assert world.decision("offers") == "unsubscribed"


def test_confirming_again_after_leaving_again_does_not_help(world: World) -> None:
    url = world.confirm_url()
    press(world, url)
    world.post(world.leave_url(), body="List-Unsubscribe=One-Click")
    assert press(world, url).status == 409
    assert world.status() == "unsubscribed"


# --- a person ---------------------------------------------------------------------------------------------------------


def test_a_person_who_presses_the_button_is_opted_in_as_of_the_request(world: World) -> None:
    asked_at = world.now
    answer = press(world, world.confirm_url(("news", "offers")), HOUR)
    assert (answer.status, answer.page.heading) == (200, "You’re signed up")
    assert world.consent().registers == {"in.news": asked_at, "in.offers": asked_at}
    (event,) = world.events()
    assert (event["kind"]["S"], event["actor"]["S"], event["channel"]["S"]) == ("confirmed", "recipient", "page")
    assert event["notice"]["S"]
    assert world.intact()


def test_a_form_that_comes_back_after_exactly_a_second_is_a_persons(world: World) -> None:
    assert press(world, world.confirm_url(), SECOND).page.heading == "You’re signed up"


def test_a_second_click_still_says_done(world: World) -> None:
    url = world.confirm_url()
    first = press(world, url)
    before = world.people()
    second = press(world, url)
    assert (second.status, second.page.heading) == (200, first.page.heading)
    assert world.people() == before


def test_the_page_after_confirming_leads_to_the_preferences(world: World) -> None:
    answer = press(world, world.confirm_url())
    (choose,) = [link for link in answer.page.links if link.startswith("/p/")]
    assert "Newsletter" in world.get(choose).page.text


@pytest.mark.parametrize(("age", "heading"), [(HOUR, "Manage your emails"), (2 * DAY, "One more step")])
def test_the_preferences_after_confirming_bring_back_what_was_left_while_the_mail_is_fresh(
    world: World, age: int, heading: str
) -> None:
    """Who confirms has just shown that they read the mailbox; an older mail may have been passed on since."""
    world.happened({"out.offers": world.now - 3 * DAY}, kind=Kind.UNSUBSCRIBED)
    answer = press(world, world.confirm_url(at=world.now - age))
    (choose,) = [link for link in answer.page.links if link.startswith("/p/")]
    form = world.get(choose).page.forms[0]
    assert world.post(choose, form.with_values({"topics": ["news", "offers", "product"]})).page.heading == heading
    assert world.status(topic="offers") == ("subscribed" if age == HOUR else "unsubscribed")


def test_the_address_goes_once_it_is_confirmed(world: World) -> None:
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    press(world, world.confirm_url())
    assert world.status() == "subscribed"
    assert ANN not in str(world.items())


def test_where_a_complaint_was_a_fresh_confirmation_lifts_it_for_its_topics(world: World) -> None:
    world.subscribed("news", "offers")
    world.happened({"complaint": world.now - HOUR})
    press(world, world.confirm_url(("news",)))
    assert (world.decision("news"), world.decision("offers")) == ("subscribed", "complaint")


def test_nobody_is_opted_in_to_a_brand_that_is_gone(world: World) -> None:
    url = f"/c/{world.token(Purpose.CONFIRM, brand='gone')}"
    assert [world.get(url).status, world.post(url).status] == [404, 404]
    assert world.items() == []


# --- a fresh email has its limits -------------------------------------------------------------------------------------


def test_asking_for_fresh_mails_is_counted_like_the_form_and_looks_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = world.deployment.brands.get("demo")
    monkeypatch.setitem(
        world.deployment.brands._brands, "demo", demo._replace(limits=Bounds(requests_an_hour_per_ip=3))
    )
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    url = world.confirm_url()
    world.now += 8 * DAY
    for at in range(2):
        world.post("/s/demo", {"email": f"p{at}@example.com", "topics": "news"})
    stranger = world.confirm_url(email="nobody@example.com", at=world.now - 8 * DAY)
    without_address = world.post(stranger, {"action": "resend"})
    before = world.items()
    answer = world.post(url, {"action": "resend"})
    assert (answer.status, answer.page.heading) == (200, "Check your inbox")
    assert world.post(stranger, {"action": "resend"}).body == without_address.body
    assert world.items() == before
    from_elsewhere = world.post(url, {"action": "resend"}, ip="203.0.113.8")
    assert from_elsewhere.body == answer.body
    assert world.deployment.store.contact("demo", world.subscriber_id()).asked_at == world.now


def test_fresh_mails_to_variants_of_a_mailbox_come_from_one_budget(world: World) -> None:
    """Twice as many as anybody may ask for: these people hold a link that went there."""
    emails = [f"ann+{at}@gmail.com" for at in range(7)]
    links = []
    for email in emails:
        world.post("/s/demo", {"email": email, "topics": "news"})
        links.append(world.confirm_url(email=email))
        world.now += DAY
    world.now += 8 * DAY
    for url in links:
        world.post(url, {"action": "resend"})
    renewed = [
        world.deployment.store.contact("demo", world.subscriber_id(email)).asked_at == world.now for email in emails
    ]
    assert renewed == [True] * 6 + [False]
