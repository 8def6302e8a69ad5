"""Choosing: which emails, how often, from when on, in which language."""

from __future__ import annotations

import pytest

from consentry.rules import consent as rules
from consentry.rules.brands import Brands
from consentry.rules.ledger import Kind
from consentry.table import limits
from support.world import DAY, SECOND, Answer, World

ALL = ("news", "offers", "product")


def save(world: World, url: str, **changes: str | list[str]) -> Answer:
    """Open the page, change some fields, and send its form."""
    form = world.get(url).page.forms[0]
    assert form.takes(changes)
    world.now += SECOND
    return world.post(url, form.with_values(changes))


# --- bad choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice",
    [
        {"topics": ["news", "product", "nonsense"]},
        {"topics": ["news", "product", "*"]},
        {"topics": ["news", "product", ""]},
        {"topics": ["news", "product", "<script>alert(1)</script>"]},
        {"shown": ["nonsense", "*", ""]},
        {"was_on": "nonsense * <script>"},
        {"frequency.news": "hourly"},
        {"frequency.nonsense": "weekly"},
        {"frequency.": "weekly"},
        {"pause_days": "-1"},
        {"pause_days": "366"},
        {"pause_days": "1e3"},
        {"pause_days": "٣٠"},
        {"pause_days": "0" * 9 + "99999999"},
        {"pause_days": "9" * 5_000},
        {"pause_days": "0" * 4_000 + "9" * 1_000},
        {"locale": "tlh"},
        {"locale": "de "},
    ],
    ids=lambda choice: "{}={:.40}".format(*map(str, next(iter(choice.items())))),
)
@pytest.mark.parametrize("ours", [True, False])
def test_a_choice_that_is_not_offered_is_passed_over_and_the_rest_counts(
    world: World, choice: dict[str, str | list[str]], ours: bool
) -> None:
    world.subscribed("news")
    before = world.consent()
    url = world.choose_url(ours=ours)
    form = world.get(url).page.forms[0]
    world.now += SECOND
    answer = world.post(url, form.with_values({"frequency.product": "monthly", **choice}))
    assert (answer.status, answer.page.heading) == (200, "Manage your emails")
    assert "<script" not in answer.body
    assert world.consent().registers == before.registers
    assert {name: each.value for name, each in world.consent().choices.items()} == {"frequency.product": "monthly"}


def test_nobody_chooses_mails_of_a_brand_that_is_gone(world: World) -> None:
    url = world.choose_url(brand="gone")
    assert [world.get(url).status, world.post(url, {"topics": "news"}).status] == [404, 404]
    assert world.items() == []


def test_the_page_says_so_when_what_is_known_cannot_be_read(world: World) -> None:
    """It must not show everything as off: a person who saves that would lose what they have."""
    url = world.choose_url()
    with world.table_unavailable():
        assert world.get(url).status == 503


# --- topics -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_everything_as_it_stands(world: World) -> None:
    world.subscribed("news")
    form = world.get(world.choose_url()).page.forms[0]
    assert [value for name, value in form.fields if name == "topics"] == ["news", "product"]
    assert [value for name, value in form.fields if name == "shown"] == list(ALL)
    assert dict(form.fields)["frequency.news"] == ""
    assert dict(form.fields)["pause_days"] == ""
    assert dict(form.fields)["locale"] == ""


def test_a_page_saved_as_it_was_changes_nothing(world: World) -> None:
    world.subscribed("news")
    url = world.choose_url()
    save(world, url, locale="de", pause_days="30", **{"frequency.news": "weekly"})
    before = world.items()
    answer = save(world, url)
    assert answer.status == 200
    assert world.items() == before


def test_ticking_a_topic_opts_in_and_unticking_it_opts_out(world: World) -> None:
    world.subscribed("news")
    shown_at = world.now
    answer = save(world, world.choose_url(ours=True), topics=["offers"])
    assert answer.page.heading == "Manage your emails"
    assert "Saved" in answer.page.text
    assert [world.decision(topic) for topic in ALL] == ["unsubscribed", "subscribed", "unsubscribed"]
    assert world.consent().registers["in.offers"] == shown_at
    assert [value for name, value in answer.page.forms[0].fields if name == "topics"] == ["offers"]
    (event,) = [event for event in world.events() if event["channel"]["S"] == "preferences"]
    assert event["kind"] == {"S": "preferences_saved"}
    assert sorted(event["topics"]["S"].split(",")) == ["news", "offers", "product"]
    assert event["link"] == {"S": "ours"}
    assert world.intact()


def test_by_a_platforms_link_what_was_never_left_is_claimed_and_the_record_says_by_whose_link(world: World) -> None:
    save(world, world.choose_url(), topics=["news", "product"])
    assert world.consent().registers == {"claim.news": world.now - SECOND}
    assert world.decision() == "subscribed"
    (event,) = world.events()
    assert (event["actor"], event["link"]) == ({"S": "recipient"}, {"S": "platform"})
    ledger = world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/ledger", key=world.api_key())
    assert [each["link"] for each in ledger.json["events"]] == ["platform"]


def test_a_topic_that_the_page_did_not_show_stays_as_it_is(world: World) -> None:
    world.subscribed("news", "offers")
    world.post(world.choose_url(), [("shown", "news"), ("shown", "retired")])
    assert [world.decision(topic) for topic in ALL] == ["unsubscribed", "subscribed", "opt_out_topic"]


@pytest.mark.parametrize("ours", [True, False])
def test_a_form_that_does_not_say_what_it_showed_changes_no_topic(world: World, ours: bool) -> None:
    world.subscribed("news", "offers")
    before = world.items()
    url = world.choose_url(ours=ours)
    for form in ([("topics", "news")], [("was_on", "news offers")], [("topics", "product"), ("was_on", "news")]):
        assert world.post(url, form).status == 200
    assert world.items() == before


@pytest.mark.parametrize("stamp", ["", "garbage", "theirs", "another form's"])
@pytest.mark.parametrize("ours", [True, False])
def test_what_was_not_shown_to_the_person_opts_nobody_in(world: World, stamp: str, ours: bool) -> None:
    """And whatever was taken off is off all the same: an opt-out needs no proof."""
    world.subscribed("news")
    url = world.choose_url(ours=ours)
    form = dict(world.get(url).page.forms[0].fields)
    stamps = {
        "theirs": dict(world.get(world.choose_url(email="bob@example.com")).page.forms[0].fields)["stamp"],
        "another form's": dict(world.get(world.leave_url()).page.forms[0].fields)["stamp"],
    }
    world.now += SECOND
    fields = [("shown", topic) for topic in ALL]
    world.post(url, [*fields, ("topics", "offers"), ("was_on", form["was_on"]), ("stamp", stamps.get(stamp, stamp))])
    assert [world.status(topic=topic) for topic in ALL] == ["unsubscribed", "none", "unsubscribed"]


def test_ticking_a_topic_that_waits_for_confirmation_confirms_it(world: World) -> None:
    world.happened({"ask.news": world.now})
    url = world.choose_url()
    assert "Waiting for your confirmation" in world.get(url).page.text
    save(world, url, topics=["news", "product"])
    assert world.status() == "subscribed"


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_ticking_a_topic_again_after_a_complaint_lifts_it_for_that_topic(world: World, suppression: str) -> None:
    world.subscribed("news", "offers")
    world.happened({suppression: world.now})
    world.now += SECOND
    url = world.choose_url(ours=True)
    assert [name for name, _ in world.get(url).page.forms[0].fields].count("topics") == 0
    save(world, url, topics=["news"])
    assert (world.decision("news"), world.decision("offers")) == ("subscribed", suppression)


def test_leaving_everything_by_the_preferences(world: World) -> None:
    world.subscribed("news", "offers")
    url = world.choose_url()
    form = world.get(url).page.form(scope="all")
    answer = world.post(url, form.fields)
    assert answer.status == 200
    assert "You’ll no longer get newsletters" in answer.page.text
    assert [name for name, _ in answer.page.forms[0].fields].count("topics") == 0
    assert {world.decision(topic) for topic in (*ALL, "future")} == {"unsubscribed"}
    assert world.events()[-1]["channel"] == {"S": "preferences"}


def test_leaving_everything_counts_whatever_else_the_form_says(world: World) -> None:
    world.post(world.choose_url(), {"scope": "all", "topics": "nonsense", "pause_days": "x", "locale": "tlh"})
    assert world.decision("product") == "unsubscribed"


def test_a_topic_can_be_had_again_after_leaving_everything(world: World) -> None:
    url = world.choose_url(ours=True)
    world.post(url, {"scope": "all"})
    world.now += SECOND
    save(world, url, topics=["news"])
    assert [world.decision(topic) for topic in ALL] == ["subscribed", "unsubscribed", "unsubscribed"]


def test_everything_left_twice_is_one_event_and_looks_the_same(world: World) -> None:
    """Also when the second is another page's form."""
    url = world.choose_url()
    answers = []
    for _ in range(2):
        form = world.get(url).page.form(scope="all")
        world.now += SECOND
        answers.append(world.post(url, form.fields).page.text)
    assert answers[0] == answers[1]
    assert len(world.events()) == 1


# --- coming back by a platform's link ---------------------------------------------------------------------------------


def ends(world: World, how: str) -> None:
    """What somebody had ends."""
    if how == "erased":
        world.api("DELETE", f"/v1/subscribers/{world.subscriber_id()}", key=world.api_key())
    else:
        world.happened({how: world.now}, kind=Kind.UNSUBSCRIBED)
    world.now += SECOND


@pytest.mark.parametrize("how", ["out.news", "out.*", "complaint", "bounce", "erased"])
def test_what_has_ended_comes_back_by_an_email_alone(world: World, how: str) -> None:
    """The page asks where it is to go; what else the form changed is saved; the email's link opts in."""
    world.subscribed("news", "offers")
    ends(world, how)
    url = world.choose_url()
    kept = [value for name, value in world.get(url).page.forms[0].fields if name == "topics"]
    page = save(world, url, topics=[*kept, "news"], locale="de")
    assert page.status == 200
    assert page.page.language == "en", "the page was shown so"
    assert world.consent().chosen("locale") == "de"
    assert world.decision() != "subscribed"

    (form,) = page.page.forms
    assert form.takes({"email": "ann@example.com"})
    world.now += SECOND
    sent = world.post(url, form.with_values({"email": "ann@example.com"}))
    assert (sent.status, sent.page.heading) == (200, "Check your inbox")
    assert world.decision() != "subscribed", "not before the link is opened"
    (due,) = [item for item in world.items() if item["sk"]["S"] == "RETURN"]
    assert due["topics"] == {"S": "news"}

    offers = world.decision("offers")
    link = world.confirm_url(at=int(due["asked_at"]["N"]))
    confirm = world.get(link).page.forms[0]
    world.now += 2 * SECOND
    world.post(link, confirm.fields)
    assert (world.decision("news"), world.decision("offers")) == ("subscribed", offers)
    assert world.intact()


@pytest.mark.parametrize("typed", ["ann@example.com", "bob@example.com", "not an address", "", "ann@exa\nmple.com"])
def test_whoever_asks_to_come_back_is_answered_the_same_whatever_they_type(world: World, typed: str) -> None:
    """So nobody who holds a link finds out by trying whose it is."""
    world.happened({"out.news": world.now - DAY})
    url = world.choose_url()
    page = save(world, url, topics=["news", "product"])
    answer = world.post(url, page.page.forms[0].with_values({"email": typed}))
    assert (answer.status, answer.page.heading) == (200, "Check your inbox")
    assert "exa" not in answer.page.text.partition("Check your inbox")[2]
    due = [item["sk"]["S"] for item in world.items() if item["sk"]["S"] in {"RETURN", "CONTACT"}]
    assert due == (["CONTACT", "RETURN"] if typed == "ann@example.com" else [])


def test_the_address_typed_to_come_back_needs_the_page_that_asked_for_it(world: World) -> None:
    world.happened({"out.news": world.now - DAY})
    world.post(world.choose_url(), {"topics": "news", "email": "ann@example.com"})
    assert "RETURN" not in [item["sk"]["S"] for item in world.items()]


def test_a_link_of_ours_is_as_good_as_a_platforms_after_a_day(world: World) -> None:
    world.happened({"out.news": world.now - DAY})
    url = world.choose_url(ours=True)
    world.now += DAY
    answer = save(world, url, topics=["news", "product"])
    assert answer.page.forms[0].takes({"email": "ann@example.com"})
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize("ours", [True, False])
def test_a_scanner_that_ticks_everything_opts_nobody_in_and_has_no_email_sent(world: World, ours: bool) -> None:
    world.happened({"out.news": world.now - DAY})
    url = world.choose_url(ours=ours)
    form = world.get(url).page.forms[0]
    world.now += SECOND
    before = world.items()
    answer = world.post(
        url,
        form.with_values({"topics": ALL, "email": "ann@example.com"}),
        headers={"user-agent": "Mozilla/5.0 (compatible; BarracudaSentinel/1.0)"},
    )
    assert answer.status == 200
    assert world.items() == before


# --- stale tabs, and the same form again ------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False])
def test_a_tab_that_was_open_for_long_undoes_no_opt_out_of_meanwhile(world: World, ours: bool) -> None:
    world.subscribed("news")
    url = world.choose_url(ours=ours)
    form = world.get(url).page.forms[0]
    world.now += SECOND
    world.post(world.leave_url(("news", "offers")), body="List-Unsubscribe=One-Click")
    world.now += SECOND
    world.post(url, form.with_values({"topics": ALL, "pause_days": "30"}))
    assert [world.status(topic=topic) for topic in ("news", "offers")] == ["unsubscribed"] * 2
    assert world.consent().chosen("pause") == str(world.now + 30 * DAY)


@pytest.mark.parametrize("ours", [True, False])
def test_the_same_bytes_again_do_nothing_and_say_so(world: World, ours: bool) -> None:
    url = world.choose_url(ours=ours)
    form = world.get(url).page.forms[0].with_values({"topics": ALL, "pause_days": "30"})
    world.now += SECOND
    assert "Already saved" not in world.post(url, form).page.text
    world.now += SECOND
    world.post(world.leave_url(()), body="List-Unsubscribe=One-Click")
    save(world, url, pause_days="0")
    before = world.people()
    world.now += DAY // 2
    answer = world.post(url, form)
    assert world.people() == before
    if ours:
        assert "Already saved" in answer.page.text
        assert [name for name, _ in answer.page.forms[0].fields].count("topics") == 0
    else:
        assert answer.page.forms[0].takes({"email": "ann@example.com"}), "what was left since could be had by an email"


def test_too_many_opt_ins_a_day_are_refused_and_the_rest_is_saved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPT_INS", 2)
    url = world.choose_url(ours=True)
    for _ in range(2):
        save(world, url, topics=["news", "product"])
        world.now += SECOND
        save(world, url, topics=["product"])
        world.now += SECOND
    answer = save(world, url, topics=["news"], pause_days="30")
    assert "signed up too often today" in answer.page.text
    assert [world.status(topic=topic) for topic in ALL] == ["unsubscribed", "none", "unsubscribed"]
    assert world.consent().chosen("pause") == str(world.now + 30 * DAY)


# --- how often, pause, language ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", ["every", "weekly", "monthly"])
def test_how_often_is_kept_and_shown(world: World, frequency: str) -> None:
    answer = save(world, world.choose_url(), **{"frequency.news": frequency})
    assert world.consent().chosen("frequency.news") == frequency
    assert world.consent().chosen("frequency.offers") is None
    assert dict(answer.page.forms[0].fields)["frequency.news"] == frequency
    assert dict(world.get(world.choose_url()).page.forms[0].fields)["frequency.news"] == frequency


def test_a_frequency_that_the_topic_no_longer_has_is_passed_over_and_the_rest_counts(world: World) -> None:
    """The page was open for long; an opt-out in the same form is not refused for that."""
    world.subscribed("news")
    answer = world.post(world.choose_url(), [("shown", "news"), ("frequency.product", "weekly")])
    assert answer.status == 200
    assert world.consent().chosen("frequency.product") is None
    assert world.status() == "unsubscribed"


# --- what we hold -----------------------------------------------------------------------------------------------------


def test_the_page_tells_what_is_held_without_naming_the_address(world: World) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    world.happened({"out.offers": world.now})
    page = world.get(world.choose_url(ours=True)).page
    assert "What we store about you" in page.text
    assert "a•••@e•••.com" in page.text
    assert "ann" not in page.text
    assert "example.com" not in page.text
    assert "Unsubscribed since 1" in page.text
    assert "not confirmed" in page.text
    assert "For 365 days" in page.text
    assert "mailto:privacy@meadow.example" in page.links


def test_the_page_says_so_when_the_address_is_gone(world: World) -> None:
    world.subscribed("news")
    page = world.get(world.choose_url(ours=True)).page
    assert "Deleted – we no longer need it" in page.text


def test_a_complaint_is_among_what_is_held(world: World) -> None:
    url = world.choose_url()
    assert "reported as spam" not in world.get(url).page.text
    world.happened({"complaint": world.now})
    assert "A record that emails couldn’t be delivered" in world.get(url).page.text


def test_a_pause_can_be_set_kept_and_ended(world: World) -> None:
    url = world.choose_url()
    answer = save(world, url, pause_days="30")
    until = world.now + 30 * DAY
    assert world.consent().chosen("pause") == str(until)
    assert "You won’t get any emails until" in answer.page.text
    assert world.decision("product") == "paused"
    save(world, url, **{"frequency.news": "weekly"})
    assert world.consent().chosen("pause") == str(until)
    answer = save(world, url, pause_days="0")
    assert world.decision("product") == "opt_out_topic"
    assert "You won’t get any emails until" not in answer.page.text


def test_ending_a_pause_that_does_not_run_writes_nothing(world: World) -> None:
    world.post(world.choose_url(), {"topics": "product", "pause_days": "0"})
    assert world.items() == []


def test_a_topic_that_is_paused_is_still_ticked(world: World) -> None:
    world.subscribed("news")
    url = world.choose_url()
    save(world, url, pause_days="90")
    save(world, url)
    world.now += 91 * DAY
    assert world.decision() == "subscribed"


@pytest.mark.parametrize("days", ["1", "365", "007"])
def test_a_pause_of_any_sensible_length_is_taken(world: World, days: str) -> None:
    world.post(world.choose_url(), {"topics": "product", "pause_days": days})
    assert world.consent().chosen("pause") == str(world.now + int(days) * DAY)


def test_the_chosen_language_is_spoken_at_once_and_from_then_on(world: World) -> None:
    url = world.choose_url()
    answer = save(world, url, locale="ar")
    assert answer.page.language == "ar"
    assert world.get(url).page.language == "ar"
    assert world.get(world.leave_url()).page.language == "ar"


def test_the_platforms_reference_is_in_the_record(world: World) -> None:
    save(world, world.choose_url(reference="spring"), topics=["news", "product"])
    assert world.events()[0]["reference"] == {"S": "spring"}


# --- many topics, and no form -----------------------------------------------------------------------------------------


def test_everything_a_brand_of_fifty_topics_asks_for_is_saved(world: World) -> None:
    demo = world.deployment.brands.get("demo")
    assert demo
    news = demo.topics["news"]
    topics = {each: news._replace(id=each) for each in (f"topic-{at:02}" for at in range(50))}
    world.deployment.brands = Brands([demo._replace(topics=topics)])
    world.subscribed(*topics)
    url = world.choose_url()
    kept = list(topics)[1:]
    answer = save(world, url, topics=kept, **{f"frequency.{each}": "weekly" for each in kept})
    assert "Saved" in answer.page.text
    consent = world.consent()
    assert rules.status(consent, "topic-00") == "unsubscribed"
    assert {rules.status(consent, each) for each in kept} == {"subscribed"}
    assert consent.chosen("frequency.topic-49") == "weekly"


@pytest.mark.parametrize("body", ["scope=all&x=\xff", "scope=all" + "&x=" * 300, "List-Unsubscribe=One-Click"])
def test_whoever_wants_nothing_more_gets_nothing_more(world: World, body: str) -> None:
    world.subscribed("news")
    assert world.post(world.choose_url(), body=body.encode("latin-1")).status == 200
    assert world.status() == "unsubscribed"


@pytest.mark.parametrize("body", ['{"topics": ["news"]}', "nonsense", "a=1&b=2", "\u00ff"])
def test_what_is_no_form_of_ours_is_never_called_saved(world: World, body: str) -> None:
    world.subscribed("news")
    answer = world.post(world.choose_url(), body=body)
    assert (answer.status, answer.page.heading) == (400, "We couldn’t save that")
    assert world.status() == "subscribed"
